//! The header of a shard file: what it is, what it holds, where its sections lie and what they hash to.
//!
//! ```text
//! 0   magic "LAZSHARD"
//! 8   u16 format version: a reader refuses any other than its own
//! 10  u16 revision: additions that older readers can ignore
//! 12  u32 length of the header with its checksum
//! 16  u64 length of the file
//! 24  name, scheme, source, built (texts); advisories, rows, names (numbers); ecosystems (texts);
//!     number of sections, and for each kind (u32), offset, length, xxh3 (u64); anything after that is ignored
//! -8  u64 xxh3 of everything before
//! ```
//! All fixed-width numbers are little-endian; texts and other numbers as in [`super::wire`].

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{
    ShardError,
    wire::{Cursor, put_len, put_text, put_texts, put_varint},
};

const MAGIC: &[u8; 8] = b"LAZSHARD";
/// Raised when an older reader could misread a newer file.
const VERSION: u16 = 1;
const REVISION: u16 = 0;
const PRELUDE: usize = 24;
const CHECKSUM: usize = 8;
/// Longest header that is read.
const MAX_HEADER: usize = 1 << 20;

/// What a shard says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardInfo {
    /// Name of the shard.
    pub name: String,
    /// Name of the version order.
    pub scheme: String,
    /// Where the advisories came from, for people; holds no credentials.
    pub source: String,
    /// RFC 3339 time of building.
    pub built: String,
    /// Number of advisories.
    pub advisories: u64,
    /// Number of rows.
    pub rows: u64,
    /// Number of package names.
    pub names: u64,
}

/// The parts of a file after the header. Odd numbers must be understood by a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// For each name, and one past the end: start of the name, start of its rows (`u32` each).
    NameIndex = 1,
    /// The names, one after the other, in byte order.
    Names = 3,
    /// The rows, by name.
    Rows = 5,
    /// For each advisory, and one past the end: start of its record, start of its title (`u32` each).
    AdvisoryIndex = 7,
    /// Ids and ratings.
    Advisories = 9,
    /// One line of text for each advisory.
    Titles = 2,
    /// For each advisory: block (`u32`) and offset in the unpacked block (`u32`).
    DescriptionIndex = 4,
    /// For each block, and one past the end: start of the block (`u64`).
    BlockIndex = 6,
    /// zstd frames of descriptions.
    Blocks = 8,
}

impl SectionKind {
    pub(super) const ALL: [Self; 9] = [
        Self::NameIndex,
        Self::Names,
        Self::Rows,
        Self::AdvisoryIndex,
        Self::Advisories,
        Self::Titles,
        Self::DescriptionIndex,
        Self::BlockIndex,
        Self::Blocks,
    ];

    fn position(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or(usize::MAX)
    }
}

/// Where a section lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) xxh3: u64,
}

/// A parsed header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) info: ShardInfo,
    pub(super) ecosystems: Vec<String>,
    /// xxh3-128 of the header, and through its checksums of the whole file.
    pub(super) digest: u128,
    sections: [Section; SectionKind::ALL.len()],
}

impl Header {
    pub(super) fn section(&self, kind: SectionKind) -> Section {
        self.sections.get(kind.position()).copied().unwrap_or_default()
    }

