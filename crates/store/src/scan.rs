//! Scans: asking for them, joining the ones that run, reading where they stand.

use model::{FailureReason, JobClass, JobKind, MessageKind, Phase, ScanProgress, ScanStatus};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read, read_maybe, read_row, read_rows},
    error::StoreError,
    image::{self, NewImage, Scope},
    outbox,
    queue::{self, NewJob},
};

/// Positions in the queue are counted up to this.
pub(crate) const MAX_POSITION: i64 = 1000;

/// What to scan.
#[derive(Clone, Debug)]
pub struct NewScan<'a> {
    /// The image record, made when it is not there.
    pub image: NewImage<'a>,
    /// What is opened: mostly the image's reference.
    pub source: &'a str,
    /// How urgent it is.
    pub class: JobClass,
    /// Equal requests share it while one of them runs: a hash of image, parameters and credentials.
    pub active_key: [u8; 16],
    /// Credentials that came with the request, sealed.
    pub sealed: Option<&'a [u8]>,
    /// Attempts until it is given up.
    pub max_attempts: u32,
    /// Who asked.
    pub requested_by: &'a str,
    /// The request that asked, for the logs.
    pub request_id: &'a str,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The scan that will answer.
    pub scan: Uuid,
    /// True when it was under way already.
    pub joined: bool,
}

/// A scan and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Its id.
    pub id: Uuid,
    /// The image record.
    pub image_id: i64,
    /// The project of the image.
    pub project_id: i64,
    /// The image's reference.
    pub reference: String,
    /// The image's platform; empty for the default.
    pub platform: String,
    /// What is opened.
    pub source: String,
    /// How urgent it is.
    pub class: JobClass,
    /// Where it stands.
    pub status: ScanStatus,
    /// Why it failed.
    pub reason: Option<FailureReason>,
    /// What it, or its last attempt, said of its end.
    pub detail: Option<String>,
    /// JSON: which shards are missing, and whether they are being fetched.
    pub missing: Option<String>,
    /// Attempts that were aborted.
    pub attempt: u32,
    /// Attempts until it is given up.
    pub max_attempts: u32,
    /// When the next attempt begins.
    pub next_at: Option<Micros>,
    /// Digest of the platform's manifest, once known.
    pub digest: Option<String>,
    /// What it contains, once read.
    pub inventory_id: Option<i64>,
    /// The report, once completed.
    pub report_id: Option<i64>,
    /// Whether a limit was met, or something could not be read.
    pub partial: bool,
    /// Who asked.
    pub requested_by: String,
    /// The request that asked.
    pub request_id: String,
    /// When.
    pub requested_at: Micros,
    /// When work on it began.
    pub started_at: Option<Micros>,
    /// When it was over.
    pub finished_at: Option<Micros>,
    /// Grows with every change.
    pub version: i64,
    /// What is being done; of running scans.
    pub phase: Option<Phase>,
    /// How far; of running scans.
    pub progress: ScanProgress,
    /// Jobs that come before it, up to [`MAX_POSITION`]; of waiting scans.
    pub position: Option<u32>,
}

/// Which scans to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct ScanFilter {
    /// Of one image record.
    pub image: Option<i64>,
    /// In one status.
    pub status: Option<ScanStatus>,
    /// Those before this one.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

#[derive(FromRow)]
struct ScanRecord {
    id: Uuid,
    image_id: i64,
    project_id: i64,
    reference: String,
    platform: String,
    source: String,
    class: i16,
    status: i16,
    reason: Option<i16>,
    detail: Option<String>,
    missing: Option<String>,
    attempt: i32,
    max_attempts: i32,
    next_at: Option<i64>,
    digest: Option<String>,
    inventory_id: Option<i64>,
    report_id: Option<i64>,
    partial: bool,
    requested_by: String,
    request_id: String,
    requested_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    version: i32,
    job_state: Option<i16>,
    phase: Option<i16>,
    layers_done: Option<i32>,
    layers: Option<i32>,
    bytes_done: Option<i64>,
    bytes: Option<i64>,
    job_class: Option<i16>,
    turn: Option<i64>,
    job_id: Option<i64>,
}

