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
    /// Bytes that were looked at and are still to be read.
    peeked: Vec<u8>,
}

impl<'a> Content<'a> {
    /// `size` is what the archive declares; `reader` yields at most that. [`Content::into_blob`] keeps files
    /// above `spill_above` bytes on disk.
    pub fn new(reader: &'a mut dyn Read, size: u64, spill_above: u64) -> Self {
        Self { reader, size, spill_above, peeked: Vec::new() }
    }

    /// The declared size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The next `max` bytes, or all that are left, without reading past them: whoever can tell by the start of
    /// a file that there is nothing in it need not read on.
    pub fn peek(&mut self, max: usize) -> io::Result<&[u8]> {
        let missing = max.saturating_sub(self.peeked.len());
        self.reader.take(missing as u64).read_to_end(&mut self.peeked)?;
        Ok(self.peeked.get(..max).unwrap_or(&self.peeked))
    }

    /// All bytes. The caller has bounded the size by its [`crate::Want`].
    pub fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        self.take_bytes()
    }

    fn take_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size.min(1 << 20)).unwrap_or(0));
        let size = self.size;
        self.by_ref().take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes for random access: in memory, or in an unnamed temporary file when large.
    pub fn into_blob(mut self) -> io::Result<Blob> {
        self.take_blob()
    }

    /// The same of what is left to be read.
    pub fn take_blob(&mut self) -> io::Result<Blob> {
        if self.size <= self.spill_above {
            return self.take_bytes().map(Blob::Memory);
        }
        let mut file = tempfile::tempfile()?;
        let size = self.size;
        let len = io::copy(&mut self.by_ref().take(size), &mut file)?;
        file.flush()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Blob::File { file, len })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.peeked.is_empty() {
            return self.reader.read(buf);
        }
        let n = buf.len().min(self.peeked.len());
        for (to, from) in buf.iter_mut().zip(self.peeked.drain(..n)) {
            *to = from;
        }
        Ok(n)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_read_again() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for spill_above in [u64::MAX, 0] {
            for looks in [&[0][..], &[4], &[4, 2000, 16], &[20_000]] {
                let mut reader = bytes.as_slice();
                let mut content = Content::new(&mut reader, 10_000, spill_above);
                for look in looks {
                    assert_eq!(content.peek(*look).unwrap(), &bytes[..(*look).min(10_000)]);
                }
                let mut start = [0; 3];
                content.read_exact(&mut start).unwrap();
                assert_eq!(start, bytes[..3]);
                let blob = content.into_blob().unwrap();
                let mut rest = vec![0; 9_997];
                blob.read_at(0, &mut rest).unwrap();
                assert!(rest == bytes[3..] && blob.len() == 9_997);
            }
        }
    }
}
