//! Writes a shard: advisories go in one by one, the file comes out sorted, checksummed and renamed in.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use model::Advisory;

use super::{
    ShardInfo,
    description::{BLOCK_BYTES, put_description},
    file_name, header, row,
    wire::{put_bytes, put_text, put_texts},
};
use crate::ecosystem::ShardName;

/// zstd level of descriptions: most of the gain, little of the time.
const LEVEL: i32 = 6;

/// Why a shard could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A section would pass what its 32-bit offsets can say.
    #[error("shard {0} would be larger than its format allows")]
    TooLarge(String),
    /// The file could not be written.
    #[error("failed to write shard {0}")]
    Io(String, #[source] io::Error),
}

/// What [`ShardWriter::finish`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenShard {
    /// Where it lies.
    pub path: PathBuf,
    /// `xxh3:` and 32 hexadecimal digits.
    pub digest: String,
    /// What it says of itself.
    pub info: ShardInfo,
    /// Size in bytes.
    pub bytes: u64,
}

struct RowEntry {
    name: u32,
    /// Rows of one name keep the order of their coming.
    sequence: u32,
    advisory: u32,
    start: usize,
    len: usize,
}

struct Record {
    modified: String,
    ids: Vec<u8>,
    title: String,
    place: (u32, u32),
    alive: bool,
}

/// Gathers the advisories of one shard. Memory: the encoded rows, and descriptions compressed as they come.
pub struct ShardWriter {
    name: ShardName,
    scheme: String,
    names: HashMap<Box<str>, u32>,
    ecosystems: Vec<String>,
    by_id: HashMap<Box<str>, u32>,
    records: Vec<Record>,
    rows: Vec<RowEntry>,
    arena: Vec<u8>,
    /// Name and hash of every row, which holds the advisory's number.
    seen: HashSet<(u32, u64)>,
    block: Vec<u8>,
    block_index: Vec<u8>,
    blocks: Vec<u8>,
    too_large: bool,
}

impl ShardWriter {
    /// An empty shard of that version order.
    pub fn new(name: ShardName, scheme: &str) -> Self {
        Self {
            name,
            scheme: scheme.to_owned(),
            names: HashMap::new(),
            ecosystems: Vec::new(),
            by_id: HashMap::new(),
            records: Vec::new(),
            rows: Vec::new(),
            arena: Vec::new(),
            seen: HashSet::new(),
            block: Vec::new(),
            block_index: Vec::new(),
            blocks: Vec::new(),
            too_large: false,
        }
    }

    /// Adds an advisory with the affected entries that belong into this shard.
    ///
    /// Sources overlap, so an id may come more than once: the newest by `modified` stays. Of equally old ones
    /// the affected entries are united, and one that is withdrawn wins. A withdrawn advisory is never stored.
    /// Answers whether the advisory is in the shard now.
    pub fn push(&mut self, advisory: &Advisory) -> io::Result<bool> {
        let known = self.by_id.get(advisory.id.as_str()).copied();
        if let Some((index, before)) = known.and_then(|at| Some((at, self.records.get_mut(at as usize)?))) {
            match before.modified.cmp(&advisory.modified) {
                Ordering::Greater => return Ok(false),
                Ordering::Equal if !before.alive => return Ok(false),
                Ordering::Equal if advisory.withdrawn.is_none() => {
                    for affected in &advisory.affected {
                        self.put_row(index, affected, true);
                    }
                    return Ok(true);
                }
                Ordering::Equal | Ordering::Less => before.alive = false,
            }
        }
        let index = self.index(self.records.len());
        self.by_id.insert(advisory.id.as_str().into(), index);
        let alive = advisory.withdrawn.is_none();
        let (mut ids, mut place) = (Vec::new(), (0, 0));
        if alive {
            put_text(&mut ids, &advisory.id);
            for texts in [&advisory.aliases, &advisory.upstream, &advisory.related] {
                put_texts(&mut ids, texts);
            }
            row::put_rating(&mut ids, &advisory.severity);
            place = self.put_description(advisory)?;
            for affected in &advisory.affected {
                self.put_row(index, affected, false);
            }
        }
        let title = if alive { advisory.summary.clone() } else { String::new() };
        self.records.push(Record { modified: advisory.modified.clone(), ids, title, place, alive });
        Ok(alive)
    }

