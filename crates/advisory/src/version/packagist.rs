//! Composer's order (composer/semver, `VersionParser::normalize` and `Comparator`; PHP manual,
//! `version_compare`).
//!
//! A version is four numbers, a stability and perhaps `dev`: `dev < alpha < beta < RC < stable < patch`.
//! Numbers that are missing are 0, and `x` in a branch (`1.x-dev`) is above all numbers. Dates
//! (`2010-01-02`, `20100102`) are numbers that nothing is added to.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, compare_parsed, split_digits};

/// The order of Composer's normalised versions.
///
/// Named branches (`dev-main`) are not defined: Composer compares them with nothing but themselves. Beyond
/// Composer, more than four numbers and a first number of more than five digits are read.
pub struct Packagist;

impl Scheme for Packagist {
    fn name(&self) -> &'static str {
        "packagist"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, Version::order)
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// What stands for `x`.
const ANY: &[u8] = b"9999999";

/// Numbers of a version that is no date.
const NUMBERS: usize = 4;

/// The words of a stability, lower-case, with their rank. Longer ones first, where one begins another.
const STABILITIES: &[(&[u8], Rank)] = &[
    (b"stable", Rank::Stable),
    (b"alpha", Rank::Alpha),
    (b"a", Rank::Alpha),
    (b"beta", Rank::Beta),
    (b"b", Rank::Beta),
    (b"rc", Rank::Candidate),
    (b"patch", Rank::Patch),
    (b"pl", Rank::Patch),
    (b"p", Rank::Patch),
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Dev,
    Alpha,
    Beta,
    Candidate,
    /// The end of a version; a number in this place is above it.
    Stable,
    Number,
    Patch,
}

/// What a version has beyond its own numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// Nothing: a date.
    None,
    Zeros,
    /// `x`: a branch.
    Any,
}

/// A version as slices of its text.
#[derive(Clone, Copy)]
struct Version<'a> {
    /// Numbers, or `x`, with one separator between them.
    numbers: &'a [u8],
    fill: Fill,
    /// The stability, when it is not [`Rank::Stable`], and its numbers with separators before them.
    stability: Option<(Rank, &'a [u8])>,
    dev: bool,
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim_ascii();
    // A flag of a requirement, not of the version.
    let text = match text.rsplit_once('@') {
        Some((version, flag))
            if ["stable", "rc", "beta", "alpha", "dev"]
                .iter()
                .any(|word| flag.eq_ignore_ascii_case(word)) =>
        {
            version
        }
        _ => text,
    };
    let text = match text.split_once('+') {
        Some((version, build)) if !build.is_empty() && !build.contains(char::is_whitespace) => version,
        _ => text,
    };
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text).as_bytes();
    classical(text).or_else(|| date(text)).or_else(|| branch(text))
}

/// Numbers with dots between them.
fn classical(text: &[u8]) -> Option<Version<'_>> {
    let (end, count) = dotted(text)?;
    let (numbers, rest) = text.split_at_checked(end)?;
    let (first, _) = split_digits(numbers);
    // Longer first numbers are dates, or no versions to Composer at all.
    let fill = if first.len() <= 5 && count <= NUMBERS { Fill::Zeros } else { Fill::None };
    modified(numbers, fill, rest)
}

/// Where the numbers with dots between them end, and how many they are.
fn dotted(text: &[u8]) -> Option<(usize, usize)> {
    let (first, mut rest) = split_digits(text);
    if first.is_empty() {
        return None;
    }
    let mut count = 1;
    while let [b'.', tail @ ..] = rest {
        let (number, tail) = split_digits(tail);
        if number.is_empty() {
            break;
        }
        count += 1;
        rest = tail;
    }
    Some((text.len() - rest.len(), count))
}

/// A year of four digits, then two digits at a time, and up to three at the end, between dots, hyphens,
/// colons or nothing.
fn date(text: &[u8]) -> Option<Version<'_>> {
    let (year, _) = split_digits(text);
    if year.len() < 4 {
        return None;
    }
    let mut end = 4;
    let mut pairs = 0;
    let step = |end: usize| {
        let rest = text.get(end..).unwrap_or_default();
        let separator = usize::from(matches!(rest.first(), Some(b'.' | b':' | b'-')));
        let (digits, _) = split_digits(rest.get(separator..).unwrap_or_default());
        (separator, digits.len())
    };
    while pairs < 6 {
        let (separator, digits) = step(end);
        if digits < 2 {
            break;
        }
        end += separator + 2;
        pairs += 1;
    }
    if pairs == 0 {
        return None;
    }
    let (separator, digits) = step(end);
    if digits > 0 {
        end += separator + digits.min(3);
    }
    let (numbers, rest) = text.split_at_checked(end)?;
    modified(numbers, Fill::None, rest)
}

