//! Bytes with their type and digest.

use bytes::Bytes;
use model::digest::{Algorithm, Digest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Whose media types an image is written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// OCI image-spec.
    #[default]
    Oci,
    /// Docker Image Manifest Version 2, Schema 2.
    Docker,
}

impl Family {
    /// Media type of an index.
    pub const fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Media type of a manifest.
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// Media type of an image configuration.
    pub const fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }
}

/// One piece of content. The fields are open so that tests can make them disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Media type.
    pub media_type: String,
    /// Digest by which it is stored.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Bytes,
}

impl Blob {
    /// Content with its true digest.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.into(), digest: digest_of(&bytes), bytes }
    }

    /// A JSON document.
    pub fn json(media_type: impl Into<String>, value: &Value) -> Self {
        Self::new(media_type, value.to_string())
    }

    /// Its descriptor (OCI image-spec descriptor.md).
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// SHA-256 of bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    #[expect(clippy::expect_used, reason = "a SHA-256 hash has the length of a SHA-256 digest")]
    Digest::from_bytes(Algorithm::Sha256, &Sha256::digest(bytes)).expect("32 bytes")
}
