//! The database directory: shard files and one manifest that names them.
//!
//! Safe for many processes at once without a lock that a reader could wait on: shard files carry their
//! digest in their name and never change; the manifest is replaced by rename; a file that it no longer names
//! is removed afterwards, and whoever has it mapped keeps it. Only writers of the manifest take turns.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    ecosystem::ShardName,
    enrichment::{self, EnrichmentFile, Kind, WrittenEnrichment},
    shard::{Shard, ShardError, WrittenShard},
};

const MANIFEST: &str = "manifest.json";
const LOCK: &str = "manifest.lock";
/// Raised when an older version could misread a newer manifest.
const FORMAT: u32 = 1;
/// Largest manifest that is read.
const MAX_MANIFEST: u64 = 16 << 20;
/// Age at which a file that no manifest names is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a look-up starts anew because a shard was replaced between reading the manifest and opening.
const ATTEMPTS: usize = 5;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file or directory could not be read or written.
    #[error("failed to {0} {1}")]
    Io(&'static str, PathBuf, #[source] io::Error),
    /// The manifest is no manifest.
    #[error("failed to read the manifest {0}")]
    Manifest(PathBuf, #[source] serde_json::Error),
    /// The manifest is larger than any database needs.
    #[error("the manifest {0} is too large")]
    ManifestTooLarge(PathBuf),
    /// Written by another version of Lazaret.
    #[error("the manifest {0} has format {1}, which this version of lazaret cannot read")]
    ManifestFormat(PathBuf, u32),
    /// A shard that the manifest names cannot be used.
    #[error("failed to open shard {0}")]
    Shard(String, #[source] ShardError),
}

/// Where a shard's content was fetched, kept for the next conditional request. Opaque to this crate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// URL of the export, without credentials; empty when built from files.
    #[serde(default)]
    pub url: String,
    /// `ETag` of the answer.
    #[serde(default)]
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// RFC 3339 time at which the export was last seen to be the same.
    #[serde(default)]
    pub checked: Option<String>,
}

/// What the manifest says of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// File name, beside the manifest.
    pub file: String,
    /// `xxh3:...`
    pub digest: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Where the advisories came from, for people.
    pub source: String,
    /// Number of advisories.
    pub advisories: u64,
    /// Number of rows.
    pub rows: u64,
    /// RFC 3339 time of building.
    pub built: String,
    /// For the next conditional request.
    #[serde(default)]
    pub origin: Origin,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    shards: BTreeMap<String, Entry>,
    /// By the name of the kind. `advisories` counts CVEs here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    enrichment: BTreeMap<String, Entry>,
}

impl Manifest {
    fn files(&self) -> impl Iterator<Item = &str> {
        self.shards.values().chain(self.enrichment.values()).map(|entry| entry.file.as_str())
    }
}

/// A database directory. Holds no open file; every call sees the newest manifest.
#[derive(Clone, Debug)]
pub struct Database {
    dir: PathBuf,
}

impl Database {
    /// The database of that directory. A directory that is not there is an empty database.
    ///
    /// # Errors
    /// When a manifest is there and cannot be read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let database = Self { dir: dir.into() };
        database.load_manifest()?;
        Ok(database)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is there, by shard name.
    pub fn status(&self) -> Result<BTreeMap<String, Entry>, DatabaseError> {
        Ok(self.load_manifest()?.shards)
    }

    /// The enrichment that is there, by the name of its kind; entries count CVEs.
    pub fn enrichment_status(&self) -> Result<BTreeMap<String, Entry>, DatabaseError> {
        Ok(self.load_manifest()?.enrichment)
    }

    /// Opens enrichment; `None` when the database has none of that kind.
    pub fn enrichment(&self, kind: Kind) -> Result<Option<EnrichmentFile>, DatabaseError> {
        let mut attempt = 1;
        loop {
            let Some(entry) = self.load_manifest()?.enrichment.remove(kind.as_str()) else { return Ok(None) };
            let opened = self.entry_path(&entry).and_then(|path| EnrichmentFile::open(&path));
            match opened {
                Ok(file) if file.info().kind == kind => return Ok(Some(file)),
                Ok(_) => {
                    return Err(DatabaseError::Shard(kind.to_string(), ShardError::Corrupt("its kind")));
                }
                Err(ShardError::Io(error))
                    if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(DatabaseError::Shard(kind.to_string(), error)),
            }
        }
    }

    /// Opens a shard; `None` when the database has none of that name.
    pub fn shard(&self, name: &ShardName) -> Result<Option<Shard>, DatabaseError> {
        let mut attempt = 1;
        loop {
            let Some(entry) = self.load_manifest()?.shards.remove(name.as_str()) else { return Ok(None) };
            match self.open_entry(name, &entry) {
                Ok(shard) => return Ok(Some(shard)),
                // Replaced and removed between two of our steps: the manifest names another one by now.
                Err(ShardError::Io(error))
                    if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(DatabaseError::Shard(name.to_string(), error)),
            }
        }
    }

    /// The manifest may name a file of this directory, never another place.
    fn entry_path(&self, entry: &Entry) -> Result<PathBuf, ShardError> {
        if entry.file.contains(['/', '\\']) || entry.file.starts_with('.') {
            return Err(ShardError::Corrupt("its file name in the manifest"));
        }
        Ok(self.dir.join(&entry.file))
    }

