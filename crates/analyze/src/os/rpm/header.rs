//! The header of one installed package, as every rpm database keeps it.
//!
//! Layout (rpm's documentation, "RPM v4 header format"; LSB Core, "RPM Package Format"), all integers
//! big-endian: number of index entries, bytes of data; the entries, 16 bytes each (tag, type, offset, count);
//! the data. There is no lead and no magic, as there is in a package file.
//!
//! The first entry is usually a region: the entries of the package as it was signed. Those after it were added
//! at installation and win over a signed entry of the same tag. Within the region a tag stands once, so here
//! simply the last entry of a tag wins, and the region itself needs no reading.
//!
//! Nothing is copied and nothing is allocated: a field is looked at where it lies.

use memchr::memchr;

use super::source::{ByteOrder, Damage};

/// Most index entries: rpm's own limit (`hdrchkTags`).
pub const ENTRIES_MAX: u32 = 0xffff;

const ENTRY_SIZE: usize = 16;

/// The tags that are read (rpm's `rpmtag.h`); the discriminants are their places in [`NUMBERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Package name.
    Name,
    /// Upstream version.
    Version,
    /// Release of the packaging.
    Release,
    /// Epoch, absent when it was never set.
    Epoch,
    /// Who built it.
    Vendor,
    /// Licence.
    License,
    /// Architecture.
    Arch,
    /// File name of the source package.
    SourceRpm,
    /// Whole file paths, in very old packages.
    OldFileNames,
    /// For each file, the place of its directory in [`Tag::DirNames`].
    DirIndexes,
    /// File names without directory.
    BaseNames,
    /// Directories, with a slash at their end.
    DirNames,
    /// `name:stream:version:context` of a module.
    ModularityLabel,
}

/// The numbers of the tags, in the order of [`Tag`].
const NUMBERS: [u32; 13] = [1000, 1001, 1002, 1003, 1011, 1014, 1022, 1044, 1027, 1116, 1117, 1118, 5096];

/// Types of data.
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// Where the data of a tag lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: u32,
    offset: usize,
    count: usize,
}

/// A header whose index was read.
#[derive(Debug)]
pub struct Header<'b> {
    data: &'b [u8],
    places: [Option<Place>; NUMBERS.len()],
    /// True when the data is shorter than the header says: what lies in the rest is missing.
    pub cut_off: bool,
}

impl<'b> Header<'b> {
    /// Reads the index. An error when there is none; a field that makes no sense is simply not there.
    pub fn parse(blob: &'b [u8]) -> Result<Self, Damage> {
        let sizes = ByteOrder::Big.u32(blob, 0).zip(ByteOrder::Big.u32(blob, 4));
        let (entries, data_len) = sizes.ok_or(Damage::Truncated("the end of a header"))?;
        if entries == 0 || entries > ENTRIES_MAX {
            return Err(Damage::Malformed("the number of entries of a header is not allowed"));
        }
        let (index, data) = blob
            .get(8..)
            .and_then(|rest| rest.split_at_checked(entries as usize * ENTRY_SIZE))
            .ok_or(Damage::Truncated("the end of a header's index"))?;
        let data_len = data_len as usize;
        let mut header = Self {
            data: data.get(..data_len).unwrap_or(data),
            places: [None; _],
            cut_off: data.len() < data_len,
        };
        for entry in index.chunks_exact(ENTRY_SIZE) {
            let word = |at| ByteOrder::Big.u32(entry, at).unwrap_or(0);
            if let Some(slot) = NUMBERS.iter().position(|number| *number == word(0)) {
                let place = Place { kind: word(4), offset: word(8) as usize, count: word(12) as usize };
                header.places[slot] = Some(place);
            }
        }
        Ok(header)
    }

    fn place(&self, tag: Tag) -> Option<(Place, &'b [u8])> {
        let place = self.places[tag as usize]?;
        Some((place, self.data.get(place.offset..)?))
    }

    /// The text of a tag; the first of several (the untranslated one of a translated text).
    pub fn text(&self, tag: Tag) -> Option<&'b [u8]> {
        self.texts(tag).next()
    }

    /// All texts of a tag.
    pub fn texts(&self, tag: Tag) -> Texts<'b> {
        match self.place(tag) {
            Some((Place { kind: STRING, .. }, data)) => Texts { data, left: 1 },
            Some((Place { kind: STRING_ARRAY | I18N_STRING, count, .. }, data)) => {
                Texts { data, left: count }
            }
            _ => Texts { data: &[], left: 0 },
        }
    }

    /// All 32-bit numbers of a tag, as far as the data goes.
    pub fn numbers(&self, tag: Tag) -> impl Iterator<Item = u32> + use<'b> {
        let (data, count) = match self.place(tag) {
            Some((Place { kind: INT32, count, .. }, data)) => (data, count),
            _ => (&[][..], 0),
        };
        data.chunks_exact(4).take(count).filter_map(|word| ByteOrder::Big.u32(word, 0))
    }
}

/// Texts that each end with a zero byte.
#[derive(Clone, Debug)]
pub struct Texts<'b> {
    data: &'b [u8],
    left: usize,
}

impl<'b> Iterator for Texts<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (text, rest) = self.data.split_at_checked(memchr(0, self.data)?)?;
        self.data = rest.get(1..)?;
        Some(text)
    }
}
