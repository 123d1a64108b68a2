//! One job in the hands of a worker: its heartbeat, its progress, its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{FailureReason, JobKind, Phase, ScanProgress};
use serde::de::DeserializeOwned;
use store::{Claimed, Outcome, StoreError};
use tokio::sync::Notify;

use super::{Ended, index::index, matching::matching, resolve::resolve};
use crate::{clock, service::Service};

/// How often a write is tried again when the store is busy, before the attempt counts as aborted.
const PERSIST_TRIES: u32 = 5;

/// How far a job is; written by threads of the engine, read by the heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    phase: AtomicU32,
    layers: AtomicU32,
    layers_done: AtomicU32,
    bytes: AtomicU64,
    bytes_done: AtomicU64,
    stopped: AtomicBool,
    /// Something changed that those who look should see at once.
    moved: Notify,
}

impl Meter {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(u32::from(phase.code().unsigned_abs()), Ordering::Relaxed);
        self.moved.notify_one();
    }

    pub(crate) fn begin(&self, layers: &[u64]) {
        self.layers.store(u32::try_from(layers.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.bytes.store(layers.iter().sum(), Ordering::Relaxed);
        self.enter(Phase::Read);
    }

    /// Tells the engine that nobody wants the result any more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn phase(&self) -> Phase {
        let code = i16::try_from(self.phase.load(Ordering::Relaxed)).unwrap_or(0);
        Phase::from_code(code).unwrap_or(Phase::Resolve)
    }

    fn progress(&self) -> ScanProgress {
        ScanProgress {
            layers_done: self.layers_done.load(Ordering::Relaxed),
            layers: self.layers.load(Ordering::Relaxed),
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl scan::Progress for Meter {
    fn layer_advanced(&self, _index: usize, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn layer_finished(&self, _index: usize, _cached: bool) {
        self.layers_done.fetch_add(1, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.is_stopped()
    }
}

/// Does one job and writes down how it ended.
pub(crate) async fn run(service: &Service, job: &Claimed) {
    let meter = Arc::new(Meter::default());
    let ended = {
        let work = work(service, job, &meter);
        let beat = beat(service, job, &meter);
        tokio::pin!(work, beat);
        tokio::select! {
            ended = &mut work => ended,
            outcome = &mut beat => {
                meter.stop();
                // Threads of the engine end by themselves; what they still find is nobody's.
                if outcome == Outcome::Cancelled {
                    let _ = service.store.drop_cancelled(job).await;
                }
                Err(Ended::Dropped)
            }
        }
    };
    if let Err(ended) = ended {
        end(service, job, ended).await;
    }
    service.touch();
}

async fn work(service: &Service, job: &Claimed, meter: &Arc<Meter>) -> Result<(), Ended> {
    match job.kind {
        JobKind::Resolve => resolve(service, job).await,
        JobKind::Index => index(service, job, meter).await,
        JobKind::Match => matching(service, job, meter).await,
    }
}

/// Renews the claim until it is no more.
async fn beat(service: &Service, job: &Claimed, meter: &Meter) -> Outcome {
    let queue = &service.config.queue;
    loop {
        let _ = tokio::time::timeout(queue.heartbeat, meter.moved.notified()).await;
        let until = clock::now() + clock::micros(queue.lease);
        match service.store.heartbeat(job, meter.phase(), meter.progress(), until).await {
            Ok(Outcome::Held) => {}
            Ok(outcome) => return outcome,
            // The lease tells who is right in the end; one beat that fails proves nothing.
            Err(error) => {
                tracing::warn!(job = job.id, error = %model::problem::explain(&error), "a lease could not be renewed");
            }
        }
    }
}

async fn end(service: &Service, job: &Claimed, ended: Ended) {
    let now = clock::now();
    let kind = job.kind.as_str();
    let written = match ended {
        Ended::Dropped => return,
        Ended::Again => service.store.give_back(job, now).await,
        Ended::Parked(missing) => {
            tracing::info!(job = job.id, kind, %missing, "waits for advisories");
            let next = now + clock::micros(service.config.advisories.pause);
            persist(|| service.store.park(job, &missing, next, now)).await
        }
        Ended::Failed(reason, detail) => fail(service, job, reason, &detail).await,
        Ended::Aborted(reason, detail) if job.attempt >= job.max_attempts => {
            fail(service, job, reason, &detail).await
        }
        Ended::Aborted(_, detail) => {
            let pause = backoff(job.attempt, service.config.queue.backoff, service.config.queue.max_backoff);
            tracing::warn!(job = job.id, kind, attempt = job.attempt, of = job.max_attempts, %detail, "aborted, retrying");
            let next = now + clock::micros(pause);
            persist(|| service.store.retry(job, &detail, next, now)).await
        }
    };
    match written {
        Ok(()) | Err(StoreError::Lost | StoreError::Stopped) => {}
        // The lease runs out, and the job returns to the queue.
        Err(error) => {
            tracing::error!(job = job.id, kind, error = %model::problem::explain(&error), "the end of a job could not be stored");
        }
    }
}

async fn fail(
    service: &Service,
    job: &Claimed,
    reason: FailureReason,
    detail: &str,
) -> Result<(), StoreError> {
    tracing::warn!(job = job.id, kind = job.kind.as_str(), reason = reason.as_str(), %detail, "failed");
    persist(|| service.store.fail(job, reason, detail, clock::now())).await
}

/// Doubles from attempt to attempt, and is spread so that those who failed together do not return together.
pub(crate) fn backoff(attempt: u32, base: Duration, most: Duration) -> Duration {
    let doubled = base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(most);
    let spread = f64::from(u32::try_from(clock::now() % 1000).unwrap_or(0)) / 1000.0;
    doubled.mul_f64(0.75 + spread / 2.0)
}

/// Tries a write again while the store is busy.
pub(crate) async fn persist<T, F>(mut write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(20);
    for _ in 1..PERSIST_TRIES {
        match write().await {
            Err(error) if error.is_transient() && !matches!(error, StoreError::ShardMoved(_)) => {
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            done => return done,
        }
    }
    write().await
}

/// What a job was told.
pub(crate) fn payload<T: DeserializeOwned>(job: &Claimed) -> Result<T, Ended> {
    serde_json::from_str(&job.payload)
        .map_err(|_| Ended::Failed(FailureReason::Internal, "the job cannot be read".to_owned()))
}

/// Runs blocking work; a panic in it is an internal error of this job, not of the process.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Ended> + Send + 'static,
) -> Result<T, Ended> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => {
            tracing::error!(%error, "a job panicked");
            Err(Ended::Failed(FailureReason::Internal, "the scanner met an internal error".to_owned()))
        }
        Err(_) => Err(Ended::Dropped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let (base, most) = (Duration::from_secs(2), Duration::from_secs(60));
        for (attempt, seconds) in [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0), (60, 60.0)] {
            let pause = backoff(attempt, base, most).as_secs_f64();
            assert!(pause >= seconds * 0.75 && pause <= seconds * 1.25, "{attempt}: {pause}");
        }
    }
}
