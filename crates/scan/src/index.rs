//! The compact list of everything a layer's archive contains, in archive order.
//!
//! Merging needs every path (a file may replace a directory, a link may lead to anything), but only the
//! path: about 20 bytes an entry, by sharing the prefix with the entry before. It is also the cached form.
//! Nothing here interprets whiteouts or links; [`crate::tree`] does.

use serde::{Deserialize, Serialize};

/// What an entry is, as far as merging cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; the target is kept.
    Symlink,
    /// A hard link; the target's path in the image is kept.
    Hardlink,
    /// A device, FIFO or socket.
    Special,
}

impl IndexKind {
    const ALL: [Self; 5] = [Self::File, Self::Directory, Self::Symlink, Self::Hardlink, Self::Special];
}

/// One decoded entry. Its position in the list is the entry's ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// Cleaned path relative to the root, any bytes but NUL; never empty.
    pub path: &'a [u8],
    /// What it is.
    pub kind: IndexKind,
    /// Link target, empty for other kinds.
    pub target: &'a [u8],
}

/// The encoded list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerIndex {
    #[serde(with = "bytes_field")]
    bytes: Vec<u8>,
    entries: u32,
}

/// Writes a [`LayerIndex`] in archive order.
#[derive(Debug, Default)]
pub struct IndexWriter {
    index: LayerIndex,
    last: Vec<u8>,
}

impl IndexWriter {
    /// Appends an entry and returns its ordinal.
    pub fn push(&mut self, path: &[u8], kind: IndexKind, target: &[u8]) -> u32 {
        let shared = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let out = &mut self.index.bytes;
        out.push(kind as u8);
        write_number(out, shared);
        write_number(out, path.len() - shared);
        out.extend_from_slice(&path[shared..]);
        if matches!(kind, IndexKind::Symlink | IndexKind::Hardlink) {
            write_number(out, target.len());
            out.extend_from_slice(target);
        }
        self.last.clear();
        self.last.extend_from_slice(path);
        let ordinal = self.index.entries;
        self.index.entries += 1;
        ordinal
    }

    /// Number of entries so far.
    pub const fn entries(&self) -> u32 {
        self.index.entries
    }

    /// Bytes used so far.
    pub const fn bytes(&self) -> usize {
        self.index.bytes.len()
    }

    /// The finished list.
    pub fn finish(mut self) -> LayerIndex {
        self.index.bytes.shrink_to_fit();
        self.index
    }
}

impl LayerIndex {
    /// Number of entries.
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// Calls `visit` with every ordinal and entry, in archive order, until it breaks off by returning false.
    /// Returns false when the encoding is damaged; what was decoded until then has been visited.
    pub fn for_each(&self, mut visit: impl FnMut(u32, IndexEntry<'_>) -> bool) -> bool {
        let mut rest = self.bytes.as_slice();
        let mut path: Vec<u8> = Vec::with_capacity(256);
        for ordinal in 0..self.entries {
            let Some((kind, target)) = decode(&mut rest, &mut path) else { return false };
            if !visit(ordinal, IndexEntry { path: &path, kind, target }) {
                return true;
            }
        }
        true
    }
}

fn decode<'a>(rest: &mut &'a [u8], path: &mut Vec<u8>) -> Option<(IndexKind, &'a [u8])> {
    let (&kind, tail) = rest.split_first()?;
    *rest = tail;
    let kind = *IndexKind::ALL.get(usize::from(kind))?;
    let shared = read_number(rest)?;
    if shared > path.len() {
        return None;
    }
    path.truncate(shared);
    path.extend_from_slice(read_slice(rest)?);
    let target = match kind {
        IndexKind::Symlink | IndexKind::Hardlink => read_slice(rest)?,
        _ => &[],
    };
    Some((kind, target))
}

fn write_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0usize;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn read_slice<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = read_number(rest)?;
    let (slice, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(slice)
}

/// Bytes as one length-prefixed run instead of a sequence of numbers.
mod bytes_field {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Run;
        impl de::Visitor<'_> for Run {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a run of bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_written() {
        let entries: [(&[u8], IndexKind, &[u8]); 5] = [
            (b"usr", IndexKind::Directory, b""),
            (b"usr/lib/libc.so", IndexKind::File, b""),
            (b"usr/lib/libc.so.6", IndexKind::Symlink, b"libc.so"),
            (b"usr/li\xff", IndexKind::Hardlink, b"usr/lib/libc.so"),
            (b"dev/null", IndexKind::Special, b""),
        ];
        let mut writer = IndexWriter::default();
        for (path, kind, target) in entries {
            writer.push(path, kind, target);
        }
        let index = writer.finish();
        let mut seen = Vec::new();
        assert!(index.for_each(|ordinal, entry| {
            seen.push((ordinal, entry.path.to_vec(), entry.kind, entry.target.to_vec()));
            true
        }));
        let expected: Vec<_> =
            (0..).zip(entries).map(|(n, (p, k, t))| (n, p.to_vec(), k, t.to_vec())).collect();
        assert_eq!(seen, expected);
        assert!(index.bytes.len() < 75, "{}", index.bytes.len());
    }

    #[test]
    fn damage_ends_the_list_instead_of_panicking() {
        let mut writer = IndexWriter::default();
        for number in 0..50 {
            writer.push(format!("usr/share/{number}/file").as_bytes(), IndexKind::Hardlink, b"usr/x");
        }
        let whole = writer.finish();
        for position in 0..whole.bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut index = whole.clone();
                index.bytes[position] = value;
                index.for_each(|_, _| true);
                index.bytes.truncate(position);
                assert!(!index.for_each(|_, _| true));
            }
        }
    }
}
