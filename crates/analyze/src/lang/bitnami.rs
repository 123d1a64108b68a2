//! Bitnami's builds of upstream software, as their images record them: `opt/bitnami/NAME/.spdx-NAME.spdx`, an
//! SPDX document in JSON (SPDX 2.3, clause 7 "Package information").
//!
//! Packages are told by their purl (`pkg:bitnami/NAME@VERSION-REVISION?arch=ARCH`; package-url/purl-spec,
//! "bitnami"): the software itself and the libraries that were built into it. Packages of other kinds in the
//! document (jars, Go modules) lie in the image, where the analyzers of their languages find them.

use std::collections::HashSet;

use model::{Package, PackageKind, Problem, ProblemCode};
use serde::Deserialize;

use crate::{
    Analyzer, Content, Entry, Files, Merged, Observation, Want, json::Loose, os::PACKAGES_MAX, text,
};

/// Largest document that is read, in bytes; those of applications with many modules have 2 MB.
const FILE_MAX: u64 = 32 << 20;

/// Bitnami's packages.
pub struct BitnamiAnalyzer;

impl Analyzer for BitnamiAnalyzer {
    fn name(&self) -> &'static str {
        "lang/bitnami"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if is_document_path(entry.path.as_bytes()) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        // The same library may be built into several programs; each copy has its own path.
        merged.packages.extend(files.packages());
    }
}

/// True for `.spdx-NAME.spdx` anywhere below `opt/bitnami`, or below `bitnami`, where volumes are prepared.
pub fn is_document_path(path: &[u8]) -> bool {
    if !path.ends_with(b".spdx") || !(path.starts_with(b"opt/bitnami/") || path.starts_with(b"bitnami/")) {
        return false;
    }
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b".spdx-") && name.len() > b".spdx-.spdx".len()
}

#[derive(Deserialize)]
struct Document {
    packages: Vec<Record>,
}

/// The fields of interest of one package.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Record {
    name: Loose,
    version_info: Loose,
    license_concluded: Loose,
    license_declared: Loose,
    external_refs: Vec<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    reference_type: Loose,
    reference_locator: Loose,
}

/// Reads one document.
///
/// The revision of the build is left out of the version (`2.4.1-3` is 2.4.1): Bitnami's advisories name
/// upstream's versions, and a `last_affected` 2.4.1 holds all builds of it.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let decoded = String::from_utf8_lossy(bytes);
    let json = decoded.strip_prefix('\u{feff}').unwrap_or(&decoded);
    if json.trim_ascii().is_empty() {
        return observation;
    }
    let document: Document = match serde_json::from_str(json) {
        Ok(document) => document,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            observation.add_corrupt(format!("no SPDX document at line {line}, column {column}"));
            return observation;
        }
    };
    let (mut n_incomplete, mut too_many) = (0, false);
    let mut seen = HashSet::new();
    for record in &document.packages {
        let Some(purl) = record.external_refs.iter().find_map(bitnami_purl) else { continue };
        let Some(package) = build(record, purl) else {
            n_incomplete += 1;
            continue;
        };
        if observation.facts.len() == PACKAGES_MAX {
            too_many = true;
            break;
        }
        if seen.insert((package.name.clone(), package.version.clone())) {
            observation.facts.push(package.into());
        }
    }
    if n_incomplete > 0 {
        observation.add_corrupt(format!("{n_incomplete} packages without a usable name and version"));
    }
    if too_many {
        let message = "the document holds more packages than are kept";
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
    }
    observation
}

/// What follows `pkg:bitnami/`, when a reference is such a purl.
fn bitnami_purl(reference: &Reference) -> Option<&str> {
    let locator = reference.reference_locator.text.as_deref()?;
    let is_purl = reference.reference_type.text.as_deref() == Some("purl");
    locator.strip_prefix("pkg:bitnami/").filter(|_| is_purl)
}

fn build(record: &Record, purl: &str) -> Option<Package> {
    let name = record.name.bytes().and_then(text::token)?;
    let version = record.version_info.bytes().and_then(text::token)?;
    let mut package = Package::new(PackageKind::Bitnami, name, upstream_version(&version));
    let qualifiers = purl.split_once('?').map_or("", |(_, qualifiers)| qualifiers);
    let qualifiers = qualifiers.split_once('#').map_or(qualifiers, |(qualifiers, _)| qualifiers);
    let arch = qualifiers.split('&').find_map(|pair| pair.strip_prefix("arch="));
    package.arch = arch.and_then(|arch| text::token(arch.as_bytes()));
    let said = |licence: &Loose| {
        licence.bytes().and_then(text::line).filter(|licence| licence != "NOASSERTION" && licence != "NONE")
    };
    package.licences =
        said(&record.license_concluded).or_else(|| said(&record.license_declared)).into_iter().collect();
    Some(package)
}

