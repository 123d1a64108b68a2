//! The advisory database and the queue, as everybody who is logged in may see them.

use app::clock::rfc3339;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::Ready,
    extract::Json,
    problem::Problem,
    state::AppState,
    words::{JobClassWord, Word},
};

/// One part of the advisory database.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Shard {
    #[schema(example = "debian-12")]
    shard: String,
    /// Number of advisories.
    advisories: u64,
    /// Size in bytes.
    bytes: u64,
    /// Where the advisories came from.
    source: String,
    #[schema(format = "date-time")]
    built: String,
    digest: String,
}

/// The advisory database.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Database {
    /// Whether there is none at all: every scan fetches what it needs, or waits for it.
    empty: bool,
    /// Whether the service fetches what is missing.
    fetches: bool,
    shards: Vec<Shard>,
}

/// Which advisories there are, and how old they are.
#[utoipa::path(
    get, path = "/database", tag = "service",
    responses((status = 200, description = "The database", body = Database))
)]
pub(super) async fn show_database(
    State(state): State<AppState>,
    Ready(_caller): Ready,
) -> Result<Json<Database>, Problem> {
    let advisories = &state.service.advisories;
    let entries = advisories.database.status().map_err(|error| {
        tracing::error!(error = %model::problem::explain(&error), "the advisory database cannot be read");
        let hint = "Run `lazaret db status` where the service runs.";
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "database-damaged",
            error.to_string(),
            hint,
        )
    })?;
    let shards: Vec<Shard> = entries
        .into_iter()
        .map(|(shard, entry)| Shard {
            shard,
            advisories: entry.advisories,
            bytes: entry.bytes,
            source: entry.source,
            built: entry.built,
            digest: entry.digest,
        })
        .collect();
    Ok(Json(Database { empty: shards.is_empty(), fetches: !state.service.config.advisories.offline, shards }))
}

/// Jobs of one class.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueClass {
    class: JobClassWord,
    /// Jobs that can be taken up, or wait for their next attempt.
    ready: u64,
    running: u64,
    /// Jobs that wait for advisories.
    parked: u64,
    /// Since when the one waits that waits longest.
    #[schema(format = "date-time")]
    oldest: Option<String>,
}

/// What waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    classes: Vec<QueueClass>,
}

/// How many jobs wait and run, by class.
#[utoipa::path(get, path = "/queue", tag = "service", responses((status = 200, description = "The queue", body = Queue)))]
pub(super) async fn show_queue(
    State(state): State<AppState>,
    Ready(_caller): Ready,
) -> Result<Json<Queue>, Problem> {
    let waiting = state.service.store.waiting().await?;
    let classes = waiting.into_iter().map(|(class, waiting)| QueueClass {
        class: Word(class),
        ready: waiting.ready,
        running: waiting.running,
        parked: waiting.parked,
        oldest: waiting.oldest.map(rfc3339),
    });
    Ok(Json(Queue { classes: classes.collect() }))
}
