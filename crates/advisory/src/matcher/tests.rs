//! Each trap of matching by name, on shards written for the purpose.

mod programs;
mod rpm;

use model::{
    Advisory, Distro, PackageKind, Severity,
    advisory::{Affected, Event, Qualifiers, Range, Rating},
    package::SourcePackage,
};

use super::*;
use crate::{
    ecosystem::place,
    enrichment::{EnrichmentFile, EnrichmentWriter, Entry, Kind},
    shard::ShardWriter,
};

/// `i1 f2 l3 m4`: introduced 1, fixed 2, last affected 3, limit 4.
fn events(text: &str) -> Vec<Event> {
    let event = |word: &str| {
        let (kind, version) = word.split_at(1);
        let version = version.to_owned();
        match kind {
            "i" => Event::Introduced(version),
            "f" => Event::Fixed(version),
            "l" => Event::LastAffected(version),
            "m" => Event::Limit(version),
            _ => panic!("{word}"),
        }
    };
    text.split_ascii_whitespace().map(event).collect()
}

fn row(ecosystem: &str, name: &str, ranges: &[&str]) -> Affected {
    let ranges = ranges.iter().map(|text| Range { events: events(text), ..Range::default() }).collect();
    Affected { ecosystem: ecosystem.into(), name: name.into(), ranges, ..Affected::default() }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn advisory(id: &str, aliases: &[&str], affected: Vec<Affected>) -> Advisory {
    Advisory { id: id.into(), aliases: texts(aliases), affected, ..Advisory::default() }
}

fn shards(advisories: &[Advisory]) -> ShardSet {
    let dir = tempfile::tempdir().unwrap();
    let mut set = ShardSet::default();
    let ecosystems: BTreeSet<&str> =
        advisories.iter().flat_map(|a| &a.affected).map(|affected| affected.ecosystem.as_str()).collect();
    let places: BTreeMap<ShardName, &str> =
        ecosystems.iter().map(|e| place(e).unwrap()).map(|place| (place.shard, place.scheme)).collect();
    for (name, scheme) in places {
        let mut writer = ShardWriter::new(name.clone(), scheme);
        for advisory in advisories {
            let mut part = advisory.clone();
            part.affected.retain(|affected| place(&affected.ecosystem).unwrap().shard == name);
            writer.push(&part).unwrap();
        }
        let written = writer.finish(dir.path(), "a test", "2026-01-02T03:04:05Z").unwrap();
        set.insert(name, Shard::open(&written.path).unwrap());
    }
    set
}

fn image(id: &str, version: &str, packages: Vec<Package>) -> Inventory {
    let distro = Distro { id: id.into(), version_id: Some(version.into()), ..Distro::default() };
    Inventory { distro: Some(distro), packages, ..Inventory::default() }
}

fn package(kind: PackageKind, name: &str, version: &str) -> Package {
    Package::new(kind, name, version)
}

fn built_from(mut package: Package, name: &str, version: &str) -> Package {
    package.source = Some(SourcePackage { name: name.into(), version: version.into() });
    package
}

/// `id fixed,fixed`, for each finding.
fn summary(matches: &Matches) -> Vec<String> {
    let line = |f: &Finding| format!("{} {}", f.id, f.fixed_versions.join(",")).trim_end().to_owned();
    matches.findings.iter().map(line).collect()
}

fn pypi(advisories: &[Advisory], name: &str, version: &str) -> Matches {
    match_packages(
        &image("debian", "12", vec![package(PackageKind::Pypi, name, version)]),
        &shards(advisories),
    )
}

fn check_range(ranges: &[&str], versions: &[&str], version: &str, expected: &str) {
    let mut affected = row("PyPI", "x", ranges);
    affected.versions = texts(versions);
    let matches = pypi(&[advisory("CVE-1-1", &[], vec![affected])], "x", version);
    let found = matches.findings.first().map(|finding| finding.evidence[0].range.clone()).unwrap_or_default();
    assert_eq!(found, expected, "{ranges:?} {versions:?} {version}");
}

#[test]
fn ranges_are_evaluated_as_osv_says() {
    for (range, version, expected) in [
        ("i0 f2", "1", ">= 0, < 2"),
        ("i0 f2", "2", ""),
        ("f2 i0", "1", ">= 0, < 2"),
        ("i1 f2", "0.9", ""),
        ("i1 l2", "2", ">= 1, <= 2"),
        ("i1 l2", "2.0.1", ""),
        ("i1 l1", "1", ">= 1, <= 1"),
        ("i1 l1", "1.1", ""),
        ("i1", "5", ">= 1"),
        // Two intervals in one range, also out of order.
        ("i0 f1 i2 f3", "0.5", ">= 0, < 1"),
        ("i0 f1 i2 f3", "1.5", ""),
        ("i0 f1 i2 f3", "2.5", ">= 2, < 3"),
        ("i2 f3 i0 f1", "2.5", ">= 2, < 3"),
        ("i2 f3 i0 f1", "1", ""),
        ("i0 f1 i2 f3", "3", ""),
        // One ends where the next begins.
        ("i0 f2 i2 f3", "2", ">= 2, < 3"),
        ("i0 f2 i2 f3", "1", ">= 0, < 2"),
        // The next end counts, not the last.
        ("i0 l1 i2 f3", "0.5", ">= 0, <= 1"),
        ("i0 l1 i2 f3", "1.5", ""),
        // Several fixes: the first one closes.
        ("i0 f2 f3", "1", ">= 0, < 2"),
        ("i0 f2 f3", "2.5", ""),
        // Limits.
        ("i0 m2", "1", ">= 0, < 2"),
        ("i0 m2", "2", ""),
        ("i0 m2 m4", "3", ">= 0, < 4"),
        ("i0 m*", "3", ">= 0"),
        // Never affected.
        ("i0 f0", "1", ""),
        ("i0 f0", "0", ""),
        ("i1 f1", "1", ""),
        // Without an introduction a range says nothing.
        ("f2", "1", ""),
        ("l2", "1", ""),
        ("", "1", ""),
        // The version 0 itself, and what sorts below it.
        ("i0 f1", "0", ">= 0, < 1"),
        ("i0 f1", "0a1", ">= 0, < 1"),
    ] {
        check_range(&[range], &[], version, expected);
    }
}

#[test]
fn listed_versions_and_several_ranges_add_up() {
    check_range(&["i1 f2"], &["3"], "3", "= 3");
    check_range(&["i1 f2"], &["3"], "1.5", ">= 1, < 2");
    check_range(&[], &["3.0"], "3", "= 3.0");
    check_range(&[], &["3"], "4", "");
    check_range(&["i1 f2", "i4 f5"], &[], "4.5", ">= 4, < 5");
    check_range(&["i1 l9", "i4 f5"], &[], "4.5", ">= 4, < 5");
    check_range(&[], &[], "1", "");
}

#[test]
fn python_names_are_normalised() {
    let advisories =
        [advisory("PYSEC-1", &["CVE-2020-1"], vec![row("PyPI", "zope-interface", &["i0 f5.1"])])];
    for name in ["zope.interface", "Zope_Interface", "ZOPE--interface"] {
        assert_eq!(summary(&pypi(&advisories, name, "5.0")), ["CVE-2020-1 5.1"], "{name}");
    }
    assert!(summary(&pypi(&advisories, "zopeinterface", "5.0")).is_empty());
}

#[test]
fn deb_and_apk_are_looked_up_by_source() {
    let advisories = [
        advisory("DEBIAN-CVE-2024-1", &[], vec![row("Debian:12", "openssl", &["i0 f3.0.15-1~deb12u1"])]),
        advisory("CVE-2024-2", &[], vec![row("Alpine:v3.20", "openssl", &["i0 f3.3.2-r0"])]),
    ];
    let shards = shards(&advisories);
    // The binary's own version is of no account.
    let libssl = built_from(package(PackageKind::Deb, "libssl3", "9:9"), "openssl", "3.0.11-1");
    let other = built_from(package(PackageKind::Deb, "openssl", "3.0.11-1"), "openssl-fork", "1");
    let matches = match_packages(&image("debian", "12", vec![libssl, other]), &shards);
    assert_eq!(summary(&matches), ["CVE-2024-1 3.0.15-1~deb12u1"]);
    let evidence = &matches.findings[0].evidence[0];
    assert_eq!(
        evidence.reason(),
        "openssl 3.0.11-1 is in the affected range >= 0, < 3.0.15-1~deb12u1 of DEBIAN-CVE-2024-1 (deb order, debian-12)"
    );
    let libcrypto = built_from(package(PackageKind::Apk, "libcrypto3", "3.3.1-r0"), "openssl", "3.3.1-r0");
    let matches = match_packages(&image("alpine", "3.20.3", vec![libcrypto]), &shards);
    assert_eq!(summary(&matches), ["CVE-2024-2 3.3.2-r0"]);
}

#[test]
fn channels_are_kept_apart() {
    let mut pro = row("Ubuntu:Pro:18.04:LTS", "netty", &["i0 f1:4.1.7-4ubuntu0.1+esm3"]);
    pro.qualifiers.channel = Some("pro".into());
    let shards = shards(&[advisory("UBUNTU-CVE-2022-1", &[], vec![pro])]);
    let scan = |version: &str| {
        let netty = package(PackageKind::Deb, "netty", version);
        summary(&match_packages(&image("ubuntu", "18.04", vec![netty]), &shards))
    };
    assert!(scan("1:4.1.7-4ubuntu0.1").is_empty());
    assert_eq!(scan("1:4.1.7-4ubuntu0.1+esm1"), ["CVE-2022-1 1:4.1.7-4ubuntu0.1+esm3"]);
}

#[test]
fn other_target_systems_are_left_out() {
    let with = |systems: &[&str]| {
        let mut affected = row("npm", "x", &["i0 f2.0.0"]);
        affected.qualifiers = Qualifiers { target_os: texts(systems), ..Qualifiers::default() };
        let inventory = image("debian", "12", vec![package(PackageKind::Npm, "x", "1.0.0")]);
        match_packages(&inventory, &shards(&[advisory("CVE-1-1", &[], vec![affected])])).findings.len()
    };
    assert_eq!((with(&["windows"]), with(&["windows", "linux"]), with(&[])), (0, 1, 1));
}

#[test]
fn a_statement_of_not_affected_wins() {
    let mut not = row("Debian:12", "tar", &["i0"]);
    not.fix_state = FixState::NotAffected;
    let affected = |id: &str| advisory(id, &[], vec![row("Debian:12", "tar", &["i0 f2"])]);
    let advisories = [
        affected("DSA-1"),
        affected("CVE-2024-1"),
        affected("CVE-2024-2"),
        advisory("CVE-2024-1-vex", &["CVE-2024-1"], vec![not]),
    ];
    let matches = match_packages(
        &image("debian", "12", vec![package(PackageKind::Deb, "tar", "1")]),
        &shards(&advisories),
    );
    assert_eq!(summary(&matches), ["CVE-2024-2 2", "DSA-1 2"]);
}

#[test]
fn states_without_a_fix_are_reported() {
    let state = |state: FixState, ranges: &[&str]| {
        let mut affected = row("Debian:12", "tar", ranges);
        affected.fix_state = state;
        let advisories = [advisory("CVE-1-1", &[], vec![affected])];
        let inventory = image("debian", "12", vec![package(PackageKind::Deb, "tar", "1")]);
        match_packages(&inventory, &shards(&advisories)).findings.first().map(|finding| finding.state)
    };
    assert_eq!(state(FixState::Unstated, &["i0"]), Some(FixState::Affected));
    assert_eq!(state(FixState::WillNotFix, &["i0"]), Some(FixState::WillNotFix));
    assert_eq!(state(FixState::WillNotFix, &[]), Some(FixState::WillNotFix));
    assert_eq!(state(FixState::Unstated, &[]), None);
    assert_eq!(state(FixState::Unstated, &["i0 f2"]), Some(FixState::Fixed));
    assert_eq!(state(FixState::WillNotFix, &["i0 f2"]), Some(FixState::Fixed));
}

#[test]
fn one_finding_for_a_component_and_a_cve() {
    let at = |fixed: &str| vec![row("PyPI", "x", &[&format!("i0 f{fixed}")])];
    let advisories = [
        advisory("PYSEC-1", &["CVE-2020-1", "GHSA-aaaa"], at("1.10")),
        advisory("GHSA-aaaa", &["CVE-2020-1"], at("1.9")),
        // No CVE: merged over an alias, through another without a CVE.
        advisory("SNYK-1", &["OTHER-1"], at("2")),
        advisory("OTHER-1", &["GHSA-aaaa"], at("2")),
        // Two CVEs; shares a name with the first, and stays apart.
        advisory("GO-1", &["CVE-2020-2", "CVE-2020-3", "GHSA-bbbb"], at("3")),
        // No CVE at all: the GHSA name goes first.
        advisory("PYSEC-9", &["GHSA-zzzz"], at("4")),
        // `upstream` names CVEs, `related` only when nothing else does.
        Advisory {
            upstream: texts(&["CVE-2020-5"]),
            related: texts(&["CVE-2020-6"]),
            ..advisory("USN-1", &[], at("5"))
        },
    ];
    let matches = pypi(&advisories, "x", "1");
    assert_eq!(
        summary(&matches),
        ["CVE-2020-1 1.9,1.10,2", "CVE-2020-2 3", "CVE-2020-3 3", "CVE-2020-5 5", "GHSA-zzzz 4"]
    );
    let first = &matches.findings[0];
    assert_eq!(first.aliases, ["GHSA-aaaa", "OTHER-1", "PYSEC-1", "SNYK-1"]);
    let evidence: Vec<&str> = first.evidence.iter().map(|evidence| evidence.advisory.as_str()).collect();
    assert_eq!(evidence, ["GHSA-aaaa", "OTHER-1", "PYSEC-1", "SNYK-1"]);
    // Whose alias GHSA-bbbb is cannot be told.
    assert_eq!(matches.findings[1].aliases, [""; 0]);
    assert_eq!(matches.findings[4].aliases, ["PYSEC-9"]);
}

#[test]
fn severity_is_the_highest_and_the_vendors_word_goes_first() {
    let rated = |id: &str, severity, score, own: Option<Severity>| {
        let mut affected = row("PyPI", "x", &["i0"]);
        affected.severity = own.map(|severity| Rating { severity, ..Rating::default() });
        let severity = Rating { severity, vector: None, score_tenths: Some(score) };
        Advisory { severity, summary: format!("title of {id}"), ..advisory(id, &["CVE-1-1"], vec![affected]) }
    };
    let found = pypi(
        &[rated("A", Severity::Critical, 98, Some(Severity::Low)), rated("B", Severity::Medium, 50, None)],
        "x",
        "1",
    );
    let finding = &found.findings[0];
    assert_eq!((finding.severity, finding.score_tenths), (Severity::Medium, Some(50)));
    assert_eq!(finding.title, "title of B");
    let order = pypi(
        &[
            Advisory { aliases: vec![], ..rated("CVE-2-1", Severity::Low, 30, None) },
            Advisory { aliases: vec![], ..rated("CVE-2-2", Severity::High, 80, None) },
        ],
        "x",
        "1",
    );
    assert_eq!(summary(&order), ["CVE-2-2", "CVE-2-1"]);
}

#[test]
fn the_rating_is_chosen_by_the_stated_order() {
    const CVE: &str = "CVE-2024-0001";
    let nvd = model::SourceRating {
        source: "nvd".into(),
        shard: "cve-severity".into(),
        severity: Severity::Critical,
        score_tenths: Some(98),
        vector: Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into()),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EnrichmentWriter::new(Kind::CveSeverity);
    assert!(writer.push(CVE, &Entry::CveSeverity(vec![nvd])));
    let path = writer.finish(dir.path(), "", "").unwrap().path;

    // Id, general rating, own rating for the package.
    type Said<'a> = (&'a str, Option<(Severity, u8)>, Option<Severity>);
    let check = |ecosystem: &str, said: &[Said<'_>], expected: &str| {
        let advisories: Vec<Advisory> = said
            .iter()
            .map(|(id, general, own)| {
                let mut affected = row(ecosystem, "x", &["i0"]);
                affected.severity = own.map(|severity| Rating { severity, ..Rating::default() });
                let severity = general.map(|(severity, score)| Rating {
                    severity,
                    vector: Some(format!("{id}'s")),
                    score_tenths: Some(score),
                });
                let severity = severity.unwrap_or_default();
                Advisory { severity, ..advisory(id, &[CVE], vec![affected]) }
            })
            .collect();
        let mut set = EnrichmentSet::default();
        set.insert(EnrichmentFile::open(&path).unwrap());
        let kind = if ecosystem == "PyPI" { PackageKind::Pypi } else { PackageKind::Deb };
        let inventory = image("debian", "12", vec![package(kind, "x", "1")]);
        let matches = match_packages(&inventory, &shards(&advisories).with_enrichment(set));
        let finding = &matches.findings[0];
        let ratings: Vec<String> = finding
            .ratings
            .iter()
            .map(|r| format!("{}={} {:?}", r.source, r.severity, r.score_tenths.unwrap_or_default()))
            .collect();
        let chosen = format!("{} {}", finding.severity, finding.score_tenths.unwrap_or_default());
        assert_eq!(format!("{chosen}: {}", ratings.join(", ")), expected, "{ecosystem} {said:?}");
        if let Some(first) = finding.ratings.first() {
            assert_eq!(finding.severity, first.severity, "the chosen one comes first");
        }
    };
    let (low, medium, high) = (Severity::Low, Severity::Medium, Severity::High);
    // A distribution's word on its package goes before what it says in general, however severe.
    check(
        "Debian:12",
        &[("DSA-1", Some((high, 81)), None), ("DEBIAN-1", Some((medium, 55)), Some(low))],
        "low 55: DEBIAN-1=low 55, DSA-1=high 81",
    );
    check("Debian:12", &[("A", None, Some(low)), ("B", None, Some(high))], "high 0: B=high 0, A=low 0");
    check("Debian:12", &[("A", Some((high, 75)), Some(Severity::Unknown))], "high 75: A=high 75");
    // GitHub goes before other databases.
    check(
        "PyPI",
        &[("PYSEC-1", Some((Severity::Critical, 98)), None), ("GHSA-1", Some((medium, 55)), None)],
        "medium 55: GHSA-1=medium 55, PYSEC-1=critical 98",
    );
    check("PyPI", &[("GHSA-1", None, None), ("PYSEC-1", Some((high, 75)), None)], "high 75: PYSEC-1=high 75");
    // What no advisory rates is rated by those who rate CVEs.
    check("PyPI", &[("PYSEC-1", None, None)], "critical 98: nvd=critical 98");
    check("Debian:12", &[("DSA-1", None, None)], "critical 98: nvd=critical 98");
}

