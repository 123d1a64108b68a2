//! Scans: list, show, cancel.

use app::{
    clock,
    status::{ImageStatus, Subject},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::Role;
use serde::Deserialize;
use serde_json::json;
use store::{ScanFilter, Scope};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    input,
    status::{StatusBody, tell},
};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::ScanStatusWord,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ScansQuery {
    /// Of one image record.
    image: Option<i64>,
    /// In one status.
    status: Option<ScanStatusWord>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Scans that the caller sees, the newest first.
#[utoipa::path(
    get, path = "/scans", tag = "scans", params(ScansQuery),
    responses((status = 200, description = "A page", body = Page<StatusBody>))
)]
pub(super) async fn list_scans(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<ScansQuery>,
) -> Result<Json<Page<StatusBody>>, Problem> {
    let filter = ScanFilter {
        image: query.image,
        status: query.status.map(|word| word.0),
        before: page::decode(query.cursor.as_deref())?,
        limit: page::limit(query.limit)?,
    };
    page_of(&state, &caller.scope(), filter).await.map(Json)
}

/// A page of scans; without what must be looked up for each.
pub(super) async fn page_of(
    state: &AppState,
    scope: &Scope,
    mut filter: ScanFilter,
) -> Result<Page<StatusBody>, Problem> {
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    filter.limit += 1;
    let mut scans = state.service.store.scans(scope, &filter).await?;
    let more = scans.len() > limit;
    scans.truncate(limit);
    let next = scans.last().filter(|_| more).map(|last| page::encode(&last.id));
    Ok(Page { items: scans.iter().map(|scan| ImageStatus::of_scan(scan).into()).collect(), next })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Answer once the scan is over, at the latest after this time: `60s`, `5m`, at most ten minutes.
    #[param(pattern = "^[0-9]{1,4}[smh]?$", example = "0s")]
    wait: Option<String>,
}

/// Where one scan stands. `If-None-Match` with the tag of an earlier answer tells whether it moved.
#[utoipa::path(
    get, path = "/scans/{id}", tag = "scans", params(("id" = Uuid, Path, description = "The scan"), WaitQuery),
    responses(
        (status = 200, description = "The status", body = StatusBody),
        (status = 304, description = "It is as the client knows it"),
        (status = 503, description = "`not_ready`: the store does not answer, or nobody works",
         content((StatusBody = "application/json"), (problem::Body = "application/problem+json"))),
    )
)]
pub(super) async fn show_scan(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(query): Query<WaitQuery>,
) -> Result<Response, Problem> {
    tell(&state, &caller.scope(), &Subject::Scan(id), query.wait.as_deref(), &headers).await
}

/// Stops a scan; its work too when nobody else waits for it.
#[utoipa::path(
    delete, path = "/scans/{id}", tag = "scans", params(("id" = Uuid, Path, description = "The scan")),
    responses(
        (status = 200, description = "The scan, cancelled", body = StatusBody),
        (status = 409, description = "It is over already: `scan_over`", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel_scan(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<Uuid>,
) -> Result<Json<StatusBody>, Problem> {
    let scan = input::scan(&state, &caller, id, Role::Operator).await?;
    let about = || (Some(scan.reference.clone()), Some(id));
    if !state.service.store.cancel(id, &caller.name, clock::now()).await? {
        let hint = "Look at its status; nothing is left to stop.";
        let (image, scan) = about();
        return Err(
            Problem::new(StatusCode::CONFLICT, "scan_over", "the scan is over", hint).about(image, scan)
        );
    }
    state.service.touch();
    let detail = json!({ "scan": id });
    let note =
        caller.note("scan.cancelled", format!("image:{}", scan.reference), Some(scan.project_id), detail);
    state.service.store.record(&note.event(), clock::now()).await?;
    let told = state.service.status(&caller.scope(), &Subject::Scan(id)).await?;
    Ok(Json(told.into()))
}
