//! Where advisories come from: fetch, parse, build the database.
//!
//! Three steps that know nothing of each other: [`update()`] fetches exports, a [`Feed`] parses records into
//! [`model::Advisory`] values, [`build()`] writes shards. This crate decides nothing about images; a source that
//! fails, wholly or in part, leaves the database as it was and says so.

mod build;
mod download;
mod enrichment;
mod feed;
mod osv;
mod read;
mod score;
mod update;

pub use build::{BadRecord, BuildError, BuildOptions, BuildSummary, build};
pub use enrichment::{ParsedEnrichment, enrichment_url, parse_enrichment};
pub use feed::{Dropped, FEEDS, Feed, Parsed, RecordError, feed};
pub use read::ReadError;
pub use update::{
    DEFAULT_BASE, Outcome, Progress, ShardUpdate, UpdateConfig, Wanted,
    enrichment::{WantedEnrichment, update_enrichment},
    update,
};

/// The time now, as the database writes it: RFC 3339, UTC, whole seconds.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}
