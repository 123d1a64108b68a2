//! Logging in at an OpenID Connect provider: away with the browser, and back with a session.
//!
//! The session's cookie is not sent along when another site leads here (`SameSite=Strict`), not even on a redirect
//! that follows. The way back therefore ends on a page of this service that leads on.

use app::{
    accounts::{
        Secret,
        oidc::{Oidc, OidcError, Return},
    },
    clock,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{oidc_cookie, origin, set_cookie, set_oidc_cookie},
    extract::{Json, Query},
    problem::{self, Problem},
    state::AppState,
};

/// How one can log in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoginWays {
    /// By name and password.
    password: bool,
    /// At the OpenID Connect provider, at `session/oidc`.
    oidc: bool,
}

/// How one can log in here.
#[utoipa::path(
    get, path = "/session", tag = "session",
    responses((status = 200, description = "The ways", body = LoginWays))
)]
pub(super) async fn login_ways(State(state): State<AppState>) -> Json<LoginWays> {
    Json(LoginWays { password: true, oidc: state.oidc.is_some() })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DepartureQuery {
    /// Path of this service where the login shall end.
    #[serde(rename = "return")]
    #[param(rename = "return", max_length = 2000, example = "/")]
    return_to: Option<String>,
}

fn provider(state: &AppState) -> Result<&Oidc, Problem> {
    state.oidc.as_deref().ok_or_else(|| {
        let detail = "no OpenID Connect provider is set up here";
        Problem::new(StatusCode::NOT_FOUND, "oidc-off", detail, "Log in by name and password.")
    })
}

/// Sends the browser to the provider.
#[utoipa::path(
    get, path = "/session/oidc", tag = "session", params(DepartureQuery),
    responses(
        (status = 303, description = "To the provider"),
        (status = 404, description = "None is set up", body = problem::Body, content_type = "application/problem+json"),
        (status = 502, description = "The provider does not answer, or not as it should", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn oidc_departure(
    State(state): State<AppState>,
    Query(query): Query<DepartureQuery>,
) -> Result<Response, Problem> {
    let oidc = provider(&state)?;
    let departure = oidc.begin(query.return_to.as_deref().unwrap_or("/"), clock::now()).await?;
    let headers = [
        (header::LOCATION, departure.url.to_string()),
        (header::SET_COOKIE, set_oidc_cookie(&state, departure.binding.reveal())),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReturnQuery {
    /// As it was sent away.
    state: Option<String>,
    /// What stands for the login.
    code: Option<String>,
    /// Why there was none.
    error: Option<String>,
    /// Who says so (RFC 9207).
    iss: Option<String>,
}

/// Where the provider sends the browser back to: begins the session.
#[utoipa::path(
    get, path = "/session/oidc/return", tag = "session", params(ReturnQuery),
    responses(
        (status = 200, description = "Logged in; the cookie is set, and the page leads on", body = String, content_type = "text/html"),
        (status = 401, description = "The account is shut here", body = problem::Body, content_type = "application/problem+json"),
        (status = 403, description = "The provider refused, or gives no role", body = problem::Body, content_type = "application/problem+json"),
        (status = 404, description = "None is set up", body = problem::Body, content_type = "application/problem+json"),
        (status = 502, description = "The provider does not answer, or not as it should", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn oidc_return(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(query): Query<ReturnQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let oidc = provider(&state)?;
    let origin = {
        let (parts, _) = request.into_parts();
        origin(&state, &parts)
    };
    let answer = Return {
        state: query.state.unwrap_or_default(),
        code: query.code.map(Secret::new),
        error: query.error,
        issuer: query.iss,
    };
    let binding = oidc_cookie(&state, &headers);
    let (identity, return_to) = oidc.finish(&answer, binding.as_ref(), clock::now()).await?;
    let session = state.accounts.log_in_with(&identity, &origin, clock::now()).await?;
    let cookies = AppendHeaders([
        (header::SET_COOKIE, set_cookie(&state, session.cookie.reveal())),
        (header::SET_COOKIE, set_oidc_cookie(&state, "")),
    ]);
    let page = leading_to(&return_to);
    Ok((cookies, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}

/// A page that goes on to a path.
fn leading_to(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            other => shown.push(other),
        }
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lazaret</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={shown}\"></head>\
         <body><p>Logged in. <a href=\"{shown}\">Go on</a></p></body></html>\n"
    )
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        let status = match error {
            OidcError::Network(_)
            | OidcError::Status { .. }
            | OidcError::Answer(_)
            | OidcError::IdToken(_) => StatusCode::BAD_GATEWAY,
            OidcError::Refused(_) | OidcError::NoRole => StatusCode::FORBIDDEN,
            OidcError::State => StatusCode::BAD_REQUEST,
            OidcError::Random => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(error = %model::problem::explain(&error), "a login through the provider failed");
        }
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_within_its_attribute() {
        let page = leading_to("/images?q=\"><script>");
        assert!(page.contains("url=/images?q=&quot;&gt;&lt;script&gt;\""), "{page}");
    }
}
