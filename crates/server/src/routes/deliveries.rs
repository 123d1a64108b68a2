//! The log of webhooks: what was sent, what came of it, and sending it again.

use app::{clock::rfc3339, notify::delivery_body};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use store::{Delivery, DeliveryState};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    auth::Ready,
    extract::{Json, Path, Query},
    page::{self, Page},
    problem::{self, Problem},
    state::AppState,
    words::{MessageKindWord, Word},
};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryState)]
pub(super) enum StateWord {
    /// It waits for an attempt, or is being tried.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// Nothing more is tried.
    GivenUp,
}

impl From<DeliveryState> for StateWord {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Waiting => Self::Waiting,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::GivenUp => Self::GivenUp,
        }
    }
}

impl From<StateWord> for DeliveryState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Waiting => Self::Waiting,
            StateWord::Delivered => Self::Delivered,
            StateWord::GivenUp => Self::GivenUp,
        }
    }
}

/// One line of the log of a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryBody {
    id: i64,
    webhook_id: i64,
    /// The message, as the receiver knows it.
    message: Uuid,
    kind: MessageKindWord,
    state: StateWord,
    /// When what it tells of happened.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it is tried next.
    #[schema(format = "date-time")]
    next_at: Option<String>,
    /// Attempts so far.
    attempts: u32,
    /// When it was last tried.
    #[schema(format = "date-time")]
    tried_at: Option<String>,
    #[schema(format = "date-time")]
    delivered_at: Option<String>,
    /// The HTTP status of the last answer.
    status: Option<u16>,
    /// The begin of the last answer, or why there was none.
    answer: Option<String>,
    /// What was sent, byte for byte; told for one delivery, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            webhook_id: delivery.webhook_id,
            message: delivery.message,
            kind: Word(delivery.kind),
            state: delivery.state.into(),
            created_at: rfc3339(delivery.created_at),
            next_at: delivery.next_at.map(rfc3339),
            attempts: delivery.attempts,
            tried_at: delivery.tried_at.map(rfc3339),
            delivered_at: delivery.delivered_at.map(rfc3339),
            status: delivery.status,
            answer: delivery.answer,
            body: None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only those.
    state: Option<StateWord>,
    /// Where the page begins: what `next` of the one before said.
    cursor: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// The log of a webhook, newest first.
#[utoipa::path(
    get, path = "/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = i64, Path, description = "Number of the webhook"), DeliveriesQuery),
    responses((status = 200, description = "A page", body = Page<DeliveryBody>))
)]
pub(super) async fn list_deliveries(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Page<DeliveryBody>>, Problem> {
    let limit = page::limit(query.limit)?;
    let before: Option<i64> = page::decode(query.cursor.as_deref())?;
    let only = query.state.map(Into::into);
    let found = state.service.deliveries(&caller, id, only, before, limit).await?;
    let next = page::next(&found, limit, |last| last.id);
    Ok(Json(Page { items: found.into_iter().map(Into::into).collect(), next }))
}

/// One line of the log, with the body as the receiver gets it.
#[utoipa::path(
    get, path = "/deliveries/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Number of the delivery")),
    responses((status = 200, description = "The delivery", body = DeliveryBody))
)]
pub(super) async fn show_delivery(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Json<DeliveryBody>, Problem> {
    let delivery = state.service.delivery(&caller, id).await?;
    let body = Some(delivery_body(&delivery)?);
    Ok(Json(DeliveryBody { body, ..delivery.into() }))
}

/// Sends a message again, whatever became of it: the receiver sees the same id and body.
#[utoipa::path(
    post, path = "/deliveries/{id}/redeliver", tag = "webhooks",
    params(("id" = i64, Path, description = "Number of the delivery")),
    responses((status = 202, description = "It waits to be sent", body = DeliveryBody),
              (status = 409, description = "The webhook is turned off", body = problem::Body, content_type = "application/problem+json"))
)]
pub(super) async fn redeliver(
    State(state): State<AppState>,
    Ready(caller): Ready,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let delivery = state.service.redeliver(&caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryBody::from(delivery))).into_response())
}
