//! What is peculiar to rpm: binary names, architectures, module streams, epochs of sources.

use super::*;

fn rpm(name: &str, version: &str, arch: &str, module: Option<&str>) -> Package {
    let mut package = package(PackageKind::Rpm, name, version);
    package.arch = Some(arch.into());
    package.module = module.map(str::to_owned);
    package
}

fn alma(advisories: &[Advisory], package: Package) -> Vec<String> {
    summary(&match_packages(&image("almalinux", "8.5", vec![package]), &shards(advisories)))
}

#[test]
fn rpm_is_looked_up_by_binary_name_and_architecture() {
    let mut only_arm = row("AlmaLinux:8", "bind-libs", &["i0 f32:9.11.36-3.el8"]);
    only_arm.qualifiers.arches = texts(&["aarch64"]);
    let mut advisories = [advisory("ALSA-1", &[], vec![only_arm])];
    advisories[0].related = texts(&["CVE-2021-1", "CVE-2021-2"]);
    let installed =
        |arch: &str| built_from(rpm("bind-libs", "32:9.11.26-6.el8", arch, None), "bind", "9.11.26-6.el8");
    assert!(alma(&advisories, installed("x86_64")).is_empty());
    // One advisory, two CVEs: two findings.
    let fixed = "32:9.11.36-3.el8";
    assert_eq!(
        alma(&advisories, installed("aarch64")),
        [format!("CVE-2021-1 {fixed}"), format!("CVE-2021-2 {fixed}")]
    );
    assert!(alma(&advisories, rpm("bind", "32:9.11.26-6.el8", "aarch64", None)).is_empty());
}

#[test]
fn module_streams_stay_apart() {
    let streams = |module: Option<&str>, fixed: &[&str]| {
        let rows = fixed.iter().map(|fixed| {
            let mut row = row("AlmaLinux:8", "nodejs", &[&format!("i0 f{fixed}")]);
            row.qualifiers.module = module.map(str::to_owned);
            row
        });
        [advisory("CVE-2022-1", &[], rows.collect())]
    };
    let twelve = streams(Some("nodejs:12"), &["1:12.22.5-1.module_el8.5.0+2618+8d46dafd"]);
    let old = "1:10.24.0-1.module_el8.3.0+2047+b07ac28e";
    assert!(alma(&twelve, rpm("nodejs", old, "x86_64", Some("nodejs:10"))).is_empty());
    assert!(alma(&twelve, rpm("nodejs", old, "x86_64", None)).is_empty());
    let labelled = rpm(
        "nodejs",
        "1:12.22.3-2.module_el8.4.0+1",
        "x86_64",
        Some("nodejs:12:8040020210708131418:522a0ee4"),
    );
    assert_eq!(alma(&twelve, labelled).len(), 1);

    // A build without a label cannot be judged, and the report says so.
    let inventory = image("almalinux", "8.5", vec![rpm("nodejs", old, "x86_64", None)]);
    let problems = match_packages(&inventory, &shards(&twelve)).problems;
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [ProblemCode::NotCovered]);

    // Builds and ordinary packages are worlds apart, whatever their versions.
    let unnamed = streams(None, &["1:12.22.5-1.module_el8.5.0+2618+8d46dafd"]);
    assert!(alma(&unnamed, rpm("nodejs", "1:6.0.0-1.el8", "x86_64", None)).is_empty());
    assert_eq!(alma(&unnamed, rpm("nodejs", "1:12.22.3-2.module_el8.4.0+1+a", "x86_64", None)).len(), 1);
    let plain = streams(None, &["1:12.22.5-1.el8"]);
    assert!(alma(&plain, rpm("nodejs", old, "x86_64", None)).is_empty());

    // Rebuilds for several minor releases: the one for the installed build's own decides, or the lowest.
    let rebuilds = streams(
        None,
        &[
            "2.7-7.module_el8.3.0+2044+12421f43",
            "2.7-7.module_el8.6.0+2781+fed64c13",
            "2.7-7.module_el8.6.0+3162+01a09e5a",
            "2.7-7.module_el8.4.0+2367+01326e37",
        ],
    );
    for (installed, affected) in [
        ("2.7-7.module_el8.4.0+2367+01326e37", false),
        ("2.7-7.module_el8.4.0+2300+01326e37", true),
        ("2.7-7.module_el8.6.0+2781+fed64c13", false),
        ("2.7-7.module_el8.5.0+2600+fed64c13", false),
        ("2.7-6.module_el8.6.0+2000+fed64c13", true),
    ] {
        assert_eq!(
            !alma(&rebuilds, rpm("nodejs", installed, "x86_64", None)).is_empty(),
            affected,
            "{installed}"
        );
    }
    let suffixes = streams(None, &["91.8.0-1.el8_5.alma.plus", "91.8.0-1.el8_5.alma"]);
    assert!(alma(&suffixes, rpm("nodejs", "91.8.0-1.el8_5.alma", "x86_64", None)).is_empty());
}

#[test]
fn rocky_is_looked_up_by_source_without_epochs() {
    let affected = row("Rocky Linux:9", "java-11-openjdk", &["i0 f1:11.0.13.0.8-1.el9_4"]);
    let shards = shards(&[advisory("RLSA-1", &["CVE-2021-1"], vec![affected])]);
    let scan = |source: &str| {
        let headless = rpm("java-11-openjdk-headless", "1:11.0.12-1.el9", "x86_64", None);
        let headless = built_from(headless, "java-11-openjdk", source);
        match_packages(&image("rocky", "9.3", vec![headless]), &shards).findings.len()
    };
    assert_eq!(scan("11.0.12.0.7-0.el9_4"), 1);
    assert_eq!(scan("11.0.13.0.8-1.el9_4"), 0);
}
