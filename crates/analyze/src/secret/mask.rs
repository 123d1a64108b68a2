//! What of a find may be shown: a short piece of its line, in which it, and whatever else looks like a secret, is
//! masked. Excerpts are stored and sent everywhere, so they never hold more than a small share of a secret.

use std::ops::Range;

use crate::text;

/// Most bytes shown before a secret.
const BEFORE_MAX: usize = 60;
/// Most bytes shown behind a secret.
const BEHIND_MAX: usize = 20;
/// What stands for what is not shown. It does not tell how long that is.
const MASK: &[u8] = b"****";
/// So many characters in a row, not all of one kind, are masked wherever they stand beside a find.
const RUN_MIN: usize = 12;

/// The excerpt for one of `secrets`, which are sorted by start, may overlap, and lie in `bytes`.
pub(super) fn excerpt(bytes: &[u8], secret: &Range<usize>, secrets: &[Range<usize>]) -> String {
    let get = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    let low = secret.start.saturating_sub(BEFORE_MAX);
    let before = get(low..secret.start);
    let low = memchr::memrchr2(b'\n', b'\r', before).map_or(low, |at| low + at + 1);
    let is_one_line = memchr::memchr2(b'\n', b'\r', get(secret.clone())).is_none();
    let high = if is_one_line { secret.end.saturating_add(BEHIND_MAX).min(bytes.len()) } else { secret.end };
    let high = memchr::memchr2(b'\n', b'\r', get(secret.end..high)).map_or(high, |at| secret.end + at);

    let mut out = Vec::with_capacity(BEFORE_MAX + BEHIND_MAX + 20);
    // A word that the edge cuts through is left out: it may be the rest of something.
    let is_cut = low > 0 && !matches!(bytes.get(low - 1), Some(b'\n' | b'\r'));
    push_context(&mut out, bytes, low..secret.start, secrets, is_cut, false);
    push_masked(&mut out, get(secret.clone()), is_one_line);
    let is_cut = high < bytes.len() && !matches!(bytes.get(high), Some(b'\n' | b'\r'));
    push_context(&mut out, bytes, secret.end..high, secrets, false, is_cut && is_one_line);
    text::line(&out).unwrap_or_else(|| "****".to_owned())
}

/// A secret as it may be shown: of a long one, an eighth at its start and a sixteenth at its end, at most four and
/// two characters.
fn push_masked(out: &mut Vec<u8>, secret: &[u8], is_one_line: bool) {
    let plain = is_one_line && secret.iter().all(u8::is_ascii_graphic);
    let (head, tail) = if plain { ((secret.len() / 8).min(4), (secret.len() / 16).min(2)) } else { (0, 0) };
    out.extend_from_slice(secret.get(..head).unwrap_or_default());
    out.extend_from_slice(MASK);
    out.extend_from_slice(secret.get(secret.len() - tail..).unwrap_or_default());
}

/// What stands beside the secret: other secrets are masked, and so is every long run that might be one.
fn push_context(
    out: &mut Vec<u8>,
    bytes: &[u8],
    range: Range<usize>,
    secrets: &[Range<usize>],
    cut_start: bool,
    cut_end: bool,
) {
    let context = bytes.get(range.clone()).unwrap_or_default();
    let mut hidden: Vec<bool> = vec![false; context.len()];
    let mut hide = |from: usize, to: usize| {
        let (from, to) =
            (from.max(range.start) - range.start, to.min(range.end).max(range.start) - range.start);
        if let Some(part) = hidden.get_mut(from.min(to)..to) {
            part.fill(true);
        }
    };
    for other in secrets.iter().take_while(|other| other.start < range.end) {
        hide(other.start, other.end);
    }
    let is_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | 0x80..);
    let mut at = 0;
    for run in context.split(|byte| !is_word(byte)) {
        let end = at + run.len();
        let is_cut = (cut_start && at == 0) || (cut_end && end == context.len());
        let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
        let is_mixed =
            has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase));
        let is_long = (run.len() >= RUN_MIN && is_mixed) || run.len() > 3 * RUN_MIN;
        if is_cut || is_long {
            hide(range.start + at, range.start + end);
        }
        at = end + 1;
    }
    let mut was_hidden = false;
    for (byte, is_hidden) in context.iter().zip(hidden) {
        if !is_hidden {
            out.push(*byte);
        } else if !was_hidden {
            out.extend_from_slice(MASK);
        }
        was_hidden = is_hidden;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<...>` marks secrets, `[...]` the one that the excerpt is for.
    fn check(marked: &str, expected: &str) {
        let mut bytes = Vec::new();
        let (mut secrets, mut start, mut own) = (Vec::new(), 0, 0..0);
        for byte in marked.bytes() {
            match byte {
                b'<' | b'[' => start = bytes.len(),
                b'>' => secrets.push(start..bytes.len()),
                b']' => {
                    own = start..bytes.len();
                    secrets.push(own.clone());
                }
                _ => bytes.push(byte),
            }
        }
        assert_eq!(excerpt(&bytes, &own, &secrets), expected, "{marked:?}");
    }

    #[test]
    fn shows_little_of_a_secret_and_nothing_of_its_neighbours() {
        check("password = [hunter2]", "password = ****");
        check("KEY=[abcdefghijklmnopqrstuvwxyz012345]\r\nnext", "KEY=abcd****45");
        check("a=<first-secret>; b=[second-one]; c=<third> d", "a=****; b=s****; c=**** d");
        check("-----BEGIN KEY-----[\nabc\ndef\n]-----END", "-----BEGIN KEY-----****");
        check("x = q8f7w6e5r4t3y2u1; key = [abcdefgh]", "x = ****; key = a****");
        check("\u{1b}[]31m [abc] \u{1b}]", "31m ****");
        check("[]", "****");
    }

    #[test]
    fn never_longer_than_a_line() {
        let bytes = vec![b'a'; 10_000];
        let secret = 5_000..5_100;
        let secrets = vec![secret.clone()];
        let text = excerpt(&bytes, &secret, &secrets);
        assert_eq!(text, "****aaaa****aa****");
        let control = vec![0x1b; 10_000];
        assert_eq!(excerpt(&control, &secret, &secrets), "****");
    }
}
