//! Short texts as an image records them: bounded and fit to be shown.
//!
//! Names and versions of hostile images end up in terminals, logs and pages, so nothing that steers a
//! terminal passes here. Escaping for a particular output is not done here.

use std::borrow::Cow;

/// Longest name, version, architecture or distro id, in bytes. The longest real ones are below 220.
pub const TOKEN_MAX: usize = 512;

/// Longest text for people (a maintainer, a licence, a pretty name), in bytes; the rest is cut off.
pub const LINE_MAX: usize = 512;

/// A name, version or architecture: trimmed, decoded leniently. `None` when it is empty, longer than
/// [`TOKEN_MAX`] or holds a control character: such a text must not be cut or mended, for it would then name
/// something else.
pub fn token(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() || bytes.len() > TOKEN_MAX {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(text.into_owned());
    }
    if text.chars().any(is_unfit) { None } else { Some(text.into_owned()) }
}

/// A text for people: control characters become spaces, runs of spaces one, and what is beyond [`LINE_MAX`]
/// is cut off. `None` when nothing is left.
pub fn line(bytes: &[u8]) -> Option<String> {
    // Nearly all texts are plain and need no second look.
    if let Some(text) = plain(bytes.trim_ascii()) {
        return Some(text.to_owned());
    }
    // Lossy decoding may triple the length: cut before and after it.
    let head = bytes.trim_ascii();
    let head = head.get(..LINE_MAX).unwrap_or(head);
    let decoded: Cow<'_, str> = String::from_utf8_lossy(head);
    let mut text = String::with_capacity(decoded.len());
    for c in decoded.chars() {
        let c = if is_unfit(c) || c.is_whitespace() { ' ' } else { c };
        if c == ' ' && (text.is_empty() || text.ends_with(' ')) {
            continue;
        }
        if text.len() + c.len_utf8() > LINE_MAX {
            break;
        }
        text.push(c);
    }
    text.truncate(text.trim_end().len());
    if text.is_empty() { None } else { Some(text) }
}

/// A short text of printable ASCII without runs of blanks, as it is.
fn plain(bytes: &[u8]) -> Option<&str> {
    let printable =
        !bytes.is_empty() && bytes.len() <= LINE_MAX && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
    let single_blanks = || bytes.windows(2).all(|pair| pair != b"  ");
    if printable && single_blanks() { std::str::from_utf8(bytes).ok() } else { None }
}

/// Control characters, and those that change the direction of the text around them.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_whole_or_not_at_all() {
        assert_eq!(token(b" libc6 ").as_deref(), Some("libc6"));
        assert_eq!(token(b"caf\xe9").as_deref(), Some("caf\u{fffd}"));
        assert_eq!(token(&[b'a'; TOKEN_MAX]).map(|t| t.len()), Some(TOKEN_MAX));
        for bad in [&b""[..], b"  ", b"a\0b", b"a\x1b[31mb", "a\u{202e}b".as_bytes(), &[b'a'; TOKEN_MAX + 1]]
        {
            assert_eq!(token(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lines_are_made_fit() {
        assert_eq!(line(b" A  b\tc\x1b[31m ").as_deref(), Some("A b c [31m"));
        assert_eq!(
            line(b" A. Keeper <keeper@example.org> ").as_deref(),
            Some("A. Keeper <keeper@example.org>")
        );
        assert_eq!(line("Bj\u{f6}rk  \u{202e}x".as_bytes()).as_deref(), Some("Bj\u{f6}rk x"));
        assert_eq!(line(b" \0 "), None);
        assert_eq!(line(b""), None);
        assert_eq!(line(&[b'a'; 4 * LINE_MAX]).map(|t| t.len()), Some(LINE_MAX));
        assert!(line(&[0xff; 4 * LINE_MAX]).is_some_and(|t| t.len() <= LINE_MAX));
    }
}
