//! rpm databases: SQLite, its log, ndb and Berkeley DB, with the headers in them, and the manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lazaret_fuzz::observe(
        "os/rpm",
        &[
            "var/lib/rpm/rpmdb.sqlite",
            "var/lib/rpm/Packages.db",
            "var/lib/rpm/Packages",
            "var/lib/rpm/rpmdb.sqlite-wal",
            "var/lib/rpmmanifest/container-manifest-2",
        ],
        data,
    );
});
