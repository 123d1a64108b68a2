//! Specifications of installed gems.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/ruby", &["usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec"], data);
});
