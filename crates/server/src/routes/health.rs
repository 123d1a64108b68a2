//! What probes and monitoring ask, without anybody being known: nothing here names an image or a user.

use std::time::Duration;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    extract::Json,
    problem::{self, Problem},
    state::AppState,
};

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a probe is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// Version of the program.
    version: String,
}

/// Whether the process lives: always, when it answers.
#[utoipa::path(
    get, path = "/healthz", tag = "service",
    responses((status = 200, description = "It lives", body = Health))
)]
pub(super) async fn healthz(State(state): State<AppState>) -> Json<Health> {
    Json(Health { status: "ok", version: state.settings.version.clone() })
}

/// Whether requests can be answered: the store is there, somebody works, and the service does not end.
#[utoipa::path(
    get, path = "/readyz", tag = "service",
    responses(
        (status = 200, description = "It is ready", body = Health),
        (status = 503, description = "`not_ready`, and why", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<Json<Health>, Problem> {
    let why = if *state.stop.borrow() {
        Some("the service is ending".to_owned())
    } else if !state.is_working() {
        Some("no worker is alive".to_owned())
    } else {
        match tokio::time::timeout(PATIENCE, state.service.store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the store does not answer in time".to_owned()),
        }
    };
    let Some(why) = why else { return Ok(healthz(State(state)).await) };
    let hint = "Wait; if it stays, look at the service's log.";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why, hint))
}

/// Numbers for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses(
        (status = 200, description = "Text exposition format 0.0.4", body = String, content_type = "text/plain"),
        (status = 503, description = "The store does not answer", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    let text = state.metrics.text(&state.service).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
