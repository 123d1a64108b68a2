//! A layer: decompression chosen by its first bytes, then the archive, its contents read in part.
#![no_main]

use std::io::Read as _;

use scan::tar::{TarHeader, TarReader};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(stream) = oci::decompress(data, "a fuzzed layer") else { return };
    // Bombs are the engine's to stop; here they would only cost time.
    let mut archive = TarReader::new(stream.take(16 << 20));
    let mut header = TarHeader::default();
    let mut start = [0; 64];
    while let Ok(true) = archive.next_entry(&mut header) {
        assert!(header.path.len() <= data.len().max(1 << 20), "a path longer than its archive");
        let _ = archive.read(&mut start);
    }
});
