//! Watches of a real registry: what they find, what they leave, and what they tell when they cannot look.

mod told;

use std::time::Duration;

use app::{
    accounts::Secret,
    clock,
    registries::{RegistryLogin, RegistryOrder},
    watches::{self, Looked, MadeWatch, WatchError, WatchOrder, WatchPatch, poll_once},
};
use model::{JobClass, Role, ScanStatus};
use store::{EventFilter, Image, ImageFilter, LogPosition, Scope, WatchPatterns};
use testkit::{
    docker_registry::{DockerRegistry, PASSWORD, Setup, USER},
    registry::Fault,
};

use crate::{
    docker::{push, remote},
    receiver::{Got, Receiver, Reply},
    registries::{member, root},
    world::{Kind, Running, World, debian, kinds, record},
};

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn patterns(registry: &str, repository: &str) -> WatchPatterns {
    WatchPatterns {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        include: list(&["v*"]),
        exclude: list(&["*-rc"]),
        environments: list(&["prod"]),
    }
}

async fn watch(running: &Running, name: &str, what: &WatchPatterns) -> MadeWatch {
    let every = Duration::from_secs(3600);
    let order = WatchOrder { project: running.project, name, what, every, enabled: true };
    running
        .service
        .create_watch(&member(Role::Operator, running.project), &order, clock::now())
        .await
        .unwrap()
}

/// Looks with that watch, due or not.
async fn look(running: &Running, watch: &MadeWatch) -> Looked {
    poll_once(&running.service, Some(watch.watch.id)).await.unwrap().unwrap()
}

/// Looks, and it works: tags that were asked about, scans that were asked for.
async fn counts(running: &Running, watch: &MadeWatch) -> (u32, u32) {
    let looked = look(running, watch).await;
    assert!(looked.error.is_none() && !looked.failed && !looked.cut, "{looked:?}");
    (looked.found, looked.submitted)
}

/// All image records by reference.
async fn images(running: &Running) -> Vec<Image> {
    let filter = ImageFilter { limit: 100, ..ImageFilter::default() };
    running.service.store.images(&Scope::All, &filter).await.unwrap().items
}

async fn references(running: &Running, host: &str) -> Vec<String> {
    let of = |image: Image| image.reference.strip_prefix(&format!("{host}/")).unwrap().to_owned();
    images(running).await.into_iter().map(of).collect()
}

