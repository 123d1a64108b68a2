//! From the records of all layers to the inventory: what is visible, through which paths, and which layer
//! brought it.
//!
//! A file is shown to an analyzer when its visible path is of interest, whether it was written there, linked
//! there or reached through a linked directory. Where that needs content that no pass had kept, one second
//! pass over the layers concerned reads it. So `merge` of a stack equals `merge` of the directory that a
//! runtime would unpack from it.

mod attribute;
mod hidden;
mod links;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use analyze::{Analyzer, FileView, Files, Merged, Observation, Want};
use model::{ImageConfig, Inventory, Layer, Limits, Package, Problem, ProblemCode, ScanType};

use self::hidden::HiddenView;
use crate::{
    pass::{FileFacts, push_problem},
    paths::{file_name, lossy},
    record::LayerRecord,
    tree::{ApplyError, ContentId, NodeId, Tree},
};

/// Most paths of the merged tree.
const MAX_NODES: usize = 2_500_000;
/// Most bytes that `revisit` may hold in memory at once.
const MAX_RAW_BYTES: u64 = 256 << 20;

/// Reads contents again that the first pass had not kept.
pub trait SecondPass {
    /// Calls `visit` for every listed ordinal of the layer that could be read, in any order. Those for which
    /// it is not called stay unresolved. Returns the number of bytes that had to be decompressed.
    fn read_again(
        &mut self,
        layer: u16,
        ordinals: &BTreeSet<u32>,
        visit: &mut dyn FnMut(u32, FileFacts, &mut dyn std::io::Read),
    ) -> u64;
}

/// What merging works on.
pub struct MergeInput<'a> {
    /// Lowest layer first; one record for a directory.
    pub records: &'a [LayerRecord],
    /// The layers as reported; empty for a directory, which also turns whiteouts off.
    pub layers: Vec<Layer>,
    /// The analyzers that made the records.
    pub analyzers: &'a [&'a dyn Analyzer],
    /// What the image says of itself; `None` for a directory.
    pub config: Option<&'a ImageConfig>,
    /// Limits of the scan.
    pub limits: &'a Limits,
}

/// One visible file for one analyzer.
struct View {
    analyzer: u8,
    path: String,
    content: ContentId,
    node: NodeId,
}

type Extra = HashMap<(ContentId, u8, String), Observation>;

