//! What the fuzz targets of analyzers share: one file is offered as the engine would, then the image is finished.

use analyze::{ANALYZERS, Analyzer, Content, Entry, EntryKind, FileView, Files, Merged, Want};

/// Files above this size are spilled to disk; small here, so that both ways are taken.
const SPILL_ABOVE: u64 = 4096;

/// Offers `data` to one analyzer; the first byte chooses the path.
///
/// # Panics
///
/// When the analyzer is not in the list or wants none of the paths: the target would test nothing.
pub fn observe(name: &str, paths: &[&str], data: &[u8]) {
    let analyzer =
        ANALYZERS.iter().find(|analyzer| analyzer.name() == name).expect("an analyzer of the list");
    let Some((choice, content)) = data.split_first() else { return };
    let path = paths[usize::from(*choice) % paths.len()];
    let entry = Entry {
        path,
        kind: EntryKind::File,
        size: content.len() as u64,
        mode: 0o644,
        uid: 0,
        gid: 0,
        link: None,
    };
    assert_ne!(analyzer.wants(&entry), Want::No, "{name} does not want {path}");
    check(*analyzer, &entry, content);
}

/// An observation must not depend on how the bytes arrive, and finishing must take whatever was observed.
fn check(analyzer: &dyn Analyzer, entry: &Entry<'_>, content: &[u8]) {
    let once = analyzer.observe(entry, Content::new(&mut &content[..], entry.size, u64::MAX));
    let spilled = analyzer.observe(entry, Content::new(&mut &content[..], entry.size, SPILL_ABOVE));
    assert_eq!(once, spilled, "the same bytes must tell the same, in memory or on disk");
    let files = Files::new(vec![FileView { path: entry.path, observation: &once }]);
    let _ = analyzer.revisit(&files);
    analyzer.finish(&files, &mut Merged::default());
}
