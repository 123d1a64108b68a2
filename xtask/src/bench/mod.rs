//! `cargo xtask bench`: what a scan costs, beside its limit and beside others, measured in one run.
//!
//! CPU time is the figure to trust; wall time depends on what else the machine does. Temporary files lie on disk
//! in the build folder, so that no memory hides in a tmpfs.

mod image;
pub(crate) mod measure;
mod peers;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use image::Image;
use measure::{Program, Summary, once, repeat};
use peers::Peer;
use table::{Report, Row, Target};

/// The image that is measured when none is named.
const DEFAULT_IMAGE: &str = "../shared/data/images/vuln-app";
/// The advisories that the database is built from when none is named.
const DEFAULT_ADVISORIES: &str = "../shared/data/advisories";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// An OCI layout, `[oci:]DIR[:TAG]` [default: the large sample image of the data folder].
    image: Option<String>,
    /// A ready advisory database [default: built once from the data folder's advisories].
    #[arg(long)]
    db: Option<PathBuf>,
    /// Runs of each row.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The lazaret binary [default: built with the release profile].
    #[arg(long)]
    lazaret: Option<PathBuf>,
    /// Leave other scanners out.
    #[arg(long)]
    no_peers: bool,
    /// Use other scanners where they are, but install none.
    #[arg(long)]
    no_install: bool,
    /// Print Markdown, for commit messages.
    #[arg(long)]
    markdown: bool,
    /// Fail when a target is missed.
    #[arg(long)]
    strict: bool,
}

/// Measures and prints the table.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let work = target_dir(root).join("bench");
    let temp = work.join("tmp");
    fs::create_dir_all(&temp).context("failed to create the working folder")?;
    let image = match &options.image {
        Some(image) => Image::load(image)?,
        None => {
            let image = root.join(DEFAULT_IMAGE);
            ensure!(image.is_dir(), "{} is not there: name an OCI layout", image.display());
            Image::load(&image.display().to_string())?
        }
    };
    let lazaret = match &options.lazaret {
        Some(lazaret) => lazaret.clone(),
        None => build(root)?,
    };
    let db = match &options.db {
        Some(db) => db.clone(),
        None => database(root, &lazaret, &work)?,
    };
    let mut report = Report::new(&image.name(), image.layers.len(), image.bytes(), options.runs);

    let (name, program) = peers::limit(&image)?;
    let limit = repeat(options.runs, &program, || Ok(()))?;
    report.push(Row::new(name, limit));
    for peer in peers::inflaters(&image) {
        measure_peer(&mut report, peer, options.runs)?;
    }

    let cache = work.join("cache");
    let output = work.join("report.json").display().to_string();
    let mut scan = Program::new([
        lazaret.display().to_string(),
        "scan".to_owned(),
        image.reference(),
        "--db".to_owned(),
        db.display().to_string(),
        "--cache".to_owned(),
        cache.display().to_string(),
        "--offline".to_owned(),
        "--quiet".to_owned(),
        "--format".to_owned(),
        "json".to_owned(),
        "--output".to_owned(),
        output,
    ])
    .env("TMPDIR", &temp.display());
    // 5: the image needs a shard that this database does not have; the work is the same.
    scan.success = &[0, 5];
    let empty = || match fs::remove_dir_all(&cache) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    };
    let cold = repeat(options.runs, &scan, empty)?;
    let warm = repeat(options.runs, &scan, || Ok(()))?;
    report.push(Row::new("lazaret, cold", cold).with(cold_targets(&cold, &limit)));
    let target = Target::at_most("warm: wall time", millis(warm.median.wall), 20.0, 20.0, "ms");
    report.push(Row::new("lazaret, warm", warm).with(vec![target]));

    if !options.no_peers {
        for peer in peers::scanners(&image, &work, !options.no_install) {
            let is_syft = matches!(&peer, Peer::Row { name, .. } if name.starts_with("syft"));
            let measured = measure_peer(&mut report, peer, options.runs.min(3))?;
            if let Some(syft) = measured.filter(|_| is_syft) {
                let ratio = seconds(syft.median.cpu) / seconds(cold.median.cpu);
                report.target(Target::at_least("cold: syft CPU / ours", ratio, 5.0, "x"));
            }
        }
    }
    print!("{}", if options.markdown { report.markdown() } else { report.text() });
    Ok(if options.strict && report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn cold_targets(cold: &Summary, limit: &Summary) -> Vec<Target> {
    let ratio = seconds(cold.median.cpu) / seconds(limit.median.cpu);
    let memory = cold.max.memory as f64 / f64::from(1 << 20);
    vec![
        Target::at_most("cold: CPU / limit", ratio, 2.0, 1.5, "x"),
        Target::at_most("cold: peak memory", memory, 200.0, 150.0, "MiB"),
    ]
}

/// Measures a peer that is there; a run that fails is no reason to end.
fn measure_peer(report: &mut Report, peer: Peer, runs: usize) -> Result<Option<Summary>> {
    match peer {
        Peer::Missing { name, reason } => report.note(format!("skipped: {name} {reason}")),
        Peer::Row { name, program } => {
            // The first run fills caches of the peer and of the disk.
            if let Err(error) = once(&program) {
                report.note(format!("skipped: {name} failed: {error}"));
                return Ok(None);
            }
            let summary = repeat(runs, &program, || Ok(()))?;
            report.push(Row::new(name, summary));
            return Ok(Some(summary));
        }
    }
    Ok(None)
}

fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Builds the release binary.
fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--release", "--locked", "-p", "cli", "--bin", "lazaret"])
        .status()
        .context("failed to run cargo build")?;
    ensure!(status.success(), "the release build failed");
    Ok(target_dir(root).join("release/lazaret"))
}

/// The database of the data folder's advisories, built once.
fn database(root: &Path, lazaret: &Path, work: &Path) -> Result<PathBuf> {
    let db = work.join("db");
    if db.is_dir() {
        return Ok(db);
    }
    let advisories = root.join(DEFAULT_ADVISORIES);
    ensure!(advisories.is_dir(), "{} is not there: name a database with --db", advisories.display());
    let output = Command::new(lazaret)
        .args(["db", "build", "--from"])
        .arg(&advisories)
        .arg("--out")
        .arg(&db)
        .output()
        .context("failed to run lazaret db build")?;
    if !output.status.success() {
        // A half-built database must not be taken for a ready one next time.
        let _ = fs::remove_dir_all(&db);
        anyhow::bail!("lazaret db build failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(db)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
