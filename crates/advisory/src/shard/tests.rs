//! Round trips of the hard cases and of random advisories, and what damage does.

use std::{fs, path::Path};

use model::{
    Advisory, Severity,
    advisory::{Affected, Event, FixState, Qualifiers, Range, RangeKind, Rating, Symbols},
};
use proptest::{collection::vec, option, prelude::*};

use super::*;

fn affected(ecosystem: &str, name: &str, events: Vec<Event>) -> Affected {
    let ranges = vec![Range { kind: RangeKind::Ecosystem, events }];
    Affected { ecosystem: ecosystem.into(), name: name.into(), ranges, ..Affected::default() }
}

fn below(fixed: &str) -> Vec<Event> {
    vec![Event::Introduced("0".into()), Event::Fixed(fixed.into())]
}

fn advisory(id: &str, affected: Vec<Affected>) -> Advisory {
    Advisory { id: id.into(), affected, ..Advisory::default() }
}

fn write(dir: &Path, advisories: &[Advisory]) -> WrittenShard {
    let mut writer = ShardWriter::new(ShardName::new("test-1").unwrap(), "deb");
    for advisory in advisories {
        writer.push(advisory).unwrap();
    }
    writer.finish(dir, "a test", "2026-01-02T03:04:05Z").unwrap()
}

/// Names order the affected entries of a shard; the writer's order is not part of the value.
fn sorted(mut advisories: Vec<Advisory>) -> Vec<Advisory> {
    for advisory in &mut advisories {
        advisory.affected.sort_by(|a, b| a.name.cmp(&b.name));
    }
    advisories
}

/// An AlmaLinux advisory for a module: several fixed versions of one package, CVEs in `related` only.
fn module_streams() -> Advisory {
    let mut rows = Vec::new();
    for fixed in ["2.7.5-7.module_el8.6.0+2781+fed64c13", "2.7.5-7.module_el8.6.0+3162+01a09e5a"] {
        let mut row = affected("AlmaLinux:8", "python2-psycopg2", below(fixed));
        row.qualifiers.module = Some("python27:2.7".into());
        rows.push(row);
    }
    Advisory {
        related: vec!["CVE-2022-48565".into(), "CVE-2023-24329".into()],
        severity: Rating { severity: Severity::High, ..Rating::default() },
        ..advisory("ALSA-2023:3780", rows)
    }
}

/// A statement of the CSAF VEX kind: products by CPE, and no fix to come.
fn vex_statement() -> Advisory {
    let mut row = affected("Red Hat:enterprise_linux:8::baseos", "zlib", vec![Event::Introduced("0".into())]);
    row.fix_state = FixState::WillNotFix;
    row.qualifiers.cpes =
        vec!["cpe:/o:redhat:enterprise_linux:8::baseos".into(), "cpe:/a:redhat:openshift:4".into()];
    row.qualifiers.arches = vec!["x86_64".into(), "aarch64".into()];
    row.severity = Some(Rating {
        severity: Severity::Low,
        vector: Some("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:L".into()),
        score_tenths: Some(33),
    });
    advisory("CVE-2023-45853", vec![row])
}

fn ubuntu_pro() -> Advisory {
    let mut pro = affected("Ubuntu:Pro:18.04:LTS", "netty", below("1:4.1.7-4ubuntu0.1+esm3"));
    pro.qualifiers.channel = Some("pro".into());
    let mut plain = affected("Ubuntu:18.04:LTS", "netty", vec![Event::Introduced("0".into())]);
    plain.fix_state = FixState::FixDeferred;
    plain.versions = vec!["1:4.1.7-4".into(), "1:4.1.7-4ubuntu0.1".into()];
    Advisory {
        upstream: vec!["CVE-2022-24823".into()],
        references: vec!["https://ubuntu.com/security/CVE-2022-24823".into()],
        details: "Netty is an asynchronous framework".into(),
        published: "2022-05-06T12:15:00Z".into(),
        modified: "2026-06-08T16:11:47Z".into(),
        ..advisory("UBUNTU-CVE-2022-24823", vec![pro, plain])
    }
}

fn go_symbols() -> Advisory {
    let mut row = affected("Go", "stdlib", below("1.25.8"));
    row.ranges.push(Range {
        kind: RangeKind::Semver,
        events: vec![
            Event::Introduced("1.26.0-0".into()),
            Event::LastAffected("1.26.1".into()),
            Event::Limit("2.0.0".into()),
        ],
    });
    row.qualifiers.target_os = vec!["windows".into()];
    row.qualifiers.symbols = vec![
        Symbols { path: "os/exec".into(), names: vec!["Cmd.Run".into(), "Cmd.Start".into()] },
        Symbols { path: "syscall".into(), names: vec![] },
    ];
    Advisory {
        aliases: vec!["CVE-2025-1".into(), "CVE-2025-2".into(), "GHSA-aaaa-bbbb-cccc".into()],
        summary: "Two faults of one package".into(),
        ..advisory("GO-2025-0001", vec![row])
    }
}

