//! The time that a report speaks for.
//!
//! A report is a function of an image and of the advisories at hand, so its time is that of the newest advisories
//! that were looked at; without any, the time at which the image says that it was made. It is the same for equal
//! reports, whenever they are written.

use jiff::Timestamp;
use model::Report;

/// In UTC, to the second: `2026-11-21T06:00:00Z`.
pub(crate) fn of(report: &Report) -> Option<String> {
    let built = report.coverage.iter().filter_map(|coverage| read(coverage.built.as_deref()?)).max();
    let time = built.or_else(|| read(report.image.created.as_deref()?))?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Times before 1970 are no times of scans; some tools write the year 1.
fn read(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().filter(|time| *time >= Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_newest_advisories_count() {
        let mut report = sample::report();
        assert_eq!(of(&report).unwrap(), "2026-11-21T04:00:00Z");
        report.coverage.clear();
        assert_eq!(of(&report).unwrap(), "2024-01-01T00:00:00Z");
        for created in ["0001-01-01T00:00:00Z", "yesterday", ""] {
            report.image.created = Some(created.into());
            assert_eq!(of(&report), None, "{created}");
        }
    }
}
