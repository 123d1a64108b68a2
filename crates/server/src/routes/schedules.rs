//! Schedules: scans of many images, again and again.

use app::{
    clock::rfc3339,
    schedules::{ScheduleError, ScheduleOrder, SchedulePatch, Selection},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use store::{Micros, Schedule, Timing};
use utoipa::ToSchema;

use super::{images::PageQuery, input, scan_all::SelectionBody, webhooks::yes};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// Microseconds of a second, and of a minute.
const SECOND: Micros = 1_000_000;
const MINUTE: Micros = 60 * SECOND;

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleBody {
    id: i64,
    /// The project whose images it scans; null for all.
    project_id: Option<i64>,
    name: String,
    selection: SelectionBody,
    /// Seconds between two runs; null when it runs daily.
    every_seconds: Option<i64>,
    /// The time of the day in UTC; null when it runs by an interval.
    #[schema(example = "03:30")]
    daily_at: Option<String>,
    /// Whether it runs.
    enabled: bool,
    /// When it runs next; null when it is turned off.
    #[schema(format = "date-time")]
    next_at: Option<String>,
    /// When it ran last.
    #[schema(format = "date-time")]
    last_at: Option<String>,
    /// Who made it.
    owner: String,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    changed_at: String,
}

impl TryFrom<Schedule> for ScheduleBody {
    type Error = ScheduleError;

    fn try_from(schedule: Schedule) -> Result<Self, ScheduleError> {
        let (every_seconds, daily_at) = match schedule.timing {
            Timing::Every(every) => (Some(every / SECOND), None),
            Timing::Daily(at) => (None, Some(format!("{:02}:{:02}", at / MINUTE / 60, at / MINUTE % 60))),
        };
        Ok(Self {
            id: schedule.id,
            project_id: schedule.project_id,
            name: schedule.name,
            selection: Selection::parse(&schedule.filter)?.into(),
            every_seconds,
            daily_at,
            enabled: schedule.enabled,
            next_at: schedule.enabled.then(|| rfc3339(schedule.next_at)),
            last_at: schedule.last_at.map(rfc3339),
            owner: schedule.owner,
            created_at: rfc3339(schedule.created_at),
            changed_at: rfc3339(schedule.changed_at),
        })
    }
}

/// A schedule to be. It runs either by an interval or daily.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSchedule {
    /// The project whose images it scans, by name; without it, the default one.
    project: Option<String>,
    /// Whether it scans the images of all projects, which takes an administrator.
    #[serde(default)]
    all_projects: bool,
    /// Unique in its project.
    #[schema(min_length = 1, max_length = 100, example = "nightly")]
    name: String,
    #[serde(default)]
    selection: SelectionBody,
    /// Seconds between two runs: five minutes to 366 days.
    #[schema(minimum = 300, maximum = 31622400)]
    every_seconds: Option<u64>,
    /// The time of the day in UTC.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "03:30")]
    daily_at: Option<String>,
    /// Whether it runs.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
}

/// What to change; what is absent stays. With another interval or time, its next run is counted from now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleChange {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// All of it.
    selection: Option<SelectionBody>,
    #[schema(minimum = 300, maximum = 31622400)]
    every_seconds: Option<u64>,
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    daily_at: Option<String>,
    enabled: Option<bool>,
}

/// The interval or the time of the day; `None` when neither is given.
fn timing(every: Option<u64>, daily: Option<&str>) -> Result<Option<Timing>, ScheduleError> {
    match (every, daily) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ScheduleError::Timing),
        (Some(seconds), None) => {
            let micros = Micros::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(SECOND));
            micros.map(|micros| Some(Timing::Every(micros))).ok_or(ScheduleError::Timing)
        }
        (None, Some(text)) => {
            let digits = |text: &str, end: Micros| -> Option<Micros> {
                let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                two.then(|| text.parse().ok()).flatten().filter(|number| *number < end)
            };
            let parts = text.split_once(':');
            let at = parts.and_then(|(hours, minutes)| Some((digits(hours, 24)?, digits(minutes, 60)?)));
            at.map(|(hours, minutes)| Some(Timing::Daily((hours * 60 + minutes) * MINUTE)))
                .ok_or(ScheduleError::Timing)
        }
    }
}

