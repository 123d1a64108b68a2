//! Lazaret's own report: `lazaret scan --format json`, described by `docs/report.schema.json`, and read back by
//! `lazaret convert`.
//!
//! Fields are only ever added; a change of meaning raises `schema_version`. The output depends on nothing but
//! the report, so that equal reports are equal bytes, and it holds the whole report.

mod parse;
mod shape;
mod write;

pub use parse::{MAX_BYTES, ParseError, Parsed, parse};
pub use write::write;

use crate::Format;

/// The `schema_version` that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// Its place in the list of formats.
pub const FORMAT: Format = Format {
    name: "json",
    title: "Lazaret's own report: everything that is known",
    media_type: "application/json",
    extension: "json",
    write,
};

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use model::{Inventory, Place, Platform, Report, ScanType, Severity};
    use serde_json::{Value, json};

    use super::{shape::MAX_ITEMS, *};
    use crate::sample;

    fn schema() -> jsonschema::Validator {
        let schema: Value =
            serde_json::from_str(include_str!("../../../../docs/report.schema.json")).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    fn empty() -> Report {
        let mut report = sample::report();
        report.inventory = Inventory::default();
        report.findings.clear();
        report.coverage.clear();
        report.image.digest = None;
        report.image.platform = None;
        report.types.clear();
        report
    }

    /// All that a hostile image can name.
    fn strange() -> Report {
        let mut report = sample::report();
        let text = "\u{0}\u{1b}[31m\"\\\r\n\u{2028}\u{feff}\u{10ffff}/../日本";
        text.clone_into(&mut report.image.reference);
        report.image.platform =
            Some(Platform { os: "a b".into(), architecture: String::new(), variant: Some("v/8/9".into()) });
        for package in &mut report.inventory.packages {
            package.name.push_str(text);
            package.requires.push(text.into());
            package.layer = Some(u32::MAX);
        }
        report.inventory.files[1].mode = Some(u32::MAX);
        report.inventory.files[1].uid = Some(u64::MAX);
        report.findings[0].score_tenths = Some(100);
        report.findings[1].score_tenths = Some(0);
        report.findings[2].score_tenths = Some(33);
        report.findings[3].evidence.clear();
        report
    }

    #[test]
    fn is_as_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/report.json");
        let text = write(&sample::report(), "0.1.0");
        if std::env::var_os("LAZARET_WRITE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(text, sample::TEXT, "after a change of the format: LAZARET_WRITE_DOCS=1");
    }

    #[test]
    fn is_valid_against_the_published_schema() {
        let validator = schema();
        for report in [sample::report(), empty(), strange()] {
            let value: Value = serde_json::from_str(&write(&report, "0.1.0")).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new());
        }
        for wrong in [json!({"schema_version": 1, "findings": "none"}), json!({})] {
            assert!(!validator.is_valid(&wrong), "the schema must be able to refuse");
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        for report in [sample::report(), empty(), strange()] {
            let text = write(&report, "9.9.9-dev");
            let parsed = parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.scanner_version, "9.9.9-dev");
            assert_eq!(write(&parsed.report, &parsed.scanner_version), text);
            // All problems come back in one place; else nothing is lost.
            let mut expected = report.clone();
            expected.inventory.problems.append(&mut expected.problems);
            if expected.image.platform == Some(strange_platform()) {
                expected.image.platform = parsed.report.image.platform.clone();
            }
            assert_eq!(parsed.report, expected);
        }
    }

    fn strange_platform() -> Platform {
        Platform { os: "a b".into(), architecture: String::new(), variant: Some("v/8/9".into()) }
    }

    #[test]
    fn values_land_where_they_belong() {
        let report = sample::report();
        let secret = &report.inventory.secrets[2];
        assert_eq!((&secret.place, secret.layer), (&Place::Config("env API_TOKEN".into()), None));
        assert_eq!(report.inventory.files[1].mode, Some(0o4755));
        assert_eq!(report.findings[2].score_tenths, Some(93));
        assert_eq!(report.findings[4].severity, Severity::Negligible);
        assert_eq!(report.inventory.packages[1].requires, ["adduser", "libc6"]);
        assert!(report.covers(ScanType::Secret) && report.inventory.looked_for.contains(&ScanType::License));
    }

    #[test]
    fn documents_of_before_and_after_are_read() {
        let mut old: Value = serde_json::from_str(sample::TEXT).unwrap();
        for key in ["types", "looked_for", "secrets", "licence_files", "files", "summary", "status"] {
            old.as_object_mut().unwrap().remove(key).unwrap();
        }
        old.as_object_mut().unwrap().remove("enrichment").unwrap();
        for finding in old["findings"].as_array_mut().unwrap() {
            for key in ["risk", "ratings", "kev", "epss"] {
                finding.as_object_mut().unwrap().remove(key).unwrap();
            }
        }
        for package in old["packages"].as_array_mut().unwrap() {
            for key in ["os", "licence", "digest", "requires"] {
                package.as_object_mut().unwrap().remove(key).unwrap();
            }
        }
        let report = parse(old.to_string().as_bytes()).unwrap().report;
        assert_eq!(report.types, [ScanType::Vulnerability].into());
        assert_eq!((report.findings.len(), report.inventory.secrets.len()), (6, 0));
        let mut new: Value = serde_json::from_str(sample::TEXT).unwrap();
        new["weather"] = json!({"sun": [1, 2]});
        new["findings"][0]["colour"] = json!("red");
        let text = format!("\u{feff}{new}");
        assert_eq!(parse(text.as_bytes()).unwrap().report, sample::report());
    }

    #[test]
    fn what_is_no_report_is_told() {
        let changed = |change: fn(&mut Value)| {
            let mut value: Value = serde_json::from_str(sample::TEXT).unwrap();
            change(&mut value);
            parse(value.to_string().as_bytes()).unwrap_err().to_string()
        };
        for (said, expected) in [
            (parse(b"").unwrap_err().to_string(), "no JSON report of lazaret (line 1, column 0: EOF"),
            (parse(b"PK\x03\x04").unwrap_err().to_string(), "(line 1, column 1: expected value"),
            (parse(b"[]").unwrap_err().to_string(), "expected a report"),
            (parse(b"{\"SchemaVersion\": 2}").unwrap_err().to_string(), "names neither lazaret"),
            (parse(&sample::TEXT.as_bytes()[..2000]).unwrap_err().to_string(), "EOF while parsing"),
            (
                changed(|v| v["schema_version"] = json!(2)),
                "schema_version 2; this version of lazaret reads 1",
            ),
            (changed(|v| v["scanner"]["name"] = json!("other")), "names neither lazaret"),
            (changed(|v| v["packages"] = Value::Null), "invalid type: null, expected a list"),
            (changed(|v| v["packages"][0]["kind"] = json!("floppy")), "unknown variant `floppy`"),
            (
                changed(|v| v["findings"][1]["package"]["index"] = json!(9)),
                "finding 1 of the report: it names package 9, and there are 9",
            ),
            (changed(|v| v["findings"][1]["score"] = json!(10.1)), "finding 1 of the report: its score 10.1"),
            (changed(|v| v["findings"][1]["score"] = json!(-1)), "its score -1"),
            (changed(|v| v["findings"][1]["epss"]["score"] = json!(1.5)), "its EPSS value 1.5 is not"),
            (
                changed(|v| v["findings"][0]["ratings"][0]["score"] = json!(11)),
                "finding 0 of the report: its score",
            ),
            (changed(|v| v["secrets"][1]["config"] = json!("env A")), "secret 1 of the report: it stands"),
            (changed(|v| v["files"][1]["mode"] = json!("rwx")), "file 1 of the report: its mode \"rwx\""),
            (changed(|v| v["image"]["platform"] = json!("linux")), "\"linux\" is no platform"),
            (changed(|v| v["image"]["digest"] = json!("sha256:../../x")), "is not lower-case hexadecimal"),
            (changed(|v| v["problems"][0]["code"] = json!("x".repeat(5000))), "unknown variant"),
        ] {
            assert!(said.contains(expected), "{said:?} has not {expected:?}");
            assert!(said.len() < 700, "{}", said.len());
        }
    }

    #[test]
    fn too_much_is_refused() {
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(ParseError::TooLarge));
        let mut text = sample::TEXT.to_owned();
        let entry = r#"{"path":"","licence":"","confidence":0},"#;
        let mut list = String::from("\"licence_files\": [");
        for _ in 0..=MAX_ITEMS {
            list.write_str(entry).unwrap();
        }
        text = text.replace("\"licence_files\": [", &list);
        let said = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("more than 2000000 entries"), "{said}");
        let deep = format!("{{\"schema_version\":1,\"x\":{}", "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err(), "and the stack holds");
    }

    #[test]
    fn damage_never_panics() {
        let bytes = sample::TEXT.as_bytes();
        for end in (0..bytes.len()).step_by(37) {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..600 {
            let mut damaged = bytes.to_vec();
            for _ in 0..3 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = usize::try_from(seed % bytes.len() as u64).unwrap();
                damaged[at] = seed.to_le_bytes()[6];
            }
            if let Ok(parsed) = parse(&damaged) {
                let text = write(&parsed.report, &parsed.scanner_version);
                let again = parse(text.as_bytes()).unwrap();
                assert_eq!(write(&again.report, &again.scanner_version), text);
            }
        }
    }
}
