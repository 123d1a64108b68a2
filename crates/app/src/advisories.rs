//! The advisory database as commands and the service see it: what a scan needs is fetched when it is missing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use advisory::{
    database::{Database, DatabaseError},
    need::Needs,
};
use egress::{Client, ClientConfig, EgressError, Url};
use feeds::{FEEDS, Outcome, Progress, ShardUpdate, UpdateConfig, Wanted, WantedEnrichment};
use model::{Problem, ProblemCode};

use crate::config::AdvisoryConfig;

/// Fetches shards by name.
pub async fn fetch(
    database: &Database,
    client: &ClientConfig,
    base: &Url,
    wanted: &[Wanted],
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Vec<ShardUpdate>, EgressError> {
    let client = Client::build(client)?;
    let config = UpdateConfig::new(base.clone());
    Ok(feeds::update(database, &client, FEEDS[0], wanted, &config, progress).await)
}

/// Fetches enrichment, each kind from its own place; `base` only lends the usual limits.
pub async fn fetch_enrichment(
    database: &Database,
    client: &ClientConfig,
    base: &Url,
    wanted: &[WantedEnrichment],
) -> Result<Vec<ShardUpdate>, EgressError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let client = Client::build(client)?;
    let config = UpdateConfig::new(base.clone());
    Ok(feeds::update_enrichment(database, &client, wanted, &config, &|_| {}).await)
}

/// What a scan needs and the database lacks. Empty when the manifest is damaged: the match tells that, and
/// fetching would only write over it.
pub fn missing(database: &Database, needs: &Needs) -> Vec<Wanted> {
    let Ok(there) = database.status() else { return Vec::new() };
    Wanted::of_needs(needs).into_iter().filter(|wanted| !there.contains_key(wanted.shard.as_str())).collect()
}

/// What went wrong with one shard, for the report of a scan that goes on without it.
pub fn problem(update: &ShardUpdate) -> Option<Problem> {
    let shard = &update.shard;
    match &update.outcome {
        Outcome::Updated | Outcome::Unchanged => None,
        Outcome::NotInExport => {
            let text = format!("the advisories that were fetched hold nothing for {shard}");
            Some(Problem::new(ProblemCode::DatabaseMissing, text))
        }
        Outcome::Failed { reason, kept: None } => Some(Problem::new(
            ProblemCode::DatabaseMissing,
            format!("{shard} could not be fetched: {reason}"),
        )),
        Outcome::Failed { reason, kept: Some(built) } => {
            let text = format!("{shard} could not be refreshed and is as of {built}: {reason}");
            Some(Problem::new(ProblemCode::DatabaseStale, text))
        }
    }
}

/// The database of a service: shards are fetched once, however many scans wait for them.
#[derive(Debug)]
pub struct Advisories {
    /// The directory.
    pub database: Database,
    config: AdvisoryConfig,
    client: ClientConfig,
    /// Held while anything is fetched.
    fetching: tokio::sync::Mutex<()>,
    /// Shards that could not be had: why, and when that was.
    failed: Mutex<BTreeMap<String, (String, Instant)>>,
}

impl Advisories {
    /// Opens the directory.
    pub fn open(config: AdvisoryConfig, client: ClientConfig) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: Database::open(&config.dir)?,
            config,
            client,
            fetching: tokio::sync::Mutex::new(()),
            failed: Mutex::default(),
        })
    }

    /// Whether anything would be fetched for these: not offline, and not all of them refused lately.
    pub fn would_fetch(&self, wanted: &[Wanted]) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let pausing = |wanted: &Wanted| {
            failed.get(wanted.shard.as_str()).is_some_and(|(_, at)| at.elapsed() < self.config.pause)
        };
        !self.config.offline && !wanted.iter().all(pausing)
    }

    /// Why shards are missing, for people.
    pub fn why(&self, wanted: &[Wanted]) -> String {
        if self.config.offline {
            return "the service is set to fetch no advisories".to_owned();
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<&str> =
            wanted.iter().filter_map(|wanted| Some(failed.get(wanted.shard.as_str())?.0.as_str())).collect();
        said.join("; ")
    }

    /// Fetches shards that are missing; somebody else's fetch counts. Returns those that are still missing.
    pub async fn provide(&self, wanted: &[Wanted]) -> Vec<Wanted> {
        let _turn = self.fetching.lock().await;
        let still = |wanted: &[Wanted]| -> Vec<Wanted> {
            let there = self.database.status().unwrap_or_default();
            wanted.iter().filter(|wanted| !there.contains_key(wanted.shard.as_str())).cloned().collect()
        };
        let wanted = still(wanted);
        if wanted.is_empty() || !self.would_fetch(&wanted) {
            return wanted;
        }
        self.update(&wanted).await;
        still(&wanted)
    }

    /// Refreshes all shards that are there.
    pub async fn refresh(&self) -> Vec<ShardUpdate> {
        if self.config.offline {
            return Vec::new();
        }
        let _turn = self.fetching.lock().await;
        let enrichment = WantedEnrichment::of_database(&self.database).unwrap_or_default();
        match fetch_enrichment(&self.database, &self.client, &self.config.base, &enrichment).await {
            Ok(updates) => {
                for ShardUpdate { shard, outcome } in &updates {
                    if let Outcome::Failed { reason, .. } = outcome {
                        tracing::warn!(enrichment = %shard, %reason, "enrichment could not be refreshed");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(reason = %model::problem::explain(&error), "enrichment could not be refreshed");
            }
        }
        let wanted = Wanted::of_database(&self.database).unwrap_or_default();
        if wanted.is_empty() { Vec::new() } else { self.update(&wanted).await }
    }

    async fn update(&self, wanted: &[Wanted]) -> Vec<ShardUpdate> {
        let fetched = fetch(&self.database, &self.client, &self.config.base, wanted, &|_| {}).await;
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(updates) => {
                for update in &updates {
                    let why = match &update.outcome {
                        Outcome::Updated | Outcome::Unchanged => {
                            failed.remove(update.shard.as_str());
                            continue;
                        }
                        Outcome::NotInExport => format!("no advisories are published for {}", update.shard),
                        Outcome::Failed { reason, .. } => format!("{}: {reason}", update.shard),
                    };
                    tracing::warn!(shard = %update.shard, reason = %why, "advisories could not be had");
                    failed.insert(update.shard.to_string(), (why, Instant::now()));
                }
                updates
            }
            Err(error) => {
                let why = model::problem::explain(&error);
                tracing::warn!(reason = %why, "advisories could not be fetched");
                for wanted in wanted {
                    failed.insert(wanted.shard.to_string(), (why.clone(), Instant::now()));
                }
                Vec::new()
            }
        }
    }
}
