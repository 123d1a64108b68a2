//! Where advisories of an OSV ecosystem belong: which shard, which channel, which version order.
//!
//! OSV writes `Base:Release` (osv-schema, "Defined ecosystems"); one shard holds one release of one base.
//! This file is the only place that knows those names.

use std::{borrow::Cow, fmt};

/// Name of a shard: lower-case letters, digits, `.` and `-`; safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardName(Box<str>);

impl ShardName {
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 80;

    /// Checks a name; `None` when it could not be a file name of ours.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let valid = !text.is_empty()
            && text.len() <= Self::MAX_BYTES
            && text.bytes().all(allowed)
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        valid.then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where advisories of one ecosystem string go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: ShardName,
    /// The update channel that the string names (`Ubuntu:Pro:...`, a SUSE product beside the base system).
    pub channel: Option<String>,
    /// Name of the version order; see [`crate::version::scheme`].
    pub scheme: &'static str,
    /// Directory of the export that holds this ecosystem.
    pub export: &'static str,
}

/// How the part after the colon becomes a release.
#[derive(Clone, Copy)]
enum Release {
    /// There is none.
    None,
    /// As written, lower-case, without a leading `v`.
    Verbatim,
    /// The first number only: one stream of advisories for all minor releases.
    Major,
    /// Ubuntu's `[Pro:[FIPS:]]22.04[:LTS]`.
    Ubuntu,
    /// SUSE's product names.
    Suse,
}

struct Base {
    name: &'static str,
    prefix: &'static str,
    scheme: &'static str,
    release: Release,
}

const fn base(name: &'static str, prefix: &'static str, scheme: &'static str, release: Release) -> Base {
    Base { name, prefix, scheme, release }
}

/// Every ecosystem that has a place. The name is also the export's directory.
const BASES: &[Base] = &[
    base("AlmaLinux", "almalinux", "rpm", Release::Major),
    base("Alpine", "alpine", "apk", Release::Verbatim),
    base("Azure Linux", "azurelinux", "rpm", Release::Major),
    base("Bitnami", "bitnami", "bitnami", Release::None),
    base("CRAN", "cran", "cran", Release::None),
    base("Chainguard", "chainguard", "apk", Release::None),
    base("Debian", "debian", "deb", Release::Verbatim),
    base("Go", "go", "semver", Release::None),
    base("Hackage", "hackage", "hackage", Release::None),
    base("Hex", "hex", "hex", Release::None),
    base("Maven", "maven", "maven", Release::None),
    base("MinimOS", "minimos", "apk", Release::None),
    base("NuGet", "nuget", "nuget", Release::None),
    base("Packagist", "packagist", "packagist", Release::None),
    base("Photon OS", "photon", "rpm", Release::Verbatim),
    base("Pub", "pub", "pub", Release::None),
    base("PyPI", "pypi", "pypi", Release::None),
    base("Rocky Linux", "rocky", "rpm", Release::Major),
    base("RubyGems", "rubygems", "gem", Release::None),
    base("SUSE", "sles", "rpm", Release::Suse),
    base("SwiftURL", "swift", "semver", Release::None),
    base("Ubuntu", "ubuntu", "deb", Release::Ubuntu),
    base("Wolfi", "wolfi", "apk", Release::None),
    base("crates.io", "crates-io", "semver", Release::None),
    base("npm", "npm", "npm", Release::None),
    base("openSUSE", "opensuse", "rpm", Release::Suse),
];

/// The place of an OSV ecosystem string; `None` when Lazaret keeps no shard for it.
pub fn place(ecosystem: &str) -> Option<Place> {
    let (name, rest) = match ecosystem.split_once(':') {
        Some((name, rest)) => (name, Some(rest)),
        None => (ecosystem, None),
    };
    let base = BASES.iter().find(|base| base.name == name)?;
    let (release, channel) = match (base.release, rest) {
        (Release::None, None) => (None, None),
        (Release::Verbatim, Some(rest)) => (Some(verbatim(rest)?), None),
        (Release::Major, Some(rest)) => (Some(leading_number(rest)?.to_owned()), None),
        (Release::Ubuntu, Some(rest)) => ubuntu(rest)?,
        (Release::Suse, Some(rest)) => suse(base.name, rest)?,
        _ => return None,
    };
    let shard = match release {
        None => base.prefix.to_owned(),
        Some(release) => format!("{}-{release}", base.prefix),
    };
    Some(Place { shard: ShardName::new(&shard)?, channel, scheme: base.scheme, export: base.name })
}

