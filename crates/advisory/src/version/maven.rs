//! Maven's order (POM reference, "Version Order Specification"; `org.apache.maven.artifact.versioning`).
//!
//! A version is a row of tokens between dots, hyphens, and where digits meet letters; the last counts as a
//! hyphen. An empty token is 0. Zeros, `ga`, `final` and `release` at the end, and before a hyphen or a
//! qualifier, are as good as absent: `1.0.0 = 1`, `1.0-rc1 = 1-rc1`, `1.0.Final = 1`.
//!
//! Maven's own comparison is no order where dots and hyphens stand before the same qualifier
//! (`1.x.1 < 1-alpha < 1 < 1.x.1`), and Maven 4 differs from Maven 3 there. Here, as the specification has it,
//! `.` and `-` before a qualifier are the same, and the rows are compared token by token with one rank for "no
//! further token". On versions that are in use all of them agree.

use std::cmp::Ordering;

use super::{Scheme, compare_caseless, compare_digits, split_run, trim_zeros};

/// Maven's order.
///
/// Maven compares any text; one that is empty, a range, or has blanks or an unreplaced `${property}` in it is
/// not a version all the same.
pub struct Maven;

impl Scheme for Maven {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (mut a, mut b) = (Tokens::new(a), Tokens::new(b));
        loop {
            let (x, y) = (a.next(), b.next());
            let order = x.rank().cmp(&y.rank()).then_with(|| match (&x, &y) {
                (Token::Word { text: x, .. }, Token::Word { text: y, .. }) if x.len() + y.len() > 0 => {
                    compare_caseless(x, y)
                }
                (Token::Number { digits: x, .. }, Token::Number { digits: y, .. }) => compare_digits(x, y),
                _ => Ordering::Equal,
            });
            if order.is_ne() || matches!(x, Token::End) {
                return order;
            }
        }
    }

    fn is_valid(&self, version: &str) -> bool {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "${}[](),".contains(c);
        !version.is_empty() && !version.contains(odd)
    }
}

/// The place of a qualifier; unknown ones come after all these, in the order of their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Qualifier {
    Alpha,
    Beta,
    Milestone,
    Candidate,
    Snapshot,
    Release,
    ServicePack,
    Other,
}

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    End,
    /// `text` is only kept of an unknown qualifier.
    Word {
        qualifier: Qualifier,
        text: &'a [u8],
        hyphen: bool,
    },
    Number {
        digits: &'a [u8],
        hyphen: bool,
    },
}

impl Token<'_> {
    /// Places from low to high: qualifiers before the release, the end, qualifiers after it, numbers after a
    /// hyphen, numbers after a dot.
    fn rank(&self) -> (u8, Option<Qualifier>) {
        match self {
            Self::Word { qualifier, .. } if *qualifier < Qualifier::Release => (0, Some(*qualifier)),
            Self::End => (1, None),
            Self::Word { qualifier, .. } => (2, Some(*qualifier)),
            Self::Number { hyphen: true, .. } => (3, None),
            Self::Number { hyphen: false, .. } => (4, None),
        }
    }

    /// True for what is as good as absent at the end of a row.
    fn is_null(&self) -> bool {
        match self {
            Self::End => false,
            Self::Word { qualifier, .. } => *qualifier == Qualifier::Release,
            Self::Number { digits, .. } => trim_zeros(digits).is_empty(),
        }
    }

    const fn has_hyphen(&self) -> bool {
        match self {
            Self::End => false,
            Self::Word { hyphen, .. } | Self::Number { hyphen, .. } => *hyphen,
        }
    }
}

/// The tokens of a version, without those that are as good as absent.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    rest: &'a [u8],
    /// The first token has no separator before it and counts as if it had a dot.
    first: bool,
    /// How many tokens that look absent are known to count, since a number follows after a dot: each of them
    /// need not look ahead anew.
    kept: usize,
}

impl<'a> Tokens<'a> {
    const fn new(version: &'a str) -> Self {
        Self { rest: version.as_bytes(), first: true, kept: 0 }
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.read();
        if !token.is_null() {
            return token;
        }
        if self.kept > 0 {
            self.kept -= 1;
            return token;
        }
        // Where the tokens that count begin, should a number with a dot end this run.
        let (mut begin, mut after, mut kept) = (token, *self, 0);
        let mut ahead = *self;
        loop {
            let token = ahead.read();
            if token.is_null() {
                if token.has_hyphen() || matches!(token, Token::Word { .. }) {
                    (begin, after, kept) = (token, ahead, 0);
                } else {
                    kept += 1;
                }
                continue;
            }
            if matches!(token, Token::Number { hyphen: false, .. }) {
                *self = after;
                self.kept = kept;
                return begin;
            }
            *self = ahead;
            return token;
        }
    }

    /// The next token, whether it counts or not.
    fn read(&mut self) -> Token<'a> {
        let hyphen = match self.rest {
            [] => return Token::End,
            _ if self.first => false,
            // A separator at the very end separates nothing.
            [b'.' | b'-'] => {
                self.rest = &[];
                return Token::End;
            }
            [separator @ (b'.' | b'-'), rest @ ..] => {
                self.rest = rest;
                *separator == b'-'
            }
            // Digits meet letters.
            _ => true,
        };
        self.first = false;
        let (digits, rest) = split_run(self.rest, |byte| byte.is_ascii_digit());
        if !digits.is_empty() || matches!(self.rest, [b'.' | b'-', ..]) {
            self.rest = rest;
            return Token::Number { digits, hyphen };
        }
        let (word, rest) = split_run(self.rest, |byte| !(byte.is_ascii_digit() || b".-".contains(&byte)));
        self.rest = rest;
        let qualifier = qualifier(word, rest.first().is_some_and(u8::is_ascii_digit));
        let text = if qualifier == Qualifier::Other { word } else { &[] };
        Token::Word { qualifier, text, hyphen }
    }
}

/// `a`, `b` and `m` are short for their words only right before a digit.
fn qualifier(word: &[u8], before_digit: bool) -> Qualifier {
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match word {
        [b'a' | b'A'] if before_digit => Qualifier::Alpha,
        [b'b' | b'B'] if before_digit => Qualifier::Beta,
        [b'm' | b'M'] if before_digit => Qualifier::Milestone,
        _ if is("alpha") => Qualifier::Alpha,
        _ if is("beta") => Qualifier::Beta,
        _ if is("milestone") => Qualifier::Milestone,
        _ if is("rc") || is("cr") => Qualifier::Candidate,
        _ if is("snapshot") => Qualifier::Snapshot,
        _ if is("ga") || is("final") || is("release") => Qualifier::Release,
        _ if is("sp") => Qualifier::ServicePack,
        _ => Qualifier::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_versions_from_what_is_none() {
        for good in ["1", "1.0-SNAPSHOT", "Hoxton.SR12", "20040616", "1.0_01", "r07", "2.0.0.RELEASE"] {
            assert!(Maven.is_valid(good), "{good:?}");
        }
        for bad in ["", " ", "${project.version}", "[1.0,2.0)", "1.0 beta", "1,2", "1\n"] {
            assert!(!Maven.is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn rows_of_zeros_take_one_look_ahead() {
        // With a look ahead for each of them this would not end while anyone waits.
        let zeros = "0.".repeat(200_000);
        let (a, b) = (format!("1.{zeros}1"), format!("1.{zeros}2"));
        assert_eq!(Maven.compare(&a, &b), Ordering::Less);
        assert_eq!(Maven.compare(&format!("1.{zeros}"), "1"), Ordering::Equal);
    }
}
