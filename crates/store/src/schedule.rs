//! Schedules: when many images are scanned again by themselves.
//!
//! A run begins in the transaction that moves the schedule's next time, and only while that is what its starter read:
//! of several processes, one begins it.

use sqlx::{FromRow, QueryBuilder};

use crate::{
    Micros,
    db::{Store, execute, maybe, read, read_rows},
    error::StoreError,
    event::{self, NewEvent},
    image::{self, Scope},
    scan_all::{self, NewScanAll},
};

/// When a schedule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Always so long after the last time, in microseconds.
    Every(Micros),
    /// Every day, so many microseconds after midnight UTC.
    Daily(Micros),
}

/// A schedule to be.
#[derive(Clone, Copy, Debug)]
pub struct NewSchedule<'a> {
    /// The project whose images it scans; `None` for all.
    pub project: Option<i64>,
    /// What it is called, unique in its project.
    pub name: &'a str,
    /// Which images: JSON.
    pub filter: &'a str,
    /// When.
    pub timing: Timing,
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs first.
    pub next_at: Micros,
    /// Who made it.
    pub owner: &'a str,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its number.
    pub id: i64,
    /// The project whose images it scans; `None` for all.
    pub project_id: Option<i64>,
    /// What it is called.
    pub name: String,
    /// Which images: JSON.
    pub filter: String,
    /// When.
    pub timing: Timing,
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs next.
    pub next_at: Micros,
    /// When it ran last.
    pub last_at: Option<Micros>,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub changed_at: Micros,
}

/// What may be changed of a schedule; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScheduleChange<'a> {
    /// What it is called.
    pub name: Option<&'a str>,
    /// Which images: JSON.
    pub filter: Option<&'a str>,
    /// When, and when next.
    pub timing: Option<(Timing, Micros)>,
    /// Whether it runs, and when next.
    pub enabled: Option<(bool, Micros)>,
}

#[derive(FromRow)]
struct ScheduleRecord {
    id: i64,
    project_id: Option<i64>,
    name: String,
    filter: String,
    every: Option<i64>,
    daily_at: Option<i64>,
    enabled: bool,
    next_at: i64,
    last_at: Option<i64>,
    owner: String,
    created_at: i64,
    changed_at: i64,
}

const COLUMNS: &str =
    "select id, project_id, name, filter, every, daily_at, enabled, next_at, last_at, owner,
    created_at, changed_at from schedule where ";

impl ScheduleRecord {
    fn into_schedule(self) -> Result<Schedule, StoreError> {
        let timing = match (self.every, self.daily_at) {
            (Some(every), None) => Timing::Every(every),
            (None, Some(at)) => Timing::Daily(at),
            _ => return Err(StoreError::Value("time of a schedule")),
        };
        Ok(Schedule {
            id: self.id,
            project_id: self.project_id,
            name: self.name,
            filter: self.filter,
            timing,
            enabled: self.enabled,
            next_at: self.next_at,
            last_at: self.last_at,
            owner: self.owner,
            created_at: self.created_at,
            changed_at: self.changed_at,
        })
    }
}

const fn columns_of(timing: Timing) -> (Option<Micros>, Option<Micros>) {
    match timing {
        Timing::Every(every) => (Some(every), None),
        Timing::Daily(at) => (None, Some(at)),
    }
}

