//! Bills of materials: valid for the official validators, and read back without loss.

use std::process::Command;

use formats::{
    cyclonedx,
    sbom::{self, Kind, Options, SbomError},
    spdx,
};
use model::{
    Distro, Finding, Inventory, Layer, Package, PackageKind, Problem, ProblemCode, Report, ScanType,
    Severity, finding::Evidence, package::SourcePackage, report::ImageFacts,
};
use proptest::prelude::*;

const KINDS: [PackageKind; 15] = [
    PackageKind::Deb,
    PackageKind::Apk,
    PackageKind::Rpm,
    PackageKind::Pypi,
    PackageKind::Npm,
    PackageKind::Golang,
    PackageKind::Cargo,
    PackageKind::Maven,
    PackageKind::Gem,
    PackageKind::Nuget,
    PackageKind::Composer,
    PackageKind::Conda,
    PackageKind::Alpm,
    PackageKind::Bitnami,
    PackageKind::Generic,
];

fn digest(n: usize) -> String {
    format!("sha256:{n:064x}")
}

fn package(kind: PackageKind, n: usize) -> Package {
    let names =
        ["plain", "@scope/name", "group:artifact", "a/b/c", "Zope.Interface_x", "ünï-コード", "c++", "100%"];
    let licences: [&[&str]; 6] =
        [&["MIT"], &[], &["GPL-2+", "see \"LICENSE\" & co"], &["許諾"], &["BSD\nlike"], &["Apache 2.0; MIT"]];
    let expressions = [Some("MIT"), None, Some("GPL-2.0-or-later WITH GCC-exception-3.1"), None, None, None];
    let mut package =
        Package::new(kind, names[n % names.len()], ["1:2.0-1+b1", "1.0.0", "", "2~rc1^git"][n % 4]);
    package.licences = licences[n % licences.len()].iter().map(|text| (*text).to_owned()).collect();
    package.licence = expressions[n % expressions.len()].map(str::to_owned);
    package.arch = n.is_multiple_of(2).then(|| "amd64".to_owned());
    package.layer = u32::try_from(n % 4).ok().filter(|layer| *layer < 3);
    package.path = format!("opt/päth {n}/x");
    package.digest = match n % 4 {
        0 => Some(format!("sha1:{n:040x}")),
        1 => Some(digest(n)),
        2 => Some("sha1:short".to_owned()),
        _ => None,
    };
    package.vendor = n.is_multiple_of(3).then(|| "A (b) <a@example.org>".to_owned());
    package.source = (n % 3 == 1).then(|| SourcePackage { name: "src".into(), version: "9".into() });
    package.requires = vec!["plain".into(), "c++".into(), "not there".into()];
    package.owner = n.is_multiple_of(7).then(|| "owner".to_owned());
    package
}

