//! The databases of rpm: SQLite, ndb and Berkeley DB hash, and the manifest that some distroless images have
//! in place of one.
//!
//! Which database counts. rpm uses one directory, and in it one database; which one is a matter of its
//! configuration in the image, which is not read. So: in a directory, the first of `rpmdb.sqlite`,
//! `Packages.db`, `Packages` (the newest form first, as rpm converts in that direction) that records a package
//! is the database, and the others are left-overs. Different directories are taken together, and so is the
//! manifest; a package (name, version, architecture) that several of them record is listed once. Problems of
//! all of them are reported.
//!
//! A write-ahead log belongs to `rpmdb.sqlite` even when it lies in another layer. What it commits is only
//! known together with the database, so both are read at the end; a package that only the log brings is
//! recorded by the log. A log that cannot be put on its database is a problem, since it hides packages. The form of a database is told by its first bytes, not by its name.
//!
//! No SQL engine and no library of Berkeley DB runs here, and rpm's indexes are not read.

pub mod bdb;
mod collect;
pub mod header;
pub mod manifest;
pub mod ndb;
pub mod source;
pub mod sqlite;
pub mod wal;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use model::{Package, Problem, ProblemCode};

use crate::{Analyzer, Blob, Content, Entry, EntryKind, Fact, FileView, Files, Merged, Observation, Want};
use collect::Collector;
use source::{Damage, ReadAt};
use wal::Wal;

/// rpm databases.
pub struct RpmAnalyzer;

/// Where rpm keeps its database: SUSE and Fedora since 2021, systems of rpm-ostree, all others.
const DIRECTORIES: [&str; 3] = ["usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm"];
const SQLITE: &str = "rpmdb.sqlite";
const SQLITE_LOG: &str = "rpmdb.sqlite-wal";
/// The databases of one directory, those that come first win.
const DATABASES: [&str; 3] = [SQLITE, "Packages.db", "Packages"];
const MANIFEST: &str = "var/lib/rpmmanifest/container-manifest-2";

/// Largest database that is read, in bytes. It stays on disk while it is.
const DATABASE_MAX: u64 = 1 << 30;
/// Largest write-ahead log, in bytes. SQLite begins a new one at 4 MB unless a transaction is larger.
const LOG_MAX: u64 = 256 << 20;
/// Largest manifest, in bytes.
const MANIFEST_MAX: u64 = 32 << 20;
/// A log up to this many bytes is kept as a fact; a larger one is read again.
const LOG_KEPT_MAX: u64 = 1 << 20;
/// The fact that stands for a larger log.
const LOG_MARK: &str = "write-ahead log";

impl Analyzer for RpmAnalyzer {
    fn name(&self) -> &'static str {
        "os/rpm"
    }

    fn version(&self) -> u32 {
        2
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "usr/lib/sysimage/rpm/rpmdb.sqlite",
            "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
            "usr/lib/sysimage/rpm/Packages.db",
            "usr/lib/sysimage/rpm/Packages",
            "usr/share/rpm/rpmdb.sqlite",
            "usr/share/rpm/rpmdb.sqlite-wal",
            "usr/share/rpm/Packages.db",
            "usr/share/rpm/Packages",
            "var/lib/rpm/rpmdb.sqlite",
            "var/lib/rpm/rpmdb.sqlite-wal",
            "var/lib/rpm/Packages.db",
            "var/lib/rpm/Packages",
            MANIFEST,
        ]
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if entry.kind != EntryKind::File {
            return Want::No;
        }
        if entry.path == MANIFEST {
            return Want::Content { max: MANIFEST_MAX };
        }
        let Some((directory, name)) = entry.path.rsplit_once('/') else { return Want::No };
        if !DIRECTORIES.contains(&directory) {
            return Want::No;
        }
        match name {
            SQLITE_LOG => Want::Content { max: LOG_MAX },
            _ if DATABASES.contains(&name) => Want::Content { max: DATABASE_MAX },
            _ => Want::No,
        }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let name = entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name);
        let blob = match content.into_blob() {
            Ok(blob) => blob,
            Err(error) => return Observation::unreadable(&error),
        };
        match name {
            SQLITE_LOG => observe_log(&blob),
            _ if DATABASES.contains(&name) => parse(&blob, None),
            _ => {
                read_all(&blob).map_or_else(|error| Observation::unreadable(&error), |b| manifest::parse(&b))
            }
        }
    }

    fn revisit(&self, files: &Files<'_>) -> Vec<String> {
        let mut paths = Vec::new();
        for directory in DIRECTORIES {
            let path = |name| format!("{directory}/{name}");
            let (Some(_), Some(log)) = (files.get(&path(SQLITE)), log_of(files, directory)) else { continue };
            paths.push(path(SQLITE));
            if matches!(log, Log::Marked) {
                paths.push(path(SQLITE_LOG));
            }
        }
        paths
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        let rebuilt = DIRECTORIES.map(|directory| with_log(files, directory, &mut merged.problems));
        let mut chosen: Vec<FileView<'_>> = files.get(MANIFEST).into_iter().collect();
        for (directory, rebuilt) in DIRECTORIES.iter().zip(&rebuilt) {
            let mut candidates = DATABASES.iter().map(|name| match rebuilt {
                Some(both) if *name == SQLITE => both.views(files, directory),
                _ => files.get(&format!("{directory}/{name}")).into_iter().collect(),
            });
            chosen.extend(candidates.find(|views| views.iter().any(has_packages)).into_iter().flatten());
        }
        merged.add_database(&Files::new(chosen));
    }
}

