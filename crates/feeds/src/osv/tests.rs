//! Records of each source in little, and what is made of them.

use super::*;

fn parse(json: &str) -> Parsed {
    Osv.parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {json}"))
}

fn affected(json: &str) -> Affected {
    let text = format!(r#"{{"id":"X-1","affected":[{json}]}}"#);
    let parsed = parse(&text);
    assert_eq!(parsed.dropped, BTreeMap::new(), "{json}");
    parsed.advisory.affected.into_iter().next().unwrap()
}

fn dropped(json: &str) -> Vec<(Dropped, u64)> {
    parse(json).dropped.into_iter().collect()
}

#[test]
fn a_whole_record() {
    let parsed = parse(
        r#"{"schema_version":"1.7.0","id":"GHSA-a","modified":"2024-01-02T00:00:00Z","published":"0001-01-01T00:00:00Z",
        "aliases":["CVE-2024-1"],"upstream":null,"related":["CVE-2024-2"],"summary":"Short","details":"Long",
        "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected":[{"package":{"ecosystem":"PyPI","name":"Zope.Interface","purl":"pkg:pypi/zope-interface"},
          "ranges":[{"type":"GIT","repo":"x","events":[{"introduced":"0"},{"fixed":"abc"}]},
                    {"type":"ECOSYSTEM","events":[{"introduced":"1.0"},{"fixed":"2.0"}]}],
          "versions":["1.0","1.5","0.9"],
          "database_specific":{"source":"https://example.com"}}],
        "references":[{"type":"WEB","url":"https://example.com/1"},{"type":"FIX"},7],
        "database_specific":{"severity":"MODERATE","cwe_ids":["CWE-1"]},"credits":[{"name":"x"}]}"#,
    );
    let advisory = &parsed.advisory;
    assert_eq!((advisory.id.as_str(), advisory.summary.as_str()), ("GHSA-a", "Short"));
    assert_eq!((advisory.published.as_str(), advisory.modified.as_str()), ("", "2024-01-02T00:00:00Z"));
    // The source's word goes before the score; the score stays.
    assert_eq!((advisory.severity.severity, advisory.severity.score_tenths), (Severity::Medium, Some(98)));
    // A list with an entry of another form is left out as a whole.
    assert_eq!(advisory.references, [""; 0]);
    let affected = &advisory.affected[0];
    assert_eq!(affected.name, "zope-interface");
    assert_eq!(affected.versions, ["0.9"], "the range holds the others");
    let events = vec![Event::Introduced("1.0".into()), Event::Fixed("2.0".into())];
    assert_eq!(affected.ranges, [Range { kind: RangeKind::Ecosystem, events }]);
}

#[test]
fn what_only_people_read_may_be_wrong() {
    let parsed = parse(
        r#"{"id":"X-1","summary":7,"details":null,"references":"none","severity":{"a":1},"published":[],
        "modified":"2024-01-01T00:00:00Z","database_specific":"text","affected":null,"unknown":{"deep":[1]}}"#,
    );
    assert_eq!(
        parsed.advisory,
        Advisory { id: "X-1".into(), modified: "2024-01-01T00:00:00Z".into(), ..Advisory::default() }
    );
}

#[test]
fn what_decides_a_match_may_not() {
    for bad in [
        "",
        "null",
        "[]",
        "{",
        r#"{"id":7}"#,
        r#"{"id":"X","affected":{}}"#,
        r#"{"id":"X","aliases":"CVE-1"}"#,
        r#"{"id":"X","affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"fixed":1}]}]}]}"#,
        r#"{"id":"X","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":[1]}]}"#,
        r#"{"id":"X","withdrawn":7}"#,
    ] {
        assert!(matches!(Osv.parse(bad.as_bytes()), Err(RecordError::Form(_))), "{bad}");
    }
    for bad in ["{}", r#"{"id":""}"#, r#"{"id":null}"#] {
        assert!(matches!(Osv.parse(bad.as_bytes()), Err(RecordError::Id)), "{bad}");
    }
}

