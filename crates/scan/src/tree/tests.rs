//! Every rule of applying a layer, one small stack each.

use super::*;

type Line<'a> = (u16, &'a str, IndexKind, &'a str);

const LIMITS: Limits = Limits { link_hops: 40, ..Limits::standard() };

const D: IndexKind = IndexKind::Directory;
const F: IndexKind = IndexKind::File;
const S: IndexKind = IndexKind::Symlink;
const H: IndexKind = IndexKind::Hardlink;

/// Applies lines in order (ordinals count over all) and lists what is visible: `path`, `path/` for
/// directories, `path -> target`, and `path = layer.ordinal` for files.
fn list(lines: &[Line<'_>]) -> Vec<String> {
    let mut tree = Tree::new(1000, &LIMITS);
    for (ordinal, (layer, path, kind, target)) in (0..).zip(lines) {
        let entry = IndexEntry { path: path.as_bytes(), kind: *kind, target: target.as_bytes() };
        let _ = tree.apply(*layer, ordinal, entry, true);
    }
    visible(&tree)
}

fn visible(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    let mut path = Vec::new();
    tree.walk(|node, kind| {
        tree.path_into(node, &mut path);
        let path = String::from_utf8_lossy(&path).into_owned();
        out.push(match kind {
            NodeKind::Directory => format!("{path}/"),
            NodeKind::File { content, .. } => format!("{path} = {}.{}", content.layer, content.ordinal),
            NodeKind::Symlink(target) => format!("{path} -> {}", String::from_utf8_lossy(target)),
            NodeKind::Special => format!("{path} !"),
        });
    });
    out.sort();
    out
}

fn check(lines: &[Line<'_>], expected: &[&str]) {
    assert_eq!(list(lines), expected);
}

#[test]
fn makes_missing_parents() {
    check(&[(0, "a/b/c", F, "")], &["a/", "a/b/", "a/b/c = 0.0"]);
}

#[test]
fn whiteouts_remove_what_lower_layers_brought() {
    check(&[(0, "a/x", F, ""), (0, "a/y", F, ""), (1, "a/.wh.x", F, "")], &["a/", "a/y = 0.1"]);
    check(&[(0, "a/x", F, ""), (1, ".wh.a", F, "")], &[]);
    check(&[(1, ".wh.nothing", F, ""), (1, "no/.wh.where", F, "")], &[]);
}

#[test]
fn whiteouts_spare_their_own_layer_in_either_order() {
    let expected = ["a/", "a/new = 1.1"];
    check(&[(0, "a/old", F, ""), (1, "a/new", F, ""), (1, ".wh.a", F, "")], &["a/", "a/new = 1.1"]);
    check(&[(0, "a/old", F, ""), (1, "a/new", F, ""), (1, "a/.wh..wh..opq", F, "")], &expected);
    check(&[(0, "a/old", F, ""), (1, ".wh.a", F, ""), (1, "a/new", F, "")], &["a/", "a/new = 1.2"]);
    check(&[(0, "a/old", F, ""), (1, "a/.wh..wh..opq", F, ""), (1, "a/new", F, "")], &["a/", "a/new = 1.2"]);
}

#[test]
fn an_opaque_directory_stays_itself() {
    check(&[(0, "a/b/old", F, ""), (1, "a/.wh..wh..opq", F, "")], &["a/"]);
}

#[test]
fn one_kind_replaces_another() {
    check(&[(0, "a/b", F, ""), (1, "a", F, "")], &["a = 1.1"]);
    check(&[(0, "a", F, ""), (1, "a", D, ""), (1, "a/b", F, "")], &["a/", "a/b = 1.2"]);
    check(&[(0, "a", F, ""), (1, "a/b", F, "")], &["a/", "a/b = 1.1"]);
    check(&[(0, "a/b", F, ""), (1, "a", S, "c")], &["a -> c"]);
    check(&[(0, "a", S, "b"), (0, "b/x", F, ""), (1, "a", D, "")], &["a/", "b/", "b/x = 0.1"]);
    check(&[(0, "a", D, ""), (0, "a/b", F, ""), (1, "a", D, "")], &["a/", "a/b = 0.1"]);
}

#[test]
fn parents_are_resolved_through_links() {
    check(
        &[(0, "usr/lib", D, ""), (0, "lib", S, "usr/lib"), (1, "lib/x", F, "")],
        &["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/x = 1.2"],
    );
    check(
        &[(0, "lib", S, "/data/lib"), (1, "lib/x", F, "")],
        &["data/", "data/lib/", "data/lib/x = 1.1", "lib -> /data/lib"],
    );
    check(&[(0, "lib", S, "../../out"), (1, "lib/x", F, "")], &["lib -> ../../out", "out/", "out/x = 1.1"]);
    check(
        &[(0, "usr/lib/x", F, ""), (0, "lib", S, "usr/lib"), (1, "lib/.wh.x", F, "")],
        &["lib -> usr/lib", "usr/", "usr/lib/"],
    );
}

#[test]
fn link_loops_leave_the_entry_out() {
    check(&[(0, "a", S, "b"), (0, "b", S, "a"), (1, "a/x", F, "")], &["a -> b", "b -> a"]);
    check(&[(0, "a", S, "a/a"), (1, "a/x", F, "")], &["a -> a/a"]);
}

#[test]
fn links_lead_no_deeper_than_entries() {
    let apply = |tree: &mut Tree, path: &str, kind, target: &str| {
        let entry = IndexEntry { path: path.as_bytes(), kind, target: target.as_bytes() };
        tree.apply(0, 0, entry, true)
    };
    let at = |components: usize, name: &str| {
        let mut tree = Tree::new(100_000, &LIMITS);
        // Half of the way each: no target is longer than a path may be.
        let half = vec![name; components / 2].join("/");
        apply(&mut tree, "s", S, &half).unwrap();
        apply(&mut tree, "s/s", S, &half).unwrap();
        apply(&mut tree, "s/s/f", F, "")
    };
    assert_eq!(at(LIMITS.path_depth - 2, "x"), Ok(()));
    assert_eq!(at(LIMITS.path_depth, "x"), Err(ApplyError::Deep));
    let long = "x".repeat(255);
    assert_eq!(at(LIMITS.path_bytes / 256 - 2, &long), Ok(()));
    assert_eq!(at(LIMITS.path_bytes / 256, &long), Err(ApplyError::Deep));
    // What goes up again does not count.
    check(
        &[(0, "s", S, &"x/../".repeat(800)), (0, "s/f", F, "")],
        &["f = 0.1", &format!("s -> {}", "x/../".repeat(800))],
    );
}

#[test]
fn long_targets_are_work_even_when_they_lead_nowhere() {
    let mut tree = Tree::new(1000, &Limits::standard());
    // A tenth, to spare time.
    tree.steps.set(resolve::MAX_STEPS / 10);
    let mut apply = |ordinal, path: &str, kind, target: &str| {
        tree.apply(0, ordinal, IndexEntry { path: path.as_bytes(), kind, target: target.as_bytes() }, true)
    };
    for number in 0..250 {
        let target = format!("{}l{}", "./".repeat(2000), number + 1);
        apply(number, &format!("l{number}"), S, &target).unwrap();
    }
    apply(300, "l250", D, "").unwrap();
    let refused = (0..100).find(|n| apply(1000 + n, &format!("l0/f{n}"), F, "") == Err(ApplyError::Work));
    assert!(refused.is_some_and(|n| (5..50).contains(&n)), "{refused:?}");
    assert!(tree.is_exhausted());
}

#[test]
fn hard_links_share_content_and_outlive_the_name() {
    check(&[(0, "a", F, ""), (1, "b", H, "a"), (2, ".wh.a", F, "")], &["b = 0.0"]);
    check(&[(0, "a", F, ""), (0, "b", H, "a"), (1, "a", F, "")], &["a = 1.2", "b = 0.0"]);
    check(&[(0, "b", H, "nothing"), (0, "d", D, ""), (0, "c", H, "d")], &["d/"]);
    check(&[(0, "a", F, ""), (0, "a", H, "a")], &[]);
    check(&[(0, "s", S, "t"), (0, "h", H, "s")], &["h -> t", "s -> t"]);
}

#[test]
fn history_is_unbroken_overwriting_only() {
    let mut tree = Tree::new(1000, &LIMITS);
    let mut apply = |layer, ordinal, path: &str| {
        let entry = IndexEntry { path: path.as_bytes(), kind: F, target: b"" };
        tree.apply(layer, ordinal, entry, true).unwrap();
    };
    apply(0, 5, "a/kept");
    apply(0, 6, "a/gone");
    apply(1, 7, "a/kept");
    apply(1, 8, "a/.wh.gone");
    apply(2, 9, "a/kept");
    apply(2, 10, "a/gone");
    let kept = tree.resolve_path(b"a/kept").unwrap();
    assert_eq!(tree.history(kept), [ContentId { layer: 0, ordinal: 5 }, ContentId { layer: 1, ordinal: 7 }]);
    let gone = tree.resolve_path(b"a/gone").unwrap();
    assert_eq!(tree.history(gone), []);
}

#[test]
fn is_bounded() {
    let mut tree = Tree::new(10, &LIMITS);
    let mut refused = 0;
    for number in 0..100u32 {
        let path = format!("d{number}");
        let entry = IndexEntry { path: path.as_bytes(), kind: D, target: b"" };
        refused += u32::from(tree.apply(0, number, entry, true) == Err(ApplyError::Full));
    }
    assert_eq!(refused, 91);
    assert_eq!(visible(&tree).len(), 9);
}

#[test]
fn freed_nodes_are_used_again() {
    let mut tree = Tree::new(10, &LIMITS);
    for number in 0..1000u32 {
        let layer = (number % 500) as u16;
        let (path, kind) = if number % 2 == 0 { ("d/x", F) } else { (".wh.d", F) };
        let entry = IndexEntry { path: path.as_bytes(), kind, target: b"" };
        tree.apply(layer, number, entry, true).unwrap();
    }
    assert_eq!(visible(&tree), Vec::<String>::new());
}

#[test]
fn the_work_of_all_links_is_bounded() {
    let mut tree = Tree::new(1000, &Limits::standard());
    let mut apply = |ordinal, path: &str, kind, target: &str| {
        tree.apply(0, ordinal, IndexEntry { path: path.as_bytes(), kind, target: target.as_bytes() }, true)
    };
    apply(0, "d", D, "").unwrap();
    // 250 links in a row, each with a detour of 2,000 steps: half a million steps for every path below.
    for number in 0..250 {
        let target = format!("{}l{}", "d/../".repeat(1000), number + 1);
        apply(number, &format!("l{number}"), S, &target).unwrap();
    }
    apply(300, "l250", D, "").unwrap();
    let refused = (0..400).find(|n| apply(1000 + n, &format!("l0/f{n}"), F, "") == Err(ApplyError::Work));
    assert!(refused.is_some_and(|n| n < 250), "{refused:?}");
}
