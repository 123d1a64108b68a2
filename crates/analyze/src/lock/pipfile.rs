//! `Pipfile.lock` (Pipenv): Python packages of `default`; `develop` is left out.

use std::collections::BTreeMap;

use model::PackageKind;
use serde::Deserialize;

use super::{LockAnalyzer, Locked};
use crate::Observation;

/// Pipenv's lock file.
pub static PIPFILE: LockAnalyzer =
    LockAnalyzer { name: "lock/pipfile", is_lock: |name| name == "Pipfile.lock", parse };

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    default: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    version: Option<String>,
}

/// Reads pinned versions; packages of a directory or a repository have none and are left out.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Pypi);
    match serde_json::from_slice::<Document>(bytes) {
        Ok(document) => {
            for (name, entry) in document.default {
                if let Some(version) = entry.version {
                    locked.add(&name, version.trim_start_matches('='));
                }
            }
        }
        Err(_) => locked.corrupt("the file is no lock file in JSON"),
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn pinned_packages() {
        let file = r#"{"_meta": {"pipfile-spec": 6}, "default": {"requests": {"version": "==2.31.0"}, "own": {"path": "."}},
            "develop": {"pytest": {"version": "==7.0"}}}"#;
        check(parse, file, &[("requests", "2.31.0")]);
    }
}