    /// Reads the header of a whole file; costs the same whatever the size of the file.
    pub(super) fn parse(file: &[u8]) -> Result<Self, ShardError> {
        let mut prelude = Cursor::new(file.get(..PRELUDE).ok_or(ShardError::Truncated)?);
        if prelude.take(MAGIC.len()) != Some(MAGIC) {
            return Err(ShardError::NotAShard);
        }
        let versions = prelude.fixed32().ok_or(ShardError::Truncated)?;
        // The mask keeps the lower half.
        let version = (versions & 0xffff) as u16;
        if version != VERSION {
            return Err(ShardError::UnknownVersion(version));
        }
        let header_len = prelude.fixed32().ok_or(ShardError::Truncated)? as usize;
        let file_len = prelude.fixed64().ok_or(ShardError::Truncated)?;
        if file_len != file.len() as u64 {
            return Err(ShardError::Truncated);
        }
        let body_end = header_len.checked_sub(CHECKSUM).filter(|end| *end >= PRELUDE);
        let (Some(body_end), true) = (body_end, header_len <= MAX_HEADER) else {
            return Err(ShardError::Corrupt("header length"));
        };
        let header = file.get(..header_len).ok_or(ShardError::Truncated)?;
        let (body, sum) = header.split_at_checked(body_end).ok_or(ShardError::Truncated)?;
        if Cursor::new(sum).fixed64() != Some(xxh3_64(body)) {
            return Err(ShardError::Checksum("header"));
        }
        let fields = body.get(PRELUDE..).ok_or(ShardError::Truncated)?;
        let (info, ecosystems, sections) =
            parse_fields(fields, header_len, file.len()).ok_or(ShardError::Corrupt("header fields"))??;
        Ok(Self { info, ecosystems, digest: xxh3_128(header), sections })
    }
}

type Fields = (ShardInfo, Vec<String>, [Section; SectionKind::ALL.len()]);

fn parse_fields(bytes: &[u8], header_len: usize, file_len: usize) -> Option<Result<Fields, ShardError>> {
    let mut cursor = Cursor::new(bytes);
    let info = ShardInfo {
        name: cursor.text()?.to_owned(),
        scheme: cursor.text()?.to_owned(),
        source: cursor.text()?.to_owned(),
        built: cursor.text()?.to_owned(),
        advisories: cursor.varint()?,
        rows: cursor.varint()?,
        names: cursor.varint()?,
    };
    let ecosystems = cursor.texts()?.map(str::to_owned).collect();
    let mut sections = [Section::default(); SectionKind::ALL.len()];
    for _ in 0..cursor.varint()? {
        let kind = cursor.fixed32()?;
        let start = usize::try_from(cursor.fixed64()?).ok()?;
        let len = usize::try_from(cursor.fixed64()?).ok()?;
        let xxh3 = cursor.fixed64()?;
        if start < header_len || start.checked_add(len)? > file_len {
            return Some(Err(ShardError::Corrupt("section bounds")));
        }
        match SectionKind::ALL.iter().find(|known| **known as u32 == kind) {
            Some(known) => *sections.get_mut(known.position())? = Section { start, len, xxh3 },
            None if kind % 2 == 1 => return Some(Err(ShardError::UnknownSection(kind))),
            None => {}
        }
    }
    Some(Ok((info, ecosystems, sections)))
}

/// Lays out the header for these sections, in the order of [`SectionKind::ALL`], which follow it directly.
pub(super) fn build(info: &ShardInfo, ecosystems: &[String], sections: &[Vec<u8>]) -> Vec<u8> {
    let mut fields = Vec::new();
    for text in [&info.name, &info.scheme, &info.source, &info.built] {
        put_text(&mut fields, text);
    }
    for number in [info.advisories, info.rows, info.names] {
        put_varint(&mut fields, number);
    }
    put_texts(&mut fields, ecosystems);
    put_len(&mut fields, sections.len());
    let header_len = PRELUDE + fields.len() + sections.len() * (4 + 3 * 8) + CHECKSUM;
    let mut start = header_len as u64;
    for (kind, section) in SectionKind::ALL.iter().zip(sections) {
        fields.extend_from_slice(&(*kind as u32).to_le_bytes());
        fields.extend_from_slice(&start.to_le_bytes());
        fields.extend_from_slice(&(section.len() as u64).to_le_bytes());
        fields.extend_from_slice(&xxh3_64(section).to_le_bytes());
        start += section.len() as u64;
    }
    let mut header = Vec::with_capacity(header_len);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&REVISION.to_le_bytes());
    header.extend_from_slice(&u32::try_from(header_len).unwrap_or(u32::MAX).to_le_bytes());
    header.extend_from_slice(&start.to_le_bytes());
    header.extend_from_slice(&fields);
    let sum = xxh3_64(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    header
}
