//! Projects and their members.

use app::clock::{self, rfc3339};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use store::{Member, Project};
use utoipa::ToSchema;

use super::images::PageQuery;
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{RoleWord, Word},
};

/// A group of image records.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(super) struct ProjectBody {
    id: i64,
    name: String,
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self { id: project.id, name: project.name, created_at: rfc3339(project.created_at) }
    }
}

/// A project to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProject {
    #[schema(max_length = 64, example = "payments")]
    name: String,
}

/// Somebody's part in a project.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberBody {
    user: String,
    role: RoleWord,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self { user: member.account, role: Word(member.role) }
    }
}

/// What somebody may do in a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberRole {
    role: RoleWord,
}

/// Projects that the caller sees, by name.
#[utoipa::path(
    get, path = "/projects", tag = "accounts", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<ProjectBody>))
)]
pub(super) async fn list_projects(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ProjectBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: Option<String> = page::decode(query.cursor.as_deref())?;
    let found = state.accounts.projects(&caller, after.as_deref().unwrap_or_default(), limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.name));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Makes a project.
#[utoipa::path(
    post, path = "/projects", tag = "accounts", request_body = NewProject,
    responses(
        (status = 201, description = "Made", body = ProjectBody),
        (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_project(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewProject>,
) -> Result<Response, Problem> {
    let project = state.accounts.create_project(&caller, &body.name, clock::now()).await?;
    Ok((StatusCode::CREATED, Json(ProjectBody::from(project))).into_response())
}

/// Takes a project away that has no image records any more.
#[utoipa::path(
    delete, path = "/projects/{name}", tag = "accounts", params(("name" = String, Path, description = "The project")),
    responses(
        (status = 204, description = "Gone"),
        (status = 409, description = "It has image records, or is the default one", body = problem::Body, content_type = "application/problem+json"),
        (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_project(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    state.accounts.delete_project(&caller, &name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Members of a project, by name; administrators without a membership are not among them.
#[utoipa::path(
    get, path = "/projects/{name}/members", tag = "accounts",
    params(("name" = String, Path, description = "The project"), PageQuery),
    responses((status = 200, description = "A page", body = Page<MemberBody>),
              (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn list_members(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<MemberBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: Option<String> = page::decode(query.cursor.as_deref())?;
    let found = state.accounts.members(&caller, &name, after.as_deref().unwrap_or_default(), limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.account));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Gives somebody a role in a project.
#[utoipa::path(
    put, path = "/projects/{name}/members/{user}", tag = "accounts", request_body = MemberRole,
    params(("name" = String, Path, description = "The project"), ("user" = String, Path, description = "The user")),
    responses((status = 204, description = "They have it"))
)]
pub(super) async fn set_member(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path((name, user)): Path<(String, String)>,
    Json(body): Json<MemberRole>,
) -> Result<StatusCode, Problem> {
    state.accounts.set_member(&caller, &name, &user, Some(body.role.0), clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody's role in a project away.
#[utoipa::path(
    delete, path = "/projects/{name}/members/{user}", tag = "accounts",
    params(("name" = String, Path, description = "The project"), ("user" = String, Path, description = "The user")),
    responses((status = 204, description = "They have none"),
              (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn remove_member(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    state.accounts.set_member(&caller, &name, &user, None, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
