//! Layers: tar archives written header by header (POSIX.1-1988 ustar, pax records where names are too long),
//! with the whiteouts of OCI image-spec layer.md. Times are zero, so that equal input gives equal bytes.

use std::io::{self, Write};

use bytes::Bytes;
use model::digest::Digest;

use crate::content::{Blob, Family, digest_of};

/// Size of a tar block in bytes.
const BLOCK: usize = 512;

/// How a layer is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// gzip.
    #[default]
    Gzip,
    /// Zstandard.
    Zstd,
}

/// One tar header with everything that can be said in it, true or not.
#[derive(Clone, Debug)]
pub struct Header {
    /// Path, verbatim.
    pub path: Vec<u8>,
    /// Type flag: `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` directory, `6` FIFO.
    pub kind: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Content that follows.
    pub content: Vec<u8>,
    /// The size to claim, when it is not that of the content.
    pub claimed_size: Option<u64>,
    /// Extended records that go before it, `key=value`.
    pub pax: Vec<(String, Vec<u8>)>,
}

impl Header {
    /// A file of mode 0644 owned by root.
    pub fn file(path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind: b'0',
            mode: 0o644,
            uid: 0,
            gid: 0,
            link: Vec::new(),
            content: content.into(),
            claimed_size: None,
            pax: Vec::new(),
        }
    }

    /// Anything without content.
    pub fn empty(path: impl Into<Vec<u8>>, kind: u8, mode: u32, link: impl Into<Vec<u8>>) -> Self {
        Self { kind, mode, link: link.into(), ..Self::file(path, Vec::new()) }
    }
}

/// Builds a layer, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct LayerBuilder {
    tar: Vec<u8>,
}

/// A finished layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The uncompressed archive.
    pub tar: Bytes,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The stored bytes.
    pub stored: Bytes,
    /// How they are stored.
    pub compression: Compression,
}