/// Merges all layers into one inventory.
pub fn merge(input: MergeInput<'_>, second_pass: &mut dyn SecondPass) -> Inventory {
    let MergeInput { records, layers, analyzers, config, limits } = input;
    let whiteouts = !layers.is_empty();
    let mut problems = Vec::new();
    let mut tree = build_tree(records, whiteouts, limits, &mut problems);
    let mut views = links::visible(&mut tree, records, analyzers, limits, &mut problems);
    let mut budget = limits.second_pass_bytes;
    let extra =
        links::read_missing(&views, records, analyzers, limits, second_pass, &mut budget, &mut problems);

    let mut hidden = match whiteouts {
        true => hidden::hidden(&tree, records, analyzers, limits, &mut problems),
        false => Vec::new(),
    };
    bound_facts(&mut views, &mut hidden, records, &extra, limits, &mut problems);

    let mut merged = Merged::default();
    let observed = |view: &View| observation_of(records, &extra, view);
    for (number, analyzer) in (0u8..).zip(analyzers) {
        let mine: Vec<&View> = views.iter().filter(|view| view.analyzer == number).collect();
        let gone: Vec<_> = hidden
            .iter()
            .filter(|view| view.analyzer == number)
            .filter_map(|view| Some((view, kept(records, view.content, number, file_name(&view.path))?)))
            .collect();
        for (view, observation) in &gone {
            for problem in &observation.problems {
                let problem = problem.clone().at_path(view.path.clone());
                push_problem(&mut problems, problem.in_layer(view.content.layer.into()));
            }
        }
        let files = |()| {
            let shown = mine.iter().filter_map(|view| {
                let layer = whiteouts.then(|| view.content.layer.into());
                observed(view).map(|observation| FileView { path: &view.path, observation, layer })
            });
            Files::new(shown.collect()).with_hidden(
                gone.iter()
                    .map(|(view, observation)| FileView {
                        path: &view.path,
                        observation,
                        layer: Some(view.content.layer.into()),
                    })
                    .collect(),
            )
        };
        for view in &mine {
            let Some(observation) = observed(view) else { continue };
            for problem in &observation.problems {
                let problem = problem.clone().at_path(view.path.clone());
                let problem = if whiteouts { problem.in_layer(view.content.layer.into()) } else { problem };
                push_problem(&mut problems, problem);
            }
        }
        let first = files(());
        let again = analyzer.revisit(&first);
        let raw = read_raw(&again, &mine, second_pass, &mut budget, &mut problems);
        analyzer.finish(&first.with_raw(raw), &mut merged);
    }
    if let Some(config) = config {
        for check in analyzers.iter().filter_map(|analyzer| analyzer.config_analyzer()) {
            check.finish_config(config, &mut merged);
        }
    }

    let mut packages = std::mem::take(&mut merged.packages);
    analyze::licence::normalise_all(&mut packages);
    attribute::owners(&mut tree, &merged.owned, &mut packages);
    if whiteouts {
        attribute::layers(&tree, &views, records, &extra, &mut packages);
    }
    // Where it was exhausted by a layer, that is said already; this is of links followed after.
    if tree.is_exhausted() {
        push_problem(&mut problems, Problem::new(ProblemCode::LayerLimit, ApplyError::Work.to_string()));
    }
    for problem in std::mem::take(&mut merged.problems) {
        push_problem(&mut problems, problem);
    }
    packages.sort();
    packages.dedup();
    say_what_is_missing(merged.distro.as_ref(), &packages, &mut problems);
    problems.sort();
    problems.dedup();
    let Merged { distro, mut secrets, mut licence_files, mut files, .. } = merged;
    secrets.sort();
    secrets.dedup();
    licence_files.sort();
    licence_files.dedup();
    files.sort();
    files.dedup();
    let types = analyzers.iter().map(|analyzer| analyzer.scan_type());
    let looked_for = types.filter(|kind| *kind != ScanType::Sbom).collect();
    Inventory { distro, layers, packages, looked_for, secrets, licence_files, files, problems }
}

