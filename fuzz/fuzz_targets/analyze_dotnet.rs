//! Dependency files of .NET applications.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe("lang/dotnet", &["app/Harbour.deps.json"], data);
});
