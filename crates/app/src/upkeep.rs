//! Upkeep: forgets what is older than it has to be, counts what every project has today, and takes uploads away that no
//! image record needs any more. All of it in small steps, and at any time by any number of processes.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use model::problem::explain;
use store::{DailyCount, Micros, StoreError, day_of};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    accounts::{AccessError, Caller},
    clock,
    service::{Service, stopped},
};

/// Scans that one step looks at.
const SCANS: u32 = 200;
/// Rows of other tables that one step takes away.
const ROWS: u32 = 2000;
/// Uploads that are asked for at once.
const FILES: usize = 500;
/// API tokens are forgotten so long after they ended.
const KEEP_TOKENS: Duration = Duration::from_secs(30 * 24 * 3600);
/// How soon after the start the first round begins: a service that starts has better things to do.
const FIRST: Duration = Duration::from_secs(60);
/// Most days that are asked for at once.
const MAX_DAYS: i32 = 5 * 366;
/// Most rows of a trend.
const MAX_ROWS: u32 = 20_000;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Scans that were forgotten, with their reports.
    pub scans: u64,
    /// Other rows.
    pub rows: u64,
    /// Uploads that were taken away.
    pub uploads: u64,
    /// Projects that were counted.
    pub projects: u64,
}

impl Tended {
    /// Counts the rows of a step: whether there may be another.
    const fn add(&mut self, rows: u64) -> bool {
        self.rows += rows;
        rows > 0
    }
}

/// Goes on in rounds until `stop` says so.
pub async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    let every = service.config.background.upkeep.every;
    let mut pause = FIRST.min(every);
    loop {
        let work = async {
            tokio::time::sleep(pause).await;
            match tend(&service, clock::now()).await {
                Ok(done) if done == Tended { projects: done.projects, ..Tended::default() } => {}
                Ok(done) => {
                    let Tended { scans, rows, uploads, .. } = done;
                    tracing::info!(scans, rows, uploads, "what is old was forgotten");
                }
                Err(StoreError::Stopped) => {}
                Err(error) => tracing::error!(error = %explain(&error), "upkeep could not be finished"),
            }
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = work => pause = every,
        }
    }
}

/// One round.
///
/// # Errors
/// When the store does not answer; what was done until then stays done.
pub async fn tend(service: &Service, now: Micros) -> Result<Tended, StoreError> {
    let (store, config) = (&service.store, &service.config.background.upkeep);
    let ago = |time: Duration| now.saturating_sub(clock::micros(time));
    let mut done = Tended { projects: store.count_day(now).await?, ..Tended::default() };
    let mut after = Some(Uuid::nil());
    while let Some(from) = after {
        let (gone, next) = store.trim_scans(ago(config.keep_scans), from, SCANS).await?;
        done.scans += gone;
        after = next;
    }
    while done.add(store.trim_scan_alls(ago(config.keep_scans), ROWS).await?) {}
    while done.add(store.trim_changes(ago(config.keep_changes)).await?) {}
    while done.add(store.trim_deliveries(ago(config.keep_deliveries), ROWS).await?) {}
    while done.add(store.trim_logs(ago(config.keep_events), ago(config.keep_errors)).await?) {}
    done.rows += store.trim_requests(now).await?;
    done.rows += store.trim_sessions(ago(config.idle_sessions), now).await?;
    done.rows += store.trim_tokens(ago(KEEP_TOKENS)).await?;
    done.rows += store.trim_daily_counts(day_of(ago(config.keep_counts))).await?;
    done.uploads = trim_uploads(service).await?;
    Ok(done)
}

/// Takes uploads away that no scan names and that are too old to be on their way to one.
async fn trim_uploads(service: &Service) -> Result<u64, StoreError> {
    let (dir, age) = (service.uploads(), service.config.background.upkeep.keep_uploads);
    let old = tokio::task::spawn_blocking(move || old_files(&dir, age));
    let old = old.await.map_err(|_| StoreError::Stopped)?;
    let mut gone = 0;
    for files in old.chunks(FILES) {
        let sources: Vec<String> = files.iter().map(|(name, _)| format!("upload:{name}")).collect();
        let used = service.store.uploads_in_use(&sources).await?;
        for ((_, path), source) in files.iter().zip(&sources).filter(|(_, source)| !used.contains(*source)) {
            match tokio::fs::remove_file(path).await {
                Ok(()) => gone += 1,
                // Another process was quicker.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(%error, %source, "an upload could not be taken away"),
            }
        }
    }
    Ok(gone)
}

fn old_files(dir: &Path, age: Duration) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let is_old = |entry: &std::fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        SystemTime::now().duration_since(metadata.modified().ok()?).ok().filter(|since| *since >= age)
    };
    let old = entries.flatten().filter(|entry| is_old(entry).is_some());
    old.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

impl Service {
    /// What projects had day by day, the last `days` of them: of one project, or of all that the caller may see. The
    /// row of today is as of the last round of upkeep.
    ///
    /// # Errors
    /// When the caller may not see the project, or the store does not answer.
    pub async fn trend(
        &self,
        caller: &Caller,
        project: Option<i64>,
        days: u32,
    ) -> Result<Vec<DailyCount>, TrendError> {
        if let Some(project) = project {
            caller.may(model::Role::Viewer, Some(project))?;
        }
        let today = day_of(clock::now());
        let days = i32::try_from(days).unwrap_or(MAX_DAYS).clamp(1, MAX_DAYS);
        let range = (today.saturating_sub(days - 1), today);
        Ok(self.store.daily_counts(&caller.scope(), project, range, MAX_ROWS).await?)
    }
}

/// Why there is no trend.
#[derive(Debug, thiserror::Error)]
pub enum TrendError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TrendError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}