    fn put_row(&mut self, advisory: u32, affected: &model::advisory::Affected, only_new: bool) {
        let known = self.ecosystems.iter().position(|known| *known == affected.ecosystem);
        let ecosystem = known.unwrap_or_else(|| {
            self.ecosystems.push(affected.ecosystem.clone());
            self.ecosystems.len() - 1
        });
        let ecosystem = self.index(ecosystem);
        let name = match self.names.get(affected.name.as_str()) {
            Some(name) => *name,
            None => {
                let name = self.index(self.names.len());
                self.names.insert(affected.name.as_str().into(), name);
                name
            }
        };
        let start = self.arena.len();
        row::put_row(&mut self.arena, advisory, ecosystem, affected);
        let (sequence, len) = (self.index(self.rows.len()), self.arena.len() - start);
        let encoded = self.arena.get(start..).unwrap_or_default();
        let is_new = self.seen.insert((name, xxhash_rust::xxh3::xxh3_64(encoded)));
        if only_new && !is_new {
            self.arena.truncate(start);
            return;
        }
        self.rows.push(RowEntry { name, sequence, advisory, start, len });
    }

    fn put_description(&mut self, advisory: &Advisory) -> io::Result<(u32, u32)> {
        if self.block.len() >= BLOCK_BYTES {
            self.flush_block()?;
        }
        let place = (self.index(self.block_index.len() / 8), self.index(self.block.len()));
        put_description(&mut self.block, advisory);
        Ok(place)
    }

    fn flush_block(&mut self) -> io::Result<()> {
        self.block_index.extend_from_slice(&(self.blocks.len() as u64).to_le_bytes());
        self.blocks.extend_from_slice(&zstd::bulk::compress(&self.block, LEVEL)?);
        self.block.clear();
        Ok(())
    }

    fn index(&mut self, at: usize) -> u32 {
        u32::try_from(at).unwrap_or_else(|_| {
            self.too_large = true;
            u32::MAX
        })
    }

    /// Writes the file into `dir` under a name that holds its digest: beside, synced, renamed in.
    pub fn finish(mut self, dir: &Path, source: &str, built: &str) -> Result<WrittenShard, WriteError> {
        let shard = self.name.to_string();
        let failed = |error| WriteError::Io(shard.clone(), error);
        if !self.block.is_empty() {
            self.flush_block().map_err(failed)?;
        }
        self.block_index.extend_from_slice(&(self.blocks.len() as u64).to_le_bytes());

        let (advisories, records) = self.number_advisories();
        let (names, rows) = self.lay_out_rows(&advisories);
        let info = ShardInfo {
            name: shard.clone(),
            scheme: std::mem::take(&mut self.scheme),
            source: source.to_owned(),
            built: built.to_owned(),
            advisories: records.count,
            rows: rows.count,
            names: names.count,
        };
        if self.too_large {
            return Err(WriteError::TooLarge(shard));
        }
        let sections = [
            names.index,
            names.bytes,
            rows.bytes,
            records.index,
            records.ids,
            records.titles,
            records.places,
            std::mem::take(&mut self.block_index),
            std::mem::take(&mut self.blocks),
        ];
        let header = header::build(&info, &self.ecosystems, &sections);
        let digest = xxhash_rust::xxh3::xxh3_128(&header);
        let path = dir.join(file_name(&self.name, digest));
        let bytes = write_beside(dir, &path, &header, &sections).map_err(failed)?;
        Ok(WrittenShard { path, digest: super::digest_text(digest), info, bytes })
    }

