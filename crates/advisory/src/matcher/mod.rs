//! Inventory x advisories -> findings.
//!
//! Pure look-ups: no network, no clock, no image. Packages are taken in the inventory's order, and the answer
//! depends on nothing but the arguments. Nothing is ever silently left out: what has no shard, no order or a
//! version that its order does not define is in the coverage or among the problems.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use model::{
    Component, Finding, Inventory, Package, Problem, ProblemCode,
    advisory::FixState,
    problem::explain,
    report::{Coverage, CoverageState},
};

mod conditions;
mod identity;
mod range;
#[cfg(test)]
mod tests;

pub use self::range::covers;
use self::{
    conditions::Image,
    identity::{Hit, Origin},
    range::Order,
};
use crate::{
    database::Database,
    ecosystem::{ShardName, lookup_name},
    enrichment::EnrichmentSet,
    need::{self, Lookup, Need, Needs, Reason, is_matched, needs},
    shard::{Row, Shard},
    upstream::bitnami_name,
    version,
};

/// The shards that are at hand for a match.
#[derive(Debug, Default)]
pub struct ShardSet {
    shards: BTreeMap<ShardName, Result<Shard, String>>,
    enrichment: EnrichmentSet,
}

impl ShardSet {
    /// Opens what is needed and there. A shard that cannot be used becomes a problem of the match, not an
    /// error; so does a damaged manifest.
    pub fn open(database: &Database, needs: &Needs) -> Self {
        let mut set = Self { enrichment: EnrichmentSet::open(database), ..Self::default() };
        for need in &needs.shards {
            match database.shard(&need.shard) {
                Ok(Some(shard)) => set.insert(need.shard.clone(), shard),
                Ok(None) => {}
                Err(error) => {
                    set.shards.insert(need.shard.clone(), Err(explain(&error)));
                }
            }
        }
        set
    }

    /// Adds an open shard.
    pub fn insert(&mut self, name: ShardName, shard: Shard) {
        self.shards.insert(name, Ok(shard));
    }

    /// The same with this enrichment.
    #[must_use]
    pub fn with_enrichment(mut self, enrichment: EnrichmentSet) -> Self {
        self.enrichment = enrichment;
        self
    }

    /// What is known of CVEs beside these shards. Matching takes from it the severity of what no advisory rates.
    pub const fn enrichment(&self) -> &EnrichmentSet {
        &self.enrichment
    }

    /// The shard of that name, when it can be used.
    pub fn get(&self, name: &ShardName) -> Option<&Shard> {
        self.shards.get(name)?.as_ref().ok()
    }

    /// The needs that no usable shard of this set meets.
    pub fn missing<'n>(&self, needs: &'n Needs) -> Vec<&'n Need> {
        needs.shards.iter().filter(|need| self.get(&need.shard).is_none()).collect()
    }
}

/// The answer of a match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// What is wrong, most severe first, then by package and id.
    pub findings: Vec<Finding>,
    /// What was looked at: one entry for each needed shard and for each group of packages that no shard covers.
    pub coverage: Vec<Coverage>,
    /// What could not be looked at, or not with certainty; sorted.
    pub problems: Vec<Problem>,
}

