//! Webhooks: who is told of what happens. Their secrets are shown once, their log is in `deliveries`.

use app::{
    clock::rfc3339,
    notify::{MadeWebhook, NotifyError, WebhookOrder, WebhookPatch, send_test},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{MessageKind, Severity, problem::explain};
use serde::{Deserialize, Serialize};
use store::Webhook;
use utoipa::ToSchema;

use super::{deliveries::DeliveryBody, images::PageQuery, input};
use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{MessageKindWord, SeverityWord, Word},
};

/// A webhook, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookBody {
    id: i64,
    /// The project whose messages it gets; null for all.
    project_id: Option<i64>,
    name: String,
    url: String,
    /// What it is told of.
    kinds: Vec<MessageKindWord>,
    /// New findings that are less severe are left out.
    min_severity: SeverityWord,
    /// Whether it is told.
    enabled: bool,
    /// Who made it.
    owner: String,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    changed_at: String,
    /// What signs its messages, shown once: when it was made here, and never when the client chose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookBody {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            project_id: webhook.project_id,
            name: webhook.name,
            url: webhook.url,
            kinds: webhook.kinds.into_iter().map(Word).collect(),
            min_severity: Word(webhook.min_severity),
            enabled: webhook.enabled,
            owner: webhook.owner,
            created_at: rfc3339(webhook.created_at),
            changed_at: rfc3339(webhook.changed_at),
            secret: None,
        }
    }
}

impl From<MadeWebhook> for WebhookBody {
    fn from(made: MadeWebhook) -> Self {
        let secret = made.secret.map(|secret| secret.reveal().to_owned());
        Self { secret, ..made.webhook.into() }
    }
}

/// A webhook to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// The project whose messages it gets, by name; without it, the default one.
    project: Option<String>,
    /// Whether it gets the messages of all projects, which takes an administrator.
    #[serde(default)]
    all_projects: bool,
    /// Unique in its project.
    #[schema(min_length = 1, max_length = 100, example = "chat")]
    name: String,
    /// Where messages are sent.
    #[schema(max_length = 2000, example = "https://chat.example.com/hooks/lazaret")]
    url: String,
    /// What signs them; one is made when it is left out.
    #[schema(min_length = 16, max_length = 256, format = "password")]
    secret: Option<String>,
    /// What it is told of.
    #[schema(min_items = 1, max_items = 5)]
    kinds: Vec<MessageKindWord>,
    /// New findings that are less severe are left out; none are unless this is said.
    min_severity: Option<SeverityWord>,
    /// Whether it is told.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
}

pub(super) const fn yes() -> bool {
    true
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookChange {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// What signs messages from now on.
    #[schema(min_length = 16, max_length = 256, format = "password")]
    secret: Option<String>,
    /// Whether another secret is made, and shown.
    #[serde(default)]
    new_secret: bool,
    #[schema(min_items = 1, max_items = 5)]
    kinds: Option<Vec<MessageKindWord>>,
    min_severity: Option<SeverityWord>,
    /// What waits for a webhook that is turned off is given up.
    enabled: Option<bool>,
}

fn kinds(words: &[MessageKindWord]) -> Vec<MessageKind> {
    words.iter().map(|word| word.0).collect()
}

/// Webhooks of the projects in which the caller is an operator; for administrators, those of all projects too.
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<WebhookBody>))
)]
pub(super) async fn list_webhooks(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<WebhookBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let after: i64 = page::decode(query.cursor.as_deref())?.unwrap_or(0);
    let found = state.service.webhooks(&caller, after, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// Makes a webhook. A secret that is made here is shown in the answer, once.
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses(
        (status = 201, description = "Made", body = WebhookBody),
        (status = 404, description = "There is no such project", body = problem::Body, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken, or there are too many", body = problem::Body, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_webhook(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Json(body): Json<NewWebhook>,
) -> Result<Response, Problem> {
    let project = input::project_or_all(&state, &caller, body.project.as_deref(), body.all_projects).await?;
    let order = WebhookOrder {
        project,
        name: &body.name,
        url: &body.url,
        secret: body.secret.as_deref(),
        kinds: &kinds(&body.kinds),
        min_severity: body.min_severity.map_or(Severity::Unknown, |word| word.0),
        enabled: body.enabled,
    };
    let made = state.service.create_webhook(&caller, &order).await?;
    Ok((StatusCode::CREATED, Json(WebhookBody::from(made))).into_response())
}

/// One webhook.
#[utoipa::path(
    get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Number of the webhook")),
    responses((status = 200, description = "The webhook", body = WebhookBody))
)]
pub(super) async fn show_webhook(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<WebhookBody>, Problem> {
    Ok(Json(state.service.webhook(&caller, id).await?.into()))
}

/// Changes a webhook.
#[utoipa::path(
    patch, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Number of the webhook")),
    request_body = WebhookChange,
    responses((status = 200, description = "The webhook as it is now", body = WebhookBody),
              (status = 409, description = "The name is taken", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn change_webhook(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Json(body): Json<WebhookChange>,
) -> Result<Json<WebhookBody>, Problem> {
    let kinds = body.kinds.as_deref().map(kinds);
    let patch = WebhookPatch {
        name: body.name.as_deref(),
        url: body.url.as_deref(),
        secret: body.secret.as_deref(),
        new_secret: body.new_secret,
        kinds: kinds.as_deref(),
        min_severity: body.min_severity.map(|word| word.0),
        enabled: body.enabled,
    };
    Ok(Json(state.service.change_webhook(&caller, id, &patch).await?.into()))
}

/// Takes a webhook away, with its log.
#[utoipa::path(
    delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Number of the webhook")),
    responses((status = 204, description = "Gone"))
)]
pub(super) async fn delete_webhook(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    state.service.delete_webhook(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a message of the kind `test`, once and now: the answer says what came of it.
#[utoipa::path(
    post, path = "/webhooks/{id}/test", tag = "webhooks", params(("id" = i64, Path, description = "Number of the webhook")),
    responses((status = 200, description = "The line of the log; its state says whether the receiver took it", body = DeliveryBody))
)]
pub(super) async fn test_webhook(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<DeliveryBody>, Problem> {
    Ok(Json(send_test(&state.service, &caller, id).await?.into()))
}

impl From<NotifyError> for Problem {
    fn from(error: NotifyError) -> Self {
        use NotifyError as E;
        let status = match error {
            E::Access(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::Name(_) | E::Url(_) | E::Secret(..) | E::NoKinds => StatusCode::UNPROCESSABLE_ENTITY,
            E::Off | E::TooMany(_) => StatusCode::CONFLICT,
            E::Seal(_) | E::Random | E::Client(_) | E::Message => {
                tracing::error!(error = %explain(&error), "webhooks do not work");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}
