//! The `ndb` database of rpm, `Packages.db` (SUSE): a table of slots, each naming a run of 16-byte blocks with
//! one header.
//!
//! Layout (rpm's source, `lib/backend/ndb`, file `rpmpkg.c`), all integers little-endian:
//! - file header, 32 bytes: `RpmP`, version 0, generation, number of 4096-byte slot pages, next package index;
//! - slots of 16 bytes up to the end of the slot pages: `Slot`, package index, first block, number of blocks;
//!   first block 0 means free;
//! - a blob: `BlbS`, package index, time, length; the header; zeros up to the end of the blocks less 12 bytes;
//!   then Adler-32 of all before, length, `BlbE`.
//!
//! The index files beside it (`Index.db`) are not needed. Slots never overlap in a sound file, so the reader
//! reads no more bytes than a few times the size of the file.

use super::source::{ByteOrder, Damage, HEADER_MAX, ReadAt, Visit};

/// What the file begins with.
pub const MAGIC: &[u8; 4] = b"RpmP";

const SLOT_MAGIC: &[u8; 4] = b"Slot";
const HEADER_SIZE: u64 = 32;
const SLOT_SIZE: usize = 16;
const PAGE_SIZE: u64 = 4096;
const BLOCK_SIZE: u64 = 16;
const BLOB_HEAD: usize = 16;
const BLOB_TAIL: usize = 12;
/// How often the bytes of a file are read at most. More than once, so that one damaged slot that claims half of
/// the file does not cost the packages of the others.
const OVERLAP_MAX: u64 = 4;

/// Shows every header of the database to `visit`. An error only when the file as a whole is not readable;
/// what is wrong with one record goes to `visit`.
pub fn read(source: &dyn ReadAt, visit: &mut Visit<'_>) -> Result<(), Damage> {
    let mut header = [0; HEADER_SIZE as usize];
    source.read_at(0, &mut header).map_err(|error| Damage::of_read(&error, "the end of its header"))?;
    if !header.starts_with(MAGIC) {
        return Err(Damage::Malformed("the file does not begin as an ndb database"));
    }
    if u32_at(&header, 4) != 0 {
        return Err(Damage::Unsupported("this version of the ndb format"));
    }
    let slots_end = u64::from(u32_at(&header, 12)) * PAGE_SIZE;
    if slots_end == 0 {
        return Err(Damage::Malformed("the table of slots is empty"));
    }
    let mut budget = source.len().saturating_mul(OVERLAP_MAX);
    let mut page = Vec::new();
    let mut blob = Vec::new();
    let mut start = HEADER_SIZE;
    while start < slots_end {
        // The first page begins with the file header; a last page that is cut off is read as far as it goes.
        let end = (start / PAGE_SIZE + 1) * PAGE_SIZE;
        let there = source.len().saturating_sub(start).min(end - start);
        if there == 0 {
            return Err(Damage::Truncated("the end of its slots"));
        }
        page.resize(usize::try_from(there).unwrap_or(0), 0);
        source.read_at(start, &mut page).map_err(|error| Damage::of_read(&error, "the end of its slots"))?;
        if !page.chunks_exact(SLOT_SIZE).any(|slot| slot.starts_with(SLOT_MAGIC)) {
            // Probably the number of slot pages is wrong, and these are packages.
            return Err(Damage::Malformed("the table of slots is damaged"));
        }
        for slot in page.chunks_exact(SLOT_SIZE) {
            if !slot.starts_with(SLOT_MAGIC) {
                if visit(Err(Damage::Malformed("a slot is damaged"))).is_break() {
                    return Ok(());
                }
                continue;
            }
            let first_block = u64::from(u32_at(slot, 8));
            if first_block == 0 {
                continue;
            }
            let slot = Slot { package: u32_at(slot, 4), first_block, blocks: u64::from(u32_at(slot, 12)) };
            let flow = match slot.load(source, slots_end, &mut budget, &mut blob) {
                Ok(Loaded { header, damage }) => {
                    let flow = visit(Ok(header));
                    damage.map_or(flow, |damage| if flow.is_break() { flow } else { visit(Err(damage)) })
                }
                Err(damage) => visit(Err(damage)),
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        if there < end - start {
            return Err(Damage::Truncated("the end of its slots"));
        }
        start = end;
    }
    Ok(())
}

/// A slot in use.
struct Slot {
    package: u32,
    first_block: u64,
    blocks: u64,
}

/// A header, and what is wrong around it.
struct Loaded<'b> {
    header: &'b [u8],
    damage: Option<Damage>,
}

impl Slot {
    fn load<'b>(
        &self,
        source: &dyn ReadAt,
        slots_end: u64,
        budget: &mut u64,
        blob: &'b mut Vec<u8>,
    ) -> Result<Loaded<'b>, Damage> {
        let len = self.blocks * BLOCK_SIZE;
        let start = self.first_block * BLOCK_SIZE;
        if start < slots_end {
            return Err(Damage::Malformed("a slot names a block within the table of slots"));
        }
        if start.checked_add(len).is_none_or(|end| end > source.len()) {
            return Err(Damage::Truncated("the end of a package"));
        }
        if len > HEADER_MAX {
            return Err(Damage::TooLarge(len));
        }
        *budget = budget.checked_sub(len).ok_or(Damage::Malformed("slots overlap"))?;
        blob.resize(usize::try_from(len).unwrap_or(0), 0);
        source.read_at(start, blob).map_err(|error| Damage::of_read(&error, "the end of a package"))?;
        let tail_at = blob.len().checked_sub(BLOB_TAIL).filter(|at| *at >= BLOB_HEAD);
        let tail_at = tail_at.ok_or(Damage::Malformed("a slot is too small for a package"))?;
        let (body, tail) = blob.split_at(tail_at);
        if !body.starts_with(b"BlbS") || u32_at(body, 4) != self.package {
            return Err(Damage::Malformed("a slot does not lead to its package"));
        }
        let header = usize::try_from(u32_at(body, 12)).ok().and_then(|len| body.get(BLOB_HEAD..)?.get(..len));
        let header = header.ok_or(Damage::Malformed("a package is longer than its slot"))?;
        // rpm does not look at the checksum when it reads, so a wrong one costs no package here either.
        let sound = u32_at(tail, 0) == adler32(body)
            && u32_at(tail, 4) == u32_at(body, 12)
            && tail.get(8..) == Some(b"BlbE");
        let damage = if sound { None } else { Some(Damage::Malformed("the checksum of a package is wrong")) };
        Ok(Loaded { header, damage })
    }
}

/// Little-endian, 0 where the slice is too short (which all callers have ruled out).
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    ByteOrder::Little.u32(bytes, at).unwrap_or(0)
}

/// Adler-32 (RFC 1950 section 8.2).
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    // The most bytes after which neither sum can have overflowed.
    const RUN: usize = 5552;
    let (mut low, mut high) = (1u32, 0u32);
    for run in bytes.chunks(RUN) {
        for byte in run {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}
