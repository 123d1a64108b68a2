//! Messages: what reaches the outbox, and in whose hands it is.

use std::collections::BTreeSet;

use model::{
    ChangeReason, Component, FailureReason, Finding, JobClass, MessageKind, Package, PackageKind, ScanStatus,
    Severity,
};
use store::{
    ComponentChange, Delivery, FindingsMessage, MAX_FINDINGS, NewEvent, NewWebhook, ScanMessage, Scope,
    ShardVersion, Store, StoreError, WebhookChange,
};

use crate::{
    rig::{Contents, REPORT, SECOND, T0, claim, complete, key, on_both, scan, submit, to_match},
    world::{OS_SHARD, Rng, finding},
};

pub(crate) const EVENT: NewEvent<'static> = NewEvent {
    actor: "alice",
    address: None,
    action: "webhook.changed",
    object: "webhook:test",
    project: None,
    request: None,
    detail: "{}",
};

fn new_webhook<'a>(project: Option<i64>, name: &'a str, kinds: &'a [MessageKind]) -> NewWebhook<'a> {
    NewWebhook {
        project,
        name,
        url: "https://hook.example/x",
        secret: b"sealed",
        kinds,
        min_severity: Severity::Unknown,
        enabled: true,
        owner: "alice",
    }
}

pub(crate) async fn webhook(store: &Store, project: Option<i64>, name: &str, kinds: &[MessageKind]) -> i64 {
    store.create_webhook(&new_webhook(project, name, kinds), &EVENT, T0).await.unwrap()
}

/// The log of a webhook, oldest first.
pub(crate) async fn log(store: &Store, webhook: i64) -> Vec<Delivery> {
    let mut all = store.deliveries(webhook, None, None, 100_000).await.unwrap();
    all.reverse();
    all
}

async fn kinds(store: &Store, webhook: i64) -> Vec<MessageKind> {
    log(store, webhook).await.iter().map(|delivery| delivery.kind).collect()
}

fn scan_message(delivery: &Delivery) -> ScanMessage {
    serde_json::from_str(&delivery.facts).unwrap()
}

fn findings_message(delivery: &Delivery) -> FindingsMessage {
    serde_json::from_str(&delivery.facts).unwrap()
}

fn version(number: usize) -> ShardVersion {
    ShardVersion { shard: OS_SHARD.to_owned(), digest: format!("d{number}"), built: String::new() }
}

fn found(name: &str, severity: Severity) -> Finding {
    finding(name, severity, &mut Rng::new(name.len() as u64))
}

/// An image of these packages, `name version`, each with these findings.
fn contents(digest: &str, packages: &[(&str, &[(&str, Severity)])]) -> Contents {
    let mut contents =
        Contents { digest: digest.to_owned(), shards: vec![version(1)], ..Contents::default() };
    for (at, (package, findings)) in packages.iter().enumerate() {
        let (name, number) = package.split_once(' ').unwrap();
        contents.components.push(Component {
            key: key(package),
            shard: Some(OS_SHARD.to_owned()),
            names: vec![name.to_owned()],
            package: Package::new(PackageKind::Deb, name, number),
            distro: None,
            channels: Vec::new(),
        });
        contents.sets.push(vec![at]);
        contents.findings.extend(findings.iter().map(|(name, severity)| (at, found(name, *severity))));
    }
    contents
}

