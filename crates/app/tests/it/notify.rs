//! Messages from what happens to whoever is told, over a real connection.

use std::{collections::BTreeSet, time::Duration};

use app::{
    Service,
    accounts::{Caller, CallerKind, Rights},
    clock,
    notify::{
        self, MadeWebhook, NotifyError, WebhookOrder, WebhookPatch, deliver_once, delivery_body, send_test,
    },
    seal::SealingKey,
};
use model::{MessageKind, Role, Severity};
use store::{Delivery, DeliveryState, EventFilter, LogPosition, Scope, StoreError};
use tokio::sync::watch;

use crate::{
    receiver::{Receiver, Reply},
    world::{Kind, World, debian, kinds, record},
};

const SECRET: &str = "correct-horse-battery";
/// The same for all processes of a test.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn admin() -> Caller {
    let mut caller = Caller::system("root");
    caller.kind = CallerKind::User;
    caller
}

fn member(project: i64, role: Role) -> Caller {
    let mut caller = Caller::system("bob");
    caller.kind = CallerKind::User;
    caller.role = Role::Viewer;
    caller.rights = Rights::Some([(project, role)].into());
    caller
}

/// One process: quick, and allowed to send to loopback.
async fn process(world: &World, name: &str) -> (Service, i64) {
    let mut config = world.config();
    config.data = world.dir.path().join(name);
    let notify = &mut config.background.notify;
    notify.allow = vec!["127.0.0.0/8".parse().unwrap()];
    notify.timeout = Duration::from_millis(400);
    notify.attempts = 3;
    notify.backoff = Duration::from_millis(1);
    notify.max_backoff = Duration::from_millis(2);
    notify.poll = Duration::from_millis(20);
    let key = SealingKey::parse(KEY).unwrap();
    let service = Service::new(world.store().await, config, Some(key)).unwrap();
    let project = service.store.ensure_project("default", clock::now()).await.unwrap();
    (service, project)
}

fn order<'a>(name: &'a str, url: &'a str) -> WebhookOrder<'a> {
    WebhookOrder {
        project: None,
        name,
        url,
        secret: Some(SECRET),
        kinds: MessageKind::ALL,
        min_severity: Severity::Unknown,
        enabled: true,
    }
}

async fn webhook(service: &Service, name: &str, url: &str) -> i64 {
    service.create_webhook(&admin(), &order(name, url)).await.unwrap().webhook.id
}

/// Lets a scan end: asked for, and stopped.
async fn stopped_scan(service: &Service, project: i64, reference: &str) {
    let target = app::submit::Target::parse(reference).unwrap();
    let order = app::submit::ScanOrder { target, platform: None, secret: None };
    let requester = app::submit::Requester {
        project,
        name: "a test",
        request_id: "r1",
        class: model::JobClass::Push,
        source: "submit",
    };
    let scan = service.submit(&[order], requester).await.unwrap()[0].scan;
    assert!(service.store.cancel(scan, "bob", clock::now()).await.unwrap());
}

async fn log(service: &Service, webhook: i64) -> Vec<Delivery> {
    service.deliveries(&admin(), webhook, None, None, 500).await.unwrap()
}