#[test]
fn owned_language_packages_are_the_distributions_matter() {
    let advisories = [advisory("CVE-1-1", &[], vec![row("PyPI", "six", &["i0"])])];
    let mut six = package(PackageKind::Pypi, "six", "1");
    let shards = shards(&advisories);
    assert_eq!(match_packages(&image("debian", "12", vec![six.clone()]), &shards).findings.len(), 1);
    six.owner = Some("python3-six".into());
    assert_eq!(match_packages(&image("debian", "12", vec![six]), &shards), Matches::default());
}

#[test]
fn odd_versions_are_compared_and_said() {
    let advisories = [advisory("CVE-1-1", &[], vec![row("PyPI", "x", &["i0 f2"])])];
    let matches = pypi(&advisories, "x", "not a version");
    assert_eq!(matches.problems.len(), 1);
    assert_eq!(matches.problems[0].code, ProblemCode::VersionUnparsable);
    assert!(pypi(&advisories, "y", "not a version").problems.is_empty());
}

#[test]
fn coverage_says_what_was_looked_at() {
    let shards = shards(&[advisory("CVE-1-1", &[], vec![row("PyPI", "x", &["i0 f2"])])]);
    let packages = vec![
        package(PackageKind::Rpm, "bash", "5"),
        package(PackageKind::Pypi, "x", "3"),
        package(PackageKind::Npm, "x", "3.0.0"),
    ];
    let matches = match_packages(&image("rhel", "9", packages.clone()), &shards);
    let states: Vec<_> = matches.coverage.iter().map(|c| (c.shard.as_str(), c.packages, c.state)).collect();
    assert_eq!(
        states,
        [
            ("npm", 1, CoverageState::Missing),
            ("pypi", 1, CoverageState::Checked),
            ("rhel 9", 1, CoverageState::NotCovered)
        ]
    );
    let codes: Vec<_> = matches.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::DatabaseMissing, ProblemCode::NotCovered]);
    let unknown = Inventory { packages, ..Inventory::default() };
    let problems = match_packages(&unknown, &shards).problems;
    assert!(problems.iter().any(|problem| problem.code == ProblemCode::UnknownOs), "{problems:?}");
}

#[test]
fn a_damaged_shard_is_a_problem_and_not_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.shard"), "no shard").unwrap();
    let manifest = r#"{"format":1,"shards":{"pypi":{"file":"bad.shard","digest":"","bytes":0,"source":"","advisories":0,"rows":0,"built":""}}}"#;
    std::fs::write(dir.path().join("manifest.json"), manifest).unwrap();
    let inventory = image("debian", "12", vec![package(PackageKind::Pypi, "x", "3")]);
    let set = ShardSet::open(&Database::open(dir.path()).unwrap(), &needs(&inventory));
    assert_eq!(set.missing(&needs(&inventory)).len(), 1);
    let matches = match_packages(&inventory, &set);
    assert_eq!(matches.coverage[0].state, CoverageState::Missing);
    assert_eq!(matches.problems[0].code, ProblemCode::DatabaseUnusable);
    assert!(
        matches.problems[0].message.contains("failed to open shard pypi: the shard is truncated"),
        "{:?}",
        matches.problems
    );
}