#[test]
fn every_end_of_a_scan_is_told_once_to_everybody_who_wants_it() {
    on_both(async |store| {
        let (one, two) =
            (store.ensure_project("one", T0).await.unwrap(), store.ensure_project("two", T0).await.unwrap());
        let ends = [MessageKind::ScanCompleted, MessageKind::ScanFailed, MessageKind::ScanCancelled];
        let all = webhook(store, None, "all", MessageKind::ALL).await;
        let own = webhook(store, Some(one), "own", &ends).await;
        let failures = webhook(store, Some(one), "failures", &[MessageKind::ScanFailed]).await;
        let other = webhook(store, Some(two), "own", &ends).await;
        let off = webhook(store, None, "off", MessageKind::ALL).await;
        let turned = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
        store.change_webhook(off, &turned, &EVENT, T0).await.unwrap();

        let first =
            contents("sha256:1", &[("curl 1", &[("CVE-1", Severity::High), ("CVE-2", Severity::Low)])]);
        complete(store, one, "r.example/a:1", &first, T0).await;
        let failed = submit(store, one, "r.example/b:1", T0).await;
        let look = claim(store, "w", T0).await.unwrap();
        store.fail(&look, FailureReason::ImageNotFound, "no such tag", T0 + 5).await.unwrap();
        let stopped = submit(store, one, "r.example/c:1", T0).await;
        assert!(store.cancel(stopped.scan, "bob", T0).await.unwrap());
        assert!(!store.cancel(stopped.scan, "bob", T0).await.unwrap());

        assert_eq!(kinds(store, all).await, ends);
        assert_eq!(kinds(store, own).await, ends);
        assert_eq!(kinds(store, failures).await, [MessageKind::ScanFailed]);
        assert_eq!(kinds(store, other).await, []);
        assert_eq!(kinds(store, off).await, []);

        let told = log(store, own).await;
        let completed = scan_message(&told[0]);
        assert_eq!((completed.status, completed.image.project.as_str()), (ScanStatus::Completed, "one"));
        assert_eq!(completed.image.reference, "r.example/a:1");
        assert_eq!(completed.image.digest.as_deref(), Some("sha256:1"));
        let counts = completed.findings.unwrap();
        assert_eq!((counts.high, counts.low), (1, 1));
        assert!(completed.report.is_some() && completed.finished_at == Some(T0));
        let failure = scan_message(&told[1]);
        assert_eq!((failure.scan, failure.status), (failed.scan, ScanStatus::Failed));
        assert_eq!(failure.reason, Some(FailureReason::ImageNotFound));
        assert_eq!((failure.detail.as_deref(), failure.finished_at), (Some("no such tag"), Some(T0 + 5)));
        assert_eq!(scan_message(&told[2]).detail.as_deref(), Some("cancelled by bob"));
        let messages: BTreeSet<_> = told.iter().map(|delivery| delivery.message).collect();
        assert_eq!(messages.len(), 3);
    });
}

#[test]
fn a_report_that_is_refused_is_not_told_of() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let all = webhook(store, None, "all", MessageKind::ALL).await;
        complete(store, project, "r.example/a:1", &contents("sha256:1", &[("curl 1", &[])]), T0).await;
        submit(store, project, "r.example/b:1", T0).await;
        let old = contents("sha256:2", &[("curl 2", &[("CVE-1", Severity::High)])]);
        let (id, matching) = to_match(store, &old, T0).await;
        store.begin_rematch(&version(2), T0).await.unwrap();
        let refused = store.finish_match(&matching, &old.content(id), &REPORT, T0).await;
        assert!(matches!(refused, Err(StoreError::ShardMoved(_))));
        assert_eq!(kinds(store, all).await, [MessageKind::ScanCompleted]);
        let new = Contents { shards: vec![version(2)], ..old.clone() };
        store.finish_match(&matching, &new.content(id), &REPORT, T0).await.unwrap();
        assert_eq!(kinds(store, all).await, [MessageKind::ScanCompleted; 2]);
    });
}

#[test]
fn a_scan_tells_of_findings_that_the_image_did_not_have() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        use Severity::{Critical, High, Low};
        let all = webhook(store, None, "all", &[MessageKind::FindingsNew]).await;
        let new = NewWebhook {
            min_severity: High,
            ..new_webhook(Some(project), "high", &[MessageKind::FindingsNew])
        };
        let high = store.create_webhook(&new, &EVENT, T0).await.unwrap();
        let first = contents("sha256:1", &[("curl 1", &[("CVE-1", High)]), ("zlib 1", &[("CVE-2", Low)])]);
        complete(store, project, "r.example/a:1", &first, T0).await;
        // The first report of an image is no news: there was nothing to compare it with.
        assert_eq!(kinds(store, all).await, []);
        // Another version of curl with the same flaw and one more; zlib is as it was, xz is new and clean.
        let second = contents(
            "sha256:2",
            &[
                ("curl 2", &[("CVE-1", High), ("CVE-3", Low), ("CVE-4", Critical)]),
                ("zlib 1", &[("CVE-2", Low)]),
                ("xz 1", &[]),
            ],
        );
        complete(store, project, "r.example/a:1", &second, T0 + SECOND).await;
        let told = log(store, all).await;
        assert_eq!(told.len(), 1);
        let message = findings_message(&told[0]);
        let names: Vec<&str> = message.findings.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["CVE-4", "CVE-3"]);
        assert_eq!((message.counts.critical, message.counts.low), (1, 1));
        assert_eq!((message.cause, message.scan.is_some()), (ChangeReason::ImageChanged, true));
        assert_eq!(message.findings[0].package, "curl");
        assert_eq!(message.findings[0].version, "2");
        let message = findings_message(&log(store, high).await[0]);
        assert_eq!((message.findings.len(), message.counts.low), (1, 0));
        // The same again, and what brings only less: nothing to tell.
        complete(store, project, "r.example/a:1", &second, T0 + 2 * SECOND).await;
        complete(store, project, "r.example/a:1", &first, T0 + 3 * SECOND).await;
        assert_eq!(log(store, all).await.len(), 1);
    });
}

