//! The queue: jobs that many scans may wait for, claimed by one worker at a time under a lease.
//!
//! A claim raises the job's `fence`; whatever a worker writes for a job it writes together with ending that very
//! claim, so a worker that was given up cannot write any more. Within a class, repositories take turns (start-time
//! fair queueing): each new job of a repository gets the turn after its last one, and no turn lies in the past.

mod upkeep;

use model::{FailureReason, JobClass, JobKind, MessageKind, Phase, ScanProgress, ScanStatus};
use sqlx::FromRow;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read_maybe, row},
    error::StoreError,
    outbox::{self, Listeners},
    scan::note_all,
};

pub use self::upkeep::Waiting;

pub(crate) const READY: i16 = 0;
pub(crate) const RUNNING: i16 = 1;

/// Work to be done once, for whoever waits for it.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// What it does.
    pub kind: JobKind,
    /// Equal work has an equal key.
    pub key: [u8; 16],
    /// How urgent it is.
    pub class: JobClass,
    /// Whose turn it takes.
    pub repository: &'a str,
    /// Stored bytes of the image, when known.
    pub weight: u64,
    /// Attempts until it is given up.
    pub max_attempts: u32,
    /// What to do: JSON.
    pub payload: &'a str,
    /// Credentials for it, sealed.
    pub sealed: Option<&'a [u8]>,
}

/// What a worker takes.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// Kinds of jobs that it has a free slot for.
    pub kinds: &'a [JobKind],
    /// The least urgent class that may take a slot now.
    pub class: JobClass,
    /// The heaviest job that fits.
    pub max_weight: u64,
    /// When the claim ends unless it is renewed.
    pub lease_until: Micros,
}

/// A job in the hands of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The job.
    pub id: i64,
    /// What it does.
    pub kind: JobKind,
    /// Which claim this is.
    pub fence: i64,
    /// How urgent it is.
    pub class: JobClass,
    /// Whose turn it was.
    pub repository: String,
    /// Stored bytes of the image, when known.
    pub weight: u64,
    /// This attempt, from 1.
    pub attempt: u32,
    /// Attempts until it is given up.
    pub max_attempts: u32,
    /// What to do: JSON.
    pub payload: String,
    /// Credentials for it, sealed.
    pub sealed: Option<Vec<u8>>,
}

/// What became of a renewed lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Go on.
    Held,
    /// Nobody waits for it any more: stop.
    Cancelled,
    /// It was given to another: stop, and write nothing.
    Lost,
}

/// A job that scans were attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attached {
    pub(crate) id: i64,
    pub(crate) state: i16,
}

#[derive(FromRow)]
struct JobRecord {
    id: i64,
    kind: i16,
    fence: i64,
    class: i16,
    repository: String,
    weight: i64,
    attempts: i32,
    max_attempts: i32,
    payload: String,
    sealed: Option<Vec<u8>>,
    turn: i64,
}

impl JobRecord {
    fn into_claimed(self) -> Result<Claimed, StoreError> {
        Ok(Claimed {
            id: self.id,
            kind: JobKind::from_code(self.kind).ok_or(StoreError::Value("job kind"))?,
            fence: self.fence,
            class: JobClass::from_code(self.class).ok_or(StoreError::Value("job class"))?,
            repository: self.repository,
            weight: u64::try_from(self.weight).unwrap_or(0),
            attempt: u32::try_from(self.attempts).unwrap_or(0),
            max_attempts: u32::try_from(self.max_attempts).unwrap_or(0),
            payload: self.payload,
            sealed: self.sealed,
        })
    }
}

