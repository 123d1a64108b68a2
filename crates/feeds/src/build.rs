//! Builds shards from sources on disk: read, parse, sort into shards, write.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use advisory::{
    database::{Database, DatabaseError, Origin},
    ecosystem::{Place, ShardName, place},
    enrichment::WrittenEnrichment,
    shard::{ShardWriter, WriteError, WrittenShard},
};
use model::Advisory;

use crate::{
    enrichment::Gathered,
    feed::{Dropped, Feed, RecordError},
    read::{ReadError, read_source},
};

/// Most bad records that are described; all are counted.
const MAX_DESCRIBED: usize = 100;

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// The shards to write; `None` = every shard that the sources have something for.
    pub only: Option<BTreeSet<ShardName>>,
    /// RFC 3339 time to write into the shards; see [`crate::now`].
    pub built: String,
    /// Where the advisories came from, for people; empty = the names of the sources.
    pub source: String,
}

/// A record or a part of a source that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// File, entry and line.
    pub place: String,
    /// What is wrong, with its causes.
    pub reason: String,
}

/// What a build did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildSummary {
    /// The shards written, by name.
    pub shards: Vec<WrittenShard>,
    /// The enrichment written, by kind.
    pub enrichment: Vec<WrittenEnrichment>,
    /// Records read.
    pub records: u64,
    /// Records of which something is in a shard.
    pub stored: u64,
    /// What was left out on purpose, and how often.
    pub dropped: BTreeMap<Dropped, u64>,
    /// Records that have the wrong form.
    pub malformed: u64,
    /// Parts of sources that could not be read: damaged entries, records above the limit.
    pub unreadable: u64,
    /// The first of both.
    pub bad: Vec<BadRecord>,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A source cannot be read at all.
    #[error("failed to build the database")]
    Read(#[source] ReadError),
    /// A shard could not be written.
    #[error("failed to build the database")]
    Write(#[source] WriteError),
    /// Descriptions could not be compressed.
    #[error("failed to compress descriptions")]
    Compress(#[source] io::Error),
    /// The shards could not be installed.
    #[error("failed to install the shards")]
    Install(#[source] DatabaseError),
}

/// Builds all shards and all enrichment of the sources (files or directories) into the database `out` and installs them. Shards
/// of other ecosystems that are there stay.
pub fn build(
    sources: &[PathBuf],
    out: &Path,
    feed: &dyn Feed,
    options: &BuildOptions,
) -> Result<BuildSummary, BuildError> {
    let database = Database::open(out).map_err(BuildError::Install)?;
    let summary = write_shards(sources, out, feed, options)?;
    let shards: Vec<(WrittenShard, Origin)> =
        summary.shards.iter().map(|shard| (shard.clone(), Origin::default())).collect();
    database.install(&shards).map_err(BuildError::Install)?;
    if !summary.enrichment.is_empty() {
        let files: Vec<(WrittenEnrichment, Origin)> =
            summary.enrichment.iter().map(|file| (file.clone(), Origin::default())).collect();
        database.install_enrichment(&files).map_err(BuildError::Install)?;
    }
    Ok(summary)
}

/// Builds shards into a directory without making them part of a database.
pub(crate) fn write_shards(
    sources: &[PathBuf],
    out: &Path,
    feed: &dyn Feed,
    options: &BuildOptions,
) -> Result<BuildSummary, BuildError> {
    let mut building = Building {
        feed,
        only: options.only.as_ref(),
        writers: BTreeMap::new(),
        summary: BuildSummary::default(),
        failed: None,
    };
    let mut gathered = Gathered::default();
    let mut bad: Vec<(PathBuf, u64, String)> = Vec::new();
    let mut malformed = 0;
    for source in sources {
        let mut record = |place: &crate::read::Place<'_>, record: Result<&[u8], ReadError>| {
            building.take(place, record);
        };
        let mut enrich = |path: &Path, kind, reader: &mut dyn io::BufRead| {
            let told = &mut |line, reason| {
                malformed += 1;
                if bad.len() < MAX_DESCRIBED {
                    bad.push((path.to_owned(), line, reason));
                }
            };
            gathered.read(kind, reader, told).map(drop)
        };
        read_source(source, &mut record, &mut enrich).map_err(BuildError::Read)?;
    }
    building.summary.malformed += malformed;
    building.summary.bad.extend(
        bad.into_iter()
            .map(|(path, line, reason)| BadRecord { place: format!("{}:{line}", path.display()), reason }),
    );
    building.summary.bad.truncate(MAX_DESCRIBED);
    if let Some(error) = building.failed {
        return Err(BuildError::Compress(error));
    }
    let mut summary = building.summary;
    let names = || {
        let names = sources.iter().filter_map(|source| source.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ")
    };
    let source = if options.source.is_empty() { names() } else { options.source.clone() };
    summary.enrichment = gathered.finish(out, &source, &options.built).map_err(BuildError::Write)?;
    for writer in building.writers.into_values() {
        summary.shards.push(writer.finish(out, &source, &options.built).map_err(BuildError::Write)?);
    }
    Ok(summary)
}

struct Building<'a> {
    feed: &'a dyn Feed,
    only: Option<&'a BTreeSet<ShardName>>,
    writers: BTreeMap<ShardName, ShardWriter>,
    summary: BuildSummary,
    failed: Option<io::Error>,
}

impl Building<'_> {
    fn take(&mut self, place: &crate::read::Place<'_>, record: Result<&[u8], ReadError>) {
        let bytes = match record {
            Ok(bytes) => bytes,
            Err(error) => {
                self.summary.unreadable += 1;
                return self.describe(place, &error);
            }
        };
        self.summary.records += 1;
        match self.feed.parse(bytes) {
            Ok(parsed) => {
                for (why, count) in parsed.dropped {
                    *self.summary.dropped.entry(why).or_default() += count;
                }
                if let Err(error) = self.store(parsed.advisory) {
                    self.failed.get_or_insert(error);
                }
            }
            Err(error) => {
                self.summary.malformed += 1;
                self.describe::<RecordError>(place, &error);
            }
        }
    }

    fn describe<E: std::error::Error>(&mut self, place: &crate::read::Place<'_>, error: &E) {
        if self.summary.bad.len() < MAX_DESCRIBED {
            let (place, reason) = (place.to_string(), model::problem::explain(error));
            self.summary.bad.push(BadRecord { place, reason });
        }
    }

    /// Splits an advisory over the shards that it belongs into.
    fn store(&mut self, mut advisory: Advisory) -> io::Result<()> {
        if advisory.withdrawn.is_some() {
            // It may take back an older record of the same id.
            for writer in self.writers.values_mut() {
                writer.push(&advisory)?;
            }
            return Ok(());
        }
        let mut parts: BTreeMap<ShardName, (&'static str, Vec<_>)> = BTreeMap::new();
        for affected in std::mem::take(&mut advisory.affected) {
            let Some(Place { shard, scheme, .. }) = place(&affected.ecosystem) else { continue };
            if self.only.is_some_and(|only| !only.contains(&shard)) {
                *self.summary.dropped.entry(Dropped::NotWanted).or_default() += 1;
                continue;
            }
            parts.entry(shard).or_insert_with(|| (scheme, Vec::new())).1.push(affected);
        }
        let mut stored = false;
        for (shard, (scheme, affected)) in parts {
            advisory.affected = affected;
            let writer = self.writers.entry(shard);
            let writer = writer.or_insert_with_key(|shard| ShardWriter::new(shard.clone(), scheme));
            stored |= writer.push(&advisory)?;
        }
        self.summary.stored += u64::from(stored);
        Ok(())
    }
}
