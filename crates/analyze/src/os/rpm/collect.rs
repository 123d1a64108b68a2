//! From headers to facts: the package that a header describes and the files of interest that it owns.
//!
//! What is kept of a database is bounded here: packages, owned files, the work on file lists, and problems.

use std::{collections::BTreeMap, ops::ControlFlow};

use model::{Limits, Package, PackageKind, Problem, ProblemCode, package::SourcePackage};

use super::{
    header::{Header, Tag},
    source::Damage,
};
use crate::{
    fact::{Fact, Observation},
    os::{OwnedPaths, PACKAGES_MAX},
    text,
};

/// Longest path that is looked at.
const PATH_MAX: usize = Limits::standard().path_bytes;
/// Most bytes of paths that are looked at in one database. A system of 5,000 packages and 500,000 files has 40 MB.
const PATH_WORK_MAX: usize = 512 << 20;
/// Most different problems of one database; further ones are only counted.
const PROBLEMS_MAX: usize = 3;
/// rpm's own entries for the keys that it trusts: they are no software.
const KEY_PACKAGE: &[u8] = b"gpg-pubkey";

/// Collects the facts of one database.
#[derive(Default)]
pub(super) struct Collector {
    facts: Vec<Fact>,
    records: usize,
    path_work: usize,
    owned: OwnedPaths,
    path: Vec<u8>,
    damage: BTreeMap<(ProblemCode, String), u64>,
    more_damage: u64,
    too_many: Option<&'static str>,
}

impl Collector {
    /// Takes one record of a database.
    pub(super) fn record(&mut self, record: Result<&[u8], Damage>) -> ControlFlow<()> {
        self.records += 1;
        if self.records > PACKAGES_MAX {
            self.too_many = Some("packages");
            return ControlFlow::Break(());
        }
        match record.and_then(|blob| self.header(blob)) {
            Ok(()) => {}
            Err(damage) => self.damage(&damage),
        }
        ControlFlow::Continue(())
    }

    /// Notes what is wrong with the database or a record.
    pub(super) fn damage(&mut self, damage: &Damage) {
        let code = match damage {
            Damage::Unsupported(_) => ProblemCode::FileUnsupported,
            _ => ProblemCode::FileCorrupt,
        };
        let key = (code, damage.to_string());
        if self.damage.len() >= PROBLEMS_MAX && !self.damage.contains_key(&key) {
            self.more_damage += 1;
            return;
        }
        *self.damage.entry(key).or_default() += 1;
    }

    /// All that was collected.
    pub(super) fn finish(self) -> Observation {
        let mut problems: Vec<Problem> = self
            .damage
            .into_iter()
            .map(|((code, message), times)| match times {
                1 => Problem::new(code, format!("rpm database: {message}")),
                _ => Problem::new(code, format!("rpm database: {message} ({times} times)")),
            })
            .collect();
        if self.more_damage != 0 {
            let message = format!("rpm database: {} further errors", self.more_damage);
            problems.push(Problem::new(ProblemCode::FileCorrupt, message));
        }
        if let Some(what) = self.too_many {
            let message = format!("rpm database: too many {what}; the rest was left out");
            problems.push(Problem::new(ProblemCode::TooManyItems, message));
        }
        Observation { facts: self.facts, problems }
    }

    fn header(&mut self, blob: &[u8]) -> Result<(), Damage> {
        let header = Header::parse(blob)?;
        if header.text(Tag::Name) == Some(KEY_PACKAGE) {
            return Ok(());
        }
        let package = package(&header).ok_or(Damage::Malformed("a header names no package"))?;
        let name = package.name.clone();
        self.facts.push(package.into());
        let paths = self.owned_paths(&header);
        if !paths.is_empty() {
            self.facts.push(Fact::Owns { package: name, paths });
        }
        if header.cut_off { Err(Damage::Truncated("the end of a header")) } else { Ok(()) }
    }

