//! Debian's order (deb-version(7)): `[epoch:]upstream[-revision]`.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, skip_common, split_digits};

/// dpkg's order.
///
/// A missing epoch or revision is 0. A text is defined when each part has only the characters that
/// deb-version(7) allows it; that an upstream version begins with a digit is only a "should" there, and not
/// asked for. Other texts are compared in the same way, as dpkg does after a warning.
pub struct Deb;

impl Scheme for Deb {
    fn name(&self) -> &'static str {
        "deb"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        let (a, b) = (Version::split(a), Version::split(b));
        compare_digits(a.epoch, b.epoch)
            .then_with(|| compare_part(a.upstream, b.upstream))
            .then_with(|| compare_part(a.revision.unwrap_or_default(), b.revision.unwrap_or_default()))
    }

    fn is_valid(&self, version: &str) -> bool {
        let Version { colon, upstream, revision, .. } = Version::split(version);
        let upstream_ok = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || b".+~".contains(byte)
                || (*byte == b':' && colon)
                || (*byte == b'-' && revision.is_some())
        };
        let revision_ok = |byte: &u8| byte.is_ascii_alphanumeric() || b".+~".contains(byte);
        !upstream.is_empty()
            && upstream.iter().all(upstream_ok)
            && revision.is_none_or(|revision| !revision.is_empty() && revision.iter().all(revision_ok))
    }
}

struct Version<'a> {
    /// An epoch is there.
    colon: bool,
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: Option<&'a [u8]>,
}

impl<'a> Version<'a> {
    fn split(text: &'a str) -> Self {
        let text = text.trim_ascii().as_bytes();
        let (colon, epoch, rest) = match split_digits(text) {
            (epoch, [b':', rest @ ..]) if !epoch.is_empty() => (true, epoch, rest),
            _ => (false, &[][..], text),
        };
        let (upstream, revision) = match rest.iter().rposition(|byte| *byte == b'-') {
            Some(hyphen) => {
                (rest.get(..hyphen).unwrap_or_default(), Some(rest.get(hyphen + 1..).unwrap_or_default()))
            }
            None => (rest, None),
        };
        Self { colon, epoch, upstream, revision }
    }
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
        }
    }
}