/// Looks up every package of an inventory.
pub fn match_packages(inventory: &Inventory, shards: &ShardSet) -> Matches {
    let needs = needs(inventory);
    let mut matches = Matches::default();
    let mut problems = BTreeSet::new();
    let mut usable = BTreeMap::new();
    for need in &needs.shards {
        let found = usable_shard(need, shards);
        let shard = found.as_ref().ok().map(|(shard, _)| *shard);
        let info = shard.map(Shard::info);
        matches.coverage.push(Coverage {
            shard: need.shard.to_string(),
            packages: need.packages,
            state: if shard.is_some() { CoverageState::Checked } else { CoverageState::Missing },
            digest: shard.map(Shard::digest),
            advisories: info.map_or(0, |info| info.advisories),
            built: info.map(|info| info.built.clone()),
        });
        match found {
            Ok((shard, order)) => drop(usable.insert(need.kind, (need, shard, order))),
            Err(problem) => drop(problems.insert(problem)),
        }
    }
    for gap in &needs.not_covered {
        let code =
            if gap.reason == Reason::UnknownOs { ProblemCode::UnknownOs } else { ProblemCode::NotCovered };
        let packages = if gap.packages == 1 { "package" } else { "packages" };
        let message =
            format!("{} {packages} ({}) not checked: {}", gap.packages, gap.label, gap.reason.as_str());
        problems.insert(Problem::new(code, message));
        matches.coverage.push(Coverage {
            shard: gap.label.clone(),
            packages: gap.packages,
            state: CoverageState::NotCovered,
            digest: None,
            advisories: 0,
            built: None,
        });
    }

    let image = Image::of(&inventory.packages);
    for (at, package) in inventory.packages.iter().enumerate() {
        if !is_matched(package) {
            continue;
        }
        let Some((need, shard, order)) = usable.get(&package.kind).copied() else { continue };
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let origin =
            Origin { shard, order, package: at, is_os: package.kind.is_os(), enrichment: &shards.enrichment };
        matches.findings.extend(match_package(package, need, &origin, &image, &mut problems));
    }
    matches.findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| a.package.cmp(&b.package)).then_with(|| a.id.cmp(&b.id))
    });
    matches.problems = problems.into_iter().collect();
    matches
}

/// Looks up one package.
fn match_package(
    package: &Package,
    need: &Need,
    origin: &Origin<'_>,
    image: &Image,
    problems: &mut BTreeSet<Problem>,
) -> Vec<Finding> {
    let (hits, excluded) = (Vec::new(), BTreeSet::new());
    let mut lookup =
        PackageLookup { package, shard: origin.shard, order: origin.order, image, hits, excluded };
    for (name, version) in keys(package, need) {
        lookup.search(&name, version, problems);
    }
    if lookup.hits.is_empty() {
        return Vec::new();
    }
    identity::findings(origin, lookup.hits, &lookup.excluded)
}

/// Looks up one component, as it was looked up in the images that have it. `None` when its shard cannot be used:
/// nothing is known then, which is not the same as nothing found.
pub fn match_component(component: &Component, shards: &ShardSet) -> Option<Vec<Finding>> {
    let need = need::need(component.package.kind, component.distro.as_ref()).ok()?;
    let (shard, order) = usable_shard(&need, shards).ok()?;
    let image = Image { channels: component.channels.clone() };
    let is_os = component.package.kind.is_os();
    let origin = Origin { shard, order, package: 0, is_os, enrichment: &shards.enrichment };
    let mut findings = match_package(&component.package, &need, &origin, &image, &mut BTreeSet::new());
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    Some(findings)
}

/// The shard for a need and how its versions compare, or the problem that there is none.
fn usable_shard<'s>(need: &Need, shards: &'s ShardSet) -> Result<(&'s Shard, Order), Problem> {
    let problem = match (shards.shards.get(&need.shard), version::scheme(need.scheme)) {
        (Some(Ok(shard)), Some(scheme)) if shard.info().scheme == need.scheme => {
            let without_epoch = need.lookup == Lookup::SourceWithoutEpoch;
            return Ok((shard, Order { scheme, without_epoch }));
        }
        (Some(Ok(shard)), _) => Problem::new(
            ProblemCode::DatabaseUnusable,
            format!("shard {} is ordered by {:?}, not by {}", need.shard, shard.info().scheme, need.scheme),
        ),
        (Some(Err(why)), _) => Problem::new(ProblemCode::DatabaseUnusable, why.clone()),
        (None, _) => Problem::new(
            ProblemCode::DatabaseMissing,
            format!(
                "{} {} packages not checked: shard {} is missing",
                need.packages,
                need.kind.as_str(),
                need.shard
            ),
        ),
    };
    Err(problem)
}

/// Update channels that an image has enabled, as far as its packages tell.
pub(crate) fn channels(packages: &[Package]) -> Vec<String> {
    Image::of(packages).channels
}

