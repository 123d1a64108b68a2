//! Expressions over names of licences, in the grammars that packages use: SPDX (2.3, annex D), Fedora's `and`,
//! `or` and `with exceptions`, Debian's commas (machine-readable copyright format 1.0, section 7.2), `/`, `|`,
//! `&` of older records.
//!
//! `and` binds tighter than `or`; a comma in front of either lets it bind everything before it. A list with
//! bare commas or semicolons means all of its members. An exception that SPDX does not name is left out, since an
//! exception only ever permits more than the licence.

use super::names;

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 32;

/// Most names in one expression.
const NAMES_MAX: usize = 1024;

/// An expression in memory. Lists hold at least two members, none of their own kind, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// One licence, with or without an exception, as SPDX writes it.
    Licence(String),
    /// All apply.
    And(Vec<Self>),
    /// The user chooses.
    Or(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Comma,
    And,
    Or,
    With,
    Word(&'a str),
}

/// Understands one recorded text; `None` when any part of it is not understood.
pub(super) fn parse(text: &str) -> Option<Expression> {
    let text = text.trim();
    // `key` drops parentheses, so they are counted here.
    let is_balanced = text.matches('(').count() == text.matches(')').count();
    if let Some(found) = known(text).filter(|_| is_balanced) {
        return Some(found);
    }
    // A name that holds an `or` of its own, and is told once more in parentheses.
    if let Some((name, inner)) = text.strip_suffix(')').and_then(|text| text.rsplit_once(" ("))
        && known(name).is_some()
    {
        return remark(name, inner);
    }
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, names: 0 };
    parser.list(0).filter(|_| parser.tokens.is_empty())
}

/// The expression that all (or, with `any`, one) of these are.
pub(super) fn join(parts: Vec<Expression>, any: bool) -> Option<Expression> {
    let mut flat: Vec<Expression> = Vec::with_capacity(parts.len());
    for part in parts {
        let members = match part {
            Expression::And(members) if !any => members,
            Expression::Or(members) if any => members,
            other => vec![other],
        };
        for member in members {
            if !flat.contains(&member) {
                flat.push(member);
            }
        }
    }
    match flat.len() {
        0 | 1 => flat.pop(),
        _ if any => Some(Expression::Or(flat)),
        _ => Some(Expression::And(flat)),
    }
}

impl Expression {
    /// As SPDX writes it, with no more parentheses than needed.
    pub(super) fn write(&self, out: &mut String) {
        let (members, operator) = match self {
            Self::Licence(id) => {
                out.push_str(id);
                return;
            }
            Self::And(members) => (members, " AND "),
            Self::Or(members) => (members, " OR "),
        };
        for (n, member) in members.iter().enumerate() {
            if n > 0 {
                out.push_str(operator);
            }
            // An AND inside an OR needs none, but is easier to read with them.
            let nested = !matches!(member, Self::Licence(_));
            if nested {
                out.push('(');
            }
            member.write(out);
            if nested {
                out.push(')');
            }
        }
    }
}

/// A text that is one name.
fn known(text: &str) -> Option<Expression> {
    let found = names::lookup(text)?;
    // A few names mean a choice.
    join(found.split(" OR ").map(|id| Expression::Licence(id.to_owned())).collect(), true)
}

/// `NAME (NAME)`: a part of the name, the same told twice, or a more exact name in parentheses.
fn remark(name: &str, inner: &str) -> Option<Expression> {
    if let Some(least) = inner.strip_prefix(">=") {
        return known(&format!("{name} {}+", least.trim()));
    }
    if let Some(found) = known(&format!("{name} {inner}")) {
        return Some(found);
    }
    match (known(name), known(inner)) {
        (Some(one), Some(other)) if one == other || is_more_exact(&one, &other) => Some(other),
        (Some(_), Some(_)) => None,
        (found, None) | (None, found) => found,
    }
}

