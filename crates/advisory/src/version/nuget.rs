//! NuGet's order (learn.microsoft.com, "Package versioning"; `NuGet.Versioning.VersionComparer`): Semantic
//! Versioning 2.0.0 with up to four numbers, without regard to case.

use std::cmp::Ordering;

use super::{
    Scheme, compare_caseless, compare_digits, compare_dotted, compare_parsed, split_digits, trim_zeros,
};

/// NuGet's order.
///
/// Missing numbers are 0 and leading zeros nothing, so `1.0 = 1.0.0.0 = 01.0`. A pre-release identifier is a
/// number when it fits into 32 bits with a sign, else a word, as in NuGet itself; build metadata takes no part.
/// What NuGet does not take as a version (a leading `v`, a fifth number, a `*`) is not defined here either.
pub struct Nuget;

impl Scheme for Nuget {
    fn name(&self) -> &'static str {
        "nuget"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, |a, b| {
            compare_dotted(a.numbers, b.numbers).then_with(|| match (a.pre, b.pre) {
                (Some(a), Some(b)) => compare_labels(a, b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
        })
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// A version as slices of its text.
struct Version<'a> {
    /// Numbers with dots between them.
    numbers: &'a [u8],
    /// Identifiers with dots between them.
    pre: Option<&'a [u8]>,
}

/// Most numbers of a version.
const NUMBERS_MAX: usize = 4;

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim_ascii().as_bytes();
    let (text, build) = split_at(text, b'+');
    let (numbers, pre) = split_at(text, b'-');
    let mut count = 0;
    for number in numbers.split(|byte| *byte == b'.') {
        let (digits, rest) = split_digits(number);
        count += 1;
        if digits.is_empty() || !rest.is_empty() || count > NUMBERS_MAX {
            return None;
        }
    }
    let sound = pre.is_none_or(are_labels) && build.is_none_or(are_labels);
    sound.then_some(Version { numbers, pre })
}

/// What stands before and after the first `mark`.
fn split_at(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == mark) {
        Some(place) => (text.get(..place).unwrap_or_default(), text.get(place + 1..)),
        None => (text, None),
    }
}

fn are_labels(text: &[u8]) -> bool {
    let mut labels = text.split(|byte| *byte == b'.');
    labels.all(|label| {
        !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    })
}

fn compare_labels(a: &[u8], b: &[u8]) -> Ordering {
    let mut left = a.split(|byte| *byte == b'.');
    let mut right = b.split(|byte| *byte == b'.');
    loop {
        let (x, y) = match (left.next(), right.next()) {
            (Some(x), Some(y)) => (x, y),
            (x, y) => return x.is_some().cmp(&y.is_some()),
        };
        let order = match (is_number(x), is_number(y)) {
            (true, true) => compare_digits(x, y),
            (false, false) => compare_caseless(x, y),
            (x_number, y_number) => y_number.cmp(&x_number),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_number(label: &[u8]) -> bool {
    label.iter().all(u8::is_ascii_digit) && {
        let digits = trim_zeros(label);
        digits.len() < 10 || (digits.len() == 10 && digits <= b"2147483647".as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_nuget_reads() {
        for good in [
            "1",
            "1.0",
            "1.2.3.4",
            " 1.2.3 ",
            "01.02.03",
            "1.0.0-beta",
            "1.0-a.1+b.2",
            "1.0.0--",
            "1.0.0+x",
            "1.0.0-01",
        ] {
            assert!(Nuget.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "v1.0",
            "1.",
            ".1",
            "1..2",
            "1.2.3.4.5",
            "1.*",
            "1.0.0-",
            "1.0.0-a..b",
            "1.0.0+",
            "1.0.0-a_b",
            "1.0.0+a+b",
            "1.0 0",
            "1.0-é",
            "[1.0,2.0)",
            "-1",
            "1a",
        ] {
            assert!(!Nuget.is_valid(bad), "{bad:?}");
            assert_eq!(Nuget.compare(bad, "0-0"), Ordering::Less, "{bad:?}");
        }
    }
}