/// Alpine's secdb writes fixed version 0 for what was never affected.
fn never_affected() -> Advisory {
    let mut row = affected("Alpine:v3.20", "tar", below("0"));
    row.qualifiers = Qualifiers::default();
    advisory("ALPINE-CVE-2005-2541", vec![row])
}

fn hard_cases() -> Vec<Advisory> {
    vec![module_streams(), vex_statement(), ubuntu_pro(), go_symbols(), never_affected()]
}

#[test]
fn hard_cases_survive() {
    let dir = tempfile::tempdir().unwrap();
    let mut input = hard_cases();
    let withdrawn = Advisory {
        withdrawn: Some("2025-01-01T00:00:00Z".into()),
        ..advisory("GO-1", go_symbols().affected)
    };
    input.push(withdrawn);
    let written = write(dir.path(), &input);
    let shard = Shard::open(&written.path).unwrap();
    shard.verify().unwrap();
    assert_eq!(shard.info(), &written.info);
    assert_eq!(shard.digest(), written.digest);
    assert_eq!((shard.info().advisories, shard.info().rows, shard.info().names), (5, 7, 5));
    assert_eq!(sorted(shard.to_advisories().unwrap()), sorted(hard_cases()));
    assert_eq!(shard.names().collect::<Vec<_>>(), ["netty", "python2-psycopg2", "stdlib", "tar", "zlib"]);
    assert_eq!(shard.rows("netty").count(), 2);
    for absent in ["", "nett", "nettz", "zzz", "netty\0"] {
        assert_eq!(shard.rows(absent).count(), 0, "{absent:?}");
    }
    let row = shard.rows("zlib").next().unwrap().unwrap();
    assert_eq!(row.fix_state, FixState::WillNotFix);
    assert_eq!(row.cpes.count(), 2);
    assert_eq!(shard.advisory(row.advisory).unwrap().id, "CVE-2023-45853");
    assert_eq!(shard.description(99).unwrap_err().to_string(), "the shard is damaged: a description");
}

#[test]
fn the_newer_of_two_records_stays_and_a_withdrawal_counts() {
    let at = |modified: &str, fixed: &str| Advisory {
        modified: modified.into(),
        ..advisory("CVE-1", vec![affected("Debian:12", "a", below(fixed))])
    };
    let dir = tempfile::tempdir().unwrap();
    let fixed = |advisories: &[Advisory]| {
        let shard = Shard::open(&write(dir.path(), advisories).path).unwrap();
        shard.verify().unwrap();
        let kept = shard.to_advisories().unwrap();
        kept.into_iter().map(|kept| kept.affected[0].ranges[0].events[1].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fixed(&[at("2024", "1"), at("2025", "2")]), [Event::Fixed("2".into())]);
    assert_eq!(fixed(&[at("2025", "2"), at("2024", "1")]), [Event::Fixed("2".into())]);
    let gone = Advisory { withdrawn: Some("2025".into()), ..at("2025", "2") };
    assert_eq!(fixed(&[at("2024", "1"), gone.clone()]), []);
    assert_eq!(fixed(&[gone.clone(), at("2024", "1")]), []);
    assert_eq!(fixed(&[gone.clone(), at("2025", "1")]), []);
    assert_eq!(fixed(&[at("2025", "1"), gone]), []);
    // Equally old ones are united: exports per release repeat an advisory, or hold a part of it each.
    let shard = write(dir.path(), &[at("2025", "1"), at("2025", "2"), at("2025", "1")]);
    assert_eq!((shard.info.advisories, shard.info.rows), (1, 2));
}

#[test]
fn an_empty_shard_is_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let shard = Shard::open(&write(dir.path(), &[]).path).unwrap();
    shard.verify().unwrap();
    assert_eq!(shard.rows("a").count(), 0);
}

#[test]
fn many_descriptions_make_many_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let input: Vec<Advisory> = (0..2000)
        .map(|n| Advisory {
            details: format!("text {n} ").repeat(40),
            ..advisory(&format!("CVE-{n}"), vec![affected("Debian:12", &format!("p{}", n % 7), below("1"))])
        })
        .collect();
    let shard = Shard::open(&write(dir.path(), &input).path).unwrap();
    shard.verify().unwrap();
    assert!(shard.section(SectionKind::BlockIndex).len() > 5 * 8);
    assert_eq!(shard.description(1999).unwrap().details, input[1999].details);
    assert_eq!(shard.to_advisories().unwrap(), input);
}

/// Reads everything that can be read; any answer is fine, a panic is not.
fn read_all(bytes: &[u8]) -> bool {
    let Ok(shard) = Shard::from_bytes(bytes.to_vec()) else { return false };
    let _ = shard.to_advisories();
    for name in ["netty", "python2-psycopg2", "stdlib", "tar", "zlib", "x"] {
        for row in shard.rows(name).flatten() {
            let _ = (row.ranges().map(|range| range.events.count()).sum::<usize>(), row.rating());
            let _ = shard.advisory(row.advisory).map(|view| (view.rating(), view.aliases.count()));
            let _ = (shard.title(row.advisory).len(), shard.description(row.advisory).is_ok());
        }
    }
    shard.verify().is_ok()
}

