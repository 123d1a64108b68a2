//! Licences: files that state one, and what is said against those of an image.

use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// A file that holds the text of a licence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LicenceFile {
    /// Relative to the image's root.
    pub path: String,
    /// SPDX id of the licence that its text is.
    pub licence: String,
    /// How much of the text is that licence's, in percent.
    pub confidence: u8,
    /// Index of the layer that brought it, 0 = lowest; `None` without layers.
    pub layer: Option<u32>,
}

/// What a licence asks of those who use the software (Google's licence classifier, "license types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LicenceCategory {
    /// Not to be used by a business (AGPL, non-commercial).
    Forbidden,
    /// Own source must be given away under the same licence (GPL, LGPL).
    Restricted,
    /// Changes to the licensed files must be given away (MPL, EPL, CDDL).
    Reciprocal,
    /// Text must be kept (Apache, BSD, MIT).
    Notice,
    /// Hardly any condition.
    Permissive,
    /// None at all (CC0, Unlicense).
    Unencumbered,
    /// Not recognised.
    Unknown,
}

impl LicenceCategory {
    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Restricted => "restricted",
            Self::Reciprocal => "reciprocal",
            Self::Notice => "notice",
            Self::Permissive => "permissive",
            Self::Unencumbered => "unencumbered",
            Self::Unknown => "unknown",
        }
    }
}

/// One licence of one package or file, and how it is judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LicenceFinding {
    /// SPDX id or expression; what the package records, verbatim, where that could not be understood.
    pub licence: String,
    /// Its category.
    pub category: LicenceCategory,
    /// How it is judged: `Unknown` where nothing is said against it.
    pub severity: Severity,
    /// Index of the package in the inventory; `None` for a licence file.
    pub package: Option<u32>,
    /// The file that states it.
    pub path: String,
    /// In percent; 100 for what packages record.
    pub confidence: u8,
    /// Why it is a finding; empty where it is only listed.
    pub reason: String,
}
