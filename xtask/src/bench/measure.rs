//! Runs a program and tells what it cost.
//!
//! Linux tells the peak memory only as the largest of all children so far. So every measured program gets a
//! parent of its own: this binary starts itself as `xtask measure -- PROGRAM`, which waits for the one child and
//! prints the figures.

use std::{
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What one run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// From start to end.
    pub(super) wall: Duration,
    /// User and system time of the program and of the children that it waited for.
    pub(super) cpu: Duration,
    /// Largest resident set, in bytes.
    pub(super) memory: u64,
}

/// Median, smallest and largest of several runs, each figure on its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) median: Cost,
    pub(super) min: Cost,
    pub(super) max: Cost,
}

/// The program of a row and how it is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Program and arguments.
    pub(super) argv: Vec<String>,
    /// Environment variables set for it.
    pub(super) env: Vec<(String, String)>,
    /// Exit codes that mean success: a scan that finds something may say so.
    pub(super) success: &'static [i32],
}

impl Program {
    /// A program that succeeds with 0.
    pub(super) fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: Vec::new(), success: &[0] }
    }

    /// The same program with a variable set.
    pub(super) fn env(mut self, name: &str, value: &impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }
}

/// Runs the program `n` times, calling `before` ahead of each run.
pub(super) fn repeat(n: usize, program: &Program, mut before: impl FnMut() -> Result<()>) -> Result<Summary> {
    let mut costs = Vec::new();
    for _ in 0..n.max(1) {
        before()?;
        costs.push(once(program)?);
    }
    Ok(summarize(&costs))
}

/// Runs the program once.
pub(super) fn once(program: &Program) -> Result<Cost> {
    let this = std::env::current_exe().context("failed to find this program")?;
    let output = Command::new(this)
        .args(["measure", "--"])
        .args(&program.argv)
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {:?}", program.argv))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<u64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let [code, wall, cpu, memory] = figures[..] else {
        bail!("{:?} could not be run: {}", program.argv, String::from_utf8_lossy(&output.stderr).trim());
    };
    ensure!(
        program.success.iter().any(|success| u64::try_from(*success) == Ok(code)),
        "{:?} failed with {code}: {}",
        program.argv,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(Cost { wall: Duration::from_micros(wall), cpu: Duration::from_micros(cpu), memory })
}

/// The other side of [`once`]: runs the command with its output thrown away and prints
/// `exit-code wall-us cpu-us peak-bytes`.
pub(crate) fn child(command: &[String]) -> Result<ExitCode> {
    let [program, arguments @ ..] = command else { bail!("no program to measure") };
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("failed to run {program}"))?;
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("failed to read the resource usage")?;
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    // `ru_maxrss` is in KiB on Linux (getrusage(2)).
    println!("{} {} {cpu} {}", status.code().unwrap_or(255), wall.as_micros(), usage.max_rss() * 1024);
    Ok(ExitCode::SUCCESS)
}

fn micros(time: TimeVal) -> i64 {
    time.tv_sec() * 1_000_000 + time.tv_usec()
}

fn summarize(costs: &[Cost]) -> Summary {
    fn pick<T: Ord + Copy>(costs: &[Cost], of: impl Fn(&Cost) -> T) -> [T; 3] {
        let mut values: Vec<T> = costs.iter().map(of).collect();
        values.sort_unstable();
        [values[0], values[values.len() / 2], values[values.len() - 1]]
    }
    let wall = pick(costs, |cost| cost.wall);
    let cpu = pick(costs, |cost| cost.cpu);
    let memory = pick(costs, |cost| cost.memory);
    let at = |idx: usize| Cost { wall: wall[idx], cpu: cpu[idx], memory: memory[idx] };
    Summary { min: at(0), median: at(1), max: at(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_own_median() {
        let cost = |wall, cpu, memory| Cost {
            wall: Duration::from_secs(wall),
            cpu: Duration::from_secs(cpu),
            memory,
        };
        let summary = summarize(&[cost(3, 1, 5), cost(1, 2, 6), cost(2, 3, 4)]);
        assert_eq!(summary.median, cost(2, 2, 5));
        assert_eq!(summary.min, cost(1, 1, 4));
        assert_eq!(summary.max, cost(3, 3, 6));
    }
}
