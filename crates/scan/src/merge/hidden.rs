//! What layers hold and no longer show: removed, replaced or never reachable. Whoever has the image can still read
//! it there, so checks such as that for secrets see it too ([`analyze::Analyzer::sees_hidden`]).

use std::collections::{BTreeMap, HashSet};

use analyze::Analyzer;
use model::{Limits, Problem, ProblemCode};

use crate::{
    pass::push_problem,
    paths::lossy,
    record::LayerRecord,
    tree::{ContentId, NodeKind, Tree},
};

/// One hidden file for one analyzer.
pub(super) struct HiddenView {
    pub(super) analyzer: u8,
    /// Where its layer has it.
    pub(super) path: String,
    pub(super) content: ContentId,
}

/// Lists what no visible file has as its content, by layer and place in it. Together with the visible files it is
/// all that such analyzers kept; what is visible only at paths that they do not want is left out.
pub(super) fn hidden(
    tree: &Tree,
    records: &[LayerRecord],
    analyzers: &[&dyn Analyzer],
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Vec<HiddenView> {
    let sees: Vec<bool> = analyzers.iter().map(|analyzer| analyzer.sees_hidden()).collect();
    let sees = |analyzer: u8| sees.get(usize::from(analyzer)).copied().unwrap_or(false);
    // By layer, then ordinal: the analyzers that kept something.
    let mut unseen: Vec<BTreeMap<u32, Vec<u8>>> = Vec::with_capacity(records.len());
    for record in records {
        let mut files: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for kept in record.kept.iter().filter(|kept| sees(kept.analyzer)) {
            files.entry(kept.ordinal).or_default().push(kept.analyzer);
        }
        unseen.push(files);
    }
    if unseen.iter().all(BTreeMap::is_empty) {
        return Vec::new();
    }
    let mut shown: HashSet<ContentId> = HashSet::new();
    tree.walk(|_, kind| {
        let NodeKind::File { content, .. } = kind else { return };
        if unseen.get(usize::from(content.layer)).is_some_and(|files| files.contains_key(&content.ordinal)) {
            shown.insert(content);
        }
    });

    let mut hidden = Vec::new();
    let mut left = limits.fact_bytes;
    for ((layer, record), files) in (0u16..).zip(records).zip(&unseen) {
        if files.is_empty() {
            continue;
        }
        record.index.for_each(|ordinal, entry| {
            let content = ContentId { layer, ordinal };
            let Some(by) = files.get(&ordinal).filter(|_| !shown.contains(&content)) else { return true };
            let path = lossy(entry.path);
            for analyzer in by {
                let bytes = (size_of::<HiddenView>() + path.len()) as u64;
                let Some(rest) = left.checked_sub(bytes) else {
                    let text = "the paths of removed files of interest need more memory than the limit";
                    push_problem(problems, Problem::new(ProblemCode::TooManyItems, text));
                    return false;
                };
                left = rest;
                hidden.push(HiddenView { analyzer: *analyzer, path: path.clone().into_owned(), content });
            }
            true
        });
    }
    hidden
}
