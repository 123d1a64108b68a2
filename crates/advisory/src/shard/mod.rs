//! The shard file: the advisories of one ecosystem and release, compiled for looking up.
//!
//! A file is immutable and mapped into memory. Opening reads the header only; a look-up is a binary search
//! and borrowed rows, and allocates nothing; text lies apart, compressed. A damaged file gives an error or
//! rows that say so, never a panic. The format is described in `docs/design/0002-shard-file-format.md`.
//! This module reads no upstream format and knows nothing of packages.

use std::{io, path::Path};

use model::{Advisory, advisory::Rating};
use xxhash_rust::xxh3::xxh3_64;

mod description;
mod header;
pub(crate) mod map;
pub(crate) mod row;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
mod writer;

pub use description::Description;
pub use header::ShardInfo;
pub use row::{EventKind, Events, RangeView, Ranges, Row, RowError};
pub use wire::Texts;
pub use writer::{ShardWriter, WriteError, WrittenShard};

use self::{
    header::{Header, Section, SectionKind},
    map::Map,
    wire::Cursor,
};
use crate::ecosystem::ShardName;

/// Why a shard file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The file could not be opened or mapped.
    #[error("failed to open the file")]
    Io(#[source] io::Error),
    /// The file does not begin as a shard does.
    #[error("the file is no advisory shard")]
    NotAShard,
    /// Written by another version of Lazaret.
    #[error("the shard has format version {0}, which this version of lazaret cannot read")]
    UnknownVersion(u16),
    /// A part that must be understood is not.
    #[error("the shard has a section of the unknown kind {0}")]
    UnknownSection(u32),
    /// The file is shorter or longer than it says.
    #[error("the shard is truncated")]
    Truncated,
    /// A checksum does not fit.
    #[error("the shard is damaged: the checksum of its {0} does not fit")]
    Checksum(&'static str),
    /// A value is out of bounds.
    #[error("the shard is damaged: {0}")]
    Corrupt(&'static str),
}

/// An open shard.
#[derive(Debug)]
pub struct Shard {
    map: Map,
    header: Header,
}

impl Shard {
    /// Opens a file. Only the header is read and checked; [`Self::verify`] checks the rest.
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        Self::new(Map::open(path).map_err(ShardError::Io)?)
    }

    /// Opens a shard that is no file: a fuzzer's, a test's.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ShardError> {
        Self::new(Map::Owned(bytes))
    }

    fn new(map: Map) -> Result<Self, ShardError> {
        let header = Header::parse(map.bytes())?;
        let shard = Self { map, header };
        shard.check_counts()?;
        Ok(shard)
    }

    /// What the shard says of itself.
    pub const fn info(&self) -> &ShardInfo {
        &self.header.info
    }

    /// `xxh3:` and 32 hexadecimal digits; through the header's checksums it stands for the whole file.
    pub fn digest(&self) -> String {
        digest_text(self.header.digest)
    }

    /// Checks every checksum and reads every row and description: O(file), for after building or fetching.
    pub fn verify(&self) -> Result<(), ShardError> {
        for kind in SectionKind::ALL {
            let Section { xxh3, .. } = self.header.section(kind);
            if xxh3_64(self.section(kind)) != xxh3 {
                return Err(ShardError::Checksum("sections"));
            }
        }
        let mut rows = 0_u64;
        let mut before: Option<&str> = None;
        for at in 0..self.names_len() {
            let name = self.name_at(at).ok_or(ShardError::Corrupt("a package name"))?;
            if before.is_some_and(|before| before >= name) {
                return Err(ShardError::Corrupt("the order of names"));
            }
            before = Some(name);
            for row in self.rows_at(at) {
                let row = row.map_err(|_| ShardError::Corrupt("a row"))?;
                self.advisory(row.advisory).ok_or(ShardError::Corrupt("an advisory"))?;
                rows += 1;
            }
        }
        if rows != self.info().rows {
            return Err(ShardError::Corrupt("the number of rows"));
        }
        let mut blocks = Blocks::new(self);
        for advisory in 0..self.advisories_len() {
            blocks.description(advisory)?;
        }
        Ok(())
    }

    /// The rows of a package name, in the order in which they were written; empty when there is none.
    pub fn rows(&self, name: &str) -> Rows<'_> {
        let (mut low, mut high) = (0, self.names_len());
        while low < high {
            let middle = low + (high - low) / 2;
            // Names are compared as bytes; a damaged index only leads astray.
            match self.name_bytes_at(middle).unwrap_or_default().cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.rows_at(middle),
            }
        }
        Rows { cursor: Cursor::new(&[]) }
    }

    /// All package names, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.names_len()).filter_map(|at| self.name_at(at))
    }

    /// Ids and rating of an advisory, by the index that its rows carry.
    pub fn advisory(&self, index: u32) -> Option<AdvisoryView<'_>> {
        let (start, end) = self.bounds(SectionKind::AdvisoryIndex, index, 0)?;
        let mut cursor = Cursor::new(self.section(SectionKind::Advisories).get(start..end)?);
        Some(AdvisoryView {
            id: cursor.text()?,
            aliases: cursor.texts()?,
            upstream: cursor.texts()?,
            related: cursor.texts()?,
            rating: cursor.rest(),
        })
    }

    /// One line on an advisory; empty when its source has none.
    pub fn title(&self, index: u32) -> &str {
        let title = self.bounds(SectionKind::AdvisoryIndex, index, 4).and_then(|(start, end)| {
            std::str::from_utf8(self.section(SectionKind::Titles).get(start..end)?).ok()
        });
        title.unwrap_or_default()
    }

    /// The text of an advisory; unpacks a block.
    pub fn description(&self, index: u32) -> Result<Description, ShardError> {
        Blocks::new(self).description(index)
    }

    /// All advisories as values, in the order in which they were written; for tools and tests.
    pub fn to_advisories(&self) -> Result<Vec<Advisory>, ShardError> {
        let mut blocks = Blocks::new(self);
        let mut advisories = Vec::new();
        for index in 0..self.advisories_len() {
            let view = self.advisory(index).ok_or(ShardError::Corrupt("an advisory"))?;
            let text = blocks.description(index)?;
            advisories.push(Advisory {
                id: view.id.to_owned(),
                aliases: view.aliases.map(str::to_owned).collect(),
                upstream: view.upstream.map(str::to_owned).collect(),
                related: view.related.map(str::to_owned).collect(),
                summary: self.title(index).to_owned(),
                details: text.details,
                references: text.references,
                published: text.published,
                modified: text.modified,
                withdrawn: None,
                severity: view.rating(),
                affected: Vec::new(),
            });
        }
        for at in 0..self.names_len() {
            for row in self.rows_at(at) {
                let row = row.map_err(|_| ShardError::Corrupt("a row"))?;
                let advisory = advisories.get_mut(row.advisory as usize);
                let advisory = advisory.ok_or(ShardError::Corrupt("an advisory"))?;
                let (ecosystem, mut affected) = row.to_affected();
                self.name_at(at).unwrap_or_default().clone_into(&mut affected.name);
                if let Some(text) = self.header.ecosystems.get(ecosystem as usize) {
                    text.clone_into(&mut affected.ecosystem);
                }
                advisory.affected.push(affected);
            }
        }
        Ok(advisories)
    }

    fn section(&self, kind: SectionKind) -> &[u8] {
        let Section { start, len, .. } = self.header.section(kind);
        self.map.bytes().get(start..start.saturating_add(len)).unwrap_or_default()
    }

    /// The counts must fit the indexes, or a look-up could see only a part.
    fn check_counts(&self) -> Result<(), ShardError> {
        let info = self.info();
        let fits = |kind, count: u64, extra: u64, width: u64| {
            count.checked_add(extra).and_then(|n| n.checked_mul(width))
                == Some(self.section(kind).len() as u64)
        };
        let fit = fits(SectionKind::NameIndex, info.names, 1, 8)
            && fits(SectionKind::AdvisoryIndex, info.advisories, 1, 8)
            && fits(SectionKind::DescriptionIndex, info.advisories, 0, 8);
        if fit { Ok(()) } else { Err(ShardError::Corrupt("the size of an index")) }
    }

    fn names_len(&self) -> u32 {
        u32::try_from(self.info().names).unwrap_or(u32::MAX)
    }

    fn advisories_len(&self) -> u32 {
        u32::try_from(self.info().advisories).unwrap_or(u32::MAX)
    }

    fn word(&self, kind: SectionKind, at: usize) -> Option<u32> {
        Cursor::new(self.section(kind).get(at..)?).fixed32()
    }

    /// Start and end that entry `index` of an index with two columns gives in one of them.
    fn bounds(&self, kind: SectionKind, index: u32, column: usize) -> Option<(usize, usize)> {
        let at = (index as usize).checked_mul(8)?.checked_add(column)?;
        let start = self.word(kind, at)? as usize;
        let end = self.word(kind, at.checked_add(8)?)? as usize;
        (start <= end).then_some((start, end))
    }

    fn name_bytes_at(&self, at: u32) -> Option<&[u8]> {
        let (start, end) = self.bounds(SectionKind::NameIndex, at, 0)?;
        self.section(SectionKind::Names).get(start..end)
    }

    fn name_at(&self, at: u32) -> Option<&str> {
        std::str::from_utf8(self.name_bytes_at(at)?).ok()
    }

    fn rows_at(&self, at: u32) -> Rows<'_> {
        let rows = self.bounds(SectionKind::NameIndex, at, 4);
        match rows.and_then(|(start, end)| self.section(SectionKind::Rows).get(start..end)) {
            Some(rows) => Rows { cursor: Cursor::new(rows) },
            // One byte that is no row: the reader is told.
            None => Rows { cursor: Cursor::new(&[0x80]) },
        }
    }
}

