//! Against databases that rpm's own tools made, and what rpm lists in them.

use std::fs;

use super::*;
use crate::os::rpm::wal::Wal;

fn golden(name: &str) -> String {
    fs::read_to_string(testdata().join(name)).unwrap()
}

#[test]
fn every_form_yields_what_rpm_lists() {
    let expected = expected(&golden("packages.tsv"));
    assert_eq!(expected.len(), 28);
    let files: BTreeSet<String> = golden("files.tsv")
        .lines()
        .filter(|line| !line.ends_with("/lib/package.json"))
        .map(Into::into)
        .collect();
    assert_eq!(files.len(), 2);
    for name in DATABASES {
        let observation = parse_bytes(&fixture(name), None);
        assert_eq!(observation.problems, [], "{name}");
        assert_eq!(listed(&observation), expected, "{name}");
        assert_eq!(owned(&observation), files, "{name}");
    }
}

#[test]
fn a_log_is_read_up_to_its_last_commit() {
    let (database, log) = (fixture("rpmdb.sqlite"), fixture("rpmdb.sqlite-wal"));
    let after = expected(&golden("packages-after-log.tsv"));
    assert_ne!(after, expected(&golden("packages.tsv")));
    let observation = parse_bytes(&database, Some(&log));
    assert_eq!(observation.problems, []);
    assert_eq!(listed(&observation), after);
    // The log goes on after its last commit; that part must not matter.
    let wal = Wal::parse(&log.as_slice()).unwrap().unwrap();
    let committed = usize::try_from(wal.committed).unwrap();
    assert!(committed < log.len(), "the fixture has frames without a commit");
    assert_eq!(parse_bytes(&database, Some(&log[..committed])), observation);
}

#[test]
fn a_log_cut_off_at_any_frame_leaves_one_of_its_commits() {
    let (database, log) = (fixture("rpmdb.sqlite"), fixture("rpmdb.sqlite-wal"));
    let (before, after) = (expected(&golden("packages.tsv")), expected(&golden("packages-after-log.tsv")));
    let between: BTreeSet<String> =
        before.iter().filter(|line| !line.starts_with("plain\t")).cloned().collect();
    let mut states = vec![&before];
    for end in (0..=log.len()).step_by(1000).chain([log.len()]) {
        let state = match Wal::parse(&&log[..end]).unwrap() {
            None => listed(&parse_bytes(&database, None)),
            Some(wal) => listed(&parse(&database.as_slice(), Some((&wal, &&log[..end])))),
        };
        let known = [&before, &between, &after].into_iter().find(|known| **known == state);
        let known = known.unwrap_or_else(|| panic!("an unknown state at {end}"));
        if states.last() != Some(&known) {
            states.push(known);
        }
    }
    assert_eq!(states, [&before, &between, &after]);
}

#[test]
fn files_on_disk_read_as_those_in_memory() {
    for name in DATABASES {
        let bytes = fixture(name);
        let mut reader = bytes.as_slice();
        let blob = crate::Content::new(&mut reader, bytes.len() as u64, 0).into_blob().unwrap();
        assert!(matches!(blob, crate::Blob::File { .. }));
        assert_eq!(parse(&blob, None), parse_bytes(&bytes, None), "{name}");
    }
}

#[test]
fn the_golden_lists_are_what_rpm_reads() {
    let (sqlite, log) = (("rpmdb.sqlite", "rpmdb.sqlite"), ("rpmdb.sqlite-wal", "rpmdb.sqlite-wal"));
    for (files, backend, list) in [
        (&[sqlite][..], "sqlite", "packages.tsv"),
        (&[sqlite, log], "sqlite", "packages-after-log.tsv"),
        (&[("Packages.db", "Packages.db")], "ndb", "packages.tsv"),
        (&[("Packages.le", "Packages")], "bdb_ro", "packages.tsv"),
        (&[("Packages.be", "Packages")], "bdb_ro", "packages.tsv"),
        (&[("Packages.inline", "Packages")], "bdb_ro", "packages.tsv"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        for (name, as_name) in files {
            fs::write(directory.path().join(as_name), fixture(name)).unwrap();
        }
        let Some(oracle) = real::oracle("packages", directory.path(), backend) else { return };
        assert_eq!(oracle, golden(list), "{files:?}");
    }
}
