//! All routes: the one list.
#![expect(unused_qualifications, reason = "the macros that describe routes write them")]

mod audit;
mod content;
mod database;
mod deliveries;
mod events;
mod health;
mod history;
mod images;
mod input;
mod me;
mod notifications;
mod oidc;
mod projects;
mod registries;
mod reports;
mod scan_all;
mod scans;
mod schedules;
mod status;
mod submit;
mod tokens;
mod trend;
mod uploads;
mod users;
mod vulnerabilities;
mod watches;
mod webhooks;

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
        .routes(routes!(schedules::list_schedules, schedules::create_schedule))
        .routes(routes!(schedules::show_schedule, schedules::change_schedule, schedules::delete_schedule))
        .routes(routes!(scan_all::list_scan_alls, scan_all::start_scan_all))
        .routes(routes!(scan_all::show_scan_all, scan_all::stop_scan_all))
        .routes(routes!(watches::list_watches, watches::create_watch))
        .routes(routes!(watches::show_watch, watches::change_watch, watches::delete_watch))
        .routes(routes!(watches::hasten_watch))
        .routes(routes!(registries::list_registries, registries::create_registry))
        .routes(routes!(registries::show_registry, registries::change_registry, registries::delete_registry))
        .routes(routes!(registries::try_registry))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::show_webhook, webhooks::change_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::show_delivery))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(trend::show_trend))
        .routes(routes!(audit::list_events))
        .routes(routes!(audit::export_events))
        .routes(routes!(audit::list_errors))
        .routes(routes!(audit::export_errors))
}

/// Routes of the API whose callers are no users: what they show stands in the handlers.
fn told() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(notifications::take_notification))
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
        .nest(BASE, portal.merge(told()))
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
