//! `lazaret db`, and the database as `lazaret scan` sees it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::IsTerminal as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use advisory::{
    database::{Database, DatabaseError, Entry},
    ecosystem::ShardName,
    enrichment::Kind,
    need::Needs,
};
use app::advisories;
use egress::ClientConfig;
use feeds::{BuildError, BuildOptions, BuildSummary, FEEDS, Outcome, ShardUpdate, Wanted, WantedEnrichment};
use indicatif::ProgressBar;
use model::{Problem, ProblemCode};
use tokio::runtime::Runtime;

use super::{home, network, print, screen_width};
use crate::{
    args::{DatabaseArgs, DbBuildArgs, DbStatusArgs, DbUpdateArgs},
    exit::{Exit, Failure},
    output::{
        columns::{Cell, layout, printable},
        progress::Bars,
    },
};

/// Opens the database of that directory, or of the default one.
pub(crate) fn open(dir: Option<&Path>) -> Result<Database, Failure> {
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => home("db")?,
    };
    Database::open(dir).map_err(|error| unusable(&error))
}

/// Fetches the shards that a scan needs and the database lacks. What cannot be had is said by the match;
/// here only what went wrong on the way becomes a problem.
pub(crate) fn provide(
    runtime: &Runtime,
    database: &Database,
    args: &DatabaseArgs,
    client: &ClientConfig,
    needs: &Needs,
    bars: &Bars,
) -> Vec<Problem> {
    if args.offline {
        return Vec::new();
    }
    let wanted = advisories::missing(database, needs);
    if wanted.is_empty() {
        return Vec::new();
    }
    match fetch(runtime, database, args, client, &wanted, bars) {
        Ok(updates) => updates.iter().filter_map(advisories::problem).collect(),
        Err(failure) => vec![Problem::new(ProblemCode::DatabaseMissing, failure.message)],
    }
}

fn fetch(
    runtime: &Runtime,
    database: &Database,
    args: &DatabaseArgs,
    client: &ClientConfig,
    wanted: &[Wanted],
    bars: &Bars,
) -> Result<Vec<ShardUpdate>, Failure> {
    let shown: Mutex<BTreeMap<String, ProgressBar>> = Mutex::default();
    let progress = |event: feeds::Progress<'_>| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            feeds::Progress::Asking { export } => {
                bars.wait(&format!("asking for the advisories of {export}"));
            }
            feeds::Progress::Downloading { export, received, total } => {
                let bar = shown
                    .entry(export.to_owned())
                    .or_insert_with(|| bars.bar(format!("advisories {export}"), total));
                bar.set_position(received);
            }
            feeds::Progress::Building { export } => {
                if let Some(bar) = shown.get(export) {
                    bar.set_message(format!("building {export}"));
                }
            }
        }
    };
    let fetched = advisories::fetch(database, client, &args.db_url, wanted, &progress);
    let updates = runtime.block_on(fetched).map_err(|error| {
        Failure::new(error.code(), &error, "Check the proxy settings and the certificate authority files.")
    })?;
    bars.clear();
    Ok(updates)
}

/// Builds shards from files and directories.
pub(crate) fn build(args: &DbBuildArgs) -> Result<Exit, Failure> {
    let options = BuildOptions { only: None, built: feeds::now(), source: String::new() };
    let summary = feeds::build(&args.from, &args.out, FEEDS[0], &options).map_err(|error| {
        let hint = match error {
            BuildError::Read(_) => {
                "Give OSV records: .json, .jsonl, .zip, compressed or not, or directories."
            }
            _ => "Check that the directory of --out can be written to, and the space on its disk.",
        };
        Failure::new("db-build-failed", &error, hint)
    })?;
    print(&built(&summary))?;
    if summary.shards.is_empty() && summary.enrichment.is_empty() {
        let hint = "Check that the files hold OSV records of ecosystems that lazaret knows.";
        return Err(Failure {
            code: "db-build-empty",
            message: format!("none of {} records could be used", summary.records),
            hint: hint.into(),
            exit: Exit::Failed,
        });
    }
    Ok(Exit::Pass)
}

