//! Lines of `Name: value` stanzas in the manner of RFC 822: dpkg's databases (deb822(5)) and Python's core
//! metadata share them.
//!
//! It splits bytes and copies nothing. It must not know any field's meaning, and it never fails: what is no
//! field is told as [`Line::Malformed`].

use memchr::{memchr, memchr_iter};

/// One line of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The first line of a field, both parts trimmed. Names are compared without regard to case by both formats.
    Field {
        /// What stands before the first colon; never empty.
        name: &'a [u8],
        /// The rest of the line; may be empty.
        value: &'a [u8],
    },
    /// A further line of the field above (it begins with a space or a tab), trimmed.
    Continuation(&'a [u8]),
    /// An empty line: the end of a stanza. A line of blanks only is a continuation.
    Blank,
    /// A line without a colon or without a name.
    Malformed,
}

/// The lines of `bytes`, which may end with LF or CRLF; a byte order mark in front is skipped.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut start = 0;
    // The end of the bytes ends the last line too, unless nothing follows the last line feed.
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.filter_map(move |end| {
        let line = bytes.get(start..end)?;
        let last = end == bytes.len();
        start = end.saturating_add(1);
        if last && line.is_empty() { None } else { Some(classify(line)) }
    })
}

fn classify(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.first() {
        None => return Line::Blank,
        Some(b' ' | b'\t') => return Line::Continuation(line.trim_ascii()),
        Some(_) => {}
    }
    let Some((name, value)) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
        return Line::Malformed;
    };
    let name = name.trim_ascii_end();
    if name.is_empty() {
        return Line::Malformed;
    }
    Line::Field { name, value: value.get(1..).unwrap_or_default().trim_ascii() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(name: &'a str, value: &'a str) -> Line<'a> {
        Line::Field { name: name.as_bytes(), value: value.as_bytes() }
    }

    fn check(input: &str, expected: &[Line<'_>]) {
        assert_eq!(lines(input.as_bytes()).collect::<Vec<_>>(), expected, "{input:?}");
    }

    #[test]
    fn splits_stanzas_into_lines() {
        check("", &[]);
        check("\n", &[Line::Blank]);
        check("A: b", &[field("A", "b")]);
        check("A: b\n", &[field("A", "b")]);
        check("A:b:c\n\nD :\n", &[field("A", "b:c"), Line::Blank, field("D", "")]);
        check(
            "A: b\n  more \n .\n\tx",
            &[
                field("A", "b"),
                Line::Continuation(b"more"),
                Line::Continuation(b"."),
                Line::Continuation(b"x"),
            ],
        );
        check("A: b\r\n\r\nC: d\r\n", &[field("A", "b"), Line::Blank, field("C", "d")]);
        check("A: b\n   \nC: d\n", &[field("A", "b"), Line::Continuation(b""), field("C", "d")]);
        check("\u{feff}A: b\n", &[field("A", "b")]);
    }

    #[test]
    fn tells_what_is_no_field() {
        check("no colon\n: no name\nA: b\n", &[Line::Malformed, Line::Malformed, field("A", "b")]);
        check("\0\0\0", &[Line::Malformed]);
    }
}
