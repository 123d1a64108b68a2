//! Bills of materials: what both formats that are written share, and how the documents of others are read.
//!
//! [`crate::cyclonedx`] and [`crate::spdx`] write them. What a standard has no field for goes into properties whose
//! names begin with `lazaret:` (the list is in `property`), so that a document written here can be read back
//! without loss. [`parse`] reads CycloneDX, SPDX and Syft's JSON into an inventory, which is matched as that of an
//! image is.

use model::{Inventory, report::ImageFacts};
use serde::Deserialize;

pub(crate) mod annotation;
mod cyclonedx;
pub(crate) mod image;
pub(crate) mod property;
pub(crate) mod purl;
mod reading;
pub(crate) mod relation;
mod spdx;
mod syft;
pub(crate) mod time;

/// Largest document that is read, in bytes.
pub const MAX_BYTES: usize = 128 << 20;

/// What goes into a document beside the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether findings are written too; a document without them says what is there, and nothing of what is
    /// wrong with it.
    pub vulnerabilities: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { vulnerabilities: true }
    }
}

/// The forms that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CycloneDX 1.2 to 1.6, as JSON.
    CycloneDx,
    /// SPDX 2.2 and 2.3, as JSON.
    Spdx,
    /// What `syft -o json` writes.
    Syft,
}

/// What a document tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sbom {
    /// Its form.
    pub kind: Kind,
    /// What it says of the image; the reference is empty where it names none.
    pub image: ImageFacts,
    /// What is in the image, as an analysis of it would have found it; what could not be used is among the problems.
    pub inventory: Inventory,
}

/// Why a document cannot be used at all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SbomError {
    /// More than [`MAX_BYTES`].
    #[error("the bill of materials is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// Not JSON, or not of the expected shape.
    #[error("the bill of materials is damaged (line {line}, column {column}: {reason})")]
    Damaged {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there, shortened.
        reason: String,
    },
    /// JSON, but none of the forms.
    #[error("this is no bill of materials: it is neither CycloneDX, SPDX nor Syft JSON")]
    Unknown,
    /// One of the forms, in a version whose meaning is not known.
    #[error(
        "the bill of materials is of {form} version {version:?}, which this version of lazaret does not read"
    )]
    Version {
        /// `CycloneDX` or `SPDX`.
        form: &'static str,
        /// As it is written, shortened.
        version: String,
    },
}

impl SbomError {
    fn damaged(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default().chars().take(200).collect();
        Self::Damaged { line: error.line(), column: error.column(), reason }
    }
}

/// What tells the forms apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    bom_format: Option<String>,
    #[serde(default)]
    spec_version: Option<String>,
    #[serde(default)]
    spdx_version: Option<String>,
    #[serde(default)]
    artifacts: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    descriptor: Option<serde::de::IgnoredAny>,
}

/// Reads a document of any of the forms.
///
/// # Errors
/// When it is too large, damaged or of no known form. Single components that cannot be used are problems of the
/// inventory instead.
pub fn parse(bytes: &[u8]) -> Result<Sbom, SbomError> {
    if bytes.len() > MAX_BYTES {
        return Err(SbomError::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head: Head = serde_json::from_slice(bytes).map_err(|error| SbomError::damaged(&error))?;
    let shortened = |version: &str| version.chars().take(40).collect();
    if head.bom_format.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("CycloneDX")) {
        let version = head.spec_version.unwrap_or_default();
        if !matches!(version.as_str(), "1.2" | "1.3" | "1.4" | "1.5" | "1.6") {
            return Err(SbomError::Version { form: "CycloneDX", version: shortened(&version) });
        }
        return cyclonedx::parse(bytes);
    }
    if let Some(version) = head.spdx_version {
        if !matches!(version.as_str(), "SPDX-2.2" | "SPDX-2.3") {
            return Err(SbomError::Version { form: "SPDX", version: shortened(&version) });
        }
        return spdx::parse(bytes);
    }
    if head.artifacts.is_some() && head.descriptor.is_some() {
        return syft::parse(bytes);
    }
    Err(SbomError::Unknown)
}
