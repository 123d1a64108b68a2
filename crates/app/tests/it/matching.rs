//! The matcher beside the oracle on packages that nobody installed: for a part of the real advisories, every
//! package at every version that they name. Ranges are got wrong where they begin and end, and few images hold
//! just those versions; none at hand holds builds of modules.

use std::{collections::BTreeSet, fmt::Write as _, sync::Mutex, thread, time::Instant};

use advisory::{
    component::components,
    matcher::{ShardSet, match_component, match_packages},
    need::needs,
};
use model::{Distro, Finding, Inventory, Package, PackageKind};

use crate::{
    data::{self, Advisories, difference},
    oracle,
};

/// An ecosystem; every which package name of it is taken (dpkg answers one comparison a millisecond); the
/// distribution whose image would need it; the least number of packages that must come of it.
type Sample = (&'static str, &'static str, (&'static str, &'static str), usize);

const SAMPLES: [Sample; 8] = [
    ("AlmaLinux:8", "10", ("almalinux", "8.10"), 2500),
    ("AlmaLinux:9", "20", ("almalinux", "9.4"), 1000),
    ("Alpine:v3.11", "1", ("alpine", "3.11.13"), 700),
    ("PyPI", "3", ("", ""), 1000),
    ("npm", "3", ("", ""), 1200),
    ("Debian:11", "10", ("debian", "11"), 100),
    ("Debian:12", "5", ("debian", "12"), 70),
    ("Ubuntu:20.04:LTS", "200", ("ubuntu", "20.04"), 20),
];

#[test]
fn the_matcher_and_the_oracle_agree_at_every_named_version() {
    let Some(data) = data::folder() else { return };
    let advisories = Advisories::of(&data);
    let samples = Mutex::new(SAMPLES.iter());
    let next = || samples.lock().unwrap().next();
    let failures = Mutex::new(String::new());
    let work = || {
        while let Some((ecosystem, step, distro, least)) = next() {
            let started = Instant::now();
            let Some(wanted) = oracle::ask("sample", ecosystem, step, &data) else { break };
            let inventory = inventory(&wanted, *distro);
            let shards = ShardSet::open(&advisories.database, &needs(&inventory));
            let matches = match_packages(&inventory, &shards);
            let got = oracle::lines(&inventory.packages, &matches.findings);
            let (packages, found) = (inventory.packages.len(), got.len() - inventory.packages.len());
            println!("{ecosystem}: {packages} packages, {found} found, {:.1?}", started.elapsed());
            let mut failure = difference(ecosystem, &wanted, &got, "oracle");
            failure.push_str(&alone(ecosystem, &inventory, &shards, &matches.findings));
            if packages < *least {
                let _ = writeln!(failure, "{ecosystem}: only {packages} packages");
            }
            failures.lock().unwrap().push_str(&failure);
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures}");
}

/// What differs when every component is matched by itself, as the service does when advisories change.
fn alone(ecosystem: &str, inventory: &Inventory, shards: &ShardSet, together: &[Finding]) -> String {
    let parts = components(inventory);
    let line = |component: usize, finding: &Finding| {
        format!("{component} {:?}", Finding { package: 0, ..finding.clone() })
    };
    let component = |package: u32| parts.of_package[usize::try_from(package).unwrap()];
    let wanted: BTreeSet<String> = together.iter().map(|f| line(component(f.package), f)).collect();
    let mut got = BTreeSet::new();
    for (at, component) in parts.components.iter().enumerate() {
        let found = match_component(component, shards).unwrap();
        got.extend(found.iter().map(|finding| line(at, finding)));
    }
    difference(ecosystem, &wanted, &got, "the whole inventory")
}

/// The packages that the oracle made up.
fn inventory<'l>(lines: impl IntoIterator<Item = &'l String>, (id, version): (&str, &str)) -> Inventory {
    let package = |line: &String| {
        let fields: Vec<&str> = line.strip_prefix("P\t")?.split('\t').collect();
        let [kind, name, version, _, _, module] = fields[..] else { panic!("{line}") };
        let kinds =
            [PackageKind::Deb, PackageKind::Apk, PackageKind::Rpm, PackageKind::Pypi, PackageKind::Npm];
        let kind = kinds.into_iter().find(|known| known.as_str() == kind).unwrap();
        let mut package = Package::new(kind, name, version);
        package.module = (!module.is_empty()).then(|| module.to_owned());
        Some(package)
    };
    let distro = Distro { id: id.into(), version_id: Some(version.into()), ..Distro::default() };
    let packages = lines.into_iter().filter_map(package).collect();
    Inventory { distro: Some(distro), packages, ..Inventory::default() }
}
