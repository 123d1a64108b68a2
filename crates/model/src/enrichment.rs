//! What is known of a CVE beside its advisories: whether it is exploited, and how likely that is.
//!
//! It changes daily and speaks of no package, so it is looked up when a report is made or shown and takes no part in
//! matching.

use serde::{Deserialize, Serialize};

/// What is known of the CVE of a finding. Empty means "nothing known", not "harmless".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrichment {
    /// That it is exploited, as CISA's catalogue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<KnownExploited>,
    /// How likely it is to be exploited, as FIRST's model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
}

impl Enrichment {
    /// True when nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.kev.is_none() && self.epss.is_none()
    }
}

/// One entry of the catalogue of Known Exploited Vulnerabilities (cisa.gov/known-exploited-vulnerabilities-catalog).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownExploited {
    /// Day on which it was added, `YYYY-MM-DD`.
    pub added: String,
    /// Day by which US federal agencies must have fixed it, `YYYY-MM-DD`.
    pub due: Option<String>,
    /// Whether it is known to be used for ransomware.
    pub ransomware: bool,
}

/// A score of the Exploit Prediction Scoring System (first.org/epss).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epss {
    /// Probability of exploitation within the next 30 days, in millionths (0 to 1,000,000).
    pub score_millionths: u32,
    /// Share of all CVEs with this score or a lower one, in millionths.
    pub percentile_millionths: u32,
}

impl Epss {
    /// The highest value of both numbers.
    pub const WHOLE: u32 = 1_000_000;

    /// The probability, 0 to 1.
    pub fn score(self) -> f64 {
        f64::from(self.score_millionths.min(Self::WHOLE)) / f64::from(Self::WHOLE)
    }

    /// The percentile, 0 to 1.
    pub fn percentile(self) -> f64 {
        f64::from(self.percentile_millionths.min(Self::WHOLE)) / f64::from(Self::WHOLE)
    }
}

/// Enrichment that a report was made with, so that its age can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrichmentUsed {
    /// `kev`, `epss` or `cve-severity`.
    pub name: String,
    /// Where it came from, for people.
    pub source: String,
    /// The day or time that the source itself gives its data; empty when it gives none.
    pub dated: String,
    /// RFC 3339 time at which the file was built here.
    pub built: String,
    /// How many CVEs it speaks of.
    pub entries: u64,
    /// `xxh3:...`
    pub digest: String,
}
