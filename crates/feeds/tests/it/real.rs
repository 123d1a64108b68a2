//! The real advisories, where they are at hand: every record is understood, and every shard is sound.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use advisory::{
    database::Database,
    ecosystem::ShardName,
    matcher::{ShardSet, match_packages},
};
use feeds::{BuildOptions, BuildSummary, build, feed};
use model::{Distro, Inventory, Package, PackageKind};

/// Records of each file, and how many of them are withdrawn or no security matter, by the data's description.
const FILES: [(&str, u64, u64); 15] = [
    ("almalinux.osv", 5680, 978 + 222),
    ("alpine-secdb.converted-osv", 2559, 0),
    ("bitnami.osv", 7444, 0),
    ("crates-io.osv", 1206, 13),
    ("debian-dsa-dla.converted-osv", 6832, 0),
    ("debian-security-changelogs.converted-osv", 1215, 0),
    ("go.osv", 4291, 17),
    ("maven-ghsa-csv.converted-osv", 5202, 0),
    ("maven-sample.osv", 362, 0),
    ("npm-ghsa-csv.converted-osv", 3621, 0),
    ("npm.converted-osv", 1191, 0),
    ("nuget-ghsa-csv.converted-osv", 660, 0),
    ("pypi.osv", 3119, 225),
    ("rubygems.converted-osv", 1234, 0),
    ("ubuntu-uct.converted-osv", 16484, 0),
];

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/advisories");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real advisories at ../shared/data/advisories");
    None
}

fn build_from(sources: &[PathBuf], out: &Path) -> BuildSummary {
    let options = BuildOptions { built: "2026-01-02T03:04:05Z".into(), ..BuildOptions::default() };
    let summary = build(sources, out, feed("osv").unwrap(), &options).unwrap();
    assert_eq!((summary.malformed, summary.unreadable), (0, 0), "{:?}", summary.bad);
    summary
}

#[test]
fn every_file_is_understood() {
    let Some(folder) = folder() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (name, records, left_out) in FILES {
        let source = folder.join(format!("{name}.jsonl.zst"));
        let summary = build_from(&[source], &dir.path().join(name));
        assert_eq!(summary.records, records, "{name}");
        let count = |wanted: &[&str]| -> u64 {
            let named = summary.dropped.iter().filter(|(why, _)| wanted.contains(&why.to_string().as_str()));
            named.map(|(_, count)| count).sum()
        };
        assert_eq!(count(&["withdrawn", "not a security advisory"]), left_out, "{name}");
        let unusable = count(&["affected entry without versions", "affected entry without a package"]);
        assert!(unusable <= records / 100, "{name}: {:?}", summary.dropped);
        assert!(
            summary.stored + left_out + unusable >= records,
            "{name}: {} {:?}",
            summary.stored,
            summary.dropped
        );
    }
}

/// Records that other projects test with, some of them broken on purpose: `{"osv": RECORD}` a line.
#[test]
fn odd_records_are_parsed_or_refused() {
    let Some(folder) = folder() else { return };
    let file = std::fs::File::open(folder.join("misc-harvested.osv.jsonl.zst")).unwrap();
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let text = std::io::read_to_string(decoder).unwrap();
    let (mut parsed, mut affected, mut refused) = (0, 0, 0);
    for line in text.lines() {
        let wrapped: serde_json::Value = serde_json::from_str(line).unwrap();
        match feed("osv").unwrap().parse(wrapped["osv"].to_string().as_bytes()) {
            Ok(found) => {
                parsed += 1;
                affected += found.advisory.affected.len();
            }
            Err(error) => {
                // Snapshots in which the listed versions were replaced by their number.
                assert!(
                    wrapped["_source_file"].as_str().unwrap().ends_with("_query.snap"),
                    "{error}: {line}"
                );
                refused += 1;
            }
        }
    }
    assert_eq!((parsed, refused), (174, 59));
    assert!(affected >= 200, "{affected} affected entries");
}

#[test]
fn all_files_together_make_sound_shards_that_find_what_is_known() {
    let Some(folder) = folder() else { return };
    let dir = tempfile::tempdir().unwrap();
    let source = |(name, ..): &(&str, u64, u64)| folder.join(format!("{name}.jsonl.zst"));
    let started = Instant::now();
    let summary = build_from(&FILES.iter().map(source).collect::<Vec<_>>(), dir.path());
    println!("built {} shards in {:?}", summary.shards.len(), started.elapsed());
    check_shards(dir.path());
    check_known_vulnerabilities(dir.path());
}

