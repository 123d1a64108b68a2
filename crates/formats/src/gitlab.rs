//! GitLab's container scanning report, schema version 15.0.7 (gitlab-org/security-products/security-report-schemas,
//! `container-scanning-report-format.json`): what a job hands over as `artifacts:reports:container_scanning`.
//!
//! The schema knows vulnerabilities of packages and nothing else: secrets and files have reports of their own in
//! GitLab, and are not in this one. It wants the time of the scan; that is the time that the report speaks for.

use std::collections::BTreeMap;

use model::{Finding, Package, Report, Severity, advisory::FixState};
use serde::Serialize;

use crate::{Format, identity, link, moment};

/// The version of the schema that is declared.
const SCHEMA_VERSION: &str = "15.0.7";
/// Where that schema is published.
const SCHEMA: &str = "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v15.0.7/dist/container-scanning-report-format.json";
/// Most characters of a name that the schema takes.
const NAME: usize = 255;
/// Most characters of a solution that the schema takes.
const SOLUTION: usize = 7000;
/// Most characters that are written of a description; the schema takes more.
const DESCRIPTION: usize = 100_000;

/// Its place in the list of formats.
pub const FORMAT: Format = Format {
    name: "gitlab",
    title: "GitLab container scanning report, schema 15",
    media_type: "application/vnd.lazaret.gitlab+json",
    extension: "gitlab.json",
    write,
};

/// Writes the vulnerabilities of a report as GitLab reads them.
pub fn write(report: &Report, scanner_version: &str) -> String {
    // Plain strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(&document(report, scanner_version)).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    schema: &'static str,
    scan: Scan<'a>,
    vulnerabilities: Vec<Vulnerability<'a>>,
}

#[derive(Serialize)]
struct Scan<'a> {
    analyzer: Program<'a>,
    scanner: Program<'a>,
    r#type: &'static str,
    status: &'static str,
    start_time: String,
    end_time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Serialize)]
struct Program<'a> {
    id: &'static str,
    name: &'static str,
    vendor: Vendor,
    version: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct Vendor {
    name: &'static str,
}

#[derive(Serialize)]
struct Message {
    level: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Vulnerability<'a> {
    id: String,
    name: String,
    description: String,
    severity: &'static str,
    solution: String,
    identifiers: Vec<Identifier<'a>>,
    links: Vec<Link>,
    details: BTreeMap<&'static str, Detail<'a>>,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Identifier<'a> {
    r#type: String,
    name: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct Link {
    url: String,
}

#[derive(Serialize)]
struct Detail<'a> {
    name: &'static str,
    r#type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Location<'a> {
    dependency: Dependency<'a>,
    operating_system: String,
    image: &'a str,
}

#[derive(Serialize)]
struct Dependency<'a> {
    package: Name<'a>,
    version: &'a str,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

fn document<'a>(report: &'a Report, scanner_version: &'a str) -> Document<'a> {
    let version = if scanner_version.is_empty() { "unknown" } else { scanner_version };
    let program = Program { id: "lazaret", name: "Lazaret", vendor: Vendor { name: "Lazaret" }, version };
    // Without a zone, in UTC, as the schema has it.
    let time = moment::of(report).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    let time = time.trim_end_matches('Z').to_owned();
    let findings = report.findings.iter().filter_map(|finding| {
        let package = report.inventory.packages.get(finding.package as usize)?;
        Some(vulnerability(report, finding, package))
    });
    Document {
        version: SCHEMA_VERSION,
        schema: SCHEMA,
        scan: Scan {
            analyzer: program,
            scanner: program,
            r#type: "container_scanning",
            status: "success",
            start_time: time.clone(),
            end_time: time,
            messages: report.all_problems().map(message).collect(),
        },
        vulnerabilities: findings.collect(),
    }
}

fn message(problem: &model::Problem) -> Message {
    let level = if problem.code.hides_content() { "warn" } else { "info" };
    let place = problem.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    Message { level, value: format!("{}: {place}{}", problem.code.as_str(), problem.message) }
}

