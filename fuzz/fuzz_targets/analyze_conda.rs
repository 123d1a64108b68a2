//! Records of conda packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/conda", &["opt/conda/conda-meta/tide-1.0-0.json"], data);
});
