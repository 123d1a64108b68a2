//! Images and indexes, from layers and a few facts.

use model::platform::Platform;
use serde_json::{Map, Value, json};

use crate::{
    content::{Blob, Family},
    layer::Layer,
};

/// Builds one image.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    family: Family,
    platform: Platform,
    created: String,
    layers: Vec<(Layer, String)>,
    config: Map<String, Value>,
    annotations: Map<String, Value>,
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest.
    pub manifest: Blob,
    /// The configuration.
    pub config: Blob,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What it runs on.
    pub platform: Platform,
    /// Whose media types it has.
    pub family: Family,
}

/// Whatever can be stored under a tag: a manifest or an index, with all that it refers to.
#[derive(Clone, Debug)]
pub struct Published {
    /// The document that the tag leads to.
    pub root: Blob,
    /// Manifests that it lists.
    pub manifests: Vec<Blob>,
    /// Configurations and layers.
    pub blobs: Vec<Blob>,
    /// The platform of the root, where it is one image.
    pub platform: Option<Platform>,
}

impl ImageBuilder {
    /// An image for `linux/amd64` in OCI's format, without layers.
    pub fn new() -> Self {
        Self {
            family: Family::Oci,
            platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
            created: "2024-01-01T00:00:00Z".into(),
            layers: Vec::new(),
            config: Map::new(),
            annotations: Map::new(),
        }
    }

    /// Chooses the media types.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets the platform.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Adds a layer on top, with the history line that made it.
    #[must_use]
    pub fn layer(mut self, layer: Layer, created_by: &str) -> Self {
        self.layers.push((layer, created_by.to_owned()));
        self
    }

    /// Sets a field of the configuration's `config` section, for example `Env` or `Labels`.
    #[must_use]
    pub fn config(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Sets an annotation of the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// The image. Its history has an empty line after the first layer, as real ones do.
    pub fn build(self) -> Image {
        let mut history = Vec::new();
        for (i, (_, created_by)) in self.layers.iter().enumerate() {
            history.push(json!({ "created": self.created, "created_by": created_by }));
            if i == 0 {
                history.push(
                    json!({ "created": self.created, "created_by": "CMD [\"sh\"]", "empty_layer": true }),
                );
            }
        }
        let diff_ids: Vec<_> = self.layers.iter().map(|(layer, _)| &layer.diff_id).collect();
        let mut config = json!({
            "created": self.created,
            "os": self.platform.os,
            "architecture": self.platform.architecture,
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        if let (Some(variant), Some(config)) = (&self.platform.variant, config.as_object_mut()) {
            config.insert("variant".into(), variant.clone().into());
        }
        let config = Blob::json(self.family.config(), &config);
        let layers: Vec<Layer> = self.layers.into_iter().map(|(layer, _)| layer).collect();
        let descriptors: Vec<Value> = layers.iter().map(|l| l.blob(self.family).descriptor()).collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": self.family.manifest(),
            "config": config.descriptor(),
            "layers": descriptors,
        });
        if let (false, Some(manifest)) = (self.annotations.is_empty(), manifest.as_object_mut()) {
            manifest.insert("annotations".into(), self.annotations.into());
        }
        let manifest = Blob::json(self.family.manifest(), &manifest);
        Image { manifest, config, layers, platform: self.platform, family: self.family }
    }
}

impl Default for ImageBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl Published {
    /// An index over several images, in this order.
    pub fn index(family: Family, images: &[Image]) -> Self {
        let entries: Vec<Value> = images
            .iter()
            .map(|image| {
                let mut entry = image.manifest.descriptor();
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert("platform".into(), json!(image.platform));
                }
                entry
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": family.index(), "manifests": entries });
        Self::new(Blob::json(family.index(), &index), images)
    }

    /// A given root document over images.
    pub fn new(root: Blob, images: &[Image]) -> Self {
        let parts: Vec<Self> = images.iter().map(Self::from).collect();
        Self {
            root,
            manifests: parts.iter().map(|part| part.root.clone()).collect(),
            blobs: parts.into_iter().flat_map(|part| part.blobs).collect(),
            platform: None,
        }
    }
}

impl From<&Image> for Published {
    fn from(image: &Image) -> Self {
        let layers = image.layers.iter().map(|layer| layer.blob(image.family));
        Self {
            root: image.manifest.clone(),
            manifests: Vec::new(),
            blobs: std::iter::once(image.config.clone()).chain(layers).collect(),
            platform: Some(image.platform.clone()),
        }
    }
}