fn built(summary: &BuildSummary) -> String {
    let rows: Vec<Vec<Cell>> = summary
        .shards
        .iter()
        .map(|shard| {
            let info = &shard.info;
            vec![
                info.name.as_str().into(),
                info.advisories.to_string().into(),
                info.rows.to_string().into(),
                size(shard.bytes).into(),
            ]
        })
        .collect();
    let mut out = String::new();
    if !rows.is_empty() {
        out.push_str(&layout(&["SHARD", "ADVISORIES", "ROWS", "SIZE"], &rows, None));
        out.push('\n');
    }
    for written in &summary.enrichment {
        let info = &written.info;
        let dated = if info.dated.is_empty() { "no date given" } else { info.dated.as_str() };
        let _ = writeln!(out, "{}: {} CVEs ({})", info.kind, info.entries, printable(dated));
    }
    if summary.records > 0 || summary.enrichment.is_empty() {
        let _ = writeln!(
            out,
            "{} of {} records stored in {} shards",
            summary.stored,
            summary.records,
            summary.shards.len()
        );
    }
    for (why, count) in &summary.dropped {
        let _ = writeln!(out, "left out: {count} x {why}");
    }
    if summary.malformed + summary.unreadable > 0 {
        let _ = writeln!(
            out,
            "unusable: {} x record, {} x part of a file",
            summary.malformed, summary.unreadable
        );
    }
    for bad in summary.bad.iter().take(10) {
        let _ = writeln!(out, "  {}", printable(&format!("{}: {}", bad.place, bad.reason)));
    }
    out
}

/// Lists the shards.
pub(crate) fn status(args: &DbStatusArgs) -> Result<Exit, Failure> {
    let database = open(args.db.as_deref())?;
    let shards = database.status().map_err(|error| unusable(&error))?;
    let enrichment = database.enrichment_status().map_err(|error| unusable(&error))?;
    if shards.is_empty() && enrichment.is_empty() {
        print(&format!(
            "No advisories in {}.\nA scan fetches what its image needs; `lazaret db update debian-12 pypi` fetches by name,\n\
             `lazaret db build --from FILE --out {}` builds from OSV records.\n",
            database.dir().display(),
            database.dir().display()
        ))?;
        return Ok(Exit::NotReady);
    }
    let now = jiff::Timestamp::now();
    let all = shards.iter().chain(&enrichment);
    let rows: Vec<Vec<Cell>> = all.map(|(name, entry)| row(name, entry, now)).collect();
    let header = ["SHARD", "ADVISORIES", "ROWS", "SIZE", "BUILT", "AGE", "SOURCE", "DIGEST"];
    print(&layout(&header, &rows, screen_width()))?;
    if args.verify {
        verify(&database, &shards)?;
    }
    Ok(Exit::Pass)
}

fn row(name: &str, entry: &Entry, now: jiff::Timestamp) -> Vec<Cell> {
    vec![
        name.into(),
        entry.advisories.to_string().into(),
        entry.rows.to_string().into(),
        size(entry.bytes).into(),
        entry.built.get(..10).unwrap_or(&entry.built).into(),
        age(&entry.built, now).into(),
        entry.source.as_str().into(),
        entry.digest.as_str().into(),
    ]
}

fn verify(database: &Database, shards: &BTreeMap<String, Entry>) -> Result<(), Failure> {
    let hint = "Fetch it again with lazaret db update, or build it again.";
    for name in shards.keys() {
        let Some(name) = ShardName::new(name) else { continue };
        let shard = database.shard(&name).map_err(|error| unusable(&error))?;
        if let Some(shard) = shard {
            shard.verify().map_err(|error| {
                let message = format!("shard {name} is damaged: {}", model::problem::explain(&error));
                Failure { code: "shard-damaged", message, hint: hint.into(), exit: Exit::Failed }
            })?;
        }
    }
    for kind in Kind::ALL {
        let file = database.enrichment(kind).map_err(|error| unusable(&error))?;
        if let Some(Err(error)) = file.map(|file| file.verify()) {
            let message = format!("{kind} is damaged: {}", model::problem::explain(&error));
            return Err(Failure { code: "shard-damaged", message, hint: hint.into(), exit: Exit::Failed });
        }
    }
    print(&format!("\n{} shards verified\n", shards.len()))
}