macro_rules! select_scan {
    ($rest:literal) => {
        concat!(
            "select s.id, s.image_id, s.project_id, i.reference, i.platform, s.source, s.class, s.status, s.reason,
             s.detail, s.missing, s.attempt, s.max_attempts, s.next_at, s.digest, s.inventory_id, s.report_id,
             s.partial, s.requested_by, s.request_id, s.requested_at, s.started_at, s.finished_at, s.version,
             j.state as job_state, j.phase, j.layers_done, j.layers, j.bytes_done, j.bytes, j.class as job_class,
             j.turn, j.id as job_id
             from scan s join image i on i.id = s.image_id left join job j on j.id = s.job_id ",
            $rest
        )
    };
}

impl ScanRecord {
    fn into_scan(self) -> Result<Scan, StoreError> {
        let status = ScanStatus::from_code(self.status).ok_or(StoreError::Value("scan status"))?;
        let count = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
        let size = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        let running = self.job_state == Some(queue::RUNNING);
        Ok(Scan {
            progress: ScanProgress {
                layers_done: count(self.layers_done),
                layers: count(self.layers),
                bytes_done: size(self.bytes_done),
                bytes: size(self.bytes),
            },
            phase: self.phase.filter(|_| running).and_then(Phase::from_code),
            position: None,
            id: self.id,
            image_id: self.image_id,
            project_id: self.project_id,
            reference: self.reference,
            platform: self.platform,
            source: self.source,
            class: JobClass::from_code(self.class).ok_or(StoreError::Value("job class"))?,
            status,
            reason: self.reason.and_then(FailureReason::from_code),
            detail: self.detail,
            missing: self.missing,
            attempt: count(Some(self.attempt)),
            max_attempts: count(Some(self.max_attempts)),
            next_at: self.next_at,
            digest: self.digest,
            inventory_id: self.inventory_id,
            report_id: self.report_id,
            partial: self.partial,
            requested_by: self.requested_by,
            request_id: self.request_id,
            requested_at: self.requested_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            version: i64::from(self.version),
        })
    }
}

impl Store {
    /// Asks for scans, all or none. A request that equals one under way joins it, and makes it as urgent as it is
    /// itself.
    pub async fn submit(&self, scans: &[NewScan<'_>], now: Micros) -> Result<Vec<Submitted>, StoreError> {
        let mut joined = Vec::with_capacity(scans.len());
        for scan in scans {
            // Most of a storm of equal requests ends here, without waiting for the writer.
            match self.active(&scan.active_key).await? {
                Some((id, class)) if class <= scan.class.code() => {
                    joined.push(Submitted { scan: id, joined: true });
                }
                _ => break,
            }
        }
        if joined.len() == scans.len() {
            return Ok(joined);
        }
        let mut tx = self.begin().await?;
        let mut submitted = Vec::with_capacity(scans.len());
        for scan in scans {
            submitted.push(submit_one(&mut tx, scan, now).await?);
        }
        tx.commit().await?;
        Ok(submitted)
    }

    async fn active(&self, key: &[u8; 16]) -> Result<Option<(Uuid, i16)>, StoreError> {
        read_maybe!(self, "select id, class from scan where active_key = $1", key.as_slice())
    }

    /// One scan, with its place in the queue.
    pub async fn scan(&self, id: Uuid) -> Result<Option<Scan>, StoreError> {
        let record: Option<ScanRecord> = read_maybe!(self, select_scan!("where s.id = $1"), id)?;
        let Some(record) = record else { return Ok(None) };
        let place = record.job_id.zip(record.job_class).zip(record.turn);
        let waits = record.job_state == Some(queue::READY);
        let mut scan = record.into_scan()?;
        if let (Some(((job, class), turn)), true) = (place, waits) {
            scan.position = Some(self.position(job, class, turn).await?);
        }
        Ok(Some(scan))
    }

    async fn position(&self, job: i64, class: i16, turn: i64) -> Result<u32, StoreError> {
        let sql = "select count(*) from (select 1 from job where state = 0 and class <= $1
                   and (class < $1 or turn < $2 or (turn = $2 and id < $3)) limit $4) ahead";
        let (ahead,): (i64,) = read_row!(self, sql, class, turn, job, MAX_POSITION)?;
        Ok(u32::try_from(ahead).unwrap_or(0))
    }

