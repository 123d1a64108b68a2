//! dpkg databases of Debian, Ubuntu and their kin.
//!
//! | path | holds |
//! |---|---|
//! | `var/lib/dpkg/status` | all packages, as stanzas (deb-control(5); states in dpkg(1)) |
//! | `var/lib/dpkg/status.d/NAME` | distroless images: the stanza of one package, without a `Status` |
//! | `var/lib/dpkg/status.d/NAME.md5sums` | distroless images: its files, with their digests (deb-md5sums(5)) |
//! | `var/lib/dpkg/info/NAME.list`, `NAME:ARCH.list` | its files and directories, one path a line |
//!
//! A package counts as present unless its state says that its files are gone (`not-installed`,
//! `config-files`): an unpacked or half-installed package's files can be run. Licences are not recorded by
//! dpkg, and opkg's databases are not read.

use memchr::memchr_iter;
use model::{Package, PackageKind, Problem, ProblemCode, package::SourcePackage};

use super::{OwnedPaths, PACKAGES_MAX};
use crate::{
    Analyzer, Content, Entry, Fact, Files, Merged, Observation, Want,
    header::{self, Line},
    requires::Requires,
    text,
};

const DATABASE: &str = "var/lib/dpkg/";
const STATUS: &str = "var/lib/dpkg/status";

/// Largest status file that is read, in bytes; a full desktop's is near 8 MB.
const STATUS_MAX: u64 = 32 << 20;

/// Largest list of files that is read, in bytes; those of the largest packages are near 5 MB.
const LIST_MAX: u64 = 32 << 20;

/// dpkg databases.
pub struct DpkgAnalyzer;

impl Analyzer for DpkgAnalyzer {
    fn name(&self) -> &'static str {
        "os/dpkg"
    }

    fn version(&self) -> u32 {
        3
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[STATUS]
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let Some(rest) = entry.path.strip_prefix(DATABASE) else { return Want::No };
        if let Some(name) = rest.strip_prefix("info/") {
            return if name.ends_with(".list") && !name.contains('/') {
                Want::Content { max: LIST_MAX }
            } else {
                Want::No
            };
        }
        let in_status_d = rest.strip_prefix("status.d/").is_some_and(|name| !name.contains('/'));
        if rest == "status" || in_status_d { Want::Content { max: STATUS_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        let bytes = match content.into_bytes() {
            Ok(bytes) => bytes,
            Err(error) => return Observation::unreadable(&error),
        };
        let name = entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name);
        if let Some(package) = name.strip_suffix(".list") {
            // The architecture is part of the name where several may be installed side by side.
            return parse_list(package.split_once(':').map_or(package, |(name, _)| name), &bytes);
        }
        match name.strip_suffix(".md5sums") {
            Some(package) => parse_md5sums(package, &bytes),
            None => parse(&bytes),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.add_database(files);
    }
}

/// Reads a status file, or a part of one.
///
/// The source is the `Source` field, with the package's own version where it gives none, or the package
/// itself. A state that is not given counts as installed, as in distroless images.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut database = Database::default();
    let mut record = Record::default();
    for line in header::lines(bytes) {
        match line {
            Line::Field { name, value } => {
                // Two names in one stanza: the empty line between them got lost.
                if record.package.is_some() && name.eq_ignore_ascii_case(b"Package") {
                    database.add(&std::mem::take(&mut record));
                }
                record.read_field(name, value);
            }
            Line::Blank => database.add(&std::mem::take(&mut record)),
            Line::Continuation(_) => {}
            Line::Malformed => database.n_odd_lines += 1,
        }
    }
    database.add(&record);
    database.into_observation(bytes)
}

/// Reads a list of files, one absolute path a line: who owns the files of language packages.
pub fn parse_list(package: &str, bytes: &[u8]) -> Observation {
    owned(package, bytes, |line| line)
}

/// Reads a list of digests and relative paths: who owns the files of language packages.
pub fn parse_md5sums(package: &str, bytes: &[u8]) -> Observation {
    owned(package, bytes, |line| {
        // 32 hexadecimal digits, two blanks, the path.
        line.get(32..).unwrap_or_default().trim_ascii_start()
    })
}

fn owned(package: &str, bytes: &[u8], path_of: impl Fn(&[u8]) -> &[u8]) -> Observation {
    let mut observation = Observation::default();
    let Some(package) = text::token(package.as_bytes()) else { return observation };
    let (mut room, mut paths) = (OwnedPaths::default(), Vec::new());
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes).chain([bytes.len()]) {
        let line = bytes.get(start..end).unwrap_or_default();
        start = end + 1;
        let path = path_of(line.strip_suffix(b"\r").unwrap_or(line));
        let path = path.strip_prefix(b"./").unwrap_or(path);
        room.keep(path.strip_prefix(b"/").unwrap_or(path), &mut paths);
    }
    if !paths.is_empty() {
        observation.facts.push(Fact::Owns { package, paths });
    }
    if room.too_many {
        let message = "the list of files holds more than is kept";
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
    }
    observation
}

