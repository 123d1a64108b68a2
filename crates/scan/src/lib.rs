//! The scan engine: from an opened image (or a directory) to its inventory.
//!
//! One streaming pass per layer ([`acquire`], [`pass`]), a merge from small per-layer records ([`merge`] on
//! [`tree`]), a cache of these records ([`cache`]). Nothing is unpacked to disk; memory is bounded by what
//! analyzers keep. This crate opens no connection of its own, knows no package format and no advisory:
//! [`report`] only puts inventory and matches together.

pub mod acquire;
pub mod cache;
pub mod directory;
pub mod engine;
pub mod index;
pub mod merge;
pub mod pass;
pub mod paths;
pub mod record;
pub mod report;
pub mod tar;
pub mod tree;

pub use acquire::AcquireError;
pub use cache::LayerCache;
pub use engine::{EngineConfig, Progress, build_inventory};
