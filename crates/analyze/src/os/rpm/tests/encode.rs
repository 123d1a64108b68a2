//! The smallest writers of each format, to make databases that rpm's tools would not.

use super::super::{ndb::adler32, source::ByteOrder, wal::Sums};

pub(super) const INT32: u32 = 4;
pub(super) const STRING: u32 = 6;
pub(super) const STRING_ARRAY: u32 = 8;
pub(super) const I18N_STRING: u32 = 9;

/// Writes a number in an order.
pub(super) fn put(order: ByteOrder, value: u32) -> [u8; 4] {
    if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

fn put_u16(order: ByteOrder, value: usize) -> [u8; 2] {
    let value = u16::try_from(value).unwrap();
    if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

/// A header: tag, type, count and data of each entry.
pub(super) fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut index = Vec::new();
    let mut data = Vec::new();
    for (tag, kind, count, bytes) in entries {
        while *kind == INT32 && data.len() % 4 != 0 {
            data.push(0);
        }
        for word in [*tag, *kind, u32::try_from(data.len()).unwrap(), *count] {
            index.extend(word.to_be_bytes());
        }
        data.extend_from_slice(bytes);
    }
    let sizes = [entries.len(), data.len()].map(|size| u32::try_from(size).unwrap().to_be_bytes());
    [sizes.as_flattened(), &index, &data].concat()
}

/// The header of a package `NAME-1.0-1`, at least `size` bytes long.
pub(super) fn package(name: &str, size: usize) -> Vec<u8> {
    let name = format!("{name}\0");
    let padding = vec![b'x'; size];
    header(&[
        (1000, STRING, 1, name.as_bytes()),
        (1001, STRING, 1, b"1.0\0"),
        (1002, STRING, 1, b"1\0"),
        (1004, I18N_STRING, 1, &padding),
    ])
}

/// Bytes of each page of [`sqlite`].
pub(super) const PAGE: usize = 512;

/// An SQLite database whose table `Packages` has its root at page 2; `pages` are the pages from there on.
pub(super) fn sqlite(pages: &[Vec<u8>]) -> Vec<u8> {
    sqlite_with_table("Packages", pages)
}

/// [`sqlite`] with another name of the table.
pub(super) fn sqlite_with_table(name: &str, pages: &[Vec<u8>]) -> Vec<u8> {
    let mut record = vec![6, 23, text_type(name), text_type(name), 1, 13];
    for text in ["table", name, name] {
        record.extend_from_slice(text.as_bytes());
    }
    record.push(2);
    let cell = [&[u8::try_from(record.len()).unwrap(), 1][..], &record].concat();
    let mut file = page(100, 13, &[cell], 0);
    file[..16].copy_from_slice(b"SQLite format 3\0");
    file[16..18].copy_from_slice(&[2, 0]);
    file[56..60].copy_from_slice(&1u32.to_be_bytes());
    for page in pages {
        assert_eq!(page.len(), PAGE);
        file.extend_from_slice(page);
    }
    file
}

fn text_type(text: &str) -> u8 {
    u8::try_from(text.len() * 2 + 13).unwrap()
}

/// A leaf page.
pub(super) fn leaf(cells: &[Vec<u8>]) -> Vec<u8> {
    page(0, 13, cells, 0)
}

/// An interior page.
pub(super) fn interior(children: &[u32], last: u32) -> Vec<u8> {
    let cells: Vec<Vec<u8>> =
        children.iter().map(|child| [&child.to_be_bytes()[..], &[1]].concat()).collect();
    page(0, 5, &cells, last)
}

/// An overflow page.
pub(super) fn overflow(next: u32, bytes: &[u8]) -> Vec<u8> {
    let mut page = [&next.to_be_bytes()[..], bytes].concat();
    page.resize(PAGE, 0);
    page
}

fn page(start: usize, kind: u8, cells: &[Vec<u8>], last: u32) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[start] = kind;
    page[start + 3..start + 5].copy_from_slice(&put_u16(ByteOrder::Big, cells.len()));
    let mut pointer = start + 8;
    if kind == 5 {
        page[start + 8..start + 12].copy_from_slice(&last.to_be_bytes());
        pointer += 4;
    }
    let mut end = PAGE;
    for cell in cells {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(cell);
        page[pointer..pointer + 2].copy_from_slice(&put_u16(ByteOrder::Big, end));
        pointer += 2;
    }
    assert!(pointer <= end, "the cells do not fit");
    page
}

/// Two bytes of a variable-length integer.
fn varint(value: usize) -> [u8; 2] {
    [u8::try_from(value >> 7).unwrap() | 0x80, u8::try_from(value & 0x7f).unwrap()]
}

/// The record of the table `Packages` that holds a header.
pub(super) fn record(header: &[u8]) -> Vec<u8> {
    [&[4, 0][..], &varint(header.len() * 2 + 12), header].concat()
}