/// Numbers and what follows them: `[._-]?WORD[NUMBERS]` and `[.-]?dev`, each of which may be missing.
fn modified<'a>(numbers: &'a [u8], fill: Fill, rest: &'a [u8]) -> Option<Version<'a>> {
    let plain = Version { numbers, fill, stability: None, dev: false };
    let word =
        rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b"_")).or_else(|| rest.strip_prefix(b"-"));
    let word = word.unwrap_or(rest);
    let known = STABILITIES.iter().find_map(|(name, rank)| {
        let start = word.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then(|| (*rank, word.get(name.len()..).unwrap_or_default()))
    });
    let Some((rank, tail)) = known else {
        // `1.0.-dev`: the separator of a word that is not there, then its own.
        return is_dev_or_nothing(word).map(|dev| Version { dev, ..plain });
    };
    let mut after = tail;
    loop {
        let number = match after {
            [b'.' | b'-', number @ ..] => number,
            _ => after,
        };
        let (digits, next) = split_digits(number);
        if digits.is_empty() {
            break;
        }
        after = next;
    }
    let dev = is_dev_or_nothing(after)?;
    if rank == Rank::Stable {
        return Some(plain);
    }
    let numbers_of_word = tail.get(..tail.len() - after.len())?;
    Some(Version { stability: Some((rank, numbers_of_word)), dev, ..plain })
}

/// Whether a text is `dev` with or without a separator, or nothing; `None` when it is neither.
fn is_dev_or_nothing(text: &[u8]) -> Option<bool> {
    let word = text.strip_prefix(b".").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    if text.is_empty() { Some(false) } else { word.eq_ignore_ascii_case(b"dev").then_some(true) }
}

/// Up to four numbers or `x`, the first a number, then `dev`.
fn branch(text: &[u8]) -> Option<Version<'_>> {
    let name = text.len().checked_sub(3).and_then(|at| {
        let (name, dev) = text.split_at_checked(at)?;
        dev.eq_ignore_ascii_case(b"dev").then_some(name)
    })?;
    let name = name.strip_suffix(b".").or_else(|| name.strip_suffix(b"-")).unwrap_or(name);
    let mut count = 0;
    for part in name.split(|byte| *byte == b'.') {
        let number = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        if !number && (count == 0 || !matches!(part, b"x" | b"X" | b"*")) {
            return None;
        }
        count += 1;
    }
    (count <= NUMBERS).then_some(Version { numbers: name, fill: Fill::Any, stability: None, dev: true })
}

/// One part of a normalised version.
#[derive(Clone, Copy)]
enum Part<'a> {
    Number(&'a [u8]),
    Word(Rank),
}

/// The parts of a normalised version, one after the other.
struct Parts<'a> {
    version: Version<'a>,
    count: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let version = &mut self.version;
        if !version.numbers.is_empty() {
            self.count += 1;
            let (digits, rest) = split_digits(version.numbers);
            if digits.is_empty() {
                // `x`, and the dot after it.
                version.numbers = rest.get(2..).unwrap_or_default();
                return Some(Part::Number(ANY));
            }
            version.numbers = rest.get(1..).unwrap_or_default();
            return Some(Part::Number(digits));
        }
        if version.fill != Fill::None && self.count < NUMBERS {
            self.count += 1;
            return Some(Part::Number(if version.fill == Fill::Any { ANY } else { b"0" }));
        }
        if let Some((rank, numbers)) = version.stability.take() {
            // The numbers come next, without the separator before them, and fill nothing.
            version.numbers = match numbers {
                [b'.' | b'-', rest @ ..] => rest,
                _ => numbers,
            };
            version.fill = Fill::None;
            return Some(Part::Word(rank));
        }
        std::mem::take(&mut version.dev).then_some(Part::Word(Rank::Dev))
    }
}

impl Version<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let parts = |version: &Self| Parts { version: *version, count: 0 };
        order(parts(self), parts(other))
    }
}

/// Compares part by part, as `version_compare` does: a word by its rank, where the end ranks as stable.
fn order<'a>(
    mut left: impl Iterator<Item = Part<'a>>,
    mut right: impl Iterator<Item = Part<'a>>,
) -> Ordering {
    let rank = |part| match part {
        None => Rank::Stable,
        Some(Part::Number(_)) => Rank::Number,
        Some(Part::Word(rank)) => rank,
    };
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(Part::Number(x)), Some(Part::Number(y))) => compare_digits(x, y),
            (x, y) => rank(x).cmp(&rank(y)),
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
    fn takes_what_composer_takes() {
        for good in [
            "1",
            "v1.2",
            "V1.2.3.4",
            " 1.0 ",
            "1.0.0-beta.1",
            "1.0.0b2",
            "1.0RC1-dev",
            "1.0-dev",
            "1.0.-dev",
            "1.0-",
            "1.x-dev",
            "1.2.*.dev",
            "1.0+build",
            "1.0@beta",
            "20100102",
            "2010-01-02",
            "2010-01-02.5",
            "20100102-203040-p1",
            "1.2.3.4.5",
            "100000.1",
            "1.0-stable",
            "1.0.0-pl3",
            "1.0_p1",
            "1.0patch",
        ] {
            assert!(Packagist.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "v",
            "vv1",
            "dev-main",
            "dev-1.0",
            "master",
            "1.0.0-meh",
            "1.0.0-alpha-x",
            "1..0",
            "1.x",
            "x-dev",
            "1.x.y-dev",
            "1.0.0-beta_1",
            "1.0 2",
            "^1.0",
            "1.0.0.0.x-dev",
            "1.0 as 2.0",
            "1.0+",
            "feature-dev",
        ] {
            assert!(!Packagist.is_valid(bad), "{bad:?}");
            assert_eq!(Packagist.compare(bad, "0-dev"), Ordering::Less, "{bad:?}");
        }
    }
}
