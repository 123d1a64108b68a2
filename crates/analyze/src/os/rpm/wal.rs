//! The write-ahead log of SQLite (`rpmdb.sqlite-wal`): which of its pages are committed.
//!
//! Layout (sqlite.org/fileformat2.html, section 4 "The Write-Ahead Log"), all integers big-endian:
//! - header, 32 bytes: magic `0x377f0682` or `0x377f0683` (the last bit: checksums over big-endian words),
//!   format 3007000, page size, checkpoint number, two salts, two checksums;
//! - frames: page number, size of the database in pages after a commit (0 when none ends here), the two salts,
//!   two checksums, the page.
//!
//! A frame counts when its salts are the header's, its checksum (cumulative from the header on) is right, and
//! a commit frame follows or is it. The first frame that fails ends the log. A log with a damaged header holds
//! nothing, as in SQLite itself.

use std::collections::HashMap;

use super::source::{ByteOrder, Damage, ReadAt};

const HEADER_SIZE: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;

/// The committed pages of one log.
#[derive(Debug, PartialEq, Eq)]
pub struct Wal {
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages of the database after the last commit.
    pub page_count: u32,
    /// Bytes of the log up to the end of the last commit; the rest of the file says nothing.
    pub committed: u64,
    pages: HashMap<u32, u64>,
}

impl Wal {
    /// Reads all frames once. `None` when nothing is committed in it.
    pub fn parse(source: &dyn ReadAt) -> Result<Option<Self>, Damage> {
        let mut header = [0; HEADER_SIZE];
        if source.read_at(0, &mut header).is_err() {
            return Ok(None);
        }
        let word = |at| ByteOrder::Big.u32(&header, at).unwrap_or(0);
        let order = match word(0) {
            MAGIC => ByteOrder::Little,
            magic if magic == MAGIC | 1 => ByteOrder::Big,
            _ => return Ok(None),
        };
        let page_size = word(8);
        if word(4) != FORMAT || !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Ok(None);
        }
        let mut sums = Sums { order, first: 0, second: 0 };
        sums.add(&header[..24]);
        if (sums.first, sums.second) != (word(24), word(28)) {
            return Ok(None);
        }
        let salts = &header[16..24];

        let mut wal = Self { page_size, page_count: 0, committed: 0, pages: HashMap::new() };
        let mut pending: Vec<(u32, u64)> = Vec::new();
        let mut frame = vec![0; FRAME_HEADER + page_size as usize];
        let mut offset = HEADER_SIZE as u64;
        loop {
            let end = offset + frame.len() as u64;
            if end > source.len() {
                break;
            }
            source
                .read_at(offset, &mut frame)
                .map_err(|error| Damage::of_read(&error, "the end of a frame"))?;
            let word = |at| ByteOrder::Big.u32(&frame, at).unwrap_or(0);
            let page = word(0);
            sums.add(&frame[..8]);
            sums.add(&frame[FRAME_HEADER..]);
            if page == 0 || &frame[8..16] != salts || (sums.first, sums.second) != (word(16), word(20)) {
                break;
            }
            pending.push((page, offset + FRAME_HEADER as u64));
            if word(4) != 0 {
                wal.page_count = word(4);
                wal.committed = end;
                wal.pages.extend(pending.drain(..));
            }
            offset = end;
        }
        Ok((wal.committed != 0).then_some(wal))
    }

    /// Where in the log the newest committed content of a page begins.
    pub fn page_at(&self, page: u32) -> Option<u64> {
        self.pages.get(&page).copied()
    }
}

/// The checksum of section 4.2: two sums over pairs of 32-bit words.
pub(super) struct Sums {
    /// Order of the words' bytes.
    pub(super) order: ByteOrder,
    /// The first sum.
    pub(super) first: u32,
    /// The second sum.
    pub(super) second: u32,
}

impl Sums {
    /// Adds a multiple of eight bytes; fewer at the end are ignored.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at| self.order.u32(pair, at).unwrap_or(0);
            let (even, odd) = (word(0), word(4));
            self.first = self.first.wrapping_add(even).wrapping_add(self.second);
            self.second = self.second.wrapping_add(odd).wrapping_add(self.first);
        }
    }
}
