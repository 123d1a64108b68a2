//! Operating system, architecture and variant, as in the OCI image index (image-index.md, "platform").

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One platform. Values are Go's `GOOS` and `GOARCH`, as the specification requires.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows` ...
    pub os: String,
    /// `amd64`, `arm64`, `arm` ...
    pub architecture: String,
    /// `v7`, `v8` ... where the architecture has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is not `os/architecture[/variant]`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("platform {0:?} is not of the form os/architecture[/variant], for example linux/arm64")]
pub struct PlatformError(String);

impl Platform {
    /// `linux` on the architecture that this binary was built for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    /// How well `self`, an entry of an index, serves a wish for `wanted`: `None` when it does not,
    /// otherwise higher is better. A missing variant of arm64 means v8 (containerd's normal form).
    pub fn serves(&self, wanted: &Self) -> Option<u8> {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        let (mine, theirs) = (self.normal_variant(), wanted.normal_variant());
        match (mine, theirs) {
            (a, b) if a == b => Some(2),
            (_, None) | (None, _) => Some(1),
            _ => None,
        }
    }

    fn normal_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None | Some("8" | "v8")) => Some("v8"),
            (_, variant) => variant,
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError(text.into())),
        };
        let plain = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if !plain(os) || !plain(architecture) || !variant.is_none_or(plain) {
            return Err(PlatformError(text.into()));
        }
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(Self { os: os.into(), architecture: architecture.into(), variant: variant.map(Into::into) })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_the_exact_variant() {
        let wanted: Platform = "linux/arm64".parse().unwrap();
        let entry = |t: &str| t.parse::<Platform>().unwrap().serves(&wanted);
        assert_eq!(entry("linux/arm64/v8"), Some(2));
        assert_eq!(entry("linux/arm64"), Some(2));
        assert_eq!(entry("linux/amd64"), None);
        assert_eq!(entry("linux/arm64/v9"), None);
    }

    #[test]
    fn refuses_other_texts() {
        for bad in ["linux", "linux/", "a/b/c/d", "linux/am d64", ""] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