#[test]
fn damage_is_noticed_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let good = fs::read(write(dir.path(), &hard_cases()).path).unwrap();
    assert!(read_all(&good));
    for len in 0..good.len() {
        assert!(!read_all(&good[..len]), "cut to {len}");
    }
    for at in 0..good.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            assert!(!read_all(&bad) || at == 10 || at == 11, "byte {at} with {mask:#x}");
        }
    }
}

/// Damage under right checksums: what a hostile writer could make.
#[test]
fn damage_under_right_checksums_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let good = fs::read(write(dir.path(), &hard_cases()).path).unwrap();
    let header_len = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    // A fixed linear congruential sequence (Knuth's constants) keeps the test the same on every run.
    let mut state = 42_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..4000 {
        let mut bad = good.clone();
        for _ in 0..=next(4) {
            let at = 24 + next(bad.len() - 24);
            bad[at] = [0, 0xff, 0x7f, 0x80, next(256) as u8][next(5)];
        }
        let sum = xxh3_64(&bad[..header_len - 8]);
        bad[header_len - 8..header_len].copy_from_slice(&sum.to_le_bytes());
        read_all(&bad);
    }
}

prop_compose! {
    fn any_rating()(level in 0..6_usize, vector in option::of("[A-Z:/.]{0,20}"), score in option::of(0..=100_u8)) -> Rating {
        Rating { severity: Severity::DESCENDING[level], vector, score_tenths: score }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let version = "[0-9a-zé.:~+-]{0,12}";
    prop_oneof![
        version.prop_map(Event::Introduced),
        version.prop_map(Event::Fixed),
        version.prop_map(Event::LastAffected),
        version.prop_map(Event::Limit),
    ]
}

prop_compose! {
    fn any_range()(semver in any::<bool>(), events in vec(any_event(), 0..5)) -> Range {
        Range { kind: if semver { RangeKind::Semver } else { RangeKind::Ecosystem }, events }
    }
}

prop_compose! {
    fn any_qualifiers()(
        arches in vec("[a-z0-9_]{1,8}", 0..3),
        module in option::of("[a-z]{0,5}:[a-z0-9]{0,3}"),
        channel in option::of("[a-z-]{0,8}"),
        target_os in vec("[a-z]{1,8}", 0..2),
        symbols in vec(("[a-z/.]{0,12}", vec("[A-Za-z.]{1,9}", 0..4)), 0..3),
        cpes in vec("cpe:/[a-z:]{1,12}", 0..3),
    ) -> Qualifiers {
        let symbols = symbols.into_iter().map(|(path, names)| Symbols { path, names }).collect();
        Qualifiers { arches, module, channel, target_os, symbols, cpes }
    }
}

prop_compose! {
    fn any_affected()(
        ecosystem in "(Debian:1[0-3]|PyPI|)",
        name in "[a-c/@]{1,3}",
        ranges in vec(any_range(), 0..4),
        versions in vec("[0-9.]{1,6}", 0..4),
        state in 0..8_usize,
        severity in option::of(any_rating()),
        qualifiers in any_qualifiers(),
    ) -> Affected {
        let fix_state = [
            FixState::Unstated, FixState::Fixed, FixState::Affected, FixState::WillNotFix, FixState::FixDeferred,
            FixState::EndOfLife, FixState::UnderInvestigation, FixState::NotAffected,
        ][state];
        Affected { ecosystem, name, ranges, versions, fix_state, severity, qualifiers }
    }
}

prop_compose! {
    fn any_advisory()(
        aliases in vec("[A-Z0-9-]{1,12}", 0..3),
        upstream in vec("[A-Z0-9-]{1,12}", 0..3),
        related in vec("[A-Z0-9-]{1,12}", 0..3),
        texts in vec("\\PC{0,40}", 4),
        references in vec("[a-z:/.]{0,20}", 0..3),
        severity in any_rating(),
        affected in vec(any_affected(), 1..5),
    ) -> Advisory {
        let [summary, details, published, modified] = texts.try_into().unwrap();
        Advisory {
            id: String::new(), aliases, upstream, related, summary, details, references, published, modified,
            withdrawn: None, severity, affected,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(mut input in vec(any_advisory(), 0..8)) {
        for (n, advisory) in input.iter_mut().enumerate() {
            advisory.id = format!("X-{n}");
        }
        let dir = tempfile::tempdir().unwrap();
        let shard = Shard::open(&write(dir.path(), &input).path).unwrap();
        shard.verify().unwrap();
        prop_assert_eq!(sorted(shard.to_advisories().unwrap()), sorted(input));
    }
}
