//! Inventory and advisories put together.

use std::collections::BTreeSet;

use advisory::matcher::{ShardSet, match_packages};
use model::{Inventory, Problem, Report, ScanType, report::ImageFacts};

/// Matches an inventory against shards and writes down what came of it. Costs no image access: it may be
/// done again with every change of the database.
///
/// `problems` are those of getting the shards.
pub fn build(image: ImageFacts, inventory: Inventory, shards: &ShardSet, problems: Vec<Problem>) -> Report {
    let mut types = inventory.looked_for.clone();
    types.extend([ScanType::Sbom, ScanType::Vulnerability]);
    let matches = match_packages(&inventory, shards);
    let mut problems: Vec<Problem> = problems.into_iter().chain(matches.problems).collect();
    // What reading has said already need not be said again.
    problems.retain(|problem| !inventory.problems.contains(problem));
    problems.sort();
    problems.dedup();
    let mut report = Report {
        image,
        types,
        inventory,
        findings: matches.findings,
        coverage: matches.coverage,
        enrichment: Vec::new(),
        problems,
    };
    shards.enrichment().enrich(&mut report);
    report
}

/// The report of an inventory for which no advisories were asked.
pub fn build_unmatched(image: ImageFacts, inventory: Inventory) -> Report {
    let types: BTreeSet<ScanType> = inventory.looked_for.iter().copied().chain([ScanType::Sbom]).collect();
    Report {
        image,
        types,
        inventory,
        findings: Vec::new(),
        coverage: Vec::new(),
        enrichment: Vec::new(),
        problems: Vec::new(),
    }
}
