//! Rules as they stand in a file: gitleaks' TOML format (github.com/gitleaks/gitleaks, README, "Configuration"),
//! with four optional keys of our own on a rule, which gitleaks ignores: `severity`, `category`, `window`, `near`.
//!
//! This module turns text into values and says what is wrong with them. `commits` of allow lists are ignored: an
//! image has none. Nothing here reads a file or a network: `extend.path` and `extend.url` are refused.

use model::Severity;
use serde::Deserialize;

/// Longest rules file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Most rules of one file.
pub const RULES_MAX: usize = 2000;
/// Most regular expressions, keywords and stop words of one file.
const TEXTS_MAX: usize = 50_000;
/// Longest single text of a file, in bytes.
const TEXT_MAX: usize = 20_000;

/// What is wrong with a rules file.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file is too long.
    #[error("the rules file has {0} bytes, which is more than {FILE_BYTES_MAX}")]
    TooLong(usize),
    /// It is no TOML, or a value has the wrong type.
    #[error("the rules file is not the TOML expected")]
    Toml(#[source] Box<toml::de::Error>),
    /// A limit was met.
    #[error("the rules file has more than {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A rule without `id`.
    #[error("rule {0} (counted from 1) has no id, or one that is not a short word")]
    Id(usize),
    /// Two rules of one name.
    #[error("two rules have the id {0:?}")]
    Twice(String),
    /// A rule that looks for nothing.
    #[error("rule {0:?} has neither regex nor path")]
    Empty(String),
    /// A rule asks for something that is not supported.
    #[error("rule {rule:?}: {what} is not supported")]
    Unsupported {
        /// The rule, or the part of the file.
        rule: String,
        /// What it asks for.
        what: &'static str,
    },
    /// A value that no rule may have.
    #[error("rule {rule:?}: {key} must be {expected}")]
    Value {
        /// The rule.
        rule: String,
        /// Its key.
        key: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// A regular expression that cannot be used.
    #[error("rule {rule:?}: {key} is no regular expression that can be used")]
    Regex {
        /// The rule, or `allowlist`.
        rule: String,
        /// Which of its expressions.
        key: &'static str,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
    /// The keywords of all rules together are too much.
    #[error("the keywords of all rules cannot be used together")]
    Keywords(#[source] Box<aho_corasick::BuildError>),
}

/// A file of rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RulesFile {
    /// What they are built upon.
    pub extend: Extend,
    /// The rules, the most special first.
    pub rules: Vec<RuleText>,
    /// What no rule reports (the older form).
    pub allowlist: Option<AllowText>,
    /// What no rule reports.
    pub allowlists: Vec<AllowText>,
}

/// What a file is built upon.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Extend {
    /// Also use the bundled rules.
    pub use_default: bool,
    /// Bundled rules to leave out, by id.
    pub disabled_rules: Vec<String>,
    /// Refused.
    pub path: Option<String>,
    /// Refused.
    pub url: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleText {
    /// Unique name.
    pub id: String,
    /// What it looks for, one line.
    pub description: String,
    /// What secrets look like; without one the path alone is a finding.
    pub regex: Option<String>,
    /// Which group of the expression is the secret; 0: the first that matched, else all.
    pub secret_group: usize,
    /// Least entropy of the secret, in bits a byte.
    pub entropy: Option<f64>,
    /// Which paths it is for.
    pub path: Option<String>,
    /// Words, of which one must stand in the file, in any case; without them every file is searched.
    pub keywords: Vec<String>,
    /// Words for grouping; the first is the category where none is named.
    pub tags: Vec<String>,
    /// What it does not report (the older form).
    pub allowlist: Option<AllowText>,
    /// What it does not report.
    pub allowlists: Vec<AllowText>,
    /// Refused when it is not empty: findings that must stand beside others.
    pub required: Vec<toml::Value>,
    /// How bad it is; `high` where it is not said.
    pub severity: Option<String>,
    /// A word for grouping.
    pub category: Option<String>,
    /// Bytes before and after a keyword within which matches must lie; without it the whole file is searched.
    pub window: Option<u32>,
    /// A text, in this case, that must stand in the window.
    pub near: Option<String>,
}

/// One allow list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowText {
    /// Why.
    pub description: String,
    /// `OR` (any of the below) or `AND` (all that are given).
    pub condition: Option<String>,
    /// Expressions of paths.
    pub paths: Vec<String>,
    /// Expressions of texts.
    pub regexes: Vec<String>,
    /// What `regexes` are of: `secret`, `match` or `line`.
    pub regex_target: Option<String>,
    /// Words that no secret holds, in any case.
    pub stopwords: Vec<String>,
    /// Global lists only: the rules that it is for; all where there are none.
    pub target_rules: Vec<String>,
}

impl RulesFile {
    /// Reads a file and checks all that can be checked without compiling its expressions.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(RulesError::TooLong(text.len()));
        }
        let file: Self = toml::from_str(text).map_err(|error| RulesError::Toml(Box::new(error)))?;
        file.check()?;
        Ok(file)
    }

    /// The allow lists of both forms.
    pub fn allow(&self) -> impl Iterator<Item = &AllowText> {
        self.allowlist.iter().chain(&self.allowlists)
    }

    fn check(&self) -> Result<(), RulesError> {
        if self.extend.path.is_some() || self.extend.url.is_some() {
            let what = "a path or url to extend (name the file itself)";
            return Err(RulesError::Unsupported { rule: "extend".into(), what });
        }
        if self.rules.len() > RULES_MAX {
            return Err(RulesError::TooMany { what: "rules", limit: RULES_MAX });
        }
        let mut n_texts: usize = self.allow().map(AllowText::texts).sum();
        let mut ids = std::collections::HashSet::new();
        for (number, rule) in (1..).zip(&self.rules) {
            rule.check(number)?;
            if !ids.insert(rule.id.as_str()) {
                return Err(RulesError::Twice(rule.id.clone()));
            }
            n_texts += rule.keywords.len() + rule.allow().map(AllowText::texts).sum::<usize>();
        }
        if n_texts > TEXTS_MAX {
            return Err(RulesError::TooMany { what: "expressions and words", limit: TEXTS_MAX });
        }
        self.allow().try_for_each(|allow| allow.check("allowlist"))
    }
}

