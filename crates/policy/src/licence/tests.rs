//! Tables of licences and what policies say of them.

use model::{LicenceFile, Package, PackageKind};

use super::*;

fn deny_gnu() -> LicencePolicy {
    LicencePolicy { allow_gnu: false, ..LicencePolicy::default() }
}

fn check(policy: &LicencePolicy, licence: &str, category: LicenceCategory, severity: Severity, reason: &str) {
    let verdict = policy.judge(licence);
    let found = (verdict.category, verdict.severity, verdict.reasons.join("; "));
    assert_eq!(found, (category, severity, reason.to_owned()), "{licence}");
}

#[test]
fn expressions_are_judged_by_their_parts() {
    use LicenceCategory::{Notice, Reciprocal, Restricted, Unknown};
    use Severity::{Critical, High, Medium};
    let policy = LicencePolicy::default();
    check(&policy, "MIT", Notice, Severity::Unknown, "");
    check(&policy, "MPL-2.0", Reciprocal, Medium, "MPL-2.0 is reciprocal");
    check(&policy, "MPL-2.0 OR MIT", Notice, Severity::Unknown, "");
    check(&policy, "MIT OR MPL-2.0", Notice, Severity::Unknown, "");
    check(&policy, "MPL-2.0 AND MIT", Reciprocal, Medium, "MPL-2.0 is reciprocal");
    check(&policy, "MIT AND (MPL-2.0 OR OSL-3.0)", Reciprocal, Medium, "MPL-2.0 is reciprocal");
    check(&policy, "MPL-2.0 AND OSL-3.0", Restricted, High, "MPL-2.0 is reciprocal; OSL-3.0 is restricted");
    check(&policy, "SSPL-1.0", LicenceCategory::Forbidden, Critical, "SSPL-1.0 is forbidden");
    check(&policy, "Glide", Unknown, Severity::Unknown, "");
    check(&policy, "Glide OR MIT", Notice, Severity::Unknown, "");
    check(&policy, "Glide AND MIT", Unknown, Severity::Unknown, "");
    check(&policy, "LicenseRef-Public-Domain", LicenceCategory::Unencumbered, Severity::Unknown, "");
    check(&policy, "LicenseRef-BSD", Notice, Severity::Unknown, "");
    check(&policy, "no known words", Unknown, Severity::Unknown, "");
    check(&policy, "", Unknown, Severity::Unknown, "");
}

#[test]
fn gnu_licences_are_findings_when_they_are_not_allowed() {
    let policy = deny_gnu();
    for (licence, severity) in [
        ("GPL-2.0-only", Severity::High),
        ("GPL-3.0-or-later", Severity::High),
        ("GPL-2.0", Severity::High),
        ("GPL-2.0+", Severity::High),
        ("LGPL-2.1-or-later", Severity::High),
        ("AGPL-3.0-only", Severity::Critical),
        ("GPL-2.0-only WITH Classpath-exception-2.0", Severity::High),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", Severity::High),
        ("GPL-2.0-with-classpath-exception", Severity::High),
        ("GPL-2.0-only AND MIT", Severity::High),
        ("GPL-2.0-only OR AGPL-3.0-only", Severity::High),
        ("MIT AND (LGPL-2.1-only OR GPL-2.0-only)", Severity::High),
        // Texts that nobody understood.
        ("GPL-2+ and mystery", Severity::High),
        ("GPLv2 mystery", Severity::High),
        ("LGPL", Severity::High),
        ("some AGPLv3 thing", Severity::Critical),
        ("GNU General Public License of sorts", Severity::High),
        ("LicenseRef-GPL-like", Severity::High),
    ] {
        let found = policy.judge(licence);
        assert_eq!(found.severity, severity, "{licence}");
        assert!(found.reasons.join(" ").contains("GNU"), "{licence}: {:?}", found.reasons);
        let allowed = LicencePolicy::default().judge(licence);
        assert_eq!((allowed.severity, allowed.reasons), (Severity::Unknown, vec![]), "{licence}");
        assert_eq!(allowed.category, found.category, "{licence}");
    }
    for licence in [
        "MIT",
        "GPL-1.0-or-later OR Artistic-1.0-Perl",
        "GFDL-1.3-only",
        "gplane",
        "LicenseRef-BSD",
        "agplomerate",
    ] {
        let verdict = policy.judge(licence);
        assert!(!verdict.reasons.join(" ").contains("GNU"), "{licence}: {verdict:?}");
    }
    // No setting of categories hides them.
    let silent = LicencePolicy { severities: BTreeMap::new(), ..deny_gnu() };
    assert_eq!(silent.judge("GPL-2.0-only").severity, Severity::High);
}

#[test]
fn lists_decide_before_categories() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let policy = LicencePolicy {
        allowed: list(&["GPL-2.0-only WITH Classpath-exception-2.0", "mpl-2.0", "mystery"]),
        denied: list(&["MIT", "Mystery too", "OSL-3.0"]),
        ..deny_gnu()
    };
    let severity = |licence| policy.judge(licence).severity;
    assert_eq!(severity("GPL-2.0-only WITH Classpath-exception-2.0"), Severity::Unknown);
    assert_eq!(severity("GPL-2.0-only"), Severity::High);
    assert_eq!(severity("MPL-2.0"), Severity::Unknown);
    assert_eq!(severity("mystery"), Severity::Unknown);
    assert_eq!(severity("MIT"), Severity::Critical);
    assert_eq!(severity("mystery too"), Severity::Critical);
    assert_eq!(severity("MIT OR ISC"), Severity::Unknown);
    assert_eq!(severity("MIT AND ISC"), Severity::Critical);
    assert_eq!(policy.judge("MIT").reasons, ["MIT is denied"]);
}

#[test]
fn every_package_and_file_is_judged() {
    let package = |name: &str, licence: Option<&str>, recorded: &[&str]| {
        let mut package = Package::new(PackageKind::Npm, name, "1");
        package.path = format!("{name}/package.json");
        package.licence = licence.map(str::to_owned);
        package.licences = recorded.iter().map(|text| (*text).to_owned()).collect();
        package
    };
    let inventory = Inventory {
        packages: vec![
            package("a", Some("MIT"), &["MIT"]),
            package("b", None, &["GPL-2+", "odd"]),
            package("c", None, &[]),
        ],
        licence_files: vec![LicenceFile {
            path: "b/COPYING".into(),
            licence: "GPL-2.0-only".into(),
            confidence: 97,
            layer: Some(1),
        }],
        ..Inventory::default()
    };
    let findings = judge(&inventory, &deny_gnu());
    let lines: Vec<String> = findings
        .iter()
        .map(|f| {
            format!(
                "{} {} {} {:?} {} {}%",
                f.licence,
                f.category.as_str(),
                f.severity.as_str(),
                f.package,
                f.path,
                f.confidence
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "GPL-2+ restricted high Some(1) b/package.json 100%",
            "GPL-2.0-only restricted high None b/COPYING 97%",
            "MIT notice unknown Some(0) a/package.json 100%",
            "NOASSERTION unknown unknown Some(2) c/package.json 100%",
            "odd unknown unknown Some(1) b/package.json 100%",
        ]
    );
    assert!(
        findings.iter().all(|finding| finding.reason.is_empty() == (finding.severity == Severity::Unknown))
    );
    assert_eq!(judge(&Inventory::default(), &deny_gnu()), []);
}
