//! Registries with their secrets, and watches with their turns.

use store::{
    EventFilter, LogPosition, LookOutcome, NewEvent, NewRegistry, NewWatch, RegistryChange, Scope, Store,
    StoreError, WatchChange, WatchPatterns, WatchTurn,
};

use crate::rig::{SECOND, T0, on_both, submit};

const EVENT: NewEvent<'static> = NewEvent {
    actor: "alice",
    address: None,
    action: "test.done",
    object: "test:1",
    project: None,
    request: None,
    detail: "{}",
};

fn registry(project: Option<i64>, host: &str) -> NewRegistry<'_> {
    NewRegistry {
        project,
        name: host,
        host,
        username: Some("robot"),
        secret: Some(b"sealed"),
        ca: None,
        plain_http: false,
    }
}

fn patterns(registry: &str) -> WatchPatterns {
    WatchPatterns {
        registry: registry.to_owned(),
        repository: "team/*".to_owned(),
        include: vec!["v*".to_owned()],
        exclude: vec!["*-rc".to_owned()],
        environments: vec!["prod".to_owned()],
    }
}

async fn watch(store: &Store, project: i64, name: &str, host: &str, now: i64) -> i64 {
    let what = patterns(host);
    let new = NewWatch {
        project,
        name,
        what: &what,
        every: 60 * SECOND,
        enabled: true,
        secret: &[7; 32],
        owner: "alice",
    };
    store.create_watch(&new, &EVENT, now).await.unwrap()
}

async fn claim(store: &Store, now: i64) -> Option<WatchTurn> {
    store.claim_watch(None, now + 30 * SECOND, now).await.unwrap()
}

#[test]
fn a_projects_own_registry_comes_before_that_of_all() {
    on_both(async |store| {
        let one = store.ensure_project("one", T0).await.unwrap();
        let two = store.ensure_project("two", T0).await.unwrap();
        let global = store.create_registry(&registry(None, "r.example"), &EVENT, T0).await.unwrap();
        let own = NewRegistry { secret: Some(b"own"), ..registry(Some(one), "r.example") };
        let own = store.create_registry(&own, &EVENT, T0).await.unwrap();
        let used = async |project: Option<i64>, host: &str| {
            let found = store.registry_access(project, host).await.unwrap();
            found.map(|(registry, secret)| (registry.id, secret.unwrap_or_default()))
        };
        assert_eq!(used(Some(one), "r.example").await, Some((own, b"own".to_vec())));
        assert_eq!(used(Some(two), "r.example").await, Some((global, b"sealed".to_vec())));
        assert_eq!(used(None, "r.example").await, Some((global, b"sealed".to_vec())));
        assert_eq!(used(Some(one), "r.example:5000").await, None);
        store.delete_registry(own, &EVENT, T0).await.unwrap();
        assert_eq!(used(Some(one), "r.example").await.unwrap().0, global);

        // One of a name and of a host, in a project and among those of all.
        let again = store.create_registry(&registry(None, "r.example"), &EVENT, T0).await;
        assert!(matches!(again, Err(StoreError::Exists("a registry"))));
        let nameless = NewRegistry { name: "r.example", ..registry(None, "other.example") };
        assert!(matches!(
            store.create_registry(&nameless, &EVENT, T0).await,
            Err(StoreError::Exists("a registry"))
        ));
        let nowhere = store.create_registry(&registry(Some(99), "r.example"), &EVENT, T0).await;
        assert!(matches!(nowhere, Err(StoreError::NotFound("project"))));
        for missing in [
            store.delete_registry(own, &EVENT, T0).await,
            store.change_registry(own, &RegistryChange::default(), &EVENT, T0).await,
        ] {
            assert!(matches!(missing, Err(StoreError::NotFound("registry"))));
        }
        // What failed left no event.
        let events =
            store.events(&Scope::All, &EventFilter::default(), LogPosition::After(0), 100).await.unwrap();
        assert_eq!(events.len(), 3);
    });
}

