//! Times of documents.

/// A time in the one form that both standards take, `YYYY-MM-DDThh:mm:ssZ`, from what an image claims. `None` when
/// that is no time, or one of a year that has not four digits.
pub(crate) fn utc(text: &str) -> Option<String> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let written = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let plain = written.len() == 20 && !written.starts_with('-') && !written.starts_with("0000");
    plain.then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_one_way() {
        for (text, expected) in [
            ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.678901234Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05+02:00", Some("2024-01-02T01:04:05Z")),
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("0000-01-01T00:00:00Z", None),
            ("-000001-01-01T00:00:00Z", None),
            ("2024-01-02", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(utc(text).as_deref(), expected, "{text}");
        }
    }
}
