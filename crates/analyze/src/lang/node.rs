//! Node.js packages, as npm, pnpm and yarn install them: `node_modules/NAME/package.json` and
//! `node_modules/@SCOPE/NAME/package.json` (npm documentation, "package.json" and "folders").
//!
//! Only what is *installed* is reported. An application's own `package.json` names no published package, so
//! no advisory speaks of it; a `package.json` deeper inside a package (`dist/cjs/`, test fixtures) tells
//! Node how to load files and is no package of its own. A manifest without a name or a version is
//! skipped in silence: private and generated ones are allowed to have neither, and nothing can be looked up
//! for them. Lock files and declared dependencies are not read here.

use std::fmt;

use model::{Package, PackageKind};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{
    Analyzer, Content, Entry, Files, Merged, Observation, Want, json::Loose, requires::Requires, text,
};

/// Largest manifest that is read, in bytes.
const MANIFEST_MAX: u64 = 4 << 20;

/// Most licences that are kept of one manifest.
const LICENCES_MAX: usize = 16;

/// Node.js packages.
pub struct NodeAnalyzer;

impl Analyzer for NodeAnalyzer {
    fn name(&self) -> &'static str {
        "lang/node"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_manifest_path(entry.path.as_bytes()) { Want::Content { max: MANIFEST_MAX } } else { Want::No }
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

/// True for the manifest of an installed package: directly below a `node_modules` directory, or below a
/// scope in one. Names with a leading dot are the package managers' own directories.
pub fn is_manifest_path(path: &[u8]) -> bool {
    let Some(directory) = path.strip_suffix(b"/package.json") else { return false };
    let (parents, name) = split_last(directory);
    let parents = match split_last(parents) {
        (above, scope) if scope.first() == Some(&b'@') => above,
        _ => parents,
    };
    !matches!(name.first(), None | Some(b'.' | b'@')) && split_last(parents).1 == b"node_modules"
}

/// A path without its last component, and that component.
fn split_last(path: &[u8]) -> (&[u8], &[u8]) {
    memchr::memrchr(b'/', path).map_or((&[][..], path), |slash| {
        (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default())
    })
}

/// Reads one manifest.
///
/// As JSON text it may begin with a byte order mark, and of repeated keys the last one counts, as in Node.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let decoded = String::from_utf8_lossy(bytes);
    let json = decoded.strip_prefix('\u{feff}').unwrap_or(&decoded);
    if json.trim_ascii().is_empty() {
        return observation;
    }
    match serde_json::from_str::<Manifest>(json) {
        Err(error) => observation.add_corrupt(format!(
            "no JSON object at line {}, column {}",
            error.line(),
            error.column()
        )),
        Ok(Manifest { name: Some(name), version: Some(version), licences, dependencies }) => {
            let (Some(name), Some(version)) = (text::token(name.as_bytes()), text::token(version.as_bytes()))
            else {
                if !name.trim().is_empty() && !version.trim().is_empty() {
                    observation.add_corrupt("the name or the version is no plain text");
                }
                return observation;
            };
            let mut package = Package::new(PackageKind::Npm, name, version);
            package.licences = licences;
            let mut requires = Requires::default();
            dependencies.iter().for_each(|name| requires.add_whole(name.as_bytes()));
            package.requires = requires.into_names();
            observation.facts.push(package.into());
        }
        Ok(_) => {}
    }
    observation
}

/// The fields of interest; everything else is skipped without being kept.
#[derive(Default)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
    licences: Vec<String>,
    dependencies: Vec<String>,
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ManifestVisitor)
    }
}

struct ManifestVisitor;

