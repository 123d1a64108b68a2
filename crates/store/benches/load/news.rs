//! One new advisory that concerns 60 % of all images, with a webhook that is told of each.

use std::time::Instant;

use model::{MessageKind, Severity};
use store::{ComponentChange, NewEvent, NewWebhook, Store};

use crate::{
    fill::{T0, shards},
    world::{DENSE, OS_SHARD, Rng, finding},
};

const NOW: i64 = T0 + 9_000_000_000_000;

/// Does it, and says how long it took until every image had its message.
pub(crate) async fn measure(store: &Store) -> String {
    let event = NewEvent {
        actor: "bench",
        address: None,
        action: "webhook.created",
        object: "webhook:bench",
        project: None,
        request: None,
        detail: "{}",
    };
    let webhook = NewWebhook {
        project: None,
        name: "bench",
        url: "https://hook.example/",
        secret: b"sealed",
        kinds: &[MessageKind::FindingsNew],
        min_severity: Severity::Unknown,
        enabled: true,
        owner: "bench",
    };
    let webhook = store.create_webhook(&webhook, &event, NOW).await.unwrap();
    let all = shards("d3");
    let to = all.iter().find(|shard| shard.shard == OS_SHARD).unwrap();
    store.begin_rematch(to, NOW).await.unwrap();
    let names = [DENSE.to_owned()];
    let components = store.components_to_match(OS_SHARD, Some(&names), 0, 10_000).await.unwrap();
    let ids: Vec<i64> = components.iter().map(|(id, _)| *id).collect();
    let open = store.open_findings(&ids).await.unwrap();
    let mut rng = Rng::new(9);
    let change = |id: i64| {
        let known = open.iter().filter(|(component, ..)| *component == id).map(|(.., f)| f.clone());
        let new = finding("CVE-2026-9998", Severity::High, &mut rng);
        ComponentChange { component: id, findings: known.chain([new]).collect() }
    };
    let changes: Vec<ComponentChange> = ids.iter().copied().map(change).collect();
    store.change_findings(OS_SHARD, &to.digest, &changes, NOW).await.unwrap();
    store.finish_rematch(to, NOW).await.unwrap();
    store.longest_write();
    let begun = Instant::now();
    let told = store.tell_news(OS_SHARD, &to.digest, NOW).await.unwrap();
    let took = begun.elapsed().as_secs_f64();
    let longest = store.longest_write();
    let begun = Instant::now();
    let due = store.due_webhooks(&[], NOW, 10).await.unwrap();
    let looked = begun.elapsed();
    assert_eq!(due, [webhook]);
    let begun = Instant::now();
    assert!(store.claim_delivery(webhook, NOW + 1, NOW).await.unwrap().is_some());
    let claimed = begun.elapsed();
    format!(
        "{told} messages in {took:.1} s, longest transaction {longest:?} (target 50 ms); with them waiting, a look takes \
         {looked:?} and a claim {claimed:?}"
    )
}
