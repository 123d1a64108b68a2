//! Files of advisories, plain, packed and in archives, built into a database: what was written must be readable.
//! The first byte chooses the file's name; the container is told by the content.
#![no_main]

use std::{fs, path::Path};

use advisory::shard::Shard;
use feeds::{BuildError, BuildOptions, build, feed};

const NAMES: [&str; 3] = ["a.json", "a.jsonl", "all.zip"];

fn check(dir: &Path, choice: u8, content: &[u8]) {
    let source = dir.join(NAMES[usize::from(choice) % NAMES.len()]);
    fs::write(&source, content).expect("a temporary file");
    let out = dir.join("database");
    let feed = feed("osv").expect("the feed of OSV");
    let options = BuildOptions { built: "2026-01-01T00:00:00Z".into(), ..BuildOptions::default() };
    let summary = match build(&[source], &out, feed, &options) {
        Ok(summary) => summary,
        Err(BuildError::Install(error)) => panic!("a shard that was just written: {error:?}"),
        Err(_) => return,
    };
    for written in &summary.shards {
        let bytes = fs::read(&written.path).expect("the shard that was written");
        let shard = Shard::from_bytes(bytes).expect("a shard that can be opened");
        shard.verify().expect("a whole shard");
        shard.to_advisories().expect("advisories that can be read");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((choice, content)) = data.split_first() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    check(dir.path(), *choice, content);
});
