//! Scans of many images: a walk over the image records, by number, some at a time.
//!
//! The position moves in the transaction that submits, and only from where its starter read it: whoever dies, and
//! however many walk, every image is submitted once.

use model::{JobClass, ScanStatus};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::{
    Micros,
    db::{Pools, Store, Tx, execute, read, read_row, read_rows, row},
    error::StoreError,
    event::{self, NewEvent},
    image::{self, Scope},
    scan::{NewScan, Submitted, submit_one},
};

/// Which images; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSelection {
    /// With that label.
    pub label: Option<(String, String)>,
    /// In that environment.
    pub environment: Option<String>,
    /// Of that registry.
    pub registry: Option<String>,
    /// Whose newest report is from before that time, or that have none.
    pub scanned_before: Option<Micros>,
}

/// A scan of many images to be.
#[derive(Clone, Copy, Debug)]
pub struct NewScanAll<'a> {
    /// What began it.
    pub schedule: Option<i64>,
    /// The project whose images are scanned; `None` for several.
    pub project: Option<i64>,
    /// Which projects, where there are several: JSON list of numbers; `None` for all.
    pub projects: Option<&'a str>,
    /// Which images: JSON.
    pub filter: &'a str,
    /// Who began it.
    pub started_by: &'a str,
    /// The request that did.
    pub request_id: &'a str,
    /// Images are numbered up to this; later ones are not part of it.
    pub last_image: i64,
    /// How many there are.
    pub total: u64,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanAllState {
    /// Images are still being submitted.
    Running,
    /// All are submitted; their scans may still wait or run.
    Submitted,
    /// Somebody stopped it.
    Stopped,
}

/// A scan of many images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanAll {
    /// Its number.
    pub id: i64,
    /// The schedule that began it.
    pub schedule_id: Option<i64>,
    /// The project; `None` for several.
    pub project_id: Option<i64>,
    /// Which projects, where there are several: JSON list of numbers; `None` for all.
    pub projects: Option<String>,
    /// Which images: JSON.
    pub filter: String,
    /// Who began it.
    pub started_by: String,
    /// The request that did.
    pub request_id: String,
    /// When.
    pub created_at: Micros,
    /// Images are numbered up to this.
    pub last_image: i64,
    /// The image that was looked at last.
    pub position: i64,
    /// How many images there were when it began.
    pub total: u64,
    /// How many were submitted.
    pub submitted: u64,
    /// How many could not be: what they came from is no image any more.
    pub skipped: u64,
    /// Where it stands.
    pub state: ScanAllState,
    /// When all were submitted, or it was stopped.
    pub finished_at: Option<Micros>,
}

#[derive(FromRow)]
struct ScanAllRecord {
    id: i64,
    schedule_id: Option<i64>,
    project_id: Option<i64>,
    projects: Option<String>,
    filter: String,
    started_by: String,
    request_id: String,
    created_at: i64,
    last_image: i64,
    position: i64,
    total: i32,
    submitted: i32,
    skipped: i32,
    state: i16,
    finished_at: Option<i64>,
}

const COLUMNS: &str =
    "select id, schedule_id, project_id, projects, filter, started_by, request_id, created_at,
    last_image, position, total, submitted, skipped, state, finished_at from scan_all where ";

impl ScanAllRecord {
    fn into_scan_all(self) -> ScanAll {
        let count = |count: i32| u64::try_from(count).unwrap_or(0);
        ScanAll {
            id: self.id,
            schedule_id: self.schedule_id,
            project_id: self.project_id,
            projects: self.projects,
            filter: self.filter,
            started_by: self.started_by,
            request_id: self.request_id,
            created_at: self.created_at,
            last_image: self.last_image,
            position: self.position,
            total: count(self.total),
            submitted: count(self.submitted),
            skipped: count(self.skipped),
            state: match self.state {
                0 => ScanAllState::Running,
                1 => ScanAllState::Submitted,
                _ => ScanAllState::Stopped,
            },
            finished_at: self.finished_at,
        }
    }
}

/// An image that is to be scanned again.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ImageToScan {
    /// Its number.
    pub id: i64,
    /// Its project.
    pub project_id: i64,
    /// The whole reference.
    pub reference: String,
    /// The platform; empty for the default.
    pub platform: String,
    /// Where the record comes from.
    pub source: String,
    /// What its newest scan opened; `None` when it never had one.
    pub opened: Option<String>,
}

/// What one step submits.
#[derive(Clone, Copy, Debug)]
pub struct ScanAllStep<'a> {
    /// Which scan of many images.
    pub id: i64,
    /// Where it stood when the images were read.
    pub from: i64,
    /// The image that was looked at last.
    pub to: i64,
    /// The scans.
    pub scans: &'a [NewScan<'a>],
    /// Images that cannot be scanned.
    pub skipped: u32,
    /// Whether no image is left.
    pub done: bool,
}

