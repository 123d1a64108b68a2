//! Archives of `docker save` before version 25: `manifest.json`, configurations and one tar per layer. They
//! have no manifest in the sense of a registry; the configuration's `diff_ids` are what layers are checked by.
//!
//! Newer archives hold an OCI layout beside these files, and are read as one.

use std::{collections::HashMap, io::Read, sync::Arc};

use model::{
    digest::{Algorithm, Digest},
    inventory,
};
use serde::Deserialize;

use crate::{
    archive::Archive,
    compression::Compression,
    error::OciError,
    image::{BlobStore, Expected, Image, Layer, Stage},
    layout::{Files, is_same_name},
    manifest::{Descriptor, json_error, null_as_default, parse_config, shorten},
    resolve::{Wish, check_layer_count, check_platform},
    verify::{digest_of, verify},
};

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default, deserialize_with = "null_as_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    layers: Vec<String>,
}

struct DockerStore {
    archive: Archive,
    /// Names of layers by their digest.
    names: HashMap<Digest, String>,
}

impl BlobStore for DockerStore {
    fn document(&self, descriptor: &Descriptor, _limit: u64) -> Result<Vec<u8>, OciError> {
        // Such an archive has no documents beyond those that are read while it is opened.
        Err(self.missing(&descriptor.digest))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        let name = self.names.get(&descriptor.digest);
        let stream = name.and_then(|name| self.archive.stream(name));
        stream.ok_or_else(|| self.missing(&descriptor.digest))
    }
}

impl DockerStore {
    fn missing(&self, digest: &Digest) -> OciError {
        OciError::BlobMissing { what: format!("blob {digest} of {}", self.archive.path().display()) }
    }
}

/// Opens the image called `name` of an archive with a `manifest.json`.
pub(crate) fn load(archive: Archive, name: Option<&str>, wish: Wish) -> Result<Image, OciError> {
    let limit = wish.limits.document_bytes;
    let Some(bytes) = archive.load("manifest.json", limit)? else {
        return Err(OciError::NotAnImage {
            what: archive.path().display().to_string(),
            why: "it holds neither manifest.json nor an OCI layout".to_owned(),
        });
    };
    let entries: Vec<Entry> = serde_json::from_slice(&bytes)
        .map_err(|e| archive.invalid(format!("manifest.json: {}", json_error(&e))))?;
    let entry = select(entries, name, &archive)?;
    check_layer_count(entry.layers.len(), &wish.reference, &wish.limits)?;

    let Some(bytes) = archive.load(&entry.config, limit)? else {
        return Err(archive.invalid(format!("{} is missing", shorten(&entry.config))));
    };
    let what = format!("configuration of {}", wish.reference);
    let config_digest = match named_digest(&entry.config) {
        Some(named) => {
            verify(&bytes, &named, &what)?;
            named
        }
        None => digest_of(Algorithm::Sha256, &bytes),
    };
    let config = parse_config(&bytes, &what)?;
    if config.diff_ids.len() != entry.layers.len() {
        return Err(OciError::Invalid {
            what,
            why: format!("it names {} layers, manifest.json {}", config.diff_ids.len(), entry.layers.len()),
        });
    }
    check_platform(config.platform.as_ref(), &wish)?;

    let mut layers = Vec::new();
    let mut blobs = Vec::new();
    let mut names = HashMap::new();
    let created_by = config.created_by(entry.layers.len());
    for ((name, diff_id), created_by) in entry.layers.into_iter().zip(&config.diff_ids).zip(created_by) {
        let Some((size, compression)) = archive.inspect(&name)? else {
            return Err(archive.invalid(format!("layer {} is missing", shorten(&name))));
        };
        let plain = compression == Compression::None;
        layers.push(Layer {
            facts: inventory::Layer {
                digest: diff_id.clone(),
                diff_id: Some(diff_id.clone()),
                size,
                created_by,
            },
            media_type: String::new(),
            expected: Expected {
                digest: diff_id.clone(),
                stage: if plain { Stage::Stored } else { Stage::Uncompressed },
                size: plain.then_some(size),
            },
            unsupported: None,
        });
        blobs.push(Descriptor {
            media_type: String::new(),
            digest: diff_id.clone(),
            size,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: None,
            artifact_type: None,
        });
        names.insert(diff_id.clone(), name);
    }
    Ok(Image {
        reference: wish.reference,
        digest: None,
        index_digest: None,
        config_digest,
        platform: config.platform.clone(),
        config,
        layers,
        blobs,
        store: Arc::new(DockerStore { archive, names }),
    })
}

/// The digest that a configuration's name claims: `<hex>.json` or `blobs/sha256/<hex>`.
fn named_digest(name: &str) -> Option<Digest> {
    let base = name.rsplit('/').next()?;
    let stem = base.strip_suffix(".json").unwrap_or(base);
    let stem = stem.strip_prefix("sha256:").unwrap_or(stem);
    format!("sha256:{stem}").parse().ok()
}

fn select(mut entries: Vec<Entry>, name: Option<&str>, archive: &Archive) -> Result<Entry, OciError> {
    let location = archive.path().display().to_string();
    let mut names: Vec<String> = entries.iter().flat_map(|e| &e.repo_tags).map(|t| shorten(t)).collect();
    names.truncate(40);
    match name {
        Some(name) => {
            let named = |e: &Entry| e.repo_tags.iter().any(|tag| is_same_name(tag, name));
            entries.into_iter().find(named).ok_or_else(|| OciError::ImageNotFound {
                image: format!("{name} in {location}"),
                why: format!("it holds {}", names.join(", ")),
            })
        }
        None if entries.len() > 1 => Err(OciError::Ambiguous { what: location, available: names }),
        None => entries.pop().ok_or_else(|| archive.invalid("manifest.json lists no images")),
    }
}
