//! Well-known programs and libraries that no package manager installed, told by version strings in them.
//!
//! By its file's name first ([`table`]), then by what its makers have it say of itself; a name alone tells
//! nothing. The string is looked for while the file streams past, so that size does not matter. Beside
//! executables two text files are read: `release` of a Java runtime (JEP 223, "New Version-String Scheme", and
//! `make/ReleaseFile.gmk` of OpenJDK) and `VERSION` of a Go toolchain.
//!
//! What an operating system package installed is left out: it would be reported twice. Programs of Go and Rust
//! are not in the table, for they tell more by themselves ([`super::binary`]). A known name with no version in
//! it is left out in silence: names are no proof.

mod table;

use std::io::{self, Read as _};

use memchr::memmem::Finder;
use model::{Package, PackageKind};

use self::table::{PROGRAMS, Program, Told};
use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want, executable::Format, text};

/// Largest executable that is searched, in bytes.
const PROGRAM_MAX: u64 = 1 << 30;

/// Largest text file that is read, in bytes; real ones have less than 2 KiB.
const TEXT_MAX: u64 = 64 << 10;

/// Bytes that are searched at once.
const CHUNK: usize = 256 << 10;

/// Bytes that a version string with its surroundings may have.
const MARGIN: usize = 128;

/// Longest version that is taken.
const VERSION_MAX: usize = 40;

/// Well-known programs.
pub struct ProgramAnalyzer;

impl Analyzer for ProgramAnalyzer {
    fn name(&self) -> &'static str {
        "lang/program"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let path = entry.path.as_bytes();
        if is_text_path(path) {
            // Larger files of that name are something else.
            return if entry.size <= TEXT_MAX { Want::Content { max: TEXT_MAX } } else { Want::No };
        }
        if is_program_path(path) { Want::Content { max: PROGRAM_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        observe(file_name(entry.path.as_bytes()), content)
            .unwrap_or_else(|error| Observation::unreadable(&error))
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        // Lists may name a path as it was before `/lib` became a link to `/usr/lib`, and so may images.
        let is_owned = |merged: &Merged, path: &str| {
            let other = path.strip_prefix("usr/").map_or_else(|| format!("usr/{path}"), str::to_owned);
            merged.owned.contains_key(path) || merged.owned.contains_key(&other)
        };
        let free: Vec<Package> = files
            .packages()
            .filter(|package| !is_owned(merged, &package.path) && !is_of_distro(&merged.packages, package))
            .collect();
        merged.packages.extend(free);
    }
}

/// Whether a package of the distribution says that it is this program in this version: minimal images leave out the
/// lists that name the owners of files.
fn is_of_distro(packages: &[Package], program: &Package) -> bool {
    let is_it = |name: &str, version: &str| {
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        let rest = version.strip_prefix(program.version.as_str()).filter(|_| name == program.name);
        rest.is_some_and(|rest| !goes_on(rest))
    };
    packages.iter().filter(|package| package.kind.is_os()).any(|package| {
        let source = package.source.as_ref();
        is_it(&package.name, &package.version) || source.is_some_and(|s| is_it(&s.name, &s.version))
    })
}

/// Whether what follows a version makes it another one: `1.2.11.dfsg-2` is built from 1.2.11, `1.2.11.3-1` is not.
fn goes_on(rest: &str) -> bool {
    let rest = rest
        .strip_prefix('.')
        .map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()));
    rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// True for paths whose owners package managers keep for this analyzer: libraries and texts. Of programs they keep
/// those in directories of programs ([`super::binary::is_program_path`]); a directory may be named like one.
pub fn is_listed_path(path: &[u8]) -> bool {
    is_text_path(path) || file_name(path).starts_with(b"lib") && is_program_path(path)
}

fn is_text_path(path: &[u8]) -> bool {
    path.ends_with(b"/release") || path.ends_with(b"go/VERSION")
}

fn is_program_path(path: &[u8]) -> bool {
    programs(file_name(path)).next().is_some()
}

fn file_name(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).and_then(|slash| path.get(slash + 1..)).unwrap_or(path)
}

