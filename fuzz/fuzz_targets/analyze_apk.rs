//! The apk database.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("os/apk", &["lib/apk/db/installed", "usr/lib/apk/db/installed"], data);
});