fn build_tree(
    records: &[LayerRecord],
    whiteouts: bool,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Tree {
    let mut tree = Tree::new(MAX_NODES, limits);
    for (layer, record) in (0u16..).zip(records) {
        let stamp = |problem: Problem| if whiteouts { problem.in_layer(layer.into()) } else { problem };
        for problem in &record.problems {
            push_problem(problems, stamp(problem.clone()));
        }
        let whole =
            record.index.for_each(|ordinal, entry| match tree.apply(layer, ordinal, entry, whiteouts) {
                Ok(()) => true,
                Err(error @ (ApplyError::Full | ApplyError::Work)) => {
                    push_problem(problems, stamp(Problem::new(ProblemCode::LayerLimit, error.to_string())));
                    false
                }
                Err(error) => {
                    let problem = Problem::new(ProblemCode::LinkUnresolved, error.to_string());
                    push_problem(problems, stamp(problem.at_path(lossy(entry.path))));
                    true
                }
            });
        if !whole {
            push_problem(
                problems,
                stamp(Problem::new(ProblemCode::LayerCorrupt, "the list of paths is damaged")),
            );
        }
    }
    tree
}

/// Leaves out files beyond the limit on facts: hard links can show one large database under many paths.
fn bound_facts(
    views: &mut Vec<View>,
    hidden: &mut Vec<HiddenView>,
    records: &[LayerRecord],
    extra: &Extra,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) {
    let mut left = limits.image_facts;
    let mut is_beyond = |observation: Option<&Observation>| {
        let facts = observation.map_or(0, |observation| observation.facts.len().max(1));
        left.checked_sub(facts).inspect(|rest| left = *rest).is_none()
    };
    let before = views.len() + hidden.len();
    if let Some(fit) = views.iter().position(|view| is_beyond(observation_of(records, extra, view))) {
        views.truncate(fit);
    }
    let gone = |view: &HiddenView| kept(records, view.content, view.analyzer, file_name(&view.path));
    if let Some(fit) = hidden.iter().position(|view| is_beyond(gone(view))) {
        hidden.truncate(fit);
    }
    let left_out = before - views.len() - hidden.len();
    if left_out > 0 {
        let text = format!("more than {} facts; {left_out} files were left out", limits.image_facts);
        push_problem(problems, Problem::new(ProblemCode::TooManyItems, text));
    }
}

fn observation_of<'a>(records: &'a [LayerRecord], extra: &'a Extra, view: &View) -> Option<&'a Observation> {
    kept(records, view.content, view.analyzer, file_name(&view.path))
        .or_else(|| extra.get(&(view.content, view.analyzer, view.path.clone())))
}

/// What the first pass kept of a content under that file name.
fn kept<'a>(
    records: &'a [LayerRecord],
    content: ContentId,
    analyzer: u8,
    name: &str,
) -> Option<&'a Observation> {
    let kept = records.get(usize::from(content.layer))?.kept_at(content.ordinal);
    let mut kept = kept.iter().filter(|kept| kept.analyzer == analyzer);
    kept.find(|kept| kept.name == name || kept.name.is_empty()).map(|kept| &kept.observation)
}

fn wants(analyzer: &dyn Analyzer, path: &str) -> bool {
    matches!(analyzer.wants(&FileFacts::default().entry(path)), Want::Content { .. })
}

fn read_raw(
    paths: &[String],
    views: &[&View],
    second_pass: &mut dyn SecondPass,
    budget: &mut u64,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Vec<u8>> {
    let mut raw = BTreeMap::new();
    let mut left = MAX_RAW_BYTES;
    for path in paths {
        let Some(view) = views.iter().find(|view| view.path == *path) else { continue };
        let wanted = BTreeSet::from([view.content.ordinal]);
        let mut bytes = None;
        if *budget > 0 {
            let cost = second_pass.read_again(view.content.layer, &wanted, &mut |_, facts, reader| {
                if facts.size > left {
                    return;
                }
                let mut content = Vec::new();
                if std::io::Read::read_to_end(&mut std::io::Read::take(reader, facts.size), &mut content)
                    .is_ok()
                {
                    bytes = Some(content);
                }
            });
            *budget = budget.saturating_sub(cost);
        }
        match bytes {
            Some(bytes) => {
                left -= bytes.len() as u64;
                raw.insert(path.clone(), bytes);
            }
            None => {
                let text = "could not be read a second time within the limits";
                push_problem(problems, Problem::new(ProblemCode::LinkUnresolved, text).at_path(path.clone()));
            }
        }
    }
    raw
}

/// "No findings" must not be read as "clean" when there was nothing to look at.
fn say_what_is_missing(distro: Option<&model::Distro>, packages: &[Package], problems: &mut Vec<Problem>) {
    let has_os_packages = packages.iter().any(|package| package.kind.is_os());
    let mut say = |code, text: String| push_problem(problems, Problem::new(code, text));
    match distro {
        None if has_os_packages => {
            say(
                ProblemCode::UnknownOs,
                "there are operating system packages, but nothing names the distribution".into(),
            );
        }
        Some(distro) if !has_os_packages => {
            let text = format!(
                "the image says that it is {}, but no package database was found in it",
                distro.label()
            );
            say(ProblemCode::NoPackageDatabase, text);
        }
        _ => {}
    }
    if packages.is_empty() {
        say(
            ProblemCode::NothingToCheck,
            "no packages of any known kind were found, so nothing could be checked".into(),
        );
    }
}
