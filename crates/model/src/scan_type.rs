//! What a scan may look for. Each type is named by the MIME type of the report that it produces.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A scan type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanType {
    /// Packages and the advisories that apply to them.
    Vulnerability,
    /// The bill of materials: packages, without advisories.
    Sbom,
    /// Passwords, keys and tokens.
    Secret,
    /// Licences of packages and files.
    License,
    /// Owners, permissions and contents of files and directories.
    Filesystem,
}

/// A word that is no scan type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("scan type {0:?} is none of vulnerability (vuln), sbom, secret, license (licence), filesystem (fs)")]
pub struct ScanTypeError(String);

impl ScanType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Vulnerability, Self::Sbom, Self::Secret, Self::License, Self::Filesystem];

    /// The lower-case word, as on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerability => "vulnerability",
            Self::Sbom => "sbom",
            Self::Secret => "secret",
            Self::License => "license",
            Self::Filesystem => "filesystem",
        }
    }

    /// The MIME type of its report: Harbor's pluggable scanner specification 1.1 and 1.2 for the first two, the
    /// unified scanner API 2.0 for the others.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Vulnerability => "application/vnd.security.vulnerability.report; version=1.1",
            Self::Sbom => "application/vnd.security.sbom.report+json; version=1.0",
            Self::Secret => "application/vnd.security.secret.report; version=1.0",
            Self::License => "application/vnd.security.license.report; version=1.0",
            Self::Filesystem => "application/vnd.security.filesystem.report; version=1.0",
        }
    }
}

impl FromStr for ScanType {
    type Err = ScanTypeError;

    fn from_str(text: &str) -> Result<Self, ScanTypeError> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "vulnerability" | "vuln" => Self::Vulnerability,
            "sbom" => Self::Sbom,
            "secret" => Self::Secret,
            "license" | "licence" => Self::License,
            "filesystem" | "fs" => Self::Filesystem,
            _ => return Err(ScanTypeError(text.chars().take(60).collect())),
        })
    }
}

impl fmt::Display for ScanType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back() {
        for kind in ScanType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert!(kind.mime().starts_with("application/vnd.security."));
        }
        assert_eq!("fs".parse(), Ok(ScanType::Filesystem));
        assert!("all".parse::<ScanType>().is_err());
    }
}
