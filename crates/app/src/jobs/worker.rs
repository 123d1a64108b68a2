//! The worker of one process: takes jobs while it has room for them, and gives them back when it ends.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use model::{JobClass, JobKind};
use store::{ClaimRequest, Claimed, StoreError};
use tokio::{sync::watch, task::JoinSet};
use tracing::Instrument as _;

use super::run::run;
use crate::{
    clock,
    service::{Service, stopped},
};

/// How often lost jobs are looked for.
const UPKEEP: Duration = Duration::from_secs(1);

/// What is in work.
#[derive(Default)]
struct Hands {
    jobs: HashMap<tokio::task::Id, Claimed>,
    tasks: JoinSet<()>,
}

impl Hands {
    fn count(&self, kind: JobKind) -> usize {
        self.jobs.values().filter(|job| job.kind == kind).count()
    }

    fn bytes(&self) -> u64 {
        self.jobs.values().map(|job| job.weight).sum()
    }
}

/// Works until `stop` says so; then running jobs return to the queue.
pub async fn work(service: Service, mut stop: watch::Receiver<bool>) {
    if service.is_alone() {
        // Whatever an earlier process of this data directory had in work is nobody's now.
        reclaim_others(&service).await;
    }
    let mut hands = Hands::default();
    let mut upkeep = tokio::time::interval(UPKEEP);
    upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        match fill(&service, &mut hands).await {
            Ok(()) | Err(StoreError::Stopped) => {}
            Err(error) => {
                tracing::error!(error = %model::problem::explain(&error), "the queue cannot be read");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(ended) = hands.tasks.join_next_with_id(), if !hands.tasks.is_empty() => {
                let id = match &ended {
                    Ok((id, ())) => *id,
                    Err(error) => error.id(),
                };
                hands.jobs.remove(&id);
            }
            () = service.work.notified() => {}
            () = tokio::time::sleep(service.config.queue.poll) => {}
            _ = upkeep.tick() => tend(&service).await,
        }
    }
    let jobs: Vec<Claimed> = hands.jobs.values().cloned().collect();
    hands.tasks.shutdown().await;
    for job in &jobs {
        if let Err(error) = service.store.give_back(job, clock::now()).await
            && !matches!(error, StoreError::Lost)
        {
            tracing::warn!(job = job.id, error = %model::problem::explain(&error), "a job could not be given back");
        }
    }
}

/// Takes jobs while there is room.
async fn fill(service: &Service, hands: &mut Hands) -> Result<(), StoreError> {
    let workers = &service.config.workers;
    for (kind, slots) in [
        (JobKind::Match, workers.matching),
        (JobKind::Resolve, workers.resolve),
        (JobKind::Index, workers.index),
    ] {
        loop {
            let free = slots.saturating_sub(hands.count(kind));
            let Some(class) = least_urgent(free, slots, workers.reserved) else { break };
            let taken = hands.bytes();
            // An image larger than the whole budget is read alone.
            let max_weight = if taken == 0 { u64::MAX } else { workers.bytes.saturating_sub(taken) };
            let now = clock::now();
            let request = ClaimRequest {
                worker: &service.worker,
                kinds: &[kind],
                class,
                max_weight,
                lease_until: now + clock::micros(service.config.queue.lease),
            };
            let Some(job) = service.store.claim(&request, now).await? else { break };
            service.changed.send_modify(|_| {});
            let (service, work) = (service.clone(), job.clone());
            let task = hands.tasks.spawn(async move { logged(&service, &work).await });
            hands.jobs.insert(task.id(), job);
        }
    }
    Ok(())
}

/// Does a job. Every line that is logged meanwhile names the scan and the request that asked for it: of several that
/// wait for the same job, the first.
async fn logged(service: &Service, job: &Claimed) {
    let kind = job.kind.as_str();
    let waiting = service.store.scans_of(job.id, 1).await.unwrap_or_default();
    let span = match waiting.first() {
        Some((scan, request)) => tracing::info_span!("job", job = job.id, kind, %scan, %request),
        None => tracing::info_span!("job", job = job.id, kind),
    };
    async {
        let begun = Instant::now();
        tracing::debug!("begun");
        run(service, job).await;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(millis, "over");
    }
    .instrument(span)
    .await;
}

/// The least urgent class that may take one of the free slots: some are kept for those more urgent.
fn least_urgent(free: usize, slots: usize, reserved: [usize; 3]) -> Option<JobClass> {
    let [interactive, pipeline, push] = reserved.map(|slots_of| slots_of.min(slots.saturating_sub(1)));
    match free {
        0 => None,
        free if free > interactive + pipeline + push => Some(JobClass::Scheduled),
        free if free > interactive + pipeline => Some(JobClass::Push),
        free if free > interactive => Some(JobClass::Pipeline),
        _ => Some(JobClass::Interactive),
    }
}

/// Returns lost jobs, and lets those that wait for advisories look again.
async fn tend(service: &Service) {
    let now = clock::now();
    let lost = service.store.reclaim(now).await;
    let woken = service.store.unpark(false, now).await;
    match (lost, woken) {
        (Ok(0), Ok(0)) => {}
        (Ok(lost), Ok(_)) => {
            if lost > 0 {
                tracing::warn!(jobs = lost, "workers were lost; their jobs return to the queue");
            }
            service.touch();
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(error = %model::problem::explain(&error), "the queue cannot be tended");
        }
    }
}

async fn reclaim_others(service: &Service) {
    match service.store.reclaim_all_but(&service.worker, clock::now()).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "jobs of an earlier process return to the queue"),
        Err(error) => {
            tracing::error!(error = %model::problem::explain(&error), "jobs of an earlier process wait for their leases");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_slots_are_kept_for_the_urgent() {
        let class = |free| least_urgent(free, 4, [1, 1, 0]).map(JobClass::as_str);
        assert_eq!(class(0), None);
        assert_eq!(class(1), Some("interactive"));
        assert_eq!(class(2), Some("pipeline"));
        assert_eq!(class(3), Some("scheduled"));
        // One slot cannot be kept for anybody, or the others would wait for ever.
        assert_eq!(least_urgent(1, 1, [1, 0, 0]), Some(JobClass::Scheduled));
    }
}
