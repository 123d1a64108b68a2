//! Rules made ready to be used: expressions compiled, keywords of all rules in one automaton.
//!
//! Expressions see bytes, not Unicode text: `\w`, `\d` and `\b` are ASCII, as in gitleaks (Go's RE2), and a tenth of
//! the size. The bundled ones are compiled when a file first has their keyword.

use std::{collections::HashMap, sync::OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use model::Severity;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::rules::{AllowText, RuleText, RulesError, RulesFile};
use crate::text;

/// Largest compiled expression, in bytes.
const REGEX_BYTES_MAX: usize = 10 << 20;
/// Most memory for the states of one expression, on each thread, in bytes.
const STATES_BYTES_MAX: usize = 512 << 10;

/// An expression that is compiled when it is first used.
#[derive(Debug)]
pub struct LazyRegex {
    pattern: String,
    compiled: OnceLock<Option<Regex>>,
}

impl LazyRegex {
    fn new(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), compiled: OnceLock::new() }
    }

    /// The expression; `None` only where [`LazyRegex::check`] failed.
    pub fn get(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| build(&self.pattern).ok()).as_ref()
    }

    fn check(&self, rule: &str, key: &'static str) -> Result<(), RulesError> {
        let regex = build(&self.pattern).map_err(|error| refused(rule, key, error))?;
        let _ = self.compiled.set(Some(regex));
        Ok(())
    }
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(STATES_BYTES_MAX)
        .nest_limit(100)
        .build()
}

fn build_set(patterns: &[String], rule: &str, key: &'static str) -> Result<Option<RegexSet>, RulesError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = RegexSetBuilder::new(patterns);
    let builder = builder.unicode(false).size_limit(REGEX_BYTES_MAX).dfa_size_limit(STATES_BYTES_MAX);
    builder.nest_limit(100).build().map(Some).map_err(|error| refused(rule, key, error))
}

fn refused(rule: &str, key: &'static str, error: regex::Error) -> RulesError {
    RulesError::Regex { rule: rule.to_owned(), key, source: Box::new(error) }
}

/// What the expressions of an allow list are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Secret,
    Match,
    Line,
}

/// One allow list.
#[derive(Debug)]
pub struct Allow {
    needs_all: bool,
    paths: Option<RegexSet>,
    regexes: Option<RegexSet>,
    target: Target,
    stopwords: Option<AhoCorasick>,
    /// Empty: all rules.
    rules: Vec<String>,
}

/// What an allow list is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Suspect<'a> {
    /// Where it lies.
    pub path: &'a str,
    /// The secret.
    pub secret: &'a [u8],
    /// All that the expression matched.
    pub matched: &'a [u8],
    /// The line that it begins on, bounded.
    pub line: &'a [u8],
}

impl Allow {
    fn new(text: &AllowText, rule: &str) -> Result<Self, RulesError> {
        let stopwords = match text.stopwords.as_slice() {
            [] => None,
            words => Some(automaton(words, MatchKind::LeftmostFirst)?),
        };
        Ok(Self {
            needs_all: text.needs_all(),
            paths: build_set(&text.paths, rule, "paths of an allow list")?,
            regexes: build_set(&text.regexes, rule, "regexes of an allow list")?,
            target: match text.regex_target.as_deref() {
                Some("match") => Target::Match,
                Some("line") => Target::Line,
                _ => Target::Secret,
            },
            stopwords,
            rules: text.target_rules.clone(),
        })
    }

    fn is_for(&self, rule: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|id| id == rule)
    }

    /// Whether it lets this pass.
    fn allows(&self, suspect: &Suspect<'_>) -> bool {
        let target = match self.target {
            Target::Secret => suspect.secret,
            Target::Match => suspect.matched,
            Target::Line => suspect.line,
        };
        let answers = [
            self.paths.as_ref().map(|paths| paths.is_match(suspect.path.as_bytes())),
            self.regexes.as_ref().map(|regexes| regexes.is_match(target)),
            self.stopwords.as_ref().map(|words| words.is_match(suspect.secret)),
        ];
        let mut given = answers.into_iter().flatten().peekable();
        given.peek().is_some() && if self.needs_all { given.all(|yes| yes) } else { given.any(|yes| yes) }
    }

    /// Whether it lets everything at a path pass.
    fn allows_path(&self, path: &str) -> bool {
        let paths_alone = !self.needs_all || (self.regexes.is_none() && self.stopwords.is_none());
        paths_alone
            && self.rules.is_empty()
            && self.paths.as_ref().is_some_and(|paths| paths.is_match(path.as_bytes()))
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// What it looks for.
    pub title: String,
    /// A word for grouping.
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// What secrets look like; `None`: the path says it all.
    pub regex: Option<LazyRegex>,
    /// Which group is the secret.
    pub group: usize,
    /// Least entropy.
    pub entropy: Option<f64>,
    /// Which paths it is for.
    pub path: Option<LazyRegex>,
    /// Bytes on either side of a keyword; `None`: the whole file.
    pub window: Option<usize>,
    /// What must stand in the window.
    pub near: Option<memchr::memmem::Finder<'static>>,
    /// Whether it has keywords.
    pub has_keywords: bool,
    allow: Vec<Allow>,
}

