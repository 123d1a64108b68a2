//! `cargo xtask soak`: the long runs. The test suite holds a short tier of each, with fixed seeds.
//!
//! A run is a command with an environment, in ONE list; a test or a fuzz target that can run longer is added there
//! and nowhere else.

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

/// Which long runs, and how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Names of runs [default: all].
    names: Vec<String>,
    /// Only name the runs.
    #[arg(long)]
    list: bool,
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 300)]
    fuzz_seconds: u64,
}

/// One long run of the test suite.
struct Run {
    name: &'static str,
    about: &'static str,
    /// Arguments of cargo.
    arguments: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

/// Every long run.
const RUNS: &[Run] = &[
    Run {
        name: "stacks",
        about: "10,000 random stacks of layers, each equal to a scan of what umoci unpacks",
        arguments: &["test", "--release", "--locked", "-p", "scan", "--test", "it", "--", "stacks"],
        env: &[("LAZARET_STACKS", "10000")],
    },
    Run {
        name: "properties",
        about: "property tests with 100,000 cases each",
        arguments: &[
            "test",
            "--release",
            "--locked",
            "-p",
            "advisory",
            "-p",
            "analyze",
            "-p",
            "model",
            "-p",
            "oci",
        ],
        env: &[("PROPTEST_CASES", "100000")],
    },
];

/// Runs them one after the other; fails when one failed, after all were run.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let targets = fuzz_targets(root)?;
    for name in &options.names {
        if name != "fuzz" && !RUNS.iter().any(|run| run.name == *name) && !targets.contains(name) {
            bail!("there is no run {name:?}; `cargo xtask soak --list` names them");
        }
    }
    if options.list {
        for run in RUNS {
            println!("{:<12} {}", run.name, run.about);
        }
        println!("{:<12} every fuzz target, {} s each: {}", "fuzz", options.fuzz_seconds, targets.join(", "));
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|other| other == name);
    let mut failed = Vec::new();
    for run in RUNS.iter().filter(|run| wanted(run.name)) {
        let mut command = cargo(root);
        command.args(run.arguments).envs(run.env.iter().copied());
        if !timed(run.name, &mut command)? {
            failed.push(run.name.to_owned());
        }
    }
    let targets: Vec<String> =
        targets.into_iter().filter(|target| wanted("fuzz") || options.names.contains(target)).collect();
    if !targets.is_empty() {
        failed.extend(fuzz(root, &targets, options.fuzz_seconds)?);
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("soak: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Runs fuzz targets; names of those that found something. Needs a nightly compiler and cargo-fuzz.
fn fuzz(root: &Path, targets: &[String], seconds: u64) -> Result<Vec<String>> {
    let present = Command::new("cargo")
        .args(["+nightly", "fuzz", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !present {
        println!("skipped: fuzz: needs a nightly toolchain and `cargo install cargo-fuzz --locked`");
        return Ok(Vec::new());
    }
    let mut failed = Vec::new();
    for target in targets {
        let mut command = Command::new("cargo");
        let limit = format!("-max_total_time={seconds}");
        command.current_dir(root).args([
            "+nightly",
            "fuzz",
            "run",
            target,
            "--",
            &limit,
            "-rss_limit_mb=2048",
            "-timeout=20",
        ]);
        if !timed(target, &mut command)? {
            failed.push(target.clone());
        }
    }
    Ok(failed)
}

/// Names of the fuzz targets: the files of `fuzz/fuzz_targets`.
fn fuzz_targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let dir = root.join("fuzz/fuzz_targets");
    for entry in std::fs::read_dir(&dir).with_context(|| format!("failed to list {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a command in the foreground; true when it succeeded.
fn timed(name: &str, command: &mut Command) -> Result<bool> {
    println!("soak: {name}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("failed to start {name}"))?;
    let verdict = if status.success() { "passed" } else { "FAILED" };
    println!("soak: {name}: {verdict} after {:.0} s", start.elapsed().as_secs_f64());
    Ok(status.success())
}
