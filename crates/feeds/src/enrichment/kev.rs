//! CISA's catalogue of known exploited vulnerabilities: one JSON document (cisa.gov, "KEV schema").

use std::{
    borrow::Cow,
    io::{self, BufRead, Read as _},
};

use advisory::enrichment::{EnrichmentWriter, Entry};
use model::KnownExploited;
use serde::Deserialize;

use super::Bad;

/// Largest document. In 2025 it had 1.3 MB for 1,400 entries.
const MAX_DOCUMENT: u64 = 64 << 20;

#[derive(Deserialize)]
struct Catalogue<'a> {
    #[serde(borrow, default, rename = "dateReleased")]
    date_released: Cow<'a, str>,
    #[serde(borrow)]
    vulnerabilities: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Vulnerability<'a> {
    #[serde(borrow, rename = "cveID")]
    cve: Cow<'a, str>,
    #[serde(borrow, default, rename = "dateAdded")]
    added: Cow<'a, str>,
    #[serde(borrow, default, rename = "dueDate")]
    due: Cow<'a, str>,
    /// `Known` or `Unknown`.
    #[serde(borrow, default, rename = "knownRansomwareCampaignUse")]
    ransomware: Cow<'a, str>,
}

pub(super) fn read(
    reader: &mut dyn BufRead,
    writer: &mut EnrichmentWriter,
    bad: &mut Bad<'_>,
) -> io::Result<u64> {
    let mut document = Vec::new();
    reader.take(MAX_DOCUMENT + 1).read_to_end(&mut document)?;
    if document.len() as u64 > MAX_DOCUMENT {
        bad(0, super::too_large());
        return Ok(0);
    }
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&document);
    let catalogue: Catalogue<'_> = match serde_json::from_slice(document) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            bad(0, error.to_string());
            return Ok(0);
        }
    };
    writer.dated(&date(&catalogue.date_released));
    let mut taken = 0;
    for (number, raw) in (1..).zip(catalogue.vulnerabilities) {
        let entry: Vulnerability<'_> = match serde_json::from_str(raw.get()) {
            Ok(entry) => entry,
            Err(error) => {
                bad(number, error.to_string());
                continue;
            }
        };
        let due = date(&entry.due);
        let kev = KnownExploited {
            added: date(&entry.added),
            due: (!due.is_empty()).then_some(due),
            ransomware: entry.ransomware == "Known",
        };
        if writer.push(&entry.cve, &Entry::Kev(kev)) {
            taken += 1;
        } else {
            bad(number, format!("{:?} is no CVE", entry.cve.chars().take(60).collect::<String>()));
        }
    }
    Ok(taken)
}

/// A date or time of the source: only what dates are written with, and no more of it.
fn date(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z' | '+');
    text.chars().take(40).filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use advisory::enrichment::{EnrichmentFile, Kind};

    use super::*;

    #[test]
    fn reads_the_catalogue() {
        let text = r#"{"title": "t", "catalogVersion": "1", "dateReleased": "2025-08-25T17:04:19.9796Z", "count": 4,
            "vulnerabilities": [
            {"cveID": "CVE-2025-48384", "dateAdded": "2025-08-25", "dueDate": "2025-09-15",
             "knownRansomwareCampaignUse": "Unknown", "cwes": ["CWE-59"], "notes": "\u2019"},
            {"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10", "knownRansomwareCampaignUse": "Known"},
            {"cveID": "none"}, {"id": 1}, 7]}"#;
        let mut writer = EnrichmentWriter::new(Kind::Kev);
        let mut bad = Vec::new();
        let taken = read(&mut text.as_bytes(), &mut writer, &mut |at, _| bad.push(at)).unwrap();
        assert_eq!((taken, bad), (2, vec![3, 4, 5]));
        let dir = tempfile::tempdir().unwrap();
        let file = EnrichmentFile::open(&writer.finish(dir.path(), "", "").unwrap().path).unwrap();
        assert_eq!(file.info().dated, "2025-08-25T17:04:19.9796Z");
        let git =
            KnownExploited { added: "2025-08-25".into(), due: Some("2025-09-15".into()), ransomware: false };
        assert_eq!(file.get("CVE-2025-48384"), Some(Entry::Kev(git)));
        let log4j = KnownExploited { added: "2021-12-10".into(), due: None, ransomware: true };
        assert_eq!(file.get("CVE-2021-44228"), Some(Entry::Kev(log4j)));
    }

    #[test]
    fn what_is_no_catalogue_is_told() {
        for text in ["", "{", "[]", "{\"vulnerabilities\": {}}", "{\"vulnerabilities\": [1", "\u{0}"] {
            let mut bad = 0;
            let mut writer = EnrichmentWriter::new(Kind::Kev);
            let taken = read(&mut text.as_bytes(), &mut writer, &mut |_, _| bad += 1).unwrap();
            assert_eq!((taken, bad), (0, 1), "{text}");
        }
    }
}
