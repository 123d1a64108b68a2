//! Installed package.json files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/node", &["app/node_modules/a/package.json"], data);
});
