//! The licence report, `application/vnd.security.license.report; version=1.0`: which licences an image's packages and
//! files are under, and what a policy says of each. Described by `docs/licence-report.schema.json`.
//!
//! The unified scanner API names this type and leaves its shape to scanners; this one follows Harbor's vulnerability
//! report (pluggable scanner specification 1.1) where both say the same. Nothing in it is Lazaret's own, fields are only
//! ever added, and equal input is equal bytes: the time is the caller's.

use std::collections::BTreeMap;

use model::{LicenceCategory, LicenceFinding, Report, ScanType, Severity, purl};
use serde::Serialize;

/// All categories, strictest first: the order of summaries.
const CATEGORIES: [LicenceCategory; 7] = [
    LicenceCategory::Forbidden,
    LicenceCategory::Restricted,
    LicenceCategory::Reciprocal,
    LicenceCategory::Unknown,
    LicenceCategory::Notice,
    LicenceCategory::Permissive,
    LicenceCategory::Unencumbered,
];

/// Writes the report as indented JSON with a final newline. `generated_at` is an RFC 3339 time, `findings` are those of
/// `report.inventory`.
pub fn write(
    report: &Report,
    findings: &[LicenceFinding],
    generated_at: &str,
    scanner_version: &str,
) -> String {
    let document = document(report, findings, generated_at, scanner_version);
    // Plain strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'a> {
    media_type: &'static str,
    generated_at: &'a str,
    artifact: Artifact<'a>,
    scanner: Scanner<'a>,
    status: &'static str,
    severity: Severity,
    summary: Summary,
    licences: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Artifact<'a> {
    reference: &'a str,
    digest: Option<String>,
    platform: Option<String>,
}

#[derive(Serialize)]
struct Scanner<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Summary {
    packages: usize,
    packages_without_licence: usize,
    files: usize,
    findings: usize,
    categories: BTreeMap<&'static str, usize>,
    severities: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct Entry<'a> {
    licence: &'a str,
    category: LicenceCategory,
    severity: Severity,
    reason: &'a str,
    confidence: u8,
    path: &'a str,
    layer: Option<LayerOut>,
    package: Option<PackageOut<'a>>,
}

#[derive(Serialize)]
struct LayerOut {
    index: u32,
    digest: Option<String>,
}

#[derive(Serialize)]
struct PackageOut<'a> {
    kind: &'static str,
    name: &'a str,
    version: &'a str,
    purl: String,
    recorded: &'a [String],
}

fn document<'a>(
    report: &'a Report,
    findings: &'a [LicenceFinding],
    generated_at: &'a str,
    scanner_version: &'a str,
) -> Document<'a> {
    let image = &report.image;
    let files = &report.inventory.licence_files;
    let layers: BTreeMap<&str, u32> =
        files.iter().filter_map(|file| Some((file.path.as_str(), file.layer?))).collect();
    Document {
        media_type: ScanType::License.mime(),
        generated_at,
        artifact: Artifact {
            reference: &image.reference,
            digest: image.digest.as_ref().map(ToString::to_string),
            platform: image.platform.as_ref().map(ToString::to_string),
        },
        scanner: Scanner { name: "lazaret", version: scanner_version },
        status: if report.is_partial() { "partial" } else { "complete" },
        severity: findings.iter().map(|finding| finding.severity).max().unwrap_or_default(),
        summary: summary(report, findings),
        licences: findings.iter().map(|finding| entry(finding, report, &layers)).collect(),
    }
}

fn summary(report: &Report, findings: &[LicenceFinding]) -> Summary {
    let mut categories: BTreeMap<&'static str, usize> = CATEGORIES.iter().map(|c| (c.as_str(), 0)).collect();
    let mut severities: BTreeMap<&'static str, usize> =
        Severity::DESCENDING.iter().map(|severity| (severity.as_str(), 0)).collect();
    for finding in findings {
        *categories.entry(finding.category.as_str()).or_default() += 1;
        *severities.entry(finding.severity.as_str()).or_default() += 1;
    }
    let packages = &report.inventory.packages;
    Summary {
        packages: packages.len(),
        packages_without_licence: packages.iter().filter(|package| package.licences.is_empty()).count(),
        files: report.inventory.licence_files.len(),
        findings: findings.iter().filter(|finding| !finding.reason.is_empty()).count(),
        categories,
        severities,
    }
}