macro_rules! push_selection {
    ($query:ident, $scope:expr, $selection:expr, $lite:expr) => {{
        if let Some(projects) = $scope.projects() {
            image::push_in(&mut $query, " and i.project_id in (", projects);
        }
        if let Some(registry) = &$selection.registry {
            $query.push(" and i.registry = ").push_bind(registry.as_str());
        }
        if let Some(before) = $selection.scanned_before {
            $query.push(" and i.scanned_at < ").push_bind(before);
        }
        if let Some(environment) = &$selection.environment {
            $query
                .push(" and exists (select 1 from image_environment m join environment e on e.id = m.environment_id where m.image_id = i.id and e.name = ")
                .push_bind(environment.as_str())
                .push(")");
        }
        if let Some((name, value)) = &$selection.label {
            if $lite {
                $query.push(" and exists (select 1 from json_each(i.labels) l where l.key = ");
                $query.push_bind(name.as_str()).push(" and l.value = ").push_bind(value.as_str()).push(")");
            } else {
                $query.push(" and i.labels::jsonb ->> ").push_bind(name.as_str());
                $query.push(" = ").push_bind(value.as_str());
            }
        }
    }};
}

/// Begins one.
pub(crate) async fn append(tx: &mut Tx, new: &NewScanAll<'_>, now: Micros) -> Result<i64, StoreError> {
    let sql =
        "insert into scan_all (schedule_id, project_id, projects, filter, started_by, request_id, created_at,
               last_image, total) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id";
    let (id,): (i64,) = row!(
        tx,
        sql,
        new.schedule,
        new.project,
        new.projects,
        new.filter,
        new.started_by,
        new.request_id,
        now,
        new.last_image,
        i32::try_from(new.total).unwrap_or(i32::MAX),
    )?;
    Ok(id)
}

/// Writes down that a scan was asked for.
async fn initiated(
    tx: &mut Tx,
    scan_all: i64,
    scan: &NewScan<'_>,
    id: Uuid,
    now: Micros,
) -> Result<(), StoreError> {
    let object = format!("image:{}", scan.image.reference);
    let detail = serde_json::json!({ "scan": id, "class": scan.class.as_str(), "scan_all": scan_all });
    let event = NewEvent {
        actor: scan.requested_by,
        address: None,
        action: "scan.initiated",
        object: &object,
        project: Some(scan.image.project),
        request: Some(scan.request_id),
        detail: &detail.to_string(),
    };
    event::append(tx, &event, now).await?;
    Ok(())
}

impl Store {
    /// How many images are selected, and the largest number of any image.
    pub async fn count_selected(
        &self,
        scope: &Scope,
        selection: &ImageSelection,
    ) -> Result<(u64, i64), StoreError> {
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let count: i64 = read!(self, c => {
            let mut query = QueryBuilder::new("select count(*) from image i where 1 = 1");
            push_selection!(query, scope, selection, lite);
            query.build_query_scalar().fetch_one(c).await
        })?;
        let (last,): (i64,) = read_row!(self, "select coalesce(max(id), 0) from image")?;
        Ok((u64::try_from(count).unwrap_or(0), last))
    }

    /// The next selected images by number: those after one, up to another.
    pub async fn selected_images(
        &self,
        scope: &Scope,
        selection: &ImageSelection,
        (after, last): (i64, i64),
        limit: u32,
    ) -> Result<Vec<ImageToScan>, StoreError> {
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let images = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select i.id, i.project_id, i.reference, i.platform, i.source, s.source as opened from image i
                 left join scan s on s.id = i.scan_id where i.id > ",
            );
            query.push_bind(after).push(" and i.id <= ").push_bind(last);
            push_selection!(query, scope, selection, lite);
            query.push(" order by i.id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(images)
    }

