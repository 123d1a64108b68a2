//! PHP packages, as Composer records what it installed: `vendor/composer/installed.json`.
//!
//! Composer 1 writes an array of packages, Composer 2 an object with `packages` (composer/composer,
//! `FilesystemRepository`; the fields of a package: getcomposer.org, "The composer.json schema"). Packages
//! for development that are there are reported like all others: their code can be run. An application's own
//! `composer.json` and lock files are not read here, nor are PEAR's registries.

use std::fmt;

use model::{Package, PackageKind, Problem, ProblemCode};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::{
    Analyzer, Content, Entry, Files, Merged, Observation, Want, json::Loose, os::PACKAGES_MAX,
    requires::Requires, text,
};

/// Largest list of packages that is read, in bytes; big applications have 1 MB.
const FILE_MAX: u64 = 32 << 20;

/// Most licences that are kept of one package.
const LICENCES_MAX: usize = 16;

/// PHP packages.
pub struct PhpAnalyzer;

impl Analyzer for PhpAnalyzer {
    fn name(&self) -> &'static str {
        "lang/php"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_installed_path(entry.path.as_bytes()) { Want::Content { max: FILE_MAX } } else { Want::No }
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

/// True for `composer/installed.json`; the directory above it may have any name (`config.vendor-dir`).
pub fn is_installed_path(path: &[u8]) -> bool {
    path.strip_suffix(b"composer/installed.json")
        .is_some_and(|above| matches!(above.last(), None | Some(b'/')))
}

/// Reads a list of installed packages. A `v` before a version is left out.
pub fn parse(bytes: &[u8]) -> Observation {
    let decoded = String::from_utf8_lossy(bytes);
    let json = decoded.strip_prefix('\u{feff}').unwrap_or(&decoded);
    let mut list = List::default();
    if json.trim_ascii().is_empty() {
        return list.observation;
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let end = Document(&mut list).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let List { mut observation, n_incomplete, too_many } = list;
    if let Err(error) = end {
        observation.add_corrupt(format!(
            "no list of packages at line {}, column {}",
            error.line(),
            error.column()
        ));
    } else if n_incomplete > 0 {
        observation.add_corrupt(format!("{n_incomplete} packages without a usable name and version"));
    }
    if too_many {
        let message = "the list holds more packages than are kept";
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
    }
    observation
}

/// What has been read so far; it stays when the rest is damaged.
#[derive(Default)]
struct List {
    observation: Observation,
    n_incomplete: usize,
    too_many: bool,
}

impl List {
    fn add(&mut self, record: &Record) {
        let token = |field: &Loose| field.bytes().and_then(text::token);
        let (Some(name), Some(version)) = (token(&record.name), token(&record.version)) else {
            self.n_incomplete += 1;
            return;
        };
        if self.observation.facts.len() == PACKAGES_MAX {
            self.too_many = true;
            return;
        }
        let numbered = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit());
        let version =
            version.strip_prefix(['v', 'V']).filter(numbered).map_or(version.clone(), str::to_owned);
        let mut package = Package::new(PackageKind::Composer, name, version);
        let licences = record.license.texts().take(LICENCES_MAX);
        package.licences = licences.filter_map(|licence| text::line(licence.as_bytes())).collect();
        let mut requires = Requires::default();
        // Without a slash they are PHP itself, its extensions and libraries.
        for name in record.require.keys.iter().filter(|name| name.contains('/')) {
            requires.add_whole(name.as_bytes());
        }
        package.requires = requires.into_names();
        self.observation.facts.push(package.into());
    }
}

/// The fields of interest of one package.
#[derive(Default)]
struct Record {
    name: Loose,
    version: Loose,
    license: Loose,
    require: Loose,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordVisitor;
        impl<'de> Visitor<'de> for RecordVisitor {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a package")
            }

            /// Of repeated keys the last one counts, as in PHP.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut record = Record::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "name" => record.name = map.next_value()?,
                        "version" => record.version = map.next_value()?,
                        "license" => record.license = map.next_value()?,
                        "require" => record.require = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(record)
            }
        }
        deserializer.deserialize_map(RecordVisitor)
    }
}