/// True when the first is a GNU licence of any version, and the second one of its family.
fn is_more_exact(vague: &Expression, exact: &Expression) -> bool {
    let (Expression::Licence(vague), Expression::Licence(exact)) = (vague, exact) else { return false };
    let stem = |id: &'static str| exact.starts_with(id);
    match vague.as_str() {
        names::SOME_BSD => true,
        "GPL-1.0-or-later" => stem("GPL-"),
        "LGPL-2.0-or-later" => stem("LGPL-"),
        "AGPL-3.0-or-later" => stem("AGPL-"),
        "GFDL-1.1-or-later" => stem("GFDL-"),
        _ => false,
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let is_mark = |c: char| matches!(c, '(' | ')' | '[' | ']' | ',' | ';' | '|' | '/' | '&');
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || is_mark(c)) {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace() || is_mark(c));
        if !word.is_empty() {
            tokens.push(classify(word));
        }
        let mark = match piece.get(word.len()..).and_then(|rest| rest.chars().next()) {
            Some('(' | '[') => Token::Open,
            Some(')' | ']') => Token::Close,
            Some(',' | ';') => Token::Comma,
            Some('|' | '/') => Token::Or,
            Some('&') => Token::And,
            _ => continue,
        };
        // `||` and `&&` are one operator, and a final semicolon none.
        let is_nested = matches!(mark, Token::Open | Token::Close);
        if is_nested || tokens.last() != Some(&mark) {
            tokens.push(mark);
        }
    }
    while tokens.last() == Some(&Token::Comma) {
        tokens.pop();
    }
    join_names(&mut tokens);
    tokens
}

fn classify(word: &str) -> Token<'_> {
    match word {
        _ if word.eq_ignore_ascii_case("and") => Token::And,
        _ if word.eq_ignore_ascii_case("or") => Token::Or,
        _ if word.eq_ignore_ascii_case("with") => Token::With,
        _ => Token::Word(word),
    }
}

/// `or later` and `, Version 2` belong to the name in front of them.
fn join_names(tokens: &mut Vec<Token<'_>>) {
    for at in 1..tokens.len() {
        let [token, Token::Word(next)] = tokens[at - 1..=at] else { continue };
        let next = next.to_ascii_lowercase();
        let later = ["later", "newer", "any", "above", "greater", "higher"].contains(&next.as_str());
        let version = next.strip_prefix('v').is_some_and(|rest| {
            rest.is_empty() || rest.starts_with("er") || rest.starts_with(|c: char| c.is_ascii_digit())
        });
        tokens[at - 1] = match token {
            Token::Or if later => Token::Word("or"),
            Token::And if later => Token::Word("and"),
            Token::Comma if version => Token::Word(""),
            other => other,
        };
    }
    tokens.retain(|token| *token != Token::Word(""));
}

/// Recursive descent over tokens; every step takes at least one, and depth and names are bounded.
struct Parser<'t> {
    tokens: &'t [Token<'t>],
    names: usize,
}

