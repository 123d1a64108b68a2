//! Brings enrichment up to date: one conditional request for each kind. What fails leaves what is there.

use advisory::{
    database::{Database, DatabaseError, Origin},
    ecosystem::ShardName,
    enrichment::Kind,
};
use egress::{Client, Url};
use model::problem::explain;

use super::{Outcome, Progress, ShardUpdate, UpdateConfig, whole};
use crate::{
    build::{BuildOptions, write_shards},
    download::{Download, download},
    enrichment::enrichment_url,
    feed::FEEDS,
};

/// Enrichment that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedEnrichment {
    /// Which.
    pub kind: Kind,
    /// Where it is published, or a copy of it is kept.
    pub url: Url,
}

impl WantedEnrichment {
    /// A kind by its name, from where it is published; `None` when that is no kind, or none that is fetched.
    pub fn named(name: &str) -> Option<Self> {
        let kind = Kind::named(name)?;
        Some(Self { kind, url: enrichment_url(kind)? })
    }

    /// All that a database has, each from where it came; what was built from files, from where it is published.
    pub fn of_database(database: &Database) -> Result<Vec<Self>, DatabaseError> {
        let status = database.enrichment_status()?;
        let wanted = status.iter().filter_map(|(name, entry)| {
            let kind = Kind::named(name)?;
            let url = Url::parse(&entry.origin.url).ok().or_else(|| enrichment_url(kind))?;
            Some(Self { kind, url })
        });
        Ok(wanted.collect())
    }
}

/// Updates enrichment: one outcome for each wanted kind, in their order; never fails as a whole.
pub async fn update_enrichment(
    database: &Database,
    client: &Client,
    wanted: &[WantedEnrichment],
    config: &UpdateConfig,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Vec<ShardUpdate> {
    let mut updates = Vec::new();
    for WantedEnrichment { kind, url } in wanted {
        let Some(shard) = ShardName::new(kind.as_str()) else { continue };
        let before = database.enrichment_status().unwrap_or_default().remove(kind.as_str());
        let origin = before.as_ref().map(|entry| &entry.origin);
        let outcome = match update_one(database, client, *kind, url, origin, config, progress).await {
            Ok(outcome) => outcome,
            Err(reason) => Outcome::Failed { reason, kept: before.map(|entry| entry.built) },
        };
        updates.push(ShardUpdate { shard, outcome });
    }
    updates
}

async fn update_one(
    database: &Database,
    client: &Client,
    kind: Kind,
    url: &Url,
    before: Option<&Origin>,
    config: &UpdateConfig,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Outcome, String> {
    // Paths and error texts are shown; credentials in a URL must not be.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold credentials".to_owned());
    }
    let export = kind.as_str();
    progress(Progress::Asking { export });
    let dir = database.dir().to_owned();
    std::fs::create_dir_all(&dir).map_err(|error| format!("failed to create {}: {error}", dir.display()))?;
    let before = before.filter(|origin| !config.force && origin.url == url.as_str());
    let received = |received, total| progress(Progress::Downloading { export, received, total });
    let found = download(client, url, export, before, &dir, config.max_bytes, &received).await;
    let (file, origin) = match found.map_err(|error| explain(&error))? {
        Download::NotModified => {
            database.confirm_enrichment(kind, &crate::now()).map_err(|error| explain(&error))?;
            return Ok(Outcome::Unchanged);
        }
        Download::File(file, origin) => (file, origin),
    };
    progress(Progress::Building { export });
    let options = BuildOptions { only: None, built: crate::now(), source: url.to_string() };
    let database = database.clone();
    let built = tokio::task::spawn_blocking(move || {
        let source = file.path().to_owned();
        let summary = write_shards(&[source], database.dir(), FEEDS[0], &options);
        let mut summary = summary.map_err(|error| explain(&error))?;
        drop(file);
        let written = summary.enrichment.iter().position(|written| written.info.kind == kind);
        let written = written.map(|at| summary.enrichment.swap_remove(at));
        summary.records += written.as_ref().map_or(0, |written| written.info.entries) + summary.malformed;
        // Left behind at worst: no manifest names them.
        let others = summary.shards.iter().map(|shard| &shard.path);
        for path in others.chain(summary.enrichment.iter().map(|other| &other.path)) {
            let _ = std::fs::remove_file(path);
        }
        match (written, whole(&summary)) {
            (Some(written), None) => {
                database.install_enrichment(&[(written, origin)]).map_err(|error| explain(&error))
            }
            (written, damage) => {
                if let Some(written) = written {
                    let _ = std::fs::remove_file(written.path);
                }
                Err(damage.unwrap_or_else(|| format!("what was fetched is not {kind}")))
            }
        }
    });
    built.await.map_err(|_| "the build was interrupted".to_owned())??;
    Ok(Outcome::Updated)
}
