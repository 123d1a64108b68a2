//! OCI image layouts (image-spec image-layout.md), in a directory or inside an archive.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::digest::Digest;

use crate::{
    archive::open_regular,
    error::OciError,
    image::{BlobStore, Image},
    manifest::{Descriptor, Manifest, parse_manifest, shorten},
    media,
    resolve::{Root, Wish, resolve},
};

/// Names with contents: a directory or an archive.
pub(crate) trait Files: Send + Sync {
    /// The whole content of a file of at most `limit` bytes; `None` when it is not there.
    fn load(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, OciError>;

    /// A stream of a file; `None` when it is not there.
    fn open(&self, name: &str) -> Result<Option<Box<dyn Read + Send>>, OciError>;

    /// Where it is, for messages.
    fn location(&self) -> &Path;
}

/// A directory on disk.
pub(crate) struct DirectoryFiles {
    root: PathBuf,
}

impl DirectoryFiles {
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn file(&self, name: &str) -> Result<Option<File>, OciError> {
        match open_regular(&self.root.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(OciError::PathNotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Files for DirectoryFiles {
    fn load(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, OciError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let path = self.root.join(name);
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|cause| OciError::Path {
            operation: "read",
            path: path.clone(),
            cause,
        })?;
        if bytes.len() as u64 > limit {
            return Err(OciError::TooLarge {
                what: path.display().to_string(),
                limit: format!("{limit} bytes"),
            });
        }
        Ok(Some(bytes))
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn Read + Send>>, OciError> {
        Ok(self.file(name)?.map(|file| Box::new(file) as Box<dyn Read + Send>))
    }

    fn location(&self) -> &Path {
        &self.root
    }
}

struct LayoutStore<F> {
    files: F,
}

/// A `Digest` holds nothing but a known algorithm and hexadecimal digits, so the name stays where it belongs.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

impl<F: Files> BlobStore for LayoutStore<F> {
    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, OciError> {
        self.files
            .load(&blob_path(&descriptor.digest), limit)?
            .ok_or_else(|| missing(&self.files, &descriptor.digest))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        self.files
            .open(&blob_path(&descriptor.digest))?
            .ok_or_else(|| missing(&self.files, &descriptor.digest))
    }
}

fn missing(files: &impl Files, digest: &Digest) -> OciError {
    OciError::BlobMissing { what: format!("blob {digest} of {}", files.location().display()) }
}

/// True when `files` looks like a layout.
pub(crate) fn is_layout(files: &impl Files) -> bool {
    // Some writers forget the marker file; an index with blobs beside it is enough.
    matches!(files.load("oci-layout", 4096), Ok(Some(_)))
        || matches!(files.load("index.json", 8 << 20), Ok(Some(bytes)) if parse_manifest(&bytes, None, "").is_ok())
}

/// Opens the image called `name` of a layout.
pub(crate) fn load<F: Files + 'static>(files: F, name: Option<&str>, wish: Wish) -> Result<Image, OciError> {
    let location = files.location().display().to_string();
    let not_a_layout = |why: &str| OciError::NotAnImage { what: location.clone(), why: why.to_owned() };
    let Some(bytes) = files.load("index.json", wish.limits.document_bytes)? else {
        return Err(not_a_layout("it has no index.json, so it is no OCI layout"));
    };
    let what = format!("index.json of {location}");
    let Manifest::Index(manifests) = parse_manifest(&bytes, Some(media::OCI_INDEX), &what)? else {
        return Err(not_a_layout("its index.json is no index"));
    };
    let root = select(manifests, name, &location)?;
    resolve(Arc::new(LayoutStore { files }), root, wish)
}

/// Chooses among the manifests of a layout by name.
fn select(manifests: Vec<Descriptor>, name: Option<&str>, location: &str) -> Result<Root, OciError> {
    let mut distinct: Vec<Descriptor> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for manifest in manifests {
        let own = [manifest.ref_name(), manifest.image_name()];
        let matches = name.is_none_or(|name| {
            own.iter().flatten().any(|own| is_same_name(own, name)) || manifest.digest.to_string() == name
        });
        names.extend(own.into_iter().flatten().next().map(shorten));
        if matches && !distinct.iter().any(|d| d.digest == manifest.digest) {
            distinct.push(manifest);
        }
    }
    names.sort();
    names.dedup();
    match (distinct.len(), name) {
        (0, Some(name)) => Err(OciError::ImageNotFound {
            image: format!("{name} in {location}"),
            why: if names.is_empty() {
                "its images have no names".to_owned()
            } else {
                names.truncate(40);
                format!("it holds {}", names.join(", "))
            },
        }),
        (0, None) => Err(OciError::ImageNotFound {
            image: location.to_owned(),
            why: "the layout holds no images".to_owned(),
        }),
        (1, _) => distinct.pop().map(Root::Descriptor).ok_or_else(|| OciError::ImageNotFound {
            image: location.to_owned(),
            why: "the layout holds no images".to_owned(),
        }),
        // Several manifests under one name, or without names, are the platforms of one image.
        (_, Some(_)) => Ok(Root::Choice(distinct)),
        _ if names.len() <= 1 && distinct.iter().all(|d| d.platform.is_some()) => Ok(Root::Choice(distinct)),
        _ => {
            if names.is_empty() {
                names = distinct.iter().map(|d| d.digest.to_string()).collect();
            }
            names.truncate(40);
            Err(OciError::Ambiguous { what: location.to_owned(), available: names })
        }
    }
}

/// True when two names mean the same: letter by letter, or as references with their defaults.
pub(crate) fn is_same_name(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let parse = |text: &str| text.parse::<model::reference::ImageReference>().ok();
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => {
            a.registry == b.registry
                && a.repository == b.repository
                && a.tag_or_latest() == b.tag_or_latest()
                && a.digest == b.digest
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_names_with_their_defaults() {
        assert!(is_same_name("alpine:3.20", "docker.io/library/alpine:3.20"));
        assert!(is_same_name("alpine", "alpine:latest"));
        assert!(!is_same_name("alpine:3.19", "alpine:3.20"));
        assert!(is_same_name("odd name", "odd name"));
    }
}
