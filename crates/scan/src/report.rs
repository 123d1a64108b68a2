//! Inventory and advisories put together.

use advisory::matcher::{ShardSet, match_packages};
use model::{Inventory, Problem, Report, report::ImageFacts};

/// Matches an inventory against shards and writes down what came of it. Costs no image access: it may be
/// done again with every change of the database.
///
/// `problems` are those of getting the shards.
pub fn build(image: ImageFacts, inventory: Inventory, shards: &ShardSet, problems: Vec<Problem>) -> Report {
    let matches = match_packages(&inventory, shards);
    let mut problems: Vec<Problem> = problems.into_iter().chain(matches.problems).collect();
    // What reading has said already need not be said again.
    problems.retain(|problem| !inventory.problems.contains(problem));
    problems.sort();
    problems.dedup();
    Report { image, inventory, findings: matches.findings, coverage: matches.coverage, problems }
}
