//! `composer.lock` (Composer, "Libraries: lock file"): PHP packages; `packages-dev` is left out.

use model::PackageKind;
use serde::Deserialize;

use super::{LockAnalyzer, Locked};
use crate::Observation;

/// Composer's lock file.
pub static COMPOSER: LockAnalyzer =
    LockAnalyzer { name: "lock/composer", is_lock: |name| name == "composer.lock", parse };

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// Reads the list of packages; a leading `v` of versions is dropped, as Packagist's advisories write them.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Composer);
    match serde_json::from_slice::<Document>(bytes) {
        Ok(document) => {
            for entry in &document.packages {
                let version = entry.version.strip_prefix('v');
                let version = version.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
                locked.add(&entry.name, version.unwrap_or(&entry.version));
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
    fn packages_without_those_of_development() {
        let file = r#"{"packages": [{"name": "monolog/monolog", "version": "2.9.1"}, {"name": "symfony/yaml", "version": "v6.3.0"}],
            "packages-dev": [{"name": "phpunit/phpunit", "version": "10.0.0"}]}"#;
        check(parse, file, &[("monolog/monolog", "2.9.1"), ("symfony/yaml", "6.3.0")]);
    }
}
