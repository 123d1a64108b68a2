//! Maps a shard file into memory: the only unsafe code of the project.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

/// The bytes of a shard.
#[derive(Debug)]
pub(crate) enum Map {
    /// A file, shared with every process that maps it too.
    File(Mmap),
    /// Bytes of our own; also stands for an empty file, which cannot be mapped.
    Owned(Vec<u8>),
}

impl Map {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        #[expect(unsafe_code, reason = "mapping a file is unsafe by nature")]
        // SAFETY: shard files are ours and immutable: they are written beside, synced and renamed in under a
        // name that holds their digest, and replaced by another name, never changed or shortened in place.
        // A file that was swapped or damaged before this call is only bytes, and every read is bounds-checked.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self::File(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::File(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
