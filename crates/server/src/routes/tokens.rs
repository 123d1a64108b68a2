//! API tokens: shown once, revoked at once.

use app::{
    accounts::TokenOrder,
    clock::{self, rfc3339},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::Role;
use serde::{Deserialize, Serialize};
use store::ApiToken;
use utoipa::{IntoParams, ToSchema};

use super::input;
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{RoleWord, Word},
};

/// A token, without itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenBody {
    id: i64,
    /// Whose it is.
    owner: String,
    name: String,
    /// The most that it may do, whatever its owner may.
    role: RoleWord,
    /// The only project that it may see.
    project_id: Option<i64>,
    #[schema(format = "date-time")]
    created_at: String,
    /// When it ends; null for never.
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    /// When it was last used, within a minute.
    #[schema(format = "date-time")]
    seen_at: Option<String>,
    /// The token itself, shown once: when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            owner: token.account,
            name: token.name,
            role: Word(token.role),
            project_id: token.project_id,
            created_at: rfc3339(token.created_at),
            expires_at: token.expires_at.map(rfc3339),
            seen_at: token.seen_at.map(rfc3339),
            token: None,
        }
    }
}

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// Unique among the owner's.
    #[schema(min_length = 1, max_length = 100, example = "pipeline")]
    name: String,
    /// The most that it may do.
    role: RoleWord,
    /// The only project that it may see, by name.
    project: Option<String>,
    /// When it ends.
    #[schema(format = "date-time")]
    expires_at: Option<String>,
    /// Whose it is; administrators make them for others.
    owner: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TokensQuery {
    /// Somebody else's, for administrators.
    owner: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Tokens of the caller.
#[utoipa::path(
    get, path = "/tokens", tag = "accounts", params(TokensQuery),
    responses(
        (status = 200, description = "A page", body = Page<TokenBody>),
        (status = 404, description = "There is no such user", body = problem::Body, content_type = "application/problem+json"),
        (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_tokens(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<TokensQuery>,
) -> Result<Json<Page<TokenBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: i64 = page::decode(query.cursor.as_deref())?.unwrap_or(0);
    let found = state.accounts.tokens(&caller, query.owner.as_deref(), after, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.id));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Makes a token; the answer shows it, once.
#[utoipa::path(
    post, path = "/tokens", tag = "accounts", request_body = NewToken,
    responses(
        (status = 201, description = "Made", body = TokenBody),
        (status = 404, description = "There is no such user or project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken, or there are too many", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_token(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewToken>,
) -> Result<Response, Problem> {
    let project = match &body.project {
        Some(name) => Some(input::project(&state, &caller, Some(name), Role::Viewer).await?),
        None => None,
    };
    let expires_at = input::time(body.expires_at.as_deref())
        .map_err(|problem| problem.with_status(StatusCode::UNPROCESSABLE_ENTITY))?;
    let order =
        TokenOrder { owner: body.owner.as_deref(), name: &body.name, role: body.role.0, project, expires_at };
    let made = state.accounts.create_token(&caller, &order, clock::now()).await?;
    let token = Some(made.secret.reveal().to_owned());
    Ok((StatusCode::CREATED, Json(TokenBody { token, ..made.token.into() })).into_response())
}

/// Revokes a token: one's own, or as an administrator anybody's.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "accounts", params(("id" = i64, Path, description = "Number of the token")),
    responses((status = 204, description = "It works no more"))
)]
pub(super) async fn revoke_token(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    state.accounts.revoke_token(&caller, id, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
