//! Metadata of installed Python distributions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe(
        "lang/python",
        &[
            "usr/lib/python3/dist-packages/a-1.egg-info/PKG-INFO",
            "usr/lib/python3/site-packages/a-1.dist-info/METADATA",
        ],
        data,
    );
});