    /// Begins a scan of many images: its number.
    pub async fn begin_scan_all(
        &self,
        new: &NewScanAll<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = append(&mut tx, new, now).await?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// One scan of many images.
    pub async fn scan_all(&self, id: i64) -> Result<Option<ScanAll>, StoreError> {
        let record: Option<ScanAllRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id = ").push_bind(id);
            query.build_query_as().fetch_optional(c).await
        })?;
        Ok(record.map(ScanAllRecord::into_scan_all))
    }

    /// Those of the projects in scope, newest first, before a number; those of several projects where `global`, or
    /// where this one began them.
    pub async fn scan_alls(
        &self,
        scope: &Scope,
        (global, starter): (bool, &str),
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ScanAll>, StoreError> {
        let records: Vec<ScanAllRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id < ").push_bind(before.unwrap_or(i64::MAX));
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and (project_id in (", projects);
                query.push(" or project_id is null)");
            }
            if !global {
                query.push(" and (project_id is not null or started_by = ").push_bind(starter).push(")");
            }
            query.push(" order by id desc limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(records.into_iter().map(ScanAllRecord::into_scan_all).collect())
    }

    /// Those that still submit, oldest first.
    pub async fn running_scan_alls(&self) -> Result<Vec<ScanAll>, StoreError> {
        let sql = "select id, schedule_id, project_id, projects, filter, started_by, request_id, created_at, last_image,
                   position, total, submitted, skipped, state, finished_at from scan_all
                   where state = 0 order by id limit 100";
        let records: Vec<ScanAllRecord> = read_rows!(self, sql)?;
        Ok(records.into_iter().map(ScanAllRecord::into_scan_all).collect())
    }

    /// Submits some images and moves the position; the audit log is told of every scan. `None`, and nothing submitted, when it does not stand at `from` any
    /// more: another process was quicker, or somebody stopped it.
    pub async fn submit_selected(
        &self,
        step: &ScanAllStep<'_>,
        now: Micros,
    ) -> Result<Option<Vec<Submitted>>, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update scan_all set position = $1, submitted = submitted + $2, skipped = skipped + $3,
                   state = case when $4 then 1 else 0 end, finished_at = case when $4 then $5 else finished_at end
                   where id = $6 and position = $7 and state = 0";
        let count = i32::try_from(step.scans.len()).unwrap_or(i32::MAX);
        let skipped = i32::try_from(step.skipped).unwrap_or(i32::MAX);
        let moved = execute!(&mut tx, sql, step.to, count, skipped, step.done, now, step.id, step.from)?;
        if moved == 0 {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(step.scans.len());
        for scan in step.scans {
            let submitted = submit_one(&mut tx, scan, now).await?;
            let sql = "insert into scan_all_scan (scan_all_id, scan_id, own) values ($1, $2, $3) on conflict do nothing";
            execute!(&mut tx, sql, step.id, submitted.scan, !submitted.joined)?;
            if !submitted.joined {
                initiated(&mut tx, step.id, scan, submitted.scan, now).await?;
            }
            all.push(submitted);
        }
        tx.commit().await?;
        Ok(Some(all))
    }

    /// Stops submitting. False when nothing was left to stop; then no event is written.
    pub async fn stop_scan_all(
        &self,
        id: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let open = "select 1 from scan_all_scan x join scan s on s.id = x.scan_id
                    where x.scan_all_id = scan_all.id and x.own and s.active_key is not null";
        let sql = format!(
            "update scan_all set state = 2, finished_at = $1 where id = $2 and (state = 0 or (state = 1 and exists ({open})))"
        );
        if execute!(&mut tx, sqlx::AssertSqlSafe(sql), now, id)? == 0 {
            return Ok(false);
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Scans that it asked for, that are not over, and that nobody else hastened meanwhile.
    pub async fn open_scans_of(&self, id: i64, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let sql = "select s.id from scan_all_scan x join scan s on s.id = x.scan_id
                   where x.scan_all_id = $1 and x.own and s.active_key is not null and s.class = $2
                   order by s.id limit $3";
        let open: Vec<(Uuid,)> = read_rows!(self, sql, id, JobClass::Scheduled.code(), i64::from(limit))?;
        Ok(open.into_iter().map(|(id,)| id).collect())
    }

    /// How many of its scans are in which status.
    pub async fn progress_of(&self, id: i64) -> Result<Vec<(ScanStatus, u64)>, StoreError> {
        let sql = "select s.status, count(*) from scan_all_scan x join scan s on s.id = x.scan_id
                   where x.scan_all_id = $1 group by s.status order by s.status";
        let counts: Vec<(i16, i64)> = read_rows!(self, sql, id)?;
        counts
            .into_iter()
            .map(|(status, count)| {
                let status = ScanStatus::from_code(status).ok_or(StoreError::Value("scan status"))?;
                Ok((status, u64::try_from(count).unwrap_or(0)))
            })
            .collect()
    }

    /// Jobs of a class that can be claimed now or later, counted up to a bound.
    pub async fn waiting_of(&self, class: JobClass, bound: u32) -> Result<u32, StoreError> {
        let sql = "select count(*) from (select 1 from job where state = 0 and class = $1 limit $2) waiting";
        let (count,): (i64,) = read_row!(self, sql, class.code(), i64::from(bound))?;
        Ok(u32::try_from(count).unwrap_or(0))
    }
}
