//! The SQLite database of rpm, `rpmdb.sqlite`: a walk over the one table that holds the headers. There is no
//! SQL here, and no index, view or trigger of a hostile file is ever looked at.
//!
//! Layout (sqlite.org/fileformat2.html), all integers big-endian:
//! - section 1.3, header of page 1: magic, page size, reserved bytes per page, text encoding;
//! - section 1.6, b-tree pages: interior (5) and leaf (13) pages of table b-trees, cells, overflow pages;
//! - section 2.1, records: a header of serial types, then the columns;
//! - section 2.6, the table of tables, rooted at page 1: type, name, table name, root page, SQL.
//!
//! The table is `Packages(hnum INTEGER PRIMARY KEY, blob BLOB)`: the header is its only blob column.
//!
//! Every page belongs to one tree or chain, so each is read once, and cells that overlap are bounded by the
//! size of the file.

use std::ops::ControlFlow;

use super::{
    source::{ByteOrder, Damage, HEADER_MAX, ReadAt, Visit, Visited, page_count},
    wal::Wal,
};

/// What the file begins with.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";

const HEADER_SIZE: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// Most tables and indexes that are gone through to find the table of packages; rpm makes about 60.
const SCHEMA_MAX: u32 = 10_000;
/// The smallest usable size of a page (section 1.3.4).
const USABLE_MIN: u32 = 480;

