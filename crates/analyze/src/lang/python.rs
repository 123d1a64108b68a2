//! Python distributions, as installers record them beside the code.
//!
//! | path | who writes it |
//! |---|---|
//! | `NAME-VERSION.dist-info/METADATA` | wheels (PEP 427, PEP 376; "Recording installed projects") |
//! | `NAME.egg-info/PKG-INFO`, `EGG-INFO/PKG-INFO` in an unpacked `.egg` | setuptools |
//! | `NAME-VERSION.egg-info`, a file | distutils |
//!
//! All hold core metadata (packaging.python.org, "Core metadata specifications"; PEP 566, PEP 639): header
//! fields, then often a long description that is not read. Every copy is reported under its own path, also
//! what pip and setuptools carry along under `_vendor` and what lies in a project's test data: its code is
//! there. Zipped eggs, lock files and declared requirements are not read here.

use std::io::Read as _;

use model::{Package, PackageKind};

use crate::{
    Analyzer, Content, Entry, Files, Merged, Observation, Want,
    header::{self, Line},
    requires::Requires,
    text,
};

/// Header fields end within this many bytes; what follows is not read.
const HEADER_MAX: u64 = 1 << 20;

/// Largest metadata file that is looked at; the description may be long.
const FILE_MAX: u64 = 256 << 20;

/// Most licences that are kept of one distribution.
const LICENCES_MAX: usize = 16;

/// A `License` field that is longer, in bytes, is a licence's text and not its name.
const LICENCE_NAME_MAX: usize = 200;

/// Python distributions.
pub struct PythonAnalyzer;

impl Analyzer for PythonAnalyzer {
    fn name(&self) -> &'static str {
        "lang/python"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_metadata_path(entry.path.as_bytes()) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let mut bytes = Vec::new();
        match content.take(HEADER_MAX).read_to_end(&mut bytes) {
            Ok(_) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for the files in the table above.
pub fn is_metadata_path(path: &[u8]) -> bool {
    match path.last() {
        Some(b'A') => path.ends_with(b".dist-info/METADATA"),
        Some(b'O') => path
            .strip_suffix(b"/PKG-INFO")
            .is_some_and(|d| d.ends_with(b".egg-info") || d.ends_with(b".egg/EGG-INFO")),
        Some(b'o') => path.ends_with(b".egg-info"),
        _ => false,
    }
}

/// Reads core metadata up to the first empty line.
///
/// Field names are compared without regard to case, and of repeated single-use fields the first one counts,
/// as in Python's own `email` and `importlib.metadata`. Licences: `License-Expression` if given, else a
/// `License` that is a name, else the `License ::` classifiers, else the first line of a `License` text.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let bytes = bytes.get(..HEADER_MAX as usize).unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return observation;
    }
    let fields = Fields::collect(bytes);
    match (fields.name.and_then(text::token), fields.version.and_then(text::token)) {
        (Some(name), Some(version)) => {
            let mut package = Package::new(PackageKind::Pypi, name, version);
            package.licences = fields.licences();
            package.requires = fields.requires.into_names();
            observation.facts.push(package.into());
        }
        _ => observation.add_corrupt("the metadata has no usable name and version"),
    }
    observation
}

/// The fields of interest, undecoded.
#[derive(Default)]
struct Fields<'a> {
    name: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    expression: Option<&'a [u8]>,
    licence: Option<&'a [u8]>,
    /// The licence goes on over further lines: then it is a text.
    licence_folded: bool,
    classifiers: Vec<&'a [u8]>,
    requires: Requires,
}

impl<'a> Fields<'a> {
    fn collect(bytes: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut in_licence = false;
        for line in header::lines(bytes) {
            match line {
                Line::Field { name, value } => in_licence = fields.add(name, value),
                Line::Continuation(more) if in_licence && !more.is_empty() => {
                    // A licence may begin on the line after its field name.
                    match fields.licence {
                        Some(b"") => fields.licence = Some(more),
                        _ => fields.licence_folded = true,
                    }
                }
                // Old writers left the further lines of a licence unindented; the fields after it still count.
                Line::Continuation(_) | Line::Malformed => {}
                Line::Blank => break,
            }
        }
        fields
    }