/// Moves findings as new advisories want them: each named component gets these.
async fn rematch(store: &Store, to: usize, changes: &[(&str, Vec<Finding>)]) {
    let to = version(to);
    store.begin_rematch(&to, T0).await.unwrap();
    let components = store.components_to_match(OS_SHARD, None, 0, 1000).await.unwrap();
    for (package, findings) in changes {
        let (id, _) = components.iter().find(|(_, c)| c.package.name == *package).unwrap();
        let change = ComponentChange { component: *id, findings: findings.clone() };
        store.change_findings(OS_SHARD, &to.digest, &[change], T0).await.unwrap();
        // Not before the move is over: more may come for the same image.
        assert_eq!(store.untold_news().await.unwrap(), []);
    }
    store.finish_rematch(&to, T0).await.unwrap();
}

#[test]
fn a_rematch_makes_one_message_for_an_image() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let other = store.ensure_project("q", T0).await.unwrap();
        let all = webhook(store, None, "all", &[MessageKind::FindingsNew]).await;
        let own = webhook(store, Some(other), "own", &[MessageKind::FindingsNew]).await;
        let both = contents("sha256:1", &[("a 1", &[("CVE-old", Severity::Low)]), ("b 1", &[])]);
        complete(store, project, "r.example/both:1", &both, T0).await;
        complete(store, other, "r.example/b:1", &contents("sha256:2", &[("b 1", &[])]), T0).await;
        complete(store, other, "r.example/none:1", &contents("sha256:3", &[("c 1", &[])]), T0).await;

        let many: Vec<Finding> = (0..150).map(|n| found(&format!("CVE-b{n}"), Severity::Medium)).collect();
        let changes = [
            // One that says something else is no news.
            ("a", vec![found("CVE-old", Severity::High), found("CVE-a", Severity::Critical)]),
            ("b", many),
        ];
        rematch(store, 2, &changes).await;
        assert_eq!(store.untold_news().await.unwrap(), [(OS_SHARD.to_owned(), "d2".to_owned())]);
        assert_eq!(log(store, all).await, []);
        // Two processes at once.
        let (left, right) =
            tokio::join!(store.tell_news(OS_SHARD, "d2", T0), store.tell_news(OS_SHARD, "d2", T0));
        assert_eq!(left.unwrap() + right.unwrap(), 2);
        assert_eq!(store.untold_news().await.unwrap(), []);
        assert_eq!(store.tell_news(OS_SHARD, "d2", T0).await.unwrap(), 0);

        let told: Vec<FindingsMessage> = log(store, all).await.iter().map(findings_message).collect();
        let images: Vec<&str> = told.iter().map(|message| message.image.reference.as_str()).collect();
        assert_eq!(images, ["r.example/both:1", "r.example/b:1"]);
        assert_eq!((told[0].counts.critical, told[0].counts.medium, told[0].counts.high), (1, 150, 0));
        assert_eq!(told[0].findings.len(), MAX_FINDINGS);
        assert_eq!(told[0].findings[0].name, "CVE-a");
        assert_eq!((told[0].cause, told[0].shard.as_deref()), (ChangeReason::AdvisoryNew, Some(OS_SHARD)));
        assert_eq!((told[1].counts.medium, told[1].image.project.as_str()), (150, "q"));
        assert_eq!(log(store, own).await.len(), 1);
    });
}

#[test]
fn many_images_have_their_messages_however_many_make_them() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let all = webhook(store, None, "all", &[MessageKind::FindingsNew]).await;
        for number in 0..130 {
            let own = format!("own{number} 1");
            let image = contents(&format!("sha256:{number}"), &[("base 1", &[]), (&own, &[])]);
            complete(store, project, &format!("r.example/i{number}:1"), &image, T0).await;
        }
        rematch(store, 2, &[("base", vec![found("CVE-1", Severity::High)])]).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            tasks.spawn(async move { store.tell_news(OS_SHARD, "d2", T0).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 130);
        let told = log(store, all).await;
        let images: BTreeSet<i64> = told.iter().map(|delivery| findings_message(delivery).image.id).collect();
        assert_eq!((told.len(), images.len()), (130, 130));
    });
}

