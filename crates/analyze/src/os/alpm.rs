//! pacman's database of Arch Linux and its kin: one directory for each installed package (alpm-db(7) of the Arch
//! Linux package management project; `be_local.c` of libalpm).
//!
//! | path | holds |
//! |---|---|
//! | `var/lib/pacman/local/NAME-VERSION-RELEASE/desc` | the package, as `%FIELD%` and a value a line (alpm-db-desc(5)) |
//! | `var/lib/pacman/local/NAME-VERSION-RELEASE/files` | its files and directories, one path a line (alpm-db-files(5)) |
//!
//! Everything that is recorded is installed. `mtree` files and the databases of repositories are not read.

use model::{Package, PackageKind, package::SourcePackage};

use super::OwnedPaths;
use crate::{Analyzer, Content, Entry, Fact, Files, Merged, Observation, Want, requires::Requires, text};

const LOCAL: &str = "var/lib/pacman/local/";

/// Largest description that is read, in bytes; real ones are below 10 KiB.
const DESC_MAX: u64 = 4 << 20;

/// Largest list of files that is read, in bytes; those of the largest packages are near 3 MB.
const FILES_MAX: u64 = 32 << 20;

/// Most licences that are kept of one package.
const LICENCES_MAX: usize = 16;

/// pacman's database.
pub struct AlpmAnalyzer;

impl Analyzer for AlpmAnalyzer {
    fn name(&self) -> &'static str {
        "os/alpm"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let Some((directory, file)) = entry.path.strip_prefix(LOCAL).and_then(|rest| rest.split_once('/'))
        else {
            return Want::No;
        };
        match file {
            _ if directory.is_empty() => Want::No,
            "desc" => Want::Content { max: DESC_MAX },
            "files" => Want::Content { max: FILES_MAX },
            _ => Want::No,
        }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) if entry.path.ends_with("/files") => parse_files(&bytes),
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    /// A list of files does not say whose it is: its directory does, through the description beside it.
    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
        for (path, fact) in files.facts() {
            let Fact::Owns { paths, .. } = fact else { continue };
            let Some(directory) = path.strip_suffix("files") else { continue };
            let Some(beside) = files.get(&format!("{directory}desc")) else { continue };
            let name = beside.observation.facts.iter().find_map(|fact| match fact {
                Fact::Package(package) => Some(&package.name),
                _ => None,
            });
            for (path, name) in paths.iter().zip(std::iter::repeat(name)) {
                if let Some(name) = name {
                    merged.owned.entry(path.clone()).or_insert_with(|| name.clone());
                }
            }
        }
    }
}

/// The sections of a file: each field's name, and the lines up to the next empty one.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut field: &[u8] = b"";
    bytes.split(|&byte| byte == b'\n').filter_map(move |line| {
        let line = line.trim_ascii();
        if let [b'%', name @ .., b'%'] = line {
            field = name;
            return None;
        }
        if line.is_empty() {
            field = b"";
        }
        (!field.is_empty()).then_some((field, line))
    })
}

/// Reads one description. The source is `%BASE%`, of the same version, or the package itself.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    if bytes.trim_ascii().is_empty() {
        return observation;
    }
    let (mut name, mut version, mut base, mut arch, mut vendor) = (None, None, None, None, None);
    let (mut licences, mut requires) = (Vec::new(), Requires::default());
    for (field, value) in lines(bytes) {
        match field {
            b"NAME" => name = name.or_else(|| text::token(value)),
            b"VERSION" => version = version.or_else(|| text::token(value)),
            b"BASE" => base = base.or_else(|| text::token(value)),
            b"ARCH" => arch = arch.or_else(|| text::token(value)),
            b"PACKAGER" => vendor = vendor.or_else(|| text::line(value)),
            b"LICENSE" if licences.len() < LICENCES_MAX => licences.extend(text::line(value)),
            b"DEPENDS" => requires.add(value),
            _ => {}
        }
    }
    let (Some(name), Some(version)) = (name, version) else {
        observation.add_corrupt("the description has no usable name and version");
        return observation;
    };
    let source = SourcePackage { name: base.unwrap_or_else(|| name.clone()), version: version.clone() };
    let mut package = Package::new(PackageKind::Alpm, name, version);
    package.epoch = package.version.split_once(':').and_then(|(epoch, _)| epoch.parse().ok());
    package.arch = arch;
    package.source = Some(source);
    package.licences = licences;
    package.vendor = vendor;
    package.requires = requires.into_names();
    observation.facts.push(package.into());
    observation
}

