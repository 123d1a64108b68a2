//! `GET status`: where the scan of an image stands.

use app::{
    clock::rfc3339,
    status::{ImageStatus, Subject},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use model::ScanStatus;
use serde::{Deserialize, Serialize};
use store::Scope;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input;
use crate::{
    auth::Ready,
    etag::tagged,
    extract::Query,
    problem::{self, Problem},
    state::AppState,
    words::{FacetsBody, FailureReasonWord, JobClassWord, PhaseWord, ScanStatusWord, Word},
};

/// Where the scan of an image stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusBody {
    /// The status; the words never change.
    status: ScanStatusWord,
    /// The line that people read.
    #[schema(example = "Scan completed")]
    text: String,
    /// Why it failed.
    reason: Option<FailureReasonWord>,
    /// What it, or its last attempt, said of its end.
    detail: Option<String>,
    /// What to do next.
    hint: Option<String>,
    /// The image's reference.
    #[schema(example = "registry.example.com/team/app:1.0")]
    image: String,
    /// Its platform; empty for the default.
    platform: String,
    /// The image record.
    image_id: Option<i64>,
    /// Digest of the platform's manifest, once known.
    digest: Option<String>,
    /// The scan.
    scan: Option<Uuid>,
    /// How urgent it is.
    class: Option<JobClassWord>,
    requested_by: Option<String>,
    #[schema(format = "date-time")]
    requested_at: Option<String>,
    #[schema(format = "date-time")]
    started_at: Option<String>,
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    /// Grows with every change of the scan.
    version: i64,
    /// What is being done; of running scans.
    phase: Option<PhaseWord>,
    progress: Option<ProgressBody>,
    /// Jobs that come before it, up to a thousand; of waiting scans.
    position: Option<u32>,
    /// When work on it should begin, by what scans took lately.
    #[schema(format = "date-time")]
    starts_at: Option<String>,
    /// The attempt that is made or comes next, from 1.
    attempt: u32,
    /// Attempts until it is given up.
    max_attempts: u32,
    /// When the next attempt begins.
    #[schema(format = "date-time")]
    next_at: Option<String>,
    missing: Option<MissingBody>,
    /// Whether something may have gone unseen; of completed scans.
    partial: bool,
    last_completed: Option<LastCompletedBody>,
}

/// How far a running scan is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(super) struct ProgressBody {
    layers_done: u32,
    /// Layers in all; 0 while not known.
    layers: u32,
    bytes_done: u64,
    bytes: u64,
}

/// Advisories that are missing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Missing)]
pub(super) struct MissingBody {
    shards: Vec<String>,
    /// Whether they are being fetched right now; when not, waiting ends at once.
    fetching: bool,
    /// Why they could not be had.
    why: String,
}

/// The report that can be read now, whatever the status of a newer scan.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LastCompleted)]
pub(super) struct LastCompletedBody {
    scan: Uuid,
    report: i64,
    #[schema(format = "date-time")]
    finished_at: String,
    /// Open findings: of an image by today's advisories, of a scan as it was reported.
    facets: FacetsBody,
    partial: bool,
}

