//! The database as a whole: what is written is found again, by this and by other processes.

use std::{thread, time::SystemTime};

use model::{
    Advisory,
    advisory::{Affected, Event, Range},
};

use super::*;
use crate::shard::ShardWriter;

fn name(text: &str) -> ShardName {
    ShardName::new(text).unwrap()
}

fn write(dir: &Path, shard: &str, fixed: &str) -> WrittenShard {
    let events = vec![Event::Introduced("0".into()), Event::Fixed(fixed.into())];
    let affected = Affected {
        ecosystem: "Debian:12".into(),
        name: "tar".into(),
        ranges: vec![Range { events, ..Range::default() }],
        ..Affected::default()
    };
    let mut writer = ShardWriter::new(name(shard), "deb");
    writer.push(&Advisory { id: "CVE-1".into(), affected: vec![affected], ..Advisory::default() }).unwrap();
    writer.finish(dir, "a test", "2026-01-02T03:04:05Z").unwrap()
}

fn shard_files(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".shard")).count()
}

#[test]
fn a_shard_is_replaced_and_the_old_one_removed() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path().join("db")).unwrap();
    assert!(database.status().unwrap().is_empty());
    assert!(database.shard(&name("debian-12")).unwrap().is_none());

    let origin = Origin { etag: Some("\"1\"".into()), ..Origin::default() };
    database.install(&[(write(database.dir(), "debian-12", "1"), origin.clone())]).unwrap();
    let old = database.shard(&name("debian-12")).unwrap().unwrap();
    let second = write(database.dir(), "debian-12", "2");
    database.install(&[(second.clone(), Origin::default())]).unwrap();
    database.confirm(&[name("debian-12"), name("pypi")], "2026-02-01T00:00:00Z").unwrap();
    assert_eq!(shard_files(database.dir()), 1);
    assert_eq!(old.rows("tar").count(), 1, "an open shard outlives its file");

    let entry = &database.status().unwrap()["debian-12"];
    assert_eq!((entry.advisories, entry.rows, &entry.digest), (1, 1, &second.digest));
    assert_eq!(entry.origin.checked.as_deref(), Some("2026-02-01T00:00:00Z"));
    assert_eq!(database.shard(&name("debian-12")).unwrap().unwrap().digest(), second.digest);
    // The same content again keeps its file.
    database.install(&[(write(database.dir(), "debian-12", "2"), origin)]).unwrap();
    assert_eq!(shard_files(database.dir()), 1);
}

#[test]
fn abandoned_files_are_removed_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let named = write(dir.path(), "debian-12", "1");
    database.install(&[(named.clone(), Origin::default())]).unwrap();
    let long_ago = SystemTime::now() - 2 * ABANDONED;
    let age = |path: &Path| File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    age(&named.path);
    for name in [".export-1.tmp", ".shard-1.tmp", "old-1.shard", "notes.txt", ".export-2.tmp", "new-1.shard"]
    {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    for name in [".export-1.tmp", ".shard-1.tmp", "old-1.shard", "notes.txt"] {
        age(&dir.path().join(name));
    }
    database.confirm(&[], "").unwrap();
    let files = fs::read_dir(dir.path()).unwrap();
    let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort_unstable();
    let named = named.path.file_name().unwrap().to_str().unwrap();
    assert_eq!(files, [".export-2.tmp", named, "manifest.json", "manifest.lock", "new-1.shard", "notes.txt"]);
}

#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    database.install(&[(write(dir.path(), "debian-12", "0"), Origin::default())]).unwrap();
    thread::scope(|scope| {
        for writer in 0..3 {
            let database = &database;
            scope.spawn(move || {
                for n in 0..8 {
                    let fixed = format!("{writer}.{n}");
                    let shards = ["debian-12".to_owned(), format!("own-{writer}")]
                        .map(|shard| (write(database.dir(), &shard, &fixed), Origin::default()));
                    database.install(&shards).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let shard = database.shard(&name("debian-12")).unwrap().unwrap();
                    assert_eq!(shard.rows("tar").count(), 1);
                }
            });
        }
    });
    let names: Vec<String> = database.status().unwrap().into_keys().collect();
    assert_eq!(names, ["debian-12", "own-0", "own-1", "own-2"]);
    assert_eq!(shard_files(dir.path()), 4);
}

#[test]
fn what_is_damaged_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let written = write(dir.path(), "debian-12", "1");
    let mut bytes = fs::read(&written.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&written.path, &bytes).unwrap();
    let refused = database.install(&[(written, Origin::default())]).unwrap_err();
    assert!(matches!(refused, DatabaseError::Shard(_, ShardError::Checksum(_))), "{refused:?}");

    let manifest = |file: &str, format: u32| {
        let entry = Entry {
            file: file.into(),
            digest: String::new(),
            bytes: 0,
            source: String::new(),
            advisories: 0,
            rows: 0,
            built: String::new(),
            origin: Origin::default(),
        };
        let shards = BTreeMap::from([("debian-12".to_owned(), entry)]);
        let text = serde_json::to_vec(&Manifest { format, shards, enrichment: BTreeMap::new() }).unwrap();
        fs::write(dir.path().join(MANIFEST), text).unwrap();
    };
    for file in ["../outside.shard", "/etc/passwd", "missing.shard", ".manifest"] {
        manifest(file, FORMAT);
        assert!(matches!(database.shard(&name("debian-12")), Err(DatabaseError::Shard(..))), "{file}");
    }
    manifest("x", 2);
    assert!(matches!(Database::open(dir.path()), Err(DatabaseError::ManifestFormat(_, 2))));
    fs::write(dir.path().join(MANIFEST), "{").unwrap();
    assert!(matches!(Database::open(dir.path()), Err(DatabaseError::Manifest(..))));
}