/// The rows of one name. A row that cannot be used is answered as such; after damage nothing follows.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let row = self.cursor.bytes().ok_or(RowError::Corrupt).and_then(Row::parse);
        if row.as_ref().err() == Some(&RowError::Corrupt) {
            self.cursor = Cursor::new(&[]);
        }
        Some(row)
    }
}

/// Ids and rating of one advisory, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct AdvisoryView<'a> {
    /// The source's own id.
    pub id: &'a str,
    /// Other names of the same vulnerability.
    pub aliases: Texts<'a>,
    /// Vulnerabilities that it is about.
    pub upstream: Texts<'a>,
    /// Loosely related ids.
    pub related: Texts<'a>,
    rating: &'a [u8],
}

impl<'a> AdvisoryView<'a> {
    /// The severity as it is written: equal bytes say the same.
    pub(crate) const fn rating_bytes(&self) -> &'a [u8] {
        self.rating
    }

    /// The severity where a row has none of its own.
    pub fn rating(&self) -> Rating {
        row::parse_rating(&mut Cursor::new(self.rating)).unwrap_or_default()
    }
}

/// Unpacks description blocks and keeps the last one.
struct Blocks<'a> {
    shard: &'a Shard,
    last: Option<(usize, Vec<u8>)>,
}

impl<'a> Blocks<'a> {
    const fn new(shard: &'a Shard) -> Self {
        Self { shard, last: None }
    }

