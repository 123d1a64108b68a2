//! Writing, looking up, and damage.

use model::{Enrichment, Epss, Finding, KnownExploited, Severity, SourceRating};

use super::*;
use crate::database::{Database, Origin};

fn kev(added: &str, due: Option<&str>, ransomware: bool) -> Entry {
    Entry::Kev(KnownExploited { added: added.into(), due: due.map(Into::into), ransomware })
}

fn epss(score_millionths: u32, percentile_millionths: u32) -> Entry {
    Entry::Epss(Epss { score_millionths, percentile_millionths })
}

fn rated(source: &str, severity: Severity, score: Option<u8>) -> SourceRating {
    SourceRating {
        source: source.into(),
        shard: "cve-severity".into(),
        severity,
        score_tenths: score,
        vector: score.map(|_| "CVSS:3.1/AV:N".into()),
    }
}

fn written(kind: Kind, entries: &[(&str, Entry)], dir: &Path) -> WrittenEnrichment {
    let mut writer = EnrichmentWriter::new(kind);
    for (cve, entry) in entries {
        assert!(writer.push(cve, entry), "{cve}");
    }
    writer.dated("2026-11-20");
    writer.dated("2026-11-19");
    writer.finish(dir, "a test", "2026-11-21T00:00:00Z").unwrap()
}

fn bytes(kind: Kind, entries: &[(&str, Entry)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::read(written(kind, entries, dir.path()).path).unwrap()
}

#[test]
fn ids_are_keys_and_back() {
    for (id, key) in [
        ("CVE-1999-0001", true),
        ("CVE-2024-3094", true),
        ("CVE-2021-44228", true),
        ("CVE-2024-99999999999999", true),
        ("CVE-2024-999999999999999", false),
        ("CVE-2024-00001", false),
        ("CVE-2024-001", false),
        ("CVE-24-0001", false),
        ("CVE-2024-", false),
        ("CVE-2024-12a4", false),
        ("CVE-2024-+123", false),
        ("cve-2024-1234", false),
        ("CVE-2024-1234-1", false),
        ("GHSA-aaaa-bbbb-cccc", false),
        ("", false),
    ] {
        assert_eq!(CveKey::parse(id).map(|key| key.to_string()), key.then(|| id.to_owned()), "{id}");
    }
    assert!(CveKey::parse("CVE-1999-9999") < CveKey::parse("CVE-2000-0001"));
    assert!(CveKey::parse("CVE-2000-9999") < CveKey::parse("CVE-2000-10000"));
}

#[test]
fn what_was_written_is_found() {
    let entries = [
        ("CVE-2024-10000", kev("2024-01-02", Some("2024-02-03"), true)),
        ("CVE-1999-0001", kev("2022-05-06", None, false)),
        ("CVE-2024-9999", kev("2024-01-03", None, false)),
    ];
    let file = EnrichmentFile::from_bytes(bytes(Kind::Kev, &entries)).unwrap();
    file.verify().unwrap();
    for (cve, entry) in &entries {
        assert_eq!(file.get(cve).as_ref(), Some(entry), "{cve}");
    }
    for missing in ["CVE-1998-0001", "CVE-2024-9998", "CVE-2024-10001", "CVE-2030-0001", "GHSA-x", ""] {
        assert_eq!(file.get(missing), None, "{missing}");
    }
    let order: Vec<String> = file.entries().map(|(key, _)| key.to_string()).collect();
    assert_eq!(order, ["CVE-1999-0001", "CVE-2024-9999", "CVE-2024-10000"]);
    assert_eq!((file.info().entries, file.info().dated.as_str()), (3, "2026-11-20"));
    assert_eq!(file.epss("CVE-1999-0001"), None, "it is of another kind");

    let ratings = vec![rated("nvd", Severity::High, Some(75)), rated("vendor", Severity::Low, None)];
    let entries =
        [("CVE-2024-0001", Entry::CveSeverity(ratings)), ("CVE-2024-0002", Entry::CveSeverity(vec![]))];
    let file = EnrichmentFile::from_bytes(bytes(Kind::CveSeverity, &entries)).unwrap();
    assert_eq!(file.get("CVE-2024-0001").as_ref(), Some(&entries[0].1));
    assert_eq!(file.get("CVE-2024-0002").as_ref(), Some(&entries[1].1));
    let empty = EnrichmentFile::from_bytes(bytes(Kind::Epss, &[])).unwrap();
    empty.verify().unwrap();
    assert_eq!(empty.get("CVE-2024-0001"), None);
}

#[test]
fn what_does_not_belong_is_refused_and_the_last_word_counts() {
    let mut writer = EnrichmentWriter::new(Kind::Epss);
    assert!(!writer.push("GHSA-x", &epss(1, 2)));
    assert!(!writer.push("CVE-2024-0001", &kev("x", None, false)));
    assert!(writer.push("CVE-2024-0001", &epss(1, 2)) && writer.push("CVE-2024-0001", &epss(3, 4)));
    assert_eq!(writer.len(), 1);
    let dir = tempfile::tempdir().unwrap();
    let file = EnrichmentFile::open(&writer.finish(dir.path(), "", "").unwrap().path).unwrap();
    assert_eq!(file.epss("CVE-2024-0001").map(|epss| epss.score_millionths), Some(3));
}

#[test]
fn the_same_entries_are_the_same_bytes() {
    let entries = [("CVE-2024-0001", epss(1, 2)), ("CVE-2023-0001", epss(3, 4))];
    let mut turned = entries.clone();
    turned.reverse();
    assert_eq!(bytes(Kind::Epss, &entries), bytes(Kind::Epss, &turned));
}

#[test]
fn damage_is_told_or_harmless() {
    let entries = [
        ("CVE-2024-0001", kev("2024-01-02", Some("2024-02-03"), true)),
        ("CVE-2024-0002", kev("2024-01-03", None, false)),
    ];
    let whole = bytes(Kind::Kev, &entries);
    for len in 0..whole.len() {
        assert!(EnrichmentFile::from_bytes(whole[..len].to_vec()).is_err(), "{len}");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let refused = EnrichmentFile::from_bytes(damaged).and_then(|file| {
                for id in ["CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"] {
                    let _ = file.get(id);
                }
                file.entries().for_each(drop);
                file.verify()
            });
            assert!(refused.is_err(), "byte {at} ^ {flip}");
        }
    }
    let mut newer = whole;
    newer[8] = 2;
    assert!(matches!(EnrichmentFile::from_bytes(newer), Err(ShardError::UnknownVersion(2))));
}

