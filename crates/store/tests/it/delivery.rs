//! The outbox in the hands of senders: one at a time, lost by none, and its log.

use std::collections::BTreeSet;

use model::MessageKind;
use store::{Attempt, ClaimedDelivery, DeliveryState, Store, StoreError, WebhookChange};

use crate::{
    outbox::{EVENT, fill, log, webhook},
    rig::{SECOND, T0, on_both},
};

const MINUTE: i64 = 60 * SECOND;

async fn take(store: &Store, webhook: i64, now: i64) -> Option<ClaimedDelivery> {
    store.claim_delivery(webhook, now + MINUTE, now).await.unwrap()
}

const TAKEN: Attempt<'static> =
    Attempt { delivered: true, status: Some(204), answer: "", took_ms: 7, next_at: None };

#[test]
fn a_message_is_in_one_hand_at_a_time() {
    on_both(async |store| {
        let hook = webhook(store, None, "all", MessageKind::ALL).await;
        fill(store, hook, 40).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                while !store.due_webhooks(&[], T0, 10).await.unwrap().is_empty() {
                    mine.extend(take(&store, hook, T0).await.map(|claimed| claimed.message));
                }
                mine
            });
        }
        let all: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (40, 40));
        assert_eq!(store.due_webhooks(&[], T0 + MINUTE, 10).await.unwrap(), [hook]);
        assert!(store.due_webhooks(&[hook], T0 + MINUTE, 10).await.unwrap().is_empty());
    });
}

#[test]
fn a_sender_that_is_lost_loses_no_message() {
    on_both(async |store| {
        let hook = webhook(store, None, "all", MessageKind::ALL).await;
        fill(store, hook, 1).await;
        let lost = take(store, hook, T0).await.unwrap();
        assert_eq!(take(store, hook, T0 + MINUTE - 1).await, None);
        let later = T0 + MINUTE;
        let next = take(store, hook, later).await.unwrap();
        assert_eq!((next.message, lost.attempt, next.attempt), (lost.message, 1, 2));
        let late = store.finish_delivery(&lost, &TAKEN, later).await;
        assert!(matches!(late, Err(StoreError::Lost)));
        assert_eq!(log(store, hook).await[0].state, DeliveryState::Waiting);

        let refused = Attempt {
            delivered: false,
            status: Some(500),
            answer: "out of order",
            took_ms: 3,
            next_at: Some(later + SECOND),
        };
        store.finish_delivery(&next, &refused, later).await.unwrap();
        let line = log(store, hook).await.remove(0);
        assert_eq!((line.state, line.status, line.attempts), (DeliveryState::Waiting, Some(500), 2));
        assert_eq!((line.answer.as_deref(), line.took_ms), (Some("out of order"), Some(3)));
        assert_eq!(take(store, hook, later).await, None);
        let again = take(store, hook, later + SECOND).await.unwrap();
        store.finish_delivery(&again, &TAKEN, later + SECOND).await.unwrap();
        let line = log(store, hook).await.remove(0);
        assert_eq!((line.state, line.delivered_at), (DeliveryState::Delivered, Some(later + SECOND)));
        assert_eq!(take(store, hook, later + 9 * MINUTE).await, None);

        // Again, because somebody asked: the receiver sees the same number.
        store.redeliver(line.id, &EVENT, later).await.unwrap();
        let again = take(store, hook, later).await.unwrap();
        assert_eq!((again.message, again.attempt), (lost.message, 1));
        let given_up = Attempt { next_at: None, ..refused };
        store.finish_delivery(&again, &given_up, later).await.unwrap();
        assert_eq!(log(store, hook).await[0].state, DeliveryState::GivenUp);
        let none = store.redeliver(line.id + 1, &EVENT, later).await;
        assert!(matches!(none, Err(StoreError::NotFound("delivery"))));
    });
}

#[test]
fn the_log_has_pages_and_ends() {
    on_both(async |store| {
        let hook = webhook(store, None, "all", MessageKind::ALL).await;
        fill(store, hook, 10).await;
        for _ in 0..6 {
            let claimed = take(store, hook, T0).await.unwrap();
            store.finish_delivery(&claimed, &TAKEN, T0).await.unwrap();
        }
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = store.deliveries(hook, None, before, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.extend(page.iter().map(|delivery| delivery.id));
        }
        assert!(seen.len() == 10 && seen.is_sorted_by(|a, b| a > b));
        let waiting = store.deliveries(hook, Some(DeliveryState::Waiting), None, 100).await.unwrap();
        let done = store.deliveries(hook, Some(DeliveryState::Delivered), None, 100).await.unwrap();
        assert_eq!((waiting.len(), done.len()), (4, 6));
        assert_eq!(store.waiting_deliveries().await.unwrap(), (4, Some(T0)));
        assert_eq!(store.trim_deliveries(T0, 4).await.unwrap(), 0);
        assert_eq!(store.trim_deliveries(T0 + 1, 4).await.unwrap(), 4);
        assert_eq!(store.trim_deliveries(T0 + 1, 4).await.unwrap(), 2);
        assert_eq!(store.trim_deliveries(T0 + 1, 4).await.unwrap(), 0);
        assert_eq!(log(store, hook).await.len(), 4);
        // Turned off, it is told nothing any more: not even what waited.
        let turned = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
        store.change_webhook(hook, &turned, &EVENT, T0).await.unwrap();
        assert!(log(store, hook).await.iter().all(|line| line.state == DeliveryState::GivenUp));
    });
}
