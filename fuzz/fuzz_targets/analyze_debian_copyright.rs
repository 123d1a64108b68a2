//! Copyright files of Debian packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("os/debian_copyright", &["usr/share/doc/base/copyright"], data);
});