#[test]
fn without_anybody_who_wants_them_no_news_are_kept() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        webhook(store, None, "ends", &[MessageKind::ScanFailed]).await;
        complete(store, project, "r.example/a:1", &contents("sha256:1", &[("a 1", &[])]), T0).await;
        rematch(store, 2, &[("a", vec![found("CVE-1", Severity::High)])]).await;
        assert_eq!(store.untold_news().await.unwrap(), []);
    });
}

/// Puts messages into the outbox of a webhook.
pub(crate) async fn fill(store: &Store, webhook: i64, count: usize) {
    for _ in 0..count {
        store.add_delivery(webhook, MessageKind::Test, "{}", T0, &EVENT, T0).await.unwrap();
    }
}

#[test]
fn webhooks_are_kept_listed_changed_and_taken_away() {
    on_both(async |store| {
        let (one, two) =
            (store.ensure_project("one", T0).await.unwrap(), store.ensure_project("two", T0).await.unwrap());
        let global = webhook(store, None, "a", &[MessageKind::ScanFailed]).await;
        let first = webhook(store, Some(one), "a", MessageKind::ALL).await;
        let second = webhook(store, Some(two), "a", MessageKind::ALL).await;
        let other = webhook(store, Some(two), "b", MessageKind::ALL).await;
        for project in [None, Some(one)] {
            let taken = store.create_webhook(&new_webhook(project, "a", &[]), &EVENT, T0).await;
            assert!(matches!(taken, Err(StoreError::Exists(_))), "{taken:?}");
        }
        let none = store.create_webhook(&new_webhook(Some(two + 9), "z", &[]), &EVENT, T0).await;
        assert!(matches!(none, Err(StoreError::NotFound("project"))));
        let ids = async |scope: &Scope, global, after| -> Vec<i64> {
            let list = store.webhooks(scope, global, after, 2).await.unwrap();
            list.iter().map(|webhook| webhook.id).collect()
        };
        assert_eq!(ids(&Scope::All, true, 0).await, [global, first]);
        assert_eq!(ids(&Scope::All, false, first).await, [second, other]);
        assert_eq!(ids(&Scope::Projects(vec![one]), false, 0).await, [first]);
        assert_eq!(ids(&Scope::Projects(vec![one]), true, 0).await, [global, first]);
        assert!(ids(&Scope::Projects(vec![]), false, 0).await.is_empty());

        let events = store.last_event().await.unwrap();
        let change = WebhookChange {
            url: Some("http://other.example/"),
            kinds: Some(&[MessageKind::Test]),
            min_severity: Some(Severity::High),
            ..WebhookChange::default()
        };
        store.change_webhook(second, &change, &EVENT, T0 + 1).await.unwrap();
        assert_eq!(store.last_event().await.unwrap(), events + 1);
        let seen = store.webhook(second).await.unwrap().unwrap();
        assert_eq!(
            (seen.name.as_str(), seen.url.as_str(), seen.enabled),
            ("a", "http://other.example/", true)
        );
        assert_eq!(
            (seen.kinds, seen.min_severity, seen.changed_at),
            (vec![MessageKind::Test], Severity::High, T0 + 1)
        );
        assert_eq!(store.webhook_secret(second).await.unwrap().as_deref(), Some(&b"sealed"[..]));
        let name = WebhookChange { name: Some("b"), ..WebhookChange::default() };
        let taken = store.change_webhook(second, &name, &EVENT, T0).await;
        assert!(matches!(taken, Err(StoreError::Exists(_))), "{taken:?}");

        fill(store, second, 2).await;
        store.delete_webhook(second, &EVENT, T0).await.unwrap();
        assert_eq!(store.waiting_deliveries().await.unwrap(), (0, None));
        let gone = store.delete_webhook(second, &EVENT, T0).await;
        assert!(matches!(gone, Err(StoreError::NotFound("webhook"))));
        let gone = store.add_delivery(second, MessageKind::Test, "{}", T0, &EVENT, T0).await;
        assert!(matches!(gone, Err(StoreError::NotFound("webhook"))));
    });
}

#[test]
fn scans_end_while_their_webhooks_come_and_go() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4 {
            let store = store.clone();
            tasks.spawn(async move {
                for number in 0..15 {
                    let reference = format!("r.example/t{task}:{number}");
                    let request = scan(project, &reference, JobClass::Push);
                    let made = store.submit(&[request], T0).await.unwrap()[0];
                    assert!(store.cancel(made.scan, "bob", T0).await.unwrap());
                }
            });
        }
        for number in 0..30 {
            let hook = webhook(store, None, &format!("w{number}"), MessageKind::ALL).await;
            tokio::task::yield_now().await;
            store.delete_webhook(hook, &EVENT, T0).await.unwrap();
        }
        tasks.join_all().await;
    });
}
