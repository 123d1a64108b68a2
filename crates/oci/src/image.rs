//! An opened image: its manifest and configuration are read and verified, its layers wait to be streamed.

use std::{fmt, io::Read, sync::Arc};

use model::{digest::Digest, inventory, platform::Platform, report::ImageFacts};

use crate::{
    error::OciError,
    manifest::{Descriptor, ImageConfig},
};

/// Where the blobs of one image lie.
pub(crate) trait BlobStore: Send + Sync {
    /// The bytes of a manifest or index, at most `limit`, not verified.
    fn manifest(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        self.document(descriptor, limit)
    }

    /// The bytes of a configuration, at most `limit`, not verified.
    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError>;

    /// A stream of a layer, not verified.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OciError>;
}

/// What the engine needs of an image's layers. Layers may be opened in any order, many at once, and again.
pub trait LayerStore: Send + Sync {
    /// The layers, lowest first.
    fn layers(&self) -> &[Layer];

    /// The bytes of one layer as stored: **not** verified (see [`Layer::expected`]) and not decompressed.
    ///
    /// Reading may block on the network. I/O errors carry an [`OciError`] where there is one
    /// ([`OciError::in_io`]).
    fn open_layer(&self, index: usize) -> Result<Box<dyn Read + Send>, OciError>;

    /// What the image says of itself, where it does.
    fn config(&self) -> Option<model::ImageConfig> {
        None
    }
}

/// One layer of an opened image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Digest, size and origin, as reports show them.
    pub facts: inventory::Layer,
    /// The media type as claimed; empty where none is.
    pub media_type: String,
    /// What the layer's bytes must hash to.
    pub expected: Expected,
    /// Why the layer cannot be read, where that is known beforehand (encrypted, or kept elsewhere).
    pub unsupported: Option<String>,
}

/// What a reader of a layer must compare the bytes with; [`crate::VerifyingReader`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The digest.
    pub digest: Digest,
    /// Which bytes it is the digest of.
    pub stage: Stage,
    /// How many bytes there are at that stage, where it is known.
    pub size: Option<u64>,
}

/// A stage of reading a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The bytes that [`LayerStore::open_layer`] yields.
    Stored,
    /// The archive after decompression: old Docker archives name no other digest.
    Uncompressed,
}

/// A container image, opened.
#[derive(Clone)]
pub struct Image {
    /// The reference or path as the user wrote it.
    pub reference: String,
    /// Digest of the manifest; `None` for old Docker archives, which have none.
    pub digest: Option<Digest>,
    /// Digest of the index that the manifest was chosen from.
    pub index_digest: Option<Digest>,
    /// Digest of the configuration, which Docker shows as the image's id.
    pub config_digest: Digest,
    /// What it runs on, as its configuration or index says.
    pub platform: Option<Platform>,
    /// What it says of itself.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    pub(crate) blobs: Vec<Descriptor>,
    pub(crate) store: Arc<dyn BlobStore>,
}

impl Image {
    /// The facts that a report begins with.
    pub fn facts(&self) -> ImageFacts {
        ImageFacts {
            reference: self.reference.clone(),
            digest: self.digest.clone(),
            index_digest: self.index_digest.clone(),
            platform: self.platform.clone(),
            created: self.config.created.clone(),
        }
    }
}

impl LayerStore for Image {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn config(&self) -> Option<model::ImageConfig> {
        Some(self.config.facts())
    }

    fn open_layer(&self, index: usize) -> Result<Box<dyn Read + Send>, OciError> {
        let missing = || OciError::BlobMissing { what: format!("layer {index} of {}", self.reference) };
        let (layer, blob) = self.layers.get(index).zip(self.blobs.get(index)).ok_or_else(missing)?;
        if let Some(why) = &layer.unsupported {
            return Err(OciError::Unsupported {
                what: format!("layer {}", layer.facts.digest),
                why: why.clone(),
            });
        }
        self.store.blob(blob)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("reference", &self.reference)
            .field("digest", &self.digest)
            .field("layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}
