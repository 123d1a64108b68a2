//! Images and registries built in code: what tests scan, and what `lazaret demo` shows.
//!
//! [`layer`] and [`image`] make images byte by byte, also ones that no honest tool would write; [`mod@write`]
//! puts them into layouts and archives; [`registry`] serves them in the process, with faults on demand;
//! [`docker_registry`] runs a real registry, [`bucket`] a server of S3, [`oidc`] a login provider and [`postgres`] a
//! database server, where these are installed; [`sample`] has small images with advisories about them. Nothing here
//! reads an image, and nothing is used by a scan.

pub mod bucket;
pub mod docker_registry;
pub mod image;
pub mod layer;
pub mod oidc;
pub mod podman;
pub mod postgres;
pub mod registry;
pub mod sample;
pub mod tool;
pub mod write;

mod content;

pub use content::{Blob, Family, digest_of};
