//! Registries with stored credentials. What was stored as a secret is in no answer.

use app::{
    accounts::Secret,
    clock::{self, rfc3339},
    registries::{RegistryError, RegistryLogin, RegistryOrder, RegistryPatch},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::problem::explain;
use serde::{Deserialize, Serialize};
use store::Registry;
use utoipa::ToSchema;

use super::{images::PageQuery, input};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// A registry, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registry)]
pub(super) struct RegistryBody {
    id: i64,
    /// The only project that uses it; null for all.
    project_id: Option<i64>,
    name: String,
    /// `HOST` or `HOST:PORT`, as in references.
    host: String,
    /// Who logs in.
    username: Option<String>,
    /// Whether a password or token is stored.
    has_secret: bool,
    /// Certificate authorities that are trusted beside the usual ones: PEM.
    ca: Option<String>,
    /// Whether it may be spoken to without TLS.
    plain_http: bool,
    #[schema(format = "date-time")]
    created_at: String,
    /// Grows with every change.
    version: i32,
}

impl From<Registry> for RegistryBody {
    fn from(registry: Registry) -> Self {
        Self {
            id: registry.id,
            project_id: registry.project_id,
            name: registry.name,
            host: registry.host,
            username: registry.username,
            has_secret: registry.has_secret,
            ca: registry.ca,
            plain_http: registry.plain_http,
            created_at: rfc3339(registry.created_at),
            version: registry.version,
        }
    }
}

/// A login at a registry.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RegistryLogin)]
pub(super) struct LoginBody {
    #[schema(min_length = 1, max_length = 300)]
    username: String,
    /// Password or token.
    #[schema(min_length = 1, max_length = 16384, format = "password")]
    password: String,
}

/// A login whose secret is not shown by accident.
struct Login {
    username: String,
    secret: Secret,
}

impl From<LoginBody> for Login {
    fn from(body: LoginBody) -> Self {
        Self { username: body.username, secret: Secret::new(body.password) }
    }
}

impl Login {
    fn as_login(&self) -> RegistryLogin<'_> {
        RegistryLogin { username: &self.username, secret: &self.secret }
    }
}

/// A registry to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRegistry {
    /// The only project that uses it, by name; without it, the default one.
    project: Option<String>,
    /// Whether all projects use it, which takes an administrator.
    #[serde(default)]
    all_projects: bool,
    /// Unique in its project.
    #[schema(min_length = 1, max_length = 100, example = "team registry")]
    name: String,
    /// `HOST` or `HOST:PORT`, as in references: one of a host in each project.
    #[schema(example = "registry.example.com:5000")]
    host: String,
    /// Who logs in; nobody when it is left out.
    login: Option<LoginBody>,
    /// Certificate authorities beside the usual ones: PEM.
    #[schema(max_length = 262144)]
    ca: Option<String>,
    /// Whether it may be spoken to without TLS.
    #[serde(default)]
    plain_http: bool,
}

/// What to change; what is absent stays. Host and project always do: a secret is for one place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryChange {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Who logs in; null for nobody.
    #[serde(default, deserialize_with = "input::present")]
    #[schema(value_type = Option<LoginBody>)]
    login: Option<Option<LoginBody>>,
    /// Certificate authorities; null for the usual ones only.
    #[serde(default, deserialize_with = "input::present")]
    #[schema(value_type = Option<String>, max_length = 262144)]
    ca: Option<Option<String>>,
    plain_http: Option<bool>,
}

/// What to look into.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// A repository of the registry, without host and tag.
    #[schema(max_length = 255, example = "team/app")]
    repository: String,
}

/// Whether the stored credentials are good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialResult {
    /// Whether the registry gave the list of tags.
    works: bool,
    /// How many tags the repository has, up to a hundred.
    tags: Option<usize>,
    /// What went wrong: a stable code.
    code: Option<String>,
    /// The same for people.
    detail: Option<String>,
}