#[test]
fn what_is_left_out_is_counted() {
    assert_eq!(
        dropped(r#"{"id":"X","withdrawn":"2024-01-01T00:00:00Z","affected":[{}]}"#),
        [(Dropped::Withdrawn, 1)]
    );
    assert_eq!(dropped(r#"{"id":"ALBA-2019:0973","affected":[{}]}"#), [(Dropped::NotSecurity, 1)]);
    assert_eq!(dropped(r#"{"id":"X","affected":[{},{"package":null}]}"#), [(Dropped::NoPackage, 2)]);
    let package = |ecosystem: &str, rest: &str| {
        dropped(&format!(
            r#"{{"id":"X","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}}{rest}}}]}}"#
        ))
    };
    assert_eq!(package("npm", ""), [(Dropped::NoVersions, 1)]);
    assert_eq!(
        package("npm", r#","ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]"#),
        [(Dropped::NoVersions, 1)]
    );
    assert_eq!(package("Seal:PyPI", r#","versions":["1"]"#), [(Dropped::Ecosystem("Seal".into()), 1)]);
}

#[test]
fn debian_urgencies() {
    let urgency = |urgency: &str| {
        let affected = affected(&format!(
            r#"{{"package":{{"ecosystem":"Debian:12","name":"a"}},"ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}]}}],
            "ecosystem_specific":{{"urgency":"{urgency}"}}}}"#
        ));
        (affected.severity.map(|rating| rating.severity), affected.fix_state)
    };
    assert_eq!(urgency("unimportant"), (Some(Severity::Negligible), FixState::Unstated));
    assert_eq!(urgency("medium"), (Some(Severity::Medium), FixState::Unstated));
    assert_eq!(urgency("not yet assigned"), (None, FixState::Unstated));
    assert_eq!(urgency("end-of-life"), (None, FixState::EndOfLife));
}

#[test]
fn ubuntu_pro_and_priorities() {
    let text = r#"{"id":"UBUNTU-CVE-2022-24823","upstream":["CVE-2022-24823"],
        "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"},{"type":"Ubuntu","score":"low"}],
        "affected":[{"package":{"ecosystem":"Ubuntu:Pro:16.04:LTS","name":"netty"},
          "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:4.0.34-1ubuntu0.1~esm2"}]}],
          "versions":["1:4.0.34-1"],"ecosystem_specific":{"uct_status":"deferred","binaries":[{"binary_name":"b","binary_version":"1"}]}}]}"#;
    let advisory = parse(text).advisory;
    assert_eq!((advisory.severity.severity, advisory.severity.score_tenths), (Severity::Low, Some(55)));
    let affected = &advisory.affected[0];
    assert_eq!(affected.qualifiers.channel.as_deref(), Some("pro"));
    assert_eq!((affected.versions.len(), affected.fix_state), (0, FixState::FixDeferred));
}

#[test]
fn module_streams() {
    let text = r#"{"id":"ALSA-2023:1","summary":"Moderate: python39:3.9 and python39-devel:3.9 security update","related":["CVE-1-1"],
        "affected":[{"package":{"ecosystem":"AlmaLinux:8","name":"python39"},
          "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.9.1-1.module_el8.5.0+1+a"}]}]},
          {"package":{"ecosystem":"AlmaLinux:8","name":"plain"},
          "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1-1.el8"}]}]}]}"#;
    let advisory = parse(text).advisory;
    let rows: Vec<_> =
        advisory.affected.iter().map(|row| (row.name.as_str(), row.qualifiers.module.as_deref())).collect();
    assert_eq!(
        rows,
        [("python39", Some("python39:3.9")), ("python39", Some("python39-devel:3.9")), ("plain", None)]
    );
    assert_eq!(advisory.severity.severity, Severity::Medium);
}

