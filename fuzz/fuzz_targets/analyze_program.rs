//! Well-known programs, libraries and the texts of toolchains.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let paths = [
        "usr/lib/libssl.so.3",
        "usr/lib/libsqlite3.so.0",
        "usr/lib/libpython3.12.so.1.0",
        "usr/bin/redis-server",
        "usr/sbin/mysqld",
        "usr/sbin/haproxy",
        "opt/java/release",
        "usr/local/go/VERSION",
    ];
    lazaret_fuzz::observe("lang/program", &paths, data);
});
