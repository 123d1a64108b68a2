//! From what matched to findings: one for each component and CVE, with the advisories as evidence.
//!
//! The CVEs of an advisory are those among its id, aliases and `upstream`; only when there are none, those in
//! `related`, where older distribution advisories list them. An advisory without a CVE joins the findings of
//! other matched advisories of the component that it shares a name with, directly or through others of its
//! kind; where there are none, it is a finding under its own name. Aliases never make one of two CVEs.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Finding, Severity, SourceRating,
    advisory::{FixState, Rating},
    finding::Evidence,
};

use super::range::Order;
use crate::{
    enrichment::EnrichmentSet,
    shard::{AdvisoryView, Shard},
};

/// A row that holds the version of a package.
#[derive(Clone, Debug)]
pub(super) struct Hit<'s> {
    pub(super) advisory: u32,
    pub(super) fixed: Option<&'s str>,
    pub(super) state: FixState,
    /// The severity for just this package.
    pub(super) rating: Option<Rating>,
    pub(super) matched_name: String,
    pub(super) matched_version: String,
    pub(super) range: String,
}

/// Where the hits of one package come from.
pub(super) struct Origin<'s> {
    pub(super) shard: &'s Shard,
    pub(super) order: Order,
    pub(super) package: u32,
    /// Whether it is the distribution that speaks of the package.
    pub(super) is_os: bool,
    /// Rates what no advisory rates.
    pub(super) enrichment: &'s EnrichmentSet,
}

/// The CVE that an id names: `CVE-2024-1`, also within `UBUNTU-CVE-2024-1` and its like.
fn cve_in(id: &str) -> Option<&str> {
    let cve = match id.split_once("-CVE-") {
        Some(("UBUNTU" | "DEBIAN" | "ALPINE", rest)) => id.get(id.len() - rest.len() - 4..)?,
        _ => id,
    };
    let (year, number) = cve.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(year) && digits(number)).then_some(cve)
}

/// The CVEs that an advisory is about.
pub(super) fn cves<'s>(view: &AdvisoryView<'s>) -> BTreeSet<&'s str> {
    let own = std::iter::once(view.id).chain(view.aliases).chain(view.upstream);
    let own: BTreeSet<&str> = own.filter_map(cve_in).collect();
    if own.is_empty() { view.related.filter_map(cve_in).collect() } else { own }
}

/// All names under which an advisory can be excluded.
pub(super) fn names<'s>(view: &AdvisoryView<'s>) -> BTreeSet<&'s str> {
    let cves = cves(view);
    if cves.is_empty() { std::iter::once(view.id).chain(view.aliases).collect() } else { cves }
}

struct Matched<'s> {
    index: u32,
    view: AdvisoryView<'s>,
    cves: BTreeSet<&'s str>,
    hits: Vec<Hit<'s>>,
}

impl<'s> Matched<'s> {
    /// The names that merge: its id and its aliases.
    fn aliases(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        std::iter::once(self.view.id).chain(self.view.aliases)
    }
}

/// Makes findings of all hits of one package. `excluded` holds what the vendor says it is not affected by.
pub(super) fn findings(origin: &Origin<'_>, hits: Vec<Hit<'_>>, excluded: &BTreeSet<String>) -> Vec<Finding> {
    let mut by_advisory: BTreeMap<u32, Vec<Hit<'_>>> = BTreeMap::new();
    for hit in hits {
        by_advisory.entry(hit.advisory).or_default().push(hit);
    }
    let matched: Vec<Matched<'_>> = by_advisory
        .into_iter()
        .filter_map(|(index, hits)| {
            let view = origin.shard.advisory(index)?;
            Some(Matched { index, view, cves: cves(&view), hits })
        })
        .collect();
    let groups = group(&matched);
    let wanted = groups.into_iter().filter(|(id, _)| !excluded.contains(*id));
    wanted.map(|(id, members)| finding(origin, id, &members)).collect()
}

/// Finding id -> the advisories behind it.
fn group<'m, 's>(matched: &'m [Matched<'s>]) -> BTreeMap<&'s str, Vec<&'m Matched<'s>>> {
    let mut groups: BTreeMap<&str, Vec<&Matched<'_>>> = BTreeMap::new();
    for advisory in matched {
        for cve in &advisory.cves {
            groups.entry(cve).or_default().push(advisory);
        }
    }
    for members in alias_groups(matched) {
        let shared: BTreeSet<&str> = members.iter().flat_map(|member| member.aliases()).collect();
        let named = matched.iter().filter(|other| !other.cves.is_empty());
        let linked = named.filter(|other| other.aliases().any(|name| shared.contains(name)));
        let mut ids: BTreeSet<&str> = linked.flat_map(|other| other.cves.iter().copied()).collect();
        if ids.is_empty() {
            let ghsa = shared.iter().copied().find(|name| name.starts_with("GHSA-"));
            ids.extend(ghsa.or_else(|| members.iter().map(|member| member.view.id).min()));
        }
        for id in ids {
            groups.entry(id).or_default().extend(members.iter().copied());
        }
    }
    groups
}

