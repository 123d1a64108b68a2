//! Which files each analyzer sees, and the second pass for contents that no pass had kept.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use analyze::Analyzer;
use model::{Limits, Problem, ProblemCode};

use super::{Extra, SecondPass, View, kept, wants};
use crate::{
    pass::{self, Budget, PassContext, push_problem},
    paths::{file_name, lossy},
    record::LayerRecord,
    tree::{ContentId, NodeKind, Tree},
};

/// Lists the visible files, sorted by analyzer and path, each once. Those beyond the limit on memory are left
/// out: layers keep their paths in a compact form, here each is written out.
pub(super) fn visible(
    tree: &mut Tree,
    records: &[LayerRecord],
    analyzers: &[&dyn Analyzer],
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Vec<View> {
    let mut views = Vec::new();
    let mut links: Vec<(String, Vec<u8>)> = Vec::new();
    let mut left = Some(limits.fact_bytes);
    let mut has_room = |path: &str| {
        let bytes = (size_of::<View>() + path.len()) as u64;
        left = left.and_then(|left| left.checked_sub(bytes));
        left.is_some()
    };
    let mut bytes = Vec::with_capacity(256);
    tree.walk(|node, kind| match kind {
        NodeKind::File { content, direct: true } => {
            let Some(record) = records.get(usize::from(content.layer)) else { return };
            let kept = record.kept_at(content.ordinal);
            if kept.is_empty() {
                return;
            }
            tree.path_into(node, &mut bytes);
            let path = lossy(&bytes);
            let kept = kept.iter().take_while(|_| has_room(&path));
            views.extend(kept.map(|kept| View {
                analyzer: kept.analyzer,
                path: path.clone().into(),
                content,
                node,
            }));
        }
        NodeKind::File { content, direct: false } => {
            tree.path_into(node, &mut bytes);
            let path = lossy(&bytes);
            // What goes by content has been decided where the content was written.
            let wanting = (0u8..).zip(analyzers).filter(|(number, analyzer)| {
                let is_kept = || kept(records, content, *number, "").is_some();
                match wants(**analyzer, &path) {
                    true => !analyzer.sees_hidden() || is_kept(),
                    false => !analyzer.sees_hidden() && analyzer.goes_by_content() && is_kept(),
                }
            });
            let wanting = wanting.take_while(|_| has_room(&path));
            views.extend(wanting.map(|(analyzer, _)| View {
                analyzer,
                path: path.clone().into(),
                content,
                node,
            }));
        }
        NodeKind::Symlink(_) => {
            tree.path_into(node, &mut bytes);
            let path = lossy(&bytes);
            if analyzers.iter().any(|analyzer| wants_link(*analyzer, &path)) && has_room(&path) {
                links.push((path.into_owned(), bytes.clone()));
            }
        }
        NodeKind::Directory | NodeKind::Special => {}
    });

    if left.is_none() {
        let text = "the paths of files of interest need more memory than the limit; the rest was left out";
        push_problem(problems, Problem::new(ProblemCode::TooManyItems, text));
    }

    // Links whose own path is of interest, then well-known paths that lead through linked directories. Where
    // they end at a file that is of interest by its own path, that one is shown already.
    for (path, bytes) in &links {
        for (number, analyzer) in (0u8..).zip(analyzers) {
            if wants_link(*analyzer, path) {
                follow(tree, analyzers, number, path, bytes, &mut views);
            }
        }
    }
    for (number, analyzer) in (0u8..).zip(analyzers) {
        for anchor in analyzer.anchors() {
            follow(tree, analyzers, number, anchor, anchor.as_bytes(), &mut views);
        }
    }
    views.sort_by(|a, b| (a.analyzer, &a.path).cmp(&(b.analyzer, &b.path)));
    views.dedup_by(|a, b| a.analyzer == b.analyzer && a.path == b.path);
    views
}

/// Whether a symbolic link at this path is of interest: not for a check of contents wherever they lie.
fn wants_link(analyzer: &dyn Analyzer, path: &str) -> bool {
    !analyzer.sees_hidden() && wants(analyzer, path)
}

fn follow(
    tree: &mut Tree,
    analyzers: &[&dyn Analyzer],
    number: u8,
    path: &str,
    bytes: &[u8],
    views: &mut Vec<View>,
) {
    let Some(node) = tree.resolve_path(bytes) else { return };
    let NodeKind::File { content, .. } = tree.kind(node) else { return };
    let mut real = Vec::new();
    tree.path_into(node, &mut real);
    if real == bytes || wants(analyzers[usize::from(number)], &lossy(&real)) {
        return;
    }
    views.push(View { analyzer: number, path: path.to_owned(), content, node });
}

/// Reads and observes what the views need and no pass had kept.
pub(super) fn read_missing(
    views: &[View],
    records: &[LayerRecord],
    analyzers: &[&dyn Analyzer],
    limits: &Limits,
    second_pass: &mut dyn SecondPass,
    budget: &mut u64,
    problems: &mut Vec<Problem>,
) -> Extra {
    let mut missing: BTreeMap<u16, BTreeMap<u32, Vec<&View>>> = BTreeMap::new();
    for view in views {
        if kept(records, view.content, view.analyzer, file_name(&view.path)).is_none() {
            let layer = missing.entry(view.content.layer).or_default();
            layer.entry(view.content.ordinal).or_default().push(view);
        }
    }
    let mut extra = Extra::new();
    let pass_budget = Budget::new(limits);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let context = PassContext { analyzers, limits, deadline, budget: &pass_budget };
    for (layer, files) in missing {
        let ordinals: BTreeSet<u32> = files.keys().copied().collect();
        let mut seen: HashSet<u32> = HashSet::new();
        if *budget > 0 {
            let cost = second_pass.read_again(layer, &ordinals, &mut |ordinal, facts, reader| {
                let Some(views) = files.get(&ordinal) else { return };
                seen.insert(ordinal);
                let content = ContentId { layer, ordinal };
                // Almost always one view; several (links under several names) share the bytes.
                let Ok(blob) = analyze::Content::new(reader, facts.size, limits.spill_bytes).into_blob()
                else {
                    return;
                };
                for view in views {
                    let mut cursor = pass::BlobReader::new(&blob);
                    let entry = facts.entry(&view.path);
                    let observed =
                        pass::observe(&context, &entry, false, &mut cursor, |n| n == view.analyzer);
                    for (analyzer, observation) in observed {
                        extra.insert((content, analyzer, view.path.clone()), observation);
                    }
                }
            });
            *budget = budget.saturating_sub(cost);
        }
        for (ordinal, views) in &files {
            for view in views.iter().filter(|_| !seen.contains(ordinal)) {
                let text = "a link leads to content that could not be read within the limits";
                push_problem(
                    problems,
                    Problem::new(ProblemCode::LinkUnresolved, text).at_path(view.path.clone()),
                );
            }
        }
    }
    extra
}
