//! Programs: Go modules with what they were built for, and software that no package manager installed.

use model::report::CoverageState;

use super::*;

fn go(name: &str, version: &str, os: Option<&str>) -> Package {
    Package { os: os.map(str::to_owned), ..package(PackageKind::Golang, name, version) }
}

fn found(advisories: &[Advisory], package: Package) -> Vec<String> {
    let matches = match_packages(&image("debian", "12", vec![package]), &shards(advisories));
    assert_eq!(matches.problems, []);
    summary(&matches)
}

#[test]
fn advisories_of_other_systems_do_not_apply() {
    let only = |systems: &[&str]| {
        let mut affected = row("Go", "stdlib", &["i1.22.0 f1.22.5"]);
        affected.qualifiers = Qualifiers { target_os: texts(systems), ..Qualifiers::default() };
        [advisory("CVE-2024-1", &[], vec![affected])]
    };
    for (systems, os, applies) in [
        (&["windows"][..], Some("linux"), false),
        (&["windows"], Some("windows"), true),
        (&["windows", "plan9"], Some("plan9"), true),
        (&["linux"], Some("linux"), true),
        (&["linux"], Some("windows"), false),
        (&[], Some("linux"), true),
        (&[], Some("windows"), true),
        // Older programs do not say; container images run on Linux.
        (&["windows"], None, false),
        (&["linux"], None, true),
    ] {
        let expected = if applies { vec!["CVE-2024-1 1.22.5".to_owned()] } else { Vec::new() };
        assert_eq!(found(&only(systems), go("stdlib", "1.22.3", os)), expected, "{systems:?} {os:?}");
    }
}

#[test]
fn commits_between_releases_have_their_place() {
    let fixed = [advisory("CVE-2024-1", &[], vec![row("Go", "a.org/x", &["i0 f0.17.0"])])];
    let at_commit =
        [advisory("CVE-2024-1", &[], vec![row("Go", "a.org/x", &["i0 f0.0.0-20220314234659-1baeb1ce4c0b"])])];
    for (advisories, version, applies) in [
        (&fixed, "v0.16.1-0.20231001000000-abcdef012345", true),
        (&fixed, "v0.17.1-0.20231001000000-abcdef012345", false),
        (&fixed, "v0.17.0", false),
        (&at_commit, "v0.0.0-20220314234658-abcdef012345", true),
        (&at_commit, "v0.0.0-20220314234659-1baeb1ce4c0b", false),
        (&at_commit, "v0.0.0-20230101000000-abcdef012345", false),
        (&at_commit, "v0.1.0", false),
    ] {
        assert_eq!(!found(advisories, go("a.org/x", version, None)).is_empty(), applies, "{version}");
    }
}

#[test]
fn a_module_without_a_version_is_said_and_not_guessed() {
    let advisories = [advisory("CVE-2024-1", &[], vec![row("Go", "a.org/x", &["i0 f1.0.0"])])];
    let packages = vec![go("a.org/x", "(devel)", None), go("a.org/y", "(devel)", None)];
    let matches = match_packages(&image("debian", "12", packages), &shards(&advisories));
    assert_eq!(summary(&matches), [""; 0]);
    let said: Vec<_> = matches.problems.iter().map(|p| (p.code, p.message.as_str())).collect();
    let message = "a.org/x does not tell its version; advisories speak of it";
    assert_eq!(said, [(ProblemCode::VersionUnparsable, message)]);
}

#[test]
fn programs_are_looked_up_as_bitnami_names_them() {
    let program = |name: &str, version: &str| package(PackageKind::Generic, name, version);
    let advisories = [
        advisory("CVE-2024-1", &[], vec![row("Bitnami", "apache", &["i2.4.0 f2.4.58"])]),
        advisory("CVE-2024-2", &[], vec![row("Bitnami", "python", &["i3.12.0 f3.12.2"])]),
        advisory("CVE-2024-3", &[], vec![row("Bitnami", "busybox", &["i0"])]),
    ];
    let shards = shards(&advisories);
    let mut owned = program("python", "3.12.1");
    owned.owner = Some("python3.12-minimal".into());
    let packages = vec![
        program("busybox", "1.36.1"),
        program("httpd", "2.4.57"),
        program("python", "3.12.1"),
        program("python", "3.12.2"),
        owned,
    ];
    let inventory = image("debian", "12", packages);
    let matches = match_packages(&inventory, &shards);
    assert_eq!(summary(&matches), ["CVE-2024-1 2.4.58", "CVE-2024-2 3.12.2"]);
    // The evidence says by which name, and out of which shard.
    let evidence = &matches.findings[0].evidence[0];
    let told = (evidence.shard.as_str(), evidence.matched_name.as_str(), evidence.scheme.as_str());
    assert_eq!(told, ("bitnami", "apache", "bitnami"));
    let coverage: Vec<_> = matches.coverage.iter().map(|c| (c.shard.as_str(), c.packages, c.state)).collect();
    assert_eq!(coverage, [("bitnami", 3, CoverageState::Checked), ("generic", 1, CoverageState::NotCovered)]);
    assert_eq!(matches.problems.len(), 1, "{:?}", matches.problems);
    // What is not looked up in an image is not looked up later either.
    let parts = crate::component::components(&inventory);
    let shards: Vec<_> = parts.of_package.iter().map(|at| parts.components[*at].shard.as_deref()).collect();
    assert_eq!(shards[..3], [None, Some("bitnami"), Some("bitnami")]);
}