    /// Scans, newest first.
    pub async fn scans(&self, scope: &Scope, filter: &ScanFilter) -> Result<Vec<Scan>, StoreError> {
        let records: Vec<ScanRecord> = read!(self, c => {
            let mut query = sqlx::QueryBuilder::new(select_scan!("where 1 = 1"));
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and s.project_id in (", projects);
            }
            if let Some(image) = filter.image {
                query.push(" and s.image_id = ").push_bind(image);
            }
            if let Some(status) = filter.status {
                query.push(" and s.status = ").push_bind(status.code());
            }
            if let Some(before) = filter.before {
                query.push(" and s.id < ").push_bind(before);
            }
            query.push(" order by s.id desc limit ").push_bind(i64::from(filter.limit));
            query.build_query_as().fetch_all(c).await
        })?;
        records.into_iter().map(ScanRecord::into_scan).collect()
    }

    /// Stops a scan; its job too when nobody else waits for it. A scan that is over stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such scan.
    pub async fn cancel(&self, id: Uuid, by: &str, now: Micros) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let job: Option<(Option<i64>,)> = maybe!(&mut tx, "select job_id from scan where id = $1", id)?;
        let Some((job,)) = job else { return Err(StoreError::NotFound("scan")) };
        let Some(job) = job else { return Ok(false) };
        let lock = tx.sql("select id from job where id = $1", "select id from job where id = $1 for update");
        let _: Option<(i64,)> = maybe!(&mut tx, lock, job)?;
        let sql =
            "update scan set status = $1, detail = $2, finished_at = $3, active_key = null, job_id = null,
                   next_at = null, version = version + 1 where id = $4 and job_id = $5";
        let detail = format!("cancelled by {by}");
        if execute!(&mut tx, sql, ScanStatus::Cancelled.code(), detail.as_str(), now, id, job)? == 0 {
            return Ok(false);
        }
        note_one(&mut tx, id, now).await?;
        outbox::scan_ended(&mut tx, id, MessageKind::ScanCancelled, now).await?;
        let alone = "update job set cancelled = true where id = $1 and state = 1
                     and not exists (select 1 from scan where job_id = $1)";
        execute!(&mut tx, alone, job)?;
        let alone = "delete from job where id = $1 and state <> 1
                     and not exists (select 1 from scan where job_id = $1)";
        execute!(&mut tx, alone, job)?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes of scans after `seq`, oldest first: sequence number, scan, project.
    pub async fn changes(&self, seq: i64, limit: u32) -> Result<Vec<ScanChange>, StoreError> {
        let sql = "select seq, scan_id, project_id, image_id, status, version, at from scan_change
                   where seq > $1 order by seq limit $2";
        let records: Vec<(i64, Uuid, i64, i64, i16, i32, i64)> =
            read_rows!(self, sql, seq, i64::from(limit))?;
        records
            .into_iter()
            .map(|(seq, scan, project, image, status, version, at)| {
                let status = ScanStatus::from_code(status).ok_or(StoreError::Value("scan status"))?;
                Ok(ScanChange { seq, scan, project, image, status, version: i64::from(version), at })
            })
            .collect()
    }

    /// Number of the newest change.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        let (last,): (i64,) = read_row!(self, "select coalesce(max(seq), 0) from scan_change")?;
        Ok(last)
    }
}

