//! SPDX documents of Bitnami's packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/bitnami", &["opt/bitnami/lantern/.spdx-lantern.spdx"], data);
});