impl<'de> Visitor<'de> for ManifestVisitor {
    type Value = Manifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifest, A::Error> {
        let mut manifest = Manifest::default();
        let mut old_licences = Vec::new();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Name => manifest.name = map.next_value::<Texts>()?.only(),
                Key::Version => manifest.version = map.next_value::<Texts>()?.only(),
                Key::License => manifest.licences = map.next_value::<Texts>()?.texts,
                Key::Licenses => old_licences = map.next_value::<Texts>()?.texts,
                Key::Dependencies => manifest.dependencies = map.next_value::<Loose>()?.keys,
                Key::Type | Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if manifest.licences.is_empty() {
            manifest.licences = old_licences;
        }
        manifest.licences = manifest.licences.iter().filter_map(|text| text::line(text.as_bytes())).collect();
        Ok(manifest)
    }
}

/// The keys of a manifest, and `type` of a licence object.
enum Key {
    Name,
    Version,
    License,
    Licenses,
    Dependencies,
    Type,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "name" => Key::Name,
                    "version" => Key::Version,
                    "license" => Key::License,
                    "licenses" => Key::Licenses,
                    "dependencies" => Key::Dependencies,
                    "type" => Key::Type,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

/// The texts of a value: itself, or `type` (else `name`) of an object, or those of each element of an
/// array. Anything else holds none.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    /// True when the value was a text itself.
    plain: bool,
}