/// The shard of an OSV ecosystem string.
pub fn shard_name(ecosystem: &str) -> Option<ShardName> {
    place(ecosystem).map(|place| place.shard)
}

/// The export that fills a shard of that name.
pub fn export_of(shard: &ShardName) -> Option<&'static str> {
    let of = |base: &&Base| match (base.release, shard.as_str().strip_prefix(base.prefix)) {
        (Release::None, Some("")) => true,
        (Release::None, _) | (_, None) => false,
        (_, Some(rest)) => rest.starts_with('-'),
    };
    BASES.iter().find(of).map(|base| base.name)
}

/// A package name as the shards of that version order hold it: PyPI's in the form of PEP 503, Composer's and
/// NuGet's in lower case, all others as they are. The one who writes rows and the one who looks them up must
/// both go through here.
pub fn lookup_name<'a>(scheme: &str, name: &'a str) -> Cow<'a, str> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match scheme {
        _ if name.bytes().all(is_plain) => Cow::Borrowed(name),
        "nuget" | "packagist" => Cow::Owned(name.to_ascii_lowercase()),
        "pypi" => Cow::Owned(model::purl::normalise_pypi(name)),
        _ => Cow::Borrowed(name),
    }
}

fn verbatim(rest: &str) -> Option<String> {
    let text = rest.strip_prefix('v').unwrap_or(rest).to_ascii_lowercase();
    (!text.is_empty() && !text.contains(':')).then_some(text)
}

fn leading_number(text: &str) -> Option<&str> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).filter(|digits| !digits.is_empty())
}

/// `Pro:FIPS:18.04:LTS` -> release `18.04`, channel `pro-fips`.
fn ubuntu(rest: &str) -> Option<(Option<String>, Option<String>)> {
    let is_release = |part: &str| part.contains('.') && part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let mut channel: Vec<String> = Vec::new();
    for part in rest.split(':') {
        if is_release(part) {
            let channel = (!channel.is_empty()).then(|| channel.join("-"));
            return Some((Some(part.to_owned()), channel));
        }
        channel.push(part.to_ascii_lowercase());
    }
    None
}

