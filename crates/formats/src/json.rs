//! Lazaret's own report: `lazaret scan --format json`, described by `docs/report.schema.json`.
//!
//! Fields are only ever added; a change of meaning raises `schema_version`. The output depends on nothing but
//! the report, so that equal reports are equal bytes.

use std::collections::BTreeMap;

use model::{
    Distro, Finding, Inventory, Package, Problem, Report, Severity, purl,
    report::{Coverage, CoverageState},
};
use serde::Serialize;

/// The `schema_version` that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes a report as indented JSON with a final newline.
pub fn write(report: &Report, scanner_version: &str) -> String {
    let document = document(report, scanner_version);
    // Plain strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    scanner: Scanner<'a>,
    image: Image<'a>,
    status: &'static str,
    summary: Summary,
    distro: Option<DistroOut<'a>>,
    layers: Vec<LayerOut<'a>>,
    packages: Vec<PackageOut<'a>>,
    findings: Vec<FindingOut<'a>>,
    database: Vec<CoverageOut<'a>>,
    problems: Vec<ProblemOut<'a>>,
}

#[derive(Serialize)]
struct Scanner<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Image<'a> {
    reference: &'a str,
    digest: Option<String>,
    index_digest: Option<String>,
    platform: Option<String>,
    created: Option<&'a str>,
}

#[derive(Serialize)]
struct Summary {
    packages: usize,
    findings: usize,
    fixable: usize,
    severities: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct DistroOut<'a> {
    id: &'a str,
    version_id: Option<&'a str>,
    codename: Option<&'a str>,
    pretty_name: Option<&'a str>,
    id_like: &'a [String],
    path: &'a str,
}

#[derive(Serialize)]
struct LayerOut<'a> {
    index: usize,
    digest: String,
    diff_id: Option<String>,
    size: u64,
    created_by: Option<&'a str>,
}

#[derive(Serialize)]
struct PackageOut<'a> {
    index: usize,
    kind: &'static str,
    name: &'a str,
    version: &'a str,
    purl: String,
    epoch: Option<u32>,
    arch: Option<&'a str>,
    source: Option<SourceOut<'a>>,
    licences: &'a [String],
    module: Option<&'a str>,
    vendor: Option<&'a str>,
    path: &'a str,
    layer: Option<u32>,
    owner: Option<&'a str>,
}

#[derive(Serialize)]
struct SourceOut<'a> {
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct FindingOut<'a> {
    id: &'a str,
    aliases: &'a [String],
    package: FindingPackage<'a>,
    severity: Severity,
    score: Option<f64>,
    vector: Option<&'a str>,
    state: model::advisory::FixState,
    fixed_versions: &'a [String],
    layer: Option<u32>,
    title: &'a str,
    reason: String,
    evidence: Vec<EvidenceOut<'a>>,
}

#[derive(Serialize)]
struct FindingPackage<'a> {
    index: u32,
    name: &'a str,
    version: &'a str,
    purl: String,
    path: &'a str,
}

#[derive(Serialize)]
struct EvidenceOut<'a> {
    advisory: &'a str,
    shard: &'a str,
    matched_name: &'a str,
    matched_version: &'a str,
    scheme: &'a str,
    range: &'a str,
}

#[derive(Serialize)]
struct CoverageOut<'a> {
    shard: &'a str,
    state: &'static str,
    packages: usize,
    digest: Option<&'a str>,
    advisories: u64,
    built: Option<&'a str>,
}

#[derive(Serialize)]
struct ProblemOut<'a> {
    code: &'static str,
    message: &'a str,
    path: Option<&'a str>,
    layer: Option<u32>,
}

