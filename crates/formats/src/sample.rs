//! The report that the tests of all formats write: a little of everything, and names that want to be escaped.

use model::Report;

/// As `json` writes it.
pub(crate) const TEXT: &str = include_str!("../testdata/report.json");

/// The report.
pub(crate) fn report() -> Report {
    crate::json::parse(TEXT.as_bytes()).unwrap().report
}
