//! What messages say, as it is kept in the outbox: facts from the transaction that made them true. What receivers get
//! is built from these by `app`.

use model::{ChangeReason, Facets, FailureReason, ScanStatus, Severity};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Micros;

/// The image that a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageImage {
    /// Number of its record.
    pub id: i64,
    /// The whole reference.
    pub reference: String,
    /// The platform; empty for the default.
    pub platform: String,
    /// Digest of the platform's manifest, when known.
    pub digest: Option<String>,
    /// Number of its project.
    pub project_id: i64,
    /// Name of its project.
    pub project: String,
}

/// A scan that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanMessage {
    /// The image.
    pub image: MessageImage,
    /// The scan.
    pub scan: Uuid,
    /// How it ended.
    pub status: ScanStatus,
    /// Why it failed.
    pub reason: Option<FailureReason>,
    /// What it said of its end.
    pub detail: Option<String>,
    /// Whether something may have gone unseen.
    pub partial: bool,
    /// Number of the report, of a completed scan.
    pub report: Option<i64>,
    /// Counts of the report's findings.
    pub findings: Option<Facets>,
    /// Who asked for it.
    pub requested_by: String,
    /// The request that asked for it.
    pub request_id: String,
    /// When it was asked for.
    pub requested_at: Micros,
    /// When work on it began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub finished_at: Option<Micros>,
}

/// Findings that an image did not have before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsMessage {
    /// The image.
    pub image: MessageImage,
    /// Why they came.
    pub cause: ChangeReason,
    /// The scan that brought them; `None` when new advisories did.
    pub scan: Option<Uuid>,
    /// The shard of the new advisories.
    pub shard: Option<String>,
    /// How many there are, by severity.
    pub counts: Facets,
    /// The worst of them, [`MAX_FINDINGS`] at most.
    pub findings: Vec<MessageFinding>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageFinding {
    /// Its number.
    pub id: i64,
    /// The CVE, or an advisory's id.
    pub name: String,
    /// Its severity.
    pub severity: Severity,
    /// Whether a newer version fixes it.
    pub fixable: bool,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
}

/// Findings that one message names; the rest is counted only.
pub const MAX_FINDINGS: usize = 100;

impl FindingsMessage {
    /// A message of those that are severe enough; `None` when none is.
    pub(crate) fn of(base: &Self, found: &[MessageFinding], min_severity: Severity) -> Option<Self> {
        let mut few: Vec<&MessageFinding> =
            found.iter().filter(|finding| finding.severity >= min_severity).collect();
        if few.is_empty() {
            return None;
        }
        let mut counts = Facets::default();
        for finding in &few {
            counts.add(finding.severity, finding.fixable);
        }
        few.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then_with(|| (&a.package, &a.name, a.id).cmp(&(&b.package, &b.name, b.id)))
        });
        few.truncate(MAX_FINDINGS);
        Some(Self { counts, findings: few.into_iter().cloned().collect(), ..base.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_all_and_names_the_worst() {
        let image = MessageImage {
            id: 1,
            reference: "r.example/a:1".into(),
            platform: String::new(),
            digest: None,
            project_id: 1,
            project: "p".into(),
        };
        let base = FindingsMessage {
            image,
            cause: ChangeReason::AdvisoryNew,
            scan: None,
            shard: None,
            counts: Facets::default(),
            findings: Vec::new(),
        };
        let found: Vec<MessageFinding> = (0..250)
            .map(|id| MessageFinding {
                id,
                name: format!("CVE-{id}"),
                severity: if id % 50 == 0 { Severity::Critical } else { Severity::Low },
                fixable: id % 2 == 0,
                kind: "deb".into(),
                package: "curl".into(),
                version: "1".into(),
            })
            .collect();
        let all = FindingsMessage::of(&base, &found, Severity::Unknown).unwrap();
        assert_eq!((all.counts.critical, all.counts.low, all.counts.fixable), (5, 245, 125));
        assert_eq!(all.findings.len(), MAX_FINDINGS);
        assert_eq!(all.findings.iter().filter(|f| f.severity == Severity::Critical).count(), 5);
        let few = FindingsMessage::of(&base, &found, Severity::High).unwrap();
        assert_eq!((few.counts.critical, few.counts.low, few.findings.len()), (5, 0, 5));
        assert_eq!(FindingsMessage::of(&base, &found[1..50], Severity::High), None);
    }
}
