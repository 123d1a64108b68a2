//! Debian's order (deb-version(7)): `[epoch:]upstream[-revision]`.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, compare_parsed, letters_digits_and, skip_common, split_digits};

/// dpkg's order.
///
/// A missing epoch or revision is 0. A text is defined when each part has only the characters that
/// deb-version(7) allows it. That an upstream version begins with a digit is only a "should" there, and not
/// asked for here.
pub struct Deb;

impl Scheme for Deb {
    fn name(&self) -> &'static str {
        "deb"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, |a, b| {
            compare_digits(a.epoch, b.epoch)
                .then_with(|| compare_part(a.upstream, b.upstream))
                .then_with(|| compare_part(a.revision, b.revision))
        })
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

struct Version<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

static ALLOWED: [bool; 256] = letters_digits_and(b".+~-:");

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim_ascii().as_bytes();
    let mut first_colon = None;
    let mut last_colon = None;
    let mut last_hyphen = None;
    for (place, byte) in text.iter().enumerate() {
        if !ALLOWED[usize::from(*byte)] {
            return None;
        }
        match byte {
            b':' => {
                first_colon = first_colon.or(Some(place));
                last_colon = Some(place);
            }
            b'-' => last_hyphen = Some(place),
            _ => {}
        }
    }
    // The upstream version has a colon only after an epoch and a hyphen only where a revision follows, by
    // the way the text is split; a revision has none of them.
    if last_hyphen.is_some() && last_colon > last_hyphen {
        return None;
    }
    let (epoch, start) = match first_colon {
        Some(colon) => (text.get(..colon).filter(|epoch| !epoch.is_empty())?, colon + 1),
        None => (&[][..], 0),
    };
    let (upstream, revision) = match last_hyphen {
        Some(hyphen) => {
            (text.get(start..hyphen)?, text.get(hyphen + 1..).filter(|revision| !revision.is_empty())?)
        }
        None => (text.get(start..)?, &[][..]),
    };
    let valid = !upstream.is_empty() && epoch.iter().all(u8::is_ascii_digit);
    valid.then_some(Version { epoch, upstream, revision })
}

/// Compares an upstream version or a revision: what is no digit byte by byte, then digits as a number, and
/// so on to the end.
fn compare_part(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = skip_common(a, b);
    loop {
        loop {
            let x = weight(a);
            let order = x.cmp(&weight(b));
            if order.is_ne() {
                return order;
            }
            // Equal weights other than 0 are equal bytes; 0 is a digit or the end, on both sides.
            if x == 0 {
                break;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        if a.is_empty() && b.is_empty() {
            return Ordering::Equal;
        }
        let (x, rest_a) = split_digits(a);
        let (y, rest_b) = split_digits(b);
        let order = compare_digits(x, y);
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The place of the first byte: a tilde is below the end, letters are below all other characters.
fn weight(text: &[u8]) -> i16 {
    match text.first() {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i16::from(*byte),
        Some(byte) => i16::from(*byte) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_dpkg_refuses() {
        for good in ["1", "0:1", "1:2:3-4", "1-2-3", "1~rc1+dfsg-1~bpo12+1", "a1", " 1.0 "] {
            assert!(Deb.is_valid(good), "{good:?}");
        }
        for bad in ["", " ", ":1", "a:1", "1:", "1-", "-1", "1:-1", "1_2", "1-2:3", "1 2", "1.0é", "1\0"] {
            assert!(!Deb.is_valid(bad), "{bad:?}");
            assert_eq!(Deb.compare(bad, "0~~"), Ordering::Less, "{bad:?}");
        }
    }
}
