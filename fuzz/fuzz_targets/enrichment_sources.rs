//! KEV documents, EPSS tables and CVSS vectors of CVEs. The first byte chooses which.
#![no_main]

use advisory::enrichment::Kind;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(*first) % Kind::ALL.len()];
    let _ = feeds::parse_enrichment(kind, rest);
});