fn vulnerability<'a>(report: &'a Report, finding: &'a Finding, package: &'a Package) -> Vulnerability<'a> {
    let image = report.image.reference.as_str();
    let distro = report.inventory.distro.as_ref().map(model::Distro::label);
    let reason = finding.evidence.first().map(model::finding::Evidence::reason).unwrap_or_default();
    let title = if finding.title.is_empty() { &finding.id } else { &finding.title };
    let details = [("path", "Recorded in", &package.path)]
        .into_iter()
        .filter(|(_, _, value)| !value.is_empty())
        .map(|(key, name, value)| (key, Detail { name, r#type: "text", value }));
    let vector = finding.vector.as_ref().map(|v| ("cvss", Detail { name: "CVSS", r#type: "text", value: v }));
    let fingerprint = identity::vulnerability(&finding.id, package);
    Vulnerability {
        id: identity::uuid(&["gitlab", image, &fingerprint, &package.version]),
        name: cut(&format!("{} in {}", finding.id, package.name), NAME),
        description: cut(&format!("{title}\n\n{reason}"), DESCRIPTION).trim_end().to_owned(),
        severity: severity(finding.severity),
        solution: cut(&solution(finding, package), SOLUTION),
        identifiers: identifiers(finding),
        links: link::all(finding).into_iter().map(|url| Link { url }).collect(),
        details: details.chain(vector).collect(),
        location: Location {
            dependency: Dependency { package: Name { name: &package.name }, version: &package.version },
            operating_system: distro
                .filter(|label| !label.is_empty())
                .unwrap_or_else(|| "unknown".to_owned()),
            image: if image.is_empty() { "unknown" } else { image },
        },
    }
}

fn identifiers(finding: &Finding) -> Vec<Identifier<'_>> {
    let names = std::iter::once(&finding.id).chain(&finding.aliases).filter(|id| !id.is_empty());
    let mut identifiers: Vec<Identifier<'_>> = names
        .map(|id| {
            let kind = id.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let kind = if kind.is_empty() { "lazaret".to_owned() } else { kind };
            Identifier { r#type: kind, name: id, value: id, url: link::of(id) }
        })
        .collect();
    if identifiers.is_empty() {
        let (name, value) = ("unnamed", "unnamed");
        identifiers.push(Identifier { r#type: "lazaret".into(), name, value, url: None });
    }
    identifiers
}

fn solution(finding: &Finding, package: &Package) -> String {
    match finding.fixed_versions.as_slice() {
        [first, ..] => format!("Upgrade {} from {} to {first} or later.", package.name, package.version),
        [] => match finding.state {
            FixState::WillNotFix => "The vendor will not fix it.".to_owned(),
            FixState::FixDeferred => "The vendor puts a fix off.".to_owned(),
            FixState::EndOfLife => "The release gets no fixes any more: move to a newer one.".to_owned(),
            FixState::UnderInvestigation => "The vendor is looking into it.".to_owned(),
            FixState::Unstated | FixState::Affected | FixState::Fixed | FixState::NotAffected => {
                "No fixed version is known.".to_owned()
            }
        },
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "Unknown",
        Severity::Negligible => "Info",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sample;

    #[test]
    fn says_what_was_found_and_what_to_do() {
        let value: Value = serde_json::from_str(&write(&sample::report(), "0.1.0")).unwrap();
        let first = &value["vulnerabilities"][0];
        assert_eq!(first["name"], "CVE-2023-5363 in libssl3");
        assert_eq!(first["severity"], "High");
        assert_eq!(first["solution"], "Upgrade libssl3 from 3.0.11-1~deb12u1 to 3.0.11-1~deb12u2 or later.");
        assert_eq!(first["location"]["operating_system"], "debian 12");
        assert_eq!(value["scan"]["end_time"], "2026-11-21T04:00:00");
        assert_eq!(value["scan"]["messages"][0]["level"], "warn");
        let ids: std::collections::BTreeSet<&str> = value["vulnerabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|vulnerability| vulnerability["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 6, "each has an id of its own");
    }
}
