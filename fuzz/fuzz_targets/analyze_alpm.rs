//! Descriptions and lists of files of pacman's packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let paths = ["var/lib/pacman/local/a-1-1/desc", "var/lib/pacman/local/a-1-1/files"];
    lazaret_fuzz::observe("os/alpm", &paths, data);
});
