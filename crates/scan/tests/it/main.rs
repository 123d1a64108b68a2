//! The engine on images built in code: one binary for all integration tests of the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod hostile;
mod layers;
mod random;
mod secrets;
mod stacks;

use std::path::Path;

use analyze::ANALYZERS;
use model::{Inventory, Limits};
use oci::{OciError, OpenOptions, Opened};
use scan::{AcquireError, EngineConfig, LayerCache, Progress};
use testkit::{
    image::{Image, ImageBuilder, Published},
    layer::Layer,
    write::layout,
};

/// Everything that may go wrong with a scan in these tests.
#[derive(Debug)]
#[expect(dead_code, reason = "shown by Debug when a test fails")]
enum Failure {
    Open(OciError),
    Acquire(AcquireError),
}

fn scan_with(
    spec: &str,
    limits: &Limits,
    cache: Option<&LayerCache>,
    progress: &dyn Progress,
) -> Result<Inventory, Failure> {
    let config = EngineConfig { analyzers: ANALYZERS, limits, cache, threads: 2, progress };
    match oci::open(spec, &OpenOptions::files_only()).map_err(Failure::Open)? {
        Opened::Image(image) => scan::build_inventory(&*image, &config).map_err(Failure::Acquire),
        Opened::Directory(directory) => Ok(scan::directory::build_inventory(&directory, &config).unwrap()),
    }
}

fn scan(spec: &str) -> Result<Inventory, Failure> {
    scan_with(spec, &Limits::standard(), None, &())
}

/// An image of these layers, lowest first.
fn image(layers: Vec<Layer>) -> Image {
    let numbered = (0..).zip(layers);
    numbered.fold(ImageBuilder::new(), |image, (n, layer)| image.layer(layer, &format!("step {n}"))).build()
}

/// Writes an image as an OCI layout with the tag `t` and scans it.
fn scan_layers(layers: Vec<Layer>) -> Result<Inventory, Failure> {
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), &image(layers));
    scan(&spec(directory.path()))
}

fn write_layout(directory: &Path, image: &Image) {
    layout(directory, &[("t", &Published::from(image))]).unwrap();
}

fn spec(directory: &Path) -> String {
    format!("oci:{}:t", directory.display())
}
