//! Scans as they happen: server-sent events (WHATWG HTML, section 9.2). The id of an event is the number of the
//! change, so that a client that lost its connection goes on where it was.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use app::clock::rfc3339;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use model::Role;
use serde::Serialize;
use store::{ScanChange, Scope};
use tokio::sync::watch;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input;
use crate::{
    auth::Ready,
    extract::Path,
    problem::Problem,
    state::AppState,
    words::{ScanStatusWord, Word},
};

/// Other processes write too: so often the store is asked.
const LOOK: Duration = Duration::from_secs(1);
/// A comment is sent so often, that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Changes that are read at once.
const CHUNK: u32 = 500;

/// One change of a scan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScanEvent {
    /// Number of the change; the event's id.
    seq: i64,
    scan: Uuid,
    image_id: i64,
    project_id: i64,
    status: ScanStatusWord,
    /// The scan's version after it.
    version: i64,
    #[schema(format = "date-time")]
    at: String,
}

/// Where a client was: the number of the last change that it saw.
fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse::<i64>().ok()).filter(|number| *number >= 0);
    number.map(Some).ok_or_else(|| {
        let detail = "Last-Event-ID is no number of a change";
        Problem::malformed("last-event-id-invalid", detail, "Send the id of the last event, or none.")
    })
}

/// Follows one scan, from its beginning or `Last-Event-ID`; ends with it. Events are called `scan`.
#[utoipa::path(
    get, path = "/scans/{id}/events", tag = "scans",
    params(
        ("id" = Uuid, Path, description = "The scan"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Go on after this change", minimum = 0),
    ),
    responses((status = 200, description = "Events, each with a ScanEvent", body = ScanEvent, content_type = "text/event-stream"))
)]
pub(super) async fn scan_events(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let scan = input::scan(&state, &caller, id, Role::Viewer).await?;
    let from = last_seen(&headers)?.unwrap_or(0);
    let only = Some((id, scan.status.is_terminal()));
    Ok(follow(state, caller.scope(), only, from))
}

/// Follows all scans that the caller sees, from now on or `Last-Event-ID`. Events are called `scan`.
#[utoipa::path(
    get, path = "/events/stream", tag = "scans",
    params(("Last-Event-ID" = Option<i64>, Header, description = "Go on after this change", minimum = 0)),
    responses((status = 200, description = "Events, each with a ScanEvent", body = ScanEvent, content_type = "text/event-stream"))
)]
pub(super) async fn all_events(
    State(state): State<AppState>,
    Ready(caller): Ready,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let from = match last_seen(&headers)? {
        Some(seq) => seq,
        None => state.service.store.last_change().await?,
    };
    Ok(follow(state, caller.scope(), None, from))
}

struct Following {
    state: AppState,
    scope: Scope,
    /// One scan, and whether it was over when following began.
    only: Option<(Uuid, bool)>,
    seq: i64,
    waiting: VecDeque<ScanChange>,
    changed: watch::Receiver<i64>,
    ended: bool,
}

fn follow(state: AppState, scope: Scope, only: Option<(Uuid, bool)>, seq: i64) -> Response {
    let changed = state.service.follow();
    let following = Following { state, scope, only, seq, waiting: VecDeque::new(), changed, ended: false };
    let events = stream::unfold(following, |mut following| async move {
        let change = following.next().await?;
        Some((Ok::<_, Infallible>(event(&change)), following))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn event(change: &ScanChange) -> Event {
    let body = ScanEvent {
        seq: change.seq,
        scan: change.scan,
        image_id: change.image,
        project_id: change.project,
        status: Word(change.status),
        version: change.version,
        at: rfc3339(change.at),
    };
    // Words and numbers always serialize, on one line.
    let data = serde_json::to_string(&body).unwrap_or_default();
    Event::default().id(change.seq.to_string()).event("scan").data(data)
}

impl Following {
    /// The next change; `None` at the end.
    async fn next(&mut self) -> Option<ScanChange> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                self.ended = self.only.is_some() && change.status.is_terminal();
                return Some(change);
            }
            if self.ended || *self.state.stop.borrow() {
                return None;
            }
            self.changed.borrow_and_update();
            match self.state.service.store.changes(self.seq, CHUNK).await {
                Ok(changes) if !changes.is_empty() => {
                    self.seq = changes.last().map_or(self.seq, |change| change.seq);
                    let (scope, only) = (&self.scope, self.only);
                    self.waiting.extend(changes.into_iter().filter(|change| {
                        only.is_none_or(|(scan, _)| scan == change.scan) && scope.contains(change.project)
                    }));
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %model::problem::explain(&error), "changes cannot be read");
                }
            }
            if self.only.is_some_and(|(_, over)| over) {
                // It was over before: what was to be told of it is told, or trimmed.
                return None;
            }
            tokio::select! {
                _ = tokio::time::timeout(LOOK, self.changed.changed()) => {}
                () = self.state.stopped() => return None,
            }
        }
    }
}
