//! The measured image: an OCI layout on disk, and the files of its layers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    None,
}

/// An OCI layout and the blobs of one image in it.
pub(super) struct Image {
    pub(super) dir: PathBuf,
    pub(super) tag: String,
    /// Files of the layers with their compression, lowest first.
    pub(super) layers: Vec<(PathBuf, Compression)>,
}

impl Image {
    /// Loads `[oci:]DIR[:TAG]`; without a tag, the first image of the layout.
    pub(super) fn load(text: &str) -> Result<Self> {
        let text = text.strip_prefix("oci:").unwrap_or(text);
        let (dir, tag) = match text.rsplit_once(':') {
            Some((dir, tag)) if !tag.contains('/') => (PathBuf::from(dir), Some(tag.to_owned())),
            _ => (PathBuf::from(text), None),
        };
        let index = document(&dir.join("index.json"))?;
        let mut chosen = None;
        for entry in array(&index, "manifests") {
            let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
            if tag.is_none() || tag.as_deref() == name {
                chosen = Some((entry, name.unwrap_or("latest").to_owned()));
                break;
            }
        }
        let Some((entry, tag)) = chosen else { bail!("{} holds no image {tag:?}", dir.display()) };
        let mut manifest = document(&blob(&dir, entry)?)?;
        if let Some(first) = array(&manifest, "manifests").first() {
            manifest = document(&blob(&dir, first)?)?;
        }
        let mut layers = Vec::new();
        for layer in array(&manifest, "layers") {
            let compression = match layer["mediaType"].as_str().unwrap_or_default() {
                gzip if gzip.ends_with("gzip") => Compression::Gzip,
                zstd if zstd.ends_with("zstd") => Compression::Zstd,
                _ => Compression::None,
            };
            layers.push((blob(&dir, layer)?, compression));
        }
        Ok(Self { dir, tag, layers })
    }

    /// The image as `lazaret scan` takes it.
    pub(super) fn reference(&self) -> String {
        format!("oci:{}:{}", self.dir.display(), self.tag)
    }

    /// Folder and tag, without where the folder lies.
    pub(super) fn name(&self) -> String {
        let dir = self.dir.file_name().unwrap_or(self.dir.as_os_str());
        format!("{}:{}", dir.to_string_lossy(), self.tag)
    }

    /// Compressed bytes of all layers.
    pub(super) fn bytes(&self) -> u64 {
        self.layers.iter().filter_map(|(path, _)| fs::metadata(path).ok()).map(|file| file.len()).sum()
    }

    /// Files of the layers of one compression.
    pub(super) fn files(&self, compression: Compression) -> Vec<String> {
        let of = |(path, c): &(PathBuf, Compression)| (*c == compression).then(|| path.display().to_string());
        self.layers.iter().filter_map(of).collect()
    }
}

fn document(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to parse {}", path.display()))
}

fn array<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn blob(dir: &Path, descriptor: &Value) -> Result<PathBuf> {
    let digest = descriptor["digest"].as_str().context("a descriptor has no digest")?;
    let (algorithm, hex) = digest.split_once(':').context("a digest has no algorithm")?;
    Ok(dir.join("blobs").join(algorithm).join(hex))
}
