//! Archive entries out of a stream, one after the other, without unpacking anything.
//!
//! Headers, GNU and PAX extensions are parsed by `tar-core`; this module feeds it from a bounded buffer and
//! skips or streams contents. It does not interpret paths.

use std::io::{self, Read};

use tar_core::{
    EntryType,
    parse::{Limits, ParseError, ParseEvent, Parser},
};

/// Bytes read at a time. Large enough to amortise calls, small enough to stay in the second-level cache.
const BUFFER: usize = 128 << 10;
/// Most bytes of extension headers of one entry.
const MAX_METADATA: u32 = 1 << 20;

/// What kind of entry a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarKind {
    /// A regular file with content.
    File,
    /// A sparse file: its content in the archive is not its content on disk.
    SparseFile,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A hard link.
    Hardlink,
    /// A device, FIFO or anything else without content of interest.
    Special,
}

/// The header of one entry; reused from entry to entry.
#[derive(Clone, Debug)]
pub struct TarHeader {
    /// Path as written in the archive.
    pub path: Vec<u8>,
    /// Link target as written in the archive.
    pub target: Vec<u8>,
    /// What it is.
    pub kind: TarKind,
    /// Bytes of content in the archive.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
}

impl Default for TarHeader {
    fn default() -> Self {
        Self {
            path: Vec::with_capacity(256),
            target: Vec::with_capacity(256),
            kind: TarKind::Special,
            size: 0,
            mode: 0,
            uid: 0,
            gid: 0,
        }
    }
}

/// Why an archive could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream ended within an entry.
    #[error("the archive ends within an entry")]
    Truncated,
    /// A header is invalid.
    #[error("the archive is damaged: {0}")]
    Corrupt(String),
    /// The stream below failed.
    #[error("reading the archive failed")]
    Read(#[source] io::Error),
}

/// Reads an archive. After [`TarReader::next_entry`], the content of a file may be read through
/// [`io::Read`], wholly or in part.
pub struct TarReader<R> {
    inner: R,
    parser: Parser,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    content_left: u64,
    padding_left: u64,
    failed: Option<io::Error>,
}

impl<R: Read> TarReader<R> {
    /// Reads from an uncompressed stream.
    pub fn new(inner: R) -> Self {
        let mut parser = Parser::new(Limits { max_metadata_size: MAX_METADATA, ..Limits::default() });
        // Real-world archives hold PAX values that are no UTF-8 or no number; paths and sizes still count.
        parser.set_ignore_pax_errors(true);
        parser.set_allow_empty_path(true);
        Self {
            inner,
            parser,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            content_left: 0,
            padding_left: 0,
            failed: None,
        }
    }

    /// Moves to the next entry, skipping what is left of this one. False at the end of the archive.
    pub fn next_entry(&mut self, header: &mut TarHeader) -> Result<bool, TarError> {
        self.skip_rest()?;
        loop {
            let event = self.parser.parse(&self.buffer[self.start..self.end]);
            let consumed = match event {
                Ok(ParseEvent::NeedData { min_bytes }) => {
                    if !self.refill(min_bytes)? {
                        return Ok(false);
                    }
                    continue;
                }
                Ok(ParseEvent::GlobalExtensions { consumed, .. }) => {
                    self.start += consumed;
                    continue;
                }
                Ok(ParseEvent::End { consumed }) => {
                    self.start += consumed;
                    return Ok(false);
                }
                Ok(ParseEvent::Entry { consumed, entry }) => {
                    let kind = match entry.entry_type {
                        EntryType::Directory => TarKind::Directory,
                        EntryType::Symlink => TarKind::Symlink,
                        EntryType::Link => TarKind::Hardlink,
                        EntryType::Regular | EntryType::Continuous => TarKind::File,
                        _ => TarKind::Special,
                    };
                    // Old archives mark directories only by a trailing slash.
                    let kind = if kind == TarKind::File && entry.path.ends_with(b"/") {
                        TarKind::Directory
                    } else {
                        kind
                    };
                    fill(header, &entry, kind);
                    consumed
                }
                Ok(ParseEvent::SparseEntry { consumed, entry, .. }) => {
                    fill(header, &entry, TarKind::SparseFile);
                    consumed
                }
                Err(error) => return Err(corrupt(&error)),
            };
            self.start += consumed;
            self.content_left = header.size;
            self.padding_left = (512 - self.content_left % 512) % 512;
            return Ok(true);
        }
    }

