//! Which packages of an inventory need which others.
//!
//! Records name what they need; which package is meant is told by kind, name and place. What a record needs and the
//! inventory does not have under that name (a virtual package, a library by its file name) is passed by.

use std::collections::{BTreeMap, BTreeSet};

use model::{Package, PackageKind, purl::normalise_pypi};

/// For every package, the indices of those that it needs, ascending and without itself.
pub(crate) fn resolve(packages: &[Package]) -> Vec<Vec<usize>> {
    let mut by_name: BTreeMap<(PackageKind, String), Vec<usize>> = BTreeMap::new();
    for (at, package) in packages.iter().enumerate() {
        by_name.entry((package.kind, key(package.kind, &package.name))).or_default().push(at);
    }
    let needs = |at: usize, package: &Package| {
        let mut found = BTreeSet::new();
        for name in &package.requires {
            if let Some(candidates) = by_name.get(&(package.kind, key(package.kind, name))) {
                found.extend(nearest(package, packages, candidates));
            }
        }
        found.remove(&at);
        found.into_iter().collect()
    };
    packages.iter().enumerate().map(|(at, package)| needs(at, package)).collect()
}

/// What names are compared by.
fn key(kind: PackageKind, name: &str) -> String {
    match kind {
        PackageKind::Pypi => normalise_pypi(name),
        PackageKind::Nuget | PackageKind::Composer => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// Of several packages of one name, those that are recorded nearest to the one that needs them: first those that
/// share most of its path, then those that lie highest, then those of its own architecture. Package managers that
/// install into nested directories look from the inside out in the same way.
fn nearest(package: &Package, packages: &[Package], candidates: &[usize]) -> Vec<usize> {
    if let [only] = candidates {
        return vec![*only];
    }
    let mut best = Vec::new();
    let mut best_rank = None;
    for &at in candidates {
        let Some(candidate) = packages.get(at) else { continue };
        let shared = shared_directories(&package.path, &candidate.path);
        let depth = candidate.path.matches('/').count();
        let same_arch = candidate.arch == package.arch;
        let rank = (shared, std::cmp::Reverse(depth), same_arch);
        match best_rank.as_ref().map(|best| rank.cmp(best)) {
            Some(std::cmp::Ordering::Less) => continue,
            Some(std::cmp::Ordering::Equal) => {}
            Some(std::cmp::Ordering::Greater) | None => {
                best.clear();
                best_rank = Some(rank);
            }
        }
        best.push(at);
    }
    best
}

fn shared_directories(a: &str, b: &str) -> usize {
    let directories = |path: &str| path.rsplit_once('/').map(|(directory, _)| directory.to_owned());
    match (directories(a), directories(b)) {
        (Some(a), Some(b)) => a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(kind: PackageKind, name: &str, path: &str, requires: &[&str]) -> Package {
        let mut package = Package::new(kind, name, "1");
        package.path = path.into();
        package.requires = requires.iter().map(|name| (*name).to_owned()).collect();
        package
    }

    #[test]
    fn the_nearest_of_a_name_is_meant() {
        let npm = |name, path, requires: &[&str]| package(PackageKind::Npm, name, path, requires);
        let packages = [
            npm("a", "srv/node_modules/a/package.json", &["b", "gone", "a"]),
            npm("b", "srv/node_modules/a/node_modules/b/package.json", &[]),
            npm("b", "srv/node_modules/b/package.json", &[]),
            npm("b", "srv/node_modules/c/node_modules/b/package.json", &["a"]),
            npm("d", "srv/node_modules/d/package.json", &["b"]),
        ];
        assert_eq!(resolve(&packages), [vec![1], vec![], vec![], vec![0], vec![2]]);
    }

    #[test]
    fn kinds_and_spellings_are_kept_apart() {
        let mut foreign = package(PackageKind::Deb, "libc6", "var/lib/dpkg/status", &[]);
        foreign.arch = Some("i386".into());
        let mut native = foreign.clone();
        native.arch = Some("amd64".into());
        let mut bash = package(PackageKind::Deb, "bash", "var/lib/dpkg/status", &["libc6", "zope-interface"]);
        bash.arch = Some("amd64".into());
        let packages = [
            foreign,
            native,
            bash,
            package(PackageKind::Pypi, "Zope.Interface", "a/METADATA", &[]),
            package(PackageKind::Pypi, "x", "b/METADATA", &["zope_interface"]),
        ];
        assert_eq!(resolve(&packages), [vec![], vec![], vec![1], vec![], vec![3]]);
    }
}