/// Refreshes shards.
pub(crate) fn update(args: &DbUpdateArgs) -> Result<Exit, Failure> {
    let database = open(args.database.db.as_deref())?;
    if args.database.offline {
        let hint = "Leave --offline out, or build the database from files.";
        return Err(Failure::usage("offline", "nothing can be fetched with --offline", hint));
    }
    let (wanted, enrichment) = if args.shards.is_empty() {
        let wanted = Wanted::of_database(&database).map_err(|error| unusable(&error))?;
        (wanted, WantedEnrichment::of_database(&database).map_err(|error| unusable(&error))?)
    } else {
        let (mut wanted, mut enrichment) = (Vec::new(), Vec::new());
        for name in &args.shards {
            match WantedEnrichment::named(name) {
                Some(kind) => enrichment.push(kind),
                None => wanted.push(named(name)?),
            }
        }
        (wanted, enrichment)
    };
    if wanted.is_empty() && enrichment.is_empty() {
        print("No advisories are there to refresh; name shards to fetch, for example debian-12 or pypi.\n")?;
        return Ok(Exit::NotReady);
    }
    let runtime = network::runtime()?;
    let client = network::client_config(&args.network)?;
    let bars = Bars::new(!std::io::stderr().is_terminal());
    let mut updates = fetch(&runtime, &database, &args.database, &client, &wanted, &bars)?;
    for wanted in &enrichment {
        bars.wait(&format!("asking for {}", wanted.kind));
    }
    let fetched = advisories::fetch_enrichment(&database, &client, &args.database.db_url, &enrichment);
    let fetched = runtime.block_on(fetched).map_err(|error| {
        Failure::new(error.code(), &error, "Check the proxy settings and the certificate authority files.")
    })?;
    bars.clear();
    updates.extend(fetched);
    let rows: Vec<Vec<Cell>> = updates
        .iter()
        .map(|update| vec![update.shard.as_str().into(), outcome(&update.outcome).into()])
        .collect();
    print(&layout(&["SHARD", "RESULT"], &rows, None))?;
    let failed =
        updates.iter().any(|update| matches!(update.outcome, Outcome::Failed { .. } | Outcome::NotInExport));
    Ok(if failed { Exit::Failed } else { Exit::Pass })
}

fn named(name: &str) -> Result<Wanted, Failure> {
    Wanted::named(name).ok_or_else(|| {
        if name == Kind::CveSeverity.as_str() {
            let hint = "Build it with lazaret db build --from FILE, from NVD's documents or from CVE records.";
            return Failure::usage("shard-unknown", format!("{name} is not fetched"), hint);
        }
        let hint = "Shards are named like debian-12, ubuntu-22.04, alpine-3.20, almalinux-9, pypi, npm; enrichment is kev and epss.";
        Failure::usage("shard-unknown", format!("lazaret knows no shard {name:?}"), hint)
    })
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Updated => "updated".into(),
        Outcome::Unchanged => "unchanged".into(),
        Outcome::NotInExport => "the export holds nothing for it".into(),
        Outcome::Failed { reason, kept: Some(built) } => format!("kept as of {built}: {reason}"),
        Outcome::Failed { reason, kept: None } => format!("failed: {reason}"),
    }
}

fn unusable(error: &DatabaseError) -> Failure {
    let hint = "Name another directory with --db, or remove the damaged one and fetch or build it anew.";
    Failure::new("database-unusable", error, hint)
}

fn age(built: &str, now: jiff::Timestamp) -> String {
    let Ok(built) = built.parse::<jiff::Timestamp>() else { return "?".into() };
    let hours = now.duration_since(built).as_hours();
    match hours {
        ..0 => "0h".into(),
        0..48 => format!("{hours}h"),
        _ => format!("{}d", hours / 24),
    }
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
