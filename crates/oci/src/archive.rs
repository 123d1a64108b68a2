//! A tar archive, in a file or in a bucket, read in place: names are indexed once, contents are read by offset.
//! Nothing is unpacked, so no name in the archive can reach the file system.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::limits::Limits;
use tar_core::parse::{Limits as TarLimits, ParseEvent, Parser};

use crate::{
    bucket::Object,
    compression::{Compression, decompress},
    error::OciError,
    layout::Files,
};

/// Entries of one archive of an image: each layer takes a few.
const ENTRIES: usize = 65_536;
/// Header bytes read at once; grows when an extended header needs more.
const READ_AHEAD: usize = 8 << 10;
/// Links followed from one name to its content.
const LINK_HOPS: usize = 16;

/// A tar archive with its index.
pub(crate) struct Archive {
    /// The file, or `s3://BUCKET/KEY`.
    path: PathBuf,
    source: Source,
    entries: HashMap<Vec<u8>, Entry>,
}

/// Where the bytes of an archive are: each part is read by offset.
enum Source {
    File(Arc<File>),
    Object(Box<Object>),
}

impl Source {
    /// Reads some bytes at `offset`; none at the end only.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Object(object) => object.read_at(buffer, offset),
        }
    }

    fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Object(object) => Ok(object.size()),
        }
    }

    /// A stream of `left` bytes from `offset`.
    fn stream(&self, offset: u64, left: u64) -> Box<dyn Read + Send> {
        match self {
            Self::File(file) => Box::new(Slice { file: Arc::clone(file), offset, left }),
            Self::Object(object) => Box::new(object.stream(offset, left)),
        }
    }

    fn compression(&self) -> io::Result<Compression> {
        let mut start = [0; 6];
        let n = fill(self, &mut start, 0)?;
        Ok(Compression::detect(start.get(..n).unwrap_or_default()))
    }
}

enum Entry {
    File { offset: u64, size: u64 },
    Link(Vec<u8>),
}

/// A part of a file, read by offset: many can be read at once from one descriptor.
struct Slice {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(buffer) = buffer.get_mut(..want) else { return Ok(0) };
        let n = self.file.read_at(buffer, self.offset)?;
        if n == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive became shorter"));
        }
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

impl Archive {
    /// Opens and indexes the archive at `path`. A compressed archive is first decompressed to an unnamed
    /// file in `temp_dir`, since its parts are needed in another order than they come.
    pub(crate) fn load(path: &Path, limits: &Limits, temp_dir: &Path) -> Result<Self, OciError> {
        let file = Arc::new(open_regular(path)?);
        let source = Source::File(Arc::clone(&file));
        let compressed = match source.compression().map_err(|e| read_error(path, e))? {
            Compression::None => None,
            _ => Some(file),
        };
        Self::build(source, compressed, path.to_owned(), limits, temp_dir)
    }

    /// The same of an object, which is called `path`: a plain one is read in place, by ranges.
    pub(crate) fn load_object(
        object: Object,
        path: PathBuf,
        limits: &Limits,
        temp_dir: &Path,
    ) -> Result<Self, OciError> {
        let size = object.size();
        if size > limits.layer_bytes {
            let limit = format!("{} bytes", limits.layer_bytes);
            return Err(OciError::TooLarge { what: path.display().to_string(), limit });
        }
        let source = Source::Object(Box::new(object));
        let compressed = match source.compression().map_err(|e| read_error(&path, e))? {
            Compression::None => None,
            _ => Some(source.stream(0, size)),
        };
        Self::build(source, compressed, path, limits, temp_dir)
    }

    /// The same of a stream, which is called `path` and first copied to an unnamed file in `temp_dir`.
    pub(crate) fn load_stream(
        reader: impl Read,
        path: PathBuf,
        limits: &Limits,
        temp_dir: &Path,
    ) -> Result<Self, OciError> {
        let source = Source::File(Arc::new(inflate(reader, &path, limits, temp_dir)?));
        let entries = index(&source, &path, limits)?;
        Ok(Self { path, source, entries })
    }

    /// Indexes `source`, or what `compressed` decompresses to.
    fn build(
        source: Source,
        compressed: Option<impl Read>,
        path: PathBuf,
        limits: &Limits,
        temp_dir: &Path,
    ) -> Result<Self, OciError> {
        let source = match compressed {
            None => source,
            Some(reader) => Source::File(Arc::new(inflate(reader, &path, limits, temp_dir)?)),
        };
        let entries = index(&source, &path, limits)?;
        Ok(Self { path, source, entries })
    }

