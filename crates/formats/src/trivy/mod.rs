//! Trivy's JSON report, SchemaVersion 2, so that what reads Trivy's reports reads Lazaret's: names, order and quirks
//! of `pkg/types/report.go` and `pkg/fanal/types` of Trivy, as its `trivy image --format json` writes them.
//!
//! What Lazaret does not know is left out, as Trivy leaves out what is empty: descriptions, dates, weaknesses, and
//! the id of the image's configuration. Findings about files are failed checks of class `config`.

mod packages;
mod shape;
mod write;

use model::{Report, Severity};

use crate::Format;

/// Its place in the list of formats.
pub const FORMAT: Format = Format {
    name: "trivy",
    title: "Trivy's JSON report, SchemaVersion 2",
    media_type: "application/vnd.lazaret.trivy+json",
    extension: "trivy.json",
    write,
};

/// Writes a report as Trivy does.
pub fn write(report: &Report, scanner_version: &str) -> String {
    // Plain strings, numbers and lists always serialize.
    let text = serde_json::to_string_pretty(&write::document(report, scanner_version)).unwrap_or_default();
    let mut out = String::with_capacity(text.len() + text.len() / 50 + 1);
    // Go's encoding/json escapes these; in JSON they stand nowhere but in strings.
    for c in text.chars() {
        match c {
            '&' => out.push_str("\\u0026"),
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// Trivy has no word for what is negligible.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "UNKNOWN",
        Severity::Negligible | Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}

/// The numbers of `VendorSeverity`.
const fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Unknown => 0,
        Severity::Negligible | Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}
