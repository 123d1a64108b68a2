//! Where in an executable file something lies, told from as few of its bytes as possible.
//!
//! ELF (System V ABI, "Object Files", and its 64-bit form), PE (Microsoft, "PE Format") and Mach-O of 64-bit
//! machines (Apple, `mach-o/loader.h`). Only headers and tables of sections and segments are read here; what a
//! section holds is for others. Numbers of the file size no allocation, and a file that no loader would take
//! has no layout: that is no problem to be told.
//!
//! Most linkers write an ELF file's section table at its very end, so that the whole file has to be at hand
//! first. The tables of PE, of Mach-O and of what Go's own linker makes stand at the start.

use std::ops::Range;

use crate::Blob;

/// Bytes from the start of a file that hold all headers of real ones.
pub const HEAD_BYTES: usize = 8 << 10;

/// Most sections and segments that are looked at; executables have some dozens.
const ENTRIES_MAX: u64 = 4096;

/// Longest table of section names, in bytes.
const NAMES_MAX: u64 = 1 << 20;

/// The formats that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Unix but macOS.
    Elf,
    /// Windows.
    Pe,
    /// macOS.
    MachO,
}

impl Format {
    /// The format that a file begins like.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x7f, b'E', b'L', b'F', ..] => Some(Self::Elf),
            [b'M', b'Z', ..] => Some(Self::Pe),
            [0xcf, 0xfa, 0xed, 0xfe, ..] => Some(Self::MachO),
            _ => None,
        }
    }
}

/// A part of the file that is loaded, or described, under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name; empty where the names lie elsewhere in the file.
    pub name: Vec<u8>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Part of the running program and no code.
    pub is_data: bool,
    /// The running program may change it.
    pub is_writable: bool,
}

/// A part of the file and where the running program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub address: u64,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// The running program may change it.
    pub is_writable: bool,
}

/// What the tables of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Which format.
    pub format: Format,
    /// Numbers begin with their lowest byte.
    pub is_little_endian: bool,
    /// `e_machine` and its kin, in the numbers of the format.
    pub machine: u16,
    /// `EI_OSABI`; 0 for all but ELF.
    pub os_abi: u8,
    /// Sections with content, in the order of the table.
    pub sections: Vec<Section>,
    /// Loaded segments; of ELF only.
    pub segments: Vec<Segment>,
}

impl Layout {
    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name.as_bytes())
    }

    /// Where in the file an address of the running program is, and how many bytes of the file follow there.
    pub fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address).filter(|inside| *inside < segment.size)?;
            Some((segment.offset.checked_add(inside)?, segment.size - inside))
        })
    }
}

/// Reads the tables of a file, as far as they lie in its first bytes. ELF sections have no names then.
///
/// `None` when it is no executable, or an ELF file whose section table is not at its start.
pub fn layout_of_head(head: &[u8]) -> Option<Layout> {
    match Format::of(head)? {
        Format::Elf => {
            let header = ElfHeader::parse(head)?;
            if !header.has_table_at_start(head.len() as u64) {
                return None;
            }
            header.layout(&|range| slice(head, &range).map(<[u8]>::to_vec), false)
        }
        Format::Pe => pe(head),
        Format::MachO => macho(head),
    }
}

/// Reads the tables of an ELF file wherever they lie.
pub fn layout_of_elf(blob: &Blob) -> Option<Layout> {
    let read = |range: Range<u64>| read(blob, &range);
    let header = ElfHeader::parse(&read(0..64)?)?;
    header.layout(&read, true)
}

/// The bytes of a range, which must not be longer than the caller allows; `None` beyond the end of the file.
pub fn read(blob: &Blob, range: &Range<u64>) -> Option<Vec<u8>> {
    if range.end > blob.len() {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
    blob.read_at(range.start, &mut bytes).ok()?;
    Some(bytes)
}

fn slice<'b>(bytes: &'b [u8], range: &Range<u64>) -> Option<&'b [u8]> {
    bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// Numbers at offsets, in either order of bytes.
#[derive(Clone, Copy)]
struct Numbers {
    is_little_endian: bool,
    is_64: bool,
}

impl Numbers {
    fn get(self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        number(bytes.get(at..at.checked_add(len)?)?, self.is_little_endian)
    }

    fn half(self, bytes: &[u8], at: usize) -> Option<u16> {
        self.get(bytes, at, 2).and_then(|n| u16::try_from(n).ok())
    }

    fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        self.get(bytes, at, 4)
    }

    /// An address or size: at one place in files of 32 bits, at another in those of 64.
    fn wide(self, bytes: &[u8], at_32: usize, at_64: usize) -> Option<u64> {
        if self.is_64 { self.get(bytes, at_64, 8) } else { self.get(bytes, at_32, 4) }
    }
}

/// A number of up to eight bytes.
pub fn number(bytes: &[u8], is_little_endian: bool) -> Option<u64> {
    let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    let sum = if is_little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) };
    (bytes.len() <= 8).then_some(sum)
}

/// The header of an ELF file.
struct ElfHeader {
    numbers: Numbers,
    os_abi: u8,
    machine: u16,
    segments: Table,
    sections: Table,
    names: usize,
}

/// Entries of one size behind each other.
#[derive(Clone, Copy)]
struct Table {
    offset: u64,
    entry: u64,
    count: u64,
}

impl Table {
    fn range(&self) -> Option<Range<u64>> {
        let bytes = self.entry.checked_mul(self.count)?;
        (self.count <= ENTRIES_MAX).then_some(self.offset..self.offset.checked_add(bytes)?)
    }
}

type Reader<'r> = &'r dyn Fn(Range<u64>) -> Option<Vec<u8>>;

impl ElfHeader {
    fn parse(head: &[u8]) -> Option<Self> {
        let is_64 = *head.get(4)? == 2;
        let is_little_endian = *head.get(5)? == 1;
        let sane = matches!(head.get(4..7)?, [1 | 2, 1 | 2, 1]) && head.starts_with(b"\x7fELF");
        let numbers = sane.then_some(Numbers { is_little_endian, is_64 })?;
        let table = |offset, entry: (usize, usize), smallest: (u64, u64)| {
            let at = if is_64 { entry.1 } else { entry.0 };
            let size = numbers.half(head, at).map(u64::from)?;
            let smallest = if is_64 { smallest.1 } else { smallest.0 };
            let count = numbers.half(head, at + 2).map(u64::from)?;
            // Without entries their size may be anything.
            let sane = count == 0 || (smallest..=256).contains(&size);
            sane.then_some(Table { offset, entry: size, count })
        };
        Some(Self {
            numbers,
            os_abi: *head.get(7)?,
            machine: numbers.half(head, 18)?,
            segments: table(numbers.wide(head, 28, 32)?, (42, 54), (32, 56))?,
            sections: table(numbers.wide(head, 32, 40)?, (46, 58), (40, 64))?,
            names: usize::from(numbers.half(head, if is_64 { 62 } else { 50 })?),
        })
    }

    /// Go's own linker writes the section table behind the table of segments.
    fn has_table_at_start(&self, head: u64) -> bool {
        let follows = self.segments.range().is_some_and(|segments| segments.end == self.sections.offset);
        self.sections.count > 0
            && follows
            && self.sections.range().is_some_and(|sections| sections.end <= head)
    }

    fn layout(&self, read: Reader<'_>, with_names: bool) -> Option<Layout> {
        let table = read(self.sections.range()?).unwrap_or_default();
        let entry = usize::try_from(self.sections.entry).ok()?.max(1);
        let names = if with_names { self.names(&table, entry, read) } else { Vec::new() };
        let sections = table.chunks_exact(entry).filter_map(|entry| self.section(entry, &names)).collect();
        let table = read(self.segments.range()?).unwrap_or_default();
        let entry = usize::try_from(self.segments.entry).ok()?.max(1);
        let segments = table.chunks_exact(entry).filter_map(|entry| self.segment(entry)).collect();
        Some(Layout {
            format: Format::Elf,
            is_little_endian: self.numbers.is_little_endian,
            machine: self.machine,
            os_abi: self.os_abi,
            sections,
            segments,
        })
    }

    /// The bytes that section names stand in.
    fn names(&self, table: &[u8], entry: usize, read: Reader<'_>) -> Vec<u8> {
        let range = || {
            let entry = table.chunks_exact(entry).nth(self.names)?;
            let start = self.numbers.wide(entry, 16, 24)?;
            let size = self.numbers.wide(entry, 20, 32)?;
            (size <= NAMES_MAX).then_some(start..start.checked_add(size)?)
        };
        range().and_then(read).unwrap_or_default()
    }