/// Makes a job, or finds the one that does the same.
pub(crate) async fn ensure(tx: &mut Tx, job: &NewJob<'_>, now: Micros) -> Result<Attached, StoreError> {
    let turn = next_turn(tx, job.class, job.repository).await?;
    let sql =
        "insert into job (kind, key, class, repository, turn, state, run_at, queued_at, max_attempts, weight,
               payload, sealed) values ($1, $2, $3, $4, $5, 0, $6, $6, $7, $8, $9, $10)
               on conflict (key) do update set
                   turn = case when excluded.class < job.class then excluded.turn else job.turn end,
                   class = case when excluded.class < job.class then excluded.class else job.class end,
                   cancelled = false
               returning id, state";
    let (id, state): (i64, i16) = row!(
        tx,
        sql,
        job.kind.code(),
        job.key.as_slice(),
        job.class.code(),
        job.repository,
        turn,
        now,
        i32::try_from(job.max_attempts).unwrap_or(i32::MAX),
        i64::try_from(job.weight).unwrap_or(i64::MAX),
        job.payload,
        job.sealed,
    )?;
    Ok(Attached { id, state })
}

/// The turn after the repository's last one, but none that is over.
async fn next_turn(tx: &mut Tx, class: JobClass, repository: &str) -> Result<i64, StoreError> {
    let sql = tx.sql(
        "insert into job_turn (class, repository, turn)
         values ($1, $2, coalesce((select turn from job_turn where class = $1 and repository = ''), 0) + 1)
         on conflict (class, repository) do update set turn = max(job_turn.turn + 1, excluded.turn)
         returning turn",
        "insert into job_turn (class, repository, turn)
         values ($1, $2, coalesce((select turn from job_turn where class = $1 and repository = ''), 0) + 1)
         on conflict (class, repository) do update set turn = greatest(job_turn.turn + 1, excluded.turn)
         returning turn",
    );
    let (turn,): (i64,) = row!(tx, sql, class.code(), repository)?;
    Ok(turn)
}

/// Makes a job as urgent as `class`, if it is less.
pub(crate) async fn hasten(tx: &mut Tx, job: i64, class: JobClass) -> Result<(), StoreError> {
    execute!(tx, "update job set class = $1 where id = $2 and class > $1", class.code(), job)?;
    execute!(tx, "update scan set class = $1 where job_id = $2 and class > $1", class.code(), job)?;
    Ok(())
}

/// Ends a claim by taking the job's row away. What follows in the transaction counts only if this does.
pub(crate) async fn finish(tx: &mut Tx, job: &Claimed) -> Result<(), StoreError> {
    let sql = "delete from job where id = $1 and fence = $2 and state = 1";
    if execute!(tx, sql, job.id, job.fence)? == 1 { Ok(()) } else { Err(StoreError::Lost) }
}

/// Takes the job's row, so that nobody else changes it or attaches to it before the transaction ends.
pub(crate) async fn hold(tx: &mut Tx, job: &Claimed) -> Result<(), StoreError> {
    let sql = "update job set fence = fence where id = $1 and fence = $2 and state = 1";
    if execute!(tx, sql, job.id, job.fence)? == 1 { Ok(()) } else { Err(StoreError::Lost) }
}

/// Ends a claim and lets those who wait for it wait for the next job.
pub(crate) async fn hand_over(
    tx: &mut Tx,
    job: &Claimed,
    next: &NewJob<'_>,
    now: Micros,
) -> Result<(), StoreError> {
    hold(tx, job).await?;
    let attached = ensure(tx, next, now).await?;
    // Who joins work that is under way is being worked for.
    let sql = "update scan set job_id = $1, detail = null, next_at = null, attempt = 0,
               status = case when $2 = 1 then $3 else status end, version = version + 1
               where job_id = $4";
    let running = ScanStatus::Running.code();
    execute!(tx, sql, attached.id, attached.state, running, job.id)?;
    note_all(tx, attached.id, now).await?;
    finish(tx, job).await
}

