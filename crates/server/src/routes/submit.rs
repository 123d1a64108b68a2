//! Asking for scans: one or many at once, again, and the same request twice.

use app::{
    accounts::Caller,
    clock,
    submit::{PullSecret, Requester, ScanOrder, Target},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{JobClass, Role};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use store::{NewIdempotency, Scan};
use utoipa::ToSchema;
use uuid::Uuid;

use super::input;
use crate::{
    auth::Ready,
    extract::{Json, Path},
    problem::{self, Problem},
    state::AppState,
    words::JobClassWord,
};

/// Images of one request.
const MAX_IMAGES: usize = 1000;
/// How long an idempotency key is remembered.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Which images to scan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitBody {
    /// References, or `s3://BUCKET/KEY`.
    #[schema(min_items = 1, max_items = 1000, example = json!(["registry.example.com/team/app:1.0"]))]
    images: Vec<String>,
    /// How urgent it is: pipeline unless said.
    class: Option<JobClassWord>,
    /// The platform to choose from an index.
    #[schema(example = "linux/amd64")]
    platform: Option<String>,
    /// The project of the image records, by name; without it, the default one.
    project: Option<String>,
    /// For the registries of these images: sealed, and gone when the scans are over.
    credentials: Option<CredentialsBody>,
}

/// Credentials for a registry.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialsBody {
    #[schema(max_length = 1000)]
    username: String,
    #[serde(skip_serializing)]
    #[schema(max_length = 20000, format = "password")]
    password: String,
}

impl std::fmt::Debug for CredentialsBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CredentialsBody(hidden)")
    }
}

/// The scans that will answer, in the order of the images.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Submission {
    scans: Vec<SubmittedBody>,
}

/// A scan that was asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Submitted)]
pub(super) struct SubmittedBody {
    id: Uuid,
    /// The image's whole reference.
    image: String,
    /// Whether it was under way already.
    joined: bool,
}

