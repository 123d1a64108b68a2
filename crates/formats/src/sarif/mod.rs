//! SARIF 2.1.0 (OASIS, 27 March 2020), for code scanning views and editors.
//!
//! One rule for each vulnerability, secret rule and file check; one result for each place. A location is a path in
//! the image, relative to `ROOTPATH`. `security-severity` and `primaryLocationLineHash` are what GitHub asks for.

mod results;
mod shape;

use model::{Report, Severity};

use crate::Format;

/// Its place in the list of formats.
pub const FORMAT: Format = Format {
    name: "sarif",
    title: "SARIF 2.1.0, for code scanning",
    media_type: "application/sarif+json",
    extension: "sarif",
    write,
};

/// Writes a report as indented SARIF.
pub fn write(report: &Report, scanner_version: &str) -> String {
    // Plain strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(&results::log(report, scanner_version)).unwrap_or_default();
    text.push('\n');
    text
}

/// The level of a result (SARIF section 3.27.10).
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// A number within the band of a severity, where there is no score: GitHub sorts by it.
const fn typical_score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Negligible | Severity::Unknown => "0.0",
    }
}