/// A version without the number after its last hyphen, when there is one.
fn upstream_version(version: &str) -> &str {
    match version.rsplit_once('-') {
        Some((upstream, revision))
            if !upstream.is_empty()
                && !revision.is_empty()
                && revision.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            upstream
        }
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    const DOCUMENT: &[u8] = include_bytes!("../../testdata/bitnami/.spdx-lantern.spdx");

    fn check(input: &[u8], expected: &[(&str, &str, Option<&str>, &[&str])], n_problems: usize) {
        let observation = parse(input);
        let expected = expected.iter().map(|(name, version, arch, licences)| {
            let mut package = Package::new(PackageKind::Bitnami, *name, *version);
            package.arch = arch.map(str::to_owned);
            package.licences = licences.iter().map(|&licence| licence.to_owned()).collect();
            Fact::from(package)
        });
        let input = String::from_utf8_lossy(input);
        assert_eq!(observation.facts, expected.collect::<Vec<_>>(), "{input}");
        assert_eq!(observation.problems.len(), n_problems, "{input}: {:?}", observation.problems);
    }

    #[test]
    fn wants_bitnamis_documents() {
        for path in [
            "opt/bitnami/lantern/.spdx-lantern.spdx",
            "opt/bitnami/.spdx-x.spdx",
            "bitnami/lantern/.spdx-a.spdx",
        ] {
            assert!(is_document_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "opt/lantern/.spdx-lantern.spdx",
            "opt/bitnami/x/.spdx-.spdx",
            "opt/bitnami/x/spdx-a.spdx",
            "opt/bitnami/.spdx-a.spdx/b",
        ] {
            assert!(!is_document_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn reads_a_document() {
        check(
            DOCUMENT,
            &[
                ("lantern", "2.4.1", Some("amd64"), &["Apache-2.0"]),
                ("libwick", "1.2.0", Some("amd64"), &["MIT OR BSL-1.0"]),
            ],
            0,
        );
    }

    #[test]
    fn leaves_out_revisions() {
        for (version, upstream) in [
            ("2.4.1-3", "2.4.1"),
            ("2.4.1", "2.4.1"),
            ("1.0-rc1-12", "1.0-rc1"),
            ("1.0-rc1", "1.0-rc1"),
            ("11.0.15-1-2", "11.0.15-1"),
            ("-3", "-3"),
            ("3-", "3-"),
        ] {
            assert_eq!(upstream_version(version), upstream, "{version}");
        }
    }

    #[test]
    fn keeps_what_is_usable() {
        let one = |fields: &str, locator: &str| {
            let reference = format!(r#"{{"referenceType":"purl","referenceLocator":"{locator}"}}"#);
            format!(r#"{{"packages":[{{{fields},"externalRefs":[{reference}]}}]}}"#).into_bytes()
        };
        let sound = r#""name":"a","versionInfo":"1""#;
        check(&one(sound, "pkg:bitnami/a@1"), &[("a", "1", None, &[])], 0);
        check(&one(sound, "pkg:bitnami/a@1?distro=x&arch=arm64#sub"), &[("a", "1", Some("arm64"), &[])], 0);
        check(&one(sound, "pkg:golang/a@1"), &[], 0);
        check(&one(r#""name":"a""#, "pkg:bitnami/a@1"), &[], 1);
        check(br#"{"packages":[]}"#, &[], 0);
        for bad in ["{}", "[]", "{", "SPDXVersion: SPDX-2.3", "{\"packages\":7}"] {
            check(bad.as_bytes(), &[], 1);
        }
        check(b" \n", &[], 0);
        let twice =
            String::from_utf8_lossy(DOCUMENT).replace("libwick", "lantern").replace("1.2.0", "2.4.1-4");
        let observation = parse(twice.as_bytes());
        assert_eq!(observation.facts.len(), 1, "builds of one version are one package");
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[DOCUMENT]);
    }
}
