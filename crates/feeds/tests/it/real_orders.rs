//! Real advisories of ecosystems with a version order of their own: their bounds are understood, and packages are
//! found as the ecosystem's own tool finds them.

use std::path::Path;

use advisory::{
    database::Database,
    matcher::{ShardSet, match_packages},
    version::scheme,
};
use feeds::{BuildOptions, build, feed};
use model::{Inventory, Package, PackageKind, advisory::Event};

/// The lines of a file of advisories, and a database built of it; `None` when the data is not at hand.
fn load(name: &str, out: &Path) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/advisories");
    let path = folder.join(format!("{name}.jsonl.zst"));
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: no {name} at ../shared/data/advisories");
        return None;
    };
    let options = BuildOptions { built: "2026-01-02T03:04:05Z".into(), ..BuildOptions::default() };
    let summary = build(&[path], out, feed("osv").unwrap(), &options).unwrap();
    assert_eq!((summary.malformed, summary.unreadable), (0, 0), "{:?}", summary.bad);
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    Some(std::io::read_to_string(decoder).unwrap())
}

/// The bounds that an order does not define, of all bounds.
fn undefined(lines: &str, order: &str) -> (Vec<String>, usize) {
    let order = scheme(order).unwrap();
    let (mut odd, mut all) = (Vec::new(), 0);
    for line in lines.lines() {
        let advisory = feed("osv").unwrap().parse(line.as_bytes()).unwrap().advisory;
        let ranges = advisory.affected.iter().flat_map(|affected| &affected.ranges);
        for event in ranges.flat_map(|range| &range.events) {
            let (Event::Introduced(version)
            | Event::Fixed(version)
            | Event::LastAffected(version)
            | Event::Limit(version)) = event;
            all += 1;
            if !order.is_valid(version) {
                odd.push(format!("{} {version}", advisory.id));
            }
        }
    }
    odd.sort_unstable();
    odd.dedup();
    (odd, all)
}

/// The ids that are found for one version of a package.
fn ids(database: &Path, kind: PackageKind, name: &str, version: &str) -> Vec<String> {
    let inventory = Inventory { packages: vec![Package::new(kind, name, version)], ..Inventory::default() };
    let needs = advisory::need::needs(&inventory);
    let matches = match_packages(&inventory, &ShardSet::open(&Database::open(database).unwrap(), &needs));
    assert_eq!(matches.problems, [], "{name} {version}");
    let mut ids: Vec<String> = matches.findings.into_iter().map(|finding| finding.id).collect();
    ids.sort_unstable();
    ids
}

/// The figures are those of a program that evaluated the same records with Ruby's `Gem::Version`.
#[test]
fn gems_are_found_as_ruby_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let Some(lines) = load("rubygems.converted-osv", dir.path()) else { return };
    let (odd, all) = undefined(&lines, "gem");
    assert!(all > 2000, "{all}");
    assert_eq!(odd, Vec::<String>::new());
    for (name, version, count) in [
        ("nokogiri", "1.10.3", 41),
        ("nokogiri", "1.18.9", 13),
        ("rack", "2.0.7", 34),
        ("rack", "3.0.0.beta1", 30),
        ("activerecord", "4.2.11.3", 8),
        ("rails-html-sanitizer", "1.4.3", 5),
        ("jquery-rails", "4.0.3", 4),
    ] {
        let found = ids(dir.path(), PackageKind::Gem, name, version);
        assert_eq!(found.len(), count, "{name} {version}: {found:?}");
    }
    let found = |version| ids(dir.path(), PackageKind::Gem, "rwiki", version);
    assert_eq!(found("2.1.0.pre1"), ["CVE-2006-2581", "CVE-2006-2582"], "2.1.0.pre1 is 2.1.0pre1");
    assert_eq!(found("2.1.1"), Vec::<String>::new());
    let rexml = ids(dir.path(), PackageKind::Gem, "rexml", "3.2.5");
    let expected = ["2024-35176", "2024-39908", "2024-41123", "2024-41946", "2024-43398", "2024-49761"];
    assert_eq!(rexml, expected.map(|id| format!("CVE-{id}")));
}

#[test]
fn bitnami_packages_are_found_without_their_revision() {
    let dir = tempfile::tempdir().unwrap();
    let Some(lines) = load("bitnami.osv", dir.path()) else { return };
    let (odd, all) = undefined(&lines, "bitnami");
    assert!(all > 39_000, "{all}");
    assert!(odd.iter().all(|odd| odd.ends_with(" nightly.2026-03-10.0")) && odd.len() == 1, "{odd:?}");
    let has = |name, version, id: &str| {
        ids(dir.path(), PackageKind::Bitnami, name, version).iter().any(|found| found == id)
    };
    // Bounds as they stand: `last_affected` 5.15.12, and `introduced` 1.21.0-0 for all of 1.21.
    assert!(has("activemq", "5.15.12", "CVE-2020-11998"));
    assert!(!has("activemq", "5.15.13", "CVE-2020-11998") && !has("activemq", "5.15.11", "CVE-2020-11998"));
    assert!(has("golang", "1.21.0", "CVE-2023-44487"));
    // Release candidates are versions of their own.
    assert!(has("argo-cd", "2.6.0-rc3", "CVE-2023-25163") && !has("argo-cd", "2.6.0-rc8", "CVE-2023-25163"));
}
