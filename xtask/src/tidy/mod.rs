//! The house rules that no compiler checks: what may depend on what, and how sources, manifests and pages look.
//!
//! Every rule is a function from text (or `cargo metadata`) to violations, so that each has a unit test; all
//! violations are reported at once. `cargo xtask tidy` prints them and a test of this module fails on them. It
//! changes no file.

mod layers;
mod manifests;
mod pages;
mod sources;
mod tree;

use std::{fmt, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use tree::Tree;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, relative to the root of the project.
    path: String,
    /// The line, from 1; 0 when the file as a whole is meant.
    line: usize,
    /// Stable kebab-case name of the rule.
    rule: &'static str,
    /// What is wrong and what to do about it.
    text: String,
}

impl Violation {
    fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line.max(1), self.rule, self.text)
    }
}

/// Prints every violation; fails when there is one.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let violations = check(root)?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("tidy: all rules are kept");
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} to put right", violations.len());
    Ok(ExitCode::FAILURE)
}

/// Applies every rule to the project at `root`; the answer is sorted.
fn check(root: &Path) -> Result<Vec<Violation>> {
    let tree = Tree::load(root)?;
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .context("failed to run cargo metadata")?;
    let crates = layers::Member::all(&metadata);
    let mut violations = layers::check(&crates);
    violations.extend(manifests::check(&tree));
    violations.extend(sources::check(&tree));
    violations.extend(pages::check(&tree));
    violations.sort();
    violations.dedup();
    Ok(violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let violations = check(&crate::root()).unwrap();
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{} to put right:\n{}", list.len(), list.join("\n"));
    }

    #[test]
    fn a_violation_reads_like_a_compiler_message() {
        let text = Violation::new("a/b.rs", 0, "file-length", "too long").to_string();
        assert_eq!(text, "a/b.rs:1: file-length: too long");
    }
}