/// Reads a database of any form. An empty file records nothing, unless there is a log for it: the log's index
/// of pages and its bytes.
///
/// Packages come in the order of the file, each followed by the files of interest that it owns; what could not
/// be read becomes a problem beside the packages that could.
pub fn parse(source: &dyn ReadAt, log: Option<(&Wal, &dyn ReadAt)>) -> Observation {
    let mut collector = Collector::default();
    let mut visit = |record: Result<&[u8], Damage>| collector.record(record);
    let mut start = [0; 16];
    let known = usize::try_from(source.len()).map_or(start.len(), |len| len.min(start.len()));
    let outcome = match source.read_at(0, &mut start[..known]) {
        Err(error) => Err(Damage::of_read(&error, "its first bytes")),
        Ok(()) if log.is_some() => sqlite::read(source, log, &mut visit),
        Ok(()) if known == 0 => Ok(()),
        Ok(()) if start.starts_with(sqlite::MAGIC) => sqlite::read(source, None, &mut visit),
        Ok(()) if start.starts_with(ndb::MAGIC) => ndb::read(source, &mut visit),
        Ok(()) if bdb::recognise(&start[..known]).is_some() => bdb::read(source, &mut visit),
        Ok(()) => Err(Damage::Malformed("the file is no database of a known form")),
    };
    if let Err(damage) = outcome {
        collector.damage(&damage);
    }
    collector.finish()
}

/// Keeps the committed part of a log, or notes that there is one.
fn observe_log(blob: &Blob) -> Observation {
    let fact = match Wal::parse(blob) {
        Ok(None) => return Observation::default(),
        Ok(Some(wal)) if wal.committed <= LOG_KEPT_MAX => {
            let mut bytes = vec![0; usize::try_from(wal.committed).unwrap_or(0)];
            match blob.read_at(0, &mut bytes) {
                Ok(()) => Fact::Bytes(bytes),
                Err(error) => return Observation::unreadable(&error),
            }
        }
        Ok(Some(_)) => Fact::Text(LOG_MARK.to_owned()),
        Err(damage) => {
            return Observation::problem(ProblemCode::FileCorrupt, format!("rpm database log: {damage}"));
        }
    };
    Observation { facts: vec![fact], problems: Vec::new() }
}

/// A log with something committed in it.
enum Log<'a> {
    /// Its bytes were kept.
    Kept(&'a [u8]),
    /// It must be read again.
    Marked,
}

fn log_of<'a>(files: &Files<'a>, directory: &str) -> Option<Log<'a>> {
    match files.get(&format!("{directory}/{SQLITE_LOG}"))?.observation.facts.first()? {
        Fact::Bytes(bytes) => Some(Log::Kept(bytes)),
        Fact::Text(_) => Some(Log::Marked),
        _ => None,
    }
}

/// A database as its log leaves it.
struct Rebuilt {
    /// What the database holds without the log, too.
    database: Observation,
    /// The packages that only the log brings: it is the file that records them, in its own layer.
    log: Observation,
}

impl Rebuilt {
    fn views<'a>(&'a self, files: &Files<'a>, directory: &str) -> Vec<FileView<'a>> {
        [(SQLITE, &self.database), (SQLITE_LOG, &self.log)]
            .into_iter()
            .filter_map(|(name, observation)| {
                let view = files.get(&format!("{directory}/{name}"))?;
                Some(FileView { observation, ..view })
            })
            .collect()
    }
}

/// Puts the log of a directory on its database; `None` when there is no log, or when that cannot be done.
fn with_log(files: &Files<'_>, directory: &str, problems: &mut Vec<Problem>) -> Option<Rebuilt> {
    let log = log_of(files, directory)?;
    let (database_path, log_path) = (format!("{directory}/{SQLITE}"), format!("{directory}/{SQLITE_LOG}"));
    let mut problem = |code, text: &str| problems.push(Problem::new(code, text).at_path(log_path.clone()));
    let Some(alone) = files.get(&database_path) else {
        problem(ProblemCode::FileCorrupt, "rpm database log: the database that it belongs to is not there");
        return None;
    };
    let log = match log {
        Log::Kept(bytes) => Some(bytes),
        Log::Marked => files.raw(&log_path),
    };
    let (Some(database), Some(log)) = (files.raw(&database_path), log) else {
        let text =
            "rpm database log: it could not be read together with its database, so its changes were not seen";
        problem(ProblemCode::LinkUnresolved, text);
        return None;
    };
    let Ok(Some(wal)) = Wal::parse(&log) else {
        problem(ProblemCode::FileCorrupt, "rpm database log: it changed between two readings");
        return None;
    };
    let mut together = parse(&database, Some((&wal, &log)));
    for found in std::mem::take(&mut together.problems) {
        problems.push(found.at_path(database_path.clone()));
    }
    let known: HashSet<&Package> = alone.observation.facts.iter().filter_map(package_of).collect();
    let is_new = |fact: &Fact| package_of(fact).is_some_and(|package| !known.contains(package));
    let (new, old) = together.facts.into_iter().partition(is_new);
    let of = |facts| Observation { facts, problems: Vec::new() };
    Some(Rebuilt { database: of(old), log: of(new) })
}

fn package_of(fact: &Fact) -> Option<&Package> {
    if let Fact::Package(package) = fact { Some(package) } else { None }
}

fn has_packages(view: &FileView<'_>) -> bool {
    view.observation.facts.iter().any(|fact| package_of(fact).is_some())
}

fn read_all(blob: &Blob) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(blob.len()).unwrap_or(0)];
    blob.read_at(0, &mut bytes)?;
    Ok(bytes)
}