/// Reads one list of files: who owns the files of language packages. The name of the owner is filled in by
/// [`AlpmAnalyzer`]'s `finish`.
pub fn parse_files(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let (mut room, mut paths) = (OwnedPaths::default(), Vec::new());
    for (field, path) in lines(bytes) {
        if field == b"FILES" {
            room.keep(path, &mut paths);
        }
    }
    if !paths.is_empty() {
        observation.facts.push(Fact::Owns { package: String::new(), paths });
    }
    if room.too_many {
        let message = "the list of files holds more than is kept";
        observation.problems.push(model::Problem::new(model::ProblemCode::TooManyItems, message));
    }
    observation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileView, hostile};

    const DESC: &[u8] = include_bytes!("../../testdata/alpm/desc");
    const FILES: &[u8] = include_bytes!("../../testdata/alpm/files");

    fn lantern() -> Package {
        Package {
            epoch: Some(1),
            arch: Some("x86_64".to_owned()),
            source: Some(SourcePackage { name: "lantern-src".to_owned(), version: "1:2.4.1-3".to_owned() }),
            licences: vec!["MIT".to_owned(), "GPL-2.0-or-later".to_owned()],
            vendor: Some("A. Keeper <keeper@example.org>".to_owned()),
            requires: ["glibc", "sh", "libwick.so"].map(str::to_owned).to_vec(),
            ..Package::new(PackageKind::Alpm, "lantern", "1:2.4.1-3")
        }
    }

    #[test]
    fn wants_the_local_database() {
        let wants = |path| AlpmAnalyzer.wants(&hostile::entry(path)) != Want::No;
        for path in ["var/lib/pacman/local/lantern-1:2.4.1-3/desc", "var/lib/pacman/local/a-1-1/files"] {
            assert!(wants(path), "{path}");
        }
        for path in [
            "",
            "var/lib/pacman/local/desc",
            "var/lib/pacman/local//desc",
            "var/lib/pacman/local/ALPM_DB_VERSION",
            "var/lib/pacman/local/a-1-1/mtree",
            "var/lib/pacman/local/a-1-1/x/desc",
            "var/lib/pacman/sync/core/a-1-1/desc",
            "srv/var/lib/pacman/local/a-1-1/desc",
        ] {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn reads_a_description() {
        assert_eq!(parse(DESC), Observation { facts: vec![lantern().into()], problems: Vec::new() });
        let least = parse(b"%VERSION%\n1-1\n\n%NAME%\na");
        let [Fact::Package(package)] = &least.facts[..] else { panic!("{least:?}") };
        assert_eq!((package.name.as_str(), package.epoch), ("a", None));
        assert_eq!(package.source.as_ref().map(|source| source.name.as_str()), Some("a"));
    }

    #[test]
    fn says_what_it_cannot_read() {
        for (input, n_problems) in [
            ("", 0),
            (" \n", 0),
            ("garbage", 1),
            ("%NAME%\na\n", 1),
            ("%NAME%\n\na\n\n%VERSION%\n1\n", 1),
            ("%NAME%\na\x1b\n\n%VERSION%\n1\n", 1),
        ] {
            let observation = parse(input.as_bytes());
            assert_eq!((observation.facts.len(), observation.problems.len()), (0, n_problems), "{input:?}");
        }
        assert_eq!(parse_files(b"garbage"), Observation::default());
    }

    #[test]
    fn finishes_over_the_directory_of_each_package() {
        let observations = [
            ("var/lib/pacman/local/lantern-1:2.4.1-3/desc", parse(DESC)),
            ("var/lib/pacman/local/lantern-1:2.4.1-3/files", parse_files(FILES)),
            ("var/lib/pacman/local/nobody-1-1/files", parse_files(FILES)),
        ];
        let views = observations.iter();
        let views = views.map(|(path, observation)| FileView { path, observation, layer: None }).collect();
        let mut merged = Merged::default();
        AlpmAnalyzer.finish(&Files::new(views), &mut merged);
        let path = "var/lib/pacman/local/lantern-1:2.4.1-3/desc".to_owned();
        assert_eq!(merged.packages, [Package { path, ..lantern() }]);
        let owned: Vec<_> =
            merged.owned.iter().map(|(path, owner)| (path.as_str(), owner.as_str())).collect();
        assert_eq!(
            owned,
            [
                ("usr/lib/node_modules/tide/package.json", "lantern"),
                ("usr/lib/python3.12/site-packages/tide-1.0.dist-info/METADATA", "lantern"),
            ]
        );
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[DESC]);
        hostile::check(parse_files, &[FILES]);
    }
}
