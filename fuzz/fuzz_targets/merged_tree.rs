//! The merged tree under any sequence of entries: every path that it shows is its own, and leads back to its node.
#![no_main]

use std::collections::BTreeSet;

use model::Limits;
use scan::{
    index::{IndexEntry, IndexKind},
    tree::{NodeKind, Tree},
};

const NAMES: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"a", b".wh.a", b".wh..wh..opq", b".wh.c"];
const STEPS: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"..", b".", b"", b"a"];
const MAX_NODES: usize = 5000;

/// One to four names joined; links may be absolute, repeat theirs and hold `..`.
fn path(bytes: [u8; 3], names: &[&[u8]; 8]) -> Vec<u8> {
    let [head, low, high] = bytes.map(usize::from);
    let picked = [low & 7, low >> 3 & 7, high & 7, high >> 3 & 7].map(|number| names[number]);
    picked[..=head & 3].join(&b'/')
}

fn target(bytes: [u8; 3]) -> Vec<u8> {
    let once = path(bytes, &STEPS);
    let times = if bytes[0] & 0x80 == 0 { 1 } else { 1 << (bytes[0] >> 2 & 7) };
    let mut target = if bytes[0] & 0x40 == 0 { Vec::new() } else { b"/".to_vec() };
    target.extend(vec![once; times].join(&b'/'));
    target
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut tree = Tree::new(MAX_NODES, &Limits::standard());
    let mut layer = 0;
    let whiteouts = data.first().is_none_or(|byte| byte & 1 == 0);
    for (ordinal, op) in (0..).zip(data.as_chunks::<7>().0.iter().take(2000)) {
        let [kind, a, b, c, x, y, z] = *op;
        layer += u16::from(kind & 0x80 != 0);
        let (kind, target) = match kind & 7 {
            0 | 1 => (IndexKind::File, Vec::new()),
            2 | 3 => (IndexKind::Directory, Vec::new()),
            4 | 5 => (IndexKind::Symlink, target([x, y, z])),
            6 => (IndexKind::Hardlink, path([x, y, z], &NAMES)),
            _ => (IndexKind::Special, Vec::new()),
        };
        let path = path([a, b, c], &NAMES);
        let _ = tree.apply(layer, ordinal, IndexEntry { path: &path, kind, target: &target }, whiteouts);
    }

    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    tree.walk(|node, kind| {
        let mut path = Vec::new();
        tree.path_into(node, &mut path);
        let text = String::from_utf8_lossy(&path).into_owned();
        for name in path.split(|byte| *byte == b'/') {
            assert!(!matches!(name, b"" | b"." | b".."), "{text}");
        }
        if let Some(at) = path.iter().rposition(|byte| *byte == b'/') {
            assert!(seen.contains(&path[..at]), "{text} comes before its parent");
        }
        assert!(seen.insert(path.clone()), "{text} is there twice");
        if let NodeKind::File { content, .. } = kind {
            assert!(content.layer <= layer, "{text} is of a layer to come");
            for past in tree.history(node) {
                assert!(past.layer < content.layer, "{text} has a history of its own layer");
            }
        }
        if !matches!(kind, NodeKind::Symlink(_)) {
            nodes.push((node, path));
        }
    });
    assert!(seen.len() < MAX_NODES);
    if tree.is_exhausted() {
        return;
    }
    for (node, path) in nodes {
        assert_eq!(tree.resolve_path(&path), Some(node), "{}", String::from_utf8_lossy(&path));
    }
});
