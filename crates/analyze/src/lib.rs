//! What is read out of an image's files: one file per package format or check, behind one small trait, in
//! ONE list ([`ANALYZERS`]).
//!
//! An analyzer says which files it wants, observes each of them once while its layer streams by, and
//! finishes on the merged files of the image. It never sees a layer, a client or a path outside the image,
//! does no I/O of its own, and never panics on hostile bytes: what it cannot read becomes a
//! [`model::Problem`] beside what it could.

pub mod content;
pub mod executable;
pub mod fact;
pub mod files;
pub mod header;
mod json;
pub mod lang;
pub mod licence;
pub mod lock;
pub mod os;
mod requires;
pub mod secret;
pub mod text;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod registration;

use std::collections::BTreeSet;

use model::{ImageConfig, ScanType};

pub use content::{Blob, Content};
pub use fact::{Fact, Observation};
pub use files::{FileView, Files, Merged};

/// The kinds of archive entries that analyzers can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Special,
}

/// One path of an image, before its content is read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Relative to the image's root, without leading or trailing slash, `.` or `..`.
    pub path: &'a str,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of content; 0 for all but files.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Target of a symbolic link, as written.
    pub link: Option<&'a str>,
}

/// Answer to [`Analyzer::wants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Not of interest.
    No,
    /// Read it, unless it is larger than this many bytes: then it is a `file-too-large` problem.
    Content {
        /// Most bytes to read.
        max: u64,
    },
}

/// One package format or check.
pub trait Analyzer: Send + Sync {
    /// Stable name, `group/format`, for example `os/dpkg`.
    fn name(&self) -> &'static str;

    /// To be raised with every change of what [`Analyzer::observe`] yields: cached layers are then read anew.
    fn version(&self) -> u32;

    /// The scan type that it works for. Those of [`ScanType::Sbom`] read packages and always run.
    fn scan_type(&self) -> ScanType {
        ScanType::Sbom
    }

    /// A hash of the rules and options that [`Analyzer::observe`] goes by beside its version, so that layers
    /// are read anew when a user changes them.
    fn fingerprint(&self) -> u64 {
        0
    }

    /// Well-known paths that are followed when they, or their directories, are links.
    fn anchors(&self) -> &'static [&'static str] {
        &[]
    }

    /// True when [`Analyzer::wants`] and [`Analyzer::observe`] go by mode, size and content alone, not by the
    /// path. What was observed of such a file is shown under every hard link to it; symbolic links are not
    /// followed.
    fn goes_by_content(&self) -> bool {
        false
    }

    /// True for a check of all that any layer holds, whether a later layer hides it or not ([`Files::hidden`]).
    /// Such a check also [goes by content](Analyzer::goes_by_content), but may leave files out by their path in
    /// the layer: of a file that is hard-linked, that is the path of the file itself.
    fn sees_hidden(&self) -> bool {
        false
    }

    /// The same check for the image's configuration.
    fn config_analyzer(&self) -> Option<&dyn ConfigAnalyzer> {
        None
    }

    /// Whether this entry is of interest. A hot path: called for every regular file of every layer; must
    /// decide by path, size and mode alone and allocate nothing.
    fn wants(&self, entry: &Entry<'_>) -> Want;

    /// Reads one wanted file. Must not depend on any other file, on the layer or on its own path beyond its
    /// file name: results are cached by layer and may be used for a link to the file.
    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation;

    /// Paths of visible files whose raw bytes [`Analyzer::finish`] needs beside what was observed
    /// (an rpm database whose write-ahead log lies in another layer). Costs a second pass: keep it rare.
    fn revisit(&self, files: &Files<'_>) -> Vec<String> {
        let _ = files;
        Vec::new()
    }

    /// Turns the observations of all visible files into packages, distro and problems. Sets every package's
    /// `path`; layers and owners are filled in by the engine.
    fn finish(&self, files: &Files<'_>, merged: &mut Merged);
}

/// A check of an image's configuration. Directories have none.
pub trait ConfigAnalyzer: Send + Sync {
    /// The scan type that it works for.
    fn scan_type(&self) -> ScanType;

    /// Adds what it finds.
    fn finish_config(&self, config: &ImageConfig, merged: &mut Merged);
}

/// Every analyzer of packages. The order is the order of `finish`: the distro first, then what the distro owns.
pub static ANALYZERS: &[&dyn Analyzer] = &[
    &os::distro::DistroAnalyzer,
    &os::dpkg::DpkgAnalyzer,
    &os::debian_copyright::DebianCopyrightAnalyzer,
    &os::apk::ApkAnalyzer,
    &os::rpm::RpmAnalyzer,
    &os::alpm::AlpmAnalyzer,
    &lang::python::PythonAnalyzer,
    &lang::node::NodeAnalyzer,
    &lang::ruby::RubyAnalyzer,
    &lang::php::PhpAnalyzer,
    &lang::conda::CondaAnalyzer,
    &lang::bitnami::BitnamiAnalyzer,
    &lang::java::JavaAnalyzer,
    &lang::dotnet::DotnetAnalyzer,
    &lang::binary::BinaryAnalyzer,
    &lang::program::ProgramAnalyzer,
];

/// Every analyzer of the other scan types: run when their type is asked for.
pub static CHECKS: &[&dyn Analyzer] = &[&licence::text::LicenceTextAnalyzer, &secret::BundledSecretAnalyzer];

/// The analyzers that these scan types need: those of packages always, since other checks ask who owns a file.
pub fn chosen(types: &BTreeSet<ScanType>) -> Vec<&'static dyn Analyzer> {
    let checks = CHECKS.iter().filter(|check| types.contains(&check.scan_type()));
    ANALYZERS.iter().chain(checks).copied().collect()
}
