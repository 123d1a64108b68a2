//! Which shards an image needs: from its distribution and the kinds of its packages.

use std::collections::BTreeMap;

use model::{Distro, Inventory, Package, PackageKind};

use crate::{
    ecosystem::{Place, ShardName, place},
    upstream::bitnami_name,
};

/// One shard that an image needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The packages that need it.
    pub kind: PackageKind,
    /// Name of the shard.
    pub shard: ShardName,
    /// Directory of the export that fills it, for example `Debian`.
    pub export: &'static str,
    /// Name of the version order.
    pub scheme: &'static str,
    /// What its advisories name.
    pub lookup: Lookup,
    /// Number of packages that need it.
    pub packages: usize,
}

/// By what its packages are looked up in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The package's own name and version.
    Binary,
    /// The name and version of the source that it was built from (deb; apk, where it is the origin).
    Source,
    /// The source, then the package itself: advisories of rolling apk distributions name both.
    SourceAndBinary,
    /// The source with its epoch left out of the comparison: rpm source names carry none.
    SourceWithoutEpoch,
}

/// Packages for which Lazaret keeps no advisories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCovered {
    /// Their distribution (`rhel 9.4`) or kind (`rpm`).
    pub label: String,
    /// Number of packages.
    pub packages: usize,
    /// Why.
    pub reason: Reason,
}

/// Why packages are not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The image does not say what distribution it is.
    UnknownOs,
    /// No feed for this distribution.
    Distro,
    /// The distribution is covered, but the image does not say which release it is.
    Release,
    /// Packages of another package manager than the distribution's.
    Foreign,
    /// No feed for packages of this kind.
    Kind,
    /// No feed speaks of these programs.
    Program,
}

impl Reason {
    /// A sentence fragment for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownOs => "the operating system could not be told",
            Self::Distro => "no advisories are known to lazaret for this distribution",
            Self::Release => "the image does not say which release of its distribution it is",
            Self::Kind => "no advisories are known to lazaret for packages of this kind",
            Self::Program => {
                "no advisories are known to lazaret for these programs outside of a distribution"
            }
            Self::Foreign => "the packages are not of the distribution's own kind",
        }
    }
}

/// What an image needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The shards, by name.
    pub shards: Vec<Need>,
    /// What no shard covers, by label.
    pub not_covered: Vec<NotCovered>,
}

/// True for packages that are matched at all: a language package that an operating system package owns is
/// the distribution's matter.
pub fn is_matched(package: &Package) -> bool {
    package.kind.is_os() || package.owner.is_none()
}

/// True when the advisories of its kind can speak of a package: of programs, only some are known by name there.
pub(crate) fn is_known(package: &Package) -> bool {
    package.kind != PackageKind::Generic || bitnami_name(&package.name).is_some()
}

/// What the packages of an inventory need.
pub fn needs(inventory: &Inventory) -> Needs {
    let mut counts: BTreeMap<PackageKind, usize> = BTreeMap::new();
    let mut unknown = 0;
    for package in inventory.packages.iter().filter(|package| is_matched(package)) {
        if is_known(package) {
            *counts.entry(package.kind).or_default() += 1;
        } else {
            unknown += 1;
        }
    }
    let mut needs = Needs::default();
    if unknown > 0 {
        let label = PackageKind::Generic.as_str().to_owned();
        needs.not_covered.push(NotCovered { label, packages: unknown, reason: Reason::Program });
    }
    for (kind, packages) in counts {
        match need(kind, inventory.distro.as_ref()) {
            Ok(need) => needs.shards.push(Need { packages, ..need }),
            Err(reason) => {
                let distro = inventory.distro.as_ref().filter(|distro| !distro.id.is_empty());
                let label = match (reason, distro) {
                    (Reason::Distro | Reason::Release, Some(distro)) => distro.label(),
                    _ => kind.as_str().to_owned(),
                };
                needs.not_covered.push(NotCovered { label, packages, reason });
            }
        }
    }
    needs.shards.sort_by(|a, b| a.shard.cmp(&b.shard));
    needs.not_covered.sort_by(|a, b| a.label.cmp(&b.label));
    needs
}

