//! Version orders, one file per scheme, in ONE list ([`SCHEMES`]).
//!
//! Each order is total over all texts. Where a scheme's own algorithm takes any text (apk, deb, rpm) it is
//! used for any; elsewhere, what the scheme does not define sorts below everything that it defines, in the
//! order of [`generic`]. (Falling back pair by pair instead would make circles: with `x` undefined, `1 < 2`
//! by the scheme, but `2 < x < 1` by two fallbacks.) Nothing here allocates, panics, or turns digits into
//! machine integers: a run of digits may be of any length.

use std::cmp::Ordering;

pub mod apk;
pub mod bitnami;
pub mod deb;
pub mod gem;
pub mod generic;
pub mod maven;
pub mod npm;
pub mod nuget;
pub mod packagist;
pub mod pypi;
pub mod rpm;
pub mod semver;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tables;

/// The order of versions of one ecosystem: total over all texts, never panics.
pub trait Scheme: Send + Sync {
    /// Stable name, for example `deb`.
    fn name(&self) -> &'static str;

    /// Compares two versions; allocates nothing. `Equal` may be answered for different spellings of one
    /// version (`1.0` and `1.0.0` in PyPI).
    fn compare(&self, a: &str, b: &str) -> Ordering;

    /// False when the scheme does not define this text. It has a place in the order all the same, but a match
    /// that rests on it, be it the installed version or a bound of a range, is less certain.
    fn is_valid(&self, version: &str) -> bool;
}

/// Every scheme.
pub static SCHEMES: &[&dyn Scheme] = &[
    &apk::Apk,
    &bitnami::Bitnami,
    &deb::Deb,
    &gem::Gem,
    &maven::Maven,
    &npm::Npm,
    &nuget::Nuget,
    &packagist::Packagist,
    &pypi::Pypi,
    &rpm::Rpm,
    &semver::Semver,
];

/// The scheme of that name.
pub fn scheme(name: &str) -> Option<&'static dyn Scheme> {
    SCHEMES.iter().copied().find(|scheme| scheme.name() == name)
}

/// Compares what `parse` understands by `order`; everything else sorts below it, by the generic order.
fn compare_parsed<'a, T>(
    a: &'a str,
    b: &'a str,
    parse: impl Fn(&'a str) -> Option<T>,
    order: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => order(&a, &b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => generic::compare(a, b),
    }
}

/// Compares two runs of ASCII digits as numbers of any length; an empty run is 0.
fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let a = trim_zeros(a);
    let b = trim_zeros(b);
    // Byte by byte: calling memcmp costs more than a few digits are worth.
    a.len().cmp(&b.len()).then_with(|| a.iter().cmp(b))
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// Splits off the longest start whose bytes are all `wanted`.
fn split_run(text: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !wanted(*byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Splits off the leading ASCII digits.
fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    split_run(text, |byte| byte.is_ascii_digit())
}

/// Drops the common start of two texts, short of the run of letters or digits that it ends in: what is
/// left compares as the whole, when runs compare one after the other.
fn skip_common<'a, 'b>(a: &'a [u8], b: &'b [u8]) -> (&'a [u8], &'b [u8]) {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    if common == a.len() && common == b.len() {
        return (&[], &[]);
    }
    let (start, _) = a.split_at_checked(common).unwrap_or_default();
    let end = start.iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |place| place + 1);
    (a.get(end..).unwrap_or_default(), b.get(end..).unwrap_or_default())
}

/// Compares two parts without regard to ASCII case.
fn compare_caseless(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// Compares numbers with single dots between them; missing ones are 0.
fn compare_dotted(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let (x, rest_a) = split_digits(a);
        let (y, rest_b) = split_digits(b);
        let order = compare_digits(x, y);
        if order.is_ne() {
            return order;
        }
        // What follows a number, if anything, is a dot.
        a = rest_a.get(1..).unwrap_or_default();
        b = rest_b.get(1..).unwrap_or_default();
    }
    Ordering::Equal
}
