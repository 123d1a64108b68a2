//! What an image contains. It depends only on the image's bytes and the analyzers' versions.

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, distro::Distro, package::Package, problem::Problem};

/// One layer of an image, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of the blob as transferred.
    pub digest: Digest,
    /// Digest of the uncompressed archive, as the image configuration claims it.
    pub diff_id: Option<Digest>,
    /// Bytes of the blob as transferred.
    pub size: u64,
    /// The history line that made it (configuration's `history[].created_by`).
    pub created_by: Option<String>,
}

/// The contents of one image, sorted and free of duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The distribution, when it could be told.
    pub distro: Option<Distro>,
    /// The layers, lowest first; empty for a directory.
    pub layers: Vec<Layer>,
    /// All packages, sorted by kind, name, version, path.
    pub packages: Vec<Package>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}
