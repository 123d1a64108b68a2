//! rpm's order of `[epoch:]version[-release]` (rpm-version(7), "Comparing").
//!
//! **A missing release** is below every release, as in rpm's own `labelCompare`; so `1.0 < 1.0-1`. rpm's
//! dependency overlap treats it as equal to all of them instead, which is no order (`1-1 = 1 = 1-2`, yet
//! `1-1 < 1-2`). For `introduced` and `fixed` events both give the same answer. A `last_affected` event
//! without a release covers no release of its version by this order.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, skip_common, split_digits, split_run};

/// rpm's order.
///
/// A missing or empty epoch is 0. The release begins after the last hyphen. A text is defined when rpmbuild
/// would take its characters (and a hyphen, which some advisories have in versions); rpm compares any text.
pub struct Rpm;

impl Scheme for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        let (a, b) = (Version::split(a), Version::split(b));
        compare_digits(a.epoch, b.epoch).then_with(|| compare_label(a.version, b.version)).then_with(
            || match (a.release, b.release) {
                (Some(a), Some(b)) => compare_label(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            },
        )
    }

    fn is_valid(&self, version: &str) -> bool {
        let Version { version, release, .. } = Version::split(version);
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+~^-%{}".contains(byte);
        !version.is_empty() && version.iter().chain(release.unwrap_or_default()).all(allowed)
    }
}

struct Version<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

impl<'a> Version<'a> {
    fn split(text: &'a str) -> Self {
        let text = text.as_bytes();
        let (epoch, rest) = match split_digits(text) {
            (epoch, [b':', rest @ ..]) => (epoch, rest),
            _ => (&[][..], text),
        };
        let (version, release) = match rest.iter().rposition(|byte| *byte == b'-') {
            Some(hyphen) => {
                (rest.get(..hyphen).unwrap_or_default(), Some(rest.get(hyphen + 1..).unwrap_or_default()))
            }
            None => (rest, None),
        };
        Self { epoch, version, release }
    }
}

enum Token<'a> {
    Tilde,
    End,
    Caret,
    Word(&'a [u8]),
    Number(&'a [u8]),
}

/// Compares two versions or two releases: runs of digits and runs of letters in turn, whatever separates
/// them. At each place, from low to high: `~`, the end, `^`, letters, digits.
fn compare_label(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = skip_common(a, b);
    loop {
        let x = next(&mut a);
        let y = next(&mut b);
        let order = match (&x, &y) {
            (Token::End, Token::End) => return Ordering::Equal,
            (Token::Word(x), Token::Word(y)) => x.cmp(y),
            (Token::Number(x), Token::Number(y)) => compare_digits(x, y),
            (x, y) => rank(x).cmp(&rank(y)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn next<'a>(text: &mut &'a [u8]) -> Token<'a> {
    loop {
        let Some((&first, rest)) = text.split_first() else { return Token::End };
        if first.is_ascii_digit() {
            let (number, rest) = split_digits(text);
            *text = rest;
            return Token::Number(number);
        }
        if first.is_ascii_alphabetic() {
            let (word, rest) = split_run(text, |byte| byte.is_ascii_alphabetic());
            *text = rest;
            return Token::Word(word);
        }
        *text = rest;
        match first {
            b'~' => return Token::Tilde,
            b'^' => return Token::Caret,
            _ => {}
        }
    }
}

const fn rank(token: &Token<'_>) -> u8 {
    match token {
        Token::Tilde => 0,
        Token::End => 1,
        Token::Caret => 2,
        Token::Word(_) => 3,
        Token::Number(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_rpm_could_not_have_built() {
        for good in ["1", "1-1", ":1-1", "0:1-1", "1-2-3", "1.0~rc1^git1-3.el8_4%{x}", "x", "1-"] {
            assert!(Rpm.is_valid(good), "{good:?}");
        }
        for bad in ["", "-1", "1:", "1:-1", "x:1-1", "1:2:3", "1 2", "1.0é", "1\n"] {
            assert!(!Rpm.is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_missing_release_is_below_all_others() {
        assert_eq!(Rpm.compare("1.0", "1.0-~1"), Ordering::Less);
        assert_eq!(Rpm.compare("1.0", "1.0-"), Ordering::Less);
        assert_eq!(Rpm.compare("1.0", "0.9-9"), Ordering::Greater);
        assert_eq!(Rpm.compare("1.0", "0:1.0"), Ordering::Equal);
    }
}