/// The shard for one kind of packages of a distribution; its `packages` is 0.
pub fn need(kind: PackageKind, distro: Option<&Distro>) -> Result<Need, Reason> {
    let ecosystem = match kind {
        PackageKind::Pypi => "PyPI".to_owned(),
        PackageKind::Npm => "npm".to_owned(),
        PackageKind::Golang => "Go".to_owned(),
        PackageKind::Cargo => "crates.io".to_owned(),
        PackageKind::Maven => "Maven".to_owned(),
        PackageKind::Gem => "RubyGems".to_owned(),
        PackageKind::Nuget => "NuGet".to_owned(),
        PackageKind::Composer => "Packagist".to_owned(),
        // Its records speak of upstream software and its versions; see `upstream`.
        PackageKind::Bitnami | PackageKind::Generic => "Bitnami".to_owned(),
        PackageKind::Conda => return Err(Reason::Kind),
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Alpm => {
            let distro = distro.filter(|distro| !distro.id.is_empty()).ok_or(Reason::UnknownOs)?;
            ecosystem_of(distro)?
        }
    };
    let Place { shard, scheme, export, .. } = place(&ecosystem).ok_or(Reason::Release)?;
    if kind.is_os() && scheme != kind.as_str() {
        return Err(Reason::Foreign);
    }
    let lookup = match (kind, export) {
        (PackageKind::Deb, _) | (PackageKind::Apk, "Alpine") => Lookup::Source,
        (PackageKind::Apk, _) => Lookup::SourceAndBinary,
        // These name source packages, as their own advisories and OVAL files do.
        (PackageKind::Rpm, "Rocky Linux" | "Azure Linux" | "Photon OS") => Lookup::SourceWithoutEpoch,
        _ => Lookup::Binary,
    };
    Ok(Need { kind, shard, export, scheme, lookup, packages: 0 })
}

/// The OSV ecosystem of a distribution. Derivatives are never taken for their parents: their versions differ.
fn ecosystem_of(distro: &Distro) -> Result<String, Reason> {
    let version = distro.version_id.as_deref().filter(|version| !version.is_empty());
    let needed = version.ok_or(Reason::Release);
    Ok(match distro.id.as_str() {
        "debian" => format!("Debian:{}", debian_release(distro).ok_or(Reason::Release)?),
        "ubuntu" => format!("Ubuntu:{}", needed?),
        "alpine" => format!("Alpine:{}", alpine_release(needed?)),
        "wolfi" => "Wolfi".to_owned(),
        "chainguard" => "Chainguard".to_owned(),
        "minimos" => "MinimOS".to_owned(),
        "almalinux" => format!("AlmaLinux:{}", needed?),
        "rocky" => format!("Rocky Linux:{}", needed?),
        // CBL-Mariner 2.0 is the former name of Azure Linux 2.
        "mariner" | "azurelinux" => format!("Azure Linux:{}", needed?),
        "photon" => format!("Photon OS:{}", needed?),
        "opensuse-leap" => format!("openSUSE:Leap {}", needed?),
        "opensuse-tumbleweed" => "openSUSE:Tumbleweed".to_owned(),
        "sles" | "sles_sap" | "sled" => format!("SUSE:Linux Enterprise Server {}", service_pack(needed?)),
        "sle-micro" | "sl-micro" | "suse-microos" => format!("SUSE:Linux Micro {}", needed?),
        _ => return Err(Reason::Distro),
    })
}

/// Releases by number; testing and unstable carry no `VERSION_ID`, only a code name.
fn debian_release(distro: &Distro) -> Option<String> {
    if let Some(version) = distro.version_id.as_deref().filter(|version| !version.is_empty()) {
        // Point releases (`11.7`) share the advisories of their release.
        return Some(version.split('.').next().unwrap_or(version).to_owned());
    }
    let pretty = distro.pretty_name.as_deref().unwrap_or_default();
    let codename = match distro.codename.as_deref().filter(|name| !name.is_empty()) {
        Some(codename) => codename,
        // `Debian GNU/Linux trixie/sid`
        None => pretty.rsplit(' ').next().filter(|word| word.contains("/sid"))?,
    };
    let codename = codename.split('/').next().unwrap_or(codename);
    let number = match codename {
        "buster" => "10",
        "bullseye" => "11",
        "bookworm" => "12",
        "trixie" => "13",
        "forky" => "14",
        "duke" => "15",
        other => other,
    };
    Some(number.to_owned())
}

