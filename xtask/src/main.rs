//! The project's own tasks: `cargo xtask tidy | bench | soak`.
//!
//! Nothing of the product lives here, and the product never uses it.

#![expect(clippy::print_stdout, reason = "a command for people; its output is its result")]

mod bench;
mod soak;
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Tasks of the Lazaret project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks the house rules: layers, manifests, sources, pages.
    Tidy,
    /// Measures scans beside their limit and beside other scanners.
    Bench(bench::Options),
    /// Runs what takes too long for the test suite: storms, properties, fuzzing.
    Soak(soak::Options),
    /// Runs one program and prints its wall time, CPU time and peak memory (used by `bench`).
    #[command(hide = true)]
    Measure {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().task {
        Task::Tidy => tidy::run(&root()),
        Task::Bench(options) => bench::run(&root(), &options),
        Task::Soak(options) => soak::run(&root(), &options),
        Task::Measure { command } => bench::measure::child(&command),
    }
}

/// The root of the project.
fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}
