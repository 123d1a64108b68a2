//! Enrichment files: header, look-up, records. Opening checks the header only, so the rest is read unverified.
#![no_main]

use advisory::enrichment::EnrichmentFile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(file) = EnrichmentFile::from_bytes(data.to_vec()) else { return };
    for (key, _) in file.entries().take(100) {
        let cve = key.to_string();
        let _ = file.get(&cve);
        let _ = file.epss(&cve);
    }
    let _ = file.get("CVE-2021-44228");
    let _ = file.verify();
});