    /// Reads the stream to its end, after the last entry, so that digests below see every byte.
    pub fn drain(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = 0;
        loop {
            match self.inner.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The stream below.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    fn skip_rest(&mut self) -> Result<(), TarError> {
        if let Some(error) = self.failed.take() {
            return Err(read_error(error));
        }
        let mut left = self.content_left + self.padding_left;
        loop {
            let buffered = (self.end - self.start) as u64;
            let step = buffered.min(left);
            self.start += step as usize;
            left -= step;
            if left == 0 {
                break;
            }
            self.start = 0;
            self.end = read_some(&mut self.inner, &mut self.buffer).map_err(read_error)?;
            if self.end == 0 {
                return Err(TarError::Truncated);
            }
        }
        self.content_left = 0;
        self.padding_left = 0;
        Ok(())
    }

    /// Makes at least `wanted` bytes available; false at a clean end of the stream.
    fn refill(&mut self, wanted: usize) -> Result<bool, TarError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if wanted > self.buffer.len() {
            // Bounded by MAX_METADATA for each of the extensions of one entry.
            if wanted > 8 * MAX_METADATA as usize {
                return Err(TarError::Corrupt("extension headers beyond the limit".into()));
            }
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted {
            let n = read_some(&mut self.inner, &mut self.buffer[self.end..]).map_err(read_error)?;
            if n == 0 {
                // Archives without the two zero blocks at their end are common.
                let only_zeros = self.buffer[..self.end].iter().all(|&b| b == 0);
                return if only_zeros { Ok(false) } else { Err(TarError::Truncated) };
            }
            self.end += n;
        }
        Ok(true)
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.content_left == 0 || out.is_empty() {
            return Ok(0);
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            let n = match read_some(&mut self.inner, &mut self.buffer) {
                Ok(n) => n,
                Err(error) => {
                    // The caller sees the kind; the next `next_entry` returns the error itself.
                    let kind = error.kind();
                    self.failed = Some(error);
                    return Err(kind.into());
                }
            };
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.end = n;
        }
        let available = ((self.end - self.start) as u64).min(self.content_left) as usize;
        let n = available.min(out.len());
        out[..n].copy_from_slice(&self.buffer[self.start..self.start + n]);
        self.start += n;
        self.content_left -= n as u64;
        Ok(n)
    }
}

fn fill(header: &mut TarHeader, entry: &tar_core::parse::ParsedEntry<'_>, kind: TarKind) {
    header.path.clear();
    header.path.extend_from_slice(&entry.path);
    header.target.clear();
    if let Some(target) = &entry.link_target {
        header.target.extend_from_slice(target);
    }
    header.kind = kind;
    // Links, directories and devices carry no content, whatever size they claim (POSIX ustar, "typeflag").
    let header_only = matches!(
        entry.entry_type,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Directory
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo
    );
    header.size = if header_only { 0 } else { entry.size };
    header.mode = entry.mode;
    header.uid = entry.uid;
    header.gid = entry.gid;
}

fn read_some(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn read_error(error: io::Error) -> TarError {
    TarError::Read(error)
}

fn corrupt(error: &ParseError) -> TarError {
    // The parser's text may quote raw header bytes; keep it short and printable.
    let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(120).collect();
    TarError::Corrupt(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind: tar::EntryType, content: &[u8], target: Option<&str>| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            if let Some(target) = target {
                builder.append_link(&mut header, path, target).unwrap();
            } else {
                builder.append_data(&mut header, path, content).unwrap();
            }
        };
        let long = format!("{}/file", "d".repeat(300));
        add("a", tar::EntryType::Regular, b"hello", None);
        add("dir/", tar::EntryType::Directory, b"", None);
        add(&long, tar::EntryType::Regular, &vec![7; 300_000], None);
        add("link", tar::EntryType::Symlink, b"", Some("a"));
        add("hard", tar::EntryType::Link, b"", Some("a"));
        builder.into_inner().unwrap()
    }

    fn list(bytes: &[u8]) -> Result<Vec<(String, TarKind, usize)>, TarError> {
        let mut reader = TarReader::new(bytes);
        let mut header = TarHeader::default();
        let mut out = Vec::new();
        while reader.next_entry(&mut header)? {
            let mut content = Vec::new();
            let _ = reader.read_to_end(&mut content);
            out.push((String::from_utf8_lossy(&header.path).into_owned(), header.kind, content.len()));
        }
        Ok(out)
    }

    #[test]
    fn reads_what_another_writer_wrote() {
        let found = list(&archive()).unwrap();
        let long = format!("{}/file", "d".repeat(300));
        let expected = [
            ("a", TarKind::File, 5),
            ("dir/", TarKind::Directory, 0),
            (long.as_str(), TarKind::File, 300_000),
            ("link", TarKind::Symlink, 0),
            ("hard", TarKind::Hardlink, 0),
        ];
        let expected: Vec<_> = expected.iter().map(|(p, k, n)| ((*p).to_owned(), *k, *n)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_truncation_is_told_or_harmless() {
        let whole = archive();
        let entries = list(&whole).unwrap().len();
        for cut in (0..whole.len()).step_by(97) {
            match list(&whole[..cut]) {
                Ok(found) => assert!(found.len() <= entries),
                Err(TarError::Truncated | TarError::Corrupt(_)) => {}
                Err(other) => panic!("{cut}: {other}"),
            }
        }
        assert!(matches!(list(&whole[..700]), Err(TarError::Truncated)));
    }
}