/// Asks for scans, all or none. Equal requests join the scan that is under way. With `Idempotency-Key`, the same
/// request is answered the same for a day.
#[utoipa::path(
    post, path = "/scans", tag = "scans", request_body = SubmitBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Any text of the client's, up to 200 characters",
            min_length = 1, max_length = 200, pattern = "^[!-~]+$")),
    responses(
        (status = 202, description = "Accepted", body = Submission),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit_scans(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Json(body): Json<SubmitBody>,
) -> Result<Response, Problem> {
    let project = input::project(&state, &caller, body.project.as_deref(), Role::Operator).await?;
    let remembered = remembered(&caller, &headers, project, &body)?;
    if let Some(idempotency) = &remembered
        && let Some(answer) = known(&state, idempotency).await?
    {
        return Ok(answer);
    }
    if body.images.is_empty() || body.images.len() > MAX_IMAGES {
        let detail = format!("{} images are named", body.images.len());
        return Err(Problem::invalid("images-invalid", detail, "Name 1 to 1000 images."));
    }
    let platform = input::platform(body.platform.as_deref()).map_err(unprocessable)?;
    let secret = body.credentials.as_ref();
    let orders = body
        .images
        .iter()
        .map(|image| {
            let secret =
                secret.map(|c| PullSecret { username: c.username.clone(), password: c.password.clone() });
            let target = Target::parse(image)?;
            Ok(ScanOrder { target, platform: platform.clone(), secret })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let class = body.class.map_or(JobClass::Pipeline, |word| word.0);
    let submission = submit(&state, &caller, &orders, (project, class, "submit")).await?;
    if let Some(idempotency) = &remembered {
        let answer = serde_json::to_string(&submission).unwrap_or_default();
        let new = NewIdempotency { scans: &answer, ..idempotency.as_new() };
        state.service.store.remember_request(&new, clock::now()).await?;
        // Of two at once, the first that was remembered answers both.
        if let Some(answer) = known(&state, idempotency).await? {
            return Ok(answer);
        }
    }
    Ok(accepted(&submission))
}

pub(super) fn accepted(submission: &Submission) -> Response {
    let mut response = (StatusCode::ACCEPTED, axum::Json(submission)).into_response();
    if let [scan] = submission.scans.as_slice()
        && let Ok(location) = format!("/api/portal/v1/scans/{}", scan.id).parse()
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What the body asks for is understood, but cannot be done.
fn unprocessable(problem: Problem) -> Problem {
    problem.with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

/// Asks for scans in the name of a caller, and writes that down.
pub(super) async fn submit(
    state: &AppState,
    caller: &Caller,
    orders: &[ScanOrder],
    (project, class, source): (i64, JobClass, &str),
) -> Result<Submission, Problem> {
    let request_id = caller.origin.request.as_deref().unwrap_or_default();
    let requester = Requester { project, name: &caller.name, request_id, class, source };
    let submitted = state.service.submit(orders, requester).await?;
    let mut scans = Vec::with_capacity(orders.len());
    for (order, submitted) in orders.iter().zip(submitted) {
        let image = order.target.reference();
        if !submitted.joined {
            let detail = json!({ "scan": submitted.scan, "class": class.as_str() });
            let note = caller.note("scan.initiated", format!("image:{image}"), Some(project), detail);
            state.service.store.record(&note.event(), clock::now()).await?;
        }
        tracing::info!(scan = %submitted.scan, %image, joined = submitted.joined, "a scan is asked for");
        scans.push(SubmittedBody { id: submitted.scan, image, joined: submitted.joined });
    }
    Ok(Submission { scans })
}

/// A request with the key that its sender chose.
struct Remembered {
    key: [u8; 32],
    request: [u8; 32],
}

impl Remembered {
    fn as_new(&self) -> NewIdempotency<'_> {
        let expires_at = clock::now().saturating_add(clock::micros(REMEMBERED));
        NewIdempotency { key: &self.key, request: &self.request, scans: "", expires_at }
    }
}

fn remembered(
    caller: &Caller,
    headers: &HeaderMap,
    project: i64,
    body: &SubmitBody,
) -> Result<Option<Remembered>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let fits = (1..=200).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    if !fits {
        let detail = "the idempotency key is no text of 1 to 200 visible characters";
        return Err(Problem::malformed("idempotency-key-invalid", detail, "Use a UUID."));
    }
    let hash = |parts: &[&[u8]]| {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    };
    let text = serde_json::to_vec(body).unwrap_or_default();
    Ok(Some(Remembered {
        key: hash(&[caller.name.as_bytes(), value.as_bytes()]),
        request: hash(&[&project.to_le_bytes(), &text]),
    }))
}

/// The answer to an earlier request with that key.
async fn known(state: &AppState, remembered: &Remembered) -> Result<Option<Response>, Problem> {
    let found = state.service.store.remembered_request(&remembered.key, clock::now()).await?;
    let Some((request, scans)) = found else { return Ok(None) };
    if request != remembered.request {
        let detail = "the idempotency key came with another request before";
        return Err(Problem::invalid(
            "idempotency-key-reused",
            detail,
            "Use another key for another request.",
        ));
    }
    let submission: Option<Submission> = serde_json::from_str(&scans).ok();
    Ok(submission.map(|submission| accepted(&submission)))
}

/// Asks for the same scan again. Credentials that came with it are gone.
#[utoipa::path(
    post, path = "/scans/{id}/retry", tag = "scans", params(("id" = Uuid, Path, description = "The scan")),
    responses(
        (status = 202, description = "Accepted", body = Submission),
        (status = 409, description = "It is not over (`scan_active`), or its upload is gone (`upload_gone`)",
         body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry_scan(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let scan = input::scan(&state, &caller, id, Role::Operator).await?;
    let conflict = |code: &str, detail: &str, hint: &str| {
        Problem::new(StatusCode::CONFLICT, code, detail, hint).about(Some(scan.reference.clone()), Some(id))
    };
    if !scan.status.is_terminal() {
        return Err(conflict("scan_active", "the scan is not over", "Wait for its end, or cancel it."));
    }
    let target = target_of(&state, &scan).await.ok_or_else(|| {
        conflict("upload_gone", "what was scanned is not here any more", "Upload it again.")
    })?;
    let order = ScanOrder { target, platform: scan.platform.parse().ok(), secret: None };
    let what = (scan.project_id, scan.class, "submit");
    let submission = submit(&state, &caller, &[order], what).await?;
    Ok(accepted(&submission))
}

async fn target_of(state: &AppState, scan: &Scan) -> Option<Target> {
    match scan.source.strip_prefix("upload:") {
        None => Target::parse(&scan.source).ok(),
        Some(file) => {
            let there = tokio::fs::try_exists(state.service.uploads().join(file)).await.unwrap_or(false);
            there.then(|| Target::Upload { name: scan.reference.clone(), file: file.to_owned() })
        }
    }
}
