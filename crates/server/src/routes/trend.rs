//! What projects had day by day.

use app::{clock::rfc3339, upkeep::TrendError};
use axum::extract::State;
use model::Role;
use serde::{Deserialize, Serialize};
use store::{DailyCount, Micros};
use utoipa::{IntoParams, ToSchema};

use super::input;
use crate::{
    auth::Ready,
    extract::{Json, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// Microseconds of a day.
const DAY: Micros = 24 * 3600 * 1_000_000;
/// Days unless another number is asked for, and at most.
const DEFAULT_DAYS: u32 = 30;
const MAX_DAYS: u32 = 1830;

/// What a project had at the end of a day, or has today as of the last count.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailyCount)]
pub(super) struct DailyCountBody {
    /// The day in UTC.
    #[schema(format = "date", example = "2026-11-21")]
    day: String,
    project_id: i64,
    /// Image records.
    images: i32,
    /// Those that have a report.
    scanned: i32,
    /// Those whose newest scan failed.
    failed: i32,
    /// Findings, each counted once for every image that has it.
    critical: i64,
    high: i64,
    medium: i64,
    low: i64,
    negligible: i64,
    /// Of no known severity.
    unknown: i64,
    /// Those, of any severity, that a newer version fixes.
    fixable: i64,
}

impl From<DailyCount> for DailyCountBody {
    fn from(count: DailyCount) -> Self {
        let mut day = rfc3339(Micros::from(count.day).saturating_mul(DAY));
        if let Some(end) = day.find('T') {
            day.truncate(end);
        }
        Self {
            day,
            project_id: count.project_id,
            images: count.images,
            scanned: count.scanned,
            failed: count.failed,
            critical: count.critical,
            high: count.high,
            medium: count.medium,
            low: count.low,
            negligible: count.negligible,
            unknown: count.unknown,
            fixable: count.fixable,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrendQuery {
    /// Only that project, by name.
    project: Option<String>,
    /// How many days, today among them: 30 unless said.
    #[param(minimum = 1, maximum = 1830)]
    days: Option<u32>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Images and findings day by day, of one project or of each that the caller sees: by day, then by project.
#[utoipa::path(
    get, path = "/trend", tag = "images", params(TrendQuery),
    responses((status = 200, description = "A page", body = Page<DailyCountBody>),
              (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn show_trend(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<TrendQuery>,
) -> Result<Json<Page<DailyCountBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Problem::malformed(
            "query-invalid",
            format!("days is {days}"),
            "Ask for 1 to 1830 days.",
        ));
    }
    let project = match &query.project {
        Some(name) => Some(input::project(&state, &caller, Some(name), Role::Viewer).await?),
        None => None,
    };
    let counts = state.service.trend(&caller, project, days).await?;
    let counts = page::cut(counts, query.cursor.as_deref(), limit)?;
    Ok(Json(Page { items: counts.items.into_iter().map(Into::into).collect(), next: counts.next }))
}

impl From<TrendError> for Problem {
    fn from(error: TrendError) -> Self {
        match error {
            TrendError::Access(error) => error.into(),
            TrendError::Store(error) => error.into(),
        }
    }
}
