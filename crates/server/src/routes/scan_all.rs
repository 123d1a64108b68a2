//! Scans of many images: begun, followed, stopped.

use std::collections::BTreeMap;

use app::{
    clock::rfc3339,
    schedules::{ScanAllProgress, ScheduleError, Selection},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{Role, problem::explain};
use serde::{Deserialize, Serialize};
use store::{ScanAll, ScanAllState};
use utoipa::ToSchema;

use super::{images::PageQuery, input};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// Which images; without any of it, all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Selection)]
pub(super) struct SelectionBody {
    /// With that label: `name=value`.
    #[schema(max_length = 401, example = "team=payments")]
    label: Option<String>,
    /// In that environment.
    #[schema(min_length = 1, max_length = 200, example = "prod")]
    environment: Option<String>,
    /// Of that registry: `HOST` or `HOST:PORT`.
    #[schema(min_length = 1, max_length = 200)]
    registry: Option<String>,
    /// Whose newest report is older than so many seconds, or that have none.
    #[schema(minimum = 1)]
    older_than_seconds: Option<u64>,
}

impl SelectionBody {
    pub(super) fn parse(&self) -> Result<Selection, Problem> {
        let pair = |label: &str| {
            let pair = label.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            let hint = "Write it like team=payments.";
            pair.ok_or_else(|| Problem::invalid("selection-invalid", "label is not name=value", hint))
        };
        Ok(Selection {
            label: self.label.as_deref().map(pair).transpose()?,
            environment: self.environment.clone(),
            registry: self.registry.clone(),
            older_than: self.older_than_seconds,
        })
    }
}

impl From<Selection> for SelectionBody {
    fn from(selection: Selection) -> Self {
        Self {
            label: selection.label.map(|(name, value)| format!("{name}={value}")),
            environment: selection.environment,
            registry: selection.registry,
            older_than_seconds: selection.older_than,
        }
    }
}

/// Where a scan of many images stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScanAllState)]
pub(super) enum StateWord {
    /// Images are still being submitted.
    Running,
    /// All are submitted; their scans may still wait or run.
    Submitted,
    /// Somebody stopped it.
    Stopped,
}

/// A scan of many images.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScanAll)]
pub(super) struct ScanAllBody {
    id: i64,
    /// The schedule that began it.
    schedule_id: Option<i64>,
    /// The project; null for several.
    project_id: Option<i64>,
    selection: SelectionBody,
    /// Who began it.
    started_by: String,
    #[schema(format = "date-time")]
    created_at: String,
    state: StateWord,
    /// How many images there were when it began.
    total: u64,
    /// How many were submitted.
    submitted: u64,
    /// How many could not be: what they came from is no image any more.
    skipped: u64,
    /// When all were submitted, or it was stopped.
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    /// How many of its scans are in which status; told for one, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    scans: Option<BTreeMap<&'static str, u64>>,
    /// Whether nothing more will happen by itself; told for one, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<bool>,
}

impl TryFrom<ScanAll> for ScanAllBody {
    type Error = ScheduleError;

    fn try_from(run: ScanAll) -> Result<Self, ScheduleError> {
        Ok(Self {
            id: run.id,
            schedule_id: run.schedule_id,
            project_id: run.project_id,
            selection: Selection::parse(&run.filter)?.into(),
            started_by: run.started_by,
            created_at: rfc3339(run.created_at),
            state: match run.state {
                ScanAllState::Running => StateWord::Running,
                ScanAllState::Submitted => StateWord::Submitted,
                ScanAllState::Stopped => StateWord::Stopped,
            },
            total: run.total,
            submitted: run.submitted,
            skipped: run.skipped,
            finished_at: run.finished_at.map(rfc3339),
            scans: None,
            over: None,
        })
    }
}

impl TryFrom<ScanAllProgress> for ScanAllBody {
    type Error = ScheduleError;

    fn try_from(progress: ScanAllProgress) -> Result<Self, ScheduleError> {
        let over = Some(progress.is_over());
        let scans = progress.scans.into_iter().map(|(status, count)| (status.as_str(), count)).collect();
        Ok(Self { scans: Some(scans), over, ..progress.run.try_into()? })
    }
}

/// Which images to scan.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewScanAll {
    /// Only those of that project, by name; without it, of all in which the caller is an operator.
    project: Option<String>,
    #[serde(default)]
    selection: SelectionBody,
}

/// Scans of many images that the caller may see, newest first.
#[utoipa::path(
    get, path = "/scan-all", tag = "schedules", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<ScanAllBody>))
)]
pub(super) async fn list_scan_alls(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ScanAllBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before: Option<i64> = page::decode(query.cursor.as_deref())?;
    let found = state.service.scan_alls(&caller, before, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    let items: Result<_, ScheduleError> = found.into_iter().map(TryInto::try_into).collect();
    Ok(Json(Page { items: items?, next }))
}

/// Begins to scan many images, at the lowest urgency: nobody who waits for a scan waits for these.
#[utoipa::path(
    post, path = "/scan-all", tag = "schedules", request_body = NewScanAll,
    responses(
        (status = 202, description = "Begun", body = ScanAllBody),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "No image is selected", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start_scan_all(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewScanAll>,
) -> Result<Response, Problem> {
    let project = match &body.project {
        Some(name) => Some(input::project(&state, &caller, Some(name), Role::Operator).await?),
        None => None,
    };
    let begun = state.service.scan_all(&caller, project, &body.selection.parse()?).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanAllBody::try_from(begun)?)).into_response())
}

/// How far a scan of many images is.
#[utoipa::path(
    get, path = "/scan-all/{id}", tag = "schedules", params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, description = "Where it stands", body = ScanAllBody))
)]
pub(super) async fn show_scan_all(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<ScanAllBody>, Problem> {
    Ok(Json(state.service.scan_all_progress(&caller, id).await?.try_into()?))
}

/// Stops a scan of many images: nothing more is submitted, and what waits or runs for it alone is cancelled.
#[utoipa::path(
    delete, path = "/scan-all/{id}", tag = "schedules", params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, description = "Where it stands now", body = ScanAllBody),
              (status = 409, description = "It is over already", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn stop_scan_all(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<ScanAllBody>, Problem> {
    Ok(Json(state.service.stop_scan_all(&caller, id).await?.try_into()?))
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        use ScheduleError as E;
        let status = match error {
            E::Access(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::Name(_) | E::Timing | E::Selection(_) => StatusCode::UNPROCESSABLE_ENTITY,
            E::TooMany(_) | E::Over | E::Nothing => StatusCode::CONFLICT,
            E::Damaged => {
                tracing::error!(error = %explain(&error), "schedules do not work");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}