/// `Linux Enterprise Module for Basesystem 15 SP4` -> release `15.4`; products that an image of the base
/// system does not carry (`... for SAP Applications`, `...-LTSS`) become channels.
fn suse(base: &str, product: &str) -> Option<(Option<String>, Option<String>)> {
    if base == "openSUSE" {
        return Some((Some(slug(product)), None));
    }
    let rest = product.strip_prefix("Linux ")?;
    let (micro, rest) = if let Some(rest) = rest.strip_prefix("Micro ") {
        (true, rest)
    } else {
        let rest = rest.strip_prefix("Enterprise ")?;
        rest.strip_prefix("Micro ").map_or((false, rest), |rest| (true, rest))
    };
    // The release is the first word that begins with a digit and its service pack.
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let at = words.iter().rposition(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let word = words.get(at)?;
    let (number, mut extra) = word.split_once('-').map_or((*word, None), |(n, e)| (n, Some(e)));
    let mut release = number.to_owned();
    if let Some(pack) = words.get(at + 1).and_then(|word| word.strip_prefix("SP")) {
        let digits = leading_number(pack)?;
        release = format!("{number}.{digits}");
        extra = pack.get(digits.len()..).and_then(|tail| tail.strip_prefix('-')).or(extra);
    }
    if micro {
        release = format!("micro-{release}");
    }
    let product = words.get(..at)?.join(" ");
    let is_base = micro || product == "Server" || product.starts_with("Module for ");
    let channel = match (is_base, extra) {
        (true, None) => None,
        (true, Some(extra)) => Some(slug(extra)),
        (false, None) => Some(slug(&product)),
        (false, Some(extra)) => Some(slug(&format!("{product} {extra}"))),
    };
    Some((Some(release), channel))
}

/// Lower-case words with single dashes between them.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ecosystem: &str, shard: &str, channel: Option<&str>) {
        let place = place(ecosystem).unwrap_or_else(|| panic!("{ecosystem} has no place"));
        assert_eq!(place.shard.as_str(), shard, "{ecosystem}");
        assert_eq!(place.channel.as_deref(), channel, "{ecosystem}");
    }

    #[test]
    fn names_shards() {
        check("Debian:12", "debian-12", None);
        check("Alpine:v3.20", "alpine-3.20", None);
        check("Alpine:edge", "alpine-edge", None);
        check("AlmaLinux:8", "almalinux-8", None);
        check("Rocky Linux:9", "rocky-9", None);
        check("Ubuntu:22.04:LTS", "ubuntu-22.04", None);
        check("Ubuntu:21.10", "ubuntu-21.10", None);
        check("Ubuntu:Pro:22.04:LTS", "ubuntu-22.04", Some("pro"));
        check("Ubuntu:Pro:FIPS-updates:18.04:LTS", "ubuntu-18.04", Some("pro-fips-updates"));
        check("PyPI", "pypi", None);
        check("crates.io", "crates-io", None);
        check("openSUSE:Leap 15.5", "opensuse-leap-15.5", None);
        check("openSUSE:Tumbleweed", "opensuse-tumbleweed", None);
        check("SUSE:Linux Enterprise Server 15 SP4", "sles-15.4", None);
        check("SUSE:Linux Enterprise Module for Basesystem 15 SP4", "sles-15.4", None);
        check("SUSE:Linux Enterprise Module for Python 3 15 SP4", "sles-15.4", None);
        check("SUSE:Linux Enterprise Server 15 SP4-LTSS", "sles-15.4", Some("ltss"));
        check(
            "SUSE:Linux Enterprise Server for SAP Applications 12 SP5",
            "sles-12.5",
            Some("server-for-sap-applications"),
        );
        check("SUSE:Linux Enterprise Server 12", "sles-12", None);
        check("SUSE:Linux Enterprise Micro 5.3", "sles-micro-5.3", None);
        check("SUSE:Linux Micro 6.0", "sles-micro-6.0", None);
        check("Azure Linux:3", "azurelinux-3", None);
    }

    #[test]
    fn spells_names_as_registries_do() {
        for (scheme, name, expected) in [
            ("pypi", "Zope.Interface", "zope-interface"),
            ("packagist", "Tide/Harbour_Lights", "tide/harbour_lights"),
            ("packagist", "tide/lights", "tide/lights"),
            ("nuget", "Newtonsoft.Json", "newtonsoft.json"),
            ("maven", "org.example:Tide-Core", "org.example:Tide-Core"),
            ("gem", "RedCloth", "RedCloth"),
            ("bitnami", "wordpress", "wordpress"),
        ] {
            assert_eq!(lookup_name(scheme, name), expected, "{scheme} {name}");
        }
    }

    #[test]
    fn knows_the_export_of_a_shard() {
        for (shard, export) in [
            ("debian-12", Some("Debian")),
            ("sles-micro-5.3", Some("SUSE")),
            ("opensuse-leap-15.5", Some("openSUSE")),
            ("pypi", Some("PyPI")),
            ("pypi-1", None),
            ("debian", None),
            ("other", None),
        ] {
            assert_eq!(export_of(&ShardName::new(shard).unwrap()), export, "{shard}");
        }
    }

    #[test]
    fn knows_what_has_no_place() {
        for odd in [
            "",
            "Debian",
            "Debian:",
            "PyPI:1",
            "Ecosystem1",
            "Linux",
            "Seal:PyPI",
            "Ubuntu:Pro",
            "Ubuntu:",
            "Debian:../../x",
            "Alpine:v3.20:x",
            "Red Hat:rhel_e4s:9.2::appstream",
            "SUSE:Manager Server",
            "AlmaLinux:x",
        ] {
            assert_eq!(place(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_free_of_duplicates() {
        assert!(BASES.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut prefixes: Vec<_> = BASES.iter().map(|base| base.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert_eq!(prefixes.len(), BASES.len());
    }
}
