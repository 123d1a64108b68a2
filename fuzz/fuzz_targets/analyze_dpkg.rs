//! dpkg status files and file lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe(
        "os/dpkg",
        &[
            "var/lib/dpkg/status",
            "var/lib/dpkg/status.d/base",
            "var/lib/dpkg/info/base.list",
            "var/lib/dpkg/status.d/base.md5sums",
        ],
        data,
    );
});