#[test]
fn targets_and_symbols() {
    let go = affected(
        r#"{"package":{"ecosystem":"Go","name":"stdlib"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}],
        "ecosystem_specific":{"imports":[{"path":"os/exec","goos":["windows"],"symbols":["Cmd.Run"]},{"path":"syscall","goos":["plan9"]}]}}"#,
    );
    assert_eq!(go.qualifiers.target_os, ["plan9", "windows"]);
    assert_eq!(go.qualifiers.symbols[0], Symbols { path: "os/exec".into(), names: vec!["Cmd.Run".into()] });
    let mixed = affected(
        r#"{"package":{"ecosystem":"Go","name":"stdlib"},"versions":["1.2.3"],
        "ecosystem_specific":{"imports":[{"path":"a","goos":["windows"]},{"path":"b"}]}}"#,
    );
    assert_eq!(mixed.qualifiers.target_os, [""; 0], "one import is of every system");
    let rust = affected(
        r#"{"package":{"ecosystem":"crates.io","name":"x"},"versions":["1.2.3"],
        "ecosystem_specific":{"affects":{"arch":[],"os":["macos","windows"],"functions":[]},"affected_functions":null}}"#,
    );
    assert_eq!(rust.qualifiers.target_os, ["darwin", "windows"]);
}

#[test]
fn last_known_affected_versions_bound_open_ranges_only() {
    let events = |bound: &str, given: &str| {
        let json = format!(
            r#"{{"package":{{"ecosystem":"npm","name":"a"}},"ranges":[{{"type":"SEMVER","events":[{given}]}}],
            "database_specific":{{"last_known_affected_version_range":"{bound}"}}}}"#
        );
        affected(&json).ranges.remove(0).events
    };
    let from = || Event::Introduced("0".to_owned());
    assert_eq!(events("<= 1.2.3", r#"{"introduced":"0"}"#), [from(), Event::LastAffected("1.2.3".into())]);
    assert_eq!(events("< 4.0.0", r#"{"introduced":"0"}"#), [from(), Event::Limit("4.0.0".into())]);
    let fixed = [from(), Event::Fixed("1".into())];
    assert_eq!(events("<= 1.2.3", r#"{"introduced":"0","fixed":"1"}"#), fixed);
    assert_eq!(events("odd", r#"{"introduced":"0"}"#), [from()]);
}

#[test]
fn suse_rows_are_by_binary() {
    let text = r#"{"id":"SUSE-SU-1","related":["CVE-1-1"],"affected":[{"package":{"ecosystem":"SUSE:Linux Enterprise Module for Basesystem 15 SP4","name":"curl"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"7.79.1-2"}]}],
        "ecosystem_specific":{"binaries":[{"curl":"7.79.1-2","libcurl4":"7.79.1-3"}]}}]}"#;
    let rows = parse(text).advisory.affected;
    let rows: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.ranges[0].events[1].clone())).collect();
    assert_eq!(
        rows,
        [("curl", Event::Fixed("7.79.1-2".into())), ("libcurl4", Event::Fixed("7.79.1-3".into()))]
    );
}

#[test]
fn titles_are_made_of_descriptions() {
    assert_eq!(title("\n# Summary\ntext"), "Summary");
    assert_eq!(title(""), "");
    let long = title(&"wörter ".repeat(60));
    assert!(long.ends_with("wörter ...") && long.chars().count() <= TITLE_CHARS + 4, "{long}");
    let unbroken = title(&"é".repeat(400));
    assert_eq!(unbroken.chars().count(), TITLE_CHARS + 4);
}

#[test]
fn export_urls() {
    for (base, export, expected) in [
        ("https://osv.example", "PyPI", "https://osv.example/PyPI/all.zip"),
        ("https://mirror.example/osv/", "Rocky Linux", "https://mirror.example/osv/Rocky%20Linux/all.zip"),
    ] {
        assert_eq!(Osv.export_url(&Url::parse(base).unwrap(), export).unwrap().as_str(), expected);
    }
    assert_eq!(Osv.export_url(&Url::parse("mailto:a@b").unwrap(), "PyPI"), None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Osv.parse(&bytes);
    }
}
