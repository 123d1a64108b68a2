//! The bytes of one file, bounded, as a stream or for random access.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom, Write as _},
};

/// A bounded reader over one file of an image.
pub struct Content<'a> {
    reader: &'a mut dyn Read,
    size: u64,
    spill_above: u64,
}

impl<'a> Content<'a> {
    /// `size` is what the archive declares; `reader` yields at most that. [`Content::into_blob`] keeps files
    /// above `spill_above` bytes on disk.
    pub fn new(reader: &'a mut dyn Read, size: u64, spill_above: u64) -> Self {
        Self { reader, size, spill_above }
    }

    /// The declared size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// All bytes. The caller has bounded the size by its [`crate::Want`].
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size.min(1 << 20)).unwrap_or(0));
        self.reader.take(self.size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes for random access: in memory, or in an unnamed temporary file when large.
    pub fn into_blob(self) -> io::Result<Blob> {
        if self.size <= self.spill_above {
            return self.into_bytes().map(Blob::Memory);
        }
        let mut file = tempfile::tempfile()?;
        let len = io::copy(&mut self.reader.take(self.size), &mut file)?;
        file.flush()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Blob::File { file, len })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

/// A file that can be read at any offset.
#[derive(Debug)]
pub enum Blob {
    /// Small: in memory.
    Memory(Vec<u8>),
    /// Large: in an unnamed file on disk.
    File {
        /// The file.
        file: File,
        /// Its length in bytes.
        len: u64,
    },
}

impl Blob {
    /// Length in bytes.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// True when there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`; an error of kind `UnexpectedEof` when the blob ends before.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                let end = start.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                buf.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File { file, .. } => std::os::unix::fs::FileExt::read_exact_at(file, buf, offset),
        }
    }
}
