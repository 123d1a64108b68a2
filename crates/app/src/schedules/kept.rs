//! Schedules as people keep them: who may, what is refused, and what the audit log is told.

use model::Role;
use serde_json::json;
use store::{NewSchedule, Schedule, ScheduleChange, StoreError, Timing};

use super::{
    error::ScheduleError,
    scan_all::Selection,
    timing::{is_sound, next_time},
};
use crate::{
    accounts::{AccessError, Caller},
    clock,
    service::Service,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;
/// Schedules that there may be.
const MAX_SCHEDULES: u32 = 500;
/// Most characters of a name.
const MAX_NAME: usize = 100;

/// A schedule to be.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleOrder<'a> {
    /// The project whose images it scans; `None` for all, which takes an administrator.
    pub project: Option<i64>,
    /// What it is called, unique in its project.
    pub name: &'a str,
    /// Which images.
    pub selection: &'a Selection,
    /// When.
    pub timing: Timing,
    /// Whether it runs.
    pub enabled: bool,
}

/// What is to be changed of a schedule; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedulePatch<'a> {
    /// What it is called.
    pub name: Option<&'a str>,
    /// Which images.
    pub selection: Option<&'a Selection>,
    /// When.
    pub timing: Option<Timing>,
    /// Whether it runs.
    pub enabled: Option<bool>,
}

impl Service {
    /// Makes a schedule. An interval is counted from now.
    ///
    /// # Errors
    /// When the caller may not, the order cannot be taken, or its name is taken.
    pub async fn create_schedule(
        &self,
        caller: &Caller,
        order: &ScheduleOrder<'_>,
    ) -> Result<Schedule, ScheduleError> {
        may(caller, order.project)?;
        let name = check_name(order.name)?;
        if !is_sound(order.timing) {
            return Err(ScheduleError::Timing);
        }
        let filter = order.selection.to_text()?;
        let there = self.store.schedules(&store::Scope::All, true, 0, MAX_SCHEDULES).await?.len();
        if u32::try_from(there).is_ok_and(|there| there >= MAX_SCHEDULES) {
            return Err(ScheduleError::TooMany(there));
        }
        let now = clock::now();
        let new = NewSchedule {
            project: order.project,
            name,
            filter: &filter,
            timing: order.timing,
            enabled: order.enabled,
            next_at: next_time(order.timing, now, now),
            owner: &caller.name,
        };
        let detail = json!({
            "selection": order.selection, "timing": words(order.timing), "enabled": order.enabled,
        });
        let note = caller.note("schedule.created", object(name), order.project, detail);
        let id = self.store.create_schedule(&new, &note.event(), now).await?;
        Ok(self.store.schedule(id).await?.ok_or(StoreError::NotFound("schedule"))?)
    }

    /// One schedule.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see its project.
    pub async fn schedule(&self, caller: &Caller, id: i64) -> Result<Schedule, ScheduleError> {
        let schedule = self.store.schedule(id).await?.ok_or(StoreError::NotFound("schedule"))?;
        match may(caller, schedule.project_id) {
            // Whether there is one is not told.
            Err(ScheduleError::Access(AccessError::Project)) => Err(StoreError::NotFound("schedule").into()),
            Err(error) => Err(error),
            Ok(()) => Ok(schedule),
        }
    }

    /// Schedules of the projects in which the caller is an operator, by number, those after one; administrators see
    /// those of all projects too.
    pub async fn schedules(
        &self,
        caller: &Caller,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Schedule>, ScheduleError> {
        let global = caller.may(Role::Admin, None).is_ok();
        let scope = caller.scope_as(Role::Operator);
        Ok(self.store.schedules(&scope, global, after, limit.min(MAX_PAGE)).await?)
    }

    /// Changes a schedule. With another timing, or turned on again, its next run is counted from now.
    ///
    /// # Errors
    /// As for [`Self::create_schedule`] and [`Self::schedule`].
    pub async fn change_schedule(
        &self,
        caller: &Caller,
        id: i64,
        patch: &SchedulePatch<'_>,
    ) -> Result<Schedule, ScheduleError> {
        let before = self.schedule(caller, id).await?;
        let name = patch.name.map(check_name).transpose()?;
        if patch.timing.is_some_and(|timing| !is_sound(timing)) {
            return Err(ScheduleError::Timing);
        }
        let filter = patch.selection.map(Selection::to_text).transpose()?;
        let now = clock::now();
        let next = next_time(patch.timing.unwrap_or(before.timing), now, now);
        let change = ScheduleChange {
            name,
            filter: filter.as_deref(),
            timing: patch.timing.map(|timing| (timing, next)),
            enabled: patch
                .enabled
                .filter(|enabled| *enabled != before.enabled)
                .map(|enabled| (enabled, next)),
        };
        let mut detail = serde_json::Map::new();
        detail.extend(name.map(|name| ("name".to_owned(), json!(name))));
        detail.extend(patch.selection.map(|selection| ("selection".to_owned(), json!(selection))));
        detail.extend(patch.timing.map(|timing| ("timing".to_owned(), words(timing))));
        detail.extend(patch.enabled.map(|enabled| ("enabled".to_owned(), json!(enabled))));
        let note = caller.note("schedule.changed", object(&before.name), before.project_id, detail.into());
        self.store.change_schedule(id, &change, &note.event(), now).await?;
        Ok(self.store.schedule(id).await?.ok_or(StoreError::NotFound("schedule"))?)
    }

    /// Takes a schedule away. What it began goes on.
    ///
    /// # Errors
    /// As for [`Self::schedule`].
    pub async fn delete_schedule(&self, caller: &Caller, id: i64) -> Result<(), ScheduleError> {
        let schedule = self.schedule(caller, id).await?;
        let note = caller.note("schedule.deleted", object(&schedule.name), schedule.project_id, json!({}));
        Ok(self.store.delete_schedule(id, &note.event(), clock::now()).await?)
    }
}

/// Operators keep the schedules of their projects, administrators those of all.
fn may(caller: &Caller, project: Option<i64>) -> Result<(), ScheduleError> {
    let needed = if project.is_some() { Role::Operator } else { Role::Admin };
    Ok(caller.may(needed, project)?)
}

fn check_name(text: &str) -> Result<&str, ScheduleError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ScheduleError::Name(name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()));
    }
    Ok(name)
}

/// A timing as the audit log tells it.
fn words(timing: Timing) -> serde_json::Value {
    match timing {
        Timing::Every(every) => json!({ "every_seconds": every / 1_000_000 }),
        Timing::Daily(at) => {
            let minutes = at / 60_000_000;
            json!({ "daily_at": format!("{:02}:{:02}", minutes / 60, minutes % 60) })
        }
    }
}

fn object(name: &str) -> String {
    format!("schedule:{name}")
}
