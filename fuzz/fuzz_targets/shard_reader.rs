//! Shard files: header, look-up, rows, descriptions. Opening checks the header only, so the rest is read unverified.
#![no_main]

use advisory::shard::Shard;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(shard) = Shard::from_bytes(data.to_vec()) else { return };
    let names: Vec<&str> = shard.names().take(100).collect();
    for name in names.into_iter().chain(["no-such-package"]) {
        for row in shard.rows(name).take(100).flatten() {
            let _ = shard.advisory(row.advisory);
            let _ = shard.title(row.advisory);
            let _ = shard.description(row.advisory);
            for range in row.ranges().take(100) {
                let _ = range;
            }
        }
    }
    let _ = shard.verify();
    let _ = shard.to_advisories();
});