/// Shows every header of the database to `visit`, as it is after the commits of `wal`: the log and where its
/// bytes are. An error only when the file as a whole is not readable; what is wrong with one page or record
/// goes to `visit`.
pub fn read(
    source: &dyn ReadAt,
    wal: Option<(&Wal, &dyn ReadAt)>,
    visit: &mut Visit<'_>,
) -> Result<(), Damage> {
    let mut database = Database::open(source, wal)?;
    let mut root = None;
    let mut first_damage = None;
    let mut schema_records = 0;
    let _ = database.walk(1, &mut |record| {
        schema_records += 1;
        match record {
            Ok(payload) => root = root.or_else(|| root_of_packages(payload)),
            Err(damage) => first_damage = first_damage.take().or(Some(damage)),
        }
        if root.is_some() || schema_records > SCHEMA_MAX {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if schema_records == 0 {
        // A database in which no table was ever made: its log may hold all, and without one there is nothing.
        return Ok(());
    }
    let Some(root) = root else {
        return Err(first_damage.unwrap_or(Damage::Malformed("the database has no table Packages")));
    };
    let _ = database.walk(root, &mut |record| {
        visit(record.and_then(|payload| {
            let mut columns = Columns::new(payload).ok_or(Damage::Malformed("a record is damaged"))?;
            let blob =
                columns.find_map(|column| if let Column::Blob(blob) = column { Some(blob) } else { None });
            blob.ok_or(Damage::Malformed("a record of the table Packages holds no header"))
        }))
    });
    Ok(())
}

/// An open database.
struct Database<'a> {
    source: &'a dyn ReadAt,
    wal: Option<(&'a Wal, &'a dyn ReadAt)>,
    page_size: u32,
    usable: u32,
    pages: u32,
    visited: Visited,
    /// Bytes of cells that may still be read; overflow pages are bounded by being read once.
    budget: u64,
}

impl<'a> Database<'a> {
    fn open(source: &'a dyn ReadAt, wal: Option<(&'a Wal, &'a dyn ReadAt)>) -> Result<Self, Damage> {
        let mut header = [0; HEADER_SIZE];
        let first_page = wal.and_then(|(wal, log)| Some((wal.page_at(1)?, log)));
        let (offset, from) = first_page.unwrap_or((0, source));
        from.read_at(offset, &mut header)
            .map_err(|error| Damage::of_read(&error, "the end of its header"))?;
        if !header.starts_with(MAGIC) {
            return Err(Damage::Malformed("the file does not begin as an SQLite database"));
        }
        let page_size = match ByteOrder::Big.u16(&header, 16) {
            Some(1) => 65536,
            size => u32::from(size.unwrap_or(0)),
        };
        if !page_size.is_power_of_two() || page_size < 512 {
            return Err(Damage::Malformed("the page size is not a power of two from 512 to 65536"));
        }
        if wal.is_some_and(|(wal, _)| wal.page_size != page_size) {
            return Err(Damage::Malformed("the page sizes of the database and of its log differ"));
        }
        let usable = page_size - u32::from(header[20]);
        if usable < USABLE_MIN {
            return Err(Damage::Malformed("too many bytes of each page are reserved"));
        }
        if ByteOrder::Big.u32(&header, 56).is_some_and(|encoding| encoding > 1) {
            return Err(Damage::Unsupported("a database in UTF-16"));
        }
        let pages = wal.map_or_else(|| page_count(source.len(), page_size), |(wal, _)| wal.page_count);
        // The log may claim any size, but only pages that are there can be read.
        let most = page_count(source.len() + wal.map_or(0, |(_, log)| log.len()), page_size);
        let pages = pages.min(most);
        let budget = u64::from(pages) * u64::from(page_size);
        // Pages are counted from 1.
        let visited = Visited::new(pages.saturating_add(1));
        Ok(Self { source, wal, page_size, usable, pages, visited, budget })
    }

    /// Reads a page that was not read before.
    fn load(&mut self, page: u32, buf: &mut Vec<u8>) -> Result<(), Damage> {
        if page == 0 || page > self.pages {
            return Err(Damage::PageOutside(page));
        }
        buf.resize(self.page_size as usize, 0);
        let in_log = self.wal.and_then(|(wal, log)| Some((wal.page_at(page)?, log)));
        let in_file = (u64::from(page - 1) * u64::from(self.page_size), self.source);
        let (offset, from) = in_log.unwrap_or(in_file);
        from.read_at(offset, buf).map_err(|error| Damage::of_read(&error, "the end of a page"))
    }

    /// Shows the payload of every cell of a table b-tree, in the order of their keys.
    fn walk(&mut self, root: u32, each: &mut Visit<'_>) -> ControlFlow<()> {
        let mut stack = Vec::new();
        match self.visited.mark(root) {
            Ok(()) => stack.push(root),
            Err(damage) => each(Err(damage))?,
        }
        let mut page = Vec::new();
        let mut payload = Vec::new();
        while let Some(number) = stack.pop() {
            if let Err(damage) = self.load(number, &mut page) {
                each(Err(damage))?;
                continue;
            }
            let Some(cells) = Cells::of(&page, number) else {
                each(Err(Damage::Malformed("a page of the table is damaged")))?;
                continue;
            };
            if cells.kind == LEAF {
                for at in cells.offsets() {
                    match self.payload(&page, at, &mut payload) {
                        Ok(()) => each(Ok(&payload))?,
                        Err(damage) => each(Err(damage))?,
                    }
                    if self.budget == 0 {
                        return each(Err(Damage::Malformed("cells of the table overlap")));
                    }
                }
            } else {
                // Marked when pushed, so that the stack never holds a page twice.
                let first = stack.len();
                let left = cells.offsets().map(|at| ByteOrder::Big.u32(&page, at));
                for child in left.chain([ByteOrder::Big.u32(&page, cells.start + 8)]) {
                    let child = child.ok_or(Damage::Malformed("a page of the table is damaged"));
                    match child.and_then(|child| self.visited.mark(child).map(|()| child)) {
                        Ok(child) => stack.push(child),
                        Err(damage) => each(Err(damage))?,
                    }
                }
                stack[first..].reverse();
            }
        }
        ControlFlow::Continue(())
    }

    /// Assembles the payload of the leaf cell at `at` (section 1.6, "B-tree Cell Format").
    fn payload(&mut self, page: &[u8], at: usize, payload: &mut Vec<u8>) -> Result<(), Damage> {
        payload.clear();
        let damaged = || Damage::Malformed("a cell of the table is damaged");
        let cell = page.get(at..self.usable as usize).ok_or_else(damaged)?;
        let (size, rest) = varint(cell).ok_or_else(damaged)?;
        let (_row, rest) = varint(rest).ok_or_else(damaged)?;
        // Even an empty cell takes four bytes of its page.
        self.budget = self.budget.saturating_sub(4);
        if size > HEADER_MAX.min(u64::from(self.pages) * u64::from(self.page_size)) {
            return Err(Damage::TooLarge(size));
        }
        let size = usize::try_from(size).map_err(|_| damaged())?;
        let usable = self.usable as usize;
        let most = usable - 35;
        let local = if size <= most {
            size
        } else {
            let least = (usable - 12) * 32 / 255 - 23;
            let fitting = least + (size - least) % (usable - 4);
            if fitting <= most { fitting } else { least }
        };
        self.budget = self.budget.saturating_sub(local as u64);
        payload.extend_from_slice(rest.get(..local).ok_or_else(damaged)?);
        if local == size {
            return Ok(());
        }
        payload.reserve_exact(size - local);
        let mut next = ByteOrder::Big.u32(rest, local).ok_or_else(damaged)?;
        let mut overflow = Vec::new();
        while payload.len() < size {
            if next == 0 {
                return Err(Damage::Malformed("a chain of overflow pages ends early"));
            }
            self.visited.mark(next)?;
            self.load(next, &mut overflow)?;
            next = ByteOrder::Big.u32(&overflow, 0).ok_or_else(damaged)?;
            let part = overflow.get(4..usable).ok_or_else(damaged)?;
            payload.extend_from_slice(&part[..part.len().min(size - payload.len())]);
        }
        Ok(())
    }
}

/// The cells of one b-tree page.
struct Cells<'p> {
    kind: u8,
    start: usize,
    pointers: &'p [u8],
}

impl<'p> Cells<'p> {
    /// `None` when the page is no page of a table b-tree.
    fn of(page: &'p [u8], number: u32) -> Option<Self> {
        let start = if number == 1 { HEADER_SIZE } else { 0 };
        let kind = *page.get(start)?;
        let header = match kind {
            INTERIOR => 12,
            LEAF => 8,
            _ => return None,
        };
        let count = usize::from(ByteOrder::Big.u16(page, start + 3)?);
        let pointers = page.get(start + header..)?.get(..count * 2)?;
        Some(Self { kind, start, pointers })
    }

    /// Where on the page the cells begin.
    fn offsets(&self) -> impl Iterator<Item = usize> {
        self.pointers.chunks_exact(2).map(|pair| usize::from(ByteOrder::Big.u16(pair, 0).unwrap_or(0)))
    }
}

/// A value of a record; all that is not needed is `Other`.
#[derive(Debug, PartialEq, Eq)]
enum Column<'r> {
    Integer(i64),
    Text(&'r [u8]),
    Blob(&'r [u8]),
    Other,
}

/// The columns of a record (section 2.1). Ends early where the record is damaged.
struct Columns<'r> {
    types: &'r [u8],
    body: &'r [u8],
}

impl<'r> Columns<'r> {
    fn new(record: &'r [u8]) -> Option<Self> {
        let (header, rest) = varint(record)?;
        let header = usize::try_from(header).ok()?;
        let types = rest.get(..header.checked_sub(record.len() - rest.len())?)?;
        Some(Self { types, body: record.get(header..)? })
    }
}

impl<'r> Iterator for Columns<'r> {
    type Item = Column<'r>;

    fn next(&mut self) -> Option<Column<'r>> {
        let (serial, types) = varint(self.types)?;
        self.types = types;
        let len = match serial {
            0 | 8..=11 => 0,
            1..=4 => serial,
            5 => 6,
            6 | 7 => 8,
            _ => (serial - 12) / 2,
        };
        let (value, body) = self.body.split_at_checked(usize::try_from(len).ok()?)?;
        self.body = body;
        Some(match serial {
            1..=6 => {
                let negative = value.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                Column::Integer(value.iter().fold(start, |sum, byte| sum << 8 | i64::from(*byte)))
            }
            8 | 9 => Column::Integer(i64::from(serial == 9)),
            0 | 7 | 10 | 11 => Column::Other,
            _ if serial % 2 == 0 => Column::Blob(value),
            _ => Column::Text(value),
        })
    }
}

/// The root page of the table `Packages`, when this record of the table of tables is about it.
fn root_of_packages(record: &[u8]) -> Option<u32> {
    let mut columns = Columns::new(record)?;
    let is =
        |column, text: &str| matches!(column, Column::Text(t) if t.eq_ignore_ascii_case(text.as_bytes()));
    let found = is(columns.next()?, "table") && is(columns.next()?, "Packages");
    match columns.nth(1)? {
        Column::Integer(root) if found => u32::try_from(root).ok(),
        _ => None,
    }
}

/// A big-endian variable-length integer of one to nine bytes (section 1.6), and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for at in 0..8 {
        let byte = *bytes.get(at)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    let byte = *bytes.get(8)?;
    Some((value << 8 | u64::from(byte), &bytes[9..]))
}