/// The fields of interest of one stanza, undecoded.
#[derive(Default)]
struct Record<'a> {
    any: bool,
    package: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    maintainer: Option<&'a [u8]>,
    depends: Option<&'a [u8]>,
    pre_depends: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    fn read_field(&mut self, name: &[u8], value: &'a [u8]) {
        self.any = true;
        // By length first: most fields of a stanza are of no interest.
        let (wanted, slot) = match name.len() {
            6 if name[1].eq_ignore_ascii_case(&b't') => ("Status", &mut self.status),
            6 => ("Source", &mut self.source),
            7 if name[0].eq_ignore_ascii_case(&b'p') => ("Package", &mut self.package),
            7 if name[0].eq_ignore_ascii_case(&b'd') => ("Depends", &mut self.depends),
            7 => ("Version", &mut self.version),
            10 => ("Maintainer", &mut self.maintainer),
            11 => ("Pre-Depends", &mut self.pre_depends),
            12 => ("Architecture", &mut self.architecture),
            _ => return,
        };
        if name.eq_ignore_ascii_case(wanted.as_bytes()) {
            slot.get_or_insert(value);
        }
    }

    /// Whether the files of the package are there: the third word of `Status` (dpkg(1), "Package states").
    fn is_present(&self) -> bool {
        let state =
            self.status.unwrap_or_default().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        !state.eq_ignore_ascii_case(b"not-installed") && !state.eq_ignore_ascii_case(b"config-files")
    }

    /// The names in `Pre-Depends` and `Depends`, alternatives too (deb-control(5)); `NAME:ARCH` is the name.
    fn requires(&self) -> Vec<String> {
        let mut requires = Requires::default();
        for list in [self.pre_depends, self.depends].into_iter().flatten() {
            for need in list.split(|byte| matches!(byte, b',' | b'|')) {
                requires.add(need.split(|&byte| byte == b':').next().unwrap_or_default());
            }
        }
        requires.into_names()
    }

    fn build(&self) -> Option<Package> {
        let name = self.package.and_then(text::token)?;
        let version = self.version.and_then(text::token)?;
        let source = match self.source {
            None => SourcePackage { name: name.clone(), version: version.clone() },
            Some(source) => parse_source(source, &version)?,
        };
        let mut package = Package::new(PackageKind::Deb, name, version);
        package.epoch = package.version.split_once(':').and_then(|(epoch, _)| epoch.parse().ok());
        package.arch = self.architecture.and_then(text::token);
        package.source = Some(source);
        package.vendor = self.maintainer.and_then(text::line);
        package.requires = self.requires();
        Some(package)
    }
}

/// `NAME` or `NAME (VERSION)` (deb-control(5), "Source").
fn parse_source(source: &[u8], own_version: &str) -> Option<SourcePackage> {
    let open = memchr::memchr(b'(', source).unwrap_or(source.len());
    let (name, rest) = source.split_at_checked(open)?;
    let version = rest.strip_prefix(b"(").map(|v| v.strip_suffix(b")").unwrap_or(v)).and_then(text::token);
    Some(SourcePackage {
        name: text::token(name)?,
        version: version.unwrap_or_else(|| own_version.to_owned()),
    })
}

/// What has been read so far.
#[derive(Default)]
struct Database {
    observation: Observation,
    n_stanzas: usize,
    n_incomplete: usize,
    n_odd_lines: usize,
    too_many: bool,
}

impl Database {
    fn add(&mut self, record: &Record<'_>) {
        if !record.any || !record.is_present() {
            self.n_stanzas += usize::from(record.package.is_some());
            return;
        }
        let Some(package) = record.build() else {
            self.n_incomplete += 1;
            return;
        };
        self.n_stanzas += 1;
        if self.observation.facts.len() == PACKAGES_MAX {
            self.too_many = true;
            return;
        }
        self.observation.facts.push(package.into());
    }

    fn into_observation(self, bytes: &[u8]) -> Observation {
        let mut observation = self.observation;
        if self.n_stanzas == 0 && !bytes.trim_ascii().is_empty() {
            observation.add_corrupt("the dpkg database holds no readable package");
        } else if self.n_incomplete > 0 {
            observation
                .add_corrupt(format!("{} dpkg stanzas without a usable name and version", self.n_incomplete));
        } else if self.n_odd_lines > 0 {
            observation.add_corrupt(format!("{} lines of the dpkg database are no fields", self.n_odd_lines));
        }
        if self.too_many {
            let message = "the dpkg database holds more packages than are kept";
            observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
        }
        observation
    }
}

#[cfg(test)]
mod tests;
