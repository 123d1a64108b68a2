//! The real data, where it is at hand, and a database of all real advisories in it.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::Instant,
};

use advisory::database::Database;
use feeds::{BuildOptions, build, feed};
use tempfile::TempDir;

/// The folder of real images and advisories.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.join("images").is_dir() && folder.join("advisories").is_dir() {
        return Some(folder);
    }
    println!("skipped: no real images and advisories at ../shared/data");
    None
}

/// The database, built once for the tests that run at the same time and removed after the last.
pub(crate) struct Advisories {
    pub(crate) database: Database,
    _directory: TempDir,
}

impl Advisories {
    /// The shared one.
    pub(crate) fn of(data: &Path) -> Arc<Self> {
        static SHARED: Mutex<Weak<Advisories>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let started = Instant::now();
            let directory = tempfile::tempdir().unwrap();
            let database = build_database(&data.join("advisories"), directory.path());
            println!("the database was built in {:.1?}", started.elapsed());
            let advisories = Arc::new(Self { database, _directory: directory });
            *shared = Arc::downgrade(&advisories);
            advisories
        })
    }
}

fn build_database(advisories: &Path, out: &Path) -> Database {
    let files = fs::read_dir(advisories).unwrap().map(|entry| entry.unwrap().path());
    // What was harvested from the tests of other projects is in part made up.
    let is_real = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with("osv.jsonl.zst") && !name.starts_with("misc-")
    };
    let mut sources: Vec<PathBuf> = files.filter(is_real).collect();
    sources.sort();
    let options = BuildOptions { built: "2026-01-02T03:04:05Z".into(), ..BuildOptions::default() };
    let built = build(&sources, out, feed("osv").unwrap(), &options).unwrap();
    assert_eq!((built.malformed, built.unreadable), (0, 0), "{:?}", built.bad);
    Database::open(out).unwrap()
}

/// The differing lines of two texts, a few of each side.
pub(crate) fn difference(
    name: &str,
    wanted: &BTreeSet<String>,
    got: &BTreeSet<String>,
    wanted_by: &str,
) -> String {
    let mut text = String::new();
    let (lost, new) = (wanted.difference(got), got.difference(wanted));
    for (line, what) in lost.map(|line| (line, "-")).chain(new.map(|line| (line, "+"))).take(40) {
        let _ = writeln!(text, "  {what} {line}");
    }
    if text.is_empty() { text } else { format!("{name}, - {wanted_by}, + lazaret:\n{text}") }
}