/// Every kind with every oddity.
fn big() -> Report {
    let mut packages: Vec<Package> =
        KINDS.iter().flat_map(|kind| (0..24).map(|n| package(*kind, n))).collect();
    packages.push(Package::new(PackageKind::Npm, "none", ""));
    packages.sort();
    let finding = |at: usize, id: &str, vector: Option<&str>, severity| Finding {
        id: id.to_owned(),
        aliases: vec!["GHSA-aaaa-bbbb-cccc".to_owned()],
        package: u32::try_from(at).unwrap(),
        severity,
        score_tenths: vector.map(|_| 98),
        vector: vector.map(str::to_owned),
        fixed_versions: if at.is_multiple_of(2) { vec!["2.0".into(), "3.0".into()] } else { Vec::new() },
        title: "overflow in \u{201c}x\u{201d}".to_owned(),
        evidence: vec![Evidence {
            advisory: id.to_owned(),
            shard: "npm".to_owned(),
            matched_name: "plain".to_owned(),
            matched_version: "1.0.0".to_owned(),
            scheme: "npm".to_owned(),
            range: ">= 0, < 2.0".to_owned(),
        }],
        ..Finding::default()
    };
    let findings = vec![
        finding(0, "CVE-2024-1", Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Severity::Critical),
        finding(9, "CVE-2024-1", Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Severity::Critical),
        finding(3, "CVE-2024-1", None, Severity::Unknown),
        finding(4, "GO-2024-2", Some("CVSS:4.0/AV:N"), Severity::Negligible),
        finding(5, "odd id", Some("AV:N/AC:L/Au:N/C:P/I:P/A:P"), Severity::High),
    ];
    Report {
        image: ImageFacts {
            reference: "registry.example.com:5000/team/app:1.0".into(),
            digest: Some(digest(1).parse().unwrap()),
            index_digest: Some(digest(2).parse().unwrap()),
            platform: Some("linux/arm64/v8".parse().unwrap()),
            created: Some("2024-01-01T00:00:00.5+02:00".into()),
        },
        types: [ScanType::Vulnerability].into(),
        inventory: Inventory {
            distro: Some(debian()),
            layers: (0..3_usize)
                .map(|n| Layer {
                    digest: digest(n + 10).parse().unwrap(),
                    diff_id: (n > 0).then(|| digest(n + 20).parse().unwrap()),
                    size: 1000,
                    created_by: None,
                })
                .collect(),
            packages,
            problems: vec![Problem::new(ProblemCode::FileCorrupt, "2 records").at_path("a/b").in_layer(1)],
            ..Inventory::default()
        },
        findings,
        coverage: Vec::new(),
        enrichment: Vec::new(),
        problems: Vec::new(),
    }
}

fn debian() -> Distro {
    Distro {
        id: "debian".into(),
        version_id: Some("12".into()),
        codename: Some("bookworm".into()),
        pretty_name: Some("Debian GNU/Linux 12".into()),
        id_like: vec!["a".into(), "b".into()],
        path: "usr/lib/os-release".into(),
    }
}

fn empty() -> Report {
    let facts = ImageFacts {
        reference: String::new(),
        digest: None,
        index_digest: None,
        platform: None,
        created: None,
    };
    Report { image: facts, inventory: Inventory::default(), findings: Vec::new(), types: [].into(), ..big() }
}

