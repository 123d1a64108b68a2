//! The header of an enrichment file.
//!
//! ```text
//! 0   magic "LAZENRCH"
//! 8   u16 format version: a reader refuses any other than its own
//! 10  u16 revision: additions that older readers can ignore
//! 12  u32 length of the header with its checksum
//! 16  u64 length of the file
//! 24  kind, source, dated, built (texts); entries (number); for keys, starts and records: offset, length,
//!     xxh3 (u64 each); anything after that is ignored
//! -8  u64 xxh3 of everything before
//! ```
//! Keys are `u64` (year above 48 bits of number) in order; starts are `u32`, one more than there are keys; records are
//! what the kind prescribes. Fixed-width numbers are little-endian; texts and other numbers as in shards.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::Kind;
use crate::shard::{
    ShardError,
    wire::{Cursor, put_text, put_varint},
};

const MAGIC: &[u8; 8] = b"LAZENRCH";
/// Raised when an older reader could misread a newer file.
const VERSION: u16 = 1;
const REVISION: u16 = 0;
const PRELUDE: usize = 24;
const CHECKSUM: usize = 8;
/// Longest header that is read.
const MAX_HEADER: usize = 1 << 16;

/// What an enrichment file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrichmentInfo {
    /// What it holds.
    pub kind: Kind,
    /// Where it came from, for people; holds no credentials.
    pub source: String,
    /// The day or time that the source gives its data; empty when it gives none.
    pub dated: String,
    /// RFC 3339 time of building.
    pub built: String,
    /// Number of CVEs.
    pub entries: u64,
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
    pub(super) info: EnrichmentInfo,
    pub(super) keys: Section,
    pub(super) starts: Section,
    pub(super) records: Section,
    /// xxh3-128 of the header, and through its checksums of the whole file.
    pub(super) digest: u128,
}

impl Header {
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
        let mut cursor = Cursor::new(body.get(PRELUDE..).ok_or(ShardError::Truncated)?);
        let info = parse_info(&mut cursor).ok_or(ShardError::Corrupt("header fields"))?;
        let mut section = || {
            let start = usize::try_from(cursor.fixed64()?).ok()?;
            let len = usize::try_from(cursor.fixed64()?).ok()?;
            let xxh3 = cursor.fixed64()?;
            (start >= header_len && start.checked_add(len)? <= file.len()).then_some(Section {
                start,
                len,
                xxh3,
            })
        };
        let sections = section().zip(section()).zip(section());
        let ((keys, starts), records) = sections.ok_or(ShardError::Corrupt("section bounds"))?;
        Ok(Self { info, keys, starts, records, digest: xxh3_128(header) })
    }
}

fn parse_info(cursor: &mut Cursor<'_>) -> Option<EnrichmentInfo> {
    Some(EnrichmentInfo {
        kind: Kind::named(cursor.text()?)?,
        source: cursor.text()?.to_owned(),
        dated: cursor.text()?.to_owned(),
        built: cursor.text()?.to_owned(),
        entries: cursor.varint()?,
    })
}

/// Lays out the header for keys, starts and records, which follow it directly in this order.
pub(super) fn build(info: &EnrichmentInfo, sections: [&[u8]; 3]) -> Vec<u8> {
    let mut fields = Vec::new();
    for text in [info.kind.as_str(), &info.source, &info.dated, &info.built] {
        put_text(&mut fields, text);
    }
    put_varint(&mut fields, info.entries);
    let header_len = PRELUDE + fields.len() + sections.len() * 3 * 8 + CHECKSUM;
    let mut start = header_len as u64;
    for section in sections {
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

/// The digest of a file by its header.
pub(super) fn digest(header: &[u8]) -> u128 {
    xxh3_128(header)
}
