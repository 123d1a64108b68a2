//! Watches: repositories of a registry whose new tags are scanned.

use std::time::Duration;

use app::{
    clock::{self, rfc3339},
    watches::{MadeWatch, WatchError, WatchOrder, WatchPatch},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{Role, problem::explain};
use serde::{Deserialize, Serialize};
use store::{Watch, WatchPatterns};
use utoipa::ToSchema;

use super::{images::PageQuery, input, webhooks::yes};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// A watch, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Watch)]
pub(super) struct WatchBody {
    id: i64,
    /// The project of the images that it finds.
    project_id: i64,
    name: String,
    /// `HOST` or `HOST:PORT`.
    registry: String,
    /// A repository, or a pattern of them.
    repository: String,
    /// Patterns of tags; none means all.
    include: Vec<String>,
    /// Patterns of tags that are left out all the same.
    exclude: Vec<String>,
    /// Environments of the images.
    environments: Vec<String>,
    /// Seconds between two looks.
    every_seconds: i64,
    /// Whether it looks and listens.
    enabled: bool,
    owner: String,
    #[schema(format = "date-time")]
    created_at: String,
    /// When it looks next; null when it is turned off.
    #[schema(format = "date-time")]
    next_at: Option<String>,
    /// When it looked last.
    #[schema(format = "date-time")]
    looked_at: Option<String>,
    /// Tags that the last look asked about.
    found: u32,
    /// Scans that it asked for.
    submitted: u32,
    /// Whether it left tags for the next look.
    cut: bool,
    /// Looks in a row that failed.
    failures: u32,
    /// Why the last look failed: a stable code.
    error_code: Option<String>,
    /// The same for people.
    error: Option<String>,
    /// What the registry shows when it tells of pushes, shown once: when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Watch> for WatchBody {
    fn from(watch: Watch) -> Self {
        let what = watch.what;
        Self {
            id: watch.id,
            project_id: watch.project_id,
            name: watch.name,
            registry: what.registry,
            repository: what.repository,
            include: what.include,
            exclude: what.exclude,
            environments: what.environments,
            every_seconds: watch.every / 1_000_000,
            enabled: watch.enabled,
            owner: watch.owner,
            created_at: rfc3339(watch.created_at),
            next_at: watch.enabled.then(|| rfc3339(watch.next_at)),
            looked_at: watch.looked_at.map(rfc3339),
            found: watch.found,
            submitted: watch.submitted,
            cut: watch.cut,
            failures: watch.failures,
            error_code: watch.error_code,
            error: watch.error,
            secret: None,
        }
    }
}

impl From<MadeWatch> for WatchBody {
    fn from(made: MadeWatch) -> Self {
        let secret = made.secret.map(|secret| secret.reveal().to_owned());
        Self { secret, ..made.watch.into() }
    }
}

/// A watch to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWatch {
    /// The project of the images that it finds, by name; without it, the default one.
    project: Option<String>,
    /// Unique in its project.
    #[schema(min_length = 1, max_length = 100, example = "team images")]
    name: String,
    /// `HOST` or `HOST:PORT`, as in references.
    #[schema(example = "registry.example.com:5000")]
    registry: String,
    /// A repository, or a pattern: `?` is one character, `*` any number of them but no slash, `**` any of any.
    #[schema(min_length = 1, max_length = 255, example = "team/*")]
    repository: String,
    /// Patterns of tags; none means all.
    #[serde(default)]
    #[schema(max_items = 20)]
    include: Vec<String>,
    /// Patterns of tags that are left out all the same.
    #[serde(default)]
    #[schema(max_items = 20)]
    exclude: Vec<String>,
    /// Environments of the images.
    #[serde(default)]
    #[schema(max_items = 20)]
    environments: Vec<String>,
    /// Seconds between two looks; an hour unless said.
    #[schema(maximum = 31622400)]
    every_seconds: Option<u64>,
    /// Whether it looks and listens.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
}

/// What to change; what is absent stays. When it is about what the watch looks at, all tags count as new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchChange {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    registry: Option<String>,
    #[schema(min_length = 1, max_length = 255)]
    repository: Option<String>,
    #[schema(max_items = 20)]
    include: Option<Vec<String>>,
    #[schema(max_items = 20)]
    exclude: Option<Vec<String>>,
    #[schema(max_items = 20)]
    environments: Option<Vec<String>>,
    #[schema(maximum = 31622400)]
    every_seconds: Option<u64>,
    enabled: Option<bool>,
    /// Whether another secret is made, and shown; the one before counts no more.
    #[serde(default)]
    new_secret: bool,
}

