//! The Berkeley DB hash database of rpm, `Packages` (CentOS 7, Amazon Linux 2 and older).
//!
//! Layout (Berkeley DB's source, `src/dbinc/db_page.h` and `hash.h`, versions 8 to 10 of the hash format); the
//! integers are in the byte order of the machine that made the file, told by the magic number:
//! - page 0, metadata: magic at 12, version at 16, page size at 20, encryption at 24, page type at 25,
//!   flags at 26;
//! - every page: own number at 8, next page at 16, number of items at 20, free space (on overflow pages the
//!   bytes in use) at 22, type at 25; the offsets of the items follow from 26 on;
//! - items lie from the end of the page downwards, keys at even places and values at odd ones. The first byte
//!   is the kind: 1 data, 3 off-page (page at 4, length at 8).
//!
//! The reader goes through the pages in file order and takes the pairs of every hash page. That finds exactly
//! what following the buckets finds, since free pages have another type, and no chain of buckets can mislead
//! it. Only chains of overflow pages are followed, each page once.

use super::source::{ByteOrder, Damage, HEADER_MAX, ReadAt, Visit, Visited, page_count};

const HASH_MAGIC: u32 = 0x06_1561;
const BTREE_MAGIC: u32 = 0x05_3162;
const MAGIC_AT: usize = 12;
const META_SIZE: usize = 72;
const PAGE_HEADER: usize = 26;

/// Page types.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;

/// Kinds of items.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;
const OFF_PAGE_SIZE: usize = 12;

/// Page checksums, a bit of the flags; they make every page's header longer.
const FLAG_CHECKSUM: u8 = 1;

/// The kinds of Berkeley DB files that [`recognise`] tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A hash database in this byte order.
    Hash(ByteOrder),
    /// A b-tree, which some builds of rpm for devices used.
    Btree,
}

/// What the first bytes of a file say.
pub fn recognise(start: &[u8]) -> Option<Form> {
    [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| match order.u32(start, MAGIC_AT)? {
        HASH_MAGIC => Some(Form::Hash(order)),
        BTREE_MAGIC => Some(Form::Btree),
        _ => None,
    })
}

/// Shows every header of the database to `visit`. An error only when the file as a whole is not readable;
/// what is wrong with one page or record goes to `visit`.
pub fn read(source: &dyn ReadAt, visit: &mut Visit<'_>) -> Result<(), Damage> {
    let mut meta = [0; META_SIZE];
    source.read_at(0, &mut meta).map_err(|error| Damage::of_read(&error, "the end of its header"))?;
    let order = match recognise(&meta) {
        Some(Form::Hash(order)) => order,
        Some(Form::Btree) => return Err(Damage::Unsupported("a Berkeley DB b-tree")),
        None => return Err(Damage::Malformed("the file does not begin as a Berkeley DB hash database")),
    };
    if !order.u32(&meta, 16).is_some_and(|version| (8..=10).contains(&version)) {
        return Err(Damage::Unsupported("this version of the Berkeley DB hash format"));
    }
    if meta[24] != 0 || meta[26] & FLAG_CHECKSUM != 0 {
        return Err(Damage::Unsupported("a Berkeley DB database with encryption or page checksums"));
    }
    let page_size = order.u32(&meta, 20).unwrap_or(0);
    if meta[25] != HASH_META || !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
        return Err(Damage::Malformed("the page of metadata is damaged"));
    }
    let last = order.u32(&meta, 32).unwrap_or(0);
    let there = page_count(source.len(), page_size);
    let visited = Visited::new(there);
    let mut database =
        Database { source, order, page_size: page_size as usize, visited, budget: source.len() };
    let mut page = Vec::new();
    let mut value = Vec::new();
    for number in 1..there {
        database.load(number, &mut page)?;
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        let items = usize::from(order.u16(&page, 20).unwrap_or(0));
        for pair in 0..items / 2 {
            let record = match database.value(&page, pair, &mut value) {
                Ok(false) => continue,
                Ok(true) => Ok(value.as_slice()),
                Err(damage) => Err(damage),
            };
            if visit(record).is_break() {
                return Ok(());
            }
            if database.budget == 0 {
                let _ = visit(Err(Damage::Malformed("items overlap")));
                return Ok(());
            }
        }
    }
    if last >= there {
        let _ = visit(Err(Damage::Truncated("its last page")));
    }
    Ok(())
}

struct Database<'a> {
    source: &'a dyn ReadAt,
    order: ByteOrder,
    page_size: usize,
    /// Overflow pages that were read.
    visited: Visited,
    /// Bytes of values that may still be assembled.
    budget: u64,
}

impl Database<'_> {
    fn load(&self, page: u32, buf: &mut Vec<u8>) -> Result<(), Damage> {
        buf.resize(self.page_size, 0);
        let offset = u64::from(page) * self.page_size as u64;
        self.source.read_at(offset, buf).map_err(|error| Damage::of_read(&error, "the end of a page"))
    }

    /// The bytes of an item: from its offset to the offset of the item before, which lies above it.
    fn item<'p>(&self, page: &'p [u8], index: usize) -> Option<&'p [u8]> {
        let offset = |index: usize| self.order.u16(page, PAGE_HEADER + index * 2).map(usize::from);
        let end = match index.checked_sub(1) {
            None => self.page_size,
            Some(before) => offset(before)?,
        };
        page.get(offset(index)?..end)
    }

    /// Assembles the value of a pair; false when the pair is none of a package.
    fn value(&mut self, page: &[u8], pair: usize, value: &mut Vec<u8>) -> Result<bool, Damage> {
        value.clear();
        let damaged = || Damage::Malformed("an item of a hash page is damaged");
        let key = self.item(page, pair * 2).ok_or_else(damaged)?;
        let item = self.item(page, pair * 2 + 1).ok_or_else(damaged)?;
        // Key 0 holds the largest package number in use, not a header.
        if key == [KEY_DATA, 0, 0, 0, 0] {
            return Ok(false);
        }
        // Even an empty pair takes four bytes of offsets and two of kinds.
        self.budget = self.budget.saturating_sub(item.len() as u64 + 6);
        match item.first() {
            Some(&KEY_DATA) => value.extend_from_slice(&item[1..]),
            Some(&OFF_PAGE) if item.len() >= OFF_PAGE_SIZE => {
                let first = self.order.u32(item, 4).ok_or_else(damaged)?;
                let len = self.order.u32(item, 8).ok_or_else(damaged)?;
                self.overflow(first, len, value)?;
            }
            _ => return Err(damaged()),
        }
        Ok(true)
    }

    fn overflow(&mut self, first: u32, len: u32, value: &mut Vec<u8>) -> Result<(), Damage> {
        if u64::from(len) > HEADER_MAX.min(self.source.len()) {
            return Err(Damage::TooLarge(len.into()));
        }
        let len = len as usize;
        value.reserve_exact(len);
        let mut next = first;
        let mut page = Vec::new();
        while value.len() < len {
            if next == 0 {
                return Err(Damage::Malformed("a chain of overflow pages ends early"));
            }
            self.visited.mark(next)?;
            self.load(next, &mut page)?;
            let used = usize::from(self.order.u16(&page, 22).unwrap_or(0));
            let part = page.get(PAGE_HEADER..).and_then(|body| body.get(..used));
            let part = part.filter(|_| page[25] == OVERFLOW && used != 0);
            let part = part.ok_or(Damage::Malformed("an overflow page is damaged"))?;
            value.extend_from_slice(&part[..part.len().min(len - value.len())]);
            next = self.order.u32(&page, 16).unwrap_or(0);
        }
        Ok(())
    }
}