impl Store {
    /// Takes the next job, by class and turn. `None` when nothing fits.
    pub async fn claim(
        &self,
        request: &ClaimRequest<'_>,
        now: Micros,
    ) -> Result<Option<Claimed>, StoreError> {
        let has = |kind: JobKind| request.kinds.contains(&kind);
        let kinds = [JobKind::Resolve, JobKind::Index, JobKind::Match]
            .map(|kind| if has(kind) { kind.code() } else { -1 });
        let max_weight = i64::try_from(request.max_weight).unwrap_or(i64::MAX);
        // Looking first keeps idle workers away from the writer.
        let sql = "select id from job where state = 0 and class <= $1 and run_at <= $2 and weight <= $3
                   and kind in ($4, $5, $6) order by class, turn, id limit 1";
        let there: Option<(i64,)> =
            read_maybe!(self, sql, request.class.code(), now, max_weight, kinds[0], kinds[1], kinds[2])?;
        if there.is_none() {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let sql = tx.sql(
            "update job set state = 1, fence = fence + 1, attempts = attempts + 1, worker = $7, lease_until = $8,
             phase = 0, layers_done = 0, bytes_done = 0 where id = (
                 select id from job where state = 0 and class <= $1 and run_at <= $2 and weight <= $3
                 and kind in ($4, $5, $6) order by class, turn, id limit 1)
             returning id, kind, fence, class, repository, weight, attempts, max_attempts, payload, sealed, turn",
            "update job set state = 1, fence = fence + 1, attempts = attempts + 1, worker = $7, lease_until = $8,
             phase = 0, layers_done = 0, bytes_done = 0 where id = (
                 select id from job where state = 0 and class <= $1 and run_at <= $2 and weight <= $3
                 and kind in ($4, $5, $6) order by class, turn, id limit 1 for update skip locked)
             returning id, kind, fence, class, repository, weight, attempts, max_attempts, payload, sealed, turn",
        );
        let record: Option<JobRecord> = maybe!(
            &mut tx,
            sql,
            request.class.code(),
            now,
            max_weight,
            kinds[0],
            kinds[1],
            kinds[2],
            request.worker,
            request.lease_until,
        )?;
        let Some(record) = record else { return Ok(None) };
        let turn = record.turn;
        let claimed = record.into_claimed()?;
        let sql = tx.sql(
            "insert into job_turn (class, repository, turn) values ($1, '', $2)
             on conflict (class, repository) do update set turn = max(job_turn.turn, excluded.turn)",
            "insert into job_turn (class, repository, turn) values ($1, '', $2)
             on conflict (class, repository) do update set turn = greatest(job_turn.turn, excluded.turn)",
        );
        execute!(&mut tx, sql, claimed.class.code(), turn)?;
        // A look-up is no scan yet: until its image has a digest, it waits.
        if claimed.kind != JobKind::Resolve {
            let sql = "update scan set status = $1, started_at = coalesce(started_at, $2), next_at = null,
                       missing = null, version = version + 1 where job_id = $3 and status <> $1";
            if execute!(&mut tx, sql, ScanStatus::Running.code(), now, claimed.id)? > 0 {
                note_all(&mut tx, claimed.id, now).await?;
            }
        }
        tx.commit().await?;
        Ok(Some(claimed))
    }

    /// Renews a claim and writes down how far the work is.
    pub async fn heartbeat(
        &self,
        job: &Claimed,
        phase: Phase,
        progress: ScanProgress,
        lease_until: Micros,
    ) -> Result<Outcome, StoreError> {
        let mut tx = self.begin().await?;
        let sql =
            "update job set lease_until = $1, phase = $2, layers_done = $3, layers = $4, bytes_done = $5,
                   bytes = $6 where id = $7 and fence = $8 and state = 1 returning cancelled";
        let renewed: Option<(bool,)> = maybe!(
            &mut tx,
            sql,
            lease_until,
            phase.code(),
            i32::try_from(progress.layers_done).unwrap_or(i32::MAX),
            i32::try_from(progress.layers).unwrap_or(i32::MAX),
            i64::try_from(progress.bytes_done).unwrap_or(i64::MAX),
            i64::try_from(progress.bytes).unwrap_or(i64::MAX),
            job.id,
            job.fence,
        )?;
        tx.commit().await?;
        Ok(match renewed {
            Some((false,)) => Outcome::Held,
            Some((true,)) => Outcome::Cancelled,
            None => Outcome::Lost,
        })
    }

    /// Ends an attempt that came to nothing, so that another follows at `next_at`.
    pub async fn retry(
        &self,
        job: &Claimed,
        detail: &str,
        next_at: Micros,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, job).await?;
        let sql = "update job set state = 0, run_at = $1, worker = null, lease_until = null where id = $2";
        execute!(&mut tx, sql, next_at, job.id)?;
        let sql =
            "update scan set status = $1, attempt = $2, next_at = $3, detail = $4, version = version + 1
                   where job_id = $5";
        let attempt = i32::try_from(job.attempt).unwrap_or(i32::MAX);
        execute!(&mut tx, sql, ScanStatus::Retrying.code(), attempt, next_at, detail, job.id)?;
        note_all(&mut tx, job.id, now).await?;
        tx.commit().await
    }

