//! How bad a finding is, in the words that people and other tools use.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Ordered from least to most severe; `Unknown` is lowest because a threshold must not trip on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No source gives one.
    #[default]
    Unknown,
    /// Debian's `unimportant`, Ubuntu's `negligible`, CVSS 0.0.
    Negligible,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

/// A word that is no severity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("severity {0:?} is none of unknown, negligible, low, medium (moderate), high (important), critical")]
pub struct SeverityError(String);

impl Severity {
    /// All, most severe first: the order of tables and summaries.
    pub const DESCENDING: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Negligible, Self::Unknown];

    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The qualitative rating of a CVSS base score (CVSS v3.1 section 5, v4.0 section 6).
    pub fn from_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            0.0 => Self::Negligible,
            _ => Self::Unknown,
        }
    }
}

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(text: &str) -> Result<Self, SeverityError> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "unknown" => Self::Unknown,
            "negligible" | "unimportant" | "none" => Self::Negligible,
            "low" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            "critical" => Self::Critical,
            _ => return Err(SeverityError(text.chars().take(60).collect())),
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_other_names() {
        assert_eq!("IMPORTANT".parse(), Ok(Severity::High));
        assert_eq!("moderate".parse(), Ok(Severity::Medium));
        assert!("bad".parse::<Severity>().is_err());
        assert!(Severity::Unknown < Severity::Negligible);
    }

    #[test]
    fn rates_scores_as_first_does() {
        for (score, severity) in [
            (0.0, "negligible"),
            (0.1, "low"),
            (3.9, "low"),
            (4.0, "medium"),
            (6.9, "medium"),
            (7.0, "high"),
            (8.9, "high"),
            (9.0, "critical"),
            (10.0, "critical"),
        ] {
            assert_eq!(Severity::from_score(score).as_str(), severity);
        }
        assert_eq!(Severity::from_score(f64::NAN), Severity::Unknown);
    }
}