/// The names under which a package is looked up, each with the version to compare.
pub(crate) fn keys<'p>(package: &'p Package, need: &Need) -> Vec<(Cow<'p, str>, &'p str)> {
    if package.kind == model::PackageKind::Generic {
        let name = bitnami_name(&package.name).into_iter();
        return name.map(|name| (Cow::Borrowed(name), package.version.as_str())).collect();
    }
    let own = || (lookup_name(need.scheme, &package.name), package.version.as_str());
    let Some(source) = package.source.as_ref().filter(|source| !source.name.is_empty()) else {
        return vec![own()];
    };
    let version = if source.version.is_empty() { &package.version } else { &source.version };
    let by_source = (Cow::Borrowed(source.name.as_str()), version.as_str());
    match need.lookup {
        Lookup::Binary => vec![own()],
        Lookup::Source | Lookup::SourceWithoutEpoch => vec![by_source],
        Lookup::SourceAndBinary if source.name == package.name => vec![by_source],
        Lookup::SourceAndBinary => vec![by_source, own()],
    }
}

/// The rows that hold one package's version.
struct PackageLookup<'a, 's> {
    package: &'a Package,
    shard: &'s Shard,
    order: Order,
    image: &'a Image,
    hits: Vec<Hit<'s>>,
    /// Ids that the vendor says the package is not affected by.
    excluded: BTreeSet<String>,
}

impl<'s> PackageLookup<'_, 's> {
    fn search(&mut self, name: &str, version: &str, problems: &mut BTreeSet<Problem>) {
        if conditions::has_no_version(self.package) {
            if self.shard.rows(name).next().is_some() {
                let message =
                    format!("{} does not tell its version; advisories speak of it", self.package.name);
                problems.insert(self.problem(ProblemCode::VersionUnparsable, message));
            }
            return;
        }
        let settles = self.package.kind == model::PackageKind::Rpm;
        let mut pending: Vec<Row<'s>> = Vec::new();
        let (mut found, mut unsure) = (false, false);
        for row in self.shard.rows(name) {
            found = true;
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    let message = format!("shard {}: {error} was left out", self.shard.info().name);
                    problems.insert(Problem::new(ProblemCode::DatabaseUnusable, message));
                    continue;
                }
            };
            if !conditions::apply(&row, self.package, version, self.image) {
                unsure |= conditions::is_unsure(&row, self.package, version);
                continue;
            }
            if !settles {
                self.test(&row, name, version);
                continue;
            }
            // The rows of one advisory follow each other.
            if pending.first().is_some_and(|first| first.advisory != row.advisory) {
                self.settle(&mut pending, name, version);
            }
            pending.push(row);
        }
        self.settle(&mut pending, name, version);
        if found && !self.order.scheme.is_valid(version) {
            let message = format!(
                "the version of {} {version} is none that the {} order defines; it was compared by the generic order",
                self.package.name,
                self.order.scheme.name()
            );
            problems.insert(self.problem(ProblemCode::VersionUnparsable, message));
        }
        if unsure {
            let message = format!(
                "{} {version} is a module's build whose record names no module; advisories of modules were left out",
                self.package.name
            );
            problems.insert(self.problem(ProblemCode::NotCovered, message));
        }
    }

    fn problem(&self, code: ProblemCode, message: String) -> Problem {
        let problem = Problem::new(code, message);
        if self.package.path.is_empty() { problem } else { problem.at_path(&self.package.path) }
    }

    fn settle(&mut self, pending: &mut Vec<Row<'s>>, name: &str, version: &str) {
        conditions::settle_alternatives(pending, version, &self.order);
        for row in pending.drain(..) {
            self.test(&row, name, version);
        }
    }

    fn test(&mut self, row: &Row<'s>, name: &str, version: &str) {
        let Some(held) = range::hold_row(row, version, &self.order) else { return };
        if row.fix_state == FixState::NotAffected {
            if let Some(view) = self.shard.advisory(row.advisory) {
                self.excluded.extend(identity::names(&view).into_iter().map(str::to_owned));
            }
            return;
        }
        self.hits.push(Hit {
            advisory: row.advisory,
            fixed: held.fixed(),
            state: row.fix_state,
            rating: row.rating(),
            matched_name: name.to_owned(),
            matched_version: version.to_owned(),
            range: held.to_string(),
        });
    }
}
