//! CVSS vectors of CVEs: NVD's 2.0 documents (nvd.nist.gov, "nvdcve-2.0"), CVE records of version 5 (cve.org, as CISA's
//! vulnrichment holds them), and extracts of the latter, one JSON object a line.
//!
//! Scores are computed from the vectors; what a source writes beside them is not taken.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read as _},
};

use advisory::enrichment::{EnrichmentWriter, Entry};
use model::{Severity, SourceRating};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Bad;
use crate::score::base_tenths;

/// Largest document, and largest line. NVD's year of 2024 has some 250 MB.
const MAX_DOCUMENT: u64 = 1 << 30;
/// Most ratings that are kept of one CVE.
const MAX_RATINGS: usize = 16;

/// True when a file begins as one of the three does.
pub(super) fn is_severity(has: &dyn Fn(&str) -> bool) -> bool {
    has("\"NVD_CVE\"") || has("\"CVE_RECORD\"") || (has("\"cvss\":[") && has("\"id\":\"CVE-"))
}

pub(super) fn read(
    reader: &mut dyn BufRead,
    writer: &mut EnrichmentWriter,
    bad: &mut Bad<'_>,
) -> io::Result<u64> {
    let mut taken = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.take(MAX_DOCUMENT + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // A document of several lines: the rest belongs to it.
        let whole = serde_json::from_slice::<&RawValue>(line.trim_ascii()).is_ok();
        if !whole && number == 1 {
            reader.take(MAX_DOCUMENT + 1).read_to_end(&mut line)?;
        }
        if line.len() as u64 > MAX_DOCUMENT {
            bad(number, super::too_large());
            break;
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        match document(text) {
            Ok(found) => {
                for (cve, ratings) in found {
                    taken +=
                        u64::from(!ratings.is_empty() && writer.push(&cve, &Entry::CveSeverity(ratings)));
                }
            }
            Err(error) => bad(number, error.to_string()),
        }
    }
    Ok(taken)
}

type Rated<'a> = (Cow<'a, str>, Vec<SourceRating>);

fn document(text: &[u8]) -> Result<Vec<Rated<'_>>, serde_json::Error> {
    let document: Document<'_> = serde_json::from_slice(text)?;
    if let Some(entries) = document.vulnerabilities {
        return Ok(entries.into_iter().map(|entry| (entry.cve.id, nvd(entry.cve.metrics))).collect());
    }
    if let (Some(id), Some(list)) = (document.id, document.cvss) {
        let ratings = list.into_iter().filter_map(|entry| {
            let source = entry.source.strip_prefix("adp:").or_else(|| entry.source.strip_prefix("cna:"));
            rating(source.unwrap_or(&entry.source), &entry.vector)
        });
        return Ok(vec![(id, chosen_first(ratings.collect()))]);
    }
    let Some((meta, containers)) = document.meta.zip(document.containers) else { return Ok(Vec::new()) };
    let mut ratings = Vec::new();
    for container in containers.cna.into_iter().chain(containers.adp) {
        let who = container.provider.short_name;
        let vectors = container.metrics.iter().flat_map(|metric| {
            [&metric.v4_0, &metric.v3_1, &metric.v3_0, &metric.v2_0].into_iter().flatten()
        });
        ratings.extend(vectors.filter_map(|cvss| rating(&who, &cvss.vector)));
    }
    Ok(vec![(meta.id, chosen_first(ratings))])
}

fn nvd(metrics: Metrics<'_>) -> Vec<SourceRating> {
    let all = [metrics.v40, metrics.v31, metrics.v30, metrics.v2].into_iter().flatten();
    let primary = |metric: &Metric<'_>| metric.kind != "Primary";
    let mut all: Vec<Metric<'_>> = all.collect();
    all.sort_by_key(primary);
    chosen_first(all.into_iter().filter_map(|m| rating(&m.source, &m.cvss.vector)).collect())
}

fn rating(source: &str, vector: &str) -> Option<SourceRating> {
    let score_tenths = base_tenths(vector)?;
    Some(SourceRating {
        source: source.chars().filter(|c| !c.is_control()).take(80).collect(),
        shard: "cve-severity".to_owned(),
        severity: Severity::from_score(f64::from(score_tenths) / 10.0),
        score_tenths: Some(score_tenths),
        vector: Some(vector.to_owned()),
    })
}

/// A vector of version 3 or 4 goes before one of version 2, which knows no `critical`; else the source's order stays.
fn chosen_first(mut ratings: Vec<SourceRating>) -> Vec<SourceRating> {
    ratings.sort_by_key(|rating| rating.cvss_version() == Some("2.0"));
    ratings.truncate(MAX_RATINGS);
    ratings
}

