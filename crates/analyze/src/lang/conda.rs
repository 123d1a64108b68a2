//! Conda packages, as conda, mamba and their kin record what they installed: `conda-meta/NAME-VERSION-BUILD.json`
//! in each environment (docs.conda.io, "Package metadata", and conda's `PrefixRecord`).
//!
//! A Python distribution that a conda package brings has metadata of its own, and is reported by that as well:
//! advisories speak of the distribution. It is not taken as owned by the conda package, because nobody publishes
//! advisories for those, and an owned package is not matched. `conda-meta/history` is not read.

use model::{Package, PackageKind};
use serde::Deserialize;

use crate::{
    Analyzer, Content, Entry, Files, Merged, Observation, Want, json::Loose, requires::Requires, text,
};

/// Largest record that is read, in bytes. It lists every file with its digest: those of large packages have 10 MB.
const FILE_MAX: u64 = 64 << 20;

/// Conda packages.
pub struct CondaAnalyzer;

impl Analyzer for CondaAnalyzer {
    fn name(&self) -> &'static str {
        "lang/conda"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_record_path(entry.path.as_bytes()) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for `conda-meta/*.json`.
pub fn is_record_path(path: &[u8]) -> bool {
    let mut components = path.rsplit(|byte| *byte == b'/');
    let (name, directory) = (components.next().unwrap_or_default(), components.next().unwrap_or_default());
    directory == b"conda-meta" && name.len() > 5 && name.ends_with(b".json") && !name.starts_with(b".")
}

/// The fields of interest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    name: Loose,
    version: Loose,
    license: Loose,
    depends: Loose,
    subdir: Loose,
    sha256: Loose,
}

/// Reads one record. The architecture is conda's platform (`linux-64`, `noarch`), the digest that of the archive
/// that was unpacked. What a package needs is written as `NAME VERSION BUILD`; names with two underscores in
/// front are properties of the machine.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let decoded = String::from_utf8_lossy(bytes);
    let json = decoded.strip_prefix('\u{feff}').unwrap_or(&decoded);
    if json.trim_ascii().is_empty() {
        return observation;
    }
    let record: Record = match serde_json::from_str(json) {
        Ok(record) => record,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            observation.add_corrupt(format!("no record of a package at line {line}, column {column}"));
            return observation;
        }
    };
    let token = |field: &Loose| field.bytes().and_then(text::token);
    let (Some(name), Some(version)) = (token(&record.name), token(&record.version)) else {
        observation.add_corrupt("the record has no usable name and version");
        return observation;
    };
    let mut package = Package::new(PackageKind::Conda, name, version);
    package.arch = token(&record.subdir);
    package.licences = record.license.bytes().and_then(text::line).into_iter().collect();
    let is_digest = |hex: &&String| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    package.digest = record
        .sha256
        .text
        .as_ref()
        .filter(is_digest)
        .map(|hex| format!("sha256:{}", hex.to_ascii_lowercase()));
    let mut requires = Requires::default();
    for need in record.depends.items.iter().filter(|need| !need.starts_with("__")) {
        requires.add(need.as_bytes());
    }
    package.requires = requires.into_names();
    observation.facts.push(package.into());
    observation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    const RECORD: &[u8] = include_bytes!("../../testdata/conda/lantern-2.4.1-py311h06a4308_0.json");

    #[test]
    fn wants_records() {
        for path in
            ["opt/conda/conda-meta/a-1-0.json", "conda-meta/a-1-0.json", "opt/conda/envs/x/conda-meta/b.json"]
        {
            assert!(is_record_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "conda-meta/history",
            "conda-meta/.json",
            "my-conda-meta/a.json",
            "conda-meta/x/a.json",
            "a.json",
        ] {
            assert!(!is_record_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_a_record() {
        let expected = Package {
            arch: Some("linux-64".to_owned()),
            licences: vec!["BSD-3-Clause".to_owned()],
            digest: Some(format!("sha256:{}", "0123456789abcdef".repeat(4))),
            requires: ["python", "tide-tables", "libwick"].map(str::to_owned).to_vec(),
            ..Package::new(PackageKind::Conda, "lantern", "2.4.1")
        };
        assert_eq!(parse(RECORD), Observation { facts: vec![expected.into()], problems: Vec::new() });
    }

    #[test]
    fn keeps_what_is_usable() {
        for (json, expected, n_problems) in [
            ("", None, 0),
            (r#"{"name":"a","version":"1"}"#, Some("a 1"), 0),
            (
                r#"{"name":"a","version":"1","license":null,"sha256":"x","depends":"b","subdir":7}"#,
                Some("a 1"),
                0,
            ),
            (r#"{"name":"a"}"#, None, 1),
            (r#"{"name":"a\u0000","version":"1"}"#, None, 1),
            (r#"{"name":"a","version":1}"#, None, 1),
            ("[]", None, 1),
            ("{", None, 1),
            ("garbage", None, 1),
        ] {
            let observation = parse(json.as_bytes());
            let found = observation.facts.iter().map(|fact| match fact {
                Fact::Package(p) => {
                    assert_eq!((p.digest.as_ref(), p.requires.len(), p.licences.len()), (None, 0, 0));
                    format!("{} {}", p.name, p.version)
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(expected), "{json}");
            assert_eq!(observation.problems.len(), n_problems, "{json}");
        }
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[RECORD]);
    }
}