/// Registries of the projects in which the caller is an operator, and those of all projects.
#[utoipa::path(
    get, path = "/registries", tag = "registries", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<RegistryBody>))
)]
pub(super) async fn list_registries(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<RegistryBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: i64 = page::decode(query.cursor.as_deref())?.unwrap_or(0);
    let found = state.service.registries(&caller, after, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Stores a registry. Scans open images of that host with it unless credentials came with them.
#[utoipa::path(
    post, path = "/registries", tag = "registries", request_body = NewRegistry,
    responses(
        (status = 201, description = "Stored", body = RegistryBody),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The name or the host is taken", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_registry(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewRegistry>,
) -> Result<Response, Problem> {
    let project = input::project_or_all(&state, &caller, body.project.as_deref(), body.all_projects).await?;
    let login = body.login.map(Login::from);
    let order = RegistryOrder {
        project,
        name: &body.name,
        host: &body.host,
        login: login.as_ref().map(Login::as_login),
        ca: body.ca.as_deref(),
        plain_http: body.plain_http,
    };
    let made = state.service.create_registry(&caller, &order, clock::now()).await?;
    Ok((StatusCode::CREATED, Json(RegistryBody::from(made))).into_response())
}

/// One registry.
#[utoipa::path(
    get, path = "/registries/{id}", tag = "registries", params(("id" = i64, Path, description = "Number of the registry")),
    responses((status = 200, description = "The registry", body = RegistryBody))
)]
pub(super) async fn show_registry(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<RegistryBody>, Problem> {
    Ok(Json(state.service.registry(&caller, id).await?.into()))
}

/// Changes a registry; what is under way goes on with what it began with.
#[utoipa::path(
    patch, path = "/registries/{id}", tag = "registries", params(("id" = i64, Path, description = "Number of the registry")),
    request_body = RegistryChange,
    responses((status = 200, description = "The registry as it is now", body = RegistryBody),
              (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_registry(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(body): Json<RegistryChange>,
) -> Result<Json<RegistryBody>, Problem> {
    let login = body.login.map(|login| login.map(Login::from));
    let patch = RegistryPatch {
        name: body.name.as_deref(),
        login: login.as_ref().map(|login| login.as_ref().map(Login::as_login)),
        ca: body.ca.as_ref().map(Option::as_deref),
        plain_http: body.plain_http,
    };
    Ok(Json(state.service.change_registry(&caller, id, &patch, clock::now()).await?.into()))
}

/// Takes a registry away, with its secret.
#[utoipa::path(
    delete, path = "/registries/{id}", tag = "registries", params(("id" = i64, Path, description = "Number of the registry")),
    responses((status = 204, description = "Gone"))
)]
pub(super) async fn delete_registry(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    state.service.delete_registry(&caller, id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks into a repository with the stored credentials: the answer says whether they are good.
#[utoipa::path(
    post, path = "/registries/{id}/test", tag = "registries", request_body = Trial,
    params(("id" = i64, Path, description = "Number of the registry")),
    responses((status = 200, description = "What came of it", body = TrialResult))
)]
pub(super) async fn try_registry(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(body): Json<Trial>,
) -> Result<Json<TrialResult>, Problem> {
    match state.service.try_registry(&caller, id, &body.repository).await {
        Ok(tags) => Ok(Json(TrialResult { works: true, tags: Some(tags), code: None, detail: None })),
        // What the registry does is no fault of the request, nor of this service.
        Err(RegistryError::Oci(error)) => {
            let (code, detail) = (Some(error.code().to_owned()), Some(explain(&error)));
            Ok(Json(TrialResult { works: false, tags: None, code, detail }))
        }
        Err(error) => Err(error.into()),
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        let status = match error {
            E::Access(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::Name(_) | E::Host(_) | E::Login | E::Authority | E::Reference(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            E::Seal(_) | E::Oci(_) => {
                tracing::error!(error = %explain(&error), "stored registries do not work");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}