/// Sends until nothing is left to send, however often that fails.
async fn drain(service: &Service, webhook: i64) {
    while log(service, webhook).await.iter().any(|line| line.state == DeliveryState::Waiting) {
        deliver_once(service).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_and_new_advisories_are_told_of_by_a_running_service() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let (service, project) = process(&world, "data").await;
        let receiver = Receiver::taking().await;
        let hook = webhook(&service, "all", &receiver.url("/hook")).await;
        let stop = watch::Sender::new(false);
        let worker = tokio::spawn(app::jobs::worker::work(service.clone(), stop.subscribe()));
        let background = tokio::spawn(app::background::run_all(service.clone(), stop.subscribe()));

        let target = app::submit::Target::parse(&world.reference("app:1")).unwrap();
        let order = app::submit::ScanOrder { target, platform: None, secret: None };
        let requester = app::submit::Requester {
            project,
            name: "alice",
            request_id: "r7",
            class: model::JobClass::Push,
            source: "submit",
        };
        let scan = service.submit(&[order], requester).await.unwrap()[0].scan;
        let got = receiver.until(1).await.remove(0);
        assert!(got.is_signed(SECRET) && !got.is_signed("another-secret-of-nobody"));
        assert_eq!((got.path.as_str(), got.header("content-type")), ("/hook", "application/json"));
        assert_eq!(got.header("lazaret-event"), "scan.completed");
        let body = got.json();
        assert_eq!(body["version"], 1);
        assert_eq!(body["id"], got.header("lazaret-delivery"));
        assert_eq!(body["kind"], "scan.completed");
        assert_eq!(body["data"]["scan"]["id"], scan.to_string());
        assert_eq!(body["data"]["scan"]["requested_by"], "alice");
        assert_eq!(body["data"]["image"]["reference"], world.reference("app:1"));
        assert_eq!(body["data"]["counts"]["critical"], 1);

        // Nothing is pulled; one message tells of what is new, and not of what is only said otherwise.
        world.advise(&[
            record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'L'),
            record("CVE-2026-0002", "Debian:12", "curl", "7.88.1-12", 'H'),
            record("CVE-2026-0003", "Debian:12", "curl", "7.88.1-13", 'L'),
        ]);
        let got = receiver.until(2).await.remove(1);
        assert!(got.is_signed(SECRET));
        let body = got.json();
        assert_eq!((&body["kind"], &body["data"]["total"]), (&"findings.new".into(), &2.into()));
        assert_eq!(body["data"]["cause"], "advisory_new");
        assert_eq!(body["data"]["advisories"], "debian-12");
        assert_eq!(body["data"]["findings"][0]["vulnerability"], "CVE-2026-0002");
        assert_eq!(body["data"]["findings"][0]["package"]["name"], "curl");
        assert_eq!(body["data"]["findings"][1]["severity"], "high");

        while log(&service, hook).await.iter().any(|line| line.state != DeliveryState::Delivered) {
            tokio::task::yield_now().await;
        }
        let begun = std::time::Instant::now();
        stop.send_replace(true);
        background.await.unwrap();
        worker.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!(receiver.got().len(), 2);
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_tried_again_and_given_up_in_the_end() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        let moody = Receiver::start(|_, before| match before {
            0 => Reply::Status(500, "out of order"),
            1 => Reply::Status(429, "later"),
            _ => Reply::Status(200, "thanks"),
        })
        .await;
        let never = Receiver::start(|_, _| Reply::Status(503, "no\r\nto correct-horse-battery")).await;
        let gone = Receiver::start(|_, _| Reply::Status(410, "gone")).await;
        let mut hooks = Vec::new();
        for (name, receiver) in [("moody", &moody), ("never", &never), ("gone", &gone)] {
            hooks.push(webhook(&service, name, &receiver.url("/")).await);
        }
        stopped_scan(&service, project, "r.example/a:1").await;
        for hook in &hooks {
            drain(&service, *hook).await;
        }
        let line = |hook: usize| {
            let (service, hook) = (&service, hooks[hook]);
            async move { log(service, hook).await.remove(0) }
        };
        let taken = line(0).await;
        assert_eq!((taken.state, taken.attempts, taken.status), (DeliveryState::Delivered, 3, Some(200)));
        assert_eq!(taken.answer.as_deref(), Some("thanks"));
        // The same message at every attempt.
        let got = moody.got();
        assert!(got.iter().all(|one| one.body == got[0].body && one.is_signed(SECRET)));
        assert_eq!(got[0].body, delivery_body(&taken).unwrap());
        let refused = line(1).await;
        assert_eq!((refused.state, refused.attempts, refused.status), (DeliveryState::GivenUp, 3, Some(503)));
        assert_eq!(refused.answer.as_deref(), Some("no to (hidden)"));
        let over = line(2).await;
        assert_eq!((over.state, over.attempts, over.status), (DeliveryState::GivenUp, 1, Some(410)));

        // Once more, because somebody asked: the receiver knows the number already.
        let again = service.redeliver(&admin(), taken.id).await.unwrap();
        assert_eq!((again.state, again.attempts), (DeliveryState::Waiting, 0));
        drain(&service, hooks[0]).await;
        let got = moody.got();
        assert_eq!(got.len(), 4);
        assert_eq!(got[3].header("lazaret-delivery"), got[0].header("lazaret-delivery"));
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        let hangs = Receiver::start(|_, _| Reply::Hang).await;
        let quick = Receiver::taking().await;
        let hanging = webhook(&service, "hangs", &hangs.url("/")).await;
        webhook(&service, "quick", &quick.url("/")).await;
        for number in 0..12 {
            stopped_scan(&service, project, &format!("r.example/a:{number}")).await;
        }
        let stop = watch::Sender::new(false);
        let loops = tokio::spawn(notify::run(service.clone(), stop.subscribe()));
        let messages: BTreeSet<String> =
            quick.until(12).await.iter().map(|got| got.header("lazaret-delivery").to_owned()).collect();
        assert_eq!(messages.len(), 12);
        // Twelve messages that hang for 400 ms each, two at a time: the quick one did not wait for them.
        assert!(hangs.got().len() < 12, "{}", hangs.got().len());
        hangs.until(1).await;
        stop.send_replace(true);
        loops.await.unwrap();
        let tried: Vec<Delivery> = log(&service, hanging).await;
        let told = tried.iter().filter_map(|line| line.answer.as_deref());
        assert!(told.clone().count() > 0);
        assert!(
            told.clone().all(|answer| answer.contains("did not answer in time")),
            "{:?}",
            told.collect::<Vec<_>>()
        );
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_elsewhere() {
    let world = World::new(Kind::Lite).await;
    let (service, project) = process(&world, "data").await;
    let target = Receiver::taking().await;
    let to = target.url("/stolen");
    let leads = Receiver::start(move |_, _| Reply::Redirect(to.clone())).await;
    let hook = webhook(&service, "leads", &leads.url("/")).await;
    stopped_scan(&service, project, "r.example/a:1").await;
    drain(&service, hook).await;
    let line = log(&service, hook).await.remove(0);
    assert_eq!((line.state, line.attempts), (DeliveryState::GivenUp, 3));
    assert!(line.answer.unwrap().contains("redirects, which is not followed"));
    assert_eq!(target.got().len(), 0);
    let home = Receiver::start(|_, _| Reply::Redirect("/elsewhere".to_owned())).await;
    let hook = webhook(&service, "home", &home.url("/here")).await;
    let tested = send_test(&service, &admin(), hook).await.unwrap();
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert_eq!(home.got().iter().map(|got| got.path.as_str()).collect::<Vec<_>>(), ["/here"]);

    // Addresses that nobody opened: refused at once where they are written, and at every attempt where a name leads
    // to them.
    for url in ["http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]:9/", "http://[fe80::1]/"] {
        let refused = service.create_webhook(&admin(), &order("x", url)).await;
        assert!(matches!(refused, Err(NotifyError::Url(_))), "{url}: {refused:?}");
    }
    let named = Receiver::taking().await;
    let url = format!("http://localhost:{}/", named.address.port());
    let mut config = world.config();
    config.data = world.dir.path().join("guarded");
    let key = SealingKey::parse(KEY).unwrap();
    let guarded = Service::new(world.store().await, config, Some(key)).unwrap();
    let hook = webhook(&guarded, "named", &url).await;
    let tested = send_test(&guarded, &admin(), hook).await.unwrap();
    assert_eq!((tested.state, tested.status), (DeliveryState::GivenUp, None));
    assert!(tested.answer.unwrap().contains("address policy"));
    assert_eq!(named.got().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_send_every_message_once() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (one, project) = process(&world, "one").await;
        let (two, _) = process(&world, "two").await;
        let receiver = Receiver::taking().await;
        let hook = webhook(&one, "all", &receiver.url("/")).await;
        for number in 0..30 {
            stopped_scan(&one, project, &format!("r.example/a:{number}")).await;
        }
        let stop = watch::Sender::new(false);
        let loops = [&one, &two].map(|service| tokio::spawn(notify::run(service.clone(), stop.subscribe())));
        let (left, right) = tokio::join!(deliver_once(&one), deliver_once(&two));
        assert!(left.is_ok() && right.is_ok());
        while log(&one, hook).await.iter().any(|line| line.state != DeliveryState::Delivered) {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        for task in loops {
            task.await.unwrap();
        }
        let got = receiver.got();
        let messages: BTreeSet<&str> = got.iter().map(|one| one.header("lazaret-delivery")).collect();
        assert_eq!((got.len(), messages.len()), (30, 30));
        one.store.close().await;
        two.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_dies_between_sending_and_marking_sends_again() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        let receiver = Receiver::taking().await;
        let hook = webhook(&service, "all", &receiver.url("/")).await;
        stopped_scan(&service, project, "r.example/a:1").await;
        // Claimed by somebody who is no more, and whose claim has run out.
        let now = clock::now();
        let lost = service.store.claim_delivery(hook, now + 1, now).await.unwrap().unwrap();
        drain(&service, hook).await;
        let got = receiver.got();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].header("lazaret-delivery"), lost.message.to_string());
        assert_eq!(log(&service, hook).await[0].attempts, 2);
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_their_projects_operators() {
    let world = World::new(Kind::Lite).await;
    let (service, project) = process(&world, "data").await;
    let other = service.store.ensure_project("other", clock::now()).await.unwrap();
    let receiver = Receiver::taking().await;
    let url = receiver.url("/services/T0KENT0KEN");
    let own = WebhookOrder { project: Some(project), secret: None, ..order("own", &url) };
    let operator = member(project, Role::Operator);
    let no_role =
        |result: Result<MadeWebhook, NotifyError>| assert_eq!(result.unwrap_err().code(), "role-too-small");
    no_role(service.create_webhook(&member(project, Role::Analyst), &own).await);
    no_role(service.create_webhook(&operator, &WebhookOrder { project: None, ..own }).await);
    let strange = WebhookOrder { project: Some(other), ..own };
    let refused = service.create_webhook(&operator, &strange).await.unwrap_err();
    assert_eq!(refused.code(), "project-not-known");
    let made = service.create_webhook(&operator, &own).await.unwrap();
    let secret = made.secret.unwrap();
    assert!(secret.reveal().starts_with("lzw_") && secret.reveal().len() > 40);
    let id = made.webhook.id;
    let global = webhook(&service, "global", &url).await;

    // The secret that was made is what signs.
    let tested = send_test(&service, &operator, id).await.unwrap();
    assert_eq!(
        (tested.state, tested.kind, tested.attempts),
        (DeliveryState::Delivered, MessageKind::Test, 1)
    );
    let got = receiver.got().remove(0);
    assert!(got.is_signed(secret.reveal()));
    assert_eq!((&got.json()["kind"], &got.json()["data"]["requested_by"]), (&"test".into(), &"bob".into()));

    // Others see nothing of it, not even that it is there.
    let unseen = |error: NotifyError| {
        assert!(matches!(error, NotifyError::Store(StoreError::NotFound(_))), "{error:?}");
    };
    let stranger = member(other, Role::Admin);
    unseen(service.webhook(&stranger, id).await.unwrap_err());
    unseen(service.delivery(&stranger, tested.id).await.unwrap_err());
    unseen(service.redeliver(&stranger, tested.id).await.unwrap_err());
    unseen(service.delete_webhook(&stranger, id).await.unwrap_err());
    unseen(send_test(&service, &stranger, id).await.unwrap_err());
    let ids = async |caller: &Caller| -> Vec<i64> {
        service.webhooks(caller, 0, 100).await.unwrap().iter().map(|webhook| webhook.id).collect()
    };
    assert_eq!(ids(&operator).await, [id]);
    assert!(ids(&stranger).await.is_empty());
    assert!(ids(&member(project, Role::Viewer)).await.is_empty());
    assert_eq!(ids(&admin()).await, [id, global]);
    assert_eq!(service.webhook(&operator, global).await.unwrap_err().code(), "role-too-small");

    let patch = WebhookPatch { new_secret: true, name: Some("mine"), ..WebhookPatch::default() };
    let changed = service.change_webhook(&operator, id, &patch).await.unwrap();
    assert_eq!(changed.webhook.name, "mine");
    send_test(&service, &operator, id).await.unwrap();
    let got = receiver.got().remove(1);
    assert!(got.is_signed(changed.secret.unwrap().reveal()) && !got.is_signed(secret.reveal()));
    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    assert!(service.change_webhook(&operator, id, &off).await.unwrap().secret.is_none());
    assert_eq!(service.redeliver(&operator, tested.id).await.unwrap_err().code(), "webhook-off");
    assert_eq!(send_test(&service, &operator, id).await.unwrap().state, DeliveryState::Delivered);
    service.delete_webhook(&operator, id).await.unwrap();

    let filter = EventFilter { action: Some("webhook.".to_owned()), ..EventFilter::default() };
    let events = service.store.events(&Scope::All, &filter, LogPosition::After(0), 100).await.unwrap();
    let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "webhook.created",
            "webhook.created",
            "webhook.tested",
            "webhook.changed",
            "webhook.tested",
            "webhook.changed",
            "webhook.tested",
            "webhook.deleted",
        ]
    );
    for event in &events {
        let text = format!("{event:?}");
        assert!(!text.contains("T0KEN") && !text.contains("lzw_") && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_make_no_sense_are_refused() {
    let world = World::new(Kind::Lite).await;
    let (service, _) = process(&world, "data").await;
    let check = async |order: WebhookOrder<'_>, code: &str| {
        let error = service.create_webhook(&admin(), &order).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.hint().is_empty() && !error.to_string().contains("hunter2"));
    };
    let good = order("a", "https://hook.example/");
    let long = format!("https://hook.example/{}", "x".repeat(2000));
    for url in ["", "hook.example", "ftp://hook.example/", "https://u:hunter2@hook.example/", "data:x", &long]
    {
        check(WebhookOrder { url, ..good }, "webhook-url-invalid").await;
    }
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        check(WebhookOrder { name, ..good }, "name-invalid").await;
    }
    for secret in ["hunter2", "has a space in the middle", &"x".repeat(257)] {
        check(WebhookOrder { secret: Some(secret), ..good }, "webhook-secret-invalid").await;
    }
    check(WebhookOrder { kinds: &[], ..good }, "webhook-kinds-empty").await;
    check(WebhookOrder { kinds: &[MessageKind::Test], ..good }, "webhook-kinds-empty").await;
    check(WebhookOrder { project: Some(99), ..good }, "not-found").await;
    service.create_webhook(&admin(), &good).await.unwrap();
    check(good, "exists").await;
}
