//! What one layer told: its index of paths and what the analyzers observed. This is what the layer cache keeps.

use analyze::Observation;
use model::Problem;
use serde::{Deserialize, Serialize};

use crate::index::LayerIndex;

/// Version of the record's shape; part of every cache key. Raise it with every change of this file, of
/// [`crate::index`] or of [`analyze::Fact`].
pub const RECORD_VERSION: u32 = 3;

/// One observation of one file by one analyzer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Ordinal of the file in the layer's index.
    pub ordinal: u32,
    /// Index of the analyzer in the list that was used.
    pub analyzer: u8,
    /// The file's name, without directories: all of the path that an observation may depend on. Empty when it
    /// depends on none of it.
    pub name: String,
    /// What was observed.
    pub observation: Observation,
}

/// Everything that one layer told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Every path, in archive order.
    pub index: LayerIndex,
    /// Observations, by ordinal, then analyzer.
    pub kept: Vec<Kept>,
    /// Problems of the layer; those of single files are with their observations.
    pub problems: Vec<Problem>,
}

impl LayerRecord {
    /// The observations of one file.
    pub fn kept_at(&self, ordinal: u32) -> &[Kept] {
        let start = self.kept.partition_point(|kept| kept.ordinal < ordinal);
        let len = self.kept[start..].partition_point(|kept| kept.ordinal == ordinal);
        &self.kept[start..start + len]
    }
}