fn entry<'a>(finding: &'a LicenceFinding, report: &'a Report, layers: &BTreeMap<&str, u32>) -> Entry<'a> {
    let inventory = &report.inventory;
    let package = finding.package.and_then(|index| inventory.packages.get(index as usize));
    let layer = match package {
        Some(package) => package.layer,
        None => layers.get(finding.path.as_str()).copied(),
    };
    Entry {
        licence: &finding.licence,
        category: finding.category,
        severity: finding.severity,
        reason: &finding.reason,
        confidence: finding.confidence,
        path: &finding.path,
        layer: layer.map(|index| LayerOut {
            index,
            digest: inventory.layers.get(index as usize).map(|layer| layer.digest.to_string()),
        }),
        package: package.map(|package| PackageOut {
            kind: package.kind.as_str(),
            name: &package.name,
            version: &package.version,
            purl: purl::build(package, inventory.distro.as_ref()),
            recorded: &package.licences,
        }),
    }
}

#[cfg(test)]
mod tests {
    use model::LicenceFile;

    use super::*;

    const TIME: &str = "2026-01-02T03:04:05Z";

    fn example() -> (Report, Vec<LicenceFinding>) {
        let mut report = crate::sample::report();
        report.inventory.licence_files = vec![LicenceFile {
            path: "srv/app/LICENSE".into(),
            licence: "MIT".into(),
            confidence: 98,
            layer: Some(0),
        }];
        let package = &mut report.inventory.packages[0];
        package.licences = vec!["GPL-2+".into()];
        package.licence = Some("GPL-2.0-or-later".into());
        package.layer = Some(0);
        let findings = vec![
            LicenceFinding {
                licence: "GPL-2.0-or-later".into(),
                category: LicenceCategory::Restricted,
                severity: Severity::High,
                package: Some(0),
                path: package.path.clone(),
                confidence: 100,
                reason: "GPL-2.0-or-later is a GNU licence, and these are not allowed".into(),
            },
            LicenceFinding {
                licence: "MIT".into(),
                category: LicenceCategory::Notice,
                severity: Severity::Unknown,
                package: None,
                path: "srv/app/LICENSE".into(),
                confidence: 98,
                reason: String::new(),
            },
        ];
        (report, findings)
    }

    fn value(report: &Report, findings: &[LicenceFinding]) -> serde_json::Value {
        serde_json::from_str(&write(report, findings, TIME, "0.1.0")).unwrap()
    }

    #[test]
    fn tells_packages_and_files() {
        let (report, findings) = example();
        let value = value(&report, &findings);
        assert_eq!(value["media_type"], "application/vnd.security.license.report; version=1.0");
        assert_eq!(value["generated_at"], TIME);
        assert_eq!(value["severity"], "high");
        assert_eq!(value["summary"]["findings"], 1);
        assert_eq!(value["summary"]["categories"]["restricted"], 1);
        assert_eq!(value["summary"]["severities"]["unknown"], 1);
        let [package, file] = value["licences"].as_array().unwrap().as_slice() else { panic!("{value}") };
        let layer = report.inventory.layers[0].digest.to_string();
        assert_eq!(package["package"]["name"], report.inventory.packages[0].name);
        assert_eq!(package["package"]["recorded"][0], "GPL-2+");
        assert_eq!(package["layer"]["digest"], layer);
        assert_eq!(file["package"], serde_json::Value::Null);
        assert_eq!((&file["layer"]["digest"], &file["confidence"]), (&layer.into(), &98.into()));
        assert_eq!(write(&report, &findings, TIME, "0.1.0"), write(&report, &findings, TIME, "0.1.0"));
    }

    #[test]
    fn what_does_not_belong_together_is_still_written() {
        let (report, mut findings) = example();
        findings[0].package = Some(u32::MAX);
        findings[1].path = "gone".into();
        let value = value(&report, &findings);
        assert_eq!(value["licences"][0]["package"], serde_json::Value::Null);
        assert_eq!(value["licences"][1]["layer"], serde_json::Value::Null);
    }

    #[test]
    fn is_valid_against_the_published_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/licence-report.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (report, findings) = example();
        for findings in [&findings[..], &[]] {
            let value = value(&report, findings);
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
        let mut wrong = value(&report, &findings);
        wrong["licences"][0]["category"] = "pleasant".into();
        assert!(!validator.is_valid(&wrong), "the schema must be able to refuse");
    }
}
