//! What fuzz targets share: one file is offered to an analyzer as the engine would, then the image is finished;
//! archives get right checksums.

use analyze::{ANALYZERS, Analyzer, Content, Entry, EntryKind, FileView, Files, Merged, Want};
use model::Digest;
use sha2::{Digest as _, Sha256};

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
    let entry = entry(path, 0o644, content);
    assert_ne!(analyzer.wants(&entry), Want::No, "{name} does not want {path}");
    check(*analyzer, &entry, content);
}

/// Offers `data` as something that may be executed to one analyzer that goes by that. What is too short for it to
/// want is made longer.
///
/// # Panics
///
/// As [`observe`].
pub fn observe_program(name: &str, path: &str, data: &[u8]) {
    let analyzer =
        ANALYZERS.iter().find(|analyzer| analyzer.name() == name).expect("an analyzer of the list");
    let mut content = data.to_vec();
    content.resize(content.len().max(16 << 10), 0);
    let entry = entry(path, 0o755, &content);
    assert_ne!(analyzer.wants(&entry), Want::No, "{name} does not want {path}");
    check(*analyzer, &entry, &content);
}

fn entry<'a>(path: &'a str, mode: u32, content: &[u8]) -> Entry<'a> {
    Entry { path, kind: EntryKind::File, size: content.len() as u64, mode, uid: 0, gid: 0, link: None }
}

/// An observation must not depend on how the bytes arrive, and finishing must take whatever was observed.
fn check(analyzer: &dyn Analyzer, entry: &Entry<'_>, content: &[u8]) {
    let once = analyzer.observe(entry, Content::new(&mut &content[..], entry.size, u64::MAX));
    let spilled = analyzer.observe(entry, Content::new(&mut &content[..], entry.size, SPILL_ABOVE));
    assert_eq!(once, spilled, "the same bytes must tell the same, in memory or on disk");
    let files = Files::new(vec![FileView { path: entry.path, observation: &once, layer: None }]);
    let _ = analyzer.revisit(&files);
    analyzer.finish(&files, &mut Merged::default());
}

/// The sha256 digest of bytes.
///
/// # Panics
///
/// Never: the text is always a digest.
pub fn digest(bytes: &[u8]) -> Digest {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").parse().expect("a digest")
}

/// Splits an archive into layers before every entry of the type `N`, with right checksums in its headers.
pub fn repaired_layers(archive: &[u8]) -> Vec<Vec<u8>> {
    let mut layers = vec![Vec::new()];
    let mut rest = archive;
    while let Some((block, tail)) = rest.split_first_chunk::<512>() {
        rest = tail;
        if block[156] == b'N' && layers.len() < 8 {
            layers.push(Vec::new());
            continue;
        }
        let mut header = *block;
        if block.iter().any(|byte| *byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
        let digits = block[124..136].iter().filter(|byte| matches!(byte, b'0'..=b'7'));
        let size = digits.fold(0, |size: usize, digit| (size << 3) | usize::from(digit - b'0'));
        let content = size.div_ceil(512).saturating_mul(512).min(rest.len());
        let (content, tail) = rest.split_at(content);
        rest = tail;
        if let Some(layer) = layers.last_mut() {
            layer.extend_from_slice(&header);
            layer.extend_from_slice(content);
        }
    }
    if let Some(layer) = layers.last_mut() {
        layer.extend_from_slice(rest);
    }
    layers
}
