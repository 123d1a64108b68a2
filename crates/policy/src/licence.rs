//! Which licences are welcome: every licence of an image gets its category, and a severity where something is said
//! against it.
//!
//! The SBOM is no business of a policy and stays complete whatever is decided here. An expression is judged by
//! its parts: of `OR` the mildest counts, since the user may choose, of `AND` the strictest. An exception does not
//! change its licence's category: a GPL program with the Classpath exception, or GCC's runtime library exception,
//! still is under the GPL, and whoever wants it lists `GPL-2.0-only WITH Classpath-exception-2.0` as allowed.

mod category;
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use model::{Inventory, LicenceCategory, LicenceFinding, Severity};

pub use category::category;
use judge::Verdict;

/// What stands for a licence where none is recorded (SPDX 2.3, section 7.13).
pub const NO_ASSERTION: &str = "NOASSERTION";

/// What is said for and against licences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicencePolicy {
    /// Whether GPL, LGPL and AGPL are welcome: this alone decides over them, not their category. When they are
    /// not, each one is a finding of at least [`Severity::High`].
    pub allow_gnu: bool,
    /// SPDX ids, with or without ` WITH EXCEPTION`, or recorded texts, that are no finding whatever else is
    /// said here. Compared without regard to case.
    pub allowed: BTreeSet<String>,
    /// The same for what always is a finding of [`Severity::Critical`], also when it is allowed too.
    pub denied: BTreeSet<String>,
    /// Severity of each category; what is not named here is only listed.
    pub severities: BTreeMap<LicenceCategory, Severity>,
}

impl Default for LicencePolicy {
    /// GNU licences are welcome; forbidden ones are critical, restricted ones high, reciprocal ones medium.
    fn default() -> Self {
        let severities = [
            (LicenceCategory::Forbidden, Severity::Critical),
            (LicenceCategory::Restricted, Severity::High),
            (LicenceCategory::Reciprocal, Severity::Medium),
        ];
        Self {
            allow_gnu: true,
            allowed: BTreeSet::new(),
            denied: BTreeSet::new(),
            severities: severities.into(),
        }
    }
}

/// Judges the licences of all packages and licence files, sorted.
///
/// A package has one finding for its expression, or where there is none, one for each licence that it records, or
/// one for [`NO_ASSERTION`]. Those that nothing is said against have the severity [`Severity::Unknown`] and no
/// reason.
pub fn judge(inventory: &Inventory, policy: &LicencePolicy) -> Vec<LicenceFinding> {
    let mut judged: BTreeMap<&str, Verdict> = BTreeMap::new();
    let mut findings = Vec::with_capacity(inventory.packages.len() + inventory.licence_files.len());
    let mut add = |licence: &str, verdict: &Verdict, package, path: &str, confidence| {
        findings.push(LicenceFinding {
            licence: licence.to_owned(),
            category: verdict.category,
            severity: verdict.severity,
            package,
            path: path.to_owned(),
            confidence,
            reason: verdict.reasons.join("; "),
        });
    };
    for (index, package) in (0u32..).zip(&inventory.packages) {
        let recorded = package.licences.iter().map(String::as_str);
        let licences: Vec<&str> = match &package.licence {
            Some(expression) => vec![expression],
            None if package.licences.is_empty() => vec![NO_ASSERTION],
            None => recorded.collect(),
        };
        for licence in licences {
            let verdict = judged.entry(licence).or_insert_with(|| policy.judge(licence));
            add(licence, verdict, Some(index), &package.path, 100);
        }
    }
    for file in &inventory.licence_files {
        let verdict = judged.entry(&file.licence).or_insert_with(|| policy.judge(&file.licence));
        add(&file.licence, verdict, None, &file.path, file.confidence);
    }
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests;