/// Schedules of the projects in which the caller is an operator; for administrators, those of all projects too.
#[utoipa::path(
    get, path = "/schedules", tag = "schedules", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<ScheduleBody>))
)]
pub(super) async fn list_schedules(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ScheduleBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: i64 = page::decode(query.cursor.as_deref())?.unwrap_or(0);
    let found = state.service.schedules(&caller, after, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    let items: Result<_, ScheduleError> = found.into_iter().map(TryInto::try_into).collect();
    Ok(Json(Page { items: items?, next }))
}

/// Makes a schedule. An interval is counted from now.
#[utoipa::path(
    post, path = "/schedules", tag = "schedules", request_body = NewSchedule,
    responses(
        (status = 201, description = "Made", body = ScheduleBody),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken, or there are too many", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_schedule(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewSchedule>,
) -> Result<Response, Problem> {
    let project = input::project_or_all(&state, &caller, body.project.as_deref(), body.all_projects).await?;
    let timing = timing(body.every_seconds, body.daily_at.as_deref())?.ok_or(ScheduleError::Timing)?;
    let selection = body.selection.parse()?;
    let order =
        ScheduleOrder { project, name: &body.name, selection: &selection, timing, enabled: body.enabled };
    let made = state.service.create_schedule(&caller, &order).await?;
    Ok((StatusCode::CREATED, Json(ScheduleBody::try_from(made)?)).into_response())
}

/// One schedule.
#[utoipa::path(
    get, path = "/schedules/{id}", tag = "schedules", params(("id" = i64, Path, description = "Number of the schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleBody))
)]
pub(super) async fn show_schedule(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<ScheduleBody>, Problem> {
    Ok(Json(state.service.schedule(&caller, id).await?.try_into()?))
}

/// Changes a schedule.
#[utoipa::path(
    patch, path = "/schedules/{id}", tag = "schedules", params(("id" = i64, Path, description = "Number of the schedule")),
    request_body = ScheduleChange,
    responses((status = 200, description = "The schedule as it is now", body = ScheduleBody),
              (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_schedule(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(body): Json<ScheduleChange>,
) -> Result<Json<ScheduleBody>, Problem> {
    let selection = body.selection.as_ref().map(SelectionBody::parse).transpose()?;
    let patch = SchedulePatch {
        name: body.name.as_deref(),
        selection: selection.as_ref(),
        timing: timing(body.every_seconds, body.daily_at.as_deref())?,
        enabled: body.enabled,
    };
    Ok(Json(state.service.change_schedule(&caller, id, &patch).await?.try_into()?))
}

/// Takes a schedule away; what it began goes on.
#[utoipa::path(
    delete, path = "/schedules/{id}", tag = "schedules", params(("id" = i64, Path, description = "Number of the schedule")),
    responses((status = 204, description = "Gone"))
)]
pub(super) async fn delete_schedule(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    state.service.delete_schedule(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_or_a_time_of_the_day() {
        for (every, daily, expected) in [
            (Some(300), None, Some(Timing::Every(300 * SECOND))),
            (None, Some("00:00"), Some(Timing::Daily(0))),
            (None, Some("23:59"), Some(Timing::Daily((23 * 60 + 59) * MINUTE))),
            (None, Some("24:00"), None),
            (None, Some("3:30"), None),
            (None, Some("+3:30"), None),
            (None, Some("03:60"), None),
            (None, Some("0330"), None),
            (Some(300), Some("03:30"), None),
            (Some(u64::MAX), None, None),
        ] {
            assert_eq!(timing(every, daily).ok().flatten(), expected, "{every:?} {daily:?}");
        }
        assert_eq!(timing(None, None).unwrap(), None);
    }
}
