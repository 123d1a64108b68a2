//! Users, kept by administrators.

use app::{
    accounts::{UserChange, UserOrder},
    clock::{self, rfc3339},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use store::Account;
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

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserBody {
    name: String,
    email: Option<String>,
    role: RoleWord,
    /// Whether the account is shut.
    disabled: bool,
    /// Whether the password must be changed at the next login.
    must_change: bool,
    /// Whether there is a password; robots have only tokens.
    has_password: bool,
    /// Whether they log in at the OIDC provider.
    oidc: bool,
    /// Until when no login is tried, after too many that failed.
    #[schema(format = "date-time")]
    locked_until: Option<String>,
    #[schema(format = "date-time")]
    created_at: String,
    /// The last login.
    #[schema(format = "date-time")]
    seen_at: Option<String>,
    /// For the first login, shown once; of a user who was just made, or whose password was reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_password: Option<String>,
}

impl From<Account> for UserBody {
    fn from(account: Account) -> Self {
        Self {
            name: account.name,
            email: account.email,
            role: Word(account.role),
            disabled: account.disabled,
            must_change: account.must_change,
            has_password: account.has_password,
            oidc: account.subject.is_some(),
            locked_until: account.locked_until.map(rfc3339),
            created_at: rfc3339(account.created_at),
            seen_at: account.seen_at.map(rfc3339),
            one_time_password: None,
        }
    }
}

/// A user to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    #[schema(max_length = 64, example = "alice")]
    name: String,
    #[schema(max_length = 254)]
    email: Option<String>,
    role: RoleWord,
    /// False for a robot that only has tokens.
    #[serde(default = "yes")]
    #[schema(default = true)]
    password: bool,
}

const fn yes() -> bool {
    true
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    /// An empty text takes it away.
    #[schema(max_length = 254)]
    email: Option<String>,
    role: Option<RoleWord>,
    /// Shutting an account ends its sessions; opening it also unlocks it.
    disabled: Option<bool>,
}

/// Users, by name.
#[utoipa::path(
    get, path = "/users", tag = "accounts", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<UserBody>))
)]
pub(super) async fn list_users(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<UserBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: Option<String> = page::decode(query.cursor.as_deref())?;
    let found = state.accounts.users(&caller, after.as_deref().unwrap_or_default(), limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.name));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Makes a user. The answer has a password for one login, shown once.
#[utoipa::path(
    post, path = "/users", tag = "accounts", request_body = NewUser,
    responses(
        (status = 201, description = "Made", body = UserBody),
        (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"),
        (status = 429, description = "Too much is asked at once", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_user(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewUser>,
) -> Result<Response, Problem> {
    let order = UserOrder {
        name: &body.name,
        email: body.email.as_deref(),
        role: body.role.0,
        password: body.password,
    };
    let (account, secret) = state.accounts.create_user(&caller, &order, clock::now()).await?;
    let one_time_password = secret.map(|secret| secret.reveal().to_owned());
    Ok((StatusCode::CREATED, Json(UserBody { one_time_password, ..account.into() })).into_response())
}

/// One user: everybody may see themself.
#[utoipa::path(
    get, path = "/users/{name}", tag = "accounts", params(("name" = String, Path, description = "The user")),
    responses((status = 200, description = "The user", body = UserBody),
              (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn show_user(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
) -> Result<Json<UserBody>, Problem> {
    Ok(Json(state.accounts.user(&caller, &name).await?.into()))
}

/// Changes a user.
#[utoipa::path(
    patch, path = "/users/{name}", tag = "accounts", params(("name" = String, Path, description = "The user")),
    request_body = UserPatch,
    responses((status = 200, description = "The user as they are now", body = UserBody),
              (status = 409, description = "Nobody could administer any more", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_user(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
    Json(patch): Json<UserPatch>,
) -> Result<Json<UserBody>, Problem> {
    let change = UserChange {
        email: patch.email.as_deref(),
        role: patch.role.map(|word| word.0),
        disabled: patch.disabled,
    };
    Ok(Json(state.accounts.change_user(&caller, &name, &change, clock::now()).await?.into()))
}

/// Takes a user away, with their sessions and tokens.
#[utoipa::path(
    delete, path = "/users/{name}", tag = "accounts", params(("name" = String, Path, description = "The user")),
    responses((status = 204, description = "Gone"),
              (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"),
              (status = 409, description = "Nobody could administer any more", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn delete_user(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    state.accounts.delete_user(&caller, &name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a user another password for one login, shown once; ends their sessions and unlocks the account.
#[utoipa::path(
    post, path = "/users/{name}/reset-password", tag = "accounts",
    params(("name" = String, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, with the password", body = UserBody),
        (status = 409, description = "They log in at the OIDC provider", body = problem::Body, content_type = "application/problem+json"),
        (status = 422, description = "This is no name", body = problem::Body, content_type = "application/problem+json"),
        (status = 429, description = "Too much is asked at once", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reset_password(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(name): Path<String>,
) -> Result<Json<UserBody>, Problem> {
    let secret = state.accounts.reset_password(&caller, &name, clock::now()).await?;
    let account = state.accounts.user(&caller, &name).await?;
    Ok(Json(UserBody { one_time_password: Some(secret.reveal().to_owned()), ..account.into() }))
}
