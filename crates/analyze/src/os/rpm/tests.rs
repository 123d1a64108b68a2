//! Tests of the readers: against databases that rpm's own tools made (`testdata/rpm`), against real ones, and
//! against hostile ones.

mod encode;
mod fixtures;
mod hostile;
mod merge;
mod real;

use std::{collections::BTreeSet, io::Read as _, path::Path};

use super::{Wal, parse, source::ReadAt};
use crate::{Fact, Observation, text};
use model::Package;

/// The files of `testdata/rpm` that are databases, with the tool that can read them.
const DATABASES: [&str; 5] = ["rpmdb.sqlite", "Packages.db", "Packages.le", "Packages.be", "Packages.inline"];

fn testdata() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rpm"))
}

/// A file of `testdata/rpm`, unpacked.
fn fixture(name: &str) -> Vec<u8> {
    let packed = std::fs::File::open(testdata().join(format!("{name}.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// [`parse`] over bytes in memory.
fn parse_bytes(bytes: &[u8], log: Option<&[u8]>) -> Observation {
    let wal = log.map(|log| Wal::parse(&log).unwrap().expect("the log has a commit"));
    parse(&bytes, wal.as_ref().zip(log.as_ref().map(|log| log as &dyn ReadAt)))
}

fn packages(observation: &Observation) -> Vec<&Package> {
    let facts = observation.facts.iter();
    facts.filter_map(|fact| if let Fact::Package(package) = fact { Some(&**package) } else { None }).collect()
}

fn names(observation: &Observation) -> Vec<&str> {
    packages(observation).into_iter().map(|package| package.name.as_str()).collect()
}

/// What `oracle.py packages` prints, in the form of [`listed`]: the module without version and context, texts
/// for people as they are shown.
fn expected(oracle: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let mut columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        assert_eq!(columns.len(), 9, "{line}");
        for people in [6, 7] {
            columns[people] = text::line(columns[people].as_bytes()).unwrap_or_default();
        }
        columns[8] = columns[8].splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
        columns.join("\t")
    };
    let set: BTreeSet<String> = oracle.lines().map(line).collect();
    assert_eq!(set.len(), oracle.lines().count(), "the oracle lists nothing twice");
    set
}

/// The packages in the columns of `oracle.py packages`.
fn listed(observation: &Observation) -> BTreeSet<String> {
    let none = || "(none)".to_owned();
    let line = |package: &Package| {
        let (version, release) = package.version.rsplit_once('-').unwrap();
        let version = match package.epoch {
            None | Some(0) => version,
            Some(epoch) => {
                version.strip_prefix(&format!("{epoch}:")).expect("the version begins with its epoch")
            }
        };
        let source = package.source.as_ref().map(|s| format!("{}-{}.src.rpm", s.name, s.version));
        [
            package.name.clone(),
            package.epoch.map_or_else(none, |epoch| epoch.to_string()),
            version.to_owned(),
            release.to_owned(),
            package.arch.clone().unwrap_or_else(none),
            source.unwrap_or_else(none),
            package.licences.first().cloned().unwrap_or_else(none),
            package.vendor.clone().unwrap_or_else(none),
            package.module.clone().unwrap_or_else(none),
        ]
        .join("\t")
    };
    let set: BTreeSet<String> = packages(observation).into_iter().map(line).collect();
    assert_eq!(set.len(), packages(observation).len(), "nothing is listed twice");
    set
}

/// The owned files as `oracle.py files` prints them.
fn owned(observation: &Observation) -> BTreeSet<String> {
    let lines = |fact: &Fact| match fact {
        Fact::Owns { package, paths } => paths.iter().map(|path| format!("{package}\t/{path}")).collect(),
        _ => Vec::new(),
    };
    observation.facts.iter().flat_map(lines).collect()
}
