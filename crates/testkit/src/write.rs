//! Images written to disk: OCI layouts (image-spec image-layout.md), and archives as `docker save` and
//! `skopeo` write them.

use std::{collections::BTreeMap, fs, io, path::Path};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    content::{Blob, Family},
    image::{Image, Published},
    layer::{Compression, LayerBuilder, compress},
};

/// The form of an archive that Docker writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DockerForm {
    /// Before version 25: one directory for each layer.
    Old,
    /// Before version 25, by tools that compress each layer.
    OldCompressed,
    /// Since version 25: an OCI layout with a `manifest.json` beside it.
    New,
}

/// Writes a layout into an existing directory. Names are those of the index; an empty name writes none.
///
/// # Errors
/// When a file cannot be written.
pub fn layout(dir: &Path, images: &[(&str, &Published)]) -> io::Result<()> {
    for (path, content) in layout_files(images) {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// Writes a layout into one archive.
///
/// # Errors
/// When the file cannot be written.
pub fn oci_archive(file: &Path, images: &[(&str, &Published)], compression: Compression) -> io::Result<()> {
    fs::write(file, compress(&tar(&layout_files(images)), compression)?)
}

/// Writes what `docker save` writes for one image with these names.
///
/// # Errors
/// When the file cannot be written.
pub fn docker_archive(
    file: &Path,
    tags: &[&str],
    image: &Image,
    form: DockerForm,
    compression: Compression,
) -> io::Result<()> {
    fs::write(file, compress(&tar(&docker_files(tags, image, form)?), compression)?)
}

/// The files of a Docker archive, by path, to be changed before they are written with [`tar()`].
///
/// # Errors
/// When the compressor fails.
pub fn docker_files(tags: &[&str], image: &Image, form: DockerForm) -> io::Result<BTreeMap<String, Bytes>> {
    let mut files = BTreeMap::new();
    let mut layers = Vec::new();
    let config = match form {
        DockerForm::New => {
            // Docker stores its layers uncompressed, so the manifest is another one than the registry's.
            let mut plain = image.clone();
            for layer in &mut plain.layers {
                layer.stored = layer.tar.clone();
                layer.compression = Compression::None;
            }
            let descriptors: Vec<Value> =
                plain.layers.iter().map(|layer| layer.blob(Family::Oci).descriptor()).collect();
            let config = Blob::new(Family::Oci.config(), image.config.bytes.clone());
            plain.manifest = Blob::json(
                Family::Oci.manifest(),
                &json!({
                    "schemaVersion": 2, "mediaType": Family::Oci.manifest(),
                    "config": config.descriptor(), "layers": descriptors,
                }),
            );
            plain.family = Family::Oci;
            let published = Published::from(&plain);
            let names: Vec<(&str, &Published)> = match tags {
                [] => vec![("", &published)],
                tags => tags.iter().map(|tag| (*tag, &published)).collect(),
            };
            files = layout_files(&names);
            layers.extend(plain.layers.iter().map(|layer| blob_path(&layer.blob(Family::Oci))));
            blob_path(&config)
        }
        DockerForm::Old | DockerForm::OldCompressed => {
            for layer in &image.layers {
                let id = layer.diff_id.hex();
                let (name, content) = match form {
                    DockerForm::Old => (format!("{id}/layer.tar"), layer.tar.clone()),
                    _ => (format!("{id}.tar.gz"), compress(&layer.tar, Compression::Gzip)?),
                };
                files.insert(format!("{id}/VERSION"), Bytes::from_static(b"1.0"));
                files.insert(format!("{id}/json"), Bytes::from_static(b"{}"));
                files.insert(name.clone(), content);
                layers.push(name);
            }
            let name = format!("{}.json", image.config.digest.hex());
            files.insert(name.clone(), image.config.bytes.clone());
            name
        }
    };
    let manifest = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]);
    files.insert("manifest.json".into(), manifest.to_string().into());
    Ok(files)
}

/// A plain tar archive of files.
pub fn tar(files: &BTreeMap<String, Bytes>) -> Bytes {
    let builder = files
        .iter()
        .fold(LayerBuilder::new(), |builder, (path, content)| builder.file(path, content.to_vec()));
    builder.finish_tar().into()
}

/// The files of a layout, by path.
pub fn layout_files(images: &[(&str, &Published)]) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut manifests = Vec::new();
    for (name, image) in images {
        let mut entry = image.root.descriptor();
        if let Some(entry) = entry.as_object_mut() {
            if !name.is_empty() {
                let mut annotations = json!({ "org.opencontainers.image.ref.name": name });
                if let (true, Some(map)) =
                    (name.contains('/') || name.contains(':'), annotations.as_object_mut())
                {
                    // What Docker and containerd write: the full name, and the tag alone beside it.
                    let tag = name.rsplit(':').next().unwrap_or_default();
                    map.insert("org.opencontainers.image.ref.name".into(), tag.into());
                    map.insert("io.containerd.image.name".into(), (*name).into());
                }
                entry.insert("annotations".into(), annotations);
            }
            if let Some(platform) = &image.platform {
                entry.insert("platform".into(), json!(platform));
            }
        }
        manifests.push(entry);
        for blob in std::iter::once(&image.root).chain(&image.manifests).chain(&image.blobs) {
            files.insert(blob_path(blob), blob.bytes.clone());
        }
    }
    let index = json!({ "schemaVersion": 2, "mediaType": Family::Oci.index(), "manifests": manifests });
    files.insert("index.json".into(), index.to_string().into());
    files.insert("oci-layout".into(), Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#));
    files
}

fn blob_path(blob: &Blob) -> String {
    format!("blobs/{}/{}", blob.digest.algorithm().name(), blob.digest.hex())
}
