//! Readers over one file: of a blob that several analyzers want, and of a file that may never be opened.

use std::io::{self, Read};

use analyze::Blob;

/// Reads a blob from its beginning.
pub struct BlobReader<'a> {
    blob: &'a Blob,
    position: u64,
}

impl<'a> BlobReader<'a> {
    /// At the beginning.
    pub const fn new(blob: &'a Blob) -> Self {
        Self { blob, position: 0 }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len().saturating_sub(self.position);
        let n = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.blob.read_at(self.position, &mut buffer[..n])?;
        self.position += n as u64;
        Ok(n)
    }
}

/// Opens the file of a directory only when somebody reads it.
pub(super) enum LazyReader<F> {
    Closed(Option<F>),
    Open(Box<dyn Read>),
}

impl<F: FnOnce() -> io::Result<Box<dyn Read>>> Read for LazyReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Closed(open) = self {
            let open = open.take().ok_or(io::ErrorKind::NotFound)?;
            *self = Self::Open(open()?);
        }
        match self {
            Self::Open(reader) => reader.read(buffer),
            Self::Closed(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
