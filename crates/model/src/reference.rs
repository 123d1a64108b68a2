//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! Grammar of the distribution project (reference/reference.go) with Docker's defaults: no registry means
//! Docker Hub, and a one-part name there lives under `library/`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestError};

/// The registry that a reference without one means.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// A parsed reference. The registry is always present.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    /// Host and optional port, for example `registry.example.com:5000`.
    pub registry: String,
    /// Repository path, for example `library/alpine`.
    pub repository: String,
    /// The tag, when one was given.
    pub tag: Option<String>,
    /// The digest, when one was given; it wins over the tag.
    pub digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing, or only a registry, was given.
    #[error("image reference {0:?} names no repository")]
    Repository(String),
    /// A character or a length that the grammar does not allow.
    #[error("image reference {0:?} is not [registry/]repository[:tag][@digest]: {1}")]
    Grammar(String, &'static str),
    /// The part after `@` is no digest.
    #[error("image reference {0:?}")]
    Digest(String, #[source] DigestError),
}

impl ImageReference {
    /// The tag to ask for when no digest was given: `latest` unless named.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// What stands in the manifest URL: the digest, or the tag.
    pub fn manifest_id(&self) -> String {
        self.digest.as_ref().map_or_else(|| self.tag_or_latest().to_owned(), ToString::to_string)
    }

    /// The same repository at a digest.
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let grammar = |why| ReferenceError::Grammar(text.chars().take(300).collect(), why);
        if text.len() > 4096 {
            return Err(grammar("too long"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|e| ReferenceError::Digest(text.chars().take(300).collect(), e))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        // A first part is a registry when it could not be a repository part: a dot, a port or localhost.
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        if repository.is_empty() {
            return Err(ReferenceError::Repository(text.chars().take(300).collect()));
        }
        if !valid_registry(registry) {
            return Err(grammar("the registry is not host[:port]"));
        }
        if !repository.split('/').all(valid_component) {
            return Err(grammar(
                "a repository is lower-case letters, digits and single . _ - between slashes",
            ));
        }
        if tag.is_some_and(|tag| !valid_tag(tag)) {
            return Err(grammar("a tag is at most 128 letters, digits, dots, dashes and underscores"));
        }
        let registry = match registry {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
            other => other,
        };
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        // Counted with Docker's default, so that what was parsed can be written and parsed again.
        if repository.len() > 255 {
            return Err(grammar("a repository is at most 255 characters long"));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.map(Into::into), digest })
    }
}

fn valid_registry(text: &str) -> bool {
    let (host_ok, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, tail)) if tail.is_empty() || tail.starts_with(':') => {
                (host.parse::<std::net::Ipv6Addr>().is_ok(), tail.strip_prefix(':'))
            }
            _ => return false,
        },
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (host.len() <= 253 && host.split('.').all(valid_label), port)
        }
    };
    host_ok && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// One part of a host name. Underscores are no part of the grammar, but of names that people give to containers.
fn valid_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn valid_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(alnum)
        && bytes.last().is_some_and(alnum)
        && bytes.iter().all(|b| alnum(b) || matches!(b, b'.' | b'_' | b'-'))
        && !text.contains("..")
        && !text.contains("___")
}

fn valid_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, full: &str) {
        assert_eq!(text.parse::<ImageReference>().unwrap().to_string(), full, "{text}");
    }

    #[test]
    fn fills_in_dockers_defaults() {
        check("alpine", "docker.io/library/alpine");
        check("alpine:3.20", "docker.io/library/alpine:3.20");
        check("team/app", "docker.io/team/app");
        check("localhost/app", "localhost/app");
        check("127.0.0.1:5000/team/app:1.0", "127.0.0.1:5000/team/app:1.0");
        check("[::1]:5000/app", "[::1]:5000/app");
        let digest = format!("sha256:{}", "ab".repeat(32));
        check(&format!("quay.io/a/b:t@{digest}"), &format!("quay.io/a/b:t@{digest}"));
    }

    #[test]
    fn the_longest_repository_can_be_read_again() {
        let longest = "a".repeat(255 - "library/".len());
        check(&longest, &format!("docker.io/library/{longest}"));
        check(&format!("docker.io/library/{longest}"), &format!("docker.io/library/{longest}"));
        assert!(format!("{longest}a").parse::<ImageReference>().is_err());
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for bad in ["", "UPPER", "a//b", "a/../b", "a:b c", "reg.io/", "a@sha256:zz", "host:99999/a", "-a"] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_is_a_host() {
        for bad in [
            "../x",
            "./x",
            ".hidden/x",
            "a..b/x",
            "host./x",
            "-a.io/x",
            "a-.io/x",
            "a.io:/x",
            "a.io:5000:1/x",
            "[::1/x",
            "[::1]5000/x",
            "[1.2]:5000/x",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
        check("my_registry.lan:5000/app", "my_registry.lan:5000/app");
        check("Reg-1.example.COM/app", "Reg-1.example.COM/app");
    }
}