/// One of the three.
#[derive(Deserialize)]
struct Document<'a> {
    // NVD.
    #[serde(borrow)]
    vulnerabilities: Option<Vec<NvdEntry<'a>>>,
    // A line of an extract.
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cvss: Option<Vec<Extract<'a>>>,
    // A CVE record.
    #[serde(borrow, rename = "cveMetadata")]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    containers: Option<Containers<'a>>,
}

#[derive(Deserialize)]
struct Extract<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    vector: Cow<'a, str>,
}

#[derive(Deserialize)]
struct NvdEntry<'a> {
    #[serde(borrow)]
    cve: NvdCve<'a>,
}

#[derive(Deserialize)]
struct NvdCve<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    metrics: Metrics<'a>,
}

#[derive(Default, Deserialize)]
struct Metrics<'a> {
    #[serde(borrow, default, rename = "cvssMetricV40")]
    v40: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV31")]
    v31: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV30")]
    v30: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV2")]
    v2: Vec<Metric<'a>>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, rename = "cvssData")]
    cvss: Cvss<'a>,
}

#[derive(Deserialize)]
struct Cvss<'a> {
    #[serde(borrow, default, rename = "vectorString")]
    vector: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "cveId")]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Containers<'a> {
    #[serde(borrow)]
    cna: Option<Container<'a>>,
    #[serde(borrow, default)]
    adp: Vec<Container<'a>>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow, default, rename = "providerMetadata")]
    provider: Provider<'a>,
    #[serde(borrow, default)]
    metrics: Vec<RecordMetric<'a>>,
}

#[derive(Default, Deserialize)]
struct Provider<'a> {
    #[serde(borrow, default, rename = "shortName")]
    short_name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RecordMetric<'a> {
    #[serde(borrow, rename = "cvssV4_0")]
    v4_0: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV3_1")]
    v3_1: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV3_0")]
    v3_0: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV2_0")]
    v2_0: Option<Cvss<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = document(text.as_bytes()).unwrap();
        let text = |(cve, ratings): &Rated<'_>| {
            let ratings = ratings.iter().map(|r| {
                format!(
                    "{}={}/{}",
                    r.source,
                    r.score_tenths.unwrap_or_default(),
                    r.cvss_version().unwrap_or_default()
                )
            });
            format!("{cve} {}", ratings.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(found.iter().map(text).collect::<Vec<_>>().join("; "), expected);
    }

    #[test]
    fn reads_all_three_forms() {
        check(
            r#"{"id":"CVE-1999-0006","cna":"mitre","cvss":[{"source":"adp:CISA-ADP","version":"3.1","vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","score":1.0,"severity":"LOW"},{"source":"x","vector":"nonsense"}],"kev":null}"#,
            "CVE-1999-0006 CISA-ADP=98/3.1",
        );
        check(
            r#"{"format":"NVD_CVE","version":"2.0","vulnerabilities":[{"cve":{"id":"CVE-2024-0001","metrics":{
              "cvssMetricV2":[{"source":"nvd@nist.gov","type":"Primary","cvssData":{"vectorString":"AV:N/AC:L/Au:N/C:P/I:P/A:P"}}],
              "cvssMetricV31":[{"source":"vendor","type":"Secondary","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}},
              {"source":"nvd@nist.gov","type":"Primary","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}},
              {"cve":{"id":"CVE-2024-0002"}}]}"#,
            "CVE-2024-0001 nvd@nist.gov=98/3.1 vendor=75/3.1 nvd@nist.gov=75/2.0; CVE-2024-0002 ",
        );
        check(
            r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2024-0003"},"containers":{
              "cna":{"providerMetadata":{"shortName":"vendor"},"metrics":[{"other":{}},{"cvssV4_0":{"vectorString":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}}]},
              "adp":[{"providerMetadata":{"shortName":"CISA-ADP"},"metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}]}}"#,
            "CVE-2024-0003 vendor=93/4.0 CISA-ADP=98/3.1",
        );
        check("{}", "");
    }

    #[test]
    fn lines_and_documents_are_told_apart() {
        use advisory::enrichment::Kind;
        let line = |n| {
            format!(
                r#"{{"id":"CVE-2024-{n}","cvss":[{{"source":"a","vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}"#
            )
        };
        let count = |text: &str| {
            let mut writer = EnrichmentWriter::new(Kind::CveSeverity);
            let mut bad = 0;
            let taken = read(&mut text.as_bytes(), &mut writer, &mut |_, _| bad += 1).unwrap();
            (taken, bad)
        };
        assert_eq!(count(&format!("{}\n\n{}\n{{\n{}", line(1001), line(1002), line(1003))), (3, 1));
        assert_eq!(count(&line(1001).replace(",\"cvss", ",\n\"cvss")), (1, 0));
        assert_eq!(count("{\n\"id\": 1}"), (0, 1));
        assert_eq!(count(""), (0, 0));
    }
}