impl RuleText {
    /// The allow lists of both forms.
    pub fn allow(&self) -> impl Iterator<Item = &AllowText> {
        self.allowlist.iter().chain(&self.allowlists)
    }

    /// How bad it is.
    pub fn severity(&self) -> Result<Severity, RulesError> {
        let Some(text) = &self.severity else { return Ok(Severity::High) };
        text.parse().map_err(|_| self.value("severity", "critical, high, medium, low or negligible"))
    }

    fn value(&self, key: &'static str, expected: &'static str) -> RulesError {
        RulesError::Value { rule: self.id.clone(), key, expected }
    }

    fn check(&self, number: usize) -> Result<(), RulesError> {
        let is_word = |text: &str| {
            (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
        };
        if !is_word(&self.id) {
            return Err(RulesError::Id(number));
        }
        if self.regex.is_none() && self.path.is_none() {
            return Err(RulesError::Empty(self.id.clone()));
        }
        if !self.required.is_empty() {
            let what = "a rule that requires others (`required`)";
            return Err(RulesError::Unsupported { rule: self.id.clone(), what });
        }
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > TEXT_MAX);
        if long(&self.regex) || long(&self.path) || self.description.len() > TEXT_MAX {
            return Err(self.value("regex, path and description", "at most 20,000 bytes"));
        }
        if self.entropy.is_some_and(|bits| !(0.0..=8.0).contains(&bits)) {
            return Err(self.value("entropy", "between 0 and 8"));
        }
        if self.keywords.iter().any(|word| word.is_empty() || word.len() > 200) {
            return Err(self.value("keywords", "of 1 to 200 bytes"));
        }
        if self.window.is_some_and(|bytes| !(1..=10_000).contains(&bytes)) {
            return Err(self.value("window", "between 1 and 10,000"));
        }
        if self.window.is_some() && self.keywords.is_empty() {
            return Err(self.value("window", "absent where there are no keywords"));
        }
        if self.category.as_deref().is_some_and(|word| !is_word(word)) {
            return Err(self.value("category", "a short word"));
        }
        self.severity()?;
        self.allow().try_for_each(|allow| allow.check(&self.id))
    }
}

impl AllowText {
    fn texts(&self) -> usize {
        self.paths.len() + self.regexes.len() + self.stopwords.len()
    }

    fn check(&self, rule: &str) -> Result<(), RulesError> {
        let value = |key, expected| Err(RulesError::Value { rule: rule.to_owned(), key, expected });
        let mut texts = self.paths.iter().chain(&self.regexes).chain(&self.stopwords);
        if texts.any(|text| text.is_empty() || text.len() > TEXT_MAX) {
            return value("every text of an allow list", "of 1 to 20,000 bytes");
        }
        if !matches!(self.condition.as_deref(), None | Some("OR" | "or" | "AND" | "and" | "||" | "&&")) {
            return value("condition", "AND or OR");
        }
        if !matches!(self.regex_target.as_deref(), None | Some("" | "secret" | "match" | "line")) {
            return value("regexTarget", "secret, match or line");
        }
        Ok(())
    }

    /// Whether all that is given must hold, not any of it.
    pub fn needs_all(&self) -> bool {
        matches!(self.condition.as_deref(), Some("AND" | "and" | "&&"))
    }
}