impl Parser<'_> {
    fn take(&mut self, wanted: Token<'_>) -> bool {
        match self.tokens.split_first() {
            Some((token, rest)) if *token == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// Expressions between commas.
    fn list(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.any(depth)?];
        let (mut n_bare, mut n_and, mut n_or) = (0, 0, 0);
        while self.take(Token::Comma) {
            if self.take(Token::And) {
                n_and += 1;
            } else if self.take(Token::Or) {
                n_or += 1;
            } else {
                n_bare += 1;
            }
            let part = self.any(depth)?;
            if n_bare == 0 {
                // `A or B, and C` is `(A or B) and C`.
                let before = join(std::mem::take(&mut parts), n_or > 0 && n_and == 0)?;
                let any = n_or > 0;
                (n_and, n_or) = (0, 0);
                parts = vec![join(vec![before, part], any)?];
            } else {
                parts.push(part);
            }
        }
        if n_bare == 0 {
            return parts.pop();
        }
        // A list of people: `A, B or C` gives the choice, `A, B and C` and `A, B` do not.
        match parts.last() {
            Some(Expression::Or(members)) => {
                n_or += 1;
                n_and += usize::from(members.iter().any(|member| matches!(member, Expression::And(_))));
            }
            Some(Expression::And(_)) => n_and += 1,
            _ => {}
        }
        if n_or > 0 && n_and > 0 { None } else { join(parts, n_or > 0) }
    }

    fn any(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.all(depth)?];
        while self.take(Token::Or) {
            parts.push(self.all(depth)?);
        }
        join(parts, true)
    }

    fn all(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.term(depth)?];
        while self.take(Token::And) {
            parts.push(self.term(depth)?);
        }
        join(parts, false)
    }

    fn term(&mut self, depth: usize) -> Option<Expression> {
        if self.take(Token::Open) {
            let inner = if depth < DEPTH_MAX { self.list(depth + 1)? } else { return None };
            return self.take(Token::Close).then_some(inner);
        }
        let name = self.words()?;
        self.names += 1;
        if self.names > NAMES_MAX {
            return None;
        }
        if self.take(Token::With) {
            let more = self.words()?;
            // `BSD with advertising` is a licence's name.
            if let Some(found) = known(&format!("{name} with {more}")) {
                return Some(found);
            }
            let Expression::Licence(id) = known(&name)? else { return None };
            return Some(Expression::Licence(match names::exception(&more) {
                Some(exception) => format!("{id} WITH {exception}"),
                None if more.to_ascii_lowercase().contains("exception") => id,
                None => return None,
            }));
        }
        if self.take(Token::Open) {
            let inner = self.words()?;
            return self.take(Token::Close).then(|| remark(&name, &inner)).flatten();
        }
        known(&name)
    }

    /// The words up to the next mark.
    fn words(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some((Token::Word(word), rest)) = self.tokens.split_first() {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(word);
            self.tokens = rest;
        }
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut written = String::new();
        if let Some(found) = parse(text) {
            found.write(&mut written);
        }
        assert_eq!(written, expected, "{text:?}");
        if !written.is_empty() {
            spdx::Expression::parse(&written).unwrap();
            let again = parse(&written).unwrap();
            assert_eq!(Some(again), parse(text), "{text:?} is not stable");
        }
    }

    #[test]
    fn binds_as_the_grammars_say() {
        check("MIT", "MIT");
        check("MIT OR Apache-2.0 AND ISC", "MIT OR (Apache-2.0 AND ISC)");
        check("(MIT OR Apache-2.0) AND ISC", "(MIT OR Apache-2.0) AND ISC");
        check("((MIT))", "MIT");
        check("MIT and MIT AND (MIT and ISC)", "MIT AND ISC");
        check("GPL-1+ or Artistic, and Expat", "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND MIT");
        check("MIT and ISC, or Zlib", "(MIT AND ISC) OR Zlib");
        check("MIT, ISC", "MIT AND ISC");
        check("MIT, ISC or Zlib", "MIT OR ISC OR Zlib");
        check("MIT, ISC, and Zlib", "MIT AND ISC AND Zlib");
        check("MIT, ISC and Zlib or X11", "");
        check("MIT/Apache-2.0", "MIT OR Apache-2.0");
        check("MIT || Apache-2.0", "MIT OR Apache-2.0");
        check("MIT & ISC;", "MIT AND ISC");
    }

    #[test]
    fn keeps_names_whole() {
        check("GPL version 2 or later", "GPL-2.0-or-later");
        check("GPL v2 or any later version and MIT", "GPL-2.0-or-later AND MIT");
        check("Apache License, Version 2.0 and MIT", "Apache-2.0 AND MIT");
        check("BSD with advertising and MIT with advertising", "BSD-4-Clause AND MIT-advertising");
        check("zlib/libpng", "Zlib");
        check("GNU Library or Lesser General Public License (LGPL)", "LGPL-2.0-or-later");
        check("GPL (>= 2)", "GPL-2.0-or-later");
        check("BSD License (3-clause)", "BSD-3-Clause");
        check("BSD License (BSD-2-Clause)", "BSD-2-Clause");
        check("MIT (Expat)", "MIT");
        check("MIT (GPL)", "");
    }

    #[test]
    fn knows_exceptions() {
        check("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0");
        check("GPLv2 with classpath exception", "GPL-2.0-only WITH Classpath-exception-2.0");
        check("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-generic");
        check("GPLv3+ with exceptions and BSD", "GPL-3.0-or-later AND LicenseRef-BSD");
        check("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note");
        check("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception");
        check("GPL-2+ with stickers", "");
    }

    #[test]
    fn does_not_understand_halves() {
        for text in [
            "",
            "()",
            "(MIT",
            "MIT)",
            "MIT AND",
            "OR MIT",
            "MIT and/or ISC",
            "MIT mystery",
            "MIT AND mystery",
            "WITH",
            "MIT WITH",
            "MIT ISC",
            "AND",
            ",",
            "/",
            "((",
            "UNLICENSED",
            "SEE LICENSE IN LICENSE.md",
            "NOASSERTION",
            "NONE",
            "Proprietary",
            "custom",
            "see file COPYING",
            "\u{202e}MIT",
        ] {
            check(text, "");
        }
        check(&"(".repeat(10_000), "");
        let nested = |n| format!("{}MIT AND ISC{}", "(".repeat(n), ")".repeat(n));
        check(&nested(DEPTH_MAX), "MIT AND ISC");
        check(&nested(DEPTH_MAX + 1), "");
        check(&vec!["MIT"; NAMES_MAX].join(" AND "), "MIT");
        check(&vec!["MIT"; NAMES_MAX + 1].join(" AND "), "");
    }
}
