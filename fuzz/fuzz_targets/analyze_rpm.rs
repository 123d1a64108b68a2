//! rpm databases: SQLite, ndb and Berkeley DB, with the headers in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe(
        "os/rpm",
        &["var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages"],
        data,
    );
});
