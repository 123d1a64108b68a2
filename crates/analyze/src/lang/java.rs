//! Java archives: `.jar`, `.war`, `.ear` and their kin (JAR File Specification), with the archives inside them.
//!
//! An archive is one package when it tells what it is, in this order:
//!
//! 1. `pom.properties` below `META-INF/maven` (Maven Archiver). The one whose artifact is that of the file name is
//!    the archive's own; any other speaks of an artifact whose classes were copied in, a package of its own.
//! 2. The main section of `META-INF/MANIFEST.MF`; see [`identity`].
//! 3. The file name, `artifact-version.jar`, as repositories have it.
//!
//! A package inside an archive has the path of the archive that holds it, `shop.war!/WEB-INF/lib/a.jar`, and the
//! SHA-1 of that archive when it is the archive itself: the digest by which Maven repositories are searched.
//!
//! Of an archive only the central directory and those entries are read. An archive without a name or without a
//! version, as applications have them, is no package and no problem. Left out on purpose: `.jmod` files (the
//! `release` file of the runtime names them all), `pom.xml`, and classes, which tell no version.

pub mod file_name;
pub mod identity;
pub mod known;
pub mod manifest;
pub mod properties;
pub mod walk;

#[cfg(test)]
mod tests;

use crate::{Analyzer, Blob, Content, Entry, EntryKind, Files, Merged, Observation, Want};

/// Java archives.
pub struct JavaAnalyzer;

/// Largest archive that is read, in bytes. It stays on disk while it is.
const FILE_MAX: u64 = 1 << 30;

/// How archives' names end, in lower case. The first three are always zip archives; files of the others may be
/// something else and are passed over in silence then.
const SUFFIXES: [&str; 10] =
    [".jar", ".war", ".ear", ".par", ".sar", ".nar", ".kar", ".jpi", ".hpi", ".lpkg"];

impl Analyzer for JavaAnalyzer {
    fn name(&self) -> &'static str {
        "lang/java"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let wanted = entry.kind == EntryKind::File && is_archive_path(entry.path.as_bytes());
        if wanted { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let name = entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name);
        match content.into_blob() {
            Ok(blob) => parse(&blob, name),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// True for the archives of the list above, whatever the case of their suffix.
pub fn is_archive_path(path: &[u8]) -> bool {
    suffix_of(path).is_some_and(|suffix| {
        let name = path.get(..path.len() - suffix.len()).unwrap_or_default();
        !matches!(name.last(), None | Some(b'/'))
    })
}

fn suffix_of(name: &[u8]) -> Option<&'static str> {
    // Nearly all paths end with none of these letters.
    if !matches!(name.last(), Some(b'r' | b'R' | b'i' | b'I' | b'g' | b'G')) {
        return None;
    }
    SUFFIXES.into_iter().find(|suffix| {
        let tail = name.len().checked_sub(suffix.len()).and_then(|start| name.get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix.as_bytes()))
    })
}

/// Reads one archive, whose file has that name: its own package, the ones copied into it, and those of the
/// archives inside it.
pub fn parse(blob: &Blob, name: &str) -> Observation {
    walk::read(blob, name)
}
