//! What a feed is, and the ONE list of them.

use std::collections::BTreeMap;

use egress::Url;
use model::Advisory;

use crate::osv::Osv;

/// A kind of source. Fetching and reading containers (zip, zstd, JSON lines) are the same for all.
pub trait Feed: Send + Sync {
    /// Stable name, for example `osv`.
    fn name(&self) -> &'static str;

    /// Where the export of an ecosystem lies below `base`; `None` when `base` cannot have paths.
    fn export_url(&self, base: &Url, export: &str) -> Option<Url>;

    /// Turns one record into an advisory. Pure; never panics.
    fn parse(&self, record: &[u8]) -> Result<Parsed, RecordError>;
}

/// Every feed.
pub static FEEDS: &[&dyn Feed] = &[&Osv];

/// The feed of that name.
pub fn feed(name: &str) -> Option<&'static dyn Feed> {
    FEEDS.iter().copied().find(|feed| feed.name() == name)
}

/// What came of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The advisory; what cannot be matched is left out of its `affected`.
    pub advisory: Advisory,
    /// What was left out, and how often.
    pub dropped: BTreeMap<Dropped, u64>,
}

/// Why a part of a record, or all of it, is not in the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dropped {
    /// Withdrawn by its source.
    Withdrawn,
    /// A bug fix or an enhancement, not security.
    NotSecurity,
    /// An affected entry without a package: it speaks of a git repository.
    NoPackage,
    /// An affected entry that no version can match: only commits, or nothing at all.
    NoVersions,
    /// An affected entry of an ecosystem that Lazaret keeps no shard for.
    Ecosystem(String),
    /// A shard that was not asked for.
    NotWanted,
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::NotSecurity => f.write_str("not a security advisory"),
            Self::NoPackage => f.write_str("affected entry without a package"),
            Self::NoVersions => f.write_str("affected entry without versions"),
            Self::Ecosystem(name) => write!(f, "affected entry of the ecosystem {name:?}"),
            Self::NotWanted => f.write_str("affected entry for a shard that was not asked for"),
        }
    }
}

/// Why a record is no advisory.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the shape that the format prescribes.
    #[error("the record does not have the form of its format")]
    Form(#[source] serde_json::Error),
    /// No usable id.
    #[error("the record has no id")]
    Id,
}
