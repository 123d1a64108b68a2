//! Writes an enrichment file: entries go in one by one, the file comes out sorted, checksummed and renamed in.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use model::advisory::Rating;

use super::{CveKey, EnrichmentInfo, Entry, Kind, header};
use crate::shard::{
    WriteError,
    row::put_rating,
    wire::{put_text, put_varint},
};

/// How names of enrichment files end.
pub(crate) const SUFFIX: &str = ".enrichment";

/// What [`EnrichmentWriter::finish`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenEnrichment {
    /// Where it lies.
    pub path: PathBuf,
    /// `xxh3:` and 32 hexadecimal digits.
    pub digest: String,
    /// What it says of itself.
    pub info: EnrichmentInfo,
    /// Size in bytes.
    pub bytes: u64,
}

/// Gathers the entries of one file. Memory: the encoded records.
#[derive(Debug)]
pub struct EnrichmentWriter {
    kind: Kind,
    dated: String,
    /// Start and length of records.
    entries: BTreeMap<CveKey, (usize, usize)>,
    arena: Vec<u8>,
}

impl EnrichmentWriter {
    /// An empty file of that kind.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, dated: String::new(), entries: BTreeMap::new(), arena: Vec::new() }
    }

    /// How many CVEs it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The day or time that a source gives its data; the latest stays.
    pub fn dated(&mut self, text: &str) {
        if text > self.dated.as_str() {
            text.clone_into(&mut self.dated);
        }
    }

    /// Adds what is said of a CVE; replaces what was said before. Answers whether it is an entry of this kind under
    /// the id of a CVE.
    pub fn push(&mut self, cve: &str, entry: &Entry) -> bool {
        let Some(key) = CveKey::parse(cve).filter(|_| entry.kind() == self.kind) else { return false };
        let start = self.arena.len();
        let out = &mut self.arena;
        match entry {
            Entry::Kev(kev) => {
                put_text(out, &kev.added);
                put_text(out, kev.due.as_deref().unwrap_or_default());
                out.push(u8::from(kev.ransomware));
            }
            Entry::Epss(epss) => {
                put_varint(out, epss.score_millionths.into());
                put_varint(out, epss.percentile_millionths.into());
            }
            Entry::CveSeverity(ratings) => {
                for rating in ratings {
                    put_text(out, &rating.source);
                    let (severity, score_tenths) = (rating.severity, rating.score_tenths);
                    put_rating(out, &Rating { severity, score_tenths, vector: rating.vector.clone() });
                }
            }
        }
        let len = self.arena.len() - start;
        self.entries.insert(key, (start, len));
        true
    }

    /// Writes the file beside and renames it in, under a name that holds its digest.
    ///
    /// # Errors
    /// When it would be larger than its offsets can say, or cannot be written.
    pub fn finish(self, dir: &Path, source: &str, built: &str) -> Result<WrittenEnrichment, WriteError> {
        let (mut keys, mut starts, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let too_large = || WriteError::TooLarge(self.kind.to_string());
        let mut put_start = |len: usize| {
            let start = u32::try_from(len).map_err(|_| too_large())?;
            starts.extend_from_slice(&start.to_le_bytes());
            Ok(())
        };
        for (CveKey(key), (start, len)) in &self.entries {
            keys.extend_from_slice(&key.to_le_bytes());
            put_start(records.len())?;
            records.extend_from_slice(self.arena.get(*start..start + len).unwrap_or_default());
        }
        put_start(records.len())?;
        let info = EnrichmentInfo {
            kind: self.kind,
            source: source.to_owned(),
            dated: self.dated,
            built: built.to_owned(),
            entries: self.entries.len() as u64,
        };
        let header = header::build(&info, [&keys, &starts, &records]);
        let digest = header::digest(&header);
        let path = dir.join(format!("{}-{digest:032x}{SUFFIX}", info.kind));
        let bytes = write_beside(dir, &path, &[&header, &keys, &starts, &records]);
        let bytes = bytes.map_err(|error| WriteError::Io(info.kind.to_string(), error))?;
        Ok(WrittenEnrichment { path, digest: format!("xxh3:{digest:032x}"), info, bytes })
    }
}

fn write_beside(dir: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<u64> {
    fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new().prefix(".enrichment-").suffix(".tmp").tempfile_in(dir)?;
    let mut bytes = 0;
    for part in parts {
        file.write_all(part)?;
        bytes += part.len() as u64;
    }
    // Readable by whoever may enter the directory, as an ordinary file would be.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(bytes)
}
