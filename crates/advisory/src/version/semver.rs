//! Semantic Versioning 2.0.0 (semver.org, item 11), read leniently: Go modules, crates, OSV `SEMVER` ranges.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, compare_dotted, compare_parsed, split_digits};

/// The order of Semantic Versioning.
///
/// Beyond the specification it reads a leading `v`, any count of numbers (missing ones are 0), leading
/// zeros, and a pre-release without its hyphen after a number (`1.21rc2`). Build metadata takes no part, so
/// Go's `+incompatible` is no difference; a Go pseudo-version is a pre-release.
pub struct Semver;

impl Scheme for Semver {
    fn name(&self) -> &'static str {
        "semver"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, Version::order)
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// A version as slices of its text.
pub(super) struct Version<'a> {
    /// Numbers with dots between them.
    numbers: &'a [u8],
    /// Identifiers with dots between them; empty for a release.
    pre: &'a [u8],
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim_ascii().as_bytes();
    match text {
        [b'v' | b'V', rest @ ..] => Version::parse(rest),
        _ => Version::parse(text),
    }
}

impl<'a> Version<'a> {
    /// Reads what follows the prefix.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = split_digits(text);
        if first.is_empty() {
            return None;
        }
        while let [b'.', tail @ ..] = rest {
            let (number, tail) = split_digits(tail);
            if number.is_empty() {
                return None;
            }
            rest = tail;
        }
        let numbers = text.get(..text.len() - rest.len())?;
        let (pre, build) = match rest.iter().position(|byte| *byte == b'+') {
            Some(plus) => (rest.get(..plus)?, rest.get(plus + 1..)),
            None => (rest, None),
        };
        // No digit and no dot can follow the numbers: what is left begins with a hyphen or a letter.
        let pre = match pre {
            [] => &[],
            [b'-', identifiers @ ..] if are_identifiers(identifiers) => identifiers,
            identifiers if are_identifiers(identifiers) => identifiers,
            _ => return None,
        };
        build.is_none_or(are_identifiers).then_some(Self { numbers, pre })
    }

    /// Precedence.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        compare_dotted(self.numbers, other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (false, false) => compare_identifiers(self.pre, other.pre),
                (release, other_release) => release.cmp(&other_release),
            }
        })
    }
}

/// True for identifiers with dots between them.
pub(super) fn are_identifiers(text: &[u8]) -> bool {
    let mut length = 0_usize;
    for byte in text {
        match byte {
            b'.' if length == 0 => return false,
            b'.' => length = 0,
            b'-' => length += 1,
            _ if byte.is_ascii_alphanumeric() => length += 1,
            _ => return false,
        }
    }
    length > 0
}

/// The order of pre-release identifiers.
pub(super) fn compare_identifiers(a: &[u8], b: &[u8]) -> Ordering {
    let mut left = a.split(|byte| *byte == b'.');
    let mut right = b.split(|byte| *byte == b'.');
    loop {
        let (x, y) = match (left.next(), right.next()) {
            (Some(x), Some(y)) => (x, y),
            (x, y) => return x.is_some().cmp(&y.is_some()),
        };
        let numeric = |identifier: &[u8]| identifier.iter().all(u8::is_ascii_digit);
        let order = match (numeric(x), numeric(y)) {
            (true, true) => compare_digits(x, y),
            (false, false) => x.cmp(y),
            (x_numeric, y_numeric) => y_numeric.cmp(&x_numeric),
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
    fn reads_what_is_written_in_practice() {
        for good in [
            "1", "v1.2", "V1.2.3", " 1.2.3 ", "01.02", "1.2.3.4", "1-0", "1.0.0--", "1.0.0-", "1.21rc2",
            "1+a.b",
        ] {
            assert!(Semver.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "v",
            "vv1",
            "=1",
            "1.",
            ".1",
            "1..2",
            "1.x",
            "1.*",
            "1-a..b",
            "1-a.",
            "1-é",
            "1+",
            "1+a+b",
            "1_2",
            "1.0.0-a_b",
            "^1.0",
            "1 2",
            "-1",
            "latest",
        ] {
            assert!(!Semver.is_valid(bad), "{bad:?}");
            assert_eq!(Semver.compare(bad, "0-0"), Ordering::Less, "{bad:?}");
        }
    }
}