/// Advisories without a CVE, put together where they share a name, transitively.
fn alias_groups<'m, 's>(matched: &'m [Matched<'s>]) -> Vec<Vec<&'m Matched<'s>>> {
    let mut groups: Vec<(BTreeSet<&str>, Vec<&Matched<'_>>)> = Vec::new();
    for advisory in matched.iter().filter(|advisory| advisory.cves.is_empty()) {
        let mut names: BTreeSet<&str> = advisory.aliases().collect();
        let mut members = vec![advisory];
        let mut rest = Vec::new();
        for (other_names, other_members) in groups {
            if names.is_disjoint(&other_names) {
                rest.push((other_names, other_members));
            } else {
                names.extend(other_names);
                members.extend(other_members);
            }
        }
        rest.push((names, members));
        groups = rest;
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The rating of a hit: the vendor's for this package goes before the advisory's general one.
fn rating(hit: &Hit<'_>, view: &AdvisoryView<'_>) -> Rating {
    let general = view.rating();
    match &hit.rating {
        None => general,
        Some(own) if own.score_tenths.is_some() || own.vector.is_some() => own.clone(),
        // A word without a score: the score still tells people what it rests on.
        Some(own) if own.severity != Severity::Unknown => Rating { severity: own.severity, ..general },
        Some(_) => general,
    }
}

/// Whose rating is chosen: the lowest rank among those that say something, and of equal ranks the most severe.
/// `docs/severity.md` states the order.
fn rank(rating: &Rating, hit: &Hit<'_>, member: &Matched<'_>, is_os: bool) -> u8 {
    if rating.severity == Severity::Unknown {
        return 2;
    }
    let first = if is_os {
        // The distribution's word on this very package: Debian's urgency, Ubuntu's priority.
        hit.rating.as_ref().is_some_and(|own| own.severity != Severity::Unknown)
    } else {
        // GitHub reviews what it publishes; other databases mostly pass on what they were told.
        member.view.id.starts_with("GHSA-")
    };
    u8::from(!first)
}

fn finding(origin: &Origin<'_>, id: &str, members: &[&Matched<'_>]) -> Finding {
    let order = &origin.order;
    let mut rated: Vec<(u8, Rating, &Hit<'_>, &Matched<'_>)> = Vec::new();
    for member in members {
        rated.extend(member.hits.iter().map(|hit| {
            let rating = rating(hit, &member.view);
            (rank(&rating, hit, member, origin.is_os), rating, hit, *member)
        }));
    }
    // Best first: whose rating counts, the most severe, then what names a fix, then by name.
    rated.sort_by(|(r, a, x, m), (s, b, y, n)| {
        let severity = b.severity.cmp(&a.severity).then_with(|| b.score_tenths.cmp(&a.score_tenths));
        let fix = y.fixed.is_some().cmp(&x.fixed.is_some());
        let name = || m.view.id.cmp(n.view.id).then_with(|| x.range.cmp(&y.range));
        r.cmp(s).then(severity).then(fix).then_with(name)
    });

    let mut fixed: Vec<&str> = rated.iter().filter_map(|(_, _, hit, _)| hit.fixed).collect();
    fixed.sort_by(|a, b| order.compare(a, b).then_with(|| a.cmp(b)));
    fixed.dedup_by(|a, b| order.compare(a, b).is_eq());
    let stated = rated
        .iter()
        .map(|(_, _, hit, _)| hit.state)
        .find(|state| !matches!(state, FixState::Unstated | FixState::Fixed));
    let state = if fixed.is_empty() { stated.unwrap_or(FixState::Affected) } else { FixState::Fixed };

    let mut evidence: Vec<Evidence> = Vec::new();
    for (_, _, hit, member) in &rated {
        let item = Evidence {
            advisory: member.view.id.to_owned(),
            shard: origin.shard.info().name.clone(),
            matched_name: hit.matched_name.clone(),
            matched_version: hit.matched_version.clone(),
            scheme: order.scheme.name().to_owned(),
            range: hit.range.clone(),
        };
        if !evidence.contains(&item) {
            evidence.push(item);
        }
    }
    let ratings = ratings(origin, id, &rated);
    let best = ratings.first().cloned().unwrap_or_default();
    let scored = |rating: &&SourceRating| rating.score_tenths.is_some() || rating.vector.is_some();
    let score = ratings.iter().find(scored).cloned().unwrap_or_default();
    let titles = rated.iter().map(|(_, _, _, member)| origin.shard.title(member.index));
    Finding {
        id: id.to_owned(),
        aliases: other_names(id, members),
        package: origin.package,
        severity: best.severity,
        score_tenths: score.score_tenths,
        vector: score.vector,
        state,
        fixed_versions: fixed.into_iter().map(str::to_owned).collect(),
        title: titles.into_iter().find(|title| !title.is_empty()).unwrap_or_default().to_owned(),
        evidence,
        ratings,
        enrichment: model::Enrichment::default(),
    }
}

/// What each source says, the chosen one first. Only what no advisory rates is rated by those who rate CVEs.
fn ratings(
    origin: &Origin<'_>,
    id: &str,
    rated: &[(u8, Rating, &Hit<'_>, &Matched<'_>)],
) -> Vec<SourceRating> {
    let mut ratings: Vec<SourceRating> = Vec::new();
    for (_, Rating { severity, vector, score_tenths }, _, member) in rated {
        if *severity == Severity::Unknown && vector.is_none() {
            continue;
        }
        let rating = SourceRating {
            source: member.view.id.to_owned(),
            shard: origin.shard.info().name.clone(),
            severity: *severity,
            score_tenths: *score_tenths,
            vector: vector.clone(),
        };
        if !ratings.contains(&rating) {
            ratings.push(rating);
        }
    }
    if ratings.iter().all(|rating| rating.severity == Severity::Unknown) {
        ratings.splice(0..0, origin.enrichment.ratings(id));
    }
    ratings
}

/// Other names of the same vulnerability. An advisory over several CVEs is a name of none of them, and whose
/// other alias is whose cannot be told.
fn other_names(id: &str, members: &[&Matched<'_>]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for member in members {
        let merged = member.cves.is_empty();
        let is_alias = member.aliases().any(|name| cve_in(name) == Some(id));
        if merged || (is_alias && member.cves.len() == 1) {
            names.extend(member.aliases());
        }
    }
    names.remove(id);
    names.into_iter().map(str::to_owned).collect()
}