#[test]
fn official_validators_accept_them() {
    let Some(python) = testkit::tool::python_with("sbom") else {
        testkit::tool::skip(
            "validators of bills of materials: cyclonedx-python-lib and spdx-tools are not installed",
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, report) in [("big", big()), ("empty", empty())] {
        for vulnerabilities in [true, false] {
            let options = Options { vulnerabilities };
            for (ending, text) in [
                ("cdx.json", cyclonedx::write(&report, "0.1.0", options)),
                ("spdx.json", spdx::write(&report, "0.1.0", options)),
            ] {
                let path = dir.path().join(format!("{name}-{vulnerabilities}.{ending}"));
                std::fs::write(&path, text).unwrap();
                files.push(path);
            }
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/sbom.py");
    let validate = |files: &[std::path::PathBuf]| {
        let output = testkit::tool::run(Command::new(&python).arg(script).args(files)).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(validate(&files), format!("validated {}\n", files.len()));

    let wrong = cyclonedx::write(&big(), "0.1.0", Options::default()).replace("\"library\"", "\"thing\"");
    let wrong_spdx = spdx::write(&big(), "0.1.0", Options::default()).replace("\"MIT\"", "\"MITT\"");
    let wrongs = [dir.path().join("wrong.cdx.json"), dir.path().join("wrong.spdx.json")];
    std::fs::write(&wrongs[0], wrong).unwrap();
    std::fs::write(&wrongs[1], wrong_spdx).unwrap();
    let said = validate(&wrongs);
    assert!(
        said.contains("'thing' is not one of") && said.contains("MITT"),
        "validators must be able to refuse"
    );
}

/// What is read of what is written is what was written; everything but histories of layers, which are left out.
fn check_round_trip(report: &Report) {
    for (kind, text) in [
        (Kind::CycloneDx, cyclonedx::write(report, "0.1.0", Options { vulnerabilities: false })),
        (Kind::Spdx, spdx::write(report, "0.1.0", Options { vulnerabilities: false })),
    ] {
        let read = sbom::parse(text.as_bytes()).unwrap();
        assert_eq!(read.kind, kind);
        assert_eq!(read.inventory.distro, report.inventory.distro, "{kind:?}");
        assert_eq!(read.inventory.packages.len(), report.inventory.packages.len(), "{kind:?}");
        for (read, written) in read.inventory.packages.iter().zip(&report.inventory.packages) {
            assert_eq!(read, written, "{kind:?}");
        }
        assert_eq!(read.inventory.layers, report.inventory.layers, "{kind:?}");
        if !report.inventory.packages.is_empty() {
            assert_eq!(read.inventory.problems, report.inventory.problems, "{kind:?}");
        }
        assert_eq!(read.image, report.image, "{kind:?}");
    }
}

#[test]
fn everything_comes_back() {
    let mut report = big();
    // Line breaks and licences that are none of SPDX come back in words only.
    for package in &mut report.inventory.packages {
        package.licences.iter_mut().for_each(|text| *text = text.replace('\n', " "));
    }
    report.inventory.packages.sort();
    report.inventory.packages.dedup();
    check_round_trip(&report);
    check_round_trip(&empty());
}

#[test]
fn equal_reports_are_equal_bytes() {
    for write in [cyclonedx::write, spdx::write] {
        assert_eq!(write(&big(), "1", Options::default()), write(&big(), "1", Options::default()));
        let mut other = big();
        other.inventory.packages.pop();
        let id = |text: &str| {
            text.lines().find(|l| l.contains("urn:uuid:")).map(str::to_owned).unwrap_or_default()
        };
        let (a, b) = (write(&big(), "1", Options::default()), write(&other, "1", Options::default()));
        assert!(!id(&a).is_empty());
        assert_ne!(id(&a), id(&b));
    }
}

/// A name or version: what analyzers yield, and what purls must escape.
fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9@/:+%~^_.#?&= äβ-]{0,11}[A-Za-z0-9]"
}

prop_compose! {
    fn any_package()(
        kind in 0..KINDS.len(),
        name in token(),
        version in proptest::option::of(token()),
        epoch in proptest::option::of(0_u32..3),
        arch in proptest::option::of(token()),
        source in proptest::option::of((token(), token())),
        rest in proptest::collection::vec(proptest::option::of(token()), 5),
        requires in proptest::collection::vec(token(), 0..3),
        layer in proptest::option::of(0_u32..3),
        path in token(),
    ) -> Package {
        let mut package = Package::new(KINDS[kind], name, version.unwrap_or_default());
        package.epoch = epoch;
        package.arch = arch;
        package.source = source.map(|(name, version)| SourcePackage { name, version });
        package.os.clone_from(&rest[0]);
        package.module.clone_from(&rest[1]);
        package.vendor.clone_from(&rest[2]);
        package.owner.clone_from(&rest[3]);
        package.licences = rest[4].iter().cloned().collect();
        package.requires = requires;
        package.layer = layer;
        package.path = path.trim_start_matches('/').to_owned();
        package
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_inventory_comes_back(
        packages in proptest::collection::vec(any_package(), 1..12),
        distro in proptest::option::of((token(), proptest::option::of(token()), proptest::option::of(token()))),
    ) {
        let mut report = big();
        report.inventory.packages = packages;
        report.inventory.packages.sort();
        report.inventory.packages.dedup();
        report.inventory.distro = distro.map(|(id, version_id, codename)| Distro {
            id,
            version_id,
            codename,
            ..Distro::default()
        });
        // Without a distribution in the document, one is told from purls, which then name none.
        check_round_trip(&report);
    }

    #[test]
    fn damaged_documents_are_told(at in 0_usize..4000, byte: u8) {
        for write in [cyclonedx::write, spdx::write] {
            let mut text = write(&big(), "1", Options::default()).into_bytes();
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            // An answer of either kind, never a panic.
            let _ = sbom::parse(&text);
            text.truncate(at);
            prop_assert!(sbom::parse(&text).is_err());
        }
    }
}

fn names(text: &str) -> Vec<String> {
    let sbom = sbom::parse(text.as_bytes()).unwrap();
    sbom.inventory.packages.iter().map(|p| format!("{} {} {}", p.kind.as_str(), p.name, p.version)).collect()
}

#[test]
fn documents_of_other_tools_are_read() {
    let trivy = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container",
        "name":"debian:12","purl":"pkg:oci/debian@sha256%3A0000000000000000000000000000000000000000000000000000000000000001"}},
        "components":[{"type":"operating-system","name":"redhat","version":"9.4"},
        {"type":"application","name":"package-lock.json","components":[
          {"type":"library","name":"core","group":"@babel","version":"7.0.0","purl":"pkg:npm/%40babel/core@7.0.0"}]},
        {"type":"library","name":"bind","version":"9.11-3.el9","purl":"pkg:rpm/redhat/bind@9.11-3.el9?arch=x86_64&epoch=32&distro=redhat-9.4",
         "licenses":[{"license":{"id":"MPL-2.0"}}],
         "properties":[{"name":"aquasecurity:trivy:SrcName","value":"bind"},{"name":"aquasecurity:trivy:SrcVersion","value":"9.11"},
          {"name":"aquasecurity:trivy:SrcRelease","value":"3.el9"},{"name":"aquasecurity:trivy:SrcEpoch","value":"32"},
          {"name":"aquasecurity:trivy:Modularitylabel","value":"bind:9:1:2"}]}]}"#;
    assert_eq!(names(trivy), ["rpm bind 32:9.11-3.el9", "npm @babel/core 7.0.0"]);
    let read = sbom::parse(trivy.as_bytes()).unwrap();
    assert_eq!(read.image.digest, Some(digest(1).parse().unwrap()));
    let distro = read.inventory.distro.unwrap();
    assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("rhel", Some("9.4")));
    let bind = &read.inventory.packages[0];
    assert_eq!(bind.source, Some(SourcePackage { name: "bind".into(), version: "9.11-3.el9".into() }));
    assert_eq!((bind.module.as_deref(), bind.epoch), (Some("bind:9"), Some(32)));
    assert_eq!(bind.licence.as_deref(), Some("MPL-2.0"));
    assert_eq!(read.inventory.problems, []);

    let syft = r#"{"artifacts":[
        {"name":"libssl3","version":"3.0.15-1~deb12u1","type":"deb","purl":"pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&upstream=openssl&distro=debian-12",
         "licenses":[{"value":"Apache-2.0"}],"locations":[{"path":"/var/lib/dpkg/status"}],
         "metadata":{"source":"openssl","sourceVersion":"","architecture":"amd64","maintainer":"M"}},
        {"name":"bash","version":"0:5.1-6.el9","type":"rpm","purl":"pkg:rpm/rhel/bash@5.1-6.el9?epoch=0","metadata":{"epoch":0,"sourceRpm":"bash-5.1-6.el9.src.rpm"}},
        {"name":"github.com/a/b/v2/c","version":"v2.0.0","type":"go-module","purl":"pkg:golang/github.com/a/b@v2.0.0#v2/c"},
        {"name":"slf4j-api","version":"1.7","type":"java-archive","purl":"pkg:maven/org.slf4j/slf4j-api@1.7"},
        {"name":"x","version":"1","type":"binary","purl":""}],
        "distro":{"id":"debian","versionID":"12","idLike":["x"]},"source":{"type":"image","metadata":{"userInput":"a:1"}},
        "descriptor":{"name":"syft"}}"#;
    assert_eq!(
        names(syft),
        [
            "deb libssl3 3.0.15-1~deb12u1",
            "rpm bash 5.1-6.el9",
            "golang github.com/a/b/v2/c v2.0.0",
            "maven org.slf4j:slf4j-api 1.7"
        ]
    );
    let read = sbom::parse(syft.as_bytes()).unwrap();
    let ssl = &read.inventory.packages[0];
    assert_eq!(ssl.source.as_ref().unwrap().version, "3.0.15-1~deb12u1");
    assert_eq!((ssl.path.as_str(), ssl.licence.as_deref()), ("var/lib/dpkg/status", Some("Apache-2.0")));
    assert_eq!(read.image.reference, "a:1");
    let codes: Vec<_> = read.inventory.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::FileUnsupported]);

    let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":[
        {"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","externalRefs":[{"referenceCategory":"PACKAGE_MANAGER",
          "referenceType":"purl","referenceLocator":"pkg:deb/debian/a@1?arch=all&distro=debian-12"}],
          "sourceInfo":"built package from: src 2","licenseDeclared":"MIT","licenseConcluded":"NOASSERTION"},
        {"name":7},{"name":"document"}]}"#;
    let read = sbom::parse(spdx.as_bytes()).unwrap();
    assert_eq!(read.inventory.packages[0].source.as_ref().unwrap().name, "src");
    assert_eq!(read.inventory.distro.unwrap().version_id.as_deref(), Some("12"));
    let codes: Vec<_> = read.inventory.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::FileCorrupt]);
}

