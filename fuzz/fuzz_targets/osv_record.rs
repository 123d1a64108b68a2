//! One advisory record, by every feed; each place that it names is looked up as the database would.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for feed in feeds::FEEDS {
        let Ok(parsed) = feed.parse(data) else { continue };
        assert!(!parsed.advisory.id.trim().is_empty(), "an advisory without an id");
        for affected in &parsed.advisory.affected {
            assert!(advisory::ecosystem::place(&affected.ecosystem).is_some(), "{:?}", affected.ecosystem);
        }
    }
});
