//! What was done, and what did not work: the audit log and the log of user errors, in pages and as files.

use app::{accounts::Caller, clock::rfc3339};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use model::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Event, EventFilter, LogPosition, UserError, UserErrorFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::input;
use crate::{
    auth::Ready,
    extract::{Json, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
};

/// Media type of one JSON value a line.
const LINES: &str = "application/x-ndjson";

/// Something that was done.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventBody {
    id: i64,
    #[schema(format = "date-time")]
    at: String,
    /// Who did it.
    actor: String,
    /// From where.
    address: Option<String>,
    #[schema(example = "scan.initiated")]
    action: String,
    /// What it was done to.
    #[schema(example = "image:registry.example.com/team/app:1.0")]
    object: String,
    project_id: Option<i64>,
    request_id: Option<String>,
    /// More about it, by action.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            at: rfc3339(event.at),
            actor: event.actor,
            address: event.address,
            action: event.action,
            object: event.object,
            project_id: event.project_id,
            request_id: event.request_id,
            detail: serde_json::from_str(&event.detail).unwrap_or(Value::Null),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Done by that one.
    #[param(max_length = 200)]
    user: Option<String>,
    /// Exactly that action; with a dot at its end, all of a family.
    #[param(max_length = 100, example = "scan.")]
    action: Option<String>,
    /// Done to that.
    #[param(max_length = 1000)]
    object: Option<String>,
    /// Of one project, by name.
    project: Option<String>,
    /// Not before that time.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Before that time.
    #[param(format = "date-time")]
    until: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

async fn event_filter(
    state: &AppState,
    caller: &Caller,
    query: &EventsQuery,
) -> Result<EventFilter, Problem> {
    let project = match &query.project {
        Some(name) => Some(input::project(state, caller, Some(name), Role::Viewer).await?),
        None => None,
    };
    Ok(EventFilter {
        actor: input::maybe(query.user.clone(), "user", 200)?,
        action: input::maybe(query.action.clone(), "action", 100)?,
        object: input::maybe(query.object.clone(), "object", 1000)?,
        project,
        from: input::time(query.from.as_deref())?,
        until: input::time(query.until.as_deref())?,
    })
}

/// What was done, the newest first. Administrators see all, others what they did themselves (`user`).
#[utoipa::path(
    get, path = "/events", tag = "audit", params(EventsQuery),
    responses((status = 200, description = "A page", body = Page<EventBody>),
              (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn list_events(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Page<EventBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let position = position(query.cursor.as_deref())?;
    let filter = event_filter(&state, &caller, &query).await?;
    let found = state.accounts.events(&caller, &filter, position, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.id));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

fn position(cursor: Option<&str>) -> Result<LogPosition, Problem> {
    Ok(page::decode(cursor)?.map_or(LogPosition::Newest, LogPosition::Before))
}

/// The audit log as a file: one event a line, the oldest first, up to the moment of the request.
#[utoipa::path(
    get, path = "/events/export", tag = "audit", params(EventsQuery),
    responses((status = 200, description = "JSON lines", body = EventBody, content_type = "application/x-ndjson"),
              (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn export_events(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let filter = event_filter(&state, &caller, &query).await?;
    let export = state.accounts.export_events(&caller, filter).await?;
    let lines = stream::try_unfold(export, |mut export| async move {
        let events = export.next().await?;
        let text = lines(events.into_iter().map(EventBody::from));
        Ok::<_, store::StoreError>((!text.is_empty()).then_some((text, export)))
    });
    let name = "attachment; filename=\"lazaret-events.ndjson\"";
    let headers = [(header::CONTENT_TYPE, LINES), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn lines<T: Serialize>(items: impl Iterator<Item = T>) -> Bytes {
    let mut text = Vec::new();
    for item in items {
        // Texts and numbers always serialize.
        text.extend(serde_json::to_vec(&item).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

/// Something that did not work for a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UserError)]
pub(super) struct UserErrorBody {
    id: i64,
    #[schema(format = "date-time")]
    at: String,
    /// Whom it hit.
    user: String,
    image: Option<String>,
    /// The stable code.
    #[schema(example = "image_not_known")]
    code: String,
    /// What they were told.
    message: String,
    request_id: String,
    scan: Option<Uuid>,
}

impl From<UserError> for UserErrorBody {
    fn from(error: UserError) -> Self {
        Self {
            id: error.id,
            at: rfc3339(error.at),
            user: error.actor,
            image: error.image,
            code: error.code,
            message: error.message,
            request_id: error.request_id,
            scan: error.scan_id,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ErrorsQuery {
    /// Of that user.
    #[param(max_length = 200)]
    user: Option<String>,
    /// About that image.
    #[param(max_length = 1000)]
    image: Option<String>,
    /// With that code.
    #[param(max_length = 100)]
    code: Option<String>,
    /// About that scan.
    scan: Option<Uuid>,
    /// Not before that time.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Before that time.
    #[param(format = "date-time")]
    until: Option<String>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

fn error_filter(query: &ErrorsQuery) -> Result<UserErrorFilter, Problem> {
    Ok(UserErrorFilter {
        actor: input::maybe(query.user.clone(), "user", 200)?,
        image: input::maybe(query.image.clone(), "image", 1000)?,
        code: input::maybe(query.code.clone(), "code", 100)?,
        scan: query.scan,
        from: input::time(query.from.as_deref())?,
        until: input::time(query.until.as_deref())?,
    })
}

/// What did not work for users, the newest first. Administrators see all, others their own (`user`).
#[utoipa::path(
    get, path = "/errors", tag = "audit", params(ErrorsQuery),
    responses((status = 200, description = "A page", body = Page<UserErrorBody>))
)]
pub(super) async fn list_errors(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<ErrorsQuery>,
) -> Result<Json<Page<UserErrorBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let position = position(query.cursor.as_deref())?;
    let found = state.accounts.user_errors(&caller, &error_filter(&query)?, position, limit).await?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().filter(|_| full).map(|last| page::encode(&last.id));
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// The log of user errors as a file: one a line, the oldest first.
#[utoipa::path(
    get, path = "/errors/export", tag = "audit", params(ErrorsQuery),
    responses((status = 200, description = "JSON lines", body = UserErrorBody, content_type = "application/x-ndjson"))
)]
pub(super) async fn export_errors(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<ErrorsQuery>,
) -> Result<Response, Problem> {
    let filter = error_filter(&query)?;
    // Before the answer begins: a refusal needs its own status.
    let first = state.accounts.user_errors(&caller, &filter, LogPosition::After(0), page::MAX_LIMIT).await?;
    let at = (state, caller, filter, Some(first));
    let lines = stream::try_unfold(at, |(state, caller, filter, found)| async move {
        let Some(found) = found else { return Ok(None) };
        let Some(last) = found.last().map(|error| error.id) else { return Ok(None) };
        let text = lines(found.into_iter().map(UserErrorBody::from));
        let position = LogPosition::After(last);
        let next = state.accounts.user_errors(&caller, &filter, position, page::MAX_LIMIT).await?;
        Ok::<_, app::accounts::AccountError>(Some((text, (state, caller, filter, Some(next)))))
    });
    let name = "attachment; filename=\"lazaret-errors.ndjson\"";
    let headers = [(header::CONTENT_TYPE, LINES), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(lines)).into_response())
}
