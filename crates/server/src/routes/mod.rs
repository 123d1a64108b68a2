//! All routes: the one list.
#![expect(unused_qualifications, reason = "the macros that describe routes write them")]

mod audit;
mod content;
mod database;
mod events;
mod health;
mod history;
mod images;
mod input;
mod me;
mod oidc;
mod projects;
mod reports;
mod scans;
mod status;
mod submit;
mod tokens;
mod uploads;
mod users;
mod vulnerabilities;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, http::header, middleware::from_fn_with_state, routing::get};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{middleware, openapi, state::AppState};

/// Where our own API begins.
const BASE: &str = "/api/portal/v1";

/// Every route of the portal's API.
fn portal() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(images::list_images))
        .routes(routes!(images::show_image, images::change_image, images::delete_image))
        .routes(routes!(images::image_scans))
        .routes(routes!(history::image_history))
        .routes(routes!(reports::image_report))
        .routes(routes!(content::image_findings))
        .routes(routes!(content::image_packages))
        .routes(routes!(status::show_status))
        .routes(routes!(scans::list_scans, submit::submit_scans))
        .routes(routes!(scans::show_scan, scans::cancel_scan))
        .routes(routes!(submit::retry_scan))
        .routes(routes!(reports::scan_report))
        .routes(routes!(reports::diff_scans))
        .routes(routes!(events::scan_events))
        .routes(routes!(events::all_events))
        .routes(routes!(uploads::upload_archive))
        .routes(routes!(vulnerabilities::list_vulnerabilities))
        .routes(routes!(vulnerabilities::show_vulnerability))
        .routes(routes!(vulnerabilities::vulnerability_images))
        .routes(routes!(vulnerabilities::list_packages))
        .routes(routes!(vulnerabilities::package_images))
        .routes(routes!(database::show_database))
        .routes(routes!(database::show_queue))
        .routes(routes!(oidc::login_ways, me::log_in, me::log_out))
        .routes(routes!(oidc::oidc_departure))
        .routes(routes!(oidc::oidc_return))
        .routes(routes!(me::show_me))
        .routes(routes!(me::change_password))
        .routes(routes!(me::list_sessions, me::end_sessions))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::show_user, users::change_user, users::delete_user))
        .routes(routes!(users::reset_password))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(projects::list_projects, projects::create_project))
        .routes(routes!(projects::delete_project))
        .routes(routes!(projects::list_members))
        .routes(routes!(projects::set_member, projects::remove_member))
        .routes(routes!(audit::list_events))
        .routes(routes!(audit::export_events))
        .routes(routes!(audit::list_errors))
        .routes(routes!(audit::export_errors))
}

/// Routes that need nobody to be known.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
}

/// All routes over a state.
pub fn router(state: AppState) -> Router {
    let portal = portal().layer(from_fn_with_state(state.clone(), middleware::identified));
    let (router, mut api) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(open())
        .nest(BASE, portal)
        .split_for_parts();
    openapi::complete(&mut api, &state.settings.version);
    // Names, texts and numbers always serialize.
    let description: Arc<str> = api.to_json().unwrap_or_default().into();
    let describe = move || {
        let description = Arc::clone(&description);
        async move { ([(header::CONTENT_TYPE, "application/json")], description.to_string()) }
    };
    router
        .route(&format!("{BASE}/openapi.json"), get(describe))
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(DefaultBodyLimit::max(state.settings.max_body))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), middleware::around))
        .with_state(state)
}