    /// Keeps a field; true when it is the licence, whose further lines matter.
    fn add(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("Name") {
            self.name.get_or_insert(value);
        } else if is("Version") {
            self.version.get_or_insert(value);
        } else if is("License-Expression") {
            self.expression.get_or_insert(value);
        } else if is("License") && self.licence.is_none() {
            self.licence = Some(value);
            return true;
        } else if is("Requires-Dist") {
            // What only an extra needs is not there for certain (PEP 508, markers).
            let (need, marker) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
            if memchr::memmem::find(marker, b"extra").is_none() {
                self.requires.add(need);
            }
        } else if is("Classifier") && self.classifiers.len() < LICENCES_MAX {
            self.classifiers.extend(licence_of_classifier(value));
        }
        false
    }

    fn licences(&self) -> Vec<String> {
        let known = |text: Option<String>| text.filter(|t| !t.eq_ignore_ascii_case("unknown"));
        if let Some(expression) = known(self.expression.and_then(text::line)) {
            return vec![expression];
        }
        let is_name = !self.licence_folded && self.licence.is_some_and(|l| l.len() <= LICENCE_NAME_MAX);
        let licence = known(self.licence.and_then(text::line));
        match licence {
            Some(licence) if is_name => vec![licence],
            licence => {
                let mut found: Vec<String> = self.classifiers.iter().filter_map(|c| text::line(c)).collect();
                found.dedup();
                if found.is_empty() {
                    found.extend(licence);
                }
                found
            }
        }
    }
}