#[test]
fn registries_are_listed_and_changed() {
    on_both(async |store| {
        let one = store.ensure_project("one", T0).await.unwrap();
        let global = store.create_registry(&registry(None, "a.example"), &EVENT, T0).await.unwrap();
        let own = store.create_registry(&registry(Some(one), "b.example"), &EVENT, T0).await.unwrap();
        let ids = async |scope: &Scope, global: bool, after: i64| {
            let found = store.registries(scope, global, after, 10).await.unwrap();
            found.into_iter().map(|registry| registry.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&Scope::All, true, 0).await, [global, own]);
        assert_eq!(ids(&Scope::All, true, global).await, [own]);
        assert_eq!(ids(&Scope::Projects(vec![one]), false, 0).await, [own]);
        assert_eq!(ids(&Scope::Projects(vec![]), true, 0).await, [global]);
        assert_eq!(ids(&Scope::Projects(vec![one + 1]), false, 0).await, [0; 0]);

        let change = RegistryChange {
            name: Some("named"),
            login: Some(None),
            ca: Some(Some("pem")),
            plain_http: Some(true),
        };
        store.change_registry(own, &change, &EVENT, T0).await.unwrap();
        let seen = store.registry(own).await.unwrap().unwrap();
        assert_eq!((seen.name.as_str(), seen.has_secret, seen.plain_http), ("named", false, true));
        assert_eq!((seen.username, seen.ca.as_deref(), seen.version), (None, Some("pem"), 1));
        let change = RegistryChange { login: Some(Some(("bob", b"new"))), ..RegistryChange::default() };
        store.change_registry(own, &change, &EVENT, T0).await.unwrap();
        let (seen, secret) = store.registry_access(Some(one), "b.example").await.unwrap().unwrap();
        assert_eq!((seen.username.as_deref(), secret.as_deref()), (Some("bob"), Some(&b"new"[..])));
        assert_eq!((seen.ca.as_deref(), seen.version), (Some("pem"), 2));

        let twin = store.create_registry(&registry(Some(one), "c.example"), &EVENT, T0).await.unwrap();
        let taken = RegistryChange { name: Some("named"), ..RegistryChange::default() };
        let taken = store.change_registry(twin, &taken, &EVENT, T0).await;
        assert!(matches!(taken, Err(StoreError::Exists("a registry"))));
    });
}

#[test]
fn one_at_a_time_looks_into_a_registry() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let first = watch(store, project, "first", "a.example", T0).await;
        let second = watch(store, project, "second", "a.example", T0 + 1).await;
        let other = watch(store, project, "other", "b.example", T0 + 2).await;
        let now = T0 + SECOND;
        let turn = claim(store, now).await.unwrap();
        assert_eq!(turn.watch.id, first);
        assert_eq!(turn.watch.what, patterns("a.example"));
        assert_eq!(claim(store, now).await.unwrap().watch.id, other);
        assert_eq!(claim(store, now).await, None);
        assert_eq!(store.claim_watch(Some(second), now + SECOND, now).await.unwrap(), None);

        let outcome =
            LookOutcome { next_at: now + 60 * SECOND, found: 3, submitted: 2, ..LookOutcome::default() };
        store.finish_look(&turn, &outcome, now).await.unwrap();
        let seen = store.watch(first).await.unwrap().unwrap();
        assert_eq!((seen.looked_at, seen.found, seen.submitted), (Some(now), 3, 2));
        assert_eq!(claim(store, now).await.unwrap().watch.id, second);
        // The turn that ended writes no more.
        let late = store.finish_look(&turn, &outcome, now).await;
        assert!(matches!(late, Err(StoreError::Lost)));

        // A process that is gone gives its turns back in time, and then may not write.
        let later = now + 31 * SECOND;
        let gone = claim(store, later).await.unwrap();
        assert_eq!(gone.watch.id, second);
        let again = claim(store, later + 31 * SECOND).await.unwrap();
        assert!(!store.keep_watch_turn(&gone, later + 90 * SECOND).await.unwrap());
        assert!(store.keep_watch_turn(&again, later + 90 * SECOND).await.unwrap());
        let tags = [("v1".to_owned(), "sha256:a".to_owned())];
        assert!(matches!(store.remember_tags(&gone, "team/app", &tags).await, Err(StoreError::Lost)));
        store.remember_tags(&again, "team/app", &tags).await.unwrap();
        assert_eq!(store.watched_tags(second, "team/app").await.unwrap(), tags);
        store.free_watch_turns().await.unwrap();
        assert!(claim(store, later + 32 * SECOND).await.is_some());
    });
}