impl Rule {
    fn new(text: &RuleText) -> Result<Self, RulesError> {
        let word = text.category.clone().or_else(|| text.tags.first().cloned());
        Ok(Self {
            id: text.id.clone(),
            title: text::line(text.description.as_bytes()).unwrap_or_else(|| text.id.clone()),
            category: word.and_then(|word| text::token(word.as_bytes())).unwrap_or_else(|| "other".into()),
            severity: text.severity()?,
            regex: text.regex.as_deref().map(LazyRegex::new),
            group: text.secret_group,
            entropy: text.entropy.filter(|bits| *bits > 0.0),
            path: text.path.as_deref().map(LazyRegex::new),
            window: text.window.map(|bytes| bytes as usize),
            near: text.near.as_ref().map(|near| memchr::memmem::Finder::new(near).into_owned()),
            has_keywords: !text.keywords.is_empty(),
            allow: text.allow().map(|allow| Allow::new(allow, &text.id)).collect::<Result<_, _>>()?,
        })
    }

    fn check(&self) -> Result<(), RulesError> {
        if let Some(path) = &self.path {
            path.check(&self.id, "path")?;
        }
        let Some(regex) = &self.regex else { return Ok(()) };
        regex.check(&self.id, "regex")?;
        let n_groups = regex.get().map_or(0, Regex::captures_len);
        if self.group >= n_groups {
            let expected = "the number of a group of its regex";
            return Err(RulesError::Value { rule: self.id.clone(), key: "secretGroup", expected });
        }
        Ok(())
    }

    /// Whether it is for files at this path.
    pub fn is_for_path(&self, path: &str) -> bool {
        let Some(wanted) = &self.path else { return true };
        wanted.get().is_some_and(|regex| regex.is_match(path.as_bytes()))
    }
}

/// A set of rules, ready to be used by any number of threads.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    allow: Vec<Allow>,
    keywords: AhoCorasick,
    by_keyword: Vec<Vec<u16>>,
    fingerprint: u64,
}

impl Rules {
    /// The bundled rules alone.
    pub fn bundled() -> Result<Self, RulesError> {
        let file = RulesFile::parse(super::BUNDLED_TEXT)?;
        Self::new(&file.rules, file.allow(), xxh3_64_with_seed(super::BUNDLED_TEXT.as_bytes(), 1))
    }

    /// The rules of a user's file, with the bundled ones behind them where it asks for them (`extend.useDefault`).
    /// Every expression is compiled, so that what is wrong is said now.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file = RulesFile::parse(text)?;
        let mut rules = file.rules.clone();
        let mut allow: Vec<AllowText> = file.allow().cloned().collect();
        let mut seed = 2;
        if file.extend.use_default {
            let bundled = RulesFile::parse(super::BUNDLED_TEXT)?;
            seed = xxh3_64_with_seed(super::BUNDLED_TEXT.as_bytes(), seed);
            allow.extend(bundled.allow().cloned());
            // A rule of the same name takes the place of a bundled one.
            let gone = |rule: &RuleText| {
                file.extend.disabled_rules.contains(&rule.id)
                    || file.rules.iter().any(|own| own.id == rule.id)
            };
            rules.extend(bundled.rules.into_iter().filter(|rule| !gone(rule)));
        }
        let rules = Self::new(&rules, allow.iter(), xxh3_64_with_seed(text.as_bytes(), seed))?;
        rules.rules.iter().try_for_each(Rule::check)?;
        Ok(rules)
    }

    fn new<'a>(
        texts: &[RuleText],
        allow: impl Iterator<Item = &'a AllowText>,
        fingerprint: u64,
    ) -> Result<Self, RulesError> {
        let rules = texts.iter().map(Rule::new).collect::<Result<Vec<_>, _>>()?;
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut words = Vec::new();
        let mut by_keyword: Vec<Vec<u16>> = Vec::new();
        for (number, text) in (0u16..).zip(texts) {
            for word in &text.keywords {
                let word = word.to_ascii_lowercase();
                let at = *numbers.entry(word.clone()).or_insert_with(|| {
                    words.push(word);
                    by_keyword.push(Vec::new());
                    by_keyword.len() - 1
                });
                if let Some(list) = by_keyword.get_mut(at).filter(|list| !list.contains(&number)) {
                    list.push(number);
                }
            }
        }
        let allow = allow.map(|allow| Allow::new(allow, "allowlist")).collect::<Result<_, _>>()?;
        Ok(Self { rules, allow, keywords: automaton(&words, MatchKind::Standard)?, by_keyword, fingerprint })
    }

    /// All rules, the most special first.
    pub fn list(&self) -> &[Rule] {
        &self.rules
    }

    /// The automaton of all keywords.
    pub const fn keywords(&self) -> &AhoCorasick {
        &self.keywords
    }

    /// The rules that a keyword, by its number in the automaton, belongs to.
    pub fn of_keyword(&self, number: usize) -> &[u16] {
        self.by_keyword.get(number).map_or(&[], Vec::as_slice)
    }

    /// A hash of all that the rules say.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether an allow list of all rules lets everything at a path pass.
    pub fn allows_path(&self, path: &str) -> bool {
        self.allow.iter().any(|allow| allow.allows_path(path))
    }

    /// Whether an allow list lets a finding of a rule pass.
    pub fn allows(&self, rule: &Rule, suspect: &Suspect<'_>) -> bool {
        rule.allow.iter().any(|allow| allow.allows(suspect))
            || self.allow.iter().any(|allow| allow.is_for(&rule.id) && allow.allows(suspect))
    }
}

/// Words in any case.
fn automaton(words: &[String], kind: MatchKind) -> Result<AhoCorasick, RulesError> {
    let n_bytes: usize = words.iter().map(String::len).sum();
    // The fastest automaton takes some 200 bytes for each byte of the words.
    let automaton = if n_bytes <= 16 << 10 { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(kind)
        .kind(Some(automaton))
        .prefilter(false)
        .build(words)
        .map_err(|error| RulesError::Keywords(Box::new(error)))
}