/// A leaf cell that holds all of `payload`, or its first bytes and the number of an overflow page.
pub(super) fn cell(payload: &[u8], overflow: Option<u32>) -> (Vec<u8>, Vec<u8>) {
    let most = PAGE - 35;
    let local = if payload.len() <= most {
        payload.len()
    } else {
        let least = (PAGE - 12) * 32 / 255 - 23;
        let fitting = least + (payload.len() - least) % (PAGE - 4);
        if fitting <= most { fitting } else { least }
    };
    let (here, there) = payload.split_at(local);
    let mut cell = [&varint(payload.len())[..], &[1], here].concat();
    if !there.is_empty() {
        cell.extend(overflow.unwrap_or(0).to_be_bytes());
    }
    (cell, there.to_vec())
}

/// A write-ahead log: page number, size after commit (0: none) and page of each frame.
pub(super) fn log(order: ByteOrder, frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let magic = 0x377f_0682 | u32::from(order == ByteOrder::Big);
    let page_size = u32::try_from(frames.first().map_or(PAGE, |(.., page)| page.len())).unwrap();
    let salts = [0x1111_2222u32, 0x3333_4444];
    let words = [magic, 3_007_000, page_size, 0, salts[0], salts[1]];
    let mut log: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    let mut sums = Sums { order, first: 0, second: 0 };
    sums.add(&log);
    log.extend([sums.first, sums.second].into_iter().flat_map(u32::to_be_bytes));
    for (number, commit, page) in frames {
        let start: Vec<u8> = [*number, *commit].into_iter().flat_map(u32::to_be_bytes).collect();
        sums.add(&start);
        sums.add(page);
        log.extend(start);
        log.extend([salts[0], salts[1], sums.first, sums.second].into_iter().flat_map(u32::to_be_bytes));
        log.extend_from_slice(page);
    }
    log
}

/// An ndb database with one page of slots.
pub(super) fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let le = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut slots = [&b"RpmP"[..], &le(&[0, 1, 1, 1, 0, 0, 0])].concat();
    let mut blobs = Vec::new();
    for (number, header) in (1u32..).zip(headers) {
        let len = u32::try_from(header.len()).unwrap();
        let mut blob = [&b"BlbS"[..], &le(&[number, 0, len]), header].concat();
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        let sum = adler32(&blob);
        blob.extend([&le(&[sum, len])[..], b"BlbE"].concat());
        let place = [(4096 + blobs.len()) / 16, blob.len() / 16].map(|n| u32::try_from(n).unwrap());
        slots.extend([&b"Slot"[..], &le(&[number, place[0], place[1]])].concat());
        blobs.extend(blob);
    }
    while slots.len() < 4096 {
        slots.extend([&b"Slot"[..], &[0; 12]].concat());
    }
    [slots, blobs].concat()
}

/// A Berkeley DB hash database: the metadata and these pages.
pub(super) fn bdb(order: ByteOrder, pages: &[Vec<u8>]) -> Vec<u8> {
    let mut meta = vec![0; PAGE];
    meta[12..16].copy_from_slice(&put(order, 0x06_1561));
    meta[16..20].copy_from_slice(&put(order, 9));
    meta[20..24].copy_from_slice(&put(order, u32::try_from(PAGE).unwrap()));
    meta[25] = 8;
    meta[32..36].copy_from_slice(&put(order, u32::try_from(pages.len()).unwrap()));
    [&[meta], pages].concat().concat()
}

/// A hash page of these keys and items (with the byte of their kind).
pub(super) fn hash_page(order: ByteOrder, pairs: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let items = pairs.iter().flat_map(|(key, item)| [[&[1], &put(order, *key)[..]].concat(), item.clone()]);
    let mut page = vec![0; PAGE];
    page[20..22].copy_from_slice(&put_u16(order, pairs.len() * 2));
    page[25] = 13;
    let mut end = PAGE;
    for (index, item) in items.enumerate() {
        end -= item.len();
        page[end..end + item.len()].copy_from_slice(&item);
        page[26 + index * 2..28 + index * 2].copy_from_slice(&put_u16(order, end));
    }
    page
}

/// An item that lies on overflow pages.
pub(super) fn off_page(order: ByteOrder, page: u32, len: u32) -> Vec<u8> {
    [&[3, 0, 0, 0][..], &put(order, page), &put(order, len)].concat()
}

/// An overflow page of Berkeley DB.
pub(super) fn bdb_overflow(order: ByteOrder, next: u32, bytes: &[u8]) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[16..20].copy_from_slice(&put(order, next));
    page[22..24].copy_from_slice(&put_u16(order, bytes.len()));
    page[25] = 7;
    page[26..26 + bytes.len()].copy_from_slice(bytes);
    page
}
