//! Results that the store refused, as files: a retry imports them. What they are is for those who keep them to know.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use serde::{Serialize, de::DeserializeOwned};

use super::identity::key;

/// A directory of results.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// In that directory.
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn inventory_file(&self, digest: &str, analyzers: &str) -> PathBuf {
        let key = key(&[digest.as_bytes(), analyzers.as_bytes()]);
        self.dir.join(format!("inventory-{}.json", u128::from_be_bytes(key)))
    }

    fn match_file(&self, inventory: i64) -> PathBuf {
        self.dir.join(format!("report-of-inventory-{inventory}.json"))
    }

    pub(crate) fn load_inventory<T: DeserializeOwned>(&self, digest: &str, analyzers: &str) -> Option<T> {
        load(&self.inventory_file(digest, analyzers))
    }

    pub(crate) fn keep_inventory(&self, digest: &str, analyzers: &str, body: &[u8]) -> io::Result<PathBuf> {
        self.keep(self.inventory_file(digest, analyzers), body)
    }

    pub(crate) fn forget_inventory(&self, digest: &str, analyzers: &str) {
        let _ = fs::remove_file(self.inventory_file(digest, analyzers));
    }

    pub(crate) fn load_match<T: DeserializeOwned>(&self, inventory: i64) -> Option<T> {
        load(&self.match_file(inventory))
    }

    pub(crate) fn keep_match<T: Serialize>(&self, inventory: i64, matched: &T) -> io::Result<PathBuf> {
        self.keep(self.match_file(inventory), &serde_json::to_vec(matched)?)
    }

    pub(crate) fn forget_match(&self, inventory: i64) {
        let _ = fs::remove_file(self.match_file(inventory));
    }

    /// Written beside and renamed, so that no half of it is ever imported.
    fn keep(&self, path: PathBuf, body: &[u8]) -> io::Result<PathBuf> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(body)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }
}

fn load<T: DeserializeOwned>(path: &PathBuf) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?)
        .inspect_err(|error| tracing::warn!(file = %path.display(), %error, "a kept result cannot be read"))
        .ok()
}

/// What the user is told of a refused result.
pub(crate) fn told(error: &str, kept: io::Result<PathBuf>) -> String {
    match kept {
        Ok(path) => {
            tracing::error!(file = %path.display(), %error, "the store refused a result; it is kept as a file");
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("{error}; the result is kept as spool/{name}")
        }
        Err(cause) => {
            tracing::error!(%cause, %error, "the store refused a result, and it could not be kept as a file");
            format!("{error}; the result could not be kept as a file: {cause}")
        }
    }
}