    /// Gives living advisories that have a row their final numbers; the rest has none.
    fn number_advisories(&mut self) -> (Vec<Option<u32>>, Records) {
        let mut has_row = vec![false; self.records.len()];
        for row in &self.rows {
            if let Some(flag) = has_row.get_mut(row.advisory as usize) {
                *flag = true;
            }
        }
        let mut out = Records::default();
        let mut numbers = Vec::with_capacity(self.records.len());
        for (record, has_row) in std::mem::take(&mut self.records).into_iter().zip(has_row) {
            if !record.alive || !has_row {
                numbers.push(None);
                continue;
            }
            numbers.push(Some(self.index(out.places.len() / 8)));
            out.count += 1;
            let (ids_at, title_at) = (self.index(out.ids.len()), self.index(out.titles.len()));
            out.index.extend_from_slice(&ids_at.to_le_bytes());
            out.index.extend_from_slice(&title_at.to_le_bytes());
            out.ids.extend_from_slice(&record.ids);
            out.titles.extend_from_slice(record.title.as_bytes());
            out.places.extend_from_slice(&record.place.0.to_le_bytes());
            out.places.extend_from_slice(&record.place.1.to_le_bytes());
        }
        let (ids_end, titles_end) = (self.index(out.ids.len()), self.index(out.titles.len()));
        out.index.extend_from_slice(&ids_end.to_le_bytes());
        out.index.extend_from_slice(&titles_end.to_le_bytes());
        (numbers, out)
    }

    fn lay_out_rows(&mut self, numbers: &[Option<u32>]) -> (Names, Rows) {
        let mut by_name: Vec<(Box<str>, u32)> = std::mem::take(&mut self.names).into_iter().collect();
        by_name.sort_unstable();
        let mut ranks = vec![0_u32; by_name.len()];
        for (rank, (_, name)) in by_name.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*name as usize) {
                *slot = self.index(rank);
            }
        }
        let rank = |name: u32| ranks.get(name as usize).copied().unwrap_or(u32::MAX);
        let mut entries = std::mem::take(&mut self.rows);
        entries.sort_unstable_by_key(|row| (rank(row.name), row.sequence));

        let (mut names, mut rows) = (Names::default(), Rows::default());
        let mut entries = entries.into_iter().peekable();
        let mut body = Vec::new();
        for (at, (name, _)) in by_name.iter().enumerate() {
            let (name_at, rows_at) = (self.index(names.bytes.len()), self.index(rows.bytes.len()));
            let before = rows.count;
            while let Some(row) = entries.next_if(|row| rank(row.name) as usize == at) {
                let Some(advisory) = numbers.get(row.advisory as usize).copied().flatten() else { continue };
                let encoded = self.arena.get(row.start..row.start + row.len).unwrap_or_default();
                body.clear();
                renumber(&mut body, encoded, advisory);
                put_bytes(&mut rows.bytes, &body);
                rows.count += 1;
            }
            if rows.count == before {
                continue;
            }
            names.index.extend_from_slice(&name_at.to_le_bytes());
            names.index.extend_from_slice(&rows_at.to_le_bytes());
            names.bytes.extend_from_slice(name.as_bytes());
            names.count += 1;
        }
        let (names_end, rows_end) = (self.index(names.bytes.len()), self.index(rows.bytes.len()));
        names.index.extend_from_slice(&names_end.to_le_bytes());
        names.index.extend_from_slice(&rows_end.to_le_bytes());
        (names, rows)
    }
}

/// Copies a row body with another advisory number in front.
fn renumber(out: &mut Vec<u8>, encoded: &[u8], advisory: u32) {
    let mut cursor = super::wire::Cursor::new(encoded);
    let _ = cursor.varint();
    super::wire::put_varint(out, advisory.into());
    out.extend_from_slice(cursor.rest());
}

#[derive(Default)]
struct Records {
    count: u64,
    index: Vec<u8>,
    ids: Vec<u8>,
    titles: Vec<u8>,
    places: Vec<u8>,
}

#[derive(Default)]
struct Names {
    count: u64,
    index: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Rows {
    count: u64,
    bytes: Vec<u8>,
}

fn write_beside(dir: &Path, path: &Path, header: &[u8], sections: &[Vec<u8>]) -> io::Result<u64> {
    fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new().prefix(".shard-").suffix(".tmp").tempfile_in(dir)?;
    file.write_all(header)?;
    let mut bytes = header.len() as u64;
    for section in sections {
        file.write_all(section)?;
        bytes += section.len() as u64;
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
