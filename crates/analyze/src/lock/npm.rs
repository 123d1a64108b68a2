//! `package-lock.json` and `npm-shrinkwrap.json` (npm documentation, "package-lock.json"): versions 1 (nested
//! `dependencies`) to 3 (`packages` by path).

use std::collections::BTreeMap;

use model::PackageKind;
use serde::Deserialize;

use super::{LockAnalyzer, Locked};
use crate::Observation;

/// npm's lock file.
pub static NPM: LockAnalyzer = LockAnalyzer {
    name: "lock/npm",
    is_lock: |name| matches!(name, "package-lock.json" | "npm-shrinkwrap.json"),
    parse,
};

#[derive(Deserialize)]
struct Document {
    packages: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    dependencies: BTreeMap<String, Nested>,
}

#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    link: bool,
}

#[derive(Deserialize)]
struct Nested {
    version: Option<String>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, Self>,
}

/// Reads the packages that are not of development alone.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Npm);
    let Ok(document) = serde_json::from_slice::<Document>(bytes) else {
        locked.corrupt("the file is no lock file in JSON");
        return locked.finish();
    };
    match document.packages {
        Some(packages) => {
            for (path, entry) in packages {
                let Some((_, in_path)) = path.rsplit_once("node_modules/") else { continue };
                if entry.dev || entry.link {
                    continue;
                }
                // An alias is installed under another name than its own.
                let name = entry.name.as_deref().unwrap_or(in_path);
                locked.add(name, entry.version.as_deref().unwrap_or_default());
            }
        }
        None => nested(document.dependencies, &mut locked),
    }
    locked.finish()
}

/// The depth is bounded by the reader of JSON.
fn nested(dependencies: BTreeMap<String, Nested>, locked: &mut Locked) {
    for (name, entry) in dependencies {
        let version = entry.version.unwrap_or_default();
        // `npm:NAME@VERSION` is an alias; what comes from elsewhere than a registry has a URL for a version.
        let (name, version) = match version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
            Some((name, version)) => (name.to_owned(), version.to_owned()),
            None => (name, version),
        };
        if !entry.dev && !version.contains(':') {
            locked.add(&name, &version);
        }
        nested(entry.dependencies, locked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn current_files_name_packages_by_path() {
        let file = r#"{"name": "app", "lockfileVersion": 3, "packages": {"": {"name": "app", "version": "1.0.0"},
            "node_modules/@scope/a": {"version": "1.0.0"}, "node_modules/b": {"version": "2.0.0", "dev": true},
            "node_modules/@scope/a/node_modules/c": {"version": "3.0.0"}, "node_modules/alias": {"name": "real", "version": "4.0.0"},
            "node_modules/own": {"resolved": "own", "link": true}, "own": {"version": "0.1.0"}}}"#;
        check(parse, file, &[("@scope/a", "1.0.0"), ("c", "3.0.0"), ("real", "4.0.0")]);
    }

    #[test]
    fn old_files_nest() {
        let file = r#"{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}},
            "c": {"version": "git+ssh://x"}, "d": {"version": "npm:e@3.0.0"}, "f": {"version": "1.0.0", "dev": true}}}"#;
        check(parse, file, &[("a", "1.0.0"), ("b", "2.0.0"), ("e", "3.0.0")]);
    }
}