#[test]
fn a_failed_look_is_told_and_a_change_counts_at_once() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let id = watch(store, project, "w", "a.example", T0).await;
        let mut now = T0;
        for failures in 1..=2 {
            let turn = claim(store, now).await.unwrap();
            let error = Some(("registry-unavailable", "nobody is there"));
            let outcome = LookOutcome {
                next_at: now + SECOND,
                position: Some("team/app:v1"),
                cut: true,
                failed: true,
                error,
                ..LookOutcome::default()
            };
            store.finish_look(&turn, &outcome, now).await.unwrap();
            let seen = store.watch(id).await.unwrap().unwrap();
            assert_eq!((seen.failures, seen.error.as_deref()), (failures, Some("nobody is there")));
            assert_eq!((seen.position.as_deref(), seen.cut), (Some("team/app:v1"), true));
            assert_eq!(claim(store, now).await, None);
            now += SECOND;
        }
        let turn = claim(store, now).await.unwrap();
        let tags = [("v1".to_owned(), "sha256:a".to_owned()), ("v2".to_owned(), "sha256:b".to_owned())];
        store.remember_tags(&turn, "team/app", &tags).await.unwrap();
        store.forget_tags(&turn, "team/app", &["v2".to_owned()]).await.unwrap();
        assert_eq!(store.watched_tags(id, "team/app").await.unwrap(), tags[..1]);

        store.remember_tags(&turn, "team/gone", &tags).await.unwrap();
        store.forget_repositories_but(&turn, &["team/app".to_owned(), "team/new".to_owned()]).await.unwrap();
        assert_eq!(store.watched_tags(id, "team/gone").await.unwrap(), []);
        assert_eq!(store.watched_tag(id, "team/app", "v1").await.unwrap().as_deref(), Some("sha256:a"));
        assert_eq!(store.watched_tag(id, "team/app", "v2").await.unwrap(), None);

        // While it looks, somebody changes what it looks at.
        let what = WatchPatterns { include: vec!["v2".to_owned()], ..patterns("a.example") };
        let change = WatchChange { what: Some(&what), ..WatchChange::default() };
        store.change_watch(id, &change, &EVENT, now + 5).await.unwrap();
        assert_eq!(store.watched_tags(id, "team/app").await.unwrap(), []);
        assert!(matches!(store.remember_tags(&turn, "team/app", &tags).await, Err(StoreError::Lost)));
        let outcome = LookOutcome { next_at: now + 60 * SECOND, ..LookOutcome::default() };
        store.finish_look(&turn, &outcome, now).await.unwrap();
        let turn = claim(store, now + 6).await.unwrap();
        assert_eq!((turn.watch.what.include.len(), turn.watch.failures), (1, 0));
        store.finish_look(&turn, &outcome, now).await.unwrap();

        let change = WatchChange { enabled: Some(false), secret: Some(&[8; 32]), ..WatchChange::default() };
        store.change_watch(id, &change, &EVENT, now).await.unwrap();
        assert_eq!(store.watch_secret(id).await.unwrap(), Some(vec![8; 32]));
        assert_eq!(claim(store, now + 100 * SECOND).await, None);
        // By its number it looks all the same.
        let until = now + 200 * SECOND;
        assert!(store.claim_watch(Some(id), until, now + 100 * SECOND).await.unwrap().is_some());
        store.delete_watch(id, &EVENT, now).await.unwrap();
        assert_eq!(store.watch(id).await.unwrap(), None);
        assert!(matches!(store.delete_watch(id, &EVENT, now).await, Err(StoreError::NotFound("watch"))));
    });
}

#[test]
fn images_get_the_environments_and_keep_theirs() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let scan = submit(store, project, "a.example/x:1", T0).await.scan;
        let image = store.scan(scan).await.unwrap().unwrap().image_id;
        let name = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        store.add_environments(&[scan], &name(&["prod"])).await.unwrap();
        store.add_environments(&[scan], &name(&["dev", "prod"])).await.unwrap();
        assert_eq!(store.environments_of(image).await.unwrap(), ["dev", "prod"]);
        assert_eq!(store.watches(&Scope::Projects(vec![project]), 0, 10).await.unwrap(), []);
        let id = watch(store, project, "w", "a.example", T0).await;
        assert_eq!(store.watches(&Scope::Projects(vec![project]), 0, 10).await.unwrap()[0].id, id);
        assert_eq!(store.watches(&Scope::All, id, 10).await.unwrap(), []);
        assert_eq!(store.watches(&Scope::Projects(vec![]), 0, 10).await.unwrap(), []);
    });
}
