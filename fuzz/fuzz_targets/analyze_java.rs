//! Java archives, and archives inside them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/java", &["opt/app/tide-1.0.jar", "opt/app/shop.war", "opt/app/x.nar"], data);
});
