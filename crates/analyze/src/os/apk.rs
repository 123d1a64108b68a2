//! apk databases of Alpine, Wolfi, Chainguard and their kin.
//!
//! `installed` is text: one record for each package, ended by an empty line; each line is one letter, a
//! colon and a value (apk-tools, apk-v2(5) for the fields of the index, and its `db.c` for those of files).
//! Read are `P` name, `V` version, `A` architecture, `L` licence, `o` origin, `m` maintainer, `D` what it
//! needs, and `F` directory with the `R` files in it. Everything that is installed is listed, virtual packages (names with
//! a leading dot) too, as `apk info` does.

use model::{Package, PackageKind, Problem, ProblemCode, package::SourcePackage};

use super::{OwnedPaths, PACKAGES_MAX};
use crate::{
    Analyzer, Content, Entry, Fact, Files, Merged, Observation, Want,
    header::{self, Line},
    requires::Requires,
    text,
};

/// Where apk-tools 2 and, on a merged `/usr`, apk-tools 3 keep the database.
const DATABASES: &[&str] = &["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// Largest database that is read, in bytes. It lists every file: a desktop's is near 20 MB.
const DATABASE_MAX: u64 = 32 << 20;

/// apk databases.
pub struct ApkAnalyzer;

impl Analyzer for ApkAnalyzer {
    fn name(&self) -> &'static str {
        "os/apk"
    }

    fn version(&self) -> u32 {
        3
    }

    fn anchors(&self) -> &'static [&'static str] {
        DATABASES
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if entry.path.ends_with("/apk/db/installed") && DATABASES.contains(&entry.path) {
            Want::Content { max: DATABASE_MAX }
        } else {
            Want::No
        }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.add_database(files);
    }
}

/// Reads an `installed` database.
///
/// The origin is a source package of the same version. A licence expression stays one entry, as recorded.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut database = Database::default();
    let mut record = Record::default();
    for line in header::lines(bytes) {
        match line {
            Line::Field { name: &[letter], value } => database.read_field(&mut record, letter, value),
            Line::Blank => database.add(std::mem::take(&mut record)),
            // A longer name is none that apk-tools 2 writes: a later version's, left alone.
            Line::Field { .. } => {}
            Line::Continuation(_) | Line::Malformed => database.n_odd_lines += 1,
        }
    }
    database.add(record);
    database.into_observation(bytes)
}

/// One package's lines, undecoded.
#[derive(Default)]
struct Record<'a> {
    any: bool,
    name: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    arch: Option<&'a [u8]>,
    licence: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    maintainer: Option<&'a [u8]>,
    depends: Option<&'a [u8]>,
    directory: &'a [u8],
    owned: Vec<String>,
}

/// What has been read so far.
#[derive(Default)]
struct Database {
    observation: Observation,
    /// The path of the file at hand: one buffer for all.
    path: Vec<u8>,
    n_packages: usize,
    owned: OwnedPaths,
    n_incomplete: usize,
    n_odd_lines: usize,
    too_many: bool,
}

