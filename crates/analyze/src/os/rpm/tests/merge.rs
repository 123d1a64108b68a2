//! The analyzer as the engine drives it: observe each file, revisit, finish.

use std::collections::BTreeMap;

use model::ProblemCode;

use super::{encode::*, *};
use crate::os::rpm::source::ByteOrder;
use crate::{Analyzer as _, Content, Entry, EntryKind, FileView, Files, Merged, Want, os::rpm::RpmAnalyzer};

fn entry(path: &str) -> Entry<'_> {
    Entry { path, kind: EntryKind::File, size: 0, mode: 0o644, uid: 0, gid: 0, link: None }
}

fn observe(path: &str, bytes: &[u8]) -> Observation {
    assert_ne!(RpmAnalyzer.wants(&entry(path)), Want::No, "{path}");
    let mut reader = bytes;
    RpmAnalyzer.observe(&entry(path), Content::new(&mut reader, bytes.len() as u64, 1 << 20))
}

/// What comes of an image with these files; `raw` tells which files can be read again.
fn finish(files: &[(&str, &[u8])], raw: impl Fn(&str) -> bool) -> Merged {
    let observed: Vec<(&str, Observation)> =
        files.iter().map(|(path, bytes)| (*path, observe(path, bytes))).collect();
    let views =
        observed.iter().map(|(path, observation)| FileView { path, observation, layer: None }).collect();
    let files_view = Files::new(views);
    let mut again = BTreeMap::new();
    for path in RpmAnalyzer.revisit(&files_view) {
        if raw(&path) {
            let (_, bytes) =
                files.iter().find(|(name, _)| *name == path).expect("a visible file is asked for");
            again.insert(path, bytes.to_vec());
        }
    }
    let mut merged = Merged::default();
    RpmAnalyzer.finish(&files_view.with_raw(again), &mut merged);
    merged
}

fn check(files: &[(&str, &[u8])], packages: &[(&str, &str)], problems: &[(ProblemCode, &str)]) {
    check_merged(&finish(files, |_| true), packages, problems);
}

fn check_merged(merged: &Merged, packages: &[(&str, &str)], problems: &[(ProblemCode, &str)]) {
    let found: Vec<(&str, &str)> =
        merged.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
    assert_eq!(found, packages);
    let found: Vec<(ProblemCode, &str)> =
        merged.problems.iter().map(|p| (p.code, p.path.as_deref().unwrap_or_default())).collect();
    assert_eq!(found, problems, "{:?}", merged.problems);
}

const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";
const LOG: &str = "var/lib/rpm/rpmdb.sqlite-wal";

fn database(names: &[&str]) -> Vec<u8> {
    sqlite(&[table(names)])
}

fn table(names: &[&str]) -> Vec<u8> {
    leaf(&names.iter().map(|name| cell(&record(&package(name, 8)), None).0).collect::<Vec<_>>())
}

fn log_of(names: &[&str]) -> Vec<u8> {
    log(ByteOrder::Big, &[(2, 2, &table(names))])
}

#[test]
fn wants_the_databases_and_nothing_else() {
    for path in RpmAnalyzer.anchors() {
        assert_ne!(RpmAnalyzer.wants(&entry(path)), Want::No, "{path}");
        assert_eq!(RpmAnalyzer.wants(&Entry { kind: EntryKind::Directory, ..entry(path) }), Want::No);
    }
    for path in [
        "",
        "Packages",
        "rpm/Packages",
        "var/lib/rpm/Name",
        "var/lib/rpm/rpmdb.sqlite-shm",
        "var/lib/rpm/Packages/x",
        "usr/var/lib/rpm/Packages",
        "opt/container-manifest-2",
        "var/lib/rpmmanifest/container-manifest-1",
    ] {
        assert_eq!(RpmAnalyzer.wants(&entry(path)), Want::No, "{path}");
    }
}

#[test]
fn a_log_is_put_on_its_database() {
    let (database, log) = (database(&["a", "b"]), log_of(&["b", "c"]));
    check(&[(DATABASE, &database)], &[("a", DATABASE), ("b", DATABASE)], &[]);
    check(&[(DATABASE, &database), (LOG, &log)], &[("b", DATABASE), ("c", LOG)], &[]);
    check(&[(DATABASE, &database), (LOG, b"")], &[("a", DATABASE), ("b", DATABASE)], &[]);
    check(&[(DATABASE, &database), (LOG, &log[..500])], &[("a", DATABASE), ("b", DATABASE)], &[]);
    check(&[(DATABASE, b""), (LOG, b"")], &[], &[]);
    // All of it may still be in the log.
    let mut fresh = database[..PAGE].to_vec();
    fresh[103..105].fill(0);
    let frames: [(u32, u32, &[u8]); 2] = [(1, 0, &database[..PAGE]), (2, 2, &database[PAGE..])];
    let log = encode::log(ByteOrder::Big, &frames);
    for database in [&b""[..], &fresh] {
        check(&[(DATABASE, database), (LOG, &log)], &[("a", LOG), ("b", LOG)], &[]);
        assert_eq!(observe(DATABASE, database).problems, []);
    }
}