impl WatchChange {
    /// What the watch looks at from now on; `None` when nothing of it changes.
    fn patterns(&mut self, before: &WatchPatterns) -> Option<WatchPatterns> {
        let after = WatchPatterns {
            registry: self.registry.take().unwrap_or_else(|| before.registry.clone()),
            repository: self.repository.take().unwrap_or_else(|| before.repository.clone()),
            include: self.include.take().unwrap_or_else(|| before.include.clone()),
            exclude: self.exclude.take().unwrap_or_else(|| before.exclude.clone()),
            environments: self.environments.take().unwrap_or_else(|| before.environments.clone()),
        };
        (after != *before).then_some(after)
    }
}

/// Time between two looks unless another is asked for.
const HOUR: u64 = 3600;

/// Watches of the projects that the caller sees.
#[utoipa::path(
    get, path = "/watches", tag = "watches", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<WatchBody>))
)]
pub(super) async fn list_watches(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<WatchBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: i64 = page::decode(query.cursor.as_deref())?.unwrap_or(0);
    let found = state.service.watches(&caller, after, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Makes a watch, which looks at once. The answer shows, once, the secret for its registry's notifications.
#[utoipa::path(
    post, path = "/watches", tag = "watches", request_body = NewWatch,
    responses(
        (status = 201, description = "Made", body = WatchBody),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken, or there are too many", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_watch(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewWatch>,
) -> Result<Response, Problem> {
    let project = input::project(&state, &caller, body.project.as_deref(), Role::Operator).await?;
    let what = WatchPatterns {
        registry: body.registry,
        repository: body.repository,
        include: body.include,
        exclude: body.exclude,
        environments: body.environments,
    };
    let every = Duration::from_secs(body.every_seconds.unwrap_or(HOUR));
    let order = WatchOrder { project, name: &body.name, what: &what, every, enabled: body.enabled };
    let made = state.service.create_watch(&caller, &order, clock::now()).await?;
    Ok((StatusCode::CREATED, Json(WatchBody::from(made))).into_response())
}

/// One watch.
#[utoipa::path(
    get, path = "/watches/{id}", tag = "watches", params(("id" = i64, Path, description = "Number of the watch")),
    responses((status = 200, description = "The watch", body = WatchBody))
)]
pub(super) async fn show_watch(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<WatchBody>, Problem> {
    Ok(Json(state.service.watch(&caller, id).await?.into()))
}

/// Changes a watch.
#[utoipa::path(
    patch, path = "/watches/{id}", tag = "watches", params(("id" = i64, Path, description = "Number of the watch")),
    request_body = WatchChange,
    responses((status = 200, description = "The watch as it is now", body = WatchBody),
              (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_watch(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(mut body): Json<WatchChange>,
) -> Result<Json<WatchBody>, Problem> {
    let before = state.service.watch(&caller, id).await?;
    let what = body.patterns(&before.what);
    let patch = WatchPatch {
        name: body.name.as_deref(),
        what: what.as_ref(),
        every: body.every_seconds.map(Duration::from_secs),
        enabled: body.enabled,
        new_secret: body.new_secret,
    };
    Ok(Json(state.service.change_watch(&caller, id, &patch, clock::now()).await?.into()))
}

/// Takes a watch away; the images that it found stay.
#[utoipa::path(
    delete, path = "/watches/{id}", tag = "watches", params(("id" = i64, Path, description = "Number of the watch")),
    responses((status = 204, description = "Gone"))
)]
pub(super) async fn delete_watch(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    state.service.delete_watch(&caller, id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a watch look at the next opportunity, unless it is turned off.
#[utoipa::path(
    post, path = "/watches/{id}/look", tag = "watches", params(("id" = i64, Path, description = "Number of the watch")),
    responses((status = 202, description = "It is due", body = WatchBody))
)]
pub(super) async fn hasten_watch(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    state.service.hasten_watch(&caller, id, clock::now()).await?;
    let watch = state.service.watch(&caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(WatchBody::from(watch))).into_response())
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        use WatchError as E;
        let status = match error {
            E::Access(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::TooMany(_) => StatusCode::CONFLICT,
            E::Random => {
                tracing::error!(error = %explain(&error), "watches do not work");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            E::Name(_)
            | E::Host(_)
            | E::Pattern(..)
            | E::TooManyParts(..)
            | E::Environment(_)
            | E::Interval(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}
