//! From a package URL back to a package (package-url/purl-spec, PURL-SPECIFICATION and PURL-TYPES).
//!
//! More lenient than the specification: other tools write namespaces, qualifiers and cases of their own, and what
//! they mean is still clear. [`model::purl`] writes them.

use model::{Distro, Package, PackageKind, package::SourcePackage};

/// The longest text that is looked at.
const MAX_BYTES: usize = 4096;

/// The parts of a purl, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// In lower case.
    pub(crate) kind: String,
    /// Without slashes at its ends.
    pub(crate) namespace: Option<String>,
    /// Never empty.
    pub(crate) name: String,
    /// Never empty.
    pub(crate) version: Option<String>,
    /// In the order of the text, keys in lower case.
    pub(crate) qualifiers: Vec<(String, String)>,
    /// Never empty.
    pub(crate) subpath: Option<String>,
}

impl Parts {
    /// The value of a qualifier that is not empty.
    pub(crate) fn qualifier(&self, key: &str) -> Option<&str> {
        let found = self.qualifiers.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Takes a purl apart. `None` when it is none.
pub(crate) fn parts(text: &str) -> Option<Parts> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let rest = text.trim().strip_prefix("pkg:")?.trim_start_matches('/');
    let (rest, subpath) = rest.rsplit_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
    let (kind, rest) = rest.split_once('/')?;
    let rest = rest.trim_matches('/');
    // A scope of npm may stand with a bare `@`: a version never holds a bare slash.
    let (path, version) = match rest.rsplit_once('@') {
        Some((path, version)) if !path.is_empty() && !version.contains('/') => (path, version),
        _ => (rest, ""),
    };
    let (namespace, name) = match path.trim_end_matches('/').rsplit_once('/') {
        Some((namespace, name)) => (Some(decode(namespace.trim_matches('/'))?), decode(name)?),
        None => (None, decode(path)?),
    };
    let mut qualifiers = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        qualifiers.push((key.to_ascii_lowercase(), decode(value)?));
    }
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let parts = Parts {
        kind: kind.to_ascii_lowercase(),
        namespace: namespace.and_then(filled),
        name,
        version: filled(decode(version)?),
        qualifiers,
        subpath: filled(decode(subpath.trim_matches('/'))?),
    };
    (!parts.kind.is_empty() && !parts.name.is_empty()).then_some(parts)
}

/// Percent-decodes. `None` for what is not UTF-8 afterwards; a `%` without two digits stands for itself.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// The kind of packages that a purl type names.
pub(crate) fn kind(name: &str) -> Option<PackageKind> {
    Some(match name {
        "deb" => PackageKind::Deb,
        // The name that Alpine's packages had in purls before the type list was kept.
        "apk" | "alpine" => PackageKind::Apk,
        "rpm" => PackageKind::Rpm,
        "pypi" => PackageKind::Pypi,
        "npm" => PackageKind::Npm,
        "golang" => PackageKind::Golang,
        "cargo" => PackageKind::Cargo,
        "maven" => PackageKind::Maven,
        "gem" => PackageKind::Gem,
        "nuget" => PackageKind::Nuget,
        "composer" => PackageKind::Composer,
        "conda" => PackageKind::Conda,
        "alpm" => PackageKind::Alpm,
        "bitnami" => PackageKind::Bitnami,
        "generic" => PackageKind::Generic,
        _ => return None,
    })
}

/// The package that a purl names: kind, name, version, epoch, architecture and source. `None` when it is no purl, or
/// none of a kind that is known here.
pub(crate) fn package(text: &str) -> Option<Package> {
    let parts = parts(text)?;
    package_of(&parts)
}

/// The same of a purl that was taken apart already.
pub(crate) fn package_of(parts: &Parts) -> Option<Package> {
    let kind = kind(&parts.kind)?;
    let mut version = parts.version.clone().unwrap_or_default();
    let mut epoch = None;
    match kind {
        PackageKind::Rpm => {
            epoch = parts.qualifier("epoch").and_then(|epoch| epoch.parse().ok());
            if let Some(epoch) = epoch.filter(|epoch: &u32| *epoch > 0)
                && !version.contains(':')
            {
                version = format!("{epoch}:{version}");
            }
        }
        PackageKind::Deb => epoch = version.split_once(':').and_then(|(epoch, _)| epoch.parse().ok()),
        _ => {}
    }
    let mut package = Package::new(kind, name(kind, parts), version);
    package.epoch = epoch;
    if kind.is_os() {
        package.arch = parts.qualifier("arch").map(str::to_owned);
        package.source = parts.qualifier("upstream").and_then(|text| source(kind, text));
        // Without another, a source has the version of the package; without any, its name too.
        if let Some(source) = package.source.as_mut().filter(|source| source.version.is_empty()) {
            // Without its epoch: rpm source names carry none.
            let own = if kind == PackageKind::Rpm { parts.version.clone() } else { None };
            source.version = own.unwrap_or_else(|| package.version.clone());
        }
        if package.source.is_none() && kind == PackageKind::Deb {
            let (name, version) = (package.name.clone(), package.version.clone());
            package.source = Some(SourcePackage { name, version });
        }
    }
    Some(package)
}

