//! Manifests, indexes and image configurations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    const TYPES: [Option<&str>; 4] = [
        None,
        Some("application/vnd.oci.image.index.v1+json"),
        Some("application/vnd.oci.image.manifest.v1+json"),
        Some("application/vnd.docker.distribution.manifest.v2+json"),
    ];
    let Some((choice, document)) = data.split_first() else { return };
    let _ = oci::parse_manifest(document, TYPES[usize::from(*choice) % TYPES.len()], "a fuzzed document");
    if let Ok(config) = oci::parse_config(document, "a fuzzed document") {
        let _ = config.created_by(usize::from(*choice));
    }
});