#[test]
fn a_database_keeps_it_beside_its_shards() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    assert!(database.enrichment(Kind::Kev).unwrap().is_none());
    let first = written(Kind::Kev, &[("CVE-2024-0001", kev("a", None, false))], dir.path());
    let scores = written(Kind::Epss, &[("CVE-2024-0001", epss(5, 6))], dir.path());
    let both = [(first.clone(), Origin::default()), (scores, Origin::default())];
    database.install_enrichment(&both).unwrap();
    let second = written(Kind::Kev, &[("CVE-2024-0002", kev("b", None, true))], dir.path());
    database.install_enrichment(&[(second.clone(), Origin::default())]).unwrap();
    assert!(!first.path.exists() && second.path.exists());
    database.confirm_enrichment(Kind::Kev, "2026-01-01T00:00:00Z").unwrap();
    let status = database.enrichment_status().unwrap();
    assert_eq!(status["kev"].origin.checked.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(database.status().unwrap().len(), 0, "it is no shard");

    let set = EnrichmentSet::open(&database);
    assert_eq!(set.used().iter().map(|used| used.name.as_str()).collect::<Vec<_>>(), ["epss", "kev"]);
    std::fs::write(&second.path, "x").unwrap();
    let set = EnrichmentSet::open(&database);
    assert_eq!((set.used().len(), set.unusable().len()), (1, 1));
    assert!(set.unusable()[0].contains("kev"), "{:?}", set.unusable());
    let mut bad = second;
    bad.path = dir.path().join("none");
    assert!(database.install_enrichment(&[(bad, Origin::default())]).is_err());
}

#[test]
fn findings_get_what_is_known_of_their_cves() {
    let mut set = EnrichmentSet::default();
    let mut add = |kind, entries: &[(&str, Entry)]| {
        set.insert(EnrichmentFile::from_bytes(bytes(kind, entries)).unwrap());
    };
    add(Kind::Kev, &[("CVE-2024-0002", kev("2024-01-02", None, true))]);
    add(Kind::Epss, &[("CVE-2024-0001", epss(10, 20)), ("CVE-2024-0002", epss(30, 40))]);
    let nvd = rated("nvd", Severity::High, Some(75));
    add(Kind::CveSeverity, &[("CVE-2024-0001", Entry::CveSeverity(vec![nvd.clone()]))]);
    let own = rated("GHSA-x", Severity::Low, Some(30));
    let mut finding = Finding {
        id: "CVE-2024-0001".into(),
        severity: Severity::Low,
        ratings: vec![own.clone()],
        ..Finding::default()
    };
    set.enrich_finding(&mut finding);
    set.enrich_finding(&mut finding);
    assert_eq!(finding.ratings, [own, nvd], "once, and the chosen one stays first");
    assert_eq!((finding.severity, finding.enrichment.kev.is_some()), (Severity::Low, false));
    assert_eq!(finding.enrichment.epss.unwrap().score_millionths, 10);
    finding.aliases = vec!["CVE-2024-0002".into(), "GHSA-x".into()];
    set.enrich_finding(&mut finding);
    assert_eq!(finding.enrichment.epss.unwrap().score_millionths, 30, "the worst of its names");
    assert!(finding.enrichment.kev.unwrap().ransomware);
    let mut other = Finding { id: "GHSA-y".into(), ..Finding::default() };
    set.enrich_finding(&mut other);
    assert_eq!(other.enrichment, Enrichment::default());
}
