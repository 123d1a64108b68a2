//! The findings and facts of one image at one version of the database.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest, enrichment::EnrichmentUsed, finding::Finding, inventory::Inventory, platform::Platform,
    problem::Problem, scan_type::ScanType,
};

/// What was scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The reference or path as the user wrote it.
    pub reference: String,
    /// Digest of the manifest that was scanned; `None` for a directory or an old archive.
    pub digest: Option<Digest>,
    /// Digest of the index that it was chosen from.
    pub index_digest: Option<Digest>,
    /// The platform of the image, when its configuration says.
    pub platform: Option<Platform>,
    /// Creation time as the configuration claims it.
    pub created: Option<String>,
}

/// Whether advisories were looked at for one group of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Shard name, for example `debian-12`; for packages with no known advisories, their distro or kind.
    pub shard: String,
    /// How many packages needed it.
    pub packages: usize,
    /// What came of it.
    pub state: CoverageState,
    /// Digest of the shard used, `xxh3:...`; `None` when none was.
    pub digest: Option<String>,
    /// How many advisories the shard holds.
    pub advisories: u64,
    /// RFC 3339 time at which the shard was built.
    pub built: Option<String>,
}

/// The state of one shard for this image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// The packages were looked up.
    Checked,
    /// The shard is not there and could not be fetched.
    Missing,
    /// Lazaret knows no advisories for these packages.
    NotCovered,
}

/// The answer to a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was scanned.
    pub image: ImageFacts,
    /// What was asked for; of other types the report says nothing.
    pub types: BTreeSet<ScanType>,
    /// What it contains.
    pub inventory: Inventory,
    /// What is wrong with it, most severe first.
    pub findings: Vec<Finding>,
    /// Which advisories were looked at.
    pub coverage: Vec<Coverage>,
    /// What else was known of CVEs, by name. That it is missing makes no report partial.
    pub enrichment: Vec<EnrichmentUsed>,
    /// Problems of matching; those of reading are in the inventory.
    pub problems: Vec<Problem>,
}

impl Report {
    /// True when some content may have gone unseen or unchecked.
    pub fn is_partial(&self) -> bool {
        self.all_problems().any(|problem| problem.code.hides_content())
    }

    /// Whether this was asked for.
    pub fn covers(&self, kind: ScanType) -> bool {
        self.types.contains(&kind)
    }

    /// True when a shard that the image needs was not there.
    pub fn lacks_database(&self) -> bool {
        self.coverage.iter().any(|c| c.state == CoverageState::Missing)
    }

    /// Problems of reading, then of matching.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.inventory.problems.iter().chain(&self.problems)
    }
}
