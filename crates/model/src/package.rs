//! One installed package, as its package manager records it.

use serde::{Deserialize, Serialize};

/// The kinds of packages, by the name of their purl type (package-url/purl-spec, PURL-TYPES).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// Debian's dpkg and its kin.
    Deb,
    /// Alpine's apk-tools and its kin.
    Apk,
    /// rpm.
    Rpm,
    /// Python distributions.
    Pypi,
    /// Node.js packages.
    Npm,
    /// Go modules, as build information of binaries and go.mod name them; the standard library is `stdlib`.
    Golang,
    /// Rust crates.
    Cargo,
    /// Java artifacts; named `group:artifact`, or `artifact` where the group is not known.
    Maven,
    /// Ruby gems.
    Gem,
    /// .NET packages.
    Nuget,
    /// PHP packages, named `vendor/name`.
    Composer,
    /// Conda packages.
    Conda,
    /// Arch Linux's pacman.
    Alpm,
    /// Bitnami's builds of upstream software.
    Bitnami,
    /// A program that no package manager installed, told by its version strings.
    Generic,
}

impl PackageKind {
    /// The purl type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Maven => "maven",
            Self::Gem => "gem",
            Self::Nuget => "nuget",
            Self::Composer => "composer",
            Self::Conda => "conda",
            Self::Alpm => "alpm",
            Self::Bitnami => "bitnami",
            Self::Generic => "generic",
        }
    }

    /// True for the packages of the operating system itself, whose advisories are the distro's.
    pub const fn is_os(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm | Self::Alpm)
    }
}

/// The source that a binary package was built from (dpkg `Source`, apk origin, rpm `SOURCERPM`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Name of the source package.
    pub name: String,
    /// Its version. The version of a deb or rpm source may differ from the binary's; rpm source names
    /// carry no epoch.
    pub version: String,
}

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Which package manager, and so which version order.
    pub kind: PackageKind,
    /// Name as recorded; language names are not normalised here.
    pub name: String,
    /// Full version in the ecosystem's own writing: `1:2.3-4`, `2.3-r4`, `0:2.3-4.el9` without a zero epoch.
    pub version: String,
    /// Epoch where the record has one, also when it is 0 (deb and rpm).
    pub epoch: Option<u32>,
    /// Architecture in the package manager's own writing.
    pub arch: Option<String>,
    /// What it was built from, when recorded.
    pub source: Option<SourcePackage>,
    /// The operating system that it was built for, where the record says (`GOOS` names: `linux`, `windows`).
    pub os: Option<String>,
    /// Licences as recorded, verbatim.
    pub licences: Vec<String>,
    /// The same as one SPDX licence expression (SPDX 2.3 annex D), where they could be understood.
    pub licence: Option<String>,
    /// Digest of the file that is the package, `sha1:HEX` or `sha256:HEX`, where there is one such file.
    pub digest: Option<String>,
    /// Names of the packages that it needs, as its record writes them, without version conditions.
    #[serde(default)]
    pub requires: Vec<String>,
    /// rpm module `name:stream`.
    pub module: Option<String>,
    /// Who built it (rpm `VENDOR`, deb and apk `Maintainer`), where that tells distro packages from others.
    pub vendor: Option<String>,
    /// The file that records it, relative to the image's root.
    pub path: String,
    /// Index of the layer that brought it, 0 = lowest; `None` when there are no layers (a directory).
    pub layer: Option<u32>,
    /// Name of the operating system package that owns its file; such a package is the distro's matter and
    /// is not matched against its language's advisories.
    pub owner: Option<String>,
}

impl Package {
    /// A package with only the mandatory fields; the rest is filled in by the one who knows.
    pub fn new(kind: PackageKind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            epoch: None,
            arch: None,
            source: None,
            os: None,
            licences: Vec::new(),
            licence: None,
            digest: None,
            requires: Vec::new(),
            module: None,
            vendor: None,
            path: String::new(),
            layer: None,
            owner: None,
        }
    }
}