    fn open_entry(&self, name: &ShardName, entry: &Entry) -> Result<Shard, ShardError> {
        let shard = Shard::open(&self.entry_path(entry)?)?;
        if shard.info().name != name.as_str() {
            return Err(ShardError::Corrupt("its name"));
        }
        Ok(shard)
    }

    /// Makes shards that were written into this directory visible, all at once, then removes what they
    /// replace. Each is verified first.
    pub fn install(&self, shards: &[(WrittenShard, Origin)]) -> Result<(), DatabaseError> {
        for (written, _) in shards {
            let checked = Shard::open(&written.path).and_then(|shard| shard.verify());
            checked.map_err(|error| DatabaseError::Shard(written.info.name.clone(), error))?;
        }
        self.change(|manifest| {
            for (written, origin) in shards {
                let file = written.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let info = &written.info;
                let entry = Entry {
                    file,
                    digest: written.digest.clone(),
                    bytes: written.bytes,
                    source: info.source.clone(),
                    advisories: info.advisories,
                    rows: info.rows,
                    built: info.built.clone(),
                    origin: origin.clone(),
                };
                manifest.shards.insert(info.name.clone(), entry);
            }
        })
    }

    /// Makes enrichment that was written into this directory visible, and removes what it replaces. Each file is
    /// verified first.
    pub fn install_enrichment(&self, files: &[(WrittenEnrichment, Origin)]) -> Result<(), DatabaseError> {
        for (written, _) in files {
            let checked = EnrichmentFile::open(&written.path).and_then(|file| file.verify());
            checked.map_err(|error| DatabaseError::Shard(written.info.kind.to_string(), error))?;
        }
        self.change(|manifest| {
            for (written, origin) in files {
                let file = written.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let info = &written.info;
                let entry = Entry {
                    file,
                    digest: written.digest.clone(),
                    bytes: written.bytes,
                    source: info.source.clone(),
                    advisories: info.entries,
                    rows: info.entries,
                    built: info.built.clone(),
                    origin: origin.clone(),
                };
                manifest.enrichment.insert(info.kind.to_string(), entry);
            }
        })
    }

    /// Notes that the source of this enrichment was asked for and had not changed.
    pub fn confirm_enrichment(&self, kind: Kind, checked: &str) -> Result<(), DatabaseError> {
        self.change(|manifest| {
            if let Some(entry) = manifest.enrichment.get_mut(kind.as_str()) {
                entry.origin.checked = Some(checked.to_owned());
            }
        })
    }

    /// Notes that these shards' exports were asked for and had not changed.
    pub fn confirm(&self, names: &[ShardName], checked: &str) -> Result<(), DatabaseError> {
        self.change(|manifest| {
            for name in names {
                if let Some(entry) = manifest.shards.get_mut(name.as_str()) {
                    entry.origin.checked = Some(checked.to_owned());
                }
            }
        })
    }

    /// Changes the manifest while no other process does, and removes the files that it named before.
    fn change(&self, change: impl FnOnce(&mut Manifest)) -> Result<(), DatabaseError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |error| DatabaseError::Io(what, path, error)
        };
        fs::create_dir_all(&self.dir).map_err(io("create", &self.dir))?;
        let lock_path = self.dir.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io("open", &lock_path))?;
        lock.lock().map_err(io("lock", &lock_path))?;

        let mut manifest = self.load_manifest()?;
        let before: Vec<String> = manifest.files().map(str::to_owned).collect();
        change(&mut manifest);
        let path = self.dir.join(MANIFEST);
        self.store(&manifest, &path).map_err(io("write", &path))?;
        let is_named = |file: &str| manifest.files().any(|named| named == file);
        for file in before.iter().filter(|file| !file.contains('/') && !is_named(file)) {
            // Left behind at worst: the file is not named any more.
            let _ = fs::remove_file(self.dir.join(file));
        }
        self.sweep(is_named);
        Ok(())
    }

    /// Removes what killed processes have left behind: files of ours that no manifest names and that are too
    /// old to belong to work under way.
    fn sweep(&self, is_named: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let temporary = name.starts_with('.') && name.ends_with(".tmp");
            let ours = name.ends_with(".shard") || name.ends_with(enrichment::SUFFIX);
            if !temporary && (!ours || is_named(&name)) {
                continue;
            }
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED)) {
                // Another process may have been faster.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn store(&self, manifest: &Manifest, path: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".manifest-").suffix(".tmp").tempfile_in(&self.dir)?;
        serde_json::to_writer_pretty(&mut file, manifest)?;
        file.write_all(b"\n")?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(&self.dir)?.sync_all()
    }

    fn load_manifest(&self) -> Result<Manifest, DatabaseError> {
        let path = self.dir.join(MANIFEST);
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                let read = file.take(MAX_MANIFEST + 1).read_to_end(&mut text);
                read.map_err(|error| DatabaseError::Io("read", path.clone(), error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (shards, enrichment) = (BTreeMap::new(), BTreeMap::new());
                return Ok(Manifest { format: FORMAT, shards, enrichment });
            }
            Err(error) => return Err(DatabaseError::Io("open", path, error)),
        }
        if text.len() as u64 > MAX_MANIFEST {
            return Err(DatabaseError::ManifestTooLarge(path));
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| DatabaseError::Manifest(path.clone(), error))?;
        if manifest.format != FORMAT {
            return Err(DatabaseError::ManifestFormat(path, manifest.format));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests;
