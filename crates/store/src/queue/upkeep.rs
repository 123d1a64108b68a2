//! What keeps the queue going beside the workers: jobs that waited for advisories, jobs of workers that were lost,
//! and how much there is to do.

use model::{FailureReason, JobClass, ScanStatus};

use uuid::Uuid;

use super::{READY, RUNNING, fail_scans};
use crate::{
    Micros,
    db::{Store, execute, maybe, read_row, read_rows},
    error::StoreError,
    scan::note_all,
};

/// A job with which so many workers were lost is not given to another.
const MAX_LOSSES: i32 = 20;

/// Who waits for a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Jobs that can be claimed now or later, and that wait for advisories.
    pub ready: u64,
    /// Jobs in the hands of workers.
    pub running: u64,
    /// Jobs that wait for advisories.
    pub parked: u64,
    /// When the job that waits longest was accepted.
    pub oldest: Option<Micros>,
}

impl Store {
    /// Lets the jobs that wait for advisories look again; all, or those whose time has come.
    pub async fn unpark(&self, all: bool, now: Micros) -> Result<u64, StoreError> {
        let until = if all { i64::MAX } else { now };
        let (there,): (i64,) =
            read_row!(self, "select count(*) from job where state = 2 and run_at <= $1", until)?;
        if there == 0 {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let sql = "update job set state = 0, run_at = $1 where state = 2 and run_at <= $2";
        let woken = execute!(&mut tx, sql, now, until)?;
        tx.commit().await?;
        Ok(woken)
    }

    /// Returns the jobs of workers that were lost: those whose lease has run out. A job that cost too many workers
    /// fails.
    pub async fn reclaim(&self, now: Micros) -> Result<u64, StoreError> {
        let sql = "select id, worker from job where state = 1 and lease_until <= $1 order by id limit 100";
        let lost: Vec<(i64, Option<String>)> = read_rows!(self, sql, now)?;
        self.reclaim_jobs(lost, now, now).await
    }

    /// Returns the jobs of all workers but one, which knows that the others are no more.
    pub async fn reclaim_all_but(&self, worker: &str, now: Micros) -> Result<u64, StoreError> {
        let sql = "select id, worker from job where state = 1 and worker <> $1 order by id";
        let lost: Vec<(i64, Option<String>)> = read_rows!(self, sql, worker)?;
        self.reclaim_jobs(lost, Micros::MAX, now).await
    }

    /// Returns jobs that were seen in the hands of these workers, unless their leases were renewed beyond `until`.
    async fn reclaim_jobs(
        &self,
        lost: Vec<(i64, Option<String>)>,
        until: Micros,
        now: Micros,
    ) -> Result<u64, StoreError> {
        let mut returned = 0;
        for (id, worker) in lost {
            let mut tx = self.begin().await?;
            let sql = "update job set state = 0, fence = fence + 1, run_at = $1, losses = losses + 1,
                       attempts = attempts - 1, worker = null, lease_until = null
                       where id = $2 and state = 1 and worker = $3 and lease_until <= $4
                       returning losses, cancelled";
            let changed: Option<(i32, bool)> = maybe!(&mut tx, sql, now, id, worker, until)?;
            let Some((losses, cancelled)) = changed else { continue };
            returned += 1;
            if losses > MAX_LOSSES {
                let detail = format!("{losses} workers were lost with it");
                fail_scans(&mut tx, id, FailureReason::Internal, &detail, now).await?;
                execute!(&mut tx, "delete from job where id = $1", id)?;
            } else if cancelled {
                execute!(&mut tx, "delete from job where id = $1", id)?;
            } else {
                let sql = "update scan set status = $1, attempt = $2, next_at = $3, version = version + 1,
                           detail = 'the worker was lost' where job_id = $4";
                execute!(&mut tx, sql, ScanStatus::Retrying.code(), losses, now, id)?;
                note_all(&mut tx, id, now).await?;
            }
            tx.commit().await?;
        }
        Ok(returned)
    }

    /// Scans that wait for a job, with the id of the request that asked for each: for the log.
    pub async fn scans_of(&self, job: i64, limit: u32) -> Result<Vec<(Uuid, String)>, StoreError> {
        let sql = "select id, request_id from scan where job_id = $1 order by id limit $2";
        read_rows!(self, sql, job, i64::from(limit))
    }

    /// How much work there is, by class.
    pub async fn waiting(&self) -> Result<Vec<(JobClass, Waiting)>, StoreError> {
        let sql = "select class, state, count(*), min(queued_at) from job group by class, state";
        let records: Vec<(i16, i16, i64, i64)> = read_rows!(self, sql)?;
        let mut all: Vec<(JobClass, Waiting)> =
            JobClass::ALL.iter().map(|c| (*c, Waiting::default())).collect();
        for (class, state, count, oldest) in records {
            let Some((_, waiting)) = all.iter_mut().find(|(c, _)| c.code() == class) else { continue };
            let count = u64::try_from(count).unwrap_or(0);
            match state {
                READY => waiting.ready += count,
                RUNNING => waiting.running += count,
                _ => waiting.parked += count,
            }
            if state == READY {
                waiting.oldest = Some(waiting.oldest.map_or(oldest, |other| other.min(oldest)));
            }
        }
        Ok(all)
    }
}
