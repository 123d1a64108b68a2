//! Rules files of users; what is accepted is used.
#![no_main]

use analyze::{
    Analyzer, Content, Entry, EntryKind,
    secret::{Rules, SecretAnalyzer},
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(rules) = Rules::parse(text) else { return };
    let analyzer = SecretAnalyzer::new(rules);
    let entry =
        Entry { path: "a/b", kind: EntryKind::File, size: data.len() as u64, mode: 0, uid: 0, gid: 0, link: None };
    let _ = analyzer.wants(&entry);
    let _ = analyzer.observe(&entry, Content::new(&mut &data[..], entry.size, u64::MAX));
});