impl LayerBuilder {
    /// A layer without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// A regular file, mode 0644.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.entry(&Header::file(path, content))
    }

    /// An executable file, mode 0755.
    #[must_use]
    pub fn executable(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.entry(&Header { mode: 0o755, ..Header::file(path, content) })
    }

    /// A directory, mode 0755.
    #[must_use]
    pub fn dir(self, path: &str) -> Self {
        self.entry(&Header::empty(format!("{}/", path.trim_end_matches('/')), b'5', 0o755, ""))
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(&Header::empty(path, b'2', 0o777, target))
    }

    /// A hard link; `target` is relative to the root of the layer.
    #[must_use]
    pub fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(&Header::empty(path, b'1', 0o644, target))
    }

    /// Removes `path` of the layers below.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (dir, name) = path.rsplit_once('/').map_or(("", path), |(dir, name)| (dir, name));
        let separator = if dir.is_empty() { "" } else { "/" };
        self.file(&format!("{dir}{separator}.wh.{name}"), "")
    }

    /// Hides everything that the layers below have in `dir`.
    #[must_use]
    pub fn opaque(self, dir: &str) -> Self {
        self.file(&format!("{}/.wh..wh..opq", dir.trim_end_matches('/')), "")
    }

    /// Any header.
    #[must_use]
    pub fn entry(mut self, header: &Header) -> Self {
        let mut pax = header.pax.clone();
        if header.path.len() > 100 {
            pax.push(("path".to_owned(), header.path.clone()));
        }
        if header.link.len() > 100 {
            pax.push(("linkpath".to_owned(), header.link.clone()));
        }
        if !pax.is_empty() {
            let records: Vec<u8> = pax.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
            let name = b"PaxHeaders/entry".to_vec();
            self.push(&Header { kind: b'x', ..Header::file(name, records) });
        }
        self.push(header);
        self
    }

    /// Bytes as they are, for what no header can say.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.tar.extend_from_slice(bytes);
        self
    }

    /// The archive without its end, as a cut-off download would leave it.
    pub fn unfinished(self) -> Vec<u8> {
        self.tar
    }

    /// The archive, ended by two zero blocks.
    pub fn finish_tar(mut self) -> Vec<u8> {
        self.tar.resize(self.tar.len() + 2 * BLOCK, 0);
        self.tar
    }

    /// The layer.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn finish(self, compression: Compression) -> io::Result<Layer> {
        Layer::from_tar(self.finish_tar(), compression)
    }

    fn push(&mut self, header: &Header) {
        let size = header.claimed_size.unwrap_or(header.content.len() as u64);
        let mut block = [0u8; BLOCK];
        put(&mut block, 0, 100, &header.path);
        put(&mut block, 100, 8, format!("{:07o}", header.mode).as_bytes());
        put(&mut block, 108, 8, format!("{:07o}", header.uid & 0o777_7777).as_bytes());
        put(&mut block, 116, 8, format!("{:07o}", header.gid & 0o777_7777).as_bytes());
        if size < 1 << 33 {
            put(&mut block, 124, 12, format!("{size:011o}").as_bytes());
        } else {
            // GNU's binary form for sizes of 8 GiB and more.
            put(&mut block, 124, 12, &[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
        }
        put(&mut block, 136, 12, b"00000000000");
        put(&mut block, 148, 8, b"        ");
        put(&mut block, 156, 1, &[header.kind]);
        put(&mut block, 157, 100, &header.link);
        put(&mut block, 257, 8, b"ustar\x0000");
        put(&mut block, 329, 8, b"0000000");
        put(&mut block, 337, 8, b"0000000");
        let checksum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        put(&mut block, 148, 8, format!("{checksum:06o}\0 ").as_bytes());
        self.tar.extend_from_slice(&block);
        self.tar.extend_from_slice(&header.content);
        self.tar.resize(self.tar.len().next_multiple_of(BLOCK), 0);
    }
}

impl Layer {
    /// A layer of a given archive.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn from_tar(tar: impl Into<Bytes>, compression: Compression) -> io::Result<Self> {
        let tar = tar.into();
        let stored = compress(&tar, compression)?;
        Ok(Self { diff_id: digest_of(&tar), stored, tar, compression })
    }

    /// The layer as content of a manifest.
    pub fn blob(&self, family: Family) -> Blob {
        let media_type = match (family, self.compression) {
            (Family::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Family::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Family::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Family::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Family::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Family::Docker, Compression::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        };
        Blob::new(media_type, self.stored.clone())
    }
}

/// Compresses bytes.
///
/// # Errors
/// When the compressor fails.
pub fn compress(bytes: &Bytes, compression: Compression) -> io::Result<Bytes> {
    Ok(match compression {
        Compression::None => bytes.clone(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()?.into()
        }
        Compression::Zstd => zstd::encode_all(&bytes[..], 1)?.into(),
    })
}

/// Writes at most `width` bytes at `offset`; longer values are cut, as a header field cuts them.
fn put(block: &mut [u8; BLOCK], offset: usize, width: usize, value: &[u8]) {
    let target = block.iter_mut().skip(offset).take(width);
    target.zip(value).for_each(|(target, value)| *target = *value);
}

/// `length key=value\n`, where the length counts itself.
fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_independent_reader_agrees() {
        let long = format!("deep/{}", "n".repeat(180));
        let tar = LayerBuilder::new()
            .dir("etc")
            .file("etc/motd", "hello")
            .executable("bin/run", "x")
            .symlink("etc/link", "motd")
            .hardlink("etc/hard", "etc/motd")
            .whiteout("gone")
            .whiteout("etc/gone")
            .opaque("var/")
            .file(&long, "deep content")
            .finish_tar();
        let mut archive = tar::Archive::new(&tar[..]);
        let entries: Vec<(String, u8, u64)> = archive
            .entries()
            .unwrap()
            .map(|e| {
                let e = e.unwrap();
                let path = String::from_utf8_lossy(&e.path_bytes()).into_owned();
                (path, e.header().entry_type().as_byte(), e.size())
            })
            .collect();
        let expected = [
            ("etc/", b'5', 0),
            ("etc/motd", b'0', 5),
            ("bin/run", b'0', 1),
            ("etc/link", b'2', 0),
            ("etc/hard", b'1', 0),
            (".wh.gone", b'0', 0),
            ("etc/.wh.gone", b'0', 0),
            ("var/.wh..wh..opq", b'0', 0),
            (long.as_str(), b'0', 12),
        ];
        assert_eq!(entries, expected.map(|(path, kind, size)| (path.to_owned(), kind, size)));
    }

    #[test]
    fn pax_lengths_count_themselves() {
        assert_eq!(pax_record("path", b"abc"), b"12 path=abc\n");
        for n in 80..110 {
            let record = pax_record("path", &vec![b'x'; n]);
            let text = String::from_utf8(record.clone()).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse::<usize>().unwrap(), record.len());
        }
    }
}