fn document<'a>(report: &'a Report, scanner_version: &'a str) -> Document<'a> {
    let inventory = &report.inventory;
    let image = &report.image;
    Document {
        schema_version: SCHEMA_VERSION,
        scanner: Scanner { name: "lazaret", version: scanner_version },
        image: Image {
            reference: &image.reference,
            digest: image.digest.as_ref().map(ToString::to_string),
            index_digest: image.index_digest.as_ref().map(ToString::to_string),
            platform: image.platform.as_ref().map(ToString::to_string),
            created: image.created.as_deref(),
        },
        status: if report.is_partial() { "partial" } else { "complete" },
        summary: summary(report),
        distro: inventory.distro.as_ref().map(distro),
        layers: inventory.layers.iter().enumerate().map(layer).collect(),
        packages: inventory.packages.iter().enumerate().map(|(n, p)| package(n, p, inventory)).collect(),
        findings: report.findings.iter().filter_map(|f| finding(f, inventory)).collect(),
        database: report.coverage.iter().map(coverage).collect(),
        problems: report.all_problems().map(problem).collect(),
    }
}

fn summary(report: &Report) -> Summary {
    let mut severities: BTreeMap<&'static str, usize> =
        Severity::DESCENDING.iter().map(|severity| (severity.as_str(), 0)).collect();
    for finding in &report.findings {
        *severities.entry(finding.severity.as_str()).or_default() += 1;
    }
    Summary {
        packages: report.inventory.packages.len(),
        findings: report.findings.len(),
        fixable: report.findings.iter().filter(|finding| !finding.fixed_versions.is_empty()).count(),
        severities,
    }
}

fn distro(distro: &Distro) -> DistroOut<'_> {
    DistroOut {
        id: &distro.id,
        version_id: distro.version_id.as_deref(),
        codename: distro.codename.as_deref(),
        pretty_name: distro.pretty_name.as_deref(),
        id_like: &distro.id_like,
        path: &distro.path,
    }
}

fn layer((index, layer): (usize, &model::Layer)) -> LayerOut<'_> {
    LayerOut {
        index,
        digest: layer.digest.to_string(),
        diff_id: layer.diff_id.as_ref().map(ToString::to_string),
        size: layer.size,
        created_by: layer.created_by.as_deref(),
    }
}

fn package<'a>(index: usize, package: &'a Package, inventory: &Inventory) -> PackageOut<'a> {
    PackageOut {
        index,
        kind: package.kind.as_str(),
        name: &package.name,
        version: &package.version,
        purl: purl::build(package, inventory.distro.as_ref()),
        epoch: package.epoch,
        arch: package.arch.as_deref(),
        source: package.source.as_ref().map(|s| SourceOut { name: &s.name, version: &s.version }),
        licences: &package.licences,
        module: package.module.as_deref(),
        vendor: package.vendor.as_deref(),
        path: &package.path,
        layer: package.layer,
        owner: package.owner.as_deref(),
    }
}

fn finding<'a>(finding: &'a Finding, inventory: &'a Inventory) -> Option<FindingOut<'a>> {
    let package = inventory.packages.get(finding.package as usize)?;
    Some(FindingOut {
        id: &finding.id,
        aliases: &finding.aliases,
        package: FindingPackage {
            index: finding.package,
            name: &package.name,
            version: &package.version,
            purl: purl::build(package, inventory.distro.as_ref()),
            path: &package.path,
        },
        severity: finding.severity,
        score: finding.score_tenths.map(|tenths| f64::from(tenths) / 10.0),
        vector: finding.vector.as_deref(),
        state: finding.state,
        fixed_versions: &finding.fixed_versions,
        layer: package.layer,
        title: &finding.title,
        reason: finding.evidence.first().map(model::finding::Evidence::reason).unwrap_or_default(),
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| EvidenceOut {
                advisory: &evidence.advisory,
                shard: &evidence.shard,
                matched_name: &evidence.matched_name,
                matched_version: &evidence.matched_version,
                scheme: &evidence.scheme,
                range: &evidence.range,
            })
            .collect(),
    })
}

