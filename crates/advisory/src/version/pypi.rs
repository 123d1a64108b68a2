//! Python's order (PEP 440, now the "version specifiers" specification of packaging.python.org, with its
//! appendix on parsing).

use std::cmp::Ordering;

use super::{
    Scheme, compare_caseless, compare_digits, compare_dotted, compare_parsed, split_digits, split_run,
};

/// The order of PEP 440.
///
/// What it does not define (`2004d`, `1.0-final`) sorts below all that it does, as Python's packaging tools
/// sorted such legacy versions while they still took them.
pub struct Pypi;

impl Scheme for Pypi {
    fn name(&self) -> &'static str {
        "pypi"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, Version::order)
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// Spellings of the phases before a release, with their places; longer ones before their beginnings.
const PRE: [(&[u8], u8); 8] =
    [(b"alpha", 0), (b"a", 0), (b"beta", 1), (b"b", 1), (b"preview", 2), (b"pre", 2), (b"rc", 2), (b"c", 2)];
/// Spellings of a post-release, longer ones before their beginnings.
const POST: [(&[u8], u8); 3] = [(b"post", 0), (b"rev", 0), (b"r", 0)];
const DEV: [(&[u8], u8); 1] = [(b"dev", 0)];

/// A version as slices of its text; an empty number is 0.
struct Version<'a> {
    epoch: &'a [u8],
    /// Numbers with dots between them.
    release: &'a [u8],
    pre: Option<(u8, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    /// Segments with `.`, `-` or `_` between them.
    local: Option<&'a [u8]>,
}

fn parse(text: &str) -> Option<Version<'_>> {
    let mut rest = text.trim_matches(|c: char| !c.is_ascii_graphic() && c.is_whitespace()).as_bytes();
    if let [b'v' | b'V', tail @ ..] = rest {
        rest = tail;
    }
    let (first, tail) = split_digits(rest);
    if first.is_empty() {
        return None;
    }
    let mut epoch = &[][..];
    if let [b'!', tail @ ..] = tail {
        epoch = first;
        rest = tail;
    }
    let (release, tail) = split_release(rest)?;
    if tail.is_empty() {
        return Some(Version { epoch, release, pre: None, post: None, dev: None, local: None });
    }
    rest = tail;
    let pre = take_phase(&mut rest, &PRE);
    let post = take_implicit_post(&mut rest).or_else(|| take_phase(&mut rest, &POST).map(|(_, n)| n));
    let dev = take_phase(&mut rest, &DEV).map(|(_, n)| n);
    let local = match rest {
        [] => None,
        [b'+', local @ ..] if is_local(local) => Some(local),
        _ => return None,
    };
    Some(Version { epoch, release, pre, post, dev, local })
}

/// Splits off `1.2.3`; a dot that no digit follows is left to what comes next.
fn split_release(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, mut rest) = split_digits(text);
    if first.is_empty() {
        return None;
    }
    while let [b'.', tail @ ..] = rest {
        let (number, tail) = split_digits(tail);
        if number.is_empty() {
            break;
        }
        rest = tail;
    }
    text.split_at_checked(text.len() - rest.len())
}

/// Takes `[sep]word[sep][number]` if one of the words is there.
fn take_phase<'a>(text: &mut &'a [u8], words: &[(&[u8], u8)]) -> Option<(u8, &'a [u8])> {
    let body = skip_separator(text);
    if !body.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let (tail, place) = words.iter().find_map(|(word, place)| {
        let (start, tail) = body.split_at_checked(word.len())?;
        start.eq_ignore_ascii_case(word).then_some((tail, *place))
    })?;
    let (number, rest) = split_digits(skip_separator(tail));
    *text = rest;
    Some((place, number))
}

/// `1.0-1` means `1.0.post1`.
fn take_implicit_post<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (number, rest) = split_digits(text.strip_prefix(b"-")?);
    if number.is_empty() {
        return None;
    }
    *text = rest;
    Some(number)
}

fn skip_separator(text: &[u8]) -> &[u8] {
    match text {
        [b'.' | b'-' | b'_', rest @ ..] => rest,
        _ => text,
    }
}

const fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

fn is_local(text: &[u8]) -> bool {
    text.split(is_separator).all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric))
}

impl Version<'_> {
    fn order(&self, other: &Self) -> Ordering {
        compare_digits(self.epoch, other.epoch)
            // Trailing zeros make no difference.
            .then_with(|| compare_dotted(self.release, other.release))
            .then_with(|| self.compare_phases(other))
            .then_with(|| match (self.local, other.local) {
                (Some(a), Some(b)) => compare_local(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
    }

    fn compare_phases(&self, other: &Self) -> Ordering {
        let (phase, number) = self.phase();
        let (other_phase, other_number) = other.phase();
        phase
            .cmp(&other_phase)
            .then_with(|| compare_digits(number, other_number))
            .then_with(|| match (self.post, other.post) {
                (Some(a), Some(b)) => compare_digits(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
            .then_with(|| match (self.dev, other.dev) {
                (Some(a), Some(b)) => compare_digits(a, b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            })
    }

    /// A development version of the release itself comes before its first alpha; a final or post-release
    /// after its last candidate.
    const fn phase(&self) -> (u8, &[u8]) {
        match (self.pre, self.post, self.dev) {
            (Some((place, number)), ..) => (place + 1, number),
            (None, None, Some(_)) => (0, &[]),
            (None, ..) => (u8::MAX, &[]),
        }
    }
}

/// Segment by segment: a number is above a word, and more segments are above fewer.
fn compare_local(a: &[u8], b: &[u8]) -> Ordering {
    let mut left = a.split(is_separator);
    let mut right = b.split(is_separator);
    loop {
        let (x, y) = match (left.next(), right.next()) {
            (Some(x), Some(y)) => (x, y),
            (x, y) => return x.is_some().cmp(&y.is_some()),
        };
        let numeric = |part: &[u8]| split_run(part, |byte| byte.is_ascii_digit()).1.is_empty();
        let order = match (numeric(x), numeric(y)) {
            (true, true) => compare_digits(x, y),
            (false, false) => compare_caseless(x, y),
            (x, y) => x.cmp(&y),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling() {
        for good in [
            "1",
            "v1.0",
            " 1.0\n",
            "1!2.0",
            "1.0a",
            "1.0.ALPHA-1",
            "1.0_c.1",
            "1.0preview2",
            "1.0-1",
            "1.0r4",
            "1.0.post",
            "1.0-rev.3",
            "1.0dev",
            "1.0a1.post2.dev3+L.1-x_2",
            "1.0a.",
            "1.0a--1",
            "1.0.dev-",
        ] {
            assert!(Pypi.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "v",
            "!1",
            "a!1",
            "1.",
            "1.0-",
            "1.0.",
            "1.0p1",
            "1.0-final",
            "2004d",
            "1.0+",
            "1.0+a..b",
            "1.0+é",
            "1.0a1b2",
            "1.0dev1post1",
            "1.0.dev1.",
            "1 0",
            "1.0-1-1",
            "1.*",
            "french toast",
            "1٣",
        ] {
            assert!(!Pypi.is_valid(bad), "{bad:?}");
            assert_eq!(Pypi.compare(bad, "0.dev"), Ordering::Less, "{bad:?}");
        }
    }
}
