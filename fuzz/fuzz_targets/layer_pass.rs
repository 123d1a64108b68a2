//! Whole images of up to a few layers: decompression, archive, analyzers, merge and second pass, as a scan does.
//!
//! With an odd first byte the rest is one layer, taken as it is. With an even one the checksums of its archive's
//! headers are put right first, and every entry of the type `N` begins a new layer.
#![no_main]

use std::io::{Cursor, Read};

use analyze::ANALYZERS;
use model::{Limits, inventory};
use oci::{Expected, Layer, LayerStore, OciError, Stage};
use scan::{EngineConfig, build_inventory};

struct Store {
    layers: Vec<Layer>,
    blobs: Vec<Vec<u8>>,
}

impl Store {
    fn new(blobs: Vec<Vec<u8>>) -> Self {
        let layers = blobs.iter().map(|blob| layer(blob)).collect();
        Self { layers, blobs }
    }
}

impl LayerStore for Store {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn open_layer(&self, index: usize) -> Result<Box<dyn Read + Send>, OciError> {
        Ok(Box::new(Cursor::new(self.blobs[index].clone())))
    }
}

fn layer(blob: &[u8]) -> Layer {
    let digest = lazaret_fuzz::digest(blob);
    let size = blob.len() as u64;
    Layer {
        facts: inventory::Layer { digest: digest.clone(), diff_id: None, size, created_by: None },
        media_type: String::new(),
        expected: Expected { digest, stage: Stage::Stored, size: Some(size) },
        unsupported: None,
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((choice, content)) = data.split_first() else { return };
    let store = if choice & 1 == 1 {
        Store::new(vec![content.to_vec()])
    } else {
        Store::new(lazaret_fuzz::repaired_layers(content))
    };
    // Bombs are stopped early, and both ways of keeping a file are taken.
    let limits = Limits {
        layer_bytes: 32 << 20,
        ratio_free_bytes: 16 << 20,
        file_bytes: 16 << 20,
        second_pass_bytes: 64 << 20,
        spill_bytes: 4096,
        ..Limits::standard()
    };
    let scan = |threads| {
        let config =
            EngineConfig { analyzers: ANALYZERS, limits: &limits, cache: None, threads, progress: &() };
        build_inventory(&store, &config).map_err(|error| error.to_string())
    };
    assert_eq!(scan(1), scan(2), "the same image must tell the same, however its layers are read");
});
