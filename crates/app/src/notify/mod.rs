//! Notification: signed messages from the outbox of the store to webhooks.
//!
//! What is told was written in the transaction that made it true; here it is only sent, as often as it takes. Several
//! processes may send at once: a message is claimed under a lease. Receivers are named by users, so every address is
//! judged before anything is connected to, and no redirect is followed. The form of messages is in `docs/webhooks.md`.

mod error;
mod message;
mod send;
mod webhooks;

use std::{collections::HashMap, time::Duration};

use model::problem::explain;
use store::{ClaimedDelivery, StoreError};
use tokio::{sync::watch, task::JoinSet};

use self::send::Sender;
pub use self::{
    error::NotifyError,
    message::{SIGNATURE_HEADER, sign},
    webhooks::{MadeWebhook, WebhookOrder, WebhookPatch, delivery_body, send_test},
};
use crate::{
    clock,
    service::{Service, stopped},
};

/// Messages to one webhook that are under way at once: a slow receiver holds up nobody else.
const PER_WEBHOOK: usize = 2;
/// How long those that are under way may still take when the service ends; the next process sends them again.
const GRACE: Duration = Duration::from_secs(3);

/// Sends messages until `stop` says so.
pub async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    let mut changed = service.follow();
    let mut tasks: JoinSet<()> = JoinSet::new();
    let mut hands: HashMap<tokio::task::Id, i64> = HashMap::new();
    loop {
        if let Err(error) = fill(&service, &mut tasks, &mut hands).await
            && !matches!(error, NotifyError::Store(StoreError::Stopped))
        {
            tracing::error!(error = %explain(&error), "messages cannot be sent");
        }
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                let id = match &ended {
                    Ok((id, ())) => *id,
                    Err(error) => error.id(),
                };
                hands.remove(&id);
            }
            Ok(()) = changed.changed() => {}
            () = tokio::time::sleep(service.config.background.notify.poll) => {}
        }
    }
    let _ = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}

/// Takes messages while there is room.
async fn fill(
    service: &Service,
    tasks: &mut JoinSet<()>,
    hands: &mut HashMap<tokio::task::Id, i64>,
) -> Result<(), NotifyError> {
    let most = service.config.background.notify.at_once.max(1);
    loop {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        for webhook in hands.values() {
            *counts.entry(*webhook).or_default() += 1;
        }
        let busy: Vec<i64> =
            counts.into_iter().filter(|(_, count)| *count >= PER_WEBHOOK).map(|(id, _)| id).collect();
        let free = most.saturating_sub(tasks.len());
        if free == 0 {
            return Ok(());
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let due = service.store.due_webhooks(&busy, clock::now(), limit).await?;
        let mut taken = false;
        for webhook in due {
            let Some(claimed) = claim(service, webhook).await? else { continue };
            taken = true;
            let (service, sender) = (service.clone(), Sender::of(service)?);
            let task = tasks.spawn(async move { deliver(&service, &sender, &claimed).await });
            hands.insert(task.id(), webhook);
        }
        if !taken {
            return Ok(());
        }
    }
}

async fn claim(service: &Service, webhook: i64) -> Result<Option<ClaimedDelivery>, NotifyError> {
    let now = clock::now();
    Ok(service.store.claim_delivery(webhook, now + send::lease(service), now).await?)
}

/// Sends every message that is due, one after another: how many attempts were made.
///
/// # Errors
/// When the store does not answer, or no client can be built.
pub async fn deliver_once(service: &Service) -> Result<usize, NotifyError> {
    let sender = Sender::of(service)?;
    let mut attempts = 0;
    loop {
        let due = service.store.due_webhooks(&[], clock::now(), 100).await?;
        if due.is_empty() {
            return Ok(attempts);
        }
        for webhook in due {
            if let Some(claimed) = claim(service, webhook).await? {
                deliver(service, &sender, &claimed).await;
                attempts += 1;
            }
        }
    }
}

/// Makes one attempt and writes down what came of it.
async fn deliver(service: &Service, sender: &Sender, claimed: &ClaimedDelivery) {
    let config = &service.config.background.notify;
    let answer = sender.attempt(claimed).await;
    let retry = (!answer.delivered && !answer.hopeless && claimed.attempt < config.attempts).then(|| {
        let pause = crate::jobs::backoff(claimed.attempt, config.backoff, config.max_backoff);
        let asked = answer.retry_after.unwrap_or_default().min(config.max_backoff);
        clock::now() + clock::micros(pause.max(asked))
    });
    if !answer.delivered {
        tracing::warn!(
            delivery = claimed.id,
            webhook = claimed.webhook_id,
            kind = claimed.kind.as_str(),
            attempt = claimed.attempt,
            status = answer.status,
            given_up = retry.is_none(),
            "a message was not taken"
        );
    }
    let written = service.store.finish_delivery(claimed, &answer.as_attempt(retry), clock::now()).await;
    match written {
        // Lost: whoever has the message now writes what comes of it.
        Ok(()) | Err(StoreError::Lost | StoreError::Stopped) => {}
        Err(error) => {
            tracing::error!(delivery = claimed.id, error = %explain(&error), "the end of a delivery was not stored");
        }
    }
}
