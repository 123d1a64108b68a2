//! From an inventory to components: what of a package and its image decides what is found wrong with it, and
//! nothing else.
//!
//! The matcher looks at exactly what goes into a component's key. Whoever lets it look at more must put that into
//! the key as well, or findings of one image would be shown for another.

use std::collections::HashMap;

use model::{Component, Distro, Inventory, Package, PackageKind};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    matcher::{channels, keys},
    need::{Need, is_known, is_matched, need},
};

/// An inventory as components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Each component once, in the order of the packages.
    pub components: Vec<Component>,
    /// For every package of the inventory, which component it is.
    pub of_package: Vec<usize>,
    /// Which components each layer brought; one found in several layers is the lowest one's. Without layers,
    /// one set.
    pub sets: Vec<Vec<usize>>,
}

/// The components of an inventory.
pub fn components(inventory: &Inventory) -> Parts {
    let mut needs: HashMap<PackageKind, Option<Need>> = HashMap::new();
    let channels = channels(&inventory.packages);
    let mut known: HashMap<[u8; 16], usize> = HashMap::new();
    let mut parts = Parts::default();
    let mut layers: Vec<Option<u32>> = Vec::new();
    for package in &inventory.packages {
        let need = needs
            .entry(package.kind)
            .or_insert_with(|| need(package.kind, inventory.distro.as_ref()).ok())
            .as_ref()
            .filter(|_| is_matched(package) && is_known(package));
        let component = component(package, need, inventory.distro.as_ref(), &channels);
        let index = *known.entry(component.key).or_insert_with(|| {
            parts.components.push(component);
            layers.push(package.layer);
            parts.components.len() - 1
        });
        if let Some(layer) = layers.get_mut(index) {
            *layer = (*layer).min(package.layer);
        }
        parts.of_package.push(index);
    }
    let sets = layers.iter().map(|layer| set_of(*layer)).max().map_or(0, |last| last + 1);
    parts.sets = vec![Vec::new(); sets];
    for (component, layer) in layers.iter().enumerate() {
        if let Some(set) = parts.sets.get_mut(set_of(*layer)) {
            set.push(component);
        }
    }
    parts
}

fn set_of(layer: Option<u32>) -> usize {
    layer.and_then(|layer| usize::try_from(layer).ok()).unwrap_or(0)
}

fn component(
    package: &Package,
    need: Option<&Need>,
    distro: Option<&Distro>,
    channels: &[String],
) -> Component {
    let names = need.map(|need| {
        let mut names: Vec<String> =
            keys(package, need).into_iter().map(|(name, _)| name.into_owned()).collect();
        names.sort();
        names.dedup();
        names
    });
    let mut component = Component {
        key: [0; 16],
        shard: need.map(|need| need.shard.to_string()),
        names: names.unwrap_or_default(),
        package: Package {
            path: String::new(),
            layer: None,
            owner: None,
            licences: Vec::new(),
            licence: None,
            digest: None,
            requires: Vec::new(),
            ..package.clone()
        },
        distro: distro.filter(|_| package.kind.is_os()).cloned(),
        channels: if package.kind == PackageKind::Deb { channels.to_vec() } else { Vec::new() },
    };
    component.key = key(&component);
    component
}

/// Every text is preceded by its length, so that no two lists of texts look alike.
fn key(component: &Component) -> [u8; 16] {
    let mut hash = Xxh3::new();
    let mut text = |text: Option<&str>| {
        let len = text.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX - 1));
        hash.update(&len.to_le_bytes());
        hash.update(text.unwrap_or_default().as_bytes());
    };
    let package = &component.package;
    let epoch = package.epoch.map(|epoch| epoch.to_string());
    let source = package.source.as_ref();
    for part in [
        Some(package.kind.as_str()),
        Some(&package.name),
        Some(&package.version),
        epoch.as_deref(),
        package.arch.as_deref(),
        source.map(|source| source.name.as_str()),
        source.map(|source| source.version.as_str()),
        package.module.as_deref(),
        package.vendor.as_deref(),
        package.os.as_deref(),
        component.shard.as_deref(),
    ] {
        text(part);
    }
    for channel in &component.channels {
        text(Some(channel));
    }
    hash.digest128().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, layer: u32) -> Package {
        Package { layer: Some(layer), ..Package::new(PackageKind::Npm, name, "1.0.0") }
    }

    #[test]
    fn a_component_is_the_lowest_layers() {
        let packages = vec![package("a", 2), package("b", 0), package("a", 1)];
        let parts = components(&Inventory { packages, ..Inventory::default() });
        assert_eq!(parts.of_package, [0, 1, 0]);
        assert_eq!(parts.sets, [vec![1], vec![0]]);
        assert_eq!(parts.components[0].shard.as_deref(), Some("npm"));
        assert_eq!(parts.components[0].names, ["a"]);
    }

    #[test]
    fn what_matching_looks_at_makes_another_component() {
        let base = Package::new(PackageKind::Deb, "libc6", "2.36-9+deb12u4");
        let distro = |id: &str, version: &str| Distro {
            id: id.into(),
            version_id: Some(version.into()),
            ..Distro::default()
        };
        let keys_of = |package: &Package, distro: &Distro| {
            let inventory = Inventory {
                packages: vec![package.clone()],
                distro: Some(distro.clone()),
                ..Inventory::default()
            };
            components(&inventory).components[0].key
        };
        let debian = distro("debian", "12");
        let same = Package { path: "var/lib/dpkg/status".into(), layer: Some(3), ..base.clone() };
        assert_eq!(keys_of(&base, &debian), keys_of(&same, &debian));
        let others = [
            (Package { version: "2.36-9".into(), ..base.clone() }, debian.clone()),
            (Package { arch: Some("arm64".into()), ..base.clone() }, debian.clone()),
            (Package { epoch: Some(0), ..base.clone() }, debian.clone()),
            (Package { vendor: Some("me".into()), ..base.clone() }, debian.clone()),
            (Package { module: Some("m:1".into()), ..base.clone() }, debian.clone()),
            (base.clone(), distro("debian", "11")),
        ];
        for (package, distro) in &others {
            assert_ne!(keys_of(package, distro), keys_of(&base, &debian), "{package:?} {distro:?}");
        }
    }

    #[test]
    fn a_pro_package_changes_its_neighbours() {
        let deb = |name: &str, version: &str| Package::new(PackageKind::Deb, name, version);
        let alone = Inventory { packages: vec![deb("a", "1")], ..Inventory::default() };
        let beside = Inventory { packages: vec![deb("a", "1"), deb("b", "1+esm1")], ..Inventory::default() };
        assert_ne!(components(&alone).components[0].key, components(&beside).components[0].key);
    }
}