    /// The content of a file, following links inside the archive; `None` when there is none.
    pub(crate) fn stream(&self, name: &str) -> Option<Box<dyn Read + Send>> {
        let (offset, size) = self.locate(name)?;
        Some(self.source.stream(offset, size))
    }

    /// The size of a file, and what its first bytes say; `None` when there is none.
    pub(crate) fn inspect(&self, name: &str) -> Result<Option<(u64, Compression)>, OciError> {
        let Some((offset, size)) = self.locate(name) else { return Ok(None) };
        let start = self.read(offset, size.min(6))?;
        Ok(Some((size, Compression::detect(&start))))
    }

    /// A few bytes; fewer when the archive has become shorter.
    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, OciError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let n = fill(&self.source, &mut bytes, offset).map_err(|e| read_error(&self.path, e))?;
        if n < bytes.len() {
            let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "the archive became shorter");
            return Err(read_error(&self.path, cause));
        }
        Ok(bytes)
    }

    /// Where the archive is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this archive.
    pub(crate) fn invalid(&self, why: impl Into<String>) -> OciError {
        OciError::Archive { path: self.path.clone(), why: why.into() }
    }

    fn locate(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = normalise(name.as_bytes(), b"")?;
        for _ in 0..LINK_HOPS {
            match self.entries.get(&name)? {
                Entry::File { offset, size } => return Some((*offset, *size)),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

impl Files for Archive {
    fn load(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, OciError> {
        let Some((offset, size)) = self.locate(name) else { return Ok(None) };
        if size > limit {
            return Err(OciError::TooLarge {
                what: format!("{name} in {}", self.path.display()),
                limit: format!("{limit} bytes"),
            });
        }
        // Not more than the archive holds: the index checked that.
        self.read(offset, size).map(Some)
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read + Send>>, OciError> {
        Ok(self.stream(name))
    }

    fn location(&self) -> &Path {
        &self.path
    }
}

/// Opens a regular file; never waits on a FIFO or touches a device.
pub(crate) fn open_regular(path: &Path) -> Result<File, OciError> {
    use rustix::fs::{Mode, OFlags};
    let error = |operation, e: io::Error| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            OciError::PathNotFound { path: path.to_owned() }
        }
        _ => OciError::Path { operation, path: path.to_owned(), cause: e },
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| error("open", e.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(|e| error("inspect", e))?;
    if !metadata.is_file() {
        return Err(OciError::NotAnImage {
            what: path.display().to_string(),
            why: "it is not a regular file".to_owned(),
        });
    }
    Ok(file)
}

/// What went wrong below, where it is one of ours; else what the system said of `path`.
fn read_error(path: &Path, cause: io::Error) -> OciError {
    OciError::from_io(cause).unwrap_or_else(|cause| OciError::Path {
        operation: "read",
        path: path.to_owned(),
        cause,
    })
}

fn inflate(reader: impl Read, path: &Path, limits: &Limits, temp_dir: &Path) -> Result<File, OciError> {
    let what = path.display().to_string();
    let sort = |e: io::Error| match OciError::from_io(e) {
        Ok(error) => error,
        Err(e) => OciError::Archive { path: path.to_owned(), why: format!("it cannot be decompressed: {e}") },
    };
    let mut decompressor = decompress(CountingReader { inner: reader, read: 0 }, &what).map_err(sort)?;
    let temp_error =
        |cause| OciError::Path { operation: "create a temporary file in", path: temp_dir.to_owned(), cause };
    let out = tempfile::tempfile_in(temp_dir).map_err(temp_error)?;
    let mut buffer = vec![0; 256 << 10];
    let mut written: u64 = 0;
    loop {
        let n = decompressor.read(&mut buffer).map_err(sort)?;
        if n == 0 {
            return Ok(out);
        }
        out.write_all_at(buffer.get(..n).unwrap_or_default(), written).map_err(temp_error)?;
        written += n as u64;
        let compressed = decompressor.get_ref().read.max(1);
        if written > limits.layer_bytes
            || (written > 64 << 20 && written / compressed > limits.compression_ratio)
        {
            return Err(OciError::TooLarge {
                what: format!("{what}, decompressed,"),
                limit: format!("{} bytes or {}:1", limits.layer_bytes, limits.compression_ratio),
            });
        }
    }
}

struct CountingReader<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

fn index(source: &Source, path: &Path, limits: &Limits) -> Result<HashMap<Vec<u8>, Entry>, OciError> {
    let invalid = |why: String| OciError::Archive { path: path.to_owned(), why };
    let read_error = |cause| read_error(path, cause);
    let length = source.length().map_err(read_error)?;
    let mut parser = Parser::new(TarLimits {
        max_path_len: u32::try_from(limits.path_bytes).ok(),
        ..TarLimits::default()
    });
    let mut entries = HashMap::new();
    let mut position: u64 = 0;
    let mut headers = 0;
    let mut buffer = vec![0; READ_AHEAD];
    let mut filled = fill(source, &mut buffer, position).map_err(read_error)?;
    if filled == 0 {
        return Err(invalid("it is empty".to_owned()));
    }
    loop {
        let input = buffer.get(..filled).unwrap_or_default();
        let (consumed, content) = match parser.parse(input) {
            Ok(ParseEvent::End { .. }) => return Ok(entries),
            Ok(ParseEvent::NeedData { min_bytes }) => {
                if position == length {
                    return Ok(entries); // No end marker: some tools leave it out.
                }
                if min_bytes <= filled || position + (min_bytes as u64) > length {
                    return Err(invalid("it ends inside a header".to_owned()));
                }
                // The parser bounds what it asks for by its own limit on extended headers.
                buffer.resize(min_bytes.max(READ_AHEAD), 0);
                filled = fill(source, &mut buffer, position).map_err(read_error)?;
                continue;
            }
            Ok(ParseEvent::GlobalExtensions { consumed, .. }) => (consumed, 0),
            Ok(ParseEvent::SparseEntry { consumed, entry, .. }) => (consumed, entry.size),
            Ok(ParseEvent::Entry { consumed, entry }) => {
                let offset = position + consumed as u64;
                let parent =
                    entry.path.iter().rposition(|b| *b == b'/').map_or(&b""[..], |i| &entry.path[..i]);
                let link =
                    |base| entry.link_target.as_deref().and_then(|t| normalise(t, base)).map(Entry::Link);
                let found = if entry.is_file() {
                    Some(Entry::File { offset, size: entry.size })
                } else if entry.is_symlink() {
                    link(parent)
                } else if entry.is_hard_link() {
                    link(b"")
                } else {
                    None
                };
                if offset.checked_add(entry.size).is_none_or(|end| end > length) {
                    return Err(invalid(format!("it ends inside {}", entry.path_lossy())));
                }
                if let (Some(name), Some(found)) = (normalise(&entry.path, b""), found) {
                    entries.insert(name, found);
                }
                // Directories and links carry no content, whatever their size field says; the parser knows.
                (consumed, entry.size)
            }
            // The parser's text would quote bytes of whatever file this is.
            Err(_) if position == 0 => {
                return Err(OciError::NotAnImage {
                    what: path.display().to_string(),
                    why: "it is no tar archive".to_owned(),
                });
            }
            Err(e) => return Err(invalid(e.to_string())),
        };
        let padded = content.checked_next_multiple_of(512);
        position = padded
            .and_then(|p| p.checked_add(consumed as u64))
            .and_then(|p| p.checked_add(position))
            .ok_or_else(|| invalid("an entry is impossibly large".to_owned()))?
            .min(length);
        headers += 1;
        if headers > ENTRIES {
            return Err(OciError::TooLarge {
                what: format!("the number of entries of {}", path.display()),
                limit: format!("{ENTRIES} entries"),
            });
        }
        // One long header must not make the reading of all others slow.
        buffer.truncate(READ_AHEAD);
        filled = fill(source, &mut buffer, position).map_err(read_error)?;
    }
}

fn fill(source: &Source, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read_at(rest, position + filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// The name as the index knows it: no empty or `.` parts, `..` resolved; `None` when it leaves the archive.
fn normalise(name: &[u8], base: &[u8]) -> Option<Vec<u8>> {
    let absolute = name.first() == Some(&b'/');
    let base = if absolute { &b""[..] } else { base };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in base.split(|b| *b == b'/').chain(name.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, base: &str, expected: Option<&str>) {
        let got = normalise(name.as_bytes(), base.as_bytes());
        assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{base} + {name}");
    }

    #[test]
    fn keeps_names_inside() {
        check("./manifest.json", "", Some("manifest.json"));
        check("../a/layer.tar", "b", Some("a/layer.tar"));
        check("../../etc/passwd", "b", None);
        check("/abs//x", "b", Some("abs/x"));
        check("a/../..", "", None);
    }
}
