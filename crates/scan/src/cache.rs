//! The layer cache: records of layers that were read whole and whose digest was verified, in a directory.
//!
//! One file a record, named by a hash of all that it depends on (blob digest, record version, analyzers,
//! limits). Files are written beside and renamed in, so readers never wait and never see half a record; any
//! number of processes may share a directory. A damaged file is a miss. Nothing here decides what is read.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use analyze::Analyzer;
use model::{Digest, Limits};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::{LayerRecord, RECORD_VERSION};

const MAGIC: &[u8; 8] = b"lzlayer1";
const SUFFIX: &str = "layer";

/// A directory of layer records.
#[derive(Clone, Debug)]
pub struct LayerCache {
    directory: PathBuf,
    max_bytes: u64,
}

/// Reading or writing the cache failed; a scan goes on without it.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} layer cache {path}")]
pub struct CacheError {
    action: &'static str,
    path: String,
    #[source]
    source: io::Error,
}

/// The name of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(String);

impl CacheKey {
    /// Everything that a record depends on. `digest` must be that of the bytes that were read.
    pub fn new(digest: &Digest, analyzers: &[&dyn Analyzer], limits: &Limits) -> Self {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(&RECORD_VERSION.to_le_bytes());
        add(digest.to_string().as_bytes());
        for analyzer in analyzers {
            add(analyzer.name().as_bytes());
            add(&analyzer.version().to_le_bytes());
            add(&analyzer.fingerprint().to_le_bytes());
        }
        for limit in [
            limits.layer_bytes,
            limits.compression_ratio,
            limits.ratio_free_bytes,
            limits.layer_entries,
            limits.path_bytes as u64,
            limits.path_depth as u64,
            limits.file_bytes,
            limits.file_packages as u64,
        ] {
            add(&limit.to_le_bytes());
        }
        let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            use std::fmt::Write as _;
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self(hex)
    }
}

impl LayerCache {
    /// Uses `directory`, made when missing, and keeps it below about `max_bytes`.
    pub fn open(directory: &Path, max_bytes: u64) -> Result<Self, CacheError> {
        fs::create_dir_all(directory).map_err(|source| error("create", directory, source))?;
        Ok(Self { directory: directory.to_owned(), max_bytes })
    }

    /// The record of that key, when it is there and whole.
    pub fn load(&self, key: &CacheKey) -> Option<LayerRecord> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let body = bytes.strip_prefix(MAGIC)?;
        let (sum, body) = body.split_at_checked(8)?;
        if xxh3_64(body).to_le_bytes() != sum {
            return None;
        }
        let record = postcard::from_bytes(body).ok()?;
        // The modification time says when it was last of use; eviction goes by it.
        if let Ok(file) = fs::File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(record)
    }

    /// Keeps a record. The caller vouches that the layer was read whole and its digest verified.
    pub fn store(&self, key: &CacheKey, record: &LayerRecord) -> Result<(), CacheError> {
        let path = self.path(key);
        let failed = |source| error("write", &path, source);
        let body = postcard::to_stdvec(record).map_err(|e| failed(io::Error::other(e)))?;
        let mut file =
            tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory).map_err(failed)?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&xxh3_64(&body).to_le_bytes()))
            .and_then(|()| file.write_all(&body));
        written.map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Removes the records that were not of use for longest, until the rest is below the bound, and what
    /// writers that died left behind. Meant to be called once a scan, after its layers were stored.
    pub fn evict(&self) -> Result<(), CacheError> {
        let failed = |source| error("list", &self.directory, source);
        let hour_ago = SystemTime::now() - std::time::Duration::from_secs(3600);
        let mut records = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let Ok(entry) = entry else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let path = entry.path();
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(".new-") {
                if used < hour_ago {
                    let _ = fs::remove_file(path);
                }
            } else if path.extension().is_some_and(|extension| extension == SUFFIX) {
                total += metadata.len();
                records.push((used, metadata.len(), path));
            }
        }
        if total <= self.max_bytes {
            return Ok(());
        }
        records.sort();
        // Down to nine tenths, so that not every scan evicts.
        let target = self.max_bytes / 10 * 9;
        for (_, size, path) in records {
            if total <= target {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= size;
            }
        }
        Ok(())
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.directory.join(format!("{}.{SUFFIX}", key.0))
    }
}

fn error(action: &'static str, path: &Path, source: io::Error) -> CacheError {
    CacheError { action, path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use analyze::{ANALYZERS, Observation};
    use model::{Package, PackageKind};

    use super::*;
    use crate::{
        index::{IndexKind, IndexWriter},
        record::Kept,
    };

    fn record(paths: u32) -> LayerRecord {
        let mut index = IndexWriter::default();
        for number in 0..paths {
            index.push(format!("usr/share/{number}").as_bytes(), IndexKind::File, b"");
        }
        let package = Package::new(PackageKind::Deb, "bash", "5.2-1");
        let observation = Observation { facts: vec![package.into()], problems: Vec::new() };
        let kept = Kept { ordinal: 0, analyzer: 1, name: "0".into(), observation };
        LayerRecord { index: index.finish(), kept: vec![kept], problems: Vec::new() }
    }

    fn key(seed: u8) -> CacheKey {
        let digest = format!("sha256:{}", format!("{seed:02x}").repeat(32)).parse().unwrap();
        CacheKey::new(&digest, ANALYZERS, &Limits::standard())
    }

    #[test]
    fn returns_what_was_stored_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let cache = LayerCache::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(cache.load(&key(1)), None);
        cache.store(&key(1), &record(3)).unwrap();
        assert_eq!(cache.load(&key(1)), Some(record(3)));
        assert_eq!(cache.load(&key(2)), None);
    }

    #[test]
    fn other_limits_or_analyzers_are_another_key() {
        let digest = format!("sha256:{}", "00".repeat(32)).parse().unwrap();
        let standard = CacheKey::new(&digest, ANALYZERS, &Limits::standard());
        let smaller = Limits { file_bytes: 1, ..Limits::standard() };
        assert_ne!(standard, CacheKey::new(&digest, ANALYZERS, &smaller));
        assert_ne!(standard, CacheKey::new(&digest, &ANALYZERS[1..], &Limits::standard()));
    }

    #[test]
    fn a_damaged_record_is_a_miss() {
        let directory = tempfile::tempdir().unwrap();
        let cache = LayerCache::open(directory.path(), 1 << 20).unwrap();
        cache.store(&key(1), &record(3)).unwrap();
        let path = cache.path(&key(1));
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.load(&key(1)), None, "byte {position}");
            fs::write(&path, &whole[..position]).unwrap();
            assert_eq!(cache.load(&key(1)), None, "cut at {position}");
        }
    }

    #[test]
    fn the_least_used_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let cache = LayerCache::open(directory.path(), 10_000).unwrap();
        let old = SystemTime::now() - std::time::Duration::from_secs(1000);
        for seed in 1..=5 {
            cache.store(&key(seed), &record(600)).unwrap();
            let age = std::time::Duration::from_secs(u64::from(seed));
            fs::File::options()
                .append(true)
                .open(cache.path(&key(seed)))
                .unwrap()
                .set_modified(old + age)
                .unwrap();
        }
        assert!(cache.load(&key(1)).is_some(), "reading makes it the newest");
        cache.evict().unwrap();
        let left: Vec<u8> = (1..=5).filter(|seed| cache.path(&key(*seed)).exists()).collect();
        assert!(left.contains(&1) && !left.contains(&2), "{left:?}");
        let total: u64 =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(total <= 10_000, "{total}");
    }
}