fn check_shards(dir: &Path) {
    let database = Database::open(dir).unwrap();
    let mut advisories = BTreeMap::new();
    for (name, entry) in database.status().unwrap() {
        let shard = database.shard(&ShardName::new(&name).unwrap()).unwrap().unwrap();
        shard.verify().unwrap();
        assert_eq!(shard.info().advisories, entry.advisories);
        advisories.insert(name, entry.advisories);
    }
    // Counted over the same files by other means; an advisory that stands in a file twice counts once.
    for (shard, count) in [
        ("almalinux-8", 2040),
        ("alpine-3.11", 2008),
        ("debian-11", 410 + 512),
        ("debian-12", 445),
        ("npm", 3621 + 1191),
        ("ubuntu-18.04", 8850),
    ] {
        assert_eq!(advisories.get(shard), Some(&count), "{shard}");
    }
}

fn findings(database: &Path, distro: (&str, &str), packages: Vec<Package>) -> Vec<(String, Vec<String>)> {
    let distro = Distro { id: distro.0.into(), version_id: Some(distro.1.into()), ..Distro::default() };
    let inventory = Inventory { distro: Some(distro), packages, ..Inventory::default() };
    let needs = advisory::need::needs(&inventory);
    let shards = ShardSet::open(&Database::open(database).unwrap(), &needs);
    let matches = match_packages(&inventory, &shards);
    matches.findings.into_iter().map(|finding| (finding.id, finding.fixed_versions)).collect()
}

fn check_known_vulnerabilities(dir: &Path) {
    let django = Package::new(PackageKind::Pypi, "Django", "3.2.4");
    let found = findings(dir, ("debian", "12"), vec![django]);
    assert!(found.iter().any(|(id, fixed)| id == "CVE-2021-35042" && fixed == &["3.2.5"]), "{found:?}");

    // Another stream of the same module, and the right one.
    let nodejs = |version: &str, module: &str| {
        let mut package = Package::new(PackageKind::Rpm, "nodejs", version);
        package.arch = Some("x86_64".into());
        package.module = Some(module.into());
        findings(dir, ("almalinux", "8.5"), vec![package])
    };
    let has = |found: &[(String, Vec<String>)], cve: &str| found.iter().any(|(id, _)| id == cve);
    // ALSA-2021:0735 is about nodejs:10 and names 10.24.0; ALSA-2021:3623 about nodejs:12 and 12.22.5.
    let ten = nodejs("1:10.23.1-1.module_el8.3.0+2023+a", "nodejs:10");
    assert!(has(&ten, "CVE-2021-22883") && !has(&ten, "CVE-2021-22930"), "{ten:?}");
    let twelve = nodejs("1:12.20.1-1.module_el8.3.0+2023+a", "nodejs:12");
    assert!(has(&twelve, "CVE-2021-22930") && !has(&twelve, "CVE-2021-22883"), "{twelve:?}");
    // The build of a minor release that is named as fixed is fixed, whatever others are called.
    assert_eq!(nodejs("1:10.24.0-1.module_el8.4.0+2224+b07ac28e", "nodejs:10"), []);

    let of = |kind, name, version| findings(dir, ("debian", "12"), vec![Package::new(kind, name, version)]);
    // Maven knows names by their case, NuGet does not.
    let databind = |version| of(PackageKind::Maven, "com.fasterxml.jackson.core:jackson-databind", version);
    assert!(has(&databind("2.9.10.3"), "CVE-2020-9548") && !has(&databind("2.9.10.4"), "CVE-2020-9548"));
    assert!(
        has(&databind("2.9.10.3.redhat-1"), "CVE-2020-9548"),
        "a vendor's build of it is not the next one"
    );
    assert_eq!(of(PackageKind::Maven, "com.fasterxml.jackson.core:Jackson-Databind", "2.9.10.3"), []);
    let json = |name, version| of(PackageKind::Nuget, name, version);
    assert!(
        has(&json("newtonsoft.JSON", "12.0.3"), "CVE-2024-21907"),
        "{:?}",
        json("Newtonsoft.Json", "12.0.3")
    );
    assert!(has(&json("Newtonsoft.Json", "13.0.1-beta2"), "CVE-2024-21907"));
    assert_eq!(json("Newtonsoft.Json", "13.0.1.0"), []);
}