#[test]
fn what_is_none_is_refused() {
    let check = |text: &str, expected: fn(&SbomError) -> bool| {
        let error = sbom::parse(text.as_bytes()).unwrap_err();
        assert!(expected(&error), "{text}: {error}");
    };
    check("", |e| matches!(e, SbomError::Damaged { .. }));
    check("{}", |e| *e == SbomError::Unknown);
    check("[]", |e| *e == SbomError::Unknown);
    check("1", |e| matches!(e, SbomError::Damaged { .. }));
    check(r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#, |e| matches!(e, SbomError::Version { .. }));
    check(r#"{"spdxVersion":"SPDX-3.0"}"#, |e| matches!(e, SbomError::Version { .. }));
    check(r#"{"bomFormat":"CycloneDX","specVersion":"1.4","components":{}}"#, |e| {
        matches!(e, SbomError::Damaged { .. })
    });
    let deep = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.4","x":{}"#, "[".repeat(100_000));
    check(&deep, |e| matches!(e, SbomError::Damaged { .. }));
    let nothing = sbom::parse(br#"{"bomFormat":"CycloneDX","specVersion":"1.4"}"#).unwrap();
    assert_eq!(nothing.inventory.problems[0].code, ProblemCode::NothingToCheck);
}

#[test]
fn texts_that_are_not_fit_are_left_out() {
    let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
        {"type":"library","name":"x","purl":"pkg:npm/a%1b%5b31m@1"},
        {"type":"library","name":"x","purl":"pkg:npm/a@1%e2%80%ae"},
        {"type":"library","name":"x","purl":"pkg:npm/ok@1","properties":[{"name":"lazaret:path","value":"a\u0007b"}]}]}"#;
    let read = sbom::parse(text.as_bytes()).unwrap();
    assert_eq!(names(text), ["npm ok 1"]);
    assert_eq!(read.inventory.packages[0].path, "a b");
    assert!(read.inventory.problems[0].message.starts_with("2 components"));
}

#[test]
fn too_many_components_are_counted() {
    let many = r#"{"purl":"pkg:npm/a@1"},"#.repeat(100_001);
    let text = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{many}{{}}]}}"#);
    let read = sbom::parse(text.as_bytes()).unwrap();
    let problem = &read.inventory.problems[0];
    assert_eq!(problem.code, ProblemCode::TooManyItems);
    assert!(problem.message.starts_with("2 components"), "{}", problem.message);
}
