//! What an image contains. It depends only on the image's bytes and the analyzers' versions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest, distro::Distro, file_finding::FileFinding, licence::LicenceFile, package::Package,
    problem::Problem, scan_type::ScanType, secret::Secret,
};

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
    /// What was looked for beside packages; a list below says nothing when its type is not named here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub looked_for: BTreeSet<ScanType>,
    /// Passwords, keys and tokens, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Files that hold the text of a licence, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licence_files: Vec<LicenceFile>,
    /// What is to be said of files and directories, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileFinding>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}
