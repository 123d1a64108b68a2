//! Counts of findings: what a list shows of an image.

use serde::{Deserialize, Serialize};

use crate::{finding::Finding, severity::Severity};

/// How many findings there are, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// Of severity critical.
    pub critical: u32,
    /// Of severity high.
    pub high: u32,
    /// Of severity medium.
    pub medium: u32,
    /// Of severity low.
    pub low: u32,
    /// Of severity negligible.
    pub negligible: u32,
    /// Of no known severity.
    pub unknown: u32,
    /// Those, of any severity, that a newer version fixes.
    pub fixable: u32,
}

impl Facets {
    /// Counts findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut facets = Self::default();
        for finding in findings {
            facets.add(finding.severity, !finding.fixed_versions.is_empty());
        }
        facets
    }

    /// Counts one more.
    pub fn add(&mut self, severity: Severity, fixable: bool) {
        *self.slot(severity) += 1;
        self.fixable += u32::from(fixable);
    }

    /// The count of one severity.
    pub const fn get(&self, severity: Severity) -> u32 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Negligible => self.negligible,
            Severity::Unknown => self.unknown,
        }
    }

    const fn slot(&mut self, severity: Severity) -> &mut u32 {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Negligible => &mut self.negligible,
            Severity::Unknown => &mut self.unknown,
        }
    }

    /// All findings.
    pub fn total(&self) -> u32 {
        Severity::DESCENDING.iter().map(|severity| self.get(*severity)).sum()
    }

    /// The highest severity with a finding.
    pub fn worst(&self) -> Option<Severity> {
        Severity::DESCENDING.into_iter().find(|severity| self.get(*severity) > 0)
    }

    /// One number by which images are ordered: more critical findings first, then more high ones, and so on.
    /// Each count is capped at what its bits hold; never negative.
    pub fn risk(&self) -> i64 {
        let capped = |count: u32, bits: u32| i64::from(count.min((1 << bits) - 1));
        let ranks = [
            capped(self.critical, 12),
            capped(self.high, 13),
            capped(self.medium, 13),
            capped(self.low, 13),
            capped(self.negligible + self.unknown, 12),
        ];
        let [critical, high, medium, low, rest] = ranks;
        (((critical << 13 | high) << 13 | medium) << 13 | low) << 12 | rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_critical_outweighs_any_number_of_others() {
        let one = Facets { critical: 1, ..Facets::default() };
        let many = Facets { high: 9000, medium: 9000, low: 9000, unknown: 9000, ..Facets::default() };
        assert!(one.risk() > many.risk() && many.risk() > 0);
        assert!(Facets { critical: u32::MAX, ..many }.risk() > 0);
        assert_eq!(one.worst(), Some(Severity::Critical));
        assert_eq!(many.total(), 36000);
    }
}
