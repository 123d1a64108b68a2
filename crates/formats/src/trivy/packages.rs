//! Which result a package stands in, and what Trivy calls things there.

use model::{Distro, Package, PackageKind};

use super::shape::DataSource;

/// What makes a result: its class, its type and its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    /// False sorts first: operating system packages.
    pub(super) language: bool,
    /// Trivy's name of the distro or of the analyzer.
    pub(super) r#type: String,
    /// What is shown of it.
    pub(super) target: String,
}

/// Lock files and build files that Trivy has a type of its own for (`pkg/fanal/types/const.go`).
const LOCK_FILES: &[(&str, &str)] = &[
    ("Cargo.lock", "cargo"),
    ("Gemfile.lock", "bundler"),
    ("Pipfile.lock", "pipenv"),
    ("composer.lock", "composer"),
    ("conda-environment.yml", "conda-environment"),
    ("environment.yml", "conda-environment"),
    ("go.mod", "gomod"),
    ("gradle.lockfile", "gradle"),
    ("package-lock.json", "npm"),
    ("packages.config", "nuget-config"),
    ("packages.lock.json", "nuget"),
    ("pnpm-lock.yaml", "pnpm"),
    ("poetry.lock", "poetry"),
    ("pom.xml", "pom"),
    ("requirements.txt", "pip"),
    ("uv.lock", "uv"),
    ("yarn.lock", "yarn"),
];

