//! Files that name the distribution.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe(
        "os/distro",
        &[
            "etc/os-release",
            "etc/debian_version",
            "etc/alpine-release",
            "etc/redhat-release",
            "etc/lsb-release",
            "etc/SuSE-release",
            "etc/apk/repositories",
        ],
        data,
    );
});