    fn description(&mut self, index: u32) -> Result<Description, ShardError> {
        let corrupt = ShardError::Corrupt("a description");
        let at = index as usize * 8;
        let block = self.shard.word(SectionKind::DescriptionIndex, at);
        let offset = self.shard.word(SectionKind::DescriptionIndex, at + 4);
        let (Some(block), Some(offset)) = (block, offset) else { return Err(corrupt) };
        let block = block as usize;
        if self.last.as_ref().is_none_or(|(last, _)| *last != block) {
            self.last = Some((block, self.unpack(block).ok_or(ShardError::Corrupt("a description"))?));
        }
        let unpacked =
            self.last.as_ref().and_then(|(_, bytes)| description::parse_description(bytes, offset as usize));
        unpacked.ok_or(corrupt)
    }

    fn unpack(&self, block: usize) -> Option<Vec<u8>> {
        let mut cursor =
            Cursor::new(self.shard.section(SectionKind::BlockIndex).get(block.checked_mul(8)?..)?);
        let start = usize::try_from(cursor.fixed64()?).ok()?;
        let end = usize::try_from(cursor.fixed64()?).ok()?;
        let packed = self.shard.section(SectionKind::Blocks).get(start..end)?;
        // Allocates what the frame says it holds, up to the limit.
        zstd::bulk::decompress(packed, description::MAX_BLOCK_BYTES).ok()
    }
}

fn digest_text(digest: u128) -> String {
    format!("xxh3:{digest:032x}")
}

/// Name of the file of a shard with that digest.
fn file_name(name: &ShardName, digest: u128) -> String {
    format!("{name}-{digest:032x}.shard")
}
