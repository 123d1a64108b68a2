//! The order of texts that no scheme defines: a reasonable guess, but total and stable.
//!
//! A text is read as numbers and words; punctuation only separates. At each place, from low to high: `~`,
//! a word for a pre-release, the end of the text, any other word, a number. Words compare without regard
//! to ASCII case, numbers by value. Texts that are alike in all of that compare by their bytes, so that
//! only identical texts are equal.

use std::cmp::Ordering;

use super::{compare_caseless, compare_digits, split_digits, split_run};

/// Words for what comes before a release, lowest first.
const BEFORE_RELEASE: [&str; 8] = ["dev", "snapshot", "alpha", "beta", "milestone", "pre", "preview", "rc"];

#[derive(Clone, Copy)]
enum Token<'a> {
    Tilde,
    Before(usize),
    End,
    Word(&'a [u8]),
    Number(&'a [u8]),
}

/// Compares two texts; `Equal` for identical ones only.
pub fn compare(a: &str, b: &str) -> Ordering {
    compare_bytes(a.as_bytes(), b.as_bytes())
}

/// [`compare`] for a part of a text.
pub(super) fn compare_bytes(a: &[u8], b: &[u8]) -> Ordering {
    let mut left = skip_v(a);
    let mut right = skip_v(b);
    loop {
        let x = next(&mut left);
        let y = next(&mut right);
        let order = match (x, y) {
            (Token::End, Token::End) => return a.cmp(b),
            (Token::Before(x), Token::Before(y)) => x.cmp(&y),
            (Token::Word(x), Token::Word(y)) => compare_caseless(x, y),
            (Token::Number(x), Token::Number(y)) => compare_digits(x, y),
            _ => rank(x).cmp(&rank(y)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// `v1.0` is read as `1.0`.
fn skip_v(text: &[u8]) -> &[u8] {
    match text {
        [b'v' | b'V', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        _ => text,
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
        if is_letter(first) {
            let (word, rest) = split_run(text, is_letter);
            *text = rest;
            return match BEFORE_RELEASE.iter().position(|known| word.eq_ignore_ascii_case(known.as_bytes())) {
                Some(place) => Token::Before(place),
                None => Token::Word(word),
            };
        }
        *text = rest;
        if first == b'~' {
            return Token::Tilde;
        }
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !byte.is_ascii()
}

const fn rank(token: Token<'_>) -> u8 {
    match token {
        Token::Tilde => 0,
        Token::Before(_) => 1,
        Token::End => 2,
        Token::Word(_) => 3,
        Token::Number(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each text is below the next.
    const ASCENDING: &[&str] = &[
        "~",
        "rc",
        "",
        "?",
        "1~~",
        "1~rc2",
        "1~",
        "1-dev",
        "1-SNAPSHOT",
        "1-alpha.2",
        "1-alpha.10",
        "1-RC1",
        "1",
        "v1",
        "1.final",
        "1.x",
        "1.ü",
        "1.0",
        "1.00",
        "1.1",
        "1.9",
        "1.10",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999",
    ];

    #[test]
    fn guesses_like_a_reader() {
        for (i, a) in ASCENDING.iter().enumerate() {
            for (j, b) in ASCENDING.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}
