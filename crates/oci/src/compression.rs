//! Decompression of layers. What a layer is compressed with is told by its first bytes, never by its media
//! type: both registries and build tools mislabel layers.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::error::OciError;

/// The largest zstd window that is accepted, as a power of two: 128 MiB, what `zstd -d` accepts by default.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Compressed bytes read ahead.
const BUFFER: usize = 128 << 10;
/// Enough bytes to tell all formats apart.
const MAGIC: usize = 6;

/// What the first bytes of a stream say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing known: most often a plain tar archive.
    None,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// Zstandard (RFC 8878), any number of frames.
    Zstd,
    /// bzip2: recognised, not supported.
    Bzip2,
    /// xz: recognised, not supported.
    Xz,
}

impl Compression {
    /// Tells the compression by magic bytes.
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame first, as eStargz-like tools write: RFC 8878 section 3.1.2.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

/// A stream whose first bytes were looked at.
type Headed<R> = Chain<Cursor<Vec<u8>>, R>;

/// A decompressing reader.
pub enum Decompressor<R: Read> {
    /// Passed through.
    Plain(Headed<R>),
    /// gzip.
    Gzip(Box<MultiGzDecoder<BufReader<Headed<R>>>>),
    /// Zstandard.
    Zstd(Box<ZstdDecoder<'static, BufReader<Headed<R>>>>),
}

impl<R: Read> Decompressor<R> {
    /// What the stream is compressed with.
    pub const fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    /// The reader beneath, for its counters.
    pub fn get_ref(&self) -> &R {
        match self {
            Self::Plain(inner) => inner.get_ref().1,
            Self::Gzip(inner) => inner.get_ref().get_ref().get_ref().1,
            Self::Zstd(inner) => inner.get_ref().get_ref().get_ref().1,
        }
    }

    /// The reader beneath; bytes that were read ahead are gone with the decoder.
    pub fn into_inner(self) -> R {
        match self {
            Self::Plain(inner) => inner.into_inner().1,
            Self::Gzip(inner) => inner.into_inner().into_inner().into_inner().1,
            Self::Zstd(inner) => inner.finish().into_inner().into_inner().1,
        }
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(buffer),
            Self::Gzip(inner) => inner.read(buffer),
            Self::Zstd(inner) => inner.read(buffer),
        }
    }
}

/// Begins to decompress `reader`; `what` names it in errors.
///
/// The size of the output is not bounded here: the caller counts. Memory is, also for hostile input.
///
/// # Errors
/// [`OciError::Unsupported`] for bzip2 and xz; an I/O error when the first bytes cannot be read.
pub fn decompress<R: Read>(mut reader: R, what: &str) -> io::Result<Decompressor<R>> {
    let mut start = Vec::with_capacity(MAGIC);
    reader.by_ref().take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    let headed = Cursor::new(start).chain(reader);
    let unsupported = |name: &str| OciError::Unsupported {
        what: what.to_owned(),
        why: format!("it is compressed with {name}"),
    };
    match compression {
        Compression::None => Ok(Decompressor::Plain(headed)),
        Compression::Gzip => {
            let buffered = BufReader::with_capacity(BUFFER, headed);
            Ok(Decompressor::Gzip(Box::new(MultiGzDecoder::new(buffered))))
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::with_buffer(BufReader::with_capacity(BUFFER, headed))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Ok(Decompressor::Zstd(Box::new(decoder)))
        }
        Compression::Bzip2 => Err(unsupported("bzip2").into()),
        Compression::Xz => Err(unsupported("xz").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn check(stored: &[u8], compression: Compression, content: &[u8]) {
        let mut decompressor = decompress(stored, "it").unwrap();
        assert_eq!(decompressor.compression(), compression);
        let mut out = Vec::new();
        decompressor.read_to_end(&mut out).unwrap();
        assert_eq!(out, content);
        assert!(decompressor.into_inner().is_empty());
    }

    #[test]
    fn reads_every_supported_form() {
        let content = vec![b'x'; 500_000];
        check(&content, Compression::None, &content);
        check(b"", Compression::None, b"");
        check(b"ab", Compression::None, b"ab");
        check(&gzip(&content), Compression::Gzip, &content);
        check(&[gzip(b"ab"), gzip(b""), gzip(b"c")].concat(), Compression::Gzip, b"abc");
        let zstd = zstd::encode_all(&content[..], 1).unwrap();
        check(&zstd, Compression::Zstd, &content);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &zstd].concat();
        check(&skippable, Compression::Zstd, &content);
        check(&[&zstd[..], &zstd].concat(), Compression::Zstd, &[&content[..], &content].concat());
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for stored in [&b"BZh91AY"[..], b"\xfd7zXZ\0\0"] {
            let error = decompress(stored, "it").err().unwrap();
            assert_eq!(OciError::in_io(&error).unwrap().code(), "unsupported-image-type");
        }
    }

    #[test]
    fn reports_damage() {
        let content = vec![b'x'; 100_000];
        for mut stored in [gzip(&content), zstd::encode_all(&content[..], 1).unwrap()] {
            stored.truncate(stored.len() - 3);
            let mut out = Vec::new();
            assert!(decompress(&stored[..], "it").unwrap().read_to_end(&mut out).is_err());
        }
    }

    #[test]
    fn refuses_a_window_that_would_take_much_memory() {
        // A frame header that asks for a window of 2^31 bytes: magic, descriptor, window descriptor.
        let stored = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00];
        let mut out = Vec::new();
        assert!(decompress(&stored[..], "it").unwrap().read_to_end(&mut out).is_err());
        let stored = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x01, 0x00, 0x00];
        assert!(decompress(&stored[..], "it").unwrap().read_to_end(&mut out).is_ok());
    }
}
