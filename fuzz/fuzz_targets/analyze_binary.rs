//! Executables with Go build information or a list of crates.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe_program("lang/binary", "usr/bin/program", data);
});