impl Database {
    fn read_field<'a>(&mut self, record: &mut Record<'a>, letter: u8, value: &'a [u8]) {
        record.any = true;
        match letter {
            b'P' => {
                // Two names in one record: the line between them got lost.
                if record.name.is_some() {
                    self.add(std::mem::take(record));
                    record.any = true;
                }
                record.name = Some(value);
            }
            b'V' => record.version = Some(value),
            b'A' => record.arch = Some(value),
            b'L' => record.licence = Some(value),
            b'o' => record.origin = Some(value),
            b'm' => record.maintainer = Some(value),
            b'D' => record.depends = Some(value),
            b'F' => record.directory = value,
            b'R' => self.own(record, value),
            _ => {}
        }
    }

    /// Keeps a file's path if a language analyzer may want it.
    fn own(&mut self, record: &mut Record<'_>, file: &[u8]) {
        self.path.clear();
        if !record.directory.is_empty() {
            self.path.extend_from_slice(record.directory);
            self.path.push(b'/');
        }
        self.path.extend_from_slice(file);
        self.owned.keep(&self.path, &mut record.owned);
    }

    fn add(&mut self, record: Record<'_>) {
        if !record.any {
            return;
        }
        let (Some(name), Some(version)) =
            (record.name.and_then(text::token), record.version.and_then(text::token))
        else {
            self.n_incomplete += 1;
            return;
        };
        if self.n_packages == PACKAGES_MAX {
            self.too_many = true;
            return;
        }
        self.n_packages += 1;
        let mut package = Package::new(PackageKind::Apk, name, version);
        package.arch = record.arch.and_then(text::token);
        package.licences = record.licence.and_then(text::line).into_iter().collect();
        package.vendor = record.maintainer.and_then(text::line);
        package.source = record
            .origin
            .and_then(text::token)
            .map(|name| SourcePackage { name, version: package.version.clone() });
        let mut requires = Requires::default();
        let needs = record.depends.unwrap_or_default().split(u8::is_ascii_whitespace);
        // What begins with an exclamation mark must not be there.
        needs.filter(|need| need.first() != Some(&b'!')).for_each(|need| requires.add(need));
        package.requires = requires.into_names();
        let owner = package.name.clone();
        self.observation.facts.push(package.into());
        if !record.owned.is_empty() {
            self.observation.facts.push(Fact::Owns { package: owner, paths: record.owned });
        }
    }

    fn into_observation(self, bytes: &[u8]) -> Observation {
        let mut observation = self.observation;
        if self.n_packages == 0 && !bytes.trim_ascii().is_empty() {
            observation.add_corrupt("the apk database holds no readable package");
        } else if self.n_incomplete > 0 {
            observation
                .add_corrupt(format!("{} apk records without a usable name and version", self.n_incomplete));
        } else if self.n_odd_lines > 0 {
            observation.add_corrupt(format!("{} lines of the apk database are no fields", self.n_odd_lines));
        }
        if self.too_many || self.owned.too_many {
            let message = "the apk database holds more packages or files than are kept";
            observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
        }
        observation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileView, hostile, os::OWNED_BYTES_MAX};

    const INSTALLED: &[u8] = include_bytes!("../../testdata/apk/installed");

    fn names(observation: &Observation) -> Vec<&str> {
        observation
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Package(package) => Some(package.name.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn wants_the_database_only() {
        let wants = |path| ApkAnalyzer.wants(&hostile::entry(path)) != Want::No;
        assert!(wants("lib/apk/db/installed"));
        assert!(wants("usr/lib/apk/db/installed"));
        assert!(!wants("lib/apk/db/triggers"));
        assert!(!wants("srv/root/lib/apk/db/installed"));
    }

    #[test]
    fn reads_packages_and_the_files_of_language_packages() {
        let lamp = Package {
            arch: Some("x86_64".to_owned()),
            source: Some(SourcePackage { name: "lamp".to_owned(), version: "1.2.3-r4".to_owned() }),
            licences: vec!["MIT AND (GPL-2.0-only OR BSD-2-Clause)".to_owned()],
            requires: vec!["so:libc.musl-x86_64.so.1".to_owned()],
            vendor: Some("A. Keeper <keeper@example.org>".to_owned()),
            ..Package::new(PackageKind::Apk, "lamp-libs", "1.2.3-r4")
        };
        let six = Package {
            arch: Some("noarch".to_owned()),
            source: Some(SourcePackage { name: "py3-six".to_owned(), version: "1.16.0-r9".to_owned() }),
            licences: vec!["MIT".to_owned()],
            ..Package::new(PackageKind::Apk, "py3-six", "1.16.0-r9")
        };
        let virtual_package = Package {
            arch: Some("noarch".to_owned()),
            requires: vec!["lamp-libs".to_owned()],
            ..Package::new(PackageKind::Apk, ".build-deps", "20240101.120000")
        };
        let expected = [
            Fact::from(lamp),
            Fact::from(six),
            Fact::Owns {
                package: "py3-six".to_owned(),
                paths: vec![
                    "usr/lib/python3.12/site-packages/six-1.16.0-py3.12.egg-info/PKG-INFO".to_owned(),
                    "usr/lib/node_modules/six/package.json".to_owned(),
                ],
            },
            Fact::from(virtual_package),
        ];
        let observation = parse(INSTALLED);
        assert_eq!(observation.facts, expected);
        assert_eq!(observation.problems, []);
    }

    #[test]
    fn reads_what_a_package_needs() {
        let observation = parse(b"P:a\nV:1\nD:musl>=1.2 so:libc.so.1 !b  c~2 /bin/sh musl\n");
        let [Fact::Package(package)] = &observation.facts[..] else { panic!("{observation:?}") };
        assert_eq!(package.requires, ["musl", "so:libc.so.1", "c", "/bin/sh"]);
    }

    #[test]
    fn reads_what_it_can_of_a_damaged_database() {
        let check = |input: &[u8], expected: &[&str], n_problems: usize| {
            let observation = parse(input);
            assert_eq!(names(&observation), expected, "{}", String::from_utf8_lossy(input));
            assert_eq!(observation.problems.len(), n_problems, "{:?}", observation.problems);
        };
        check(b"", &[], 0);
        check(b"\n\n", &[], 0);
        check(b"garbage", &[], 1);
        check(b"\0\xff\xfe\n", &[], 1);
        check(b"P:a\n\n", &[], 1);
        check(b"P:a\nV:1\n\nP:b\n\nP:c\nV:1", &["a", "c"], 1);
        check(b"P:a\nV:1\nP:b\nV:2\n", &["a", "b"], 0);
        check(b"P:a\r\nV:1\r\n\r\nP:b\r\nV:2\r\n", &["a", "b"], 0);
        check(b"P:a\nV:1\ngarbage\n", &["a"], 1);
        check(b"P:a\x1b[2J\nV:1\n\nP:b\nV:1\n", &["b"], 1);
        check(b"P:a\nV:1\nfuture: field\n", &["a"], 0);
        // A write that was cut off in the middle.
        let cut = &INSTALLED[..INSTALLED.len() - 60];
        check(cut, &["lamp-libs", "py3-six"], 1);
    }

    #[test]
    fn keeps_a_bounded_number_of_packages() {
        let many: String = (0..=PACKAGES_MAX).map(|n| format!("P:a{n}\nV:1\n\n")).collect();
        let observation = parse(many.as_bytes());
        assert_eq!(observation.facts.len(), PACKAGES_MAX);
        assert_eq!(
            observation.problems.iter().map(|p| p.code).collect::<Vec<_>>(),
            [ProblemCode::TooManyItems]
        );
    }

    #[test]
    fn keeps_a_bounded_number_of_paths() {
        let mut many = format!("P:a\nV:1\nF:{}\n", "d".repeat(4096)).into_bytes();
        for n in 0..10_000 {
            many.extend_from_slice(format!("R:{n}.egg-info\n").as_bytes());
        }
        let observation = parse(&many);
        let [Fact::Package(_), Fact::Owns { paths, .. }] = &observation.facts[..] else {
            panic!("{} facts", observation.facts.len());
        };
        assert!(paths.len() > 1000 && paths.iter().map(String::len).sum::<usize>() <= OWNED_BYTES_MAX);
        assert_eq!(
            observation.problems.iter().map(|p| p.code).collect::<Vec<_>>(),
            [ProblemCode::TooManyItems]
        );
    }

    #[test]
    fn finishes_with_each_package_once() {
        let observation = parse(INSTALLED);
        let files = Files::new(
            DATABASES.iter().map(|&path| FileView { path, observation: &observation, layer: None }).collect(),
        );
        let mut merged = Merged::default();
        ApkAnalyzer.finish(&files, &mut merged);
        assert_eq!(merged.packages.len(), 3);
        assert!(merged.packages.iter().all(|package| package.path == DATABASES[0]));
        let owner = merged.owned.get("usr/lib/node_modules/six/package.json").map(String::as_str);
        assert_eq!((merged.owned.len(), owner), (2, Some("py3-six")));
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[INSTALLED]);
    }
}
