//! Alpine's order (apk-package(5), "version"): `number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}`.
//!
//! This is the order of apk-tools 3. apk-tools 2 knows no `~hash` and differs for numbers after a dot that
//! have leading zeros (there `1.0 > 1.00`, here `1.0 < 1.00`).
//!
//! Alpine's security database has slips (`1.18.-r2`, `2.7.16-33`), so a fault must not put a version far
//! from its place: as in apk, what stands before the fault counts, and the fault itself is below the end. Two
//! faults at one place, which apk takes for equal, compare by the generic order.

use std::cmp::Ordering;

use super::{Scheme, compare_digits, generic, split_digits, split_run};

/// apk's order.
pub struct Apk;

impl Scheme for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_tokens(Cursor::new(a), Cursor::new(b))
    }

    fn is_valid(&self, version: &str) -> bool {
        let mut cursor = Cursor::new(version);
        loop {
            match cursor.next() {
                Token::Fault(_) => return false,
                Token::End => return true,
                _ => {}
            }
        }
    }
}

/// Suffixes with their places; those below [`RELEASE`] come before the version without a suffix.
const SUFFIXES: [(&[u8], u8); 9] = [
    (b"alpha", 0),
    (b"beta", 1),
    (b"pre", 2),
    (b"rc", 3),
    (b"cvs", 5),
    (b"svn", 6),
    (b"git", 7),
    (b"hg", 8),
    (b"p", 9),
];
const RELEASE: u8 = 4;

/// Where a version has been read to; the grammar only ever moves forward, save between a suffix and the
/// number of the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
}

struct Cursor<'a> {
    rest: &'a [u8],
    place: Place,
}

#[derive(Clone, Copy)]
enum Token<'a> {
    /// The first number of a version.
    Major(&'a [u8]),
    /// A number after a dot.
    Minor(&'a [u8]),
    Letter(u8),
    Suffix(u8),
    SuffixNumber(&'a [u8]),
    Hash(&'a [u8]),
    Revision(&'a [u8]),
    End,
    /// All that follows, from a place where the text leaves the grammar.
    Fault(&'a [u8]),
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), place: Place::Start }
    }

    fn next(&mut self) -> Token<'a> {
        let rest = self.rest;
        self.read().unwrap_or(Token::Fault(rest))
    }

    /// The next token; `None` where the text leaves the grammar.
    fn read(&mut self) -> Option<Token<'a>> {
        if self.place == Place::Start {
            self.place = Place::Number;
            return self.number().map(Token::Major);
        }
        let Some((&first, rest)) = self.rest.split_first() else { return Some(Token::End) };
        let (place, limit) = match first {
            b'.' => (Place::Number, Place::Number),
            b'a'..=b'z' => (Place::Letter, Place::Number),
            b'_' => (Place::Suffix, Place::SuffixNumber),
            b'0'..=b'9' if self.place == Place::Suffix => (Place::SuffixNumber, Place::Suffix),
            b'~' => (Place::Hash, Place::SuffixNumber),
            b'-' => (Place::Revision, Place::Hash),
            _ => return None,
        };
        if self.place > limit {
            return None;
        }
        self.place = place;
        if place == Place::SuffixNumber {
            return self.number().map(Token::SuffixNumber);
        }
        self.rest = rest;
        match place {
            Place::Letter => Some(Token::Letter(first)),
            Place::Suffix => {
                let (name, rest) = split_run(self.rest, |byte| byte.is_ascii_lowercase());
                self.rest = rest;
                SUFFIXES.iter().find(|(known, _)| *known == name).map(|(_, place)| Token::Suffix(*place))
            }
            Place::Hash => {
                let (hash, rest) = split_run(self.rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                self.rest = rest;
                (!hash.is_empty()).then_some(Token::Hash(hash))
            }
            Place::Revision => {
                self.rest = self.rest.strip_prefix(b"r")?;
                self.number().map(Token::Revision)
            }
            Place::Start | Place::Number | Place::SuffixNumber => self.number().map(Token::Minor),
        }
    }

    fn number(&mut self) -> Option<&'a [u8]> {
        let (number, rest) = split_digits(self.rest);
        self.rest = rest;
        (!number.is_empty()).then_some(number)
    }
}

fn compare_tokens(mut a: Cursor<'_>, mut b: Cursor<'_>) -> Ordering {
    loop {
        let x = a.next();
        let y = b.next();
        let order = match (x, y) {
            (Token::End, Token::End) => return Ordering::Equal,
            (Token::Fault(x), Token::Fault(y)) => return generic::compare_bytes(x, y),
            (Token::Minor(x), Token::Minor(y)) => compare_minor(x, y),
            (Token::Major(x), Token::Major(y))
            | (Token::SuffixNumber(x), Token::SuffixNumber(y))
            | (Token::Revision(x), Token::Revision(y)) => compare_digits(x, y),
            (Token::Letter(x), Token::Letter(y)) | (Token::Suffix(x), Token::Suffix(y)) => x.cmp(&y),
            (Token::Hash(x), Token::Hash(y)) => x.cmp(y),
            _ => rank(x).cmp(&rank(y)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A number after a dot with a leading zero is compared as text, like a decimal fraction: `1.01 < 1.1`.
fn compare_minor(a: &[u8], b: &[u8]) -> Ordering {
    if a.first() == Some(&b'0') || b.first() == Some(&b'0') { a.cmp(b) } else { compare_digits(a, b) }
}

/// The order of unlike tokens at one place.
const fn rank(token: Token<'_>) -> u8 {
    match token {
        Token::Suffix(place) if place < RELEASE => 0,
        Token::Fault(_) => 1,
        Token::End => 2,
        Token::Revision(_) => 3,
        Token::Hash(_) => 4,
        Token::SuffixNumber(_) => 5,
        Token::Suffix(_) => 6,
        Token::Letter(_) => 7,
        Token::Minor(_) => 8,
        Token::Major(_) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_grammar() {
        for good in [
            "0",
            "1.2",
            "1.2b",
            "00.1",
            "1_p",
            "1_rc1",
            "1_alpha_p2_git20240101",
            "1~0af",
            "1_p1~0af-r0",
            "1-r0",
        ] {
            assert!(Apk.is_valid(good), "{good:?}");
        }
        for bad in [
            "", "a", ".1", "1.", "1..2", "1bc", "1b2", "1b.2", "1B", "_p1", "1_", "1_foo", "1_pre1.2", "1_1",
            "1~", "1~xyz", "1~0AF", "1~0af_p1", "1~0af~1", "1-r", "1-1", "1-r1-r2", "1-r1~0af", "1-r1_p1",
            "1-r1.2", "1 ", "1é", "1:1-r0",
        ] {
            assert!(!Apk.is_valid(bad), "{bad:?}");
            assert_eq!(Apk.compare(bad, "2"), Ordering::Less, "{bad:?}");
        }
    }
}
