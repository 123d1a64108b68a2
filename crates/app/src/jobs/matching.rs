//! From an inventory to findings.

use std::sync::Arc;

use advisory::{
    component::components,
    database::Database,
    matcher::{ShardSet, match_packages},
    need::{Needs, needs},
};
use feeds::Wanted;
use model::{
    FailureReason, Finding, Inventory, Phase, Problem, ProblemCode,
    report::{Coverage, CoverageState},
};
use serde::{Deserialize, Serialize};
use store::{Claimed, Content, NewReport, ShardVersion};

use super::{
    Ended,
    identity::MatchPayload,
    index::InventoryDocument,
    run::{Meter, blocking, payload, persist},
    spool,
};
use crate::{advisories, clock, service::Service};

/// What a report keeps beside the numbers of its findings: JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportBody {
    /// Which advisories were looked at.
    pub coverage: Vec<Coverage>,
    /// Problems of matching.
    pub problems: Vec<Problem>,
}

/// What a match found, as it is stored, or kept when the store refuses it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Matched {
    /// By index of the component.
    pub(crate) findings: Vec<(usize, Finding)>,
    pub(crate) body: ReportBody,
    pub(crate) partial: bool,
    /// Name, digest, time of each shard.
    pub(crate) shards: Vec<(String, String, String)>,
}

/// What those who ask are told of missing advisories: JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// The shards.
    pub shards: Vec<String>,
    /// Whether they are being fetched right now.
    pub fetching: bool,
    /// Why they could not be had.
    pub why: String,
}

impl Missing {
    /// Whether all of them are there by now: the job that waits for them wakes in a moment, and until then they
    /// count as being fetched, for those who wait for it.
    pub(crate) fn have_come(&mut self, database: &Database) -> bool {
        let there = database.status().unwrap_or_default();
        let come = self.shards.iter().all(|shard| there.contains_key(shard));
        if come {
            self.fetching = true;
            self.why.clear();
        }
        come
    }
}

/// Matches an inventory.
pub(crate) async fn matching(service: &Service, job: &Claimed, meter: &Arc<Meter>) -> Result<(), Ended> {
    let payload: MatchPayload = payload(job)?;
    let stored = service.store.inventory(payload.inventory).await?;
    let stored =
        stored.ok_or_else(|| Ended::Failed(FailureReason::Internal, "its inventory is gone".to_owned()))?;
    let document: InventoryDocument = serde_json::from_slice(&stored.body).map_err(|error| {
        Ended::Failed(FailureReason::Internal, format!("its inventory is damaged: {error}"))
    })?;
    let needs = needs(&document.inventory);
    provide(service, job, meter, &needs).await?;
    meter.enter(Phase::Match);
    let kept: Option<Matched> = service.spool.load_match(payload.inventory);
    let (parts, matched) = {
        let service = service.clone();
        blocking(move || {
            let shards = ShardSet::open(&service.advisories.database, &needs);
            let parts = components(&document.inventory);
            let matched = match kept.filter(|kept| kept.stands_at(&shards, &needs)) {
                Some(kept) => kept,
                None => match_inventory(&document.inventory, &parts.of_package, &shards)?,
            };
            Ok((parts, matched))
        })
        .await?
    };
    meter.enter(Phase::Store);
    let shards: Vec<ShardVersion> = matched
        .shards
        .iter()
        .map(|(shard, digest, built)| ShardVersion {
            shard: shard.clone(),
            digest: digest.clone(),
            built: built.clone(),
        })
        .collect();
    let content = Content {
        inventory: payload.inventory,
        components: &parts.components,
        sets: &parts.sets,
        findings: &matched.findings,
        shards: &shards,
    };
    let body = serde_json::to_string(&matched.body)
        .map_err(|error| Ended::Failed(FailureReason::Internal, error.to_string()))?;
    let report = NewReport { partial: matched.partial, body: &body };
    match persist(|| service.store.finish_match(job, &content, &report, clock::now())).await {
        Ok(_) => {
            service.spool.forget_match(payload.inventory);
            Ok(())
        }
        Err(error) => {
            let ended = Ended::from(error);
            if let Ended::Aborted(reason, text) = ended {
                let kept = service.spool.keep_match(payload.inventory, &matched);
                return Err(Ended::Failed(reason, spool::told(&text, kept)));
            }
            Err(ended)
        }
    }
}

