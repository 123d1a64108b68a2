//! The secret report, `application/vnd.security.secret.report; version=1.0`: passwords, keys and tokens of an image,
//! masked. Described by `docs/secret-report.schema.json`.
//!
//! The unified scanner API names this type and leaves its shape to scanners; this one follows Harbor's vulnerability
//! report (pluggable scanner specification 1.1) where both say the same. Nothing in it is Lazaret's own, fields are only
//! ever added, and equal input is equal bytes: the time is the caller's.

use std::collections::BTreeMap;

use model::{Place, Report, ScanType, Secret, Severity};
use serde::Serialize;

/// Writes the report as indented JSON with a final newline. `generated_at` is an RFC 3339 time.
pub fn write(report: &Report, generated_at: &str, scanner_version: &str) -> String {
    // Plain strings, numbers and lists always serialize.
    let document = document(report, generated_at, scanner_version);
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
    secrets: Vec<Entry<'a>>,
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
    secrets: usize,
    deleted: usize,
    severities: BTreeMap<&'static str, usize>,
    categories: BTreeMap<String, usize>,
}

#[derive(Serialize)]
struct Entry<'a> {
    rule: &'a str,
    title: &'a str,
    category: &'a str,
    severity: Severity,
    path: Option<&'a str>,
    config: Option<&'a str>,
    start_line: u32,
    end_line: u32,
    excerpt: &'a str,
    deleted: bool,
    layer: Option<LayerOut<'a>>,
}

#[derive(Serialize)]
struct LayerOut<'a> {
    index: u32,
    digest: Option<String>,
    created_by: Option<&'a str>,
}

fn document<'a>(report: &'a Report, generated_at: &'a str, scanner_version: &'a str) -> Document<'a> {
    let image = &report.image;
    let mut secrets: Vec<&Secret> = report.inventory.secrets.iter().collect();
    // The worst first, then by place.
    secrets.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    Document {
        media_type: ScanType::Secret.mime(),
        generated_at,
        artifact: Artifact {
            reference: &image.reference,
            digest: image.digest.as_ref().map(ToString::to_string),
            platform: image.platform.as_ref().map(ToString::to_string),
        },
        scanner: Scanner { name: "lazaret", version: scanner_version },
        status: if report.is_partial() { "partial" } else { "complete" },
        severity: secrets.iter().map(|secret| secret.severity).max().unwrap_or_default(),
        summary: summary(&secrets),
        secrets: secrets.into_iter().map(|secret| entry(secret, report)).collect(),
    }
}

fn summary(secrets: &[&Secret]) -> Summary {
    let mut severities: BTreeMap<&'static str, usize> =
        Severity::DESCENDING.iter().map(|severity| (severity.as_str(), 0)).collect();
    let mut categories: BTreeMap<String, usize> = BTreeMap::new();
    for secret in secrets {
        *severities.entry(secret.severity.as_str()).or_default() += 1;
        *categories.entry(secret.category.clone()).or_default() += 1;
    }
    let deleted = secrets.iter().filter(|secret| secret.deleted).count();
    Summary { secrets: secrets.len(), deleted, severities, categories }
}

fn entry<'a>(secret: &'a Secret, report: &'a Report) -> Entry<'a> {
    let (path, config) = match &secret.place {
        Place::File(path) => (Some(path.as_str()), None),
        Place::Config(name) => (None, Some(name.as_str())),
    };
    let layer = secret.layer.map(|index| {
        let facts = report.inventory.layers.get(index as usize);
        LayerOut {
            index,
            digest: facts.map(|layer| layer.digest.to_string()),
            created_by: facts.and_then(|layer| layer.created_by.as_deref()),
        }
    });
    Entry {
        rule: &secret.rule,
        title: &secret.title,
        category: &secret.category,
        severity: secret.severity,
        path,
        config,
        start_line: secret.start_line,
        end_line: secret.end_line,
        excerpt: &secret.excerpt,
        deleted: secret.deleted,
        layer,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sample;

    fn secret(place: Place, severity: Severity, deleted: bool) -> Secret {
        Secret {
            layer: matches!(place, Place::File(_)).then_some(0),
            place,
            start_line: 3,
            end_line: 3,
            rule: "github-token".into(),
            title: "Token of GitHub".into(),
            category: "github".into(),
            severity,
            excerpt: "token: ghp_****".into(),
            deleted,
        }
    }

    fn report() -> Report {
        let mut report = sample::report();
        report.inventory.secrets = vec![
            secret(Place::Config("env GH".into()), Severity::Medium, false),
            secret(Place::File("app/.env".into()), Severity::Critical, true),
        ];
        report
    }

    #[test]
    fn is_what_its_schema_says() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../docs/secret-report.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut empty = report();
        empty.inventory.secrets.clear();
        for report in [report(), empty] {
            let written: Value =
                serde_json::from_str(&write(&report, "2026-01-02T03:04:05Z", "0.1.0")).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&written).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
        let mut wrong: Value = serde_json::from_str(&write(&report(), "t", "0.1.0")).unwrap();
        wrong["secrets"][0]["severity"] = "awful".into();
        assert!(!validator.is_valid(&wrong), "the schema takes anything");
    }

    #[test]
    fn counts_and_orders() {
        let written: Value = serde_json::from_str(&write(&report(), "t", "0.1.0")).unwrap();
        assert_eq!(written["severity"], "critical");
        assert_eq!(written["summary"]["secrets"], 2);
        assert_eq!(written["summary"]["deleted"], 1);
        assert_eq!(written["summary"]["severities"]["critical"], 1);
        assert_eq!(written["summary"]["categories"]["github"], 2);
        assert_eq!(written["secrets"][0]["path"], "app/.env");
        assert_eq!(written["secrets"][0]["layer"]["index"], 0);
        assert_eq!(written["secrets"][1]["config"], "env GH");
        assert_eq!(written["secrets"][1]["path"], Value::Null);
        assert_eq!(write(&report(), "t", "0.1.0"), write(&report(), "t", "0.1.0"));
    }
}
