//! Which layer brought a package, and which operating system package owns it.

use std::collections::{BTreeMap, HashMap, HashSet};

use analyze::{Fact, Observation};
use model::Package;

use super::{Extra, View, kept, observation_of};
use crate::{
    paths::file_name,
    record::LayerRecord,
    tree::{ContentId, NodeId, Tree},
};

/// Names the operating system package that owns the file which records a language package.
pub(super) fn owners(tree: &mut Tree, owned: &BTreeMap<String, String>, packages: &mut [Package]) {
    // Package managers write paths as they were before a directory became a link (`/lib`, `/usr/lib`), so
    // files are compared, not paths.
    let mut by_node: HashMap<NodeId, &String> = HashMap::with_capacity(owned.len());
    for (path, owner) in owned {
        if let Some(node) = tree.resolve_path(path.as_bytes()) {
            by_node.entry(node).or_insert(owner);
        }
    }
    if by_node.is_empty() {
        return;
    }
    for package in packages.iter_mut().filter(|package| !package.kind.is_os()) {
        let mut files = files_of(&package.path);
        let owner = files.find_map(|path| by_node.get(&tree.resolve_path(path.as_bytes())?));
        package.owner = owner.map(|owner| (*owner).clone());
    }
}

/// The files that may record a package with that path: itself, then, for `shop.war!/WEB-INF/lib/a.jar`, each part
/// before a `!/`. A directory may be named so too, hence the order.
fn files_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once(path).chain(path.match_indices("!/").filter_map(|(at, _)| path.get(..at)))
}

/// Sets the layer of every package: the lowest from which on, without a break, the file that records it had
/// the same package in it. A package database is rewritten whole by every layer that installs something.
pub(super) fn layers(
    tree: &Tree,
    views: &[View],
    records: &[LayerRecord],
    extra: &Extra,
    packages: &mut [Package],
) {
    let mut by_path: HashMap<&str, Vec<&View>> = HashMap::new();
    for view in views {
        by_path.entry(&view.path).or_default().push(view);
    }
    let mut held: HashMap<(ContentId, u8), HashSet<Key>> = HashMap::new();
    for package in packages {
        let Some(candidates) = files_of(&package.path).find_map(|path| by_path.get(path)) else { continue };
        let key = key_of(package);
        // Several analyzers may see one file; the one whose observation holds the package is meant.
        let view = match candidates.as_slice() {
            [only] => only,
            several => {
                let holder = several
                    .iter()
                    .find(|view| observation_of(records, extra, view).is_some_and(|o| holds(o, &key)));
                let Some(holder) = holder.or_else(|| several.first()) else { continue };
                holder
            }
        };
        let mut layer = view.content.layer;
        for content in tree.history(view.node).iter().rev() {
            let slot = (*content, view.analyzer);
            let keys = held.entry(slot).or_insert_with(|| {
                kept(records, *content, view.analyzer, file_name(&view.path)).map(keys).unwrap_or_default()
            });
            if !keys.contains(&key) {
                break;
            }
            layer = content.layer;
        }
        package.layer = Some(layer.into());
    }
}

type Key = (String, String, Option<String>);

fn key_of(package: &Package) -> Key {
    (package.name.clone(), package.version.clone(), package.arch.clone())
}

fn keys(observation: &Observation) -> HashSet<Key> {
    observation.facts.iter().filter_map(package_of).map(key_of).collect()
}

fn holds(observation: &Observation, key: &Key) -> bool {
    observation
        .facts
        .iter()
        .filter_map(package_of)
        .any(|p| p.name == key.0 && p.version == key.1 && p.arch == key.2)
}

fn package_of(fact: &Fact) -> Option<&Package> {
    match fact {
        Fact::Package(package) => Some(package),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_within_a_file_leads_to_the_file() {
        for (path, expected) in [
            ("opt/a.jar", &["opt/a.jar"][..]),
            ("opt/a.ear!/b.war!/c.jar", &["opt/a.ear!/b.war!/c.jar", "opt/a.ear", "opt/a.ear!/b.war"]),
            ("opt/odd!/a.jar", &["opt/odd!/a.jar", "opt/odd"]),
            ("", &[""]),
        ] {
            assert_eq!(files_of(path).collect::<Vec<_>>(), expected, "{path}");
        }
    }
}