/// Gets the shards that are missing; ends the job while they cannot be had.
async fn provide(service: &Service, job: &Claimed, meter: &Meter, needs: &Needs) -> Result<(), Ended> {
    let missing = advisories::missing(&service.advisories.database, needs);
    if missing.is_empty() {
        return Ok(());
    }
    if service.advisories.would_fetch(&missing) {
        meter.enter(Phase::Advisories);
        service.store.say_missing(job, &told(&missing, true, String::new()), clock::now()).await?;
        service.touch();
        let still = service.advisories.provide(&missing).await;
        if still.is_empty() {
            return Ok(());
        }
        return Err(Ended::Parked(told(&still, false, service.advisories.why(&still))));
    }
    Err(Ended::Parked(told(&missing, false, service.advisories.why(&missing))))
}

fn told(missing: &[Wanted], fetching: bool, why: String) -> String {
    let shards = missing.iter().map(|wanted| wanted.shard.to_string()).collect();
    serde_json::to_string(&Missing { shards, fetching, why }).unwrap_or_default()
}

fn match_inventory(inventory: &Inventory, of_package: &[usize], shards: &ShardSet) -> Result<Matched, Ended> {
    let matches = match_packages(inventory, shards);
    let checked = |coverage: &Coverage| coverage.state == CoverageState::Checked;
    // A shard that is there and cannot be used is no reason to call an image clean.
    if let Some(coverage) = matches.coverage.iter().find(|c| c.state == CoverageState::Missing) {
        let why = matches.problems.iter().find(|problem| problem.code == ProblemCode::DatabaseUnusable);
        let why = why.map(|problem| problem.message.clone()).unwrap_or_default();
        let missing = Missing { shards: vec![coverage.shard.clone()], fetching: false, why };
        return Err(Ended::Parked(serde_json::to_string(&missing).unwrap_or_default()));
    }
    let unknown = inventory
        .problems
        .iter()
        .chain(&matches.problems)
        .find(|problem| problem.code == ProblemCode::UnknownOs);
    if let Some(problem) = unknown
        && !matches.coverage.iter().any(checked)
    {
        return Err(Ended::Failed(FailureReason::UnknownOs, problem.message.clone()));
    }
    let mut problems = matches.problems;
    problems.retain(|problem| !inventory.problems.contains(problem));
    let hides = |problem: &Problem| problem.code.hides_content();
    let partial = inventory.problems.iter().chain(&problems).any(hides);
    let versions = matches.coverage.iter().filter(|coverage| checked(coverage));
    let shards = versions
        .map(|c| (c.shard.clone(), c.digest.clone().unwrap_or_default(), c.built.clone().unwrap_or_default()))
        .collect();
    let mut findings: Vec<(usize, Finding)> = matches
        .findings
        .into_iter()
        .filter_map(|finding| {
            let package = usize::try_from(finding.package).ok()?;
            Some((*of_package.get(package)?, Finding { package: 0, ..finding }))
        })
        .collect();
    findings.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    findings.dedup_by(|a, b| a.0 == b.0 && a.1.id == b.1.id);
    Ok(Matched { findings, body: ReportBody { coverage: matches.coverage, problems }, partial, shards })
}

impl Matched {
    /// Whether it was made with the advisories that are at hand now.
    fn stands_at(&self, shards: &ShardSet, needs: &Needs) -> bool {
        needs.shards.iter().all(|need| {
            let digest = shards.get(&need.shard).map(advisory::shard::Shard::digest);
            self.shards.iter().any(|(name, at, _)| name == need.shard.as_str() && Some(at) == digest.as_ref())
        })
    }
}
