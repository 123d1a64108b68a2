//! Brings shards up to date from a server that holds exports: one conditional request for each export.
//!
//! Whatever goes wrong, the shards that are there stay, and the outcome says why and since when: an update
//! that fails must never fail a scan.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use advisory::{
    database::{Database, DatabaseError, Entry, Origin},
    ecosystem::{ShardName, export_of},
    need::{Need, Needs},
};
use egress::{Client, Url};
use model::problem::explain;

pub(crate) mod enrichment;

use crate::{
    build::{BuildOptions, BuildSummary, write_shards},
    download::{Download, download},
    feed::Feed,
};

/// Where OSV publishes its exports (google.github.io/osv.dev/data).
pub const DEFAULT_BASE: &str = "https://osv-vulnerabilities.storage.googleapis.com/";

/// How to update.
#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// The directory above the exports.
    pub base: Url,
    /// Largest export, in bytes.
    pub max_bytes: u64,
    /// Fetch and build even what has not changed.
    pub force: bool,
}

impl UpdateConfig {
    /// The usual limits with that base.
    pub const fn new(base: Url) -> Self {
        Self { base, max_bytes: 8 << 30, force: false }
    }
}

/// A shard that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Its name.
    pub shard: ShardName,
    /// The export that fills it.
    pub export: String,
}

impl From<&Need> for Wanted {
    fn from(need: &Need) -> Self {
        Self { shard: need.shard.clone(), export: need.export.to_owned() }
    }
}

impl Wanted {
    /// All shards that an image needs.
    pub fn of_needs(needs: &Needs) -> Vec<Self> {
        needs.shards.iter().map(Self::from).collect()
    }

    /// A shard by name, when Lazaret knows its export.
    pub fn named(name: &str) -> Option<Self> {
        let shard = ShardName::new(name)?;
        let export = export_of(&shard)?.to_owned();
        Some(Self { shard, export })
    }

    /// All shards that a database has.
    pub fn of_database(database: &Database) -> Result<Vec<Self>, DatabaseError> {
        Ok(database.status()?.keys().filter_map(|name| Self::named(name)).collect())
    }
}

/// What happens, while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// An export is asked for.
    Asking {
        /// Its name.
        export: &'a str,
    },
    /// A part of it came.
    Downloading {
        /// Its name.
        export: &'a str,
        /// Bytes so far.
        received: u64,
        /// Bytes in all, when the server says.
        total: Option<u64>,
    },
    /// It is whole, and shards are being built.
    Building {
        /// Its name.
        export: &'a str,
    },
}

/// What came of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version is in the database.
    Updated,
    /// The export has not changed since.
    Unchanged,
    /// The export holds nothing for this shard: its release has no advisories, or does not exist.
    NotInExport,
    /// It could not be updated.
    Failed {
        /// Why, with causes; holds no secret.
        reason: String,
        /// When the shard that is still there was built; `None` when there is none.
        kept: Option<String>,
    },
}

/// The outcome for one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardUpdate {
    /// The shard.
    pub shard: ShardName,
    /// What came of it.
    pub outcome: Outcome,
}

/// Updates the wanted shards, and with them the others of the same exports that the database has. One
/// outcome for each wanted shard, in order of name; never fails as a whole.
pub async fn update(
    database: &Database,
    client: &Client,
    feed: &'static dyn Feed,
    wanted: &[Wanted],
    config: &UpdateConfig,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Vec<ShardUpdate> {
    let mut exports: BTreeMap<&str, BTreeSet<&ShardName>> = BTreeMap::new();
    for wanted in wanted {
        exports.entry(&wanted.export).or_default().insert(&wanted.shard);
    }
    let mut updates = Vec::new();
    for (export, shards) in exports {
        let before = database.status();
        let outcome = match &before {
            Ok(before) => {
                let job = Job { database, client, feed, config, export, shards: &shards, before };
                job.run(progress).await
            }
            Err(error) => Err(explain(error)),
        };
        let before = before.unwrap_or_default();
        for shard in shards {
            let outcome = match &outcome {
                Ok(Done::Unchanged) => Outcome::Unchanged,
                Ok(Done::Built(built)) if built.contains(shard.as_str()) => Outcome::Updated,
                Ok(Done::Built(_)) => Outcome::NotInExport,
                Err(reason) => {
                    let kept = before.get(shard.as_str()).map(|entry| entry.built.clone());
                    Outcome::Failed { reason: reason.clone(), kept }
                }
            };
            updates.push(ShardUpdate { shard: shard.clone(), outcome });
        }
    }
    updates.sort_by(|a, b| a.shard.cmp(&b.shard));
    updates
}

enum Done {
    Unchanged,
    Built(BTreeSet<String>),
}

/// One export.
struct Job<'a> {
    database: &'a Database,
    client: &'a Client,
    feed: &'static dyn Feed,
    config: &'a UpdateConfig,
    export: &'a str,
    shards: &'a BTreeSet<&'a ShardName>,
    before: &'a BTreeMap<String, Entry>,
}

