//! Composer's lists of installed packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/php", &["app/vendor/composer/installed.json"], data);
});
