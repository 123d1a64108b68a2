//! The simplest policy: which findings are shown, and from which severity on a scan fails.

use model::{Finding, Report, Severity};

/// Which findings a reader wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Leave out what is less severe.
    pub min_severity: Option<Severity>,
    /// Leave out what has no fixed version yet.
    pub ignore_unfixed: bool,
}

impl Filter {
    /// True when the finding is wanted.
    pub fn keeps(&self, finding: &Finding) -> bool {
        self.min_severity.is_none_or(|least| finding.severity >= least)
            && !(self.ignore_unfixed && finding.fixed_versions.is_empty())
    }

    /// Removes the findings that are not wanted and returns how many there were.
    pub fn apply(&self, report: &mut Report) -> usize {
        let before = report.findings.len();
        report.findings.retain(|finding| self.keeps(finding));
        before - report.findings.len()
    }
}

/// True when a finding of the report is at least that severe.
pub fn fails(report: &Report, fail_on: Severity) -> bool {
    report.findings.iter().any(|finding| finding.severity >= fail_on)
}

#[cfg(test)]
mod tests {
    use model::{advisory::FixState, finding::Evidence};

    use super::*;

    fn finding(severity: Severity, fixed: &[&str]) -> Finding {
        Finding {
            id: "CVE-2024-1".into(),
            aliases: Vec::new(),
            package: 0,
            severity,
            score_tenths: None,
            vector: None,
            state: FixState::Affected,
            fixed_versions: fixed.iter().map(ToString::to_string).collect(),
            title: String::new(),
            ratings: Vec::new(),
            enrichment: model::Enrichment::default(),
            evidence: Vec::<Evidence>::new(),
        }
    }

    #[test]
    fn filters_by_severity_and_fix() {
        let filter = |min_severity, ignore_unfixed| Filter { min_severity, ignore_unfixed };
        let fixed = finding(Severity::High, &["1.2"]);
        let unfixed = finding(Severity::Critical, &[]);
        let unknown = finding(Severity::Unknown, &["1.2"]);
        assert!(filter(None, false).keeps(&unknown));
        assert!(!filter(Some(Severity::Low), false).keeps(&unknown));
        assert!(filter(Some(Severity::High), true).keeps(&fixed));
        assert!(!filter(Some(Severity::Critical), true).keeps(&fixed));
        assert!(!filter(None, true).keeps(&unfixed));
    }
}
