//! Properties as the comment of an SPDX annotation, because the standard has no properties: one `name=value` in each
//! line, with `\n`, `\r` and `\\` for what would break a line.

use super::property::{PREFIX, Property};

/// The comment, unless there is nothing to say.
pub(crate) fn write(properties: &[Property]) -> Option<String> {
    let lines: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The properties of a comment; lines that are none are passed by.
pub(crate) fn read(comment: &str) -> Vec<(String, String)> {
    let property = |line: &str| {
        let (name, value) = line.split_once('=')?;
        name.starts_with(PREFIX).then(|| (name.to_owned(), unescape(value)))
    };
    comment.split('\n').filter_map(property).collect()
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in ["", "a", "a=b", "a\nb\r\n", "\\n", "\\", "a\\\nb", "ä\u{2028}"] {
            let properties = [("lazaret:path", value.to_owned()), ("lazaret:os", "linux".to_owned())];
            let read = read(&write(&properties).unwrap());
            assert_eq!(read[0], ("lazaret:path".to_owned(), value.to_owned()));
            assert_eq!(read.len(), 2, "{value}");
        }
        assert_eq!(write(&[]), None);
        assert_eq!(read("a note\nlazaret:os"), []);
    }
}
