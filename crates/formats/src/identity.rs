//! Ids that other programs follow findings by: hashes of what makes a finding the same finding.

use std::fmt::Write as _;

use model::{Package, PackageKind, Place};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the parts, each with its length before it, in hexadecimal.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The same as [`hash`] in the form of a UUID of version 8, which is free for such (RFC 9562 section 5.8).
pub(crate) fn uuid(parts: &[&str]) -> String {
    let hex = hash(parts);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What stays the same of a vulnerability while the image is built anew: neither the version of the package nor the
/// digest of the image. Operating system packages are one whatever file records them.
pub(crate) fn vulnerability(id: &str, package: &Package) -> String {
    let path = if package.kind.is_os() { "" } else { package.path.as_str() };
    hash(&["vulnerability", id, package.kind.as_str(), &package.name, path])
}

/// The same of a secret: its line may move.
pub(crate) fn secret(secret: &model::Secret) -> String {
    let kind = match &secret.place {
        Place::File(_) => "file",
        Place::Config(_) => "config",
    };
    hash(&["secret", &secret.rule, kind, secret.place.as_str(), &secret.excerpt])
}

/// The same of a finding about a file.
pub(crate) fn file(file: &model::FileFinding) -> String {
    hash(&["file", &file.check, &file.path])
}

/// `name@version`, as many tools name a package.
pub(crate) fn name_at_version(package: &Package) -> String {
    if package.version.is_empty() {
        return package.name.clone();
    }
    format!("{}@{}", package.name, package.version)
}

/// What people call a kind of packages.
pub(crate) const fn kind_label(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Alpm => "operating system",
        PackageKind::Pypi => "Python",
        PackageKind::Npm => "Node.js",
        PackageKind::Golang => "Go",
        PackageKind::Cargo => "Rust",
        PackageKind::Maven => "Java",
        PackageKind::Gem => "Ruby",
        PackageKind::Nuget => ".NET",
        PackageKind::Composer => "PHP",
        PackageKind::Conda => "Conda",
        PackageKind::Bitnami => "Bitnami",
        PackageKind::Generic => "program",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let uuid = uuid(&["x"]);
        assert_eq!((uuid.len(), &uuid[14..15], &uuid[19..20]), (36, "8", "8"), "{uuid}");
    }

    #[test]
    fn an_upgrade_does_not_make_another_finding() {
        let mut package = Package::new(PackageKind::Deb, "openssl", "1");
        let before = vulnerability("CVE-1", &package);
        package.version = "2".into();
        package.path = "var/lib/dpkg/status.d/openssl".into();
        assert_eq!(vulnerability("CVE-1", &package), before);
        package.name = "libssl".into();
        assert_ne!(vulnerability("CVE-1", &package), before);
    }
}