/// The licence's name in a classifier: what follows `License ::` and the mark of OSI's approval.
fn licence_of_classifier(classifier: &[u8]) -> Option<&[u8]> {
    let name = classifier.strip_prefix(b"License ::")?.trim_ascii();
    let name = name
        .strip_prefix(b"OSI Approved")
        .map_or(name, |rest| rest.trim_ascii_start().strip_prefix(b"::").map_or(rest, <[u8]>::trim_ascii));
    if name.is_empty() { None } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    const WHEEL: &[u8] = include_bytes!("../../testdata/python/METADATA");
    const EGG: &[u8] = include_bytes!("../../testdata/python/PKG-INFO");

    fn check(input: &[u8], name: &str, version: &str, licences: &[&str]) {
        let mut package = Package::new(PackageKind::Pypi, name, version);
        package.licences = licences.iter().map(|&l| l.to_owned()).collect();
        let expected = Observation { facts: vec![package.into()], problems: Vec::new() };
        assert_eq!(parse(input), expected, "{}", String::from_utf8_lossy(input));
    }

    #[test]
    fn wants_recorded_distributions() {
        for path in [
            "usr/lib/python3/dist-packages/pip-20.3.4.egg-info/PKG-INFO",
            "usr/lib/python3/dist-packages/six-1.16.0.egg-info",
            "usr/local/lib/python3.9/site-packages/Django-3.2.dist-info/METADATA",
            "opt/x/lib/python2.7/site-packages/y-1-py2.7.egg/EGG-INFO/PKG-INFO",
            "usr/lib/python3.12/site-packages/setuptools/_vendor/wheel-0.45.1.dist-info/METADATA",
        ] {
            assert!(is_metadata_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "METADATA",
            "PKG-INFO",
            "srv/x-1.0/PKG-INFO",
            "a/x.dist-info/RECORD",
            "a/x.dist-info/METADATA.orig",
            "a/x.dist-info/sub/METADATA",
            "a/EGG-INFO/PKG-INFO",
            "a/x.egg-info/SOURCES.txt",
        ] {
            assert!(!is_metadata_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_wheels_and_eggs() {
        let wheel = Package {
            licences: vec!["Apache-2.0 OR MIT".to_owned()],
            requires: vec!["tide-tables".to_owned()],
            ..Package::new(PackageKind::Pypi, "harbour-lights", "1.4.0.post2")
        };
        assert_eq!(parse(WHEEL), Observation { facts: vec![wheel.into()], problems: Vec::new() });
        check(EGG, "Tide.Tables", "0.9", &["BSD License", "Public Domain"]);
    }

    #[test]
    fn prefers_the_best_statement_of_a_licence() {
        let with =
            |rest: &str| format!("Metadata-Version: 2.1\nName: a\nVersion: 1\n{rest}\nbody\n").into_bytes();
        for (rest, licences) in [
            ("", &[][..]),
            ("License-Expression: MIT\nLicense: BSD\n", &["MIT"][..]),
            ("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n", &["BSD"]),
            ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", &["MIT License"]),
            ("License: UNKNOWN\n", &[]),
            ("License:\n", &[]),
            ("License: Copyright\n  Somebody\n  else\nClassifier: License :: Freeware\n", &["Freeware"]),
            ("License: Copyright (c)\n  Somebody\n", &["Copyright (c)"]),
            ("License:\n  MIT\n", &["MIT"]),
            ("Classifier: License :: OSI Approved\nClassifier: Topic :: Internet\n", &[]),
            ("License: MIT\n\nLicense-Expression: not a header\n", &["MIT"]),
        ] {
            check(&with(rest), "a", "1", licences);
        }
        let long = "x".repeat(LICENCE_NAME_MAX + 1);
        let classified = format!("License: {long}\nClassifier: License :: Public Domain\n");
        check(&with(&classified), "a", "1", &["Public Domain"]);
    }

    #[test]
    fn reads_what_a_distribution_needs() {
        let fields = "Requires-Dist: Tide.Tables (>=1.0)\nRequires-Dist: wick[fast]~=2.0; python_version < '3'\n\
                      requires-dist: oil@ https://example.org/oil.whl\nRequires-Dist: test-only; extra == 'test'\n";
        let observation = parse(format!("Name: a\nVersion: 1\n{fields}").as_bytes());
        let [Fact::Package(package)] = &observation.facts[..] else { panic!("{observation:?}") };
        assert_eq!(package.requires, ["Tide.Tables", "wick", "oil"]);
    }

    #[test]
    fn reads_as_pythons_email_parser_does() {
        check(b"NAME: a\r\nversion: 1\r\n\r\nName: b\r\n", "a", "1", &[]);
        check(b"Name: a\nVersion: 1\nName: b\nVersion: 2\n", "a", "1", &[]);
        check(b"Name: a\nLicense: text\nunindented text: here\nVersion: 1\n", "a", "1", &["text"]);
        check(b"Name: caf\xe9\nVersion: 1", "caf\u{fffd}", "1", &[]);
        check(b"Name: a\nDescription: x\n        \n        Version: 9\nVersion: 1\n", "a", "1", &[]);
    }

    #[test]
    fn says_what_it_cannot_read() {
        assert_eq!(parse(b" \n"), Observation::default());
        for bad in [
            &b"Name: a\n"[..],
            b"Version: 1\n",
            b"\nName: a\nVersion: 1\n",
            b"\0\xff",
            b"Name: a\x1b\nVersion: 1",
        ] {
            let observation = parse(bad);
            assert_eq!(observation.facts, [], "{bad:?}");
            assert_eq!(observation.problems.len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn reads_the_head_of_a_long_file_only() {
        let mut long = b"Name: a\nVersion: 1\nKeywords: ".to_vec();
        long.resize(10 << 20, b'x');
        long.extend_from_slice(b"\nLicense: too far\n");
        check(&long, "a", "1", &[]);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[WHEEL, EGG]);
    }
}