/// The name in the writing of the kind's own package manager.
fn name(kind: PackageKind, parts: &Parts) -> String {
    let name = parts.name.as_str();
    let Some(namespace) = parts.namespace.as_deref() else { return name.to_owned() };
    match kind {
        PackageKind::Npm if namespace.starts_with('@') => format!("{namespace}/{name}"),
        PackageKind::Npm => format!("@{namespace}/{name}"),
        PackageKind::Golang | PackageKind::Composer | PackageKind::Generic => format!("{namespace}/{name}"),
        PackageKind::Maven => format!("{namespace}:{name}"),
        _ => name.to_owned(),
    }
}

/// The source of `upstream`: `NAME`, `NAME@VERSION`, or the file name of an rpm source.
fn source(kind: PackageKind, text: &str) -> Option<SourcePackage> {
    if kind == PackageKind::Rpm && text.ends_with(".rpm") {
        return source_rpm(text);
    }
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    (!name.is_empty()).then(|| SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

/// `name-version-release.src.rpm`, or `.nosrc.rpm`.
pub(crate) fn source_rpm(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let whole = !name.is_empty() && !version.is_empty() && !release.is_empty();
    whole.then(|| SourcePackage { name: name.to_owned(), version: format!("{version}-{release}") })
}

/// The distribution that a purl of an operating system package names by its `distro` qualifier (`debian-12`, `12`,
/// `bookworm`) and its namespace.
pub(crate) fn distro(parts: &Parts) -> Option<Distro> {
    if !kind(&parts.kind)?.is_os() {
        return None;
    }
    let namespace = parts.namespace.as_deref();
    let Some(label) = parts.qualifier("distro") else {
        return namespace.map(|id| Distro { id: distro_id(id), ..Distro::default() });
    };
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let rest = namespace.and_then(|id| Some((id, label.strip_prefix(id)?.strip_prefix('-')?)));
    let (id, version) = match (rest, label.rsplit_once('-')) {
        _ if namespace == Some(label) => (label, None),
        (Some((id, rest)), _) if is_version(rest) => (id, Some(rest)),
        (_, Some((id, version))) if is_version(version) && !id.is_empty() => (id, Some(version)),
        (Some((id, rest)), _) => (id, Some(rest)),
        _ => match namespace {
            // Some write the release alone.
            Some(namespace) if !label.contains('-') => (namespace, Some(label)),
            _ => (label, None),
        },
    };
    let mut distro = Distro { id: distro_id(id), ..Distro::default() };
    match version {
        Some(version) if is_version(version) => distro.version_id = Some(version.to_owned()),
        Some(codename) => distro.codename = Some(codename.to_owned()),
        None => {}
    }
    Some(distro)
}

/// The `ID` of os-release(5) for the names that other tools give to distributions.
pub(crate) fn distro_id(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    match name.as_str() {
        "alma" => "almalinux",
        "amazon" => "amzn",
        "cbl-mariner" => "mariner",
        "oracle" => "ol",
        "redhat" => "rhel",
        "rockylinux" => "rocky",
        "opensuse.leap" => "opensuse-leap",
        "opensuse.tumbleweed" => "opensuse-tumbleweed",
        "slem" => "sle-micro",
        "suse linux enterprise server" => "sles",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_purls_apart() {
        let check = |text: &str, kind: PackageKind, name: &str, version: &str| {
            let found = package(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (found.kind, found.name.as_str(), found.version.as_str()),
                (kind, name, version),
                "{text}"
            );
        };
        check("pkg:npm/%40babel/core@7.0.0", PackageKind::Npm, "@babel/core", "7.0.0");
        check("pkg:npm/@babel/core@7.0.0", PackageKind::Npm, "@babel/core", "7.0.0");
        check("pkg:npm/@babel/core", PackageKind::Npm, "@babel/core", "");
        check("pkg:npm/lodash@4.17.21", PackageKind::Npm, "lodash", "4.17.21");
        check("pkg:golang/golang.org/x/net@v0.1.0", PackageKind::Golang, "golang.org/x/net", "v0.1.0");
        check("pkg:golang/stdlib@1.22.1", PackageKind::Golang, "stdlib", "1.22.1");
        check("pkg:maven/org.slf4j/slf4j-api@1.7.36", PackageKind::Maven, "org.slf4j:slf4j-api", "1.7.36");
        check("pkg:composer/symfony/yaml@v5.4.0?x=y", PackageKind::Composer, "symfony/yaml", "v5.4.0");
        check(
            "pkg:deb/debian/libc6@1%3A2.36-9%2Bdeb12u4?arch=amd64",
            PackageKind::Deb,
            "libc6",
            "1:2.36-9+deb12u4",
        );
        check("pkg:rpm/redhat/bind@9.11-3.el8?epoch=32", PackageKind::Rpm, "bind", "32:9.11-3.el8");
        check("pkg:rpm/redhat/bash@5.1-3.el8?epoch=0", PackageKind::Rpm, "bash", "5.1-3.el8");
        check("pkg:PyPI/Django@4.0", PackageKind::Pypi, "Django", "4.0");
        check("pkg://conda/absl-py@0.4.1?build=py36&channel=main", PackageKind::Conda, "absl-py", "0.4.1");
        check("pkg:alpine/musl@1.2.3-r0", PackageKind::Apk, "musl", "1.2.3-r0");
        check("pkg:gem/100%@1", PackageKind::Gem, "100%", "1");
        for bad in
            ["", "pkg:", "pkg:npm", "pkg:npm/", "pkg:github/a/b@1", "npm/a@1", "pkg:npm/%ff@1", "pkg:npm//"]
        {
            assert_eq!(package(bad), None, "{bad}");
        }
        assert_eq!(package(&format!("pkg:npm/{}", "a".repeat(MAX_BYTES))), None);
    }

    #[test]
    fn sources_are_in_upstream() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let source = package(text).unwrap().source;
            assert_eq!(source.as_ref().map(|s| (s.name.as_str(), s.version.as_str())), expected, "{text}");
        };
        check("pkg:deb/debian/libssl3@3.0.15-1?upstream=openssl", Some(("openssl", "3.0.15-1")));
        check(
            "pkg:deb/debian/libgcc-s1@12.2.0-14?upstream=gcc-12%4012.2.0-13",
            Some(("gcc-12", "12.2.0-13")),
        );
        check("pkg:deb/debian/bash@5.2-2%2Bb1", Some(("bash", "5.2-2+b1")));
        check("pkg:rpm/a@1?upstream=bash-5.1.8-6.el9.src.rpm", Some(("bash", "5.1.8-6.el9")));
        check("pkg:rpm/a@1?upstream=bash.src.rpm", None);
        check("pkg:apk/alpine/libssl3@3.1?upstream=openssl", Some(("openssl", "3.1")));
        check("pkg:npm/a@1?upstream=b", None);
    }

    #[test]
    fn distributions_are_in_qualifiers() {
        let check = |text: &str, expected: Option<(&str, Option<&str>, Option<&str>)>| {
            let found = distro(&parts(text).unwrap());
            let found = found
                .as_ref()
                .map(|found| (found.id.as_str(), found.version_id.as_deref(), found.codename.as_deref()));
            assert_eq!(found, expected, "{text}");
        };
        check("pkg:deb/debian/a@1?distro=debian-12", Some(("debian", Some("12"), None)));
        check("pkg:deb/debian/a@1?distro=bookworm", Some(("debian", None, Some("bookworm"))));
        check("pkg:deb/debian/a@1?distro=debian-sid", Some(("debian", None, Some("sid"))));
        check("pkg:apk/alpine/a@1?distro=3.20.3", Some(("alpine", Some("3.20.3"), None)));
        check("pkg:apk/wolfi/a@1?distro=wolfi", Some(("wolfi", None, None)));
        check("pkg:rpm/redhat/a@1?distro=rhel-9.4", Some(("rhel", Some("9.4"), None)));
        check("pkg:rpm/redhat/a@1?distro=redhat-9.4", Some(("rhel", Some("9.4"), None)));
        check("pkg:rpm/opensuse/a@1?distro=opensuse-leap-15.5", Some(("opensuse-leap", Some("15.5"), None)));
        check(
            "pkg:rpm/opensuse-leap/a@1?distro=opensuse-leap-15.5",
            Some(("opensuse-leap", Some("15.5"), None)),
        );
        check("pkg:rpm/alma/a@1", Some(("almalinux", None, None)));
        check("pkg:rpm/a@1?distro=fedora-40", Some(("fedora", Some("40"), None)));
        check("pkg:rpm/a@1", None);
        check("pkg:npm/a@1?distro=debian-12", None);
    }
}
