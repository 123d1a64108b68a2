//! One licence, or one expression, under one policy.

use model::{LicenceCategory, Severity};
use spdx::{
    Expression, LicenseItem, LicenseReq, ParseMode,
    expression::{ExprNode, Operator},
};

use super::{LicencePolicy, category::category};

/// Old ids are judged like new ones; everything else is as the specification says.
const MODE: ParseMode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };

/// What a policy says of a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) category: LicenceCategory,
    /// [`Severity::Unknown`] where nothing is said against it.
    pub(super) severity: Severity,
    /// Why it is a finding, each reason once.
    pub(super) reasons: Vec<String>,
}

impl Verdict {
    /// From mild to strict. A licence that nobody knows is taken as stricter than one that only wants its text
    /// kept, and as milder than one that wants source given away.
    fn rank(&self) -> (Severity, u8) {
        let category = match self.category {
            LicenceCategory::Unencumbered => 0,
            LicenceCategory::Permissive => 1,
            LicenceCategory::Notice => 2,
            LicenceCategory::Unknown => 3,
            LicenceCategory::Reciprocal => 4,
            LicenceCategory::Restricted => 5,
            LicenceCategory::Forbidden => 6,
        };
        (self.severity, category)
    }

    /// Both apply: the stricter, for the reasons of both.
    fn and(self, other: Self) -> Self {
        let (mut strict, mild) = if self.rank() >= other.rank() { (self, other) } else { (other, self) };
        for reason in mild.reasons {
            if !strict.reasons.contains(&reason) {
                strict.reasons.push(reason);
            }
        }
        strict.reasons.sort();
        strict
    }

    /// One may be chosen: the milder.
    fn or(self, other: Self) -> Self {
        if self.rank() <= other.rank() { self } else { other }
    }
}

impl LicencePolicy {
    /// Judges an SPDX expression, or a recorded text that is none.
    pub(super) fn judge(&self, licence: &str) -> Verdict {
        let Ok(expression) = Expression::parse_mode(licence, MODE) else { return self.judge_text(licence) };
        let mut stack: Vec<Verdict> = Vec::new();
        for node in expression.iter() {
            let verdict = match node {
                ExprNode::Req(requirement) => Some(self.judge_one(&requirement.req)),
                ExprNode::Op(operator) => stack.pop().zip(stack.pop()).map(|(b, a)| match operator {
                    Operator::And => a.and(b),
                    Operator::Or => a.or(b),
                }),
            };
            stack.extend(verdict);
        }
        stack.pop().unwrap_or_else(|| self.judge_text(licence))
    }

    fn judge_one(&self, requirement: &LicenseReq) -> Verdict {
        let (id, is_gnu) = match &requirement.license {
            LicenseItem::Spdx { id, .. } => (id.name.to_owned(), is_gnu_id(id.name)),
            LicenseItem::Other(reference) => {
                let id = reference.to_string();
                let is_gnu = names_gnu(&id);
                (id, is_gnu)
            }
        };
        let category = match &requirement.license {
            LicenseItem::Spdx { .. } => category(&id),
            LicenseItem::Other(_) => text_category(&id),
        };
        let written = requirement.to_string();
        self.decide(&[&written, &id], category, is_gnu, &written)
    }

    /// A text that is no expression: what can be said by the words in it.
    fn judge_text(&self, text: &str) -> Verdict {
        self.decide(&[text], text_category(text), names_gnu(text), text)
    }

    fn decide(&self, names: &[&str], category: LicenceCategory, is_gnu: bool, shown: &str) -> Verdict {
        let listed = |list: &std::collections::BTreeSet<String>| {
            list.iter().any(|entry| names.iter().any(|name| name.eq_ignore_ascii_case(entry)))
        };
        let by_category = self.severities.get(&category).copied().unwrap_or_default();
        let (severity, reason) = if listed(&self.denied) {
            (Severity::Critical, format!("{shown} is denied"))
        } else if listed(&self.allowed) || (is_gnu && self.allow_gnu) {
            (Severity::Unknown, String::new())
        } else if is_gnu {
            (by_category.max(Severity::High), format!("{shown} is a GNU licence, and these are not allowed"))
        } else {
            (by_category, format!("{shown} is {}", category.as_str()))
        };
        let reasons = if severity == Severity::Unknown { Vec::new() } else { vec![reason] };
        Verdict { category, severity, reasons }
    }
}

/// GPL, LGPL and AGPL; the GFDL is of documents and the Affero's first version is not GNU's, but both share the
/// obligations and the first the name.
fn is_gnu_id(id: &str) -> bool {
    ["GPL-", "LGPL-", "AGPL-"].iter().any(|stem| id.starts_with(stem))
}

/// True when a text that nobody understood names a GNU licence.
fn names_gnu(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let mut short = words.filter(|word| !word.is_empty()).map(|word| word.trim_start_matches(['a', 'l']));
    let phrases = ["general public licen", "gnu public licen", "gnu lesser", "gnu library", "gnu affero"];
    short.any(|word| {
        word.strip_prefix("gpl").is_some_and(|rest| {
            let rest = rest.strip_prefix('v').unwrap_or(rest);
            rest.bytes().all(|byte| byte.is_ascii_digit())
        })
    }) || phrases.iter().any(|phrase| lower.contains(phrase))
}

/// Category of what has no SPDX id.
fn text_category(text: &str) -> LicenceCategory {
    let lower = text.to_ascii_lowercase();
    let affero = ["agpl", "affero"].iter().any(|word| lower.contains(word));
    match lower.as_str() {
        "licenseref-public-domain" | "licenseref-fedora-public-domain" => LicenceCategory::Unencumbered,
        "licenseref-bsd" => LicenceCategory::Notice,
        _ if names_gnu(text) && affero => LicenceCategory::Forbidden,
        _ if names_gnu(text) => LicenceCategory::Restricted,
        _ => LicenceCategory::Unknown,
    }
}
