//! Lock files: what a project will install, for directories of source code.
//!
//! One file per package manager, in ONE list ([`LOCKS`]). Lock files are no part of [`crate::ANALYZERS`]: those that
//! lie in an image say what somebody built elsewhere, not what is installed, so they are read only where a directory
//! of source code is scanned. Packages that a lock file marks as needed for development alone are left out, as they
//! are not deployed. Nothing here resolves a version that is not written down.

use std::collections::HashSet;

use model::{Package, PackageKind, ProblemCode};

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want, text};

pub mod cargo;
pub mod composer;
pub mod gem;
pub mod go;
pub mod gradle;
pub mod maven;
pub mod npm;
pub mod nuget;
pub mod pipfile;
pub mod pnpm;
pub mod poetry;
pub mod requirements;
pub mod yarn;

/// Largest lock file that is read; those of the largest projects have some megabytes.
const FILE_MAX: u64 = 64 << 20;
/// Most packages of one lock file.
const PACKAGES_MAX: usize = model::Limits::standard().file_packages;

/// Every kind of lock file.
pub static LOCKS: &[&dyn Analyzer] = &[
    &cargo::CARGO,
    &composer::COMPOSER,
    &gem::GEM,
    &go::GO,
    &gradle::GRADLE,
    &maven::MAVEN,
    &npm::NPM,
    &nuget::NUGET,
    &pipfile::PIPFILE,
    &pnpm::PNPM,
    &poetry::POETRY,
    &requirements::REQUIREMENTS,
    &yarn::YARN,
];

/// A kind of lock file: which names it has, and how it is read.
pub struct LockAnalyzer {
    name: &'static str,
    is_lock: fn(&str) -> bool,
    parse: fn(&[u8]) -> Observation,
}

impl Analyzer for LockAnalyzer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let (directory, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
        // What a package manager has installed may carry the lock files of its makers.
        let installed = || {
            let is_installed =
                |part| matches!(part, "node_modules" | "vendor" | "site-packages" | ".git" | "target");
            directory.split('/').any(is_installed)
        };
        if (self.is_lock)(name) && !installed() { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => (self.parse)(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        merged.packages.extend(files.packages());
    }
}

/// The packages of one lock file: each name and version once, bounded.
struct Locked {
    kind: PackageKind,
    observation: Observation,
    seen: HashSet<(String, String)>,
    left_out: usize,
    unusable: usize,
}

impl Locked {
    fn new(kind: PackageKind) -> Self {
        let observation = Observation::default();
        Self { kind, observation, seen: HashSet::new(), left_out: 0, unusable: 0 }
    }

    /// Adds a package; a name or version that is unfit is counted.
    fn add(&mut self, name: &str, version: &str) {
        self.add_with(name, version, |_| {});
    }

    fn add_with(&mut self, name: &str, version: &str, change: impl FnOnce(&mut Package)) {
        let (Some(name), Some(version)) = (text::token(name.as_bytes()), text::token(version.as_bytes()))
        else {
            self.unusable += 1;
            return;
        };
        if self.seen.len() >= PACKAGES_MAX {
            self.left_out += 1;
            return;
        }
        if self.seen.insert((name.clone(), version.clone())) {
            let mut package = Package::new(self.kind, name, version);
            change(&mut package);
            self.observation.facts.push(package.into());
        }
    }

    /// The whole file, or the rest of it, makes no sense.
    fn corrupt(&mut self, what: &str) {
        self.observation.add_corrupt(what);
    }

    fn finish(mut self) -> Observation {
        if self.left_out > 0 {
            let text = format!("{} packages beyond the limit of {PACKAGES_MAX}", self.left_out);
            self.observation.problems.push(model::Problem::new(ProblemCode::TooManyItems, text));
        }
        if self.unusable > 0 {
            let text = format!("{} packages have no usable name and version", self.unusable);
            self.observation.add_corrupt(text);
        }
        self.observation
    }
}

/// Reads a file as text; one that is none has no packages.
fn utf8<'a>(bytes: &'a [u8], locked: &mut Locked) -> &'a str {
    std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).unwrap_or_else(|_| {
        locked.corrupt("the file is no text in UTF-8");
        ""
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fact, hostile};

    /// Compares what a lock file holds, and feeds its reader with damage.
    pub(super) fn check(parse: fn(&[u8]) -> Observation, file: &str, expected: &[(&str, &str)]) {
        let observation = parse(file.as_bytes());
        let found: Vec<(&str, &str)> = observation
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Package(package) => Some((package.name.as_str(), package.version.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(found, expected, "{:?}", observation.problems);
        hostile::check(parse, &[file.as_bytes()]);
    }

    #[test]
    fn names_tell_lock_files() {
        let kinds = |path: &str| -> Vec<&str> {
            let wanting = LOCKS.iter().filter(|lock| lock.wants(&hostile::entry(path)) != Want::No);
            wanting.map(|lock| lock.name()).collect()
        };
        for (path, expected) in [
            ("Cargo.lock", "lock/cargo"),
            ("web/package-lock.json", "lock/npm"),
            ("npm-shrinkwrap.json", "lock/npm"),
            ("yarn.lock", "lock/yarn"),
            ("pnpm-lock.yaml", "lock/pnpm"),
            ("requirements.txt", "lock/requirements"),
            ("requirements-prod.txt", "lock/requirements"),
            ("Pipfile.lock", "lock/pipfile"),
            ("poetry.lock", "lock/poetry"),
            ("uv.lock", "lock/poetry"),
            ("go.mod", "lock/go"),
            ("Gemfile.lock", "lock/gem"),
            ("composer.lock", "lock/composer"),
            ("pom.xml", "lock/maven"),
            ("gradle.lockfile", "lock/gradle"),
            ("a/buildscript-gradle.lockfile", "lock/gradle"),
            ("packages.lock.json", "lock/nuget"),
            ("packages.config", "lock/nuget"),
        ] {
            assert_eq!(kinds(path), [expected], "{path}");
        }
        for path in ["node_modules/a/yarn.lock", "vendor/x/composer.lock", "Cargo.toml", "my-requirements.md"]
        {
            assert!(kinds(path).is_empty(), "{path}");
        }
    }

    #[test]
    fn packages_are_bounded_and_said_once() {
        let mut locked = Locked::new(PackageKind::Npm);
        for n in 0..PACKAGES_MAX + 2 {
            locked.add(&format!("a{n}"), "1");
        }
        locked.add("a0", "1");
        locked.add("", "1");
        let observation = locked.finish();
        assert_eq!(observation.facts.len(), PACKAGES_MAX);
        assert_eq!(observation.problems.len(), 2, "{:?}", observation.problems);
    }
}
