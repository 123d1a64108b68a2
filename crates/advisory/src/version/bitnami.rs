//! Bitnami's order: Semantic Versioning in which what follows the hyphen is a revision of the package and
//! comes after the release (bitnami/go-version, README, "Version revision").

use std::cmp::Ordering;

use super::{
    Scheme, compare_dotted, compare_parsed, generic,
    semver::{are_identifiers, compare_identifiers},
    split_digits,
};

/// The order of Bitnami's packages, read leniently: a leading `v`, any count of numbers (missing ones are 0).
///
/// Bitnami's vulnerability database names upstream versions, nearly always without a revision, and that is
/// how packages are recorded here. So a missing revision counts as revision 0: `1.2.3` is `1.2.3-0`, the first
/// build of it, and the lower bound `1.26.0-0` (which means all of 1.26.0 in that database) holds 1.26.0.
/// A suffix that begins with a letter (`2.6.0-rc1`) is upstream's name for what comes before the release.
pub struct Bitnami;

impl Scheme for Bitnami {
    fn name(&self) -> &'static str {
        "bitnami"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, Version::order)
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// A version as slices of its text.
struct Version<'a> {
    numbers: &'a [u8],
    suffix: Suffix<'a>,
}

/// What follows the numbers, lowest first.
enum Suffix<'a> {
    /// Before the release: a word first.
    Before(&'a [u8]),
    /// Identifiers, a number first.
    Revision(&'a [u8]),
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text).as_bytes();
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
    let (suffix, build) = match rest.iter().position(|byte| *byte == b'+') {
        Some(plus) => (rest.get(..plus)?, rest.get(plus + 1..)),
        None => (rest, None),
    };
    let suffix = match suffix {
        [] => Suffix::Revision(b"0"),
        [b'-', revision @ ..] if are_identifiers(revision) => {
            if revision.first().is_some_and(u8::is_ascii_digit) {
                Suffix::Revision(revision)
            } else {
                Suffix::Before(revision)
            }
        }
        _ => return None,
    };
    build.is_none_or(are_identifiers).then_some(Version { numbers, suffix })
}

impl Version<'_> {
    fn order(&self, other: &Self) -> Ordering {
        compare_dotted(self.numbers, other.numbers).then_with(|| match (&self.suffix, &other.suffix) {
            (Suffix::Before(a), Suffix::Before(b)) => generic::compare_bytes(a, b),
            (Suffix::Revision(a), Suffix::Revision(b)) => compare_identifiers(a, b),
            (Suffix::Before(_), Suffix::Revision(_)) => Ordering::Less,
            (Suffix::Revision(_), Suffix::Before(_)) => Ordering::Greater,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_database_holds() {
        for good in [
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3-4",
            "1.2.3-4+b",
            "1.2.3.4",
            "2.6.0-rc1",
            "3.6.5-8-g210218",
            "2.4.46-10.el8",
            "0.0.0-20250807212521-c52795c1ef74",
        ] {
            assert!(Bitnami.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "v",
            "nightly.2026-03-10.0",
            "1.",
            "1..2",
            "1-",
            "1-a..b",
            "1rc2",
            "1_2",
            "=1",
            "1+",
            "foo1.2.3",
        ] {
            assert!(!Bitnami.is_valid(bad), "{bad:?}");
            assert_eq!(Bitnami.compare(bad, "0-a"), Ordering::Less, "{bad:?}");
        }
    }
}
