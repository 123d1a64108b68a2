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
mod tests {
    use super::*;
    use crate::{FileView, hostile};

    const STATUS_FILE: &[u8] = include_bytes!("../../testdata/dpkg/status");
    const STATUS_D: &[u8] = include_bytes!("../../testdata/dpkg/status.d-libtide1");
    const MD5SUMS: &[u8] = include_bytes!("../../testdata/dpkg/status.d-libtide1.md5sums");
    const LIST: &[u8] = include_bytes!("../../testdata/dpkg/python3-six.list");

    fn deb(name: &str, version: &str, arch: &str, source: (&str, &str)) -> Package {
        let mut package = Package::new(PackageKind::Deb, name, version);
        package.epoch = version.split_once(':').map(|(epoch, _)| epoch.parse().unwrap());
        package.arch = Some(arch.to_owned());
        package.source = Some(SourcePackage { name: source.0.to_owned(), version: source.1.to_owned() });
        package.vendor = Some("A. Keeper <keeper@example.org>".to_owned());
        package
    }

    #[test]
    fn wants_the_database_only() {
        let wants = |path| DpkgAnalyzer.wants(&hostile::entry(path)) != Want::No;
        for path in [
            "var/lib/dpkg/status",
            "var/lib/dpkg/status.d/libc6",
            "var/lib/dpkg/status.d/libc6.md5sums",
            "var/lib/dpkg/info/adduser.list",
            "var/lib/dpkg/info/libc6:amd64.list",
        ] {
            assert!(wants(path), "{path}");
        }
        for path in [
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/available",
            "var/lib/dpkg/info/adduser.md5sums",
            "var/lib/dpkg/info/adduser.postinst",
            "var/lib/dpkg/status.d/a/b",
            "srv/root/var/lib/dpkg/status",
        ] {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn reads_what_is_present() {
        let lantern = deb("lantern", "1:2.4-1+b2", "amd64", ("lantern-src", "1:2.4-1"));
        let expected = [
            Package { requires: vec!["libtide1".to_owned(), "wick".to_owned()], ..lantern },
            deb("libtide1", "0.9-3", "amd64", ("tide", "0.9-3")),
            deb("wick", "5", "all", ("wick", "5")),
            deb("half", "1.0-1", "amd64", ("half", "1.0-1")),
            deb("held", "2:3-1", "i386", ("held", "2:3-1")),
        ];
        let observation = parse(STATUS_FILE);
        assert_eq!(observation.facts, expected.map(Fact::from));
        assert_eq!(observation.problems, []);
    }

    #[test]
    fn counts_states_by_their_last_word() {
        for (status, present) in [
            ("install ok installed", true),
            ("hold ok installed", true),
            ("deinstall ok installed", true),
            ("install ok unpacked", true),
            ("install ok half-configured", true),
            ("install reinstreq half-installed", true),
            ("install ok triggers-awaited", true),
            ("install ok triggers-pending", true),
            ("", true),
            ("deinstall ok config-files", false),
            ("purge ok not-installed", false),
        ] {
            let observation = parse(format!("Package: a\nStatus: {status}\nVersion: 1\n").as_bytes());
            assert_eq!(observation.facts.len(), usize::from(present), "{status}");
            assert_eq!(observation.problems, [], "{status}");
        }
    }

    #[test]
    fn reads_the_source_field() {
        for (field, name, version) in [
            ("", "a", "2-1"),
            ("Source: s\n", "s", "2-1"),
            ("Source: s (1:2-1)\n", "s", "1:2-1"),
            ("Source: s(3)\n", "s", "3"),
            ("Source: s ()\n", "s", "2-1"),
            ("Source: s (3\n", "s", "3"),
        ] {
            let observation = parse(format!("Package: a\nVersion: 2-1\n{field}").as_bytes());
            let [Fact::Package(package)] = &observation.facts[..] else { panic!("{field}: {observation:?}") };
            let source = package.source.as_ref().map(|s| (s.name.as_str(), s.version.as_str()));
            assert_eq!(source, Some((name, version)), "{field}");
        }
    }

    #[test]
    fn reads_what_a_package_needs() {
        for (fields, expected) in [
            ("", &[][..]),
            ("Depends: libc6 (>= 2.36), b | c (<< 2~), d:any\n", &["libc6", "b", "c", "d"]),
            ("Depends: b, a\nPre-Depends: a (= 1)\n", &["a", "b"]),
            ("Depends:\nRecommends: b\n", &[]),
        ] {
            let observation = parse(format!("Package: a\nVersion: 1\n{fields}").as_bytes());
            let [Fact::Package(package)] = &observation.facts[..] else {
                panic!("{fields}: {observation:?}")
            };
            assert_eq!(package.requires, expected, "{fields}");
        }
    }

    #[test]
    fn reads_epochs() {
        for (version, epoch) in
            [("1", None), ("0:1", Some(0)), ("12:1:2", Some(12)), ("x:1", None), ("99999999999:1", None)]
        {
            let observation = parse(format!("Package: a\nVersion: {version}\n").as_bytes());
            assert!(
                matches!(&observation.facts[..], [Fact::Package(p)] if p.epoch == epoch && p.version == version),
                "{version}: {observation:?}"
            );
        }
    }

    #[test]
    fn reads_distroless_parts_and_lists() {
        let expected = deb("libtide1", "0.9-3", "amd64", ("tide", "0.9-3"));
        assert_eq!(parse(STATUS_D).facts, [Fact::from(expected)]);
        let owns = |package: &str, paths: &[&str]| Fact::Owns {
            package: package.to_owned(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        };
        let six = "usr/lib/python3/dist-packages/six-1.16.0.egg-info";
        assert_eq!(parse_list("python3-six", LIST).facts, [owns("python3-six", &[six])]);
        let npm = "usr/lib/node_modules/tide/package.json";
        assert_eq!(parse_md5sums("libtide1", MD5SUMS).facts, [owns("libtide1", &[npm])]);
        assert_eq!(parse_list("x", b"/.\n/usr\n"), Observation::default());
    }

    #[test]
    fn finishes_over_all_its_files() {
        let mut observations = Vec::new();
        for (path, mut bytes) in [
            ("var/lib/dpkg/info/python3-six:all.list", LIST),
            ("var/lib/dpkg/status", STATUS_FILE),
            ("var/lib/dpkg/status.d/libtide1", STATUS_D),
            ("var/lib/dpkg/status.d/libtide1.md5sums", MD5SUMS),
        ] {
            let size = bytes.len() as u64;
            let content = Content::new(&mut bytes, size, 1 << 20);
            observations.push((path, DpkgAnalyzer.observe(&hostile::entry(path), content)));
        }
        let views = observations.iter();
        let views = views.map(|(path, observation)| FileView { path, observation, layer: None }).collect();
        let mut merged = Merged::default();
        DpkgAnalyzer.finish(&Files::new(views), &mut merged);
        let found: Vec<_> = merged.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
        let names = ["lantern", "libtide1", "wick", "half", "held"];
        assert_eq!(found, names.map(|name| (name, "var/lib/dpkg/status")), "libtide1 is one package");
        let owned: Vec<_> =
            merged.owned.iter().map(|(path, owner)| (path.as_str(), owner.as_str())).collect();
        assert_eq!(
            owned,
            [
                ("usr/lib/node_modules/tide/package.json", "libtide1"),
                ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", "python3-six"),
            ]
        );
    }

    #[test]
    fn reads_what_it_can_of_a_damaged_database() {
        let check = |input: &[u8], expected: &[&str], n_problems: usize| {
            let observation = parse(input);
            let names = observation.facts.iter().map(|fact| match fact {
                Fact::Package(package) => package.name.as_str(),
                other => panic!("{other:?}"),
            });
            assert_eq!(names.collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(input));
            assert_eq!(observation.problems.len(), n_problems, "{:?}", observation.problems);
        };
        check(b"", &[], 0);
        check(b" \n\n", &[], 0);
        check(b"garbage", &[], 1);
        check(b"Key: value\n", &[], 1);
        check(b"\0\xff\xfe\n", &[], 1);
        check(b"Package: a\n", &[], 1);
        check(b"Package: a\nVersion: 1\n\nPackage: b\n\nPackage: c\nVersion: 1", &["a", "c"], 1);
        check(b"Package: a\nVersion: 1\n \nPackage: b\nVersion: 2\n", &["a", "b"], 0);
        check(b"Package: a\nVersion: 1\ngarbage\n", &["a"], 1);
        check(b"Package: a\x1b[2J\nVersion: 1\n\nPackage: b\nVersion: 1\n", &["b"], 1);
        check(b"package: a\nVERSION: 1\n", &["a"], 0);
        check(b"Package: a\nStatus: purge ok not-installed\n", &[], 0);
        check(b"Package: a\nVersion: 1\nSource: \x1b\n", &[], 1);
    }

    #[test]
    fn keeps_a_bounded_number_of_packages() {
        let many: String = (0..=PACKAGES_MAX).map(|n| format!("Package: a{n}\nVersion: 1\n\n")).collect();
        let observation = parse(many.as_bytes());
        assert_eq!(observation.facts.len(), PACKAGES_MAX);
        assert_eq!(
            observation.problems.iter().map(|p| p.code).collect::<Vec<_>>(),
            [ProblemCode::TooManyItems]
        );
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[STATUS_FILE, STATUS_D]);
        hostile::check(|bytes| parse_list("a", bytes), &[LIST]);
        hostile::check(|bytes| parse_md5sums("a", bytes), &[MD5SUMS]);
    }
}
