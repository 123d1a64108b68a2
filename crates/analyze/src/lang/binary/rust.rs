//! Dependency lists of Rust programs built with `cargo auditable`: section `.dep-v0`, zlib over JSON
//! (cargo-auditable, `PARSING.md` and `cargo-auditable.schema.json`).
//!
//! Only what runs is reported: dependencies of builds (`"kind":"build"`) are left out, the program's own crate
//! is in. Programs built without `cargo auditable` do not tell what they were made from.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use model::{Package, PackageKind, Problem, ProblemCode};
use serde::Deserialize;

use crate::{Observation, os::PACKAGES_MAX, text};

/// Longest list, unpacked, in bytes; real ones have some 100 KiB.
const LIST_MAX: u64 = 8 << 20;

/// Reads the section.
pub fn parse(section: &[u8]) -> Observation {
    let mut json = Vec::new();
    match ZlibDecoder::new(section).take(LIST_MAX + 1).read_to_end(&mut json) {
        Err(_) => Observation::problem(ProblemCode::FileCorrupt, "the list of crates is no zlib stream"),
        Ok(_) if json.len() as u64 > LIST_MAX => {
            let text = format!("the list of crates is longer than {LIST_MAX} bytes");
            Observation::problem(ProblemCode::TooManyItems, text)
        }
        Ok(_) => parse_json(&json),
    }
}

/// The list.
#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

/// One crate.
#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Kind,
    /// By their places in the list.
    #[serde(default)]
    dependencies: Vec<usize>,
}

/// What a crate is there for.
#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Build,
    #[default]
    #[serde(other)]
    Runtime,
}

/// Reads the list.
pub fn parse_json(json: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let list: List = match serde_json::from_slice(json) {
        Ok(list) => list,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            observation.add_corrupt(format!("no list of crates at line {line}, column {column}"));
            return observation;
        }
    };
    let mut unreadable = 0_usize;
    let running = || list.packages.iter().filter(|listed| listed.kind == Kind::Runtime);
    for listed in running().take(PACKAGES_MAX) {
        let texts = (text::token(listed.name.as_bytes()), text::token(listed.version.as_bytes()));
        let (Some(name), Some(version)) = texts else {
            unreadable += 1;
            continue;
        };
        let mut package = Package::new(PackageKind::Cargo, name, version);
        let needed = listed.dependencies.iter().filter_map(|at| list.packages.get(*at));
        let needed = needed.filter(|needed| needed.kind == Kind::Runtime);
        package.requires =
            needed.take(REQUIRES_MAX).filter_map(|needed| text::token(needed.name.as_bytes())).collect();
        package.requires.sort();
        package.requires.dedup();
        observation.facts.push(package.into());
    }
    if unreadable > 0 {
        observation.add_corrupt(format!("{unreadable} crates whose name or version is no plain text"));
    }
    if running().nth(PACKAGES_MAX).is_some() {
        let text = format!("more than {PACKAGES_MAX} crates");
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, text));
    }
    observation
}

/// Most crates that one crate is said to need.
const REQUIRES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;
    use crate::{Fact, hostile};

    /// As `cargo auditable` writes it, made up.
    const LIST: &[u8] = include_bytes!("../../../testdata/binary/dep-v0.json");

    fn check(json: &str, expected: &[&str], problems: usize) {
        let observation = parse_json(json.as_bytes());
        let found = observation.facts.iter().map(|fact| match fact {
            Fact::Package(p) => {
                format!("{} {} {}", p.name, p.version, p.requires.join(",")).trim_end().to_owned()
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{json}");
        assert_eq!(observation.problems.len(), problems, "{json}");
    }

    fn pack(json: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(json).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_what_runs() {
        let expected =
            ["anchor 1.4.0", "berth 0.3.1-rc.1 anchor", "harbour 0.9.0 anchor,berth", "quay 2.0.0"];
        check(std::str::from_utf8(LIST).unwrap(), &expected, 0);
        assert_eq!(parse(&pack(LIST)), parse_json(LIST));
    }

    #[test]
    fn takes_what_later_versions_may_add() {
        check(
            r#"{"packages":[{"name":"a","version":"1.0.0","kind":"later","new":[1]}],"format":9}"#,
            &["a 1.0.0"],
            0,
        );
        check(r#"{"packages":[]}"#, &[], 0);
        check(r#"{"packages":[{"name":"a","version":"1","dependencies":[7,0,0]}]}"#, &["a 1 a"], 0);
    }

    #[test]
    fn says_what_it_cannot_read() {
        for json in ["", "[]", "{}", "null", r#"{"packages":[{"name":"a"}]}"#, r#"{"packages":[{"#] {
            check(json, &[], 1);
        }
        check(r#"{"packages":[{"name":"","version":"1"},{"name":"b","version":"1"}]}"#, &["b 1"], 1);
        let packed = pack(LIST);
        assert_eq!(parse(&packed[..packed.len() / 2]).problems.len(), 1);
        assert_eq!(parse(b"no zlib").problems.len(), 1);
    }

    #[test]
    fn unpacks_no_more_than_the_limit() {
        let bomb = pack(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(parse(&bomb).problems[0].code, ProblemCode::TooManyItems);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse_json, &[LIST]);
    }
}
