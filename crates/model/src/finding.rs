//! A vulnerability that applies to a component of an image.
//!
//! Identity: component x CVE, or the advisory's own id where it names no CVE. Advisories are its evidence.

use serde::{Deserialize, Serialize};

use crate::{advisory::FixState, enrichment::Enrichment, severity::Severity};

/// One finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The CVE, or the id of the advisory where there is none.
    pub id: String,
    /// Other names of the same vulnerability, sorted, without `id`.
    pub aliases: Vec<String>,
    /// Index of the package in the inventory.
    pub package: u32,
    /// The chosen one of `ratings`; `docs/severity.md` states the order of choice.
    pub severity: Severity,
    /// CVSS base score in tenths behind it, when there is one.
    pub score_tenths: Option<u8>,
    /// CVSS vector behind it.
    pub vector: Option<String>,
    /// Whether a fix exists, and if not, what the vendor says.
    pub state: FixState,
    /// Versions in which it is fixed, in version order; the first is the least upgrade. Empty when none is known.
    pub fixed_versions: Vec<String>,
    /// One line, for people.
    pub title: String,
    /// Why it was reported: never empty, best first.
    pub evidence: Vec<Evidence>,
    /// What each source says of its severity, the chosen one first; sources that say nothing are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<SourceRating>,
    /// What is known of its CVE; filled in when a report is made or shown, never by matching.
    #[serde(default, skip_serializing_if = "Enrichment::is_empty")]
    pub enrichment: Enrichment,
}

/// How severe one source says that a vulnerability is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRating {
    /// Id of the advisory, or who rated it where that is no advisory (`CISA-ADP`, `nvd@nist.gov`).
    pub source: String,
    /// Name of the shard that it came from, for example `debian-12` or `cve-severity`.
    pub shard: String,
    /// The source's own word, or what its score means.
    pub severity: Severity,
    /// CVSS base score in tenths, computed from the vector.
    pub score_tenths: Option<u8>,
    /// CVSS vector, verbatim.
    pub vector: Option<String>,
}

impl SourceRating {
    /// The version of CVSS of the vector: `2.0`, `3.0`, `3.1`, `4.0`.
    pub fn cvss_version(&self) -> Option<&str> {
        // Vectors of version 2 carry no prefix.
        let vector = self.vector.as_deref()?;
        Some(vector.strip_prefix("CVSS:").map_or("2.0", |rest| rest.split('/').next().unwrap_or_default()))
    }
}

/// One advisory that says so, and how it matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// Id of the advisory.
    pub advisory: String,
    /// Name of the shard that it came from, for example `debian-12`.
    pub shard: String,
    /// The package name that matched: the source package's or the package's own.
    pub matched_name: String,
    /// The version that was compared.
    pub matched_version: String,
    /// The version order used, for example `deb`.
    pub scheme: String,
    /// The range that holds the version, in words: `>= 0, < 1.2-3`, or `= 1.2`.
    pub range: String,
}

impl Evidence {
    /// The explanation as one sentence.
    pub fn reason(&self) -> String {
        format!(
            "{} {} is in the affected range {} of {} ({} order, {})",
            self.matched_name, self.matched_version, self.range, self.advisory, self.scheme, self.shard
        )
    }
}