impl Store {
    /// Makes a schedule: its number.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its project has one of that name; [`StoreError::NotFound`] when there is no such
    /// project.
    pub async fn create_schedule(
        &self,
        new: &NewSchedule<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(project) = new.project {
            let there: Option<(i64,)> = maybe!(&mut tx, "select id from project where id = $1", project)?;
            there.ok_or(StoreError::NotFound("project"))?;
        }
        let (every, daily_at) = columns_of(new.timing);
        let sql = "insert into schedule (project_id, name, filter, every, daily_at, enabled, next_at, owner,
                   created_at, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
                   on conflict do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            new.project,
            new.name,
            new.filter,
            every,
            daily_at,
            new.enabled,
            new.next_at,
            new.owner,
            now,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a schedule")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// One schedule.
    pub async fn schedule(&self, id: i64) -> Result<Option<Schedule>, StoreError> {
        let record: Option<ScheduleRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id = ").push_bind(id);
            query.build_query_as().fetch_optional(c).await
        })?;
        record.map(ScheduleRecord::into_schedule).transpose()
    }

    /// Schedules of the projects in scope by number, those after one; with those of all projects where `global`.
    pub async fn schedules(
        &self,
        scope: &Scope,
        global: bool,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Schedule>, StoreError> {
        let records: Vec<ScheduleRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id > ").push_bind(after);
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and (project_id in (", projects);
                query.push(" or project_id is null)");
            }
            if !global {
                query.push(" and project_id is not null");
            }
            query.push(" order by id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        records.into_iter().map(ScheduleRecord::into_schedule).collect()
    }

    /// Changes a schedule.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such schedule; [`StoreError::Exists`] when the new name is taken.
    pub async fn change_schedule(
        &self,
        id: i64,
        change: &ScheduleChange<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update schedule set name = coalesce($1, name), filter = coalesce($2, filter),
                   enabled = coalesce($3, enabled), next_at = coalesce($4, next_at), changed_at = $5 where id = $6";
        let next = change.timing.map(|(_, next)| next).or(change.enabled.map(|(_, next)| next));
        let changed = execute!(
            &mut tx,
            sql,
            change.name,
            change.filter,
            change.enabled.map(|(enabled, _)| enabled),
            next,
            now,
            id,
        );
        match changed {
            Ok(0) => return Err(StoreError::NotFound("schedule")),
            Ok(_) => {}
            Err(error) if error.is_duplicate() => return Err(StoreError::Exists("a schedule")),
            Err(error) => return Err(error),
        }
        if let Some((timing, _)) = change.timing {
            let (every, daily_at) = columns_of(timing);
            let sql = "update schedule set every = $1, daily_at = $2 where id = $3";
            execute!(&mut tx, sql, every, daily_at, id)?;
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Takes a schedule away. What it began goes on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such schedule.
    pub async fn delete_schedule(
        &self,
        id: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from schedule where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("schedule"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Schedules whose time has come.
    pub async fn due_schedules(&self, now: Micros, limit: u32) -> Result<Vec<Schedule>, StoreError> {
        let sql = "select id, project_id, name, filter, every, daily_at, enabled, next_at, last_at, owner, created_at,
                   changed_at from schedule where enabled and next_at <= $1 order by next_at limit $2";
        let records: Vec<ScheduleRecord> = read_rows!(self, sql, now, i64::from(limit))?;
        records.into_iter().map(ScheduleRecord::into_schedule).collect()
    }

    /// Begins a run of a schedule, which runs again at `next_at`: the number of what was begun. `None` when another
    /// process did, the schedule changed meanwhile, or its last run still submits; then this run is left out.
    pub async fn run_schedule(
        &self,
        schedule: &Schedule,
        next_at: Micros,
        run: &NewScanAll<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let sql =
            "update schedule set next_at = $1 where id = $2 and next_at = $3 and changed_at = $4 and enabled";
        if execute!(&mut tx, sql, next_at, schedule.id, schedule.next_at, schedule.changed_at)? == 0 {
            return Ok(None);
        }
        let sql = "select id from scan_all where schedule_id = $1 and state = 0 limit 1";
        let running: Option<(i64,)> = maybe!(&mut tx, sql, schedule.id)?;
        let begun = if running.is_some() {
            None
        } else {
            execute!(&mut tx, "update schedule set last_at = $1 where id = $2", now, schedule.id)?;
            event::append(&mut tx, event, now).await?;
            let run = NewScanAll { schedule: Some(schedule.id), ..*run };
            Some(scan_all::append(&mut tx, &run, now).await?)
        };
        tx.commit().await?;
        Ok(begun)
    }
}