impl From<ImageStatus> for StatusBody {
    fn from(status: ImageStatus) -> Self {
        Self {
            status: Word(status.status),
            text: status.text,
            reason: status.reason.map(Word),
            detail: status.detail,
            hint: status.hint,
            image: status.image,
            platform: status.platform,
            image_id: status.image_id,
            digest: status.digest,
            scan: status.scan,
            class: status.class.map(Word),
            requested_by: status.requested_by,
            requested_at: status.requested_at.map(rfc3339),
            started_at: status.started_at.map(rfc3339),
            finished_at: status.finished_at.map(rfc3339),
            version: status.version,
            phase: status.phase.map(Word),
            progress: status.progress.map(|progress| ProgressBody {
                layers_done: progress.layers_done,
                layers: progress.layers,
                bytes_done: progress.bytes_done,
                bytes: progress.bytes,
            }),
            position: status.position,
            starts_at: status.starts_at.map(rfc3339),
            attempt: status.attempt,
            max_attempts: status.max_attempts,
            next_at: status.next_at.map(rfc3339),
            missing: status.missing.map(|missing| MissingBody {
                shards: missing.shards,
                fetching: missing.fetching,
                why: missing.why,
            }),
            partial: status.partial,
            last_completed: status.last_completed.map(|last| LastCompletedBody {
                scan: last.scan,
                report: last.report,
                finished_at: rfc3339(last.finished_at),
                facets: last.facets.into(),
                partial: last.partial,
            }),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// The image: a reference or a digest. This or `scan` must be given.
    #[param(example = "registry.example.com/team/app:1.0")]
    image: Option<String>,
    /// One scan.
    scan: Option<Uuid>,
    /// Of that platform only.
    #[param(example = "linux/amd64")]
    platform: Option<String>,
    /// Answer once the scan is over, at the latest after this time: `60s`, `5m`, at most ten minutes.
    #[param(pattern = "^[0-9]{1,4}[smh]?$", example = "0s")]
    wait: Option<String>,
}

/// Where the scan of an image stands. With `wait`, answers once nothing more follows: the scan is over, was never
/// asked for, or waits for advisories that nobody fetches.
#[utoipa::path(
    get, path = "/status", tag = "status", params(StatusQuery),
    responses(
        (status = 200, description = "The status", body = StatusBody),
        (status = 304, description = "It is as the client knows it"),
        (status = 404, description = "The image is not known here: `image_not_known`", body = problem::Body, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`: the store does not answer, or nobody works",
         content((StatusBody = "application/json"), (problem::Body = "application/problem+json"))),
    )
)]
pub(super) async fn show_status(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Query(query): Query<StatusQuery>,
) -> Result<Response, Problem> {
    let subject = match (query.image, query.scan) {
        (Some(image), None) => {
            let image = input::text(image, "image", 4096)?;
            Subject::Image {
                image,
                platform: input::platform(query.platform.as_deref())?.map(|p| p.to_string()),
            }
        }
        (None, Some(scan)) => Subject::Scan(scan),
        _ => {
            let detail = "exactly one of image and scan must be given";
            return Err(Problem::malformed("query-invalid", detail, "Name an image, or the id of a scan."));
        }
    };
    tell(&state, &caller.scope(), &subject, query.wait.as_deref(), &headers).await
}

/// Answers with a status, after waiting for it.
pub(super) async fn tell(
    state: &AppState,
    scope: &Scope,
    subject: &Subject,
    wait: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let wait = wait.map(input::duration).transpose()?.filter(|_| state.is_working());
    let told = match wait {
        None => state.service.status(scope, subject).await?,
        Some(wait) => tokio::select! {
            told = state.service.wait_status(scope, subject, wait) => told?,
            () = state.stopped() => state.service.status(scope, subject).await?,
        },
    };
    Ok(answer(state, told, headers))
}

/// A status as an answer: `not_ready` when nobody works on what waits.
pub(super) fn answer(state: &AppState, status: ImageStatus, headers: &HeaderMap) -> Response {
    let idle = !status.is_settled() && status.status != ScanStatus::NotReady && !state.is_working();
    let status = if idle {
        let last_completed = status.last_completed;
        let mut told = ImageStatus::not_ready(&status.image, "no worker is alive");
        (told.scan, told.image_id, told.digest) = (status.scan, status.image_id, status.digest);
        ImageStatus { last_completed, ..told }
    } else {
        status
    };
    let ready = status.status != ScanStatus::NotReady;
    let body = StatusBody::from(status);
    if !ready {
        return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response();
    }
    // An estimate moves on by itself, which is no change.
    let same = StatusBody { starts_at: None, ..body.clone() };
    tagged(headers, &body, &same)
}
