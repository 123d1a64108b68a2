//! FIRST's exploit prediction scores: a table of `cve,epss,percentile` (first.org/epss/data_stats).
//!
//! A comment with the model's version and the day of the scores may come first. Copies with semicolons are about too.

use std::io::{self, BufRead, Read as _};

use advisory::enrichment::{EnrichmentWriter, Entry};
use model::Epss;

use super::Bad;

/// Longest line, in bytes.
const MAX_LINE: u64 = 4096;
/// Most lines: some twenty times of what there was in 2026.
const MAX_LINES: u64 = 8_000_000;

/// True when a file begins as such a table does.
pub(super) fn is_epss(start: &[u8]) -> bool {
    let mut lines = start.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let header = if first.starts_with(b"#") { lines.next().unwrap_or_default() } else { first };
    header.starts_with(b"cve,epss,percentile") || header.starts_with(b"cve;epss;percentile")
}

pub(super) fn read(
    reader: &mut dyn BufRead,
    writer: &mut EnrichmentWriter,
    bad: &mut Bad<'_>,
) -> io::Result<u64> {
    let mut line = Vec::new();
    let mut taken = 0;
    for number in 1..=MAX_LINES {
        line.clear();
        if reader.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            bad(number, "the line is too long".to_owned());
            reader.skip_until(b'\n')?;
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if let Some(comment) = text.strip_prefix('#') {
            let date = comment.split(',').find_map(|part| part.trim().strip_prefix("score_date:"));
            writer.dated(date.unwrap_or_default().get(..10).unwrap_or_default());
        } else if !text.is_empty() && !text.starts_with("cve") {
            match entry(text) {
                Some((cve, epss)) if writer.push(cve, &Entry::Epss(epss)) => taken += 1,
                _ => bad(number, "it is no line of CVE, score and percentile".to_owned()),
            }
        }
    }
    Ok(taken)
}

fn entry(line: &str) -> Option<(&str, Epss)> {
    let mut fields = line.split([',', ';']).map(|field| field.trim().trim_matches('"'));
    let cve = fields.next()?;
    let score_millionths = millionths(fields.next()?)?;
    Some((cve, Epss { score_millionths, percentile_millionths: millionths(fields.next()?)? }))
}

/// A share between 0 and 1.
fn millionths(text: &str) -> Option<u32> {
    let share: f64 = text.parse().ok()?;
    let millionths = (share * f64::from(Epss::WHOLE)).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..=f64::from(Epss::WHOLE)).contains(&millionths).then_some(millionths as u32)
}

#[cfg(test)]
mod tests {
    use advisory::enrichment::{EnrichmentFile, Kind};

    use super::*;

    fn check(text: &str, expected: &[(&str, u32, u32)], bad_lines: &[u64], dated: &str) {
        let mut writer = EnrichmentWriter::new(Kind::Epss);
        let mut bad = Vec::new();
        let taken = read(&mut text.as_bytes(), &mut writer, &mut |at, _| bad.push(at)).unwrap();
        assert_eq!((taken, bad.as_slice()), (expected.len() as u64, bad_lines), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let file = EnrichmentFile::open(&writer.finish(dir.path(), "", "").unwrap().path).unwrap();
        for (cve, score_millionths, percentile_millionths) in expected {
            let epss =
                Epss { score_millionths: *score_millionths, percentile_millionths: *percentile_millionths };
            assert_eq!(file.epss(cve), Some(epss), "{cve}");
        }
        assert_eq!(file.info().dated, dated);
    }

    #[test]
    fn reads_the_table() {
        check(
            "#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000\ncve,epss,percentile\r\n\
             CVE-1999-0001,0.01025,0.76443\r\nCVE-2021-44228,0.94358,0.99958\nCVE-2024-0001,1,0\n",
            &[
                ("CVE-1999-0001", 10_250, 764_430),
                ("CVE-2021-44228", 943_580, 999_580),
                ("CVE-2024-0001", 1_000_000, 0),
            ],
            &[],
            "2026-11-20",
        );
        check(
            "cve;epss;percentile\nCVE-1999-0001;0.033510000;0.876500000",
            &[("CVE-1999-0001", 33_510, 876_500)],
            &[],
            "",
        );
        let long = "x".repeat(5000);
        check(
            &format!(
                "cve,epss,percentile\nCVE-2024-0001,1.5,0\nCVE-2024-0001,NaN,0\nCVE-2024-0001,-1,0\nCVE-1,0,0\n{long}\nCVE-2024-0002,0,0\nCVE-2024-0003,0"
            ),
            &[("CVE-2024-0002", 0, 0)],
            &[2, 3, 4, 5, 6, 8],
            "",
        );
    }
}
