//! Enrichment files: what is known of CVEs beside advisories, compiled for looking up by CVE.
//!
//! One file for each [`Kind`], beside the shards and with the same discipline: immutable, versioned, checksummed,
//! mapped into memory, replaced by rename. A look-up is a binary search over fixed-size keys and allocates nothing.
//! The format is described in `docs/design/0002-shard-file-format.md`. This module decides nothing about findings but
//! what it writes beside them, and fetches nothing.

use std::path::Path;

use model::{Epss, KnownExploited, SourceRating, advisory::Rating};
use xxhash_rust::xxh3::xxh3_64;

mod header;
mod set;
#[cfg(test)]
mod tests;
mod writer;

pub use header::EnrichmentInfo;
pub use set::EnrichmentSet;
pub(crate) use writer::SUFFIX;
pub use writer::{EnrichmentWriter, WrittenEnrichment};

use self::header::{Header, Section};
use crate::shard::{ShardError, map::Map, row::parse_rating, wire::Cursor};

/// The kinds of enrichment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// CISA's catalogue of known exploited vulnerabilities.
    Kev,
    /// FIRST's exploit prediction scores.
    Epss,
    /// CVSS vectors of CVEs, from NVD, CISA or whoever assigned them.
    CveSeverity,
}

impl Kind {
    /// All, in the order of reports.
    pub const ALL: [Self; 3] = [Self::CveSeverity, Self::Epss, Self::Kev];

    /// The stable name: of the file, on the command line and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kev => "kev",
            Self::Epss => "epss",
            Self::CveSeverity => "cve-severity",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A CVE id as a number that sorts by year, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CveKey(u64);

impl CveKey {
    /// Bits of the number; more digits than they hold are assigned to nothing.
    const NUMBER_BITS: u32 = 48;

    /// Reads `CVE-YYYY-NNNN` (cve.org: four digits or more, filled up with zeros to four and no further).
    pub fn parse(id: &str) -> Option<Self> {
        let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let filled = number.len() == 4 || (number.len() > 4 && !number.starts_with('0'));
        if year.len() != 4 || number.len() > 14 || !filled || !digits(year) || !digits(number) {
            return None;
        }
        let (year, number): (u64, u64) = (year.parse().ok()?, number.parse().ok()?);
        (number >> Self::NUMBER_BITS == 0).then_some(Self(year << Self::NUMBER_BITS | number))
    }
}

impl std::fmt::Display for CveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.0 & ((1 << Self::NUMBER_BITS) - 1);
        write!(f, "CVE-{:04}-{number:04}", self.0 >> Self::NUMBER_BITS)
    }
}

/// What is written of one CVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is in the catalogue.
    Kev(KnownExploited),
    /// Its scores.
    Epss(Epss),
    /// Who rates it how; the first is the one of choice.
    CveSeverity(Vec<SourceRating>),
}

impl Entry {
    /// The kind of file that it belongs into.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Kev(_) => Kind::Kev,
            Self::Epss(_) => Kind::Epss,
            Self::CveSeverity(_) => Kind::CveSeverity,
        }
    }
}

/// Width of a key and of its record's start.
const KEY_BYTES: usize = 8;
const START_BYTES: usize = 4;

/// An open enrichment file.
#[derive(Debug)]
pub struct EnrichmentFile {
    map: Map,
    header: Header,
}

