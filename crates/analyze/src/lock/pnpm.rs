//! `pnpm-lock.yaml` (pnpm, lock file formats 5 to 9): the keys of `packages:`, which stand two columns in:
//! `/name/1.0.0:`, `/name@1.0.0(peer@2.0.0):` or `name@1.0.0:`. The rest of the YAML is not needed, and so not read;
//! formats before 9 say `dev: true` of packages for development, later ones do not tell.

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// pnpm's lock file.
pub static PNPM: LockAnalyzer =
    LockAnalyzer { name: "lock/pnpm", is_lock: |name| name == "pnpm-lock.yaml", parse };

/// Reads the packages that are not of development alone.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Npm);
    let text = utf8(bytes, &mut locked);
    let mut in_packages = false;
    let mut pending: Option<(&str, &str)> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            in_packages = line == "packages:";
        }
        let Some(rest) = line.strip_prefix("  ").filter(|_| in_packages) else { continue };
        if rest.starts_with(' ') {
            if rest.trim() == "dev: true" {
                pending = None;
            }
            continue;
        }
        if let Some((name, version)) = pending.take() {
            locked.add(name, version);
        }
        // An empty value may stand on the same line.
        let key = rest.split_once(": ").map_or(rest, |(key, _)| key).trim_end_matches(':');
        pending = split(key.trim_matches(['\'', '"']));
    }
    if let Some((name, version)) = pending {
        locked.add(name, version);
    }
    locked.finish()
}

/// Name and version of a key; `None` for what comes from elsewhere than a registry.
fn split(key: &str) -> Option<(&str, &str)> {
    let key = key.split('(').next().unwrap_or(key);
    let rest = key.strip_prefix('/').unwrap_or(key);
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    // Format 5 writes `/name/1.0.0_peer@2.0.0`.
    let plain = rest.split('_').next().unwrap_or(rest);
    let old =
        plain.rsplit_once('/').filter(|(_, version)| starts_with_digit(version) && !version.contains('@'));
    let (name, version) = old.or_else(|| {
        rest.rsplit_once('@').filter(|(name, version)| !name.is_empty() && starts_with_digit(version))
    })?;
    Some((name, version.split('_').next().unwrap_or(version)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn keys_of_every_format() {
        let file = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n\nimporters:\n\n  .:\n    dependencies:\n      a:\n        specifier: ^1.0.0\n\n\
                    packages:\n\n  '@scope/a@1.0.0':\n    resolution: {integrity: sha512-x}\n\n  b@2.0.0(c@3.0.0):\n    resolution: {integrity: x}\n\n\
                    \x20 /d@4.0.0:\n    dev: true\n\n  /@old/e/5.0.0_c@3.0.0:\n    dev: false\n\n  file:own:\n    name: own\n\n\
                    snapshots:\n\n  z@1.0.0: {}\n";
        check(parse, file, &[("@scope/a", "1.0.0"), ("b", "2.0.0"), ("@old/e", "5.0.0")]);
    }
}
