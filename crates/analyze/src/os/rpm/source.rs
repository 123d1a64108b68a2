//! Where the database readers get their bytes from, and what they say when the bytes make no sense.
//!
//! Every reader walks a file that may be hostile, so nothing here trusts an offset or a length: a read beyond
//! the end is a [`Damage`], never a panic, and no buffer is larger than what the file can fill.

use std::{io, ops::ControlFlow};

use crate::Blob;

/// Largest rpm header that is read, in bytes. rpm itself allows 256 MiB; the largest real ones, of packages
/// with some hundred thousand files, are below 30 MiB.
pub const HEADER_MAX: u64 = 64 << 20;

/// Random access to the bytes of one file.
pub trait ReadAt {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// True when there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`; an error of kind `UnexpectedEof` when the file ends before.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for Blob {
    fn len(&self) -> u64 {
        Self::len(self)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        Self::read_at(self, offset, buf)
    }
}

impl ReadAt for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset).ok().and_then(|start| self.get(start..)?.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why a database, or one record of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file ends before something that it must hold.
    #[error("the file ends before {0}")]
    Truncated(&'static str),
    /// A field holds what its format does not allow.
    #[error("{0}")]
    Malformed(&'static str),
    /// A page is reached twice: pages form a cycle or are shared.
    #[error("page {0} is used twice")]
    Cycle(u32),
    /// A page number beyond the end of the file.
    #[error("page {0} lies beyond the end of the file")]
    PageOutside(u32),
    /// A length beyond [`HEADER_MAX`] or beyond the file.
    #[error("a record of {0} bytes is too large")]
    TooLarge(u64),
    /// The temporary file behind the content failed.
    #[error("the content could not be read ({0})")]
    Read(io::ErrorKind),
    /// A form of the format that is not read.
    #[error("{0} cannot be read")]
    Unsupported(&'static str),
}

impl Damage {
    /// What a failed read of `what` means.
    pub fn of_read(error: &io::Error, what: &'static str) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated(what),
            kind => Self::Read(kind),
        }
    }
}

/// Takes the records of a database one by one: the bytes of an rpm header, or why one could not be had.
/// Stops the reader by returning [`ControlFlow::Break`].
pub type Visit<'a> = dyn FnMut(Result<&[u8], Damage>) -> ControlFlow<()> + 'a;

/// The order of bytes in the integers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

impl ByteOrder {
    /// Two bytes at `at`.
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    /// Four bytes at `at`.
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

/// Which pages were read, so that none is read twice: what bounds every walk by the size of the file.
#[derive(Debug)]
pub struct Visited {
    bits: Vec<u64>,
    pages: u32,
}

impl Visited {
    /// For pages `0..pages`, a bit each.
    pub fn new(pages: u32) -> Self {
        Self { bits: vec![0; (pages as usize).div_ceil(64)], pages }
    }

    /// Marks a page; an error when it does not exist or was marked before.
    pub fn mark(&mut self, page: u32) -> Result<(), Damage> {
        let word = self.bits.get_mut(page as usize / 64).filter(|_| page < self.pages);
        let word = word.ok_or(Damage::PageOutside(page))?;
        let bit = 1 << (page % 64);
        if *word & bit != 0 {
            return Err(Damage::Cycle(page));
        }
        *word |= bit;
        Ok(())
    }
}

/// The number of whole pages in a file, saturating at `u32::MAX`.
pub fn page_count(len: u64, page_size: u32) -> u32 {
    u32::try_from(len / u64::from(page_size.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_marked_once() {
        let mut visited = Visited::new(65);
        assert!(visited.mark(0).is_ok());
        assert!(visited.mark(64).is_ok());
        assert!(matches!(visited.mark(64), Err(Damage::Cycle(64))));
        assert!(matches!(visited.mark(65), Err(Damage::PageOutside(65))));
        assert!(matches!(visited.mark(u32::MAX), Err(Damage::PageOutside(u32::MAX))));
    }

    #[test]
    fn reads_do_not_pass_the_end() {
        let bytes: &[u8] = b"abc";
        let mut buf = [0; 2];
        assert!(bytes.read_at(1, &mut buf).is_ok());
        assert_eq!(&buf, b"bc");
        for offset in [2, 3, u64::MAX] {
            assert_eq!(bytes.read_at(offset, &mut buf).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(ByteOrder::Big.u32(b"\0\0\x01\x02", 0), Some(258));
        assert_eq!(ByteOrder::Little.u16(b"\x01\x02", 1), None);
    }
}
