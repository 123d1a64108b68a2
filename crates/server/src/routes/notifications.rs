//! What registries tell of pushes. They are no users: they show the secret of one watch, and nothing else is asked.
//!
//! Distribution sends the headers that its configuration names, Harbor an `Authorization` of any text, and Quay what
//! stands before the host of the URL, as basic authentication. So the secret is taken as a bearer token, as the
//! password of basic authentication (RFC 7617), or alone. It never stands in the path or the query, which are logged.

use app::{
    accounts::Secret,
    watches::webhook::{Accepted, MAX_BODY, Sender, WebhookError, accept},
};
use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    auth::origin,
    extract::{Json, Path, Query},
    problem::{self, Problem},
    state::AppState,
};

/// Who sends.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SenderWord {
    /// The registry of the distribution project.
    Distribution,
    Harbor,
    Quay,
}

impl From<SenderWord> for Sender {
    fn from(word: SenderWord) -> Self {
        match word {
            SenderWord::Distribution => Self::Distribution,
            SenderWord::Harbor => Self::Harbor,
            SenderWord::Quay => Self::Quay,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationQuery {
    /// Who sends, and so what the body is like.
    #[param(inline)]
    sender: SenderWord,
}

/// What came of a notification.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedNotification)]
pub(super) struct AcceptedBody {
    /// Scans that were asked for, or joined.
    scans: Vec<Uuid>,
    /// Pushes that the watch does not want, or that led to nothing new.
    ignored: usize,
    /// Whether there were more than are submitted at once; the next look finds them.
    cut: bool,
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        let scans = accepted.submitted.iter().map(|submitted| submitted.scan).collect();
        Self { scans, ignored: accepted.ignored, cut: accepted.cut }
    }
}

/// Tells a watch of pushes, in the words of its registry. The secret of the watch is the bearer token, or the password.
#[utoipa::path(
    post, path = "/watches/{id}/notifications", tag = "watches",
    params(("id" = i64, Path, description = "Number of the watch"), NotificationQuery),
    request_body(content = serde_json::Value, content_type = "application/json",
                 description = "What the registry sends; its media type is not looked at"),
    responses(
        (status = 202, description = "What is wanted is scanned", body = AcceptedBody),
        (status = 401, description = "There is no watch with this number and secret", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The watch is turned off", body = problem::Body, content_type = "application/problem+json"),
        (status = 503, description = "The service is not ready; send it again", body = problem::Body, content_type = "application/problem+json"),
    ),
    security(("watch" = []))
)]
pub(super) async fn take_notification(
    State(state): State<AppState>,
    Path(id): Path<i64>,
    Query(query): Query<NotificationQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let presented = presented(&parts.headers).ok_or(WebhookError::Unauthorized)?;
    let origin = origin(&state, &parts);
    let body = to_bytes(body, MAX_BODY.min(state.settings.max_body)).await;
    let body = body.map_err(|_| WebhookError::TooLarge)?;
    let accepted = accept(&state.service, id, &presented, query.sender.into(), &body, &origin).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedBody::from(accepted))).into_response())
}

/// The secret that a sender shows.
fn presented(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let secret = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
            pair.split_once(':')?.1.to_owned()
        }
        Some(_) => return None,
        None => value.to_owned(),
    };
    (!secret.is_empty()).then(|| Secret::new(secret))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let status = match error {
            WebhookError::Submit(error) => return error.into(),
            WebhookError::Store(error) => return error.into(),
            WebhookError::Unauthorized => StatusCode::UNAUTHORIZED,
            WebhookError::Disabled => StatusCode::CONFLICT,
            WebhookError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            WebhookError::Body(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_as_senders_show_them() {
        for (value, expected) in [
            ("Bearer lzn_a", Some("lzn_a")),
            ("bearer  lzn_a ", Some("lzn_a")),
            ("lzn_a", Some("lzn_a")),
            // watch:lzn_a, and :lzn_a:b
            ("Basic d2F0Y2g6bHpuX2E=", Some("lzn_a")),
            ("Basic Omx6bl9hOmI=", Some("lzn_a:b")),
            ("Basic d2F0Y2g=", None),
            ("Basic !", None),
            ("Digest lzn_a", None),
            ("Bearer ", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            let found = presented(&headers);
            assert_eq!(found.as_ref().map(Secret::reveal), expected, "{value:?}");
        }
        assert!(presented(&HeaderMap::new()).is_none());
    }
}
