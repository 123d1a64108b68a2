//! Around every request: its id, its log line, its limits, the headers of its answer, and the log of user errors.

use std::time::{Duration, Instant};

use app::clock;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    auth::{self, Identified},
    problem::{Problem, REQUEST_ID},
    state::AppState,
};

/// Names a request, from the client or to it.
pub(crate) static REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a client.
const MAX_REQUEST_ID: usize = 64;

/// Headers of every answer that has none of that name.
const HEADERS: &[(HeaderName, &str)] = &[
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The outermost layer.
pub(crate) async fn around(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unknown".to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = %id, %method, route = %route);
    let began = Instant::now();
    let limit = time_limit(&state, &route, request.uri().query());
    let work = REQUEST_ID.scope(id.clone(), async {
        let answered = tokio::time::timeout(limit, next.run(request)).await;
        answered.unwrap_or_else(|_| {
            let detail = format!("the request took more than {} seconds", limit.as_secs());
            let hint = "Try again; if it stays, look at the service's log.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "request-timeout", detail, hint).into_response()
        })
    });
    let mut response = async {
        let response = work.await;
        let status = response.status().as_u16();
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let code = response.extensions().get::<Problem>().map(|problem| problem.code.as_str());
        tracing::info!(status, millis, code, "answered");
        response
    }
    .instrument(span)
    .await;
    state.metrics.answered(method.as_str(), &route, response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(&REQUEST_ID_HEADER, value);
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if state.settings.secure {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
    response
}

/// Finds out who asks, and writes down what did not work for them.
pub(crate) async fn identified(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let found = auth::identify(&state, &parts).await;
    let caller = found.as_ref().ok().cloned();
    if let (Some(limiter), Some(caller)) = (&state.limiter, &caller)
        && let Err(wait) = limiter.take(&caller.name, clock::now())
    {
        let detail = format!("{} asks more than this service answers one account", caller.name);
        let hint =
            "Wait as long as Retry-After says; to follow scans, wait for them or read the event stream.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail, hint);
        return problem.retry(Some(wait)).into_response();
    }
    parts.extensions.insert(Identified(found));
    let response = next.run(Request::from_parts(parts, body)).await;
    if let (Some(caller), Some(problem)) = (caller, response.extensions().get::<Problem>())
        && problem.status.is_client_error()
    {
        let about = problem.about.as_deref();
        let about = (about.and_then(|about| about.image.as_deref()), about.and_then(|about| about.scan));
        state.accounts.note_error(&caller, &problem.code, &problem.detail, about, clock::now()).await;
    }
    response
}

/// The id of a client, when it is one that a log can hold, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID_HEADER).and_then(|value| value.to_str().ok());
    let sane = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    given.filter(sane).map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

fn time_limit(state: &AppState, route: &str, query: Option<&str>) -> Duration {
    let waits = query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("wait=")));
    if route.ends_with("/uploads") {
        state.settings.upload_timeout
    } else if waits {
        state.settings.timeout + app::status::MAX_WAIT
    } else {
        state.settings.timeout
    }
}

/// A panic is this request's own: what it was stands in the log only.
pub(crate) fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let text =
        cause.downcast_ref::<&str>().copied().or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    tracing::error!(cause = text.unwrap_or("unknown"), "a request panicked");
    drop(cause);
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the service met an internal error",
        "Look at the service's log under the request's id.",
    )
    .into_response()
}

/// No such route.
pub(crate) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "route-not-known",
        "there is nothing at this path",
        "See /api/portal/v1/openapi.json for what there is.",
    )
}

/// A route, but not by that method.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this path does not know that method",
        "The `Allow` header says which it knows.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_request_ids_are_replaced() {
        for (given, kept) in [("abc-1.2:3_x", true), ("", false), ("a b", false), ("x\u{e9}", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(&REQUEST_ID_HEADER, HeaderValue::from_bytes(given.as_bytes()).unwrap());
            assert_eq!(request_id(&headers) == given, kept, "{given:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(&REQUEST_ID_HEADER, "a".repeat(65).parse().unwrap());
        assert_eq!(request_id(&headers).len(), 32);
    }
}