/// `3.20.3` -> `3.20`; a version with `_alpha` or a date is edge.
fn alpine_release(version: &str) -> String {
    if version.contains("_alpha") || version == "edge" {
        return "edge".to_owned();
    }
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => version.to_owned(),
    }
}

/// `15.4` -> `15 SP4`; from 16 on there are no service packs.
fn service_pack(version: &str) -> String {
    match version.split_once('.') {
        Some((major, _)) if major.parse().is_ok_and(|major: u32| major >= 16) => version.to_owned(),
        Some((major, pack)) if pack != "0" => format!("{major} SP{pack}"),
        Some((major, _)) => major.to_owned(),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(id: &str, version: &str, codename: &str) -> Distro {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Distro { id: id.into(), version_id: some(version), codename: some(codename), ..Distro::default() }
    }

    /// The shard and its export, or why there is none.
    fn found(kind: PackageKind, distro: &Distro) -> String {
        match need(kind, Some(distro)) {
            Ok(need) => format!("{} of {}", need.shard, need.export),
            Err(reason) => format!("{reason:?}"),
        }
    }

    #[test]
    fn every_distribution_has_a_shard_or_a_reason() {
        use PackageKind::{Alpm, Apk, Deb, Rpm};
        for (kind, id, version, codename, expected) in [
            (Deb, "debian", "12", "bookworm", "debian-12 of Debian"),
            (Deb, "debian", "11.7", "", "debian-11 of Debian"),
            (Deb, "debian", "", "trixie", "debian-13 of Debian"),
            (Deb, "debian", "", "sid", "debian-sid of Debian"),
            (Deb, "debian", "", "", "Release"),
            (Deb, "ubuntu", "22.04", "jammy", "ubuntu-22.04 of Ubuntu"),
            (Deb, "ubuntu", "24.10", "oracular", "ubuntu-24.10 of Ubuntu"),
            (Deb, "ubuntu", "jammy", "", "Release"),
            (Deb, "ubuntu", "", "jammy", "Release"),
            (Deb, "linuxmint", "21", "", "Distro"),
            (Deb, "raspbian", "12", "bookworm", "Distro"),
            (Deb, "", "", "", "UnknownOs"),
            (Apk, "alpine", "3.20.3", "", "alpine-3.20 of Alpine"),
            (Apk, "alpine", "3.21.0_alpha20240923", "", "alpine-edge of Alpine"),
            (Apk, "alpine", "", "", "Release"),
            (Apk, "wolfi", "20230201", "", "wolfi of Wolfi"),
            (Apk, "chainguard", "20230214", "", "chainguard of Chainguard"),
            (Apk, "minimos", "20241031", "", "minimos of MinimOS"),
            (Apk, "postmarketos", "24.06", "", "Distro"),
            (Rpm, "almalinux", "8.5", "", "almalinux-8 of AlmaLinux"),
            (Rpm, "almalinux", "10.0", "", "almalinux-10 of AlmaLinux"),
            (Rpm, "rocky", "9.3", "", "rocky-9 of Rocky Linux"),
            (Rpm, "mariner", "2.0", "", "azurelinux-2 of Azure Linux"),
            (Rpm, "azurelinux", "3.0", "", "azurelinux-3 of Azure Linux"),
            (Rpm, "photon", "5.0", "", "photon-5.0 of Photon OS"),
            (Rpm, "sles", "15.4", "", "sles-15.4 of SUSE"),
            (Rpm, "sles", "15", "", "sles-15 of SUSE"),
            (Rpm, "sles", "12.5", "", "sles-12.5 of SUSE"),
            (Rpm, "sles", "16.0", "", "sles-16.0 of SUSE"),
            (Rpm, "sled", "15.6", "", "sles-15.6 of SUSE"),
            (Rpm, "sle-micro", "5.5", "", "sles-micro-5.5 of SUSE"),
            (Rpm, "sl-micro", "6.0", "", "sles-micro-6.0 of SUSE"),
            (Rpm, "opensuse-leap", "15.5", "", "opensuse-leap-15.5 of openSUSE"),
            (Rpm, "opensuse-tumbleweed", "20240101", "", "opensuse-tumbleweed of openSUSE"),
            (Rpm, "rhel", "9.4", "", "Distro"),
            (Rpm, "centos", "7", "", "Distro"),
            (Rpm, "centos", "9", "", "Distro"),
            (Rpm, "ol", "8.9", "", "Distro"),
            (Rpm, "amzn", "2023", "", "Distro"),
            (Rpm, "fedora", "40", "", "Distro"),
            (Rpm, "openeuler", "22.03", "", "Distro"),
            (Rpm, "debian", "12", "", "Foreign"),
            (Deb, "wolfi", "20230201", "", "Foreign"),
            (Alpm, "arch", "20250101.0.1", "", "Distro"),
            (Alpm, "", "", "", "UnknownOs"),
            (Alpm, "debian", "12", "", "Foreign"),
        ] {
            assert_eq!(found(kind, &distro(id, version, codename)), expected, "{kind:?} {id} {version}");
        }
        let mut sid = distro("debian", "", "");
        sid.pretty_name = Some("Debian GNU/Linux forky/sid".into());
        assert_eq!(found(Deb, &sid), "debian-14 of Debian");
        assert_eq!(need(Deb, None), Err(Reason::UnknownOs));
    }

    #[test]
    fn packages_of_languages_need_no_distribution() {
        use PackageKind as Kind;
        for (kind, expected) in [
            (Kind::Pypi, "pypi"),
            (Kind::Npm, "npm"),
            (Kind::Golang, "go"),
            (Kind::Cargo, "crates-io"),
            (Kind::Maven, "maven"),
            (Kind::Gem, "rubygems"),
            (Kind::Nuget, "nuget"),
            (Kind::Composer, "packagist"),
            (Kind::Bitnami, "bitnami"),
            (Kind::Generic, "bitnami"),
        ] {
            let need = need(kind, None).unwrap();
            assert_eq!(need.shard.as_str(), expected);
            assert!(crate::version::scheme(need.scheme).is_some(), "{expected} has no order");
        }
        assert_eq!(need(Kind::Conda, None), Err(Reason::Kind));
    }

    #[test]
    fn an_image_without_a_distribution_lacks_nothing_but_for_its_own_packages() {
        let scratch = |packages| needs(&Inventory { packages, ..Inventory::default() });
        let gaps = |needs: &Needs| needs.not_covered.iter().map(|gap| gap.reason).collect::<Vec<_>>();
        let go = || Package::new(PackageKind::Golang, "example.org/tide", "v1.0.0");
        let one = scratch(vec![go()]);
        assert_eq!((one.shards.len(), gaps(&one)), (1, vec![]));
        assert_eq!(scratch(Vec::new()), Needs::default());
        let odd = scratch(vec![go(), Package::new(PackageKind::Deb, "libc6", "2.36-9")]);
        assert_eq!((odd.shards.len(), gaps(&odd)), (1, vec![Reason::UnknownOs]));
        let busybox = scratch(vec![Package::new(PackageKind::Generic, "busybox", "1.36.1")]);
        assert_eq!((busybox.shards.len(), gaps(&busybox)), (0, vec![Reason::Program]));
    }

    #[test]
    fn counts_packages_and_leaves_owned_ones_to_the_distribution() {
        let mut owned = Package::new(PackageKind::Pypi, "six", "1.16.0");
        owned.owner = Some("python3-six".into());
        let inventory = Inventory {
            distro: Some(distro("rhel", "9.4", "")),
            packages: vec![
                Package::new(PackageKind::Rpm, "bash", "5.1.8-6.el9"),
                owned,
                Package::new(PackageKind::Npm, "a", "1.0.0"),
                Package::new(PackageKind::Npm, "b", "1.0.0"),
            ],
            ..Inventory::default()
        };
        let needs = needs(&inventory);
        let shards: Vec<_> = needs.shards.iter().map(|need| (need.shard.as_str(), need.packages)).collect();
        assert_eq!(shards, [("npm", 2)]);
        let label = "rhel 9.4".to_owned();
        assert_eq!(needs.not_covered, [NotCovered { label, packages: 1, reason: Reason::Distro }]);
    }
}
