//! Advisories in OSV's model (ossf.github.io/osv-schema), plus what other sources add and matching needs.
//!
//! Feeds convert into these types; the compiled database is written from them.

use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// One public statement that versions of packages are vulnerable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// The source's own id: `CVE-...`, `GHSA-...`, `DSA-...`, `ALSA-...`.
    pub id: String,
    /// Other names of the same vulnerability: merged into one finding.
    pub aliases: Vec<String>,
    /// Vulnerabilities that this advisory is about (distro advisories over CVEs).
    pub upstream: Vec<String>,
    /// Loosely related ids; older distro advisories list their CVEs here.
    pub related: Vec<String>,
    /// One line.
    pub summary: String,
    /// Text, often Markdown.
    pub details: String,
    /// URLs with more.
    pub references: Vec<String>,
    /// RFC 3339; empty when unknown (some sources write year 1).
    pub published: String,
    /// RFC 3339; empty when unknown.
    pub modified: String,
    /// RFC 3339 time of withdrawal; a withdrawn advisory matches nothing.
    pub withdrawn: Option<String>,
    /// The severity that applies where an affected entry has none of its own.
    pub severity: Rating,
    /// What is affected.
    pub affected: Vec<Affected>,
}

/// A severity with what it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// The word: the source's own where it gives one, else from the score.
    pub severity: Severity,
    /// CVSS vector, verbatim.
    pub vector: Option<String>,
    /// CVSS base score in tenths (98 = 9.8), so that ratings stay comparable and hashable.
    pub score_tenths: Option<u8>,
}

/// One package of one ecosystem with its vulnerable versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// OSV ecosystem, verbatim: `Debian:12`, `Alpine:v3.20`, `PyPI`, `Ubuntu:Pro:22.04:LTS`.
    pub ecosystem: String,
    /// Package name as the ecosystem's advisories write it (the source package for deb and apk).
    pub name: String,
    /// Version ranges; a version in any of them is affected.
    pub ranges: Vec<Range>,
    /// Affected versions, listed.
    pub versions: Vec<String>,
    /// What the vendor says of a fix, where that is more than the ranges tell.
    pub fix_state: FixState,
    /// Severity for just this package (Debian's urgency, Ubuntu's priority).
    pub severity: Option<Rating>,
    /// When it applies.
    pub qualifiers: Qualifiers,
}

/// A list of events in one version order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Which order.
    pub kind: RangeKind,
    /// As given; evaluation sorts them.
    pub events: Vec<Event>,
}

/// OSV's range types. `GIT` ranges speak of commits, not packages, and are dropped by feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeKind {
    /// The ecosystem's own order.
    #[default]
    Ecosystem,
    /// Semantic Versioning 2.0.
    Semver,
}

/// One event of a range (osv-schema, "events").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The first affected version; `0` is below every version.
    Introduced(String),
    /// The first version that is not affected any more.
    Fixed(String),
    /// The last affected version.
    LastAffected(String),
    /// Versions from here on are not spoken of.
    Limit(String),
}

/// What a vendor says of a fix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// Only the ranges tell: fixed when they name a fixed version, affected otherwise.
    #[default]
    Unstated,
    /// A fixed version exists.
    Fixed,
    /// Affected, no fix yet.
    Affected,
    /// The vendor will not fix it.
    WillNotFix,
    /// The vendor puts a fix off.
    FixDeferred,
    /// The release gets no fixes any more.
    EndOfLife,
    /// The vendor is looking into it.
    UnderInvestigation,
    /// Explicitly not affected, whatever another source of the same shard says.
    NotAffected,
}

/// Conditions on the image or the package. An empty list means "any".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Qualifiers {
    /// Package architectures in the package manager's writing.
    pub arches: Vec<String>,
    /// rpm module `name:stream`.
    pub module: Option<String>,
    /// Update channel that must be enabled: `esm`, `eus`, `fips` ...
    pub channel: Option<String>,
    /// Target operating systems (`GOOS` names).
    pub target_os: Vec<String>,
    /// Affected symbols by import path (Go); a package without any listed import is still affected when the
    /// list is empty.
    pub symbols: Vec<Symbols>,
    /// CPE names of the product or repository that the statement is about (Red Hat).
    pub cpes: Vec<String>,
}

/// Symbols of one import path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Symbols {
    /// Import path.
    pub path: String,
    /// Function and method names; empty = the whole path.
    pub names: Vec<String>,
}