async fn log_in(running: &Running, host: &str, password: &str) -> i64 {
    let secret = Secret::new(password.to_owned());
    let login = Some(RegistryLogin { username: USER, secret: &secret });
    let project = Some(running.project);
    let order = RegistryOrder { project, name: "r", host, login, ca: None, plain_http: false };
    running.service.create_registry(&root(), &order, clock::now()).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_tags_that_changed_are_scanned() {
    for kind in kinds() {
        let setup = Setup { password: true, tls: None };
        let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
        let host = registry.host();
        let there = remote(&host, None);
        let (old, new) = (debian("curl", "7.88.1-10"), debian("curl", "7.88.1-12"));
        let pushes = [
            ("team/app", "v1"),
            ("team/app", "v2"),
            ("team/app", "v2-rc"),
            ("team/app", "latest"),
            ("team/web", "v1"),
            ("other/app", "v1"),
        ];
        for (repository, tag) in pushes {
            push(&there, repository, tag, &old).await;
        }
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        let running = world.start().await;
        let stored = log_in(&running, &host, PASSWORD).await;
        let made = watch(&running, "team", &patterns(&host, "team/*")).await;

        // The first look is due at once.
        let looked = poll_once(&running.service, None).await.unwrap().unwrap();
        assert_eq!((looked.found, looked.submitted, looked.error), (3, 3, None));
        assert_eq!(references(&running, &host).await, ["team/app:v1", "team/app:v2", "team/web:v1"]);
        for image in images(&running).await {
            let scan = running.completed(image.scan_id.unwrap()).await;
            assert_eq!((scan.class, image.source.as_str()), (JobClass::Scheduled, "watch"));
            assert_eq!(running.findings(scan.inventory_id.unwrap()).await, ["CVE-2026-0001 curl critical"]);
            assert_eq!(running.service.store.environments_of(image.id).await.unwrap(), ["prod"]);
            assert_eq!(image.owner.as_deref(), Some("bob"));
        }
        let filter = EventFilter { action: Some("scan.initiated".to_owned()), ..EventFilter::default() };
        let position = LogPosition::After(0);
        let events = running.service.store.events(&Scope::All, &filter, position, 100).await.unwrap();
        assert_eq!((events.len(), events[0].actor.as_str()), (3, "watch"));
        // The next is not.
        assert_eq!(poll_once(&running.service, None).await.unwrap(), None);

        assert_eq!(counts(&running, &made).await, (3, 0));
        push(&there, "team/app", "v2", &new).await;
        push(&there, "team/app", "v3", &old).await;
        assert_eq!(counts(&running, &made).await, (4, 2));
        assert_eq!(counts(&running, &made).await, (4, 0));
        // A tag that goes and comes again is new, whatever it leads to.
        there.delete_manifest("team/app", &new.root.digest).await.unwrap();
        assert_eq!(counts(&running, &made).await, (3, 0));
        push(&there, "team/app", "v2", &new).await;
        assert_eq!(counts(&running, &made).await, (4, 1));

        // Other patterns: all of theirs count as new.
        let what = WatchPatterns { include: list(&["latest"]), ..patterns(&host, "team/app") };
        let patch = WatchPatch { what: Some(&what), ..WatchPatch::default() };
        running.service.change_watch(&root(), made.watch.id, &patch, clock::now()).await.unwrap();
        assert_eq!(counts(&running, &made).await, (1, 1));

        // Without the credentials it says why it saw nothing, and looks again later.
        running.service.delete_registry(&root(), stored, clock::now()).await.unwrap();
        let failed = look(&running, &made).await;
        assert!(failed.failed && failed.found == 0, "{failed:?}");
        let seen = running.service.watch(&root(), made.watch.id).await.unwrap();
        assert_eq!((seen.failures, seen.error_code.as_deref()), (1, Some("registry-unauthorized")));
        assert!(seen.error.is_some_and(|text| text.contains(&host)));
        assert!(seen.next_at > clock::now() + 30_000_000);
        log_in(&running, &host, PASSWORD).await;
        assert_eq!(counts(&running, &made).await, (1, 0));
        let seen = running.service.watch(&root(), made.watch.id).await.unwrap();
        assert_eq!((seen.failures, seen.error), (0, None));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_is_cut_says_so_and_the_next_goes_on() {
    let Some(registry) = DockerRegistry::start(&Setup::default()).unwrap() else { return };
    let host = registry.host();
    let there = remote(&host, None);
    let image = debian("curl", "7.88.1-10");
    for repository in ["a", "b", "c"] {
        for tag in ["v1", "v2"] {
            push(&there, &format!("team/{repository}"), tag, &image).await;
        }
    }
    for kind in kinds() {
        let world = World::new(kind).await;
        let mut config = world.config();
        config.background.watches.max_images = 4;
        let running = world.idle_with(config).await;
        let made = watch(&running, "w", &patterns(&host, "**")).await;
        let step = async |running: &Running| {
            let looked = look(running, &made).await;
            let position = looked.position.as_deref().map(str::to_owned);
            assert_eq!(looked.error, None);
            let seen = running.service.store.watch(made.watch.id).await.unwrap().unwrap();
            assert_eq!((seen.cut, seen.found, &seen.position), (looked.cut, looked.found, &position));
            (looked.found, looked.submitted, looked.cut, position)
        };
        assert_eq!(step(&running).await, (4, 4, true, Some("team/b:~".to_owned())));
        assert_eq!(step(&running).await, (2, 2, false, None));
        assert_eq!(step(&running).await, (4, 0, true, Some("team/b:~".to_owned())));
        running.stop().await;
        let mut config = world.config();
        config.background.watches.max_images = 3;
        config.background.watches.max_repositories = 1;
        let running = world.idle_with(config).await;
        assert_eq!(step(&running).await, (0, 0, true, Some("team/b:~".to_owned())));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_asks_for_rest_gets_it() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.registry.add("team/app", "v1", &debian("curl", "7.88.1-10"));
        let mut config = world.config();
        // Every answer counts: nothing is asked again.
        config.client.retry.attempts = 1;
        let running = world.idle_with(config).await;
        let made = watch(&running, "w", &patterns(&world.registry.host(), "team/app")).await;
        // The first is spent on finding out whether it speaks plain HTTP.
        world.registry.fail(Fault::RateLimit { times: 2, retry_after: 7200 });
        let looked = look(&running, &made).await;
        assert_eq!(looked.error.as_ref().map(|(code, _)| code.as_str()), Some("registry-rate-limited"));
        assert!(looked.failed);
        let seen = running.service.store.watch(made.watch.id).await.unwrap().unwrap();
        assert!(seen.next_at > clock::now() + 6000 * 1_000_000, "{seen:?}");
        assert_eq!(poll_once(&running.service, None).await.unwrap(), None);
        assert_eq!(counts(&running, &made).await, (1, 1));
        running.stop().await;
    }
}

/// A registry without digests in its answers that fails for some tags.
async fn moody(broken: &'static [&'static str]) -> Receiver {
    let reply = move |got: &Got, _| match got.path.rsplit('/').next().unwrap() {
        "list?n=1000" => Reply::Status(200, r#"{"tags":["v1","v2","v3","v4","../v5","v6/x","v7 y"]}"#),
        tag if broken.contains(&tag) => Reply::Status(500, ""),
        _ => Reply::Status(200, ""),
    };
    Receiver::start(reply).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tag_lacks_does_not_hide_the_others() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let mut config = world.config();
        config.client.retry.attempts = 1;
        let running = world.idle_with(config).await;
        let code = |looked: &Looked| looked.error.as_ref().map(|(code, _)| code.clone());

        let registry = moody(&["v1", "v3"]).await;
        let what = patterns(&registry.address.to_string(), "team/app");
        let made = watch(&running, "w", &what).await;
        let looked = look(&running, &made).await;
        assert_eq!((looked.found, looked.submitted, looked.failed), (4, 2, false));
        assert_eq!(code(&looked).as_deref(), Some("registry-unavailable"));
        // Nothing that is no tag was asked for.
        assert!(registry.got().iter().all(|got| !got.path.contains("..") && !got.path.contains("/x")));
        let again = look(&running, &made).await;
        assert_eq!((again.found, again.submitted), (4, 0));

        // When all come to nothing, it is the registry: no more is asked for.
        let registry = moody(&["v1", "v2", "v3", "v4"]).await;
        let what = patterns(&registry.address.to_string(), "team/app");
        let made = watch(&running, "all", &what).await;
        let looked = look(&running, &made).await;
        assert_eq!((looked.found, looked.failed), (2, true));
        assert!(!registry.got().iter().any(|got| got.path.ends_with("v4")));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_look_by_themselves_until_the_service_ends() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        world.registry.add("team/app", "v1", &debian("curl", "7.88.1-10"));
        let mut config = world.config();
        config.background.watches.poll = Duration::from_millis(10);
        let mut running = world.idle_with(config).await;
        running.work();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(watches::run(running.service.clone(), stopped));
        let host = world.registry.host();
        let made = watch(&running, "w", &patterns(&host, "team/app")).await;
        let mut changed = running.service.follow();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while !images(&running).await.iter().any(|image| image.status == ScanStatus::Completed) {
            assert!(tokio::time::Instant::now() < deadline, "nothing was found");
            let _ = tokio::time::timeout(Duration::from_millis(50), changed.changed()).await;
        }
        stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        let seen = running.service.store.watch(made.watch.id).await.unwrap().unwrap();
        let (least, most) = (seen.looked_at.unwrap() + 3200 * 1_000_000, clock::now() + 4000 * 1_000_000);
        assert!((least..most).contains(&seen.next_at), "{seen:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_and_what_is_refused() {
    let world = World::new(Kind::Lite).await;
    let running = world.idle().await;
    let (service, now) = (&running.service, clock::now());
    let theirs = service.store.ensure_project("theirs", now).await.unwrap();
    let operator = member(Role::Operator, running.project);
    let (viewer, stranger) = (member(Role::Viewer, running.project), member(Role::Operator, theirs));
    let hour = Duration::from_secs(3600);
    let what = patterns("r.example", "team/*");
    let order = WatchOrder { project: running.project, name: "w", what: &what, every: hour, enabled: true };
    let code = |result: Result<MadeWatch, WatchError>| result.map_or_else(|error| error.code(), |_| "fine");
    assert_eq!(code(service.create_watch(&viewer, &order, now).await), "role-too-small");
    assert_eq!(code(service.create_watch(&stranger, &order, now).await), "project-not-known");
    let made = service.create_watch(&operator, &order, now).await.unwrap();
    let id = made.watch.id;
    assert!(made.secret.is_some_and(|secret| secret.reveal().starts_with("lzn_")));
    assert_eq!(code(service.create_watch(&operator, &order, now).await), "exists");
    assert_eq!(service.watch(&viewer, id).await.unwrap().name, "w");
    assert_eq!(service.watch(&stranger, id).await.unwrap_err().code(), "not-found");
    assert_eq!(service.watches(&viewer, 0, 10).await.unwrap().len(), 1);
    assert_eq!(service.watches(&stranger, 0, 10).await.unwrap(), []);
    let patch = WatchPatch { enabled: Some(false), ..WatchPatch::default() };
    assert_eq!(code(service.change_watch(&viewer, id, &patch, now).await), "role-too-small");
    assert_eq!(code(service.change_watch(&stranger, id, &patch, now).await), "not-found");
    let changed = service.change_watch(&operator, id, &patch, now).await.unwrap();
    assert!(!changed.watch.enabled && changed.secret.is_none());
    assert_eq!(service.hasten_watch(&viewer, id, now).await.unwrap_err().code(), "role-too-small");
    service.hasten_watch(&operator, id, now).await.unwrap();
    assert_eq!(poll_once(service, None).await.unwrap(), None, "it is turned off");

    let many = || vec!["v1".to_owned(); 21];
    for (change, expected) in [
        (WatchPatterns { registry: "https://r.example".to_owned(), ..what.clone() }, "registry-host-invalid"),
        (WatchPatterns { repository: "Team/*".to_owned(), ..what.clone() }, "pattern-invalid"),
        (WatchPatterns { repository: "team/app:v1".to_owned(), ..what.clone() }, "pattern-invalid"),
        (WatchPatterns { repository: "../x".to_owned(), ..what.clone() }, "pattern-invalid"),
        (WatchPatterns { include: list(&["a/b"]), ..what.clone() }, "pattern-invalid"),
        (WatchPatterns { exclude: list(&[""]), ..what.clone() }, "pattern-invalid"),
        (WatchPatterns { include: many(), ..what.clone() }, "watch-too-large"),
        (WatchPatterns { environments: many(), ..what.clone() }, "watch-too-large"),
        (WatchPatterns { environments: list(&["a\nb"]), ..what.clone() }, "environment-invalid"),
        (what.clone(), "fine"),
    ] {
        let patch = WatchPatch { what: Some(&change), ..WatchPatch::default() };
        assert_eq!(code(service.change_watch(&operator, id, &patch, now).await), expected, "{change:?}");
    }
    let patch = WatchPatch { every: Some(Duration::from_secs(59)), ..WatchPatch::default() };
    assert_eq!(code(service.change_watch(&operator, id, &patch, now).await), "interval-invalid");
    assert_eq!(service.delete_watch(&stranger, id, now).await.unwrap_err().code(), "not-found");
    service.delete_watch(&operator, id, now).await.unwrap();
    running.stop().await;
}