    /// Ends a job that came to nothing, and the scans that wait for it.
    pub async fn fail(
        &self,
        job: &Claimed,
        reason: FailureReason,
        detail: &str,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, job).await?;
        fail_scans(&mut tx, job.id, reason, detail, now).await?;
        finish(&mut tx, job).await?;
        tx.commit().await
    }

    /// Gives a job back as if it had not been claimed: the worker is ending.
    pub async fn give_back(&self, job: &Claimed, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, job).await?;
        let sql = "update job set state = 0, run_at = $1, attempts = attempts - 1, worker = null, lease_until = null
                   where id = $2";
        execute!(&mut tx, sql, now, job.id)?;
        let sql = "update scan set status = $1, version = version + 1 where job_id = $2 and status = $3";
        execute!(&mut tx, sql, ScanStatus::Pending.code(), job.id, ScanStatus::Running.code())?;
        note_all(&mut tx, job.id, now).await?;
        tx.commit().await
    }

    /// Takes away a job that nobody waits for any more.
    pub async fn drop_cancelled(&self, job: &Claimed) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "delete from job where id = $1 and fence = $2 and not exists (select 1 from scan where job_id = $1)";
        execute!(&mut tx, sql, job.id, job.fence)?;
        tx.commit().await
    }

    /// Says which advisories a job waits for. `missing` is JSON for those who ask.
    pub async fn say_missing(&self, job: &Claimed, missing: &str, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, job).await?;
        missing_scans(&mut tx, job.id, missing, now).await?;
        tx.commit().await
    }

    /// Puts a job aside until its advisories are there, or `next_at`.
    pub async fn park(
        &self,
        job: &Claimed,
        missing: &str,
        next_at: Micros,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, job).await?;
        let sql = "update job set state = 2, run_at = $1, attempts = attempts - 1, worker = null, lease_until = null
                   where id = $2";
        execute!(&mut tx, sql, next_at, job.id)?;
        missing_scans(&mut tx, job.id, missing, now).await?;
        tx.commit().await
    }
}

async fn missing_scans(tx: &mut Tx, job: i64, missing: &str, now: Micros) -> Result<(), StoreError> {
    let sql = "update scan set status = $1, missing = $2, version = version + 1 where job_id = $3";
    execute!(tx, sql, ScanStatus::DatabaseNotPopulated.code(), missing, job)?;
    note_all(tx, job, now).await
}

/// Ends the scans that wait for a job.
pub(crate) async fn fail_scans(
    tx: &mut Tx,
    job: i64,
    reason: FailureReason,
    detail: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let sql = "update scan set status = $1, reason = $2, detail = $3, finished_at = $4, next_at = null,
               active_key = null, version = version + 1 where job_id = $5";
    execute!(tx, sql, ScanStatus::Failed.code(), reason.code(), detail, now, job)?;
    note_all(tx, job, now).await?;
    let listeners = Listeners::read(tx).await?;
    outbox::scans_ended(tx, &listeners, job, MessageKind::ScanFailed, now).await?;
    execute!(tx, "update scan set job_id = null where job_id = $1", job)?;
    Ok(())
}
