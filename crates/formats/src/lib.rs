//! Every shape that others read or write, one file each. Conversions only: no I/O, no templates, no clock.
//!
//! [`FORMATS`] is the one list of what a report can be written as: the command line, the service and the
//! documentation read it. What is written depends on nothing but the report and the version of the scanner; times
//! are those that the report holds.

pub mod csv;
pub mod cyclonedx;
pub mod gitlab;
mod identity;
pub mod json;
pub mod junit;
pub mod licence_report;
mod link;
mod moment;
#[cfg(test)]
mod sample;
pub mod sarif;
pub mod sbom;
pub mod secret_report;
pub mod spdx;
pub mod trivy;

use model::Report;

/// A form of a report.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// How it is asked for: `--format NAME`, `?format=NAME`.
    pub name: &'static str,
    /// What it is, one line for people.
    pub title: &'static str,
    /// Its media type, without parameters; no two formats share one.
    pub media_type: &'static str,
    /// What names of its files end in, without the dot.
    pub extension: &'static str,
    /// Writes a report, given the version of the scanner that made it. The text ends with a newline.
    pub write: fn(&Report, &str) -> String,
}

/// Every format, the one of choice first.
pub const FORMATS: &[Format] = &[
    json::FORMAT,
    trivy::FORMAT,
    sarif::FORMAT,
    cyclonedx::FORMAT,
    spdx::FORMAT,
    gitlab::FORMAT,
    junit::FORMAT,
    csv::FORMAT,
];

/// The format of that name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// `testdata/report.EXTENSION` is what the report of the tests is written as.
    #[test]
    fn every_format_is_as_agreed() {
        for format in FORMATS {
            let path = format!("{}/testdata/report.{}", env!("CARGO_MANIFEST_DIR"), format.extension);
            let text = (format.write)(&sample::report(), "0.1.0");
            if std::env::var_os("LAZARET_WRITE_DOCS").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let agreed = fs::read_to_string(&path).unwrap_or_default();
            assert!(agreed == text, "{path} is not what is written; when it should be: LAZARET_WRITE_DOCS=1");
            assert!(text.ends_with('\n'), "{}", format.name);
        }
    }

    #[test]
    fn names_and_media_types_are_unique() {
        let distinct = |key: fn(&Format) -> &'static str| FORMATS.iter().map(key).collect::<BTreeSet<_>>();
        assert_eq!(distinct(|format| format.name).len(), FORMATS.len());
        assert_eq!(distinct(|format| format.media_type).len(), FORMATS.len());
        assert_eq!(distinct(|format| format.extension).len(), FORMATS.len());
        assert!(
            FORMATS.iter().all(|format| find(format.name).is_some_and(|found| found.name == format.name))
        );
        assert_eq!(FORMATS[0].name, "json", "what is sent to those who ask for nothing");
        assert!(find("table").is_none());
    }

    #[test]
    fn an_empty_report_is_written_too() {
        let mut report = sample::report();
        report.inventory = model::Inventory::default();
        report.findings.clear();
        report.coverage.clear();
        report.problems.clear();
        report.types.clear();
        report.image = model::report::ImageFacts {
            reference: String::new(),
            digest: None,
            index_digest: None,
            platform: None,
            created: None,
        };
        for format in FORMATS {
            let text = (format.write)(&report, "");
            assert!(text.len() > 20, "{}: {text}", format.name);
        }
    }
}
