//! Package URLs of installed packages (package-url/purl-spec).

use packageurl::PackageUrl;

use crate::{
    distro::Distro,
    package::{Package, PackageKind},
};

/// The canonical purl of an installed package.
///
/// Operating system packages carry the distro's id as namespace and `distro` qualifier, so that a purl
/// alone is enough to find the right advisories again. Falls back to a plain `pkg:type/name` when the
/// recorded name cannot be encoded.
pub fn build(package: &Package, distro: Option<&Distro>) -> String {
    encode(package, distro).unwrap_or_else(|| {
        let safe: String =
            package.name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
        format!("pkg:{}/{safe}", package.kind.as_str())
    })
}

fn encode(package: &Package, distro: Option<&Distro>) -> Option<String> {
    let mut name = package.name.clone();
    let mut namespace = None;
    let mut qualifiers: Vec<(&str, String)> = Vec::new();
    let mut version = package.version.clone();
    match package.kind {
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Alpm => {
            namespace = distro.map(|d| d.id.clone()).filter(|id| !id.is_empty());
            if let Some(arch) = &package.arch {
                qualifiers.push(("arch", arch.clone()));
            }
            if let Some(distro) = distro.filter(|d| !d.id.is_empty()) {
                let label = distro
                    .version_id
                    .as_ref()
                    .map_or_else(|| distro.id.clone(), |v| format!("{}-{v}", distro.id));
                qualifiers.push(("distro", label));
            }
            // The spec keeps rpm's epoch out of the version; deb's stays in it.
            if package.kind == PackageKind::Rpm
                && let Some((epoch, rest)) = package.version.split_once(':')
            {
                qualifiers.push(("epoch", epoch.to_owned()));
                version = rest.to_owned();
            }
            if let Some(source) = package.source.as_ref().filter(|s| s.name != package.name) {
                qualifiers.push(("upstream", source.name.clone()));
            }
        }
        PackageKind::Pypi => name = normalise_pypi(&package.name),
        PackageKind::Npm => {
            if let Some((scope, rest)) = package.name.split_once('/') {
                namespace = Some(scope.to_owned());
                name = rest.to_owned();
            }
        }
        PackageKind::Golang | PackageKind::Composer => {
            if let Some((path, last)) = package.name.rsplit_once('/') {
                namespace = Some(path.to_owned());
                name = last.to_owned();
            }
        }
        PackageKind::Maven => {
            if let Some((group, artifact)) = package.name.split_once(':') {
                namespace = Some(group.to_owned());
                name = artifact.to_owned();
            }
        }
        PackageKind::Cargo
        | PackageKind::Gem
        | PackageKind::Nuget
        | PackageKind::Conda
        | PackageKind::Bitnami
        | PackageKind::Generic => {}
    }
    let mut purl = PackageUrl::new(package.kind.as_str().to_owned(), name).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace).ok()?;
    }
    if !version.is_empty() {
        purl.with_version(version).ok()?;
    }
    for (key, value) in qualifiers {
        purl.add_qualifier(key.to_owned(), value).ok()?;
    }
    Some(purl.to_string())
}

/// The normal form of a Python distribution name (PEP 503): lower case, runs of `-_.` become one `-`.
pub fn normalise_pypi(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut separator = false;
    for c in name.trim().chars() {
        if matches!(c, '-' | '_' | '.') {
            separator = true;
            continue;
        }
        if separator && !normal.is_empty() {
            normal.push('-');
        }
        separator = false;
        normal.extend(c.to_lowercase());
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::SourcePackage;

    #[test]
    fn follows_the_types_of_the_specification() {
        let debian = Distro { id: "debian".into(), version_id: Some("12".into()), ..Distro::default() };
        let mut package = Package::new(PackageKind::Deb, "libssl3", "3.0.15-1~deb12u1");
        package.arch = Some("amd64".into());
        package.source = Some(SourcePackage { name: "openssl".into(), version: "3.0.15-1~deb12u1".into() });
        assert_eq!(
            build(&package, Some(&debian)),
            "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl"
        );
        let package = Package::new(PackageKind::Rpm, "bind-libs", "32:9.11.13-3.el8");
        assert_eq!(build(&package, None), "pkg:rpm/bind-libs@9.11.13-3.el8?epoch=32");
        let package = Package::new(PackageKind::Npm, "@babel/core", "7.0.0");
        assert_eq!(build(&package, None), "pkg:npm/%40babel/core@7.0.0");
        let package = Package::new(PackageKind::Golang, "golang.org/x/net", "v0.1.0");
        assert_eq!(build(&package, None), "pkg:golang/golang.org/x/net@v0.1.0");
        let package = Package::new(PackageKind::Maven, "org.slf4j:slf4j-api", "1.7.36");
        assert_eq!(build(&package, None), "pkg:maven/org.slf4j/slf4j-api@1.7.36");
        let package = Package::new(PackageKind::Pypi, "Zope.Interface", "5.0");
        assert_eq!(build(&package, None), "pkg:pypi/zope-interface@5.0");
    }
}
