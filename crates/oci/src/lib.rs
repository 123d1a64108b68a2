//! Where images come from: registries, OCI layouts, OCI and Docker archives (files or objects of a bucket),
//! directories.
//!
//! [`open()`] turns what a user typed into an [`Image`] (manifest and configuration read and verified, layers
//! to be streamed) or a [`directory::Directory`]. The reading side is synchronous, for the engine's own threads; network
//! code runs on the tokio runtime given in [`OpenOptions`]. This crate unpacks nothing, knows nothing of
//! what lies inside layers, and trusts nothing that it reads: digests are compared, sizes and counts bounded.

pub mod bucket;
pub mod media;
pub mod registry;

mod archive;
mod compression;
mod daemon;
pub mod directory;
mod docker;
mod error;
mod image;
mod layout;
mod manifest;
mod open;
mod resolve;
mod verify;

pub use compression::{Compression, Decompressor, decompress};
pub use daemon::{Daemons, Engine};
pub use error::OciError;
pub use image::{Expected, Image, Layer, LayerStore, Stage};
pub use manifest::{Descriptor, History, ImageConfig, Manifest, parse_config, parse_manifest};
pub use open::{Network, OpenOptions, Opened, open};
pub use verify::{Hasher, VerifyingReader, digest_of, verify};
