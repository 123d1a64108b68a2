//! The matcher of secrets with the bundled rules, and what it tells.
#![no_main]

use analyze::{Analyzer, Content, Entry, EntryKind, secret::BundledSecretAnalyzer};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let entry = Entry {
        path: "app/.htpasswd",
        kind: EntryKind::File,
        size: data.len() as u64,
        mode: 0o644,
        uid: 0,
        gid: 0,
        link: None,
    };
    let observe =
        || BundledSecretAnalyzer.observe(&entry, Content::new(&mut &data[..], entry.size, u64::MAX));
    let once = observe();
    assert_eq!(once, observe(), "the same bytes must tell the same");
    assert!(once.facts.len() <= 100 && once.problems.len() <= 2);
});