#[test]
fn a_large_log_is_read_again() {
    let database = database(&["a"]);
    let (before, after) = (table(&["b"]), table(&["c"]));
    let mut frames: Vec<(u32, u32, &[u8])> = vec![(2, 2, &before); 2500];
    frames.push((2, 2, &after));
    let log = log(ByteOrder::Little, &frames);
    assert!(log.len() as u64 > crate::os::rpm::LOG_KEPT_MAX);
    assert!(matches!(observe(LOG, &log).facts[..], [Fact::Text(_)]));
    let files = [(DATABASE, database.as_slice()), (LOG, log.as_slice())];
    check(&files, &[("c", LOG)], &[]);
    for missing in [DATABASE, LOG] {
        let merged = finish(&files, |path| path != missing);
        check_merged(&merged, &[("a", DATABASE)], &[(ProblemCode::LinkUnresolved, LOG)]);
    }
}

#[test]
fn a_log_that_cannot_be_used_is_a_problem() {
    let (database, log) = (database(&["a"]), log_of(&["b"]));
    let merged = finish(&[(DATABASE, &database), (LOG, &log)], |_| false);
    check_merged(&merged, &[("a", DATABASE)], &[(ProblemCode::LinkUnresolved, LOG)]);
    check(&[(LOG, &log)], &[], &[(ProblemCode::FileCorrupt, LOG)]);
    let other = fixture("rpmdb.sqlite-wal");
    check(&[(DATABASE, &database), (LOG, &other)], &[], &[(ProblemCode::FileCorrupt, DATABASE)]);
}

#[test]
fn one_database_counts_in_a_directory() {
    let (sqlite, ndb) = (database(&["a"]), ndb(&[package("b", 8)]));
    let newer = "usr/lib/sysimage/rpm/Packages.db";
    let older = "usr/lib/sysimage/rpm/Packages";
    let bdb = bdb(
        ByteOrder::Little,
        &[hash_page(ByteOrder::Little, &[(1, [&[1][..], &package("c", 8)].concat())])],
    );
    check(&[(newer, &ndb), (older, &bdb)], &[("b", newer)], &[]);
    check(
        &[("usr/lib/sysimage/rpm/rpmdb.sqlite", &sqlite), (newer, &ndb)],
        &[("a", "usr/lib/sysimage/rpm/rpmdb.sqlite")],
        &[],
    );
    // What holds no package is no reason to overlook what does.
    check(&[(newer, b""), (older, &bdb)], &[("c", older)], &[]);
    check(&[(newer, b"garbage"), (older, &bdb)], &[("c", older)], &[]);
    // The form counts, not the name.
    check(&[(older, &ndb)], &[("b", older)], &[]);
}

#[test]
fn directories_are_taken_together_and_packages_once() {
    let (both, one) = (database(&["a", "b"]), ndb(&[package("b", 300), package("c", 8)]));
    let sysimage = "usr/lib/sysimage/rpm/Packages.db";
    let manifest = "var/lib/rpmmanifest/container-manifest-2";
    let lines = b"d\t1-2\t1\t2\tV\t(none)\t3\tnoarch\t0\td-1-2.src.rpm\n";
    check(
        &[(DATABASE, &both), (sysimage, &one), (manifest, lines)],
        &[("b", sysimage), ("c", sysimage), ("a", DATABASE), ("d", manifest)],
        &[],
    );
}

#[test]
fn problems_of_single_files_stay_with_them() {
    let observation = observe(DATABASE, b"garbage");
    assert_eq!(observation.facts, []);
    assert_eq!(observation.problems.len(), 1);
    assert_eq!(observation.problems[0].code, ProblemCode::FileCorrupt);
    assert!(observation.problems[0].path.is_none());
}

#[test]
fn owners_of_files_are_merged() {
    let merged = finish(&[(DATABASE, &fixture("rpmdb.sqlite"))], |_| true);
    let expected = [
        ("usr/lib/node_modules/demo/package.json", "many-files"),
        ("usr/lib/python3.9/site-packages/demo-1.0.dist-info/METADATA", "many-files"),
    ];
    let found: Vec<(&str, &str)> =
        merged.owned.iter().map(|(path, owner)| (path.as_str(), owner.as_str())).collect();
    assert_eq!(found, expected);
}