fn coverage(coverage: &Coverage) -> CoverageOut<'_> {
    CoverageOut {
        shard: &coverage.shard,
        state: match coverage.state {
            CoverageState::Checked => "checked",
            CoverageState::Missing => "missing",
            CoverageState::NotCovered => "not_covered",
        },
        packages: coverage.packages,
        digest: coverage.digest.as_deref(),
        advisories: coverage.advisories,
        built: coverage.built.as_deref(),
    }
}

fn problem(problem: &Problem) -> ProblemOut<'_> {
    ProblemOut {
        code: problem.code.as_str(),
        message: &problem.message,
        path: problem.path.as_deref(),
        layer: problem.layer,
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Layer, PackageKind, ProblemCode, advisory::FixState, finding::Evidence, package::SourcePackage,
        report::ImageFacts,
    };

    use super::*;

    fn example() -> Report {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32)).parse().unwrap();
        let mut openssl = Package::new(PackageKind::Deb, "libssl3", "3.0.11-1~deb12u1");
        openssl.arch = Some("amd64".into());
        openssl.source = Some(SourcePackage { name: "openssl".into(), version: "3.0.11-1~deb12u1".into() });
        openssl.path = "var/lib/dpkg/status".into();
        openssl.layer = Some(0);
        let evidence = Evidence {
            advisory: "DSA-5532-1".into(),
            shard: "debian-12".into(),
            matched_name: "openssl".into(),
            matched_version: "3.0.11-1~deb12u1".into(),
            scheme: "deb".into(),
            range: ">= 0, < 3.0.11-1~deb12u2".into(),
        };
        let finding = Finding {
            id: "CVE-2023-5363".into(),
            aliases: vec!["DSA-5532-1".into()],
            package: 0,
            severity: Severity::High,
            score_tenths: Some(75),
            vector: Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N".into()),
            state: FixState::Fixed,
            fixed_versions: vec!["3.0.11-1~deb12u2".into()],
            title: "openssl - security update".into(),
            evidence: vec![evidence],
        };
        Report {
            types: [model::ScanType::Sbom, model::ScanType::Vulnerability].into(),
            image: ImageFacts {
                reference: "registry.example.com/app:1.0".into(),
                digest: Some(digest("01")),
                index_digest: None,
                platform: Some("linux/amd64".parse().unwrap()),
                created: Some("2024-01-01T00:00:00Z".into()),
            },
            inventory: Inventory {
                distro: Some(Distro {
                    id: "debian".into(),
                    version_id: Some("12".into()),
                    path: "usr/lib/os-release".into(),
                    ..Distro::default()
                }),
                layers: vec![Layer {
                    digest: digest("02"),
                    diff_id: Some(digest("03")),
                    size: 1234,
                    created_by: Some("ADD rootfs.tar / # buildkit".into()),
                }],
                packages: vec![openssl],
                problems: Vec::new(),
                ..Inventory::default()
            },
            findings: vec![finding],
            coverage: vec![Coverage {
                shard: "debian-12".into(),
                packages: 1,
                state: CoverageState::Checked,
                digest: Some("xxh3:0011223344556677".into()),
                advisories: 1,
                built: Some("2026-11-21T00:00:00Z".into()),
            }],
            problems: vec![Problem::new(ProblemCode::DatabaseStale, "older than asked for")],
        }
    }

    #[test]
    fn is_as_documented() {
        insta::assert_snapshot!(write(&example(), "0.1.0"));
    }

    #[test]
    fn is_valid_against_the_published_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut empty = example();
        empty.inventory = Inventory::default();
        empty.findings.clear();
        empty.image.digest = None;
        for report in [example(), empty] {
            let value: serde_json::Value = serde_json::from_str(&write(&report, "0.1.0")).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
        let wrong = serde_json::json!({"schema_version": 1, "findings": "none"});
        assert!(!validator.is_valid(&wrong), "the schema must be able to refuse");
    }
}
