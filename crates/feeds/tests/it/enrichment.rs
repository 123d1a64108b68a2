//! Enrichment from files and from a server, and the real one where it is at hand.

use std::path::Path;

use advisory::{
    database::Database,
    enrichment::{EnrichmentSet, Entry, Kind},
};
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, Url};
use feeds::{BuildOptions, Outcome, UpdateConfig, WantedEnrichment, build, feed, update_enrichment};

use crate::export::{Export, Server, record};

const KEV: &str = r#"{"catalogVersion": "1", "dateReleased": "2026-01-01", "vulnerabilities": [
    {"cveID": "CVE-2024-3094", "dateAdded": "2024-04-01", "knownRansomwareCampaignUse": "Known"}]}"#;
const EPSS: &str =
    "#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2024-3094,0.5,0.9\n";

fn options() -> BuildOptions {
    BuildOptions { built: "2026-01-02T03:04:05Z".into(), ..BuildOptions::default() }
}

#[test]
fn a_directory_of_records_and_enrichment_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let sources = dir.path().join("sources");
    std::fs::create_dir(&sources).unwrap();
    std::fs::write(sources.join("anything.json"), KEV).unwrap();
    std::fs::write(sources.join("scores.csv"), EPSS).unwrap();
    std::fs::write(sources.join("PYSEC-1.json"), record("PYSEC-1", &["PyPI"], "flask", "2")).unwrap();
    let out = dir.path().join("db");
    let summary = build(&[sources], &out, feed("osv").unwrap(), &options()).unwrap();
    assert_eq!((summary.records, summary.malformed, summary.unreadable), (1, 0, 0), "{:?}", summary.bad);
    let kinds: Vec<Kind> = summary.enrichment.iter().map(|written| written.info.kind).collect();
    assert_eq!((summary.shards.len(), kinds), (1, vec![Kind::Kev, Kind::Epss]));
    let set = EnrichmentSet::open(&Database::open(&out).unwrap());
    let known = set.of("CVE-2024-3094");
    assert!(known.kev.unwrap().ransomware);
    assert_eq!(known.epss.unwrap().score_millionths, 500_000);
    let dated: Vec<String> = set.used().into_iter().map(|used| used.dated).collect();
    assert_eq!(dated, ["2026-01-01", "2026-01-01"]);
}

#[tokio::test]
async fn is_fetched_when_it_changed_and_kept_when_that_fails() {
    let (server, base) = Server::start();
    let client = ClientConfig::new(AddressPolicy::Any, ProxyConfig::none());
    let client = Client::build(&client).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let config = UpdateConfig::new(base.clone());
    let url: Url = base.join("kev.json").unwrap();
    let wanted = [WantedEnrichment { kind: Kind::Kev, url: url.clone() }];
    let update = async || {
        let mut updates = update_enrichment(&database, &client, &wanted, &config, &|_| ()).await;
        assert_eq!(updates.len(), 1);
        updates.remove(0).outcome
    };
    server.put("/osv/kev.json", Export { body: KEV.into(), etag: "\"1\"", ..Export::default() });
    assert_eq!(update().await, Outcome::Updated);
    assert_eq!(update().await, Outcome::Unchanged);
    assert_eq!(server.log(), ["/osv/kev.json 200", "/osv/kev.json 304"]);
    assert_eq!(WantedEnrichment::of_database(&database).unwrap(), wanted, "it comes from where it came");

    // Something else, half of it, and nothing at all: what is there stays.
    let half = KEV.as_bytes()[..KEV.len() / 2].to_vec();
    for body in [EPSS.into(), half, b"<html>".to_vec(), Vec::new()] {
        server.put("/osv/kev.json", Export { body, etag: "\"2\"", ..Export::default() });
        let outcome = update().await;
        assert!(matches!(&outcome, Outcome::Failed { kept: Some(_), .. }), "{outcome:?}");
        assert!(EnrichmentSet::open(&database).of("CVE-2024-3094").kev.is_some());
    }
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = files.filter(|name| !name.to_string_lossy().starts_with("manifest")).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn only_what_is_published_as_one_file_is_fetched() {
    for (name, fetched) in [("kev", true), ("epss", true), ("cve-severity", false), ("pypi", false)] {
        assert_eq!(WantedEnrichment::named(name).is_some(), fetched, "{name}");
    }
}

#[test]
fn the_real_enrichment_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/enrichment");
    if !folder.is_dir() {
        println!("skipped: no real enrichment at ../shared/data/enrichment");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let summary = build(&[folder], dir.path(), feed("osv").unwrap(), &options()).unwrap();
    assert_eq!((summary.malformed, summary.unreadable, summary.records), (0, 0, 0), "{:?}", summary.bad);
    let counts: Vec<(Kind, u64)> =
        summary.enrichment.iter().map(|written| (written.info.kind, written.info.entries)).collect();
    assert_eq!(counts[..2], [(Kind::Kev, 1404), (Kind::Epss, 360_142)]);
    assert!(counts[2].1 > 30_000, "{counts:?}");
    let database = Database::open(dir.path()).unwrap();
    for kind in Kind::ALL {
        database.enrichment(kind).unwrap().unwrap().verify().unwrap();
    }
    let set = EnrichmentSet::open(&database);
    let log4j = set.of("CVE-2021-44228");
    let kev = log4j.kev.unwrap();
    assert_eq!((kev.added.as_str(), kev.ransomware), ("2021-12-10", true));
    assert!(log4j.epss.unwrap().score() > 0.9);
    let scores = database.enrichment(Kind::CveSeverity).unwrap().unwrap();
    let Some(Entry::CveSeverity(ratings)) = scores.get("CVE-1999-0006") else { panic!("it is rated") };
    assert_eq!((ratings[0].source.as_str(), ratings[0].score_tenths), ("CISA-ADP", Some(98)));
}
