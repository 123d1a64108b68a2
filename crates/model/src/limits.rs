//! The bounds within which hostile input is read. Meeting one is a reported [`crate::Problem`] or a clear
//! failure, never a crash.

use std::time::Duration;

/// All limits of one scan. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest manifest, index or configuration document.
    pub document_bytes: u64,
    /// Most layers of one image.
    pub layers: usize,
    /// Most decompressed bytes of one layer.
    pub layer_bytes: u64,
    /// Most decompressed bytes for each compressed byte, beyond the first `ratio_free_bytes`.
    pub compression_ratio: u64,
    /// Decompressed bytes of one layer up to which any ratio is accepted: files of zeros are common.
    pub ratio_free_bytes: u64,
    /// Most archive entries of one layer.
    pub layer_entries: u64,
    /// Longest path of an entry.
    pub path_bytes: usize,
    /// Most components of a path.
    pub path_depth: usize,
    /// Largest file that an analyzer may ask to read.
    pub file_bytes: u64,
    /// Files above this size are kept on disk, not in memory, while they are analyzed.
    pub spill_bytes: u64,
    /// Most bytes that the paths of all layers together may take, in their compact form.
    pub index_bytes: u64,
    /// Most bytes that what was observed in all layers together may take in memory.
    pub fact_bytes: u64,
    /// Most packages of one file.
    pub file_packages: usize,
    /// Most facts (packages, lists of owned files ...) of one image.
    pub image_facts: usize,
    /// Most links followed to resolve one path.
    pub link_hops: usize,
    /// Most bytes that a second pass over layers may decompress, for links to content that was not kept.
    pub second_pass_bytes: u64,
    /// Time for the whole scan.
    pub time: Duration,
}

impl Limits {
    /// The limits that a scan uses unless told otherwise.
    pub const fn standard() -> Self {
        Self {
            document_bytes: 8 << 20,
            layers: 512,
            layer_bytes: 64 << 30,
            compression_ratio: 200,
            ratio_free_bytes: 4 << 30,
            layer_entries: 2_000_000,
            path_bytes: 4096,
            path_depth: 256,
            file_bytes: 1 << 30,
            spill_bytes: 16 << 20,
            index_bytes: 96 << 20,
            fact_bytes: 96 << 20,
            file_packages: 100_000,
            image_facts: 250_000,
            link_hops: 255,
            second_pass_bytes: 16 << 30,
            time: Duration::from_secs(1800),
        }
    }
}
