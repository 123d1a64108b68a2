//! RubyGems' order (`Gem::Version`, guides.rubygems.org "Patterns", "Prerelease gems").
//!
//! A version is runs of digits and runs of letters, whatever stands between them; a hyphen counts as
//! `.pre.`. A run of letters makes a pre-release: it sorts below any number and below the end of the text,
//! which counts as zeros. Zeros before the first run of letters count for nothing (`1.0.a` is `1.a`).

use std::cmp::Ordering;

use super::{Scheme, compare_digits, compare_parsed, split_digits, split_run};

/// The order of `Gem::Version`; an empty text is version 0, as there.
pub struct Gem;

impl Scheme for Gem {
    fn name(&self) -> &'static str {
        "gem"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, |a, b| order(a, b))
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

/// The text without blanks around it, if it is a version: a number, then letters and digits between single
/// dots, then the same after hyphens.
fn parse(text: &str) -> Option<&[u8]> {
    let text = text.trim_ascii().as_bytes();
    let (number, rest) = split_digits(text);
    if text.is_empty() {
        return Some(text);
    }
    if number.is_empty() || !matches!(rest.first(), None | Some(b'.' | b'-')) {
        return None;
    }
    let mut previous = b'0';
    let mut hyphenated = false;
    for &byte in rest {
        match byte {
            b'.' if matches!(previous, b'.') => return None,
            b'.' => {}
            // Only the part after the first hyphen may hold more, and begin or end with them.
            b'-' if previous == b'.' && !hyphenated => return None,
            b'-' => hyphenated = true,
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return None,
        }
        previous = byte;
    }
    let only_hyphen = rest.iter().position(|byte| *byte == b'-').is_some_and(|at| {
        // Something must follow the first hyphen, and it may not be a dot.
        matches!(rest.get(at + 1), None | Some(b'.'))
    });
    (previous != b'.' && !only_hyphen).then_some(text)
}

/// A run of a version.
#[derive(Clone, Copy)]
enum Segment<'a> {
    Word(&'a [u8]),
    Number(&'a [u8]),
}

/// The runs of a version that count.
struct Segments<'a> {
    /// The numbers before the first word, without the zeros that end them.
    head: &'a [u8],
    /// The first word and what follows.
    tail: &'a [u8],
    /// A hyphen was met, which is a word of its own.
    hyphen: bool,
}

impl<'a> Segments<'a> {
    fn new(text: &'a [u8]) -> Self {
        let (numbers, tail) = split_run(text, |byte| byte == b'.' || byte.is_ascii_digit());
        let counts = numbers.iter().rposition(|byte| !matches!(byte, b'0' | b'.'));
        let head = counts.map_or(&[][..], |last| {
            let zeros = numbers.get(last + 1..).unwrap_or_default();
            let (zeros, _) = split_digits(zeros);
            numbers.get(..=last + zeros.len()).unwrap_or(numbers)
        });
        Self { head, tail, hyphen: false }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            if std::mem::take(&mut self.hyphen) {
                return Some(Segment::Word(b"pre"));
            }
            let part = if self.head.is_empty() { &mut self.tail } else { &mut self.head };
            let (&first, rest) = part.split_first()?;
            if first.is_ascii_digit() {
                let (number, rest) = split_digits(part);
                *part = rest;
                return Some(Segment::Number(number));
            }
            if first.is_ascii_alphabetic() {
                let (word, rest) = split_run(part, |byte| byte.is_ascii_alphabetic());
                *part = rest;
                return Some(Segment::Word(word));
            }
            self.hyphen = first == b'-';
            *part = rest;
        }
    }
}

fn order(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (Segments::new(a), Segments::new(b));
    loop {
        let (x, y) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) => (x.unwrap_or(Segment::Number(b"")), y.unwrap_or(Segment::Number(b""))),
        };
        let order = match (x, y) {
            (Segment::Number(x), Segment::Number(y)) => compare_digits(x, y),
            (Segment::Word(x), Segment::Word(y)) => x.cmp(y),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
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
    fn takes_what_rubygems_takes() {
        for good in [
            "",
            " ",
            "1",
            " 1.2 ",
            "1.a",
            "1.0.0.rc1",
            "1.0-1",
            "1-a-b",
            "1--",
            "1-a.b-c",
            "1-a.-",
            "1.2b3",
            "00.1",
        ] {
            assert!(Gem.is_valid(good), "{good:?}");
        }
        for bad in [
            "a",
            "1a",
            "v1",
            ".1",
            "1.",
            "1..2",
            "1.-a",
            "1-",
            "1-.a",
            "1-a.",
            "1_2",
            "1.é",
            "1 2",
            "1+a",
            "1.0-x86_64",
        ] {
            assert!(!Gem.is_valid(bad), "{bad:?}");
            assert_eq!(Gem.compare(bad, "0.a"), Ordering::Less, "{bad:?}");
        }
    }
}