/// The whole file: an array of packages, or an object that holds one.
struct Document<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of packages or an object that holds one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut packages: A) -> Result<(), A::Error> {
        while let Some(record) = packages.next_element::<Record>()? {
            self.0.add(&record);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut any = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "packages" {
                any = true;
                map.next_value_seed(Packages(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if any { Ok(()) } else { Err(A::Error::missing_field("packages")) }
    }
}

/// The array of packages of Composer 2.
struct Packages<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Packages<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Document(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    const SECOND: &[u8] = include_bytes!("../../testdata/php/installed.json");
    const FIRST: &[u8] = include_bytes!("../../testdata/php/installed-1.json");

    /// Each package as `name|version|licences|requires`.
    fn check(input: &[u8], expected: &[&str], n_problems: usize) {
        let observation = parse(input);
        let found = observation.facts.iter().map(|fact| match fact {
            Fact::Package(p) if p.kind == PackageKind::Composer => {
                format!("{}|{}|{}|{}", p.name, p.version, p.licences.join(","), p.requires.join(","))
            }
            other => panic!("{other:?}"),
        });
        let input = String::from_utf8_lossy(input);
        assert_eq!(found.collect::<Vec<_>>(), expected, "{input}");
        assert_eq!(observation.problems.len(), n_problems, "{input}: {:?}", observation.problems);
    }

    #[test]
    fn wants_the_list_of_installed_packages() {
        for path in [
            "srv/app/vendor/composer/installed.json",
            "composer/installed.json",
            "a/lib/composer/installed.json",
        ] {
            assert!(is_installed_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "installed.json",
            "vendor/mycomposer/installed.json",
            "vendor/composer/installed.php",
            "composer.json",
        ] {
            assert!(!is_installed_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_both_forms() {
        check(
            SECOND,
            &["quay/lantern|2.4.1|MIT,GPL-2.0-or-later|quay/wick,psr/log", "Quay/Wick|dev-main|proprietary|"],
            0,
        );
        check(FIRST, &["quay/lantern|1.0.0-beta2|Apache-2.0|", "quay/rope|3.1||"], 0);
    }

    #[test]
    fn keeps_what_can_be_read() {
        for (json, expected, n_problems) in [
            ("", &[][..], 0),
            ("[]", &[], 0),
            (r#"{"packages":[]}"#, &[], 0),
            ("\u{feff}[]", &[], 0),
            (r#"[{"name":"a/b","version":"1","version":"v2","license":7,"require":[]}]"#, &["a/b|2||"], 0),
            (r#"[{"name":"a/b","version":"vx"}]"#, &["a/b|vx||"], 0),
            (r#"[{"name":"a/b"},{"name":"c/d","version":"1"},{"version":1}]"#, &["c/d|1||"], 1),
            (r#"[{"name":"a/b","version":"1"},{"name":"#, &["a/b|1||"], 1),
            (r#"[{"name":"a/b","version":"1"},7]"#, &["a/b|1||"], 1),
            (r#"[{"name":"a/b","version":"1"}] x"#, &["a/b|1||"], 1),
            (r#"{"packages":{}}"#, &[], 1),
            (r#"{"dev":true}"#, &[], 1),
            ("{}", &[], 1),
            ("null", &[], 1),
            ("garbage", &[], 1),
        ] {
            check(json.as_bytes(), expected, n_problems);
        }
    }

    #[test]
    fn keeps_a_bounded_number_of_packages() {
        let many = format!("[{}{{}}]", r#"{"name":"a/b","version":"1"},"#.repeat(PACKAGES_MAX + 1));
        let observation = parse(many.as_bytes());
        assert_eq!(observation.facts.len(), PACKAGES_MAX);
        let codes: Vec<_> = observation.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [ProblemCode::FileCorrupt, ProblemCode::TooManyItems]);
        let deep = format!(r#"[{{"x":{}"#, "[".repeat(1 << 20));
        check(deep.as_bytes(), &[], 1);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[FIRST, SECOND]);
    }
}