impl EnrichmentFile {
    /// Opens a file. Only the header is read and checked; [`Self::verify`] checks the rest.
    ///
    /// # Errors
    /// When it cannot be mapped, or is no enrichment file of a version that is known.
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        Self::new(Map::open(path).map_err(ShardError::Io)?)
    }

    /// Opens one that is no file: a fuzzer's, a test's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ShardError> {
        Self::new(Map::Owned(bytes))
    }

    fn new(map: Map) -> Result<Self, ShardError> {
        let header = Header::parse(map.bytes())?;
        let entries = header.info.entries;
        let fits = |section: Section, extra: u64, width: usize| {
            entries.checked_add(extra).and_then(|n| n.checked_mul(width as u64)) == Some(section.len as u64)
        };
        if !fits(header.keys, 0, KEY_BYTES) || !fits(header.starts, 1, START_BYTES) {
            return Err(ShardError::Corrupt("the size of an index"));
        }
        Ok(Self { map, header })
    }

    /// What the file says of itself.
    pub const fn info(&self) -> &EnrichmentInfo {
        &self.header.info
    }

    /// `xxh3:` and 32 hexadecimal digits; through the header's checksums it stands for the whole file.
    pub fn digest(&self) -> String {
        format!("xxh3:{:032x}", self.header.digest)
    }

    /// The bytes of the record of a CVE; allocates nothing.
    pub fn record(&self, cve: &str) -> Option<&[u8]> {
        let CveKey(wanted) = CveKey::parse(cve)?;
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // A damaged index only leads astray.
            match self.key_at(middle)?.cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.record_at(middle),
            }
        }
        None
    }

    /// What the file says of a CVE. `None` also for a record that is damaged.
    pub fn get(&self, cve: &str) -> Option<Entry> {
        self.entry(self.record(cve)?)
    }

    /// Its exploit prediction; allocates nothing.
    pub fn epss(&self, cve: &str) -> Option<Epss> {
        if self.info().kind != Kind::Epss {
            return None;
        }
        parse_epss(&mut Cursor::new(self.record(cve)?))
    }

    /// All CVEs with what is said of them, in order; a damaged record is `None`.
    pub fn entries(&self) -> impl Iterator<Item = (CveKey, Option<Entry>)> + '_ {
        (0..self.len()).filter_map(|at| {
            Some((CveKey(self.key_at(at)?), self.record_at(at).and_then(|record| self.entry(record))))
        })
    }

    /// Checks every checksum and reads every record: O(file), for after building or fetching.
    ///
    /// # Errors
    /// Says the first thing that is wrong.
    pub fn verify(&self) -> Result<(), ShardError> {
        for section in [self.header.keys, self.header.starts, self.header.records] {
            if xxh3_64(self.section(section)) != section.xxh3 {
                return Err(ShardError::Checksum("sections"));
            }
        }
        let mut before = None;
        for (key, entry) in self.entries() {
            if before.is_some_and(|before| before >= key) {
                return Err(ShardError::Corrupt("the order of CVEs"));
            }
            before = Some(key);
            entry.ok_or(ShardError::Corrupt("a record"))?;
        }
        Ok(())
    }

    fn len(&self) -> usize {
        // Checked against the length of the file.
        self.header.keys.len / KEY_BYTES
    }

    fn section(&self, Section { start, len, .. }: Section) -> &[u8] {
        self.map.bytes().get(start..start.saturating_add(len)).unwrap_or_default()
    }

    fn key_at(&self, at: usize) -> Option<u64> {
        Cursor::new(self.section(self.header.keys).get(at.checked_mul(KEY_BYTES)?..)?).fixed64()
    }

    fn record_at(&self, at: usize) -> Option<&[u8]> {
        let mut starts = Cursor::new(self.section(self.header.starts).get(at.checked_mul(START_BYTES)?..)?);
        let (start, end) = (starts.fixed32()? as usize, starts.fixed32()? as usize);
        self.section(self.header.records).get(start..end)
    }

    fn entry(&self, record: &[u8]) -> Option<Entry> {
        let mut cursor = Cursor::new(record);
        Some(match self.info().kind {
            Kind::Kev => Entry::Kev(KnownExploited {
                added: cursor.text()?.to_owned(),
                due: Some(cursor.text()?).filter(|due| !due.is_empty()).map(str::to_owned),
                ransomware: cursor.byte()? != 0,
            }),
            Kind::Epss => Entry::Epss(parse_epss(&mut cursor)?),
            Kind::CveSeverity => {
                let mut ratings = Vec::new();
                while !cursor.is_empty() {
                    let source = cursor.text()?.to_owned();
                    let Rating { severity, vector, score_tenths } = parse_rating(&mut cursor)?;
                    let shard = Kind::CveSeverity.as_str().to_owned();
                    ratings.push(SourceRating { source, shard, severity, score_tenths, vector });
                }
                Entry::CveSeverity(ratings)
            }
        })
    }
}

fn parse_epss(cursor: &mut Cursor<'_>) -> Option<Epss> {
    Some(Epss { score_millionths: cursor.index()?, percentile_millionths: cursor.index()? })
}