    fn owned_paths(&mut self, header: &Header<'_>) -> Vec<String> {
        let mut paths = Vec::new();
        let dirs: Vec<&[u8]> = header.texts(Tag::DirNames).collect();
        let dirs_of_files = header.numbers(Tag::DirIndexes);
        for (base, dir) in header.texts(Tag::BaseNames).zip(dirs_of_files) {
            let dir = dirs.get(dir as usize).copied().unwrap_or_default();
            self.keep_path(dir, base, &mut paths);
        }
        for path in header.texts(Tag::OldFileNames) {
            self.keep_path(b"", path, &mut paths);
        }
        if self.owned.too_many || self.path_work > PATH_WORK_MAX {
            self.too_many = Some("files in the lists of packages");
        }
        paths
    }

    fn keep_path(&mut self, dir: &[u8], base: &[u8], paths: &mut Vec<String>) {
        let len = dir.len().saturating_add(base.len());
        if len > PATH_MAX || self.path_work > PATH_WORK_MAX {
            return;
        }
        self.path_work += len;
        self.path.clear();
        self.path.extend_from_slice(dir);
        self.path.extend_from_slice(base);
        let path = self.path.strip_prefix(b"/").unwrap_or(&self.path);
        self.owned.keep(path, paths);
    }
}

/// The package that a header describes; `None` without a usable name, version and release.
fn package(header: &Header<'_>) -> Option<Package> {
    let token = |tag| header.text(tag).and_then(text::token);
    let (name, version, release) = (token(Tag::Name)?, token(Tag::Version)?, token(Tag::Release)?);
    let epoch = header.numbers(Tag::Epoch).next();
    let mut package = Package::new(PackageKind::Rpm, name, full_version(epoch, &version, &release));
    package.epoch = epoch;
    package.arch = token(Tag::Arch);
    package.source = token(Tag::SourceRpm).and_then(|file| source_package(&file));
    package.licences = header.text(Tag::License).and_then(text::line).into_iter().collect();
    package.vendor = header.text(Tag::Vendor).and_then(text::line);
    package.module = token(Tag::ModularityLabel).and_then(|label| module(&label));
    Some(package)
}

/// `[epoch:]version-release`, without an epoch of 0.
pub(super) fn full_version(epoch: Option<u32>, version: &str, release: &str) -> String {
    match epoch {
        None | Some(0) => format!("{version}-{release}"),
        Some(epoch) => format!("{epoch}:{version}-{release}"),
    }
}

/// The source package of a file name `name-version-release.src.rpm` (or `.nosrc.rpm`), which has no epoch.
pub(super) fn source_package(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    if name.is_empty() || version.is_empty() || release.is_empty() {
        return None;
    }
    Some(SourcePackage { name: name.to_owned(), version: format!("{version}-{release}") })
}

/// `name:stream` of a label `name:stream:version:context`.
fn module(label: &str) -> Option<String> {
    let mut parts = label.split(':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(stream)) if !name.is_empty() && !stream.is_empty() => {
            Some(format!("{name}:{stream}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_packages_are_split_from_the_right() {
        let check = |file, expected: Option<(&str, &str)>| {
            let found = source_package(file);
            assert_eq!(found.as_ref().map(|s| (s.name.as_str(), s.version.as_str())), expected, "{file}");
        };
        check("bash-4.4.20-1.el8_4.src.rpm", Some(("bash", "4.4.20-1.el8_4")));
        check("perl-Pod-Escapes-1.07-395.el8.src.rpm", Some(("perl-Pod-Escapes", "1.07-395.el8")));
        check("firmware-1-2.nosrc.rpm", Some(("firmware", "1-2")));
        check("bash-4.4.20-1.x86_64.rpm", None);
        check("bash.src.rpm", None);
        check("-1-2.src.rpm", None);
        check("(none)", None);
        check("", None);
    }

    #[test]
    fn modules_are_name_and_stream() {
        let check = |label, expected: Option<&str>| assert_eq!(module(label).as_deref(), expected, "{label}");
        check("nodejs:12:8040020210127:522a0ee4", Some("nodejs:12"));
        check("postgresql:9.6", Some("postgresql:9.6"));
        check("nodejs", None);
        check(":12:1", None);
        check("", None);
    }

    #[test]
    fn an_epoch_of_zero_is_not_written() {
        let check = |epoch, expected| assert_eq!(full_version(epoch, "1.0", "2.el9"), expected);
        check(None, "1.0-2.el9");
        check(Some(0), "1.0-2.el9");
        check(Some(32), "32:1.0-2.el9");
    }
}