impl Texts {
    /// The text of a value that was just a text.
    fn only(self) -> Option<String> {
        if self.plain { self.texts.into_iter().next() } else { None }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts { texts: vec![text.to_owned()], plain: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let (mut kind, mut name) = (None, None);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Type => kind = map.next_value::<Texts>()?.only(),
                Key::Name => name = map.next_value::<Texts>()?.only(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Texts { texts: kind.or(name).into_iter().collect(), plain: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < LICENCES_MAX {
            let Some(element) = seq.next_element::<Texts>()? else {
                return Ok(Texts { texts, plain: false });
            };
            texts.extend(element.texts);
        }
        texts.truncate(LICENCES_MAX);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Texts { texts, plain: false })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Texts, E> {
        Ok(Texts::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fact;
    use crate::hostile;

    const MANIFEST: &[u8] = include_bytes!("../../testdata/node/package.json");

    fn check(json: &str, expected: Option<(&str, &str, &[&str])>) {
        let observation = parse(json.as_bytes());
        assert_eq!(observation.problems, [], "{json}");
        let found = observation.facts.iter().map(|fact| match fact {
            Fact::Package(p) => (p.name.as_str(), p.version.as_str(), p.licences.clone()),
            other => panic!("{other:?}"),
        });
        let expected = expected.map(|(name, version, licences)| {
            (name, version, licences.iter().map(|&l| l.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>(), "{json}");
    }

    #[test]
    fn wants_installed_packages_only() {
        for path in [
            "node_modules/a/package.json",
            "srv/app/node_modules/ipaddr.js/package.json",
            "srv/app/node_modules/@babel/core/package.json",
            "usr/lib/node_modules/npm/package.json",
            "usr/lib/node_modules/npm/node_modules/@npmcli/arborist/package.json",
            "app/node_modules/.pnpm/ms@2.1.3/node_modules/ms/package.json",
            "app/node_modules/a/test/node_modules/b/package.json",
        ] {
            assert!(is_manifest_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "package.json",
            "/package.json",
            "srv/app/package.json",
            "node_modules/package.json",
            "node_modules/@scope/package.json",
            "node_modules/.cache/package.json",
            "node_modules/@scope/.x/package.json",
            "node_modules/@a/@b/c/package.json",
            "node_modules/a/dist/cjs/package.json",
            "my_node_modules/a/package.json",
            "node_modules/a/package.json5",
            "node_modules/a/xpackage.json",
            "node_modules//package.json",
        ] {
            assert!(!is_manifest_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_a_manifest() {
        let expected = Package {
            licences: vec!["MIT".to_owned()],
            requires: vec!["wick".to_owned()],
            ..Package::new(PackageKind::Npm, "@quay/lantern", "2.4.1-rc.1+build.5")
        };
        let observation = parse(MANIFEST);
        assert_eq!(observation.facts, [Fact::from(expected)]);
        assert_eq!(observation.problems, []);
    }

    #[test]
    fn reads_every_form_of_licence() {
        let with = |rest: &str| format!(r#"{{"name":"a","version":"1.0.0"{rest}}}"#);
        for (rest, licences) in [
            ("", &[][..]),
            (r#","license":"(MIT OR Apache-2.0)""#, &["(MIT OR Apache-2.0)"][..]),
            (r#","license":{"type":"BSD-3-Clause","url":"https://example.org"}"#, &["BSD-3-Clause"]),
            (r#","license":{"name":"ISC"}"#, &["ISC"]),
            (r#","license":["MIT",{"type":"GPL-2.0"},7,null]"#, &["MIT", "GPL-2.0"]),
            (r#","licenses":[{"type":"MIT"},{"type":"BSD"}]"#, &["MIT", "BSD"]),
            (r#","licenses":[{"type":"MIT"}],"license":"ISC""#, &["ISC"]),
            (r#","license":null,"licenses":"MIT""#, &["MIT"]),
            (r#","license":true"#, &[]),
            (r#","license":{"type":["MIT"]}"#, &[]),
        ] {
            check(&with(rest), Some(("a", "1.0.0", licences)));
        }
    }

    #[test]
    fn reads_what_a_package_needs() {
        for (dependencies, expected) in [
            (r#"{"ms":"^2.1.3","@quay/wick":{"odd":1}}"#, &["ms", "@quay/wick"][..]),
            ("[\"ms\"]", &[]),
            ("null", &[]),
        ] {
            let json = format!(
                r#"{{"dependencies":{dependencies},"name":"a","version":"1","devDependencies":{{"b":"1"}}}}"#
            );
            let observation = parse(json.as_bytes());
            let [Fact::Package(package)] = &observation.facts[..] else { panic!("{json}: {observation:?}") };
            assert_eq!(package.requires, expected, "{json}");
        }
    }

    #[test]
    fn skips_manifests_that_name_no_package() {
        for json in [
            "",
            " \n",
            "{}",
            r#"{"type":"module"}"#,
            r#"{"name":"a"}"#,
            r#"{"version":"1.0.0"}"#,
            r#"{"name":"a","version":1}"#,
            r#"{"name":["a"],"version":"1.0.0"}"#,
            r#"{"name":null,"version":"1.0.0"}"#,
            r#"{"name":"","version":"1.0.0"}"#,
        ] {
            check(json, None);
        }
    }

    #[test]
    fn takes_the_last_of_repeated_keys() {
        check(r#"{"name":"a","version":"1","version":"2"}"#, Some(("a", "2", &[])));
        check("\u{feff}{\"name\":\"a\",\"version\":\"1\"}", Some(("a", "1", &[])));
    }

    #[test]
    fn says_what_it_cannot_read() {
        for json in [
            "[]",
            "null",
            "\"text\"",
            "{",
            "{\"name\":",
            "not json",
            "{\"name\":\"a\\u0000\",\"version\":\"1\"}",
        ] {
            let observation = parse(json.as_bytes());
            assert_eq!(observation.facts, [], "{json}");
            assert_eq!(observation.problems.len(), 1, "{json}");
        }
    }

    #[test]
    fn survives_depth_and_width() {
        let deep = format!(r#"{{"license":{}"#, "[".repeat(1 << 20));
        assert_eq!(parse(deep.as_bytes()).problems.len(), 1);
        let deep = format!(r#"{{"x":{}{},"name":"a","version":"1"}}"#, "[".repeat(1000), "]".repeat(1000));
        let _ = parse(deep.as_bytes());
        let wide = format!(r#"{{"name":"a","version":"1","license":[{}"MIT"]}}"#, "\"X\",".repeat(200_000));
        let observation = parse(wide.as_bytes());
        assert!(matches!(&observation.facts[..], [Fact::Package(p)] if p.licences.len() == LICENCES_MAX));
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[MANIFEST]);
    }
}
