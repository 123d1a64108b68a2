//! What registries tell: a real one's own words, and what others write.

use app::{
    accounts::{Origin, Secret},
    clock,
    watches::{
        MadeWatch, WatchPatch,
        webhook::{Accepted, MAX_BODY, Sender, WebhookError, accept},
    },
};
use model::JobClass;
use store::WatchPatterns;
use testkit::docker_registry::{DockerRegistry, Setup};

use super::{counts, images, list, patterns, references, watch};
use crate::{
    docker::{push, remote},
    receiver::{Receiver, Reply},
    registries::root,
    world::{Kind, Running, World, debian, kinds},
};

async fn told(
    running: &Running,
    made: &MadeWatch,
    sender: Sender,
    body: &str,
) -> Result<Accepted, WebhookError> {
    let secret = made.secret.as_ref().unwrap();
    accept(&running.service, made.watch.id, secret, sender, body.as_bytes(), &Origin::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_scanned_before_the_next_look() {
    for kind in kinds() {
        let receiver = Receiver::start(|_, _| Reply::Status(200, "")).await;
        let url = receiver.url("/told");
        let setup = Setup::default();
        let Some(registry) = DockerRegistry::start_telling(&setup, Some((&url, "Bearer x"))).unwrap() else {
            return;
        };
        let host = registry.host();
        let there = remote(&host, None);
        let world = World::new(kind).await;
        let running = world.idle().await;
        let made = watch(&running, "w", &patterns(&host, "team/*")).await;
        let image = debian("curl", "7.88.1-10");
        push(&there, "team/app", "v1", &image).await;
        push(&there, "other/app", "v1", &image).await;
        push(&there, "team/app", "v2-rc", &image).await;

        // Blobs are told of as well, each in a message of its own.
        let mut scans = Vec::new();
        let mut wanted = 0;
        let is_last = |body: &str| body.contains("\"v2-rc\"");
        let mut at = 0;
        loop {
            let got = receiver.until(at + 1).await.swap_remove(at);
            at += 1;
            assert_eq!(got.header("authorization"), "Bearer x");
            let accepted = told(&running, &made, Sender::Distribution, &got.body).await.unwrap();
            wanted += accepted.submitted.len();
            scans.extend(accepted.submitted);
            if is_last(&got.body) {
                break;
            }
        }
        assert_eq!(wanted, 1);
        assert_eq!(references(&running, &host).await, ["team/app:v1"]);
        let scan = running.scan(scans[0].scan).await;
        assert_eq!((scan.class, scan.requested_by.as_str()), (JobClass::Push, "bob"));
        let image = &images(&running).await[0];
        assert_eq!(running.service.store.environments_of(image.id).await.unwrap(), ["prod"]);

        // What was told is not believed: the next look asks for itself.
        assert_eq!(counts(&running, &made).await, (1, 1));
        // And what a look has seen need not be scanned because of an old message.
        for got in receiver.got() {
            let accepted = told(&running, &made, Sender::Distribution, &got.body).await.unwrap();
            assert_eq!(accepted.submitted, []);
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_show_the_secret_and_name_what_the_watch_wants() {
    let world = World::new(Kind::Lite).await;
    let running = world.idle().await;
    let what = WatchPatterns { include: list(&["v*"]), ..patterns("harbor.example", "team/*") };
    let made = watch(&running, "w", &what).await;
    let other = watch(&running, "other", &patterns("quay.io", "team/app")).await;
    let harbor = |host: &str, tag: &str| {
        format!(
            r#"{{"type":"PUSH_ARTIFACT","event_data":{{"resources":[{{"digest":"sha256:{}","tag":"{tag}",
            "resource_url":"{host}/team/app:{tag}"}}]}}}}"#,
            "ab".repeat(32)
        )
    };
    let count = |accepted: Result<Accepted, WebhookError>| {
        accepted.map(|accepted| (accepted.submitted.len(), accepted.ignored)).map_err(|error| error.code())
    };
    let told = async |body: &str, sender| count(told(&running, &made, sender, body).await);
    assert_eq!(told(&harbor("harbor.example", "v1"), Sender::Harbor).await, Ok((1, 0)));
    assert_eq!(told(&harbor("evil.example", "v1"), Sender::Harbor).await, Ok((0, 1)));
    assert_eq!(told(&harbor("harbor.example", "latest"), Sender::Harbor).await, Ok((0, 1)));
    assert_eq!(told(&harbor("harbor.example", "v1"), Sender::Quay).await, Err("notification-invalid"));
    assert_eq!(told(&" ".repeat(MAX_BODY + 1), Sender::Harbor).await, Err("notification-too-large"));

    // More than are taken at once.
    let tags: Vec<String> = (0..300).map(|number| format!("\"v{number}\"")).collect();
    let quay = format!(r#"{{"docker_url":"quay.io/team/app","updated_tags":[{}]}}"#, tags.join(","));
    let accepted = super::told::told(&running, &other, Sender::Quay, &quay).await.unwrap();
    assert_eq!((accepted.submitted.len(), accepted.cut), (200, true));

    // Another watch's secret, none, and one that was replaced.
    let body = harbor("harbor.example", "v1");
    let with = async |id: i64, secret: &Secret| {
        let origin = Origin::default();
        count(accept(&running.service, id, secret, Sender::Harbor, body.as_bytes(), &origin).await)
    };
    let (mine, theirs) = (made.secret.as_ref().unwrap(), other.secret.as_ref().unwrap());
    let refused = Err("watch-unauthorized");
    assert_eq!(with(made.watch.id, theirs).await, refused);
    assert_eq!(with(made.watch.id, &Secret::new(String::new())).await, refused);
    assert_eq!(with(999, mine).await, refused);
    assert_eq!(with(made.watch.id, mine).await, Ok((1, 0)));
    let patch = WatchPatch { new_secret: true, ..WatchPatch::default() };
    let again = running.service.change_watch(&root(), made.watch.id, &patch, clock::now()).await.unwrap();
    assert_eq!(with(made.watch.id, mine).await, refused);
    let fresh = again.secret.unwrap();
    assert_eq!(with(made.watch.id, &fresh).await, Ok((1, 0)));
    let patch = WatchPatch { enabled: Some(false), ..WatchPatch::default() };
    running.service.change_watch(&root(), made.watch.id, &patch, clock::now()).await.unwrap();
    assert_eq!(with(made.watch.id, &fresh).await, Err("watch-disabled"));
    running.stop().await;
}