impl Job<'_> {
    async fn run(&self, progress: &(dyn Fn(Progress<'_>) + Send + Sync)) -> Result<Done, String> {
        let export = self.export;
        let url = self.feed.export_url(&self.config.base, export);
        let url = url.ok_or_else(|| "the base URL cannot have paths".to_owned())?;
        // Paths and error texts are shown; credentials in a URL must not be.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the base URL must not hold credentials".to_owned());
        }
        let origin = if self.config.force { None } else { self.common_origin(&url) };
        progress(Progress::Asking { export });
        let dir = self.database.dir().to_owned();
        std::fs::create_dir_all(&dir)
            .map_err(|error| format!("failed to create {}: {error}", dir.display()))?;
        let what = format!("the export of {export}");
        let received = |received, total| progress(Progress::Downloading { export, received, total });
        let limit = self.config.max_bytes;
        let found = download(self.client, &url, &what, origin, &dir, limit, &received).await;
        let (file, origin) = match found.map_err(|error| explain(&error))? {
            Download::NotModified => {
                let names: Vec<ShardName> = self.shards.iter().map(|shard| (*shard).clone()).collect();
                self.database.confirm(&names, &crate::now()).map_err(|error| explain(&error))?;
                return Ok(Done::Unchanged);
            }
            Download::File(file, origin) => (file, origin),
        };
        progress(Progress::Building { export });
        let options =
            BuildOptions { only: Some(self.to_build()), built: crate::now(), source: url.to_string() };
        let (feed, database) = (self.feed, self.database.clone());
        let built = tokio::task::spawn_blocking(move || {
            let source = file.path().to_owned();
            let built = build_and_install(source, feed, &database, &options, &origin);
            drop(file);
            built
        });
        let names = built.await.map_err(|_| "the build was interrupted".to_owned())??;
        Ok(Done::Built(names))
    }

    /// What all wanted shards have in common, when nothing needs to be fetched unless the export changed.
    fn common_origin(&self, url: &Url) -> Option<&Origin> {
        let mut origins =
            self.shards.iter().map(|shard| self.before.get(shard.as_str()).map(|entry| &entry.origin));
        let first = origins.next()??;
        let same = |other: &Origin| other.etag == first.etag && other.last_modified == first.last_modified;
        let all = first.url == url.as_str()
            && origins.all(|origin| origin.is_some_and(|o| o.url == first.url && same(o)));
        (all && (first.etag.is_some() || first.last_modified.is_some())).then_some(first)
    }

    /// The wanted shards, and those that the database has of the same export: they come for nothing.
    fn to_build(&self) -> BTreeSet<ShardName> {
        let present = self.before.keys().filter_map(|name| ShardName::new(name));
        let present = present.filter(|shard| export_of(shard) == Some(self.export));
        present.chain(self.shards.iter().map(|shard| (*shard).clone())).collect()
    }
}

fn build_and_install(
    source: PathBuf,
    feed: &dyn Feed,
    database: &Database,
    options: &BuildOptions,
    origin: &Origin,
) -> Result<BTreeSet<String>, String> {
    let summary = write_shards(&[source], database.dir(), feed, options).map_err(|error| explain(&error))?;
    if let Some(damage) = whole(&summary) {
        for shard in &summary.shards {
            // Left behind at worst: no manifest names it.
            let _ = std::fs::remove_file(&shard.path);
        }
        return Err(damage);
    }
    let names = summary.shards.iter().map(|shard| shard.info.name.clone()).collect();
    let shards: Vec<_> = summary.shards.into_iter().map(|shard| (shard, origin.clone())).collect();
    database.install(&shards).map_err(|error| explain(&error))?;
    Ok(names)
}

/// Why an export must not replace what is there: parts of it could not be read, or it is something else.
fn whole(summary: &BuildSummary) -> Option<String> {
    let first = || summary.bad.first().map(|bad| format!(": {}", bad.reason)).unwrap_or_default();
    if summary.unreadable > 0 {
        return Some(format!("{} parts of the export could not be read{}", summary.unreadable, first()));
    }
    if summary.records == 0 {
        return Some("the export holds no records".to_owned());
    }
    if summary.malformed > summary.records / 2 {
        return Some(format!(
            "{} of {} records are malformed{}",
            summary.malformed,
            summary.records,
            first()
        ));
    }
    None
}