/// The rows for files of that name.
fn programs(name: &[u8]) -> impl Iterator<Item = &'static Program> {
    let stem = table::stem(name);
    PROGRAMS.iter().filter(move |program| stem.is_some_and(|stem| program.files.contains(&stem)))
}

fn observe(name: &[u8], mut content: Content<'_>) -> io::Result<Observation> {
    let mut observation = Observation::default();
    if matches!(name, b"release" | b"VERSION") {
        let bytes = content.into_bytes()?;
        let package = if name == b"release" { java(&bytes) } else { go(&bytes) };
        observation.facts.extend(package.map(Into::into));
        return Ok(observation);
    }
    if Format::of(content.peek(4)?).is_none() {
        return Ok(observation);
    }
    if let Some((package, version)) = search(name, &mut content)? {
        observation.facts.push(Package::new(PackageKind::Generic, package, version).into());
    }
    Ok(observation)
}

/// What is looked for in one file.
struct Search {
    program: &'static Program,
    needles: Vec<Finder<'static>>,
    /// The versions that were found, each once.
    found: Vec<String>,
}

/// The first of the programs that the file can be, by the order of the table, and its version.
fn search(name: &[u8], content: &mut Content<'_>) -> io::Result<Option<(&'static str, String)>> {
    let mut searches: Vec<Search> = programs(name)
        .map(|program| Search {
            program,
            needles: program.find.needles(name).into_iter().map(|n| Finder::new(&n).into_owned()).collect(),
            found: Vec::new(),
        })
        .collect();
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK);
    loop {
        let missing = CHUNK - buffer.len();
        let read = content.by_ref().take(missing as u64).read_to_end(&mut buffer)?;
        let is_last = read < missing;
        for search in &mut searches {
            search.look(&buffer, is_last);
        }
        let first = searches.first().is_some_and(Search::is_settled);
        if is_last || first {
            break;
        }
        // Twice the margin: what stands too near the end is found again, with all that is before it.
        let keep = buffer.len().saturating_sub(2 * MARGIN);
        buffer.drain(..keep);
    }
    Ok(searches.into_iter().find_map(Search::answer))
}

impl Search {
    fn look(&mut self, buffer: &[u8], is_last: bool) {
        for needle in &self.needles {
            for at in needle.find_iter(buffer) {
                let end = at + needle.needle().len();
                if !is_last && end + MARGIN > buffer.len() {
                    break;
                }
                let found = self.program.find.version(buffer, at, end);
                let Some(version) = found.and_then(text::token) else { continue };
                if !self.found.contains(&version) && self.found.len() < 8 {
                    self.found.push(version);
                }
            }
        }
    }

    /// True when reading on cannot change the answer.
    fn is_settled(&self) -> bool {
        self.program.told == Told::First && !self.found.is_empty()
    }

    fn answer(self) -> Option<(&'static str, String)> {
        let is_clear = self.program.told == Told::First || self.found.len() == 1;
        self.found.into_iter().next().filter(|_| is_clear).map(|version| (self.program.package, version))
    }
}

/// Reads `release` of a Java runtime: `JAVA_VERSION="17.0.9"`. Java 8 calls itself `1.8.0_392`; that is 8.0.392
/// in the scheme that came with Java 9, and which advisories are written in.
fn java(bytes: &[u8]) -> Option<Package> {
    let value = bytes
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.trim_ascii().strip_prefix(b"JAVA_VERSION=\"")?.strip_suffix(b"\""))?;
    let version = match value.strip_prefix(b"1.") {
        Some(old) => old.iter().map(|byte| if *byte == b'_' { b'.' } else { *byte }).collect(),
        None => value.to_vec(),
    };
    let version = table::take_version(&version, 1)?;
    Some(Package::new(PackageKind::Generic, "openjdk", text::token(version)?))
}

/// Reads `VERSION` of a Go toolchain: `go1.22.3`, then when that was made.
fn go(bytes: &[u8]) -> Option<Package> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.trim_ascii().strip_prefix(b"go")?;
    let version = table::take_version(line, 2)?;
    Some(Package::new(PackageKind::Generic, "go", text::token(version)?))
}

#[cfg(test)]
mod tests;