/// One change of a scan's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanChange {
    /// Grows from change to change.
    pub seq: i64,
    /// The scan.
    pub scan: Uuid,
    /// The project of its image.
    pub project: i64,
    /// Its image record.
    pub image: i64,
    /// The new status.
    pub status: ScanStatus,
    /// The scan's version after it.
    pub version: i64,
    /// When.
    pub at: Micros,
}

pub(crate) async fn submit_one(
    tx: &mut Tx,
    scan: &NewScan<'_>,
    now: Micros,
) -> Result<Submitted, StoreError> {
    let key = scan.active_key.as_slice();
    let find = "select id, job_id from scan where active_key = $1";
    let active: Option<(Uuid, Option<i64>)> = maybe!(tx, find, key)?;
    if let Some((id, job)) = active {
        if let Some(job) = job {
            queue::hasten(tx, job, scan.class).await?;
        }
        return Ok(Submitted { scan: id, joined: true });
    }
    let image_id = image::ensure(tx, &scan.image, now).await?;
    let id = Uuid::now_v7();
    let sql = "insert into scan (id, image_id, project_id, source, class, status, max_attempts, active_key,
               requested_by, request_id, requested_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
               on conflict (active_key) do nothing";
    let inserted = execute!(
        tx,
        sql,
        id,
        image_id,
        scan.image.project,
        scan.source,
        scan.class.code(),
        ScanStatus::Pending.code(),
        i32::try_from(scan.max_attempts).unwrap_or(i32::MAX),
        key,
        scan.requested_by,
        scan.request_id,
        now,
    )?;
    if inserted == 0 {
        // Somebody else was quicker: on PostgreSQL the row is visible now.
        let other: Option<(Uuid, Option<i64>)> = maybe!(tx, find, key)?;
        return other.map(|(scan, _)| Submitted { scan, joined: true }).ok_or(StoreError::Lost);
    }
    let what = (scan.source, scan.image.platform, scan.image.project);
    let payload = serde_json::json!({ "source": what.0, "platform": what.1, "project": what.2 }).to_string();
    let job = NewJob {
        kind: JobKind::Resolve,
        key: scan.active_key,
        class: scan.class,
        repository: scan.image.repository,
        weight: 0,
        max_attempts: scan.max_attempts,
        payload: &payload,
        sealed: scan.sealed,
    };
    let attached = queue::ensure(tx, &job, now).await?;
    execute!(tx, "update scan set job_id = $1 where id = $2", attached.id, id)?;
    execute!(tx, "update image set scan_id = $1 where id = $2", id, image_id)?;
    note_one(tx, id, now).await?;
    Ok(Submitted { scan: id, joined: false })
}

/// Writes down that a scan changed: for those who follow, and on its image record.
pub(crate) async fn note_one(tx: &mut Tx, id: Uuid, now: Micros) -> Result<(), StoreError> {
    let sql = "insert into scan_change (scan_id, project_id, image_id, status, version, at)
               select id, project_id, image_id, status, version, $1 from scan where id = $2";
    execute!(tx, sql, now, id)?;
    let sql = "update image set status = (select status from scan where id = $1), changed_at = $2
               where scan_id = $1 and id = (select image_id from scan where id = $1)";
    execute!(tx, sql, id, now)?;
    Ok(())
}

/// The same, for all scans that wait for a job.
pub(crate) async fn note_all(tx: &mut Tx, job: i64, now: Micros) -> Result<(), StoreError> {
    let sql = "insert into scan_change (scan_id, project_id, image_id, status, version, at)
               select id, project_id, image_id, status, version, $1 from scan where job_id = $2";
    execute!(tx, sql, now, job)?;
    let sql = "update image set changed_at = $1,
               status = (select s.status from scan s where s.id = image.scan_id)
               where id in (select image_id from scan where job_id = $2)
               and scan_id in (select id from scan where job_id = $2)";
    execute!(tx, sql, now, job)?;
    Ok(())
}