/// The result that a package stands in. Operating system packages are one result; installed packages of some
/// languages are one too, for all files together; the others are one for each file.
pub(super) fn group(package: &Package, artifact: &str, distro: Option<&Distro>) -> Group {
    if package.kind.is_os() {
        let (family, name) = distro.map_or(("none", ""), os);
        let label = if name.is_empty() { family.to_owned() } else { format!("{family} {name}") };
        return Group { language: false, r#type: family.into(), target: format!("{artifact} ({label})") };
    }
    let file = package.path.rsplit('/').next().unwrap_or_default();
    if let Some((_, r#type)) = LOCK_FILES.iter().find(|(name, _)| *name == file) {
        return Group { language: true, r#type: (*r#type).into(), target: package.path.clone() };
    }
    let (r#type, target) = match package.kind {
        PackageKind::Pypi => ("python-pkg", Some("Python")),
        PackageKind::Npm => ("node-pkg", Some("Node.js")),
        PackageKind::Gem => ("gemspec", Some("Ruby")),
        PackageKind::Maven => ("jar", Some("Java")),
        PackageKind::Conda => ("conda-pkg", Some("Conda")),
        PackageKind::Golang => ("gobinary", None),
        PackageKind::Cargo => ("rustbinary", None),
        PackageKind::Nuget => ("dotnet-core", None),
        PackageKind::Composer => ("composer-vendor", None),
        PackageKind::Bitnami => ("bitnami", None),
        PackageKind::Generic | PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Alpm => {
            ("executable", None)
        }
    };
    let target = target.map_or_else(|| package.path.clone(), str::to_owned);
    Group { language: true, r#type: r#type.into(), target }
}

/// Family and name of a distribution in Trivy's words (`pkg/fanal/types/const.go`).
pub(super) fn os(distro: &Distro) -> (&str, &str) {
    let family = match distro.id.as_str() {
        "almalinux" => "alma",
        "amzn" => "amazon",
        "mariner" => "cbl-mariner",
        "ol" => "oracle",
        "rhel" => "redhat",
        "sle-micro" | "sl-micro" | "sle-micro-rancher" => "slem",
        other => other,
    };
    (family, distro.version_id.as_deref().unwrap_or_default())
}

/// A version of deb or rpm in its parts: epoch, version, release. Others are not taken apart.
pub(super) fn split(kind: PackageKind, version: &str) -> (u32, &str, &str) {
    if !matches!(kind, PackageKind::Deb | PackageKind::Rpm) {
        return (0, version, "");
    }
    let (epoch, rest) = match version.split_once(':').map(|(epoch, rest)| (epoch.parse(), rest)) {
        Some((Ok(epoch), rest)) => (epoch, rest),
        _ => (0, version),
    };
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

/// Who publishes an advisory, by the form of its id, in the words of trivy-db (`pkg/vulnsrc/vulnerability`).
pub(super) fn source(advisory: &str) -> Option<DataSource> {
    const SOURCES: &[(&str, DataSource)] = &[
        (
            "ALAS",
            DataSource {
                id: "amazon",
                name: "Amazon Linux Security Center",
                url: "https://alas.aws.amazon.com/",
            },
        ),
        ("ALPINE", DataSource { id: "alpine", name: "Alpine Secdb", url: "https://secdb.alpinelinux.org/" }),
        (
            "ALBA",
            DataSource { id: "alma", name: "AlmaLinux Product Errata", url: "https://errata.almalinux.org/" },
        ),
        (
            "ALEA",
            DataSource { id: "alma", name: "AlmaLinux Product Errata", url: "https://errata.almalinux.org/" },
        ),
        (
            "ALSA",
            DataSource { id: "alma", name: "AlmaLinux Product Errata", url: "https://errata.almalinux.org/" },
        ),
        (
            "CGA",
            DataSource {
                id: "chainguard",
                name: "Chainguard Security Data",
                url: "https://packages.cgr.dev/chainguard/security.json",
            },
        ),
        (
            "DEBIAN",
            DataSource {
                id: "debian",
                name: "Debian Security Tracker",
                url: "https://salsa.debian.org/security-tracker-team/security-tracker",
            },
        ),
        (
            "DLA",
            DataSource {
                id: "debian",
                name: "Debian Security Tracker",
                url: "https://salsa.debian.org/security-tracker-team/security-tracker",
            },
        ),
        (
            "DSA",
            DataSource {
                id: "debian",
                name: "Debian Security Tracker",
                url: "https://salsa.debian.org/security-tracker-team/security-tracker",
            },
        ),
        (
            "ELSA",
            DataSource {
                id: "oracle-oval",
                name: "Oracle Linux OVAL definitions",
                url: "https://linux.oracle.com/security/oval/",
            },
        ),
        (
            "GHSA",
            DataSource { id: "ghsa", name: "GitHub Security Advisory", url: "https://github.com/advisories" },
        ),
        (
            "GO",
            DataSource {
                id: "govulndb",
                name: "The Go Vulnerability Database",
                url: "https://pkg.go.dev/vuln/",
            },
        ),
        (
            "RHBA",
            DataSource {
                id: "redhat",
                name: "Red Hat Security Data",
                url: "https://access.redhat.com/security/data",
            },
        ),
        (
            "RHEA",
            DataSource {
                id: "redhat",
                name: "Red Hat Security Data",
                url: "https://access.redhat.com/security/data",
            },
        ),
        (
            "RHSA",
            DataSource {
                id: "redhat",
                name: "Red Hat Security Data",
                url: "https://access.redhat.com/security/data",
            },
        ),
        (
            "RLSA",
            DataSource {
                id: "rocky",
                name: "Rocky Linux updateinfo",
                url: "https://download.rockylinux.org/pub/rocky/",
            },
        ),
        (
            "SUSE",
            DataSource {
                id: "suse-cvrf",
                name: "SUSE CVRF",
                url: "https://ftp.suse.com/pub/projects/security/cvrf/",
            },
        ),
        (
            "UBUNTU",
            DataSource {
                id: "ubuntu",
                name: "Ubuntu CVE Tracker",
                url: "https://git.launchpad.net/ubuntu-cve-tracker",
            },
        ),
        (
            "USN",
            DataSource {
                id: "ubuntu",
                name: "Ubuntu CVE Tracker",
                url: "https://git.launchpad.net/ubuntu-cve-tracker",
            },
        ),
        (
            "openSUSE",
            DataSource {
                id: "suse-cvrf",
                name: "SUSE CVRF",
                url: "https://ftp.suse.com/pub/projects/security/cvrf/",
            },
        ),
    ];
    // ALAS2-2022-1: the release stands in the prefix.
    let prefix = advisory.split('-').next()?.trim_end_matches(|c: char| c.is_ascii_digit());
    let found = SOURCES.iter().find(|(known, _)| *known == prefix).map(|(_, source)| *source);
    // Whatever else there is came by way of OSV.
    let osv = DataSource { id: "osv", name: "Open Source Vulnerability", url: "https://osv.dev/" };
    found.or_else(|| (!advisory.is_empty()).then_some(osv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_stand_where_trivy_has_them() {
        let debian = Distro { id: "debian".into(), version_id: Some("12".into()), ..Distro::default() };
        for (kind, path, expected) in [
            (PackageKind::Deb, "var/lib/dpkg/status", "debian: img (debian 12)"),
            (PackageKind::Pypi, "usr/lib/a.dist-info/METADATA", "python-pkg: Python"),
            (PackageKind::Pypi, "app/poetry.lock", "poetry: app/poetry.lock"),
            (PackageKind::Npm, "app/node_modules/a/package.json", "node-pkg: Node.js"),
            (PackageKind::Npm, "app/package-lock.json", "npm: app/package-lock.json"),
            (PackageKind::Golang, "usr/bin/tool", "gobinary: usr/bin/tool"),
            (PackageKind::Cargo, "usr/bin/rg", "rustbinary: usr/bin/rg"),
            (PackageKind::Maven, "app/a.jar", "jar: Java"),
        ] {
            let mut package = Package::new(kind, "a", "1");
            package.path = path.into();
            let group = group(&package, "img", Some(&debian));
            assert_eq!(format!("{}: {}", group.r#type, group.target), expected);
        }
        assert_eq!(group(&Package::new(PackageKind::Rpm, "a", "1"), "img", None).target, "img (none)");
    }

    #[test]
    fn versions_come_apart_and_sources_are_known() {
        assert_eq!(split(PackageKind::Deb, "1:2.3-4-5"), (1, "2.3-4", "5"));
        assert_eq!(split(PackageKind::Deb, "20230311"), (0, "20230311", ""));
        assert_eq!(split(PackageKind::Rpm, "32:9.11-3.el8"), (32, "9.11", "3.el8"));
        assert_eq!(split(PackageKind::Apk, "1.2-r3"), (0, "1.2-r3", ""));
        assert_eq!(split(PackageKind::Deb, "a:b"), (0, "a:b", ""));
        for (advisory, expected) in [
            ("ALAS2-2022-1", Some("amazon")),
            ("DSA-1", Some("debian")),
            ("PYSEC-1", Some("osv")),
            ("", None),
        ] {
            assert_eq!(source(advisory).map(|source| source.id), expected, "{advisory}");
        }
    }
}
