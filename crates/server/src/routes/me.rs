//! Logging in and out, and who one is.

use std::collections::BTreeMap;

use app::{
    accounts::{Caller, CallerKind, Rights, Secret},
    clock::{self, rfc3339},
};
use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{Known, origin, same_site, set_cookie},
    extract::Json,
    problem::Problem,
    state::AppState,
    words::{RoleWord, Word},
};

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    #[schema(max_length = 200)]
    name: String,
    #[schema(max_length = 1000, format = "password")]
    password: String,
}

/// A password for a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The present one.
    #[schema(max_length = 1000, format = "password")]
    old: String,
    /// The new one.
    #[schema(max_length = 1000, format = "password")]
    new: String,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    /// `user` by a session, `token` by an API token.
    by: &'static str,
    /// The role outside of projects.
    role: RoleWord,
    /// Whether the role holds in every project.
    all_projects: bool,
    /// Roles by the number of the project, where they do not hold in all.
    projects: BTreeMap<i64, RoleWord>,
    /// Whether the password must be changed before anything else.
    must_change: bool,
    /// When the session ends at the latest; told at login.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    expires_at: Option<String>,
}

impl From<&Caller> for Me {
    fn from(caller: &Caller) -> Self {
        let (all_projects, projects) = match &caller.rights {
            Rights::All(_) => (true, BTreeMap::new()),
            Rights::Some(roles) => (false, roles.iter().map(|(id, role)| (*id, Word(*role))).collect()),
        };
        Self {
            name: caller.name.clone(),
            by: if matches!(caller.kind, CallerKind::Token(_)) { "token" } else { "user" },
            role: Word(caller.role),
            all_projects,
            projects,
            must_change: caller.must_change,
            expires_at: None,
        }
    }
}

/// Begins a session in a browser.
#[utoipa::path(
    post, path = "/session", tag = "session", request_body = Login,
    responses(
        (status = 200, description = "Logged in; the cookie is set", body = Me,
         headers(("Set-Cookie" = String, description = "The session"))),
        (status = 401, description = "Name or password is wrong: `login-failed`", body = crate::problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn log_in(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    same_site(&parts.headers, false)?;
    let origin = origin(&state, &parts);
    let request = Request::from_parts(parts, body);
    let Json(login) = <Json<Login> as axum::extract::FromRequest<_>>::from_request(request, &state).await?;
    let password = Secret::new(login.password);
    let session = state.accounts.log_in(&login.name, &password, &origin, clock::now()).await?;
    let cookie = set_cookie(&state, session.cookie.reveal());
    let me = Me { expires_at: Some(rfc3339(session.expires_at)), ..Me::from(&session.caller) };
    Ok(([(header::SET_COOKIE, cookie)], Json(me)).into_response())
}

/// Ends the session.
#[utoipa::path(
    delete, path = "/session", tag = "session",
    responses((status = 204, description = "Logged out; the cookie is taken back"))
)]
pub(super) async fn log_out(
    State(state): State<AppState>,
    Known(caller): Known,
) -> Result<Response, Problem> {
    state.accounts.log_out(&caller, clock::now()).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(&state, ""))]).into_response())
}

/// Who one is, and what one may do.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, description = "The caller", body = Me)))]
pub(super) async fn show_me(Known(caller): Known) -> Json<Me> {
    Json(Me::from(&caller))
}

/// Changes one's own password. All other sessions end.
#[utoipa::path(
    put, path = "/me/password", tag = "session", request_body = PasswordChange,
    responses((status = 204, description = "Changed"),
              (status = 429, description = "The present password was wrong too often", body = crate::problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_password(
    State(state): State<AppState>,
    Known(caller): Known,
    Json(change): Json<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let (old, new) = (Secret::new(change.old), Secret::new(change.new));
    state.accounts.change_password(&caller, &old, &new, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One of the caller's own sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionBody {
    #[schema(format = "date-time")]
    created_at: String,
    /// When something was last done in it, within a minute.
    #[schema(format = "date-time")]
    seen_at: String,
    #[schema(format = "date-time")]
    expires_at: String,
    /// Where it was begun.
    address: Option<String>,
}

/// The caller's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    items: Vec<SessionBody>,
}

/// Where one is logged in, the newest first.
#[utoipa::path(
    get, path = "/me/sessions", tag = "session",
    responses((status = 200, description = "The sessions", body = Sessions))
)]
pub(super) async fn list_sessions(
    State(state): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Sessions>, Problem> {
    let sessions = state.accounts.sessions(&caller, clock::now()).await?;
    let items = sessions.into_iter().map(|session| SessionBody {
        created_at: rfc3339(session.created_at),
        seen_at: rfc3339(session.seen_at),
        expires_at: rfc3339(session.expires_at),
        address: session.address,
    });
    Ok(Json(Sessions { items: items.collect() }))
}

/// Ends all of one's sessions, this one too.
#[utoipa::path(
    delete, path = "/me/sessions", tag = "session",
    responses((status = 204, description = "Logged out everywhere"))
)]
pub(super) async fn end_sessions(
    State(state): State<AppState>,
    Known(caller): Known,
) -> Result<Response, Problem> {
    state.accounts.log_out_everywhere(&caller, clock::now()).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(&state, ""))]).into_response())
}