    fn section(&self, entry: &[u8], names: &[u8]) -> Option<Section> {
        const PROGBITS: u64 = 1;
        const WRITE: u64 = 1;
        const ALLOC: u64 = 2;
        const EXECUTE: u64 = 4;
        let numbers = self.numbers;
        if numbers.word(entry, 4)? != PROGBITS {
            return None;
        }
        let flags = numbers.wide(entry, 8, 8)?;
        let name = usize::try_from(numbers.word(entry, 0)?).ok()?;
        let name = names.get(name..).unwrap_or_default();
        let end = memchr::memchr(0, name).unwrap_or(0);
        Some(Section {
            name: name.get(..end).unwrap_or_default().to_vec(),
            offset: numbers.wide(entry, 16, 24)?,
            size: numbers.wide(entry, 20, 32)?,
            is_data: flags & (ALLOC | EXECUTE) == ALLOC,
            is_writable: flags & WRITE != 0,
        })
    }

    fn segment(&self, entry: &[u8]) -> Option<Segment> {
        const LOAD: u64 = 1;
        const WRITE: u64 = 2;
        let numbers = self.numbers;
        if numbers.word(entry, 0)? != LOAD {
            return None;
        }
        let flags = numbers.word(entry, if numbers.is_64 { 4 } else { 24 })?;
        Some(Segment {
            address: numbers.wide(entry, 8, 16)?,
            offset: numbers.wide(entry, 4, 8)?,
            size: numbers.wide(entry, 16, 32)?,
            is_writable: flags & WRITE != 0,
        })
    }
}

/// Little-endian, as PE and Mach-O of today's machines are.
const LITTLE: Numbers = Numbers { is_little_endian: true, is_64: true };

fn pe(head: &[u8]) -> Option<Layout> {
    const INITIALIZED_DATA: u64 = 0x40;
    const WRITE: u64 = 0x8000_0000;
    let start = usize::try_from(LITTLE.word(head, 0x3c)?).ok()?;
    let header = head.get(start..)?;
    if !header.starts_with(b"PE\0\0") {
        return None;
    }
    let table = 24 + usize::from(LITTLE.half(header, 20)?);
    let count = usize::from(LITTLE.half(header, 6)?);
    let section = |entry: &[u8]| {
        let flags = LITTLE.word(entry, 36)?;
        let name = entry.get(..8)?;
        let end = memchr::memchr(0, name).unwrap_or(name.len());
        Some(Section {
            name: name.get(..end)?.to_vec(),
            offset: LITTLE.word(entry, 20)?,
            size: LITTLE.word(entry, 16)?,
            is_data: flags & INITIALIZED_DATA != 0,
            is_writable: flags & WRITE != 0,
        })
    };
    let entries = header.get(table..)?.chunks_exact(40).take(count);
    Some(Layout {
        format: Format::Pe,
        is_little_endian: true,
        machine: LITTLE.half(header, 4)?,
        os_abi: 0,
        sections: entries.filter_map(section).collect(),
        segments: Vec::new(),
    })
}

fn macho(head: &[u8]) -> Option<Layout> {
    const SEGMENT_64: u64 = 0x19;
    let count = usize::try_from(LITTLE.word(head, 16)?).ok()?;
    let mut sections = Vec::new();
    let mut rest = head.get(32..)?;
    for _ in 0..count.min(256) {
        let Some(size) = LITTLE.word(rest, 4).and_then(|size| usize::try_from(size).ok()) else { break };
        let Some((command, tail)) = rest.split_at_checked(size.max(8)) else { break };
        rest = tail;
        if LITTLE.word(command, 0) != Some(SEGMENT_64) {
            continue;
        }
        let text = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        let is_writable = command.get(8..24).and_then(text).is_some_and(|name| name.starts_with(b"__DATA"));
        let section = |entry: &[u8]| {
            Some(Section {
                name: text(entry.get(..16)?)?,
                offset: LITTLE.word(entry, 48)?,
                size: LITTLE.get(entry, 40, 8)?,
                is_data: is_writable,
                is_writable,
            })
        };
        let entries = command.get(72..).unwrap_or_default().chunks_exact(80);
        sections.extend(entries.filter_map(section));
    }
    Some(Layout {
        format: Format::MachO,
        is_little_endian: true,
        machine: LITTLE.half(head, 4)?,
        os_abi: 0,
        sections,
        segments: Vec::new(),
    })
}
