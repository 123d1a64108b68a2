//! Scans of many images: fair, stoppable, once each.

use std::{collections::BTreeMap, time::Duration};

use app::{
    Service,
    accounts::{Caller, CallerKind, Rights},
    clock,
    schedules::{ScheduleError, ScheduleOrder, SchedulePatch, Selection, tick},
};
use model::{JobClass, Role, ScanStatus};
use store::{
    EventFilter, ImageChange, LogPosition, NewEvent, NewImage, NewSchedule, ScanAllState, ScanFilter,
    ScheduleChange, Scope, Timing,
};
use tokio::sync::watch;

use crate::world::{Kind, World, debian, kinds, record};

const MINUTE: i64 = 60_000_000;

const EVENT: NewEvent<'static> = NewEvent {
    actor: "a test",
    address: None,
    action: "test",
    object: "test",
    project: None,
    request: None,
    detail: "{}",
};

fn admin() -> Caller {
    let mut caller = Caller::system("root");
    caller.kind = CallerKind::User;
    caller
}

fn member(name: &str, project: i64, role: Role) -> Caller {
    let mut caller = Caller::system(name);
    caller.kind = CallerKind::User;
    caller.role = Role::Viewer;
    caller.rights = Rights::Some([(project, role)].into());
    caller
}

/// One process that submits two images at a time while fewer than five jobs wait.
async fn process(world: &World, name: &str) -> (Service, i64) {
    let mut config = world.config();
    config.data = world.dir.path().join(name);
    config.background.schedules.chunk = 2;
    config.background.schedules.waiting = 5;
    config.background.schedules.poll = Duration::from_millis(20);
    let service = Service::new(world.store().await, config, None).unwrap();
    let project = service.store.ensure_project("default", clock::now()).await.unwrap();
    (service, project)
}

/// Image records that nobody scanned yet, a repository each.
async fn images(service: &Service, project: i64, names: &[String]) -> Vec<i64> {
    let mut ids = Vec::new();
    for reference in names {
        let repository = reference.rsplit_once(':').unwrap().0;
        let image = NewImage {
            project,
            reference,
            registry: reference.split_once('/').unwrap().0,
            repository,
            tag: Some("1"),
            platform: "",
            source: "watch",
            owner: Some("carol"),
        };
        ids.push(service.store.add_image(&image, clock::now()).await.unwrap());
    }
    ids
}

fn names(host: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{host}/app{number}:1")).collect()
}

/// How many scans each image has.
async fn scans(service: &Service) -> BTreeMap<i64, usize> {
    let filter = ScanFilter { limit: 10_000, ..ScanFilter::default() };
    let mut counts = BTreeMap::new();
    for scan in service.store.scans(&Scope::All, &filter).await.unwrap() {
        assert_eq!(scan.class, JobClass::Scheduled);
        *counts.entry(scan.image_id).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_images_are_scanned_once_while_few_jobs_wait() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        for number in 0..9 {
            world.registry.add(&format!("app{number}"), "1", &debian("curl", &format!("7.88.1-{number}")));
        }
        let (service, project) = process(&world, "data").await;
        let ids = images(&service, project, &names(&world.registry.host(), 9)).await;
        let begun = service.scan_all(&admin(), None, &Selection::default()).await.unwrap();
        assert_eq!((begun.run.total, begun.run.state), (9, ScanAllState::Running));
        let run = begun.run.id;
        // Nobody works: no more than what may wait is submitted.
        assert_eq!(tick(&service).await.unwrap(), 6);
        assert_eq!(tick(&service).await.unwrap(), 0);
        let seen = service.scan_all_progress(&admin(), run).await.unwrap();
        assert_eq!((seen.run.submitted, seen.open(), seen.is_over()), (6, 6, false));
        assert_eq!(seen.scans, [(ScanStatus::Pending, 6)]);
        // Who asks now comes first.
        let target = app::submit::Target::parse("r.example/urgent:1").unwrap();
        let order = app::submit::ScanOrder { target, platform: None, secret: None };
        let requester = app::submit::Requester {
            project,
            name: "ci",
            request_id: "r",
            class: JobClass::Pipeline,
            source: "submit",
        };
        let urgent = service.submit(&[order], requester).await.unwrap()[0].scan;
        assert_eq!(service.store.scan(urgent).await.unwrap().unwrap().position, Some(0));
        service.store.cancel(urgent, "ci", clock::now()).await.unwrap();
        service
            .store
            .delete_image(service.store.scan(urgent).await.unwrap().unwrap().image_id)
            .await
            .unwrap();

        let stop = watch::Sender::new(false);
        let worker = tokio::spawn(app::jobs::worker::work(service.clone(), stop.subscribe()));
        let loops = tokio::spawn(app::schedules::run(service.clone(), stop.subscribe()));
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !service.scan_all_progress(&admin(), run).await.unwrap().is_over() {
            assert!(std::time::Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        loops.await.unwrap();
        worker.await.unwrap();
        let over = service.scan_all_progress(&admin(), run).await.unwrap();
        assert_eq!((over.run.state, over.run.submitted, over.run.skipped), (ScanAllState::Submitted, 9, 0));
        assert_eq!(over.scans, [(ScanStatus::Completed, 9)]);
        assert_eq!(scans(&service).await, ids.iter().map(|id| (*id, 1)).collect());
        let filter = EventFilter { action: Some("scan.initiated".to_owned()), ..EventFilter::default() };
        let events = service.store.events(&Scope::All, &filter, LogPosition::Newest, 100).await.unwrap();
        assert!(events.len() == 9 && events.iter().all(|event| event.actor == "root"), "{events:?}");
        let image = service.store.image(ids[0]).await.unwrap().unwrap();
        assert_eq!((image.owner.as_deref(), image.source.as_str()), (Some("carol"), "watch"));

        // Once more, and only what is old: nothing is.
        let young = Selection { older_than: Some(3600), ..Selection::default() };
        let none = service.scan_all(&admin(), None, &young).await.unwrap_err();
        assert!(matches!(none, ScheduleError::Nothing), "{none:?}");
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_processes_submit_every_image_once() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let mut services = Vec::new();
        for name in ["one", "two", "three"] {
            let mut config = world.config();
            config.data = world.dir.path().join(name);
            config.background.schedules.chunk = 3;
            config.background.schedules.waiting = 10_000;
            services.push(Service::new(world.store().await, config, None).unwrap());
        }
        let project = services[0].store.ensure_project("default", clock::now()).await.unwrap();
        let ids = images(&services[0], project, &names("r.example", 100)).await;
        let run = services[0].scan_all(&admin(), Some(project), &Selection::default()).await.unwrap().run.id;
        // The first dies after some steps; the others go on.
        let first = services[0].clone();
        let _ = tokio::time::timeout(Duration::from_millis(30), tick(&first)).await;
        let tasks: Vec<_> = services[1..]
            .iter()
            .map(|service| {
                let service = service.clone();
                tokio::spawn(async move {
                    while service.store.scan_all(run).await.unwrap().unwrap().state == ScanAllState::Running {
                        tick(&service).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let done = services[0].scan_all_progress(&admin(), run).await.unwrap();
        assert_eq!((done.run.submitted, done.open()), (100, 100));
        assert_eq!(scans(&services[0]).await, ids.iter().map(|id| (*id, 1)).collect());
        for service in services {
            service.store.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_stops_and_leaves_what_others_wait_for() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        let all = names("r.example", 9);
        images(&service, project, &all).await;
        let run = service.scan_all(&admin(), None, &Selection::default()).await.unwrap().run.id;
        assert_eq!(tick(&service).await.unwrap(), 6);
        // Somebody asks for one of them themself.
        let target = app::submit::Target::parse(&all[0]).unwrap();
        let order = app::submit::ScanOrder { target, platform: None, secret: None };
        let requester = app::submit::Requester {
            project,
            name: "alice",
            request_id: "r",
            class: JobClass::Interactive,
            source: "submit",
        };
        let joined = service.submit(&[order], requester).await.unwrap()[0];
        assert!(joined.joined);
        let stopped = service.stop_scan_all(&admin(), run).await.unwrap();
        assert_eq!(stopped.run.state, ScanAllState::Stopped);
        assert_eq!(stopped.scans, [(ScanStatus::Pending, 1), (ScanStatus::Cancelled, 5)]);
        assert_eq!(service.store.scan(joined.scan).await.unwrap().unwrap().status, ScanStatus::Pending);
        assert_eq!(tick(&service).await.unwrap(), 0);
        let over = service.stop_scan_all(&admin(), run).await.unwrap_err();
        assert_eq!(over.code(), "scan-all-over");
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missed_runs_are_made_up_for_once() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        images(&service, project, &names("r.example", 8)).await;
        let now = clock::now();
        // Every ten minutes, and the service was down for a day.
        let new = NewSchedule {
            project: Some(project),
            name: "often",
            filter: "{}",
            timing: Timing::Every(10 * MINUTE),
            enabled: true,
            next_at: now - 24 * 60 * MINUTE - 3 * MINUTE,
            owner: "alice",
        };
        let id = service.store.create_schedule(&new, &EVENT, now).await.unwrap();
        let (left, right) = tokio::join!(tick(&service), tick(&service));
        left.unwrap();
        right.unwrap();
        tick(&service).await.unwrap();
        let runs = service.scan_alls(&admin(), None, 100).await.unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].schedule_id, runs[0].total), (Some(id), 8));
        assert_eq!((runs[0].started_by.as_str(), runs[0].state), ("lazaret", ScanAllState::Running));
        let seen = service.schedule(&admin(), id).await.unwrap();
        assert!(seen.next_at > now && seen.next_at <= now + 10 * MINUTE, "{}", seen.next_at - now);
        assert_eq!((seen.next_at - new.next_at) % (10 * MINUTE), 0);
        assert!(seen.last_at.is_some());

        // The next is due while the last still submits: it is left out.
        let due = ScheduleChange { timing: Some((new.timing, now - 1)), ..ScheduleChange::default() };
        service.store.change_schedule(id, &due, &EVENT, now).await.unwrap();
        tick(&service).await.unwrap();
        assert_eq!(service.scan_alls(&admin(), None, 100).await.unwrap().len(), 1);
        assert!(service.schedule(&admin(), id).await.unwrap().next_at > now);
        // What is turned off does not run.
        service.stop_scan_all(&admin(), runs[0].id).await.unwrap();
        let off = ScheduleChange { enabled: Some((false, now - 1)), ..ScheduleChange::default() };
        service.store.change_schedule(id, &off, &EVENT, now).await.unwrap();
        tick(&service).await.unwrap();
        assert_eq!(service.scan_alls(&admin(), None, 100).await.unwrap().len(), 1);
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_selected() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let (service, project) = process(&world, "data").await;
        let other = service.store.ensure_project("other", clock::now()).await.unwrap();
        let ids = images(&service, project, &names("a.example", 3)).await;
        images(&service, other, &names("b.example", 2)).await;
        let change = ImageChange {
            labels: Some([("team".to_owned(), "red".to_owned())].into()),
            environments: Some(vec!["prod".to_owned()]),
            ..ImageChange::default()
        };
        service.store.change_image(ids[1], &change, clock::now()).await.unwrap();
        let total = async |project: Option<i64>, selection: Selection| -> Option<u64> {
            service.scan_all(&admin(), project, &selection).await.ok().map(|begun| begun.run.total)
        };
        let label = |value: &str| Selection {
            label: Some(("team".to_owned(), value.to_owned())),
            ..Selection::default()
        };
        let environment =
            |name: &str| Selection { environment: Some(name.to_owned()), ..Selection::default() };
        let registry = |host: &str| Selection { registry: Some(host.to_owned()), ..Selection::default() };
        assert_eq!(total(None, Selection::default()).await, Some(5));
        assert_eq!(total(Some(other), Selection::default()).await, Some(2));
        assert_eq!(total(None, label("red")).await, Some(1));
        assert_eq!(total(None, label("blue")).await, None);
        assert_eq!(total(None, environment("prod")).await, Some(1));
        assert_eq!(total(Some(other), environment("prod")).await, None);
        assert_eq!(total(None, registry("b.example")).await, Some(2));
        assert_eq!(total(None, Selection { older_than: Some(1), ..label("red") }).await, Some(1));
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_scan_their_projects() {
    let world = World::new(Kind::Lite).await;
    let (service, project) = process(&world, "data").await;
    let other = service.store.ensure_project("other", clock::now()).await.unwrap();
    images(&service, project, &names("a.example", 3)).await;
    images(&service, other, &names("b.example", 2)).await;
    let all = Selection::default();
    let (operator, viewer) = (member("bob", project, Role::Operator), member("eve", project, Role::Viewer));
    for project in [None, Some(project)] {
        let refused = service.scan_all(&viewer, project, &all).await.unwrap_err();
        assert_eq!(refused.code(), "role-too-small");
    }
    let refused = service.scan_all(&operator, Some(other), &all).await.unwrap_err();
    assert_eq!(refused.code(), "project-not-known");
    // All that they may: not what others have.
    let wide = service.scan_all(&operator, None, &all).await.unwrap().run;
    assert_eq!(wide.total, 3);
    let own = service.scan_all(&operator, Some(project), &all).await.unwrap().run;
    tick(&service).await.unwrap();
    tick(&service).await.unwrap();
    let projects: Vec<i64> = {
        let filter = ScanFilter { limit: 100, ..ScanFilter::default() };
        service.store.scans(&Scope::All, &filter).await.unwrap().iter().map(|scan| scan.project_id).collect()
    };
    assert!(!projects.is_empty() && projects.iter().all(|one| *one == project));
    let seen = async |caller: &Caller| -> Vec<i64> {
        service.scan_alls(caller, None, 100).await.unwrap().iter().map(|run| run.id).collect()
    };
    assert_eq!(seen(&operator).await, [own.id, wide.id]);
    assert_eq!(seen(&viewer).await, [own.id]);
    assert!(seen(&member("mallory", other, Role::Admin)).await.is_empty());
    assert_eq!(service.scan_all_progress(&viewer, wide.id).await.unwrap_err().code(), "not-found");
    assert_eq!(service.stop_scan_all(&viewer, own.id).await.unwrap_err().code(), "role-too-small");
    service.stop_scan_all(&operator, wide.id).await.unwrap();

    let order = ScheduleOrder {
        project: Some(project),
        name: "nightly",
        selection: &all,
        timing: Timing::Daily(3 * 60 * MINUTE),
        enabled: true,
    };
    assert_eq!(service.create_schedule(&viewer, &order).await.unwrap_err().code(), "role-too-small");
    let wide = ScheduleOrder { project: None, ..order };
    assert_eq!(service.create_schedule(&operator, &wide).await.unwrap_err().code(), "role-too-small");
    let too_often = ScheduleOrder { timing: Timing::Every(1), ..order };
    assert_eq!(
        service.create_schedule(&operator, &too_often).await.unwrap_err().code(),
        "schedule-time-invalid"
    );
    let made = service.create_schedule(&operator, &order).await.unwrap();
    assert!(made.next_at > clock::now());
    assert_eq!(service.create_schedule(&operator, &order).await.unwrap_err().code(), "exists");
    let global = service.create_schedule(&admin(), &wide).await.unwrap();
    let ids = async |caller: &Caller| -> Vec<i64> {
        service.schedules(caller, 0, 100).await.unwrap().iter().map(|schedule| schedule.id).collect()
    };
    assert_eq!((ids(&operator).await, ids(&admin()).await), (vec![made.id], vec![made.id, global.id]));
    let stranger = member("mallory", other, Role::Admin);
    assert_eq!(service.schedule(&stranger, made.id).await.unwrap_err().code(), "not-found");
    let patch = SchedulePatch {
        timing: Some(Timing::Every(60 * MINUTE)),
        enabled: Some(false),
        ..SchedulePatch::default()
    };
    let changed = service.change_schedule(&operator, made.id, &patch).await.unwrap();
    assert_eq!((changed.timing, changed.enabled), (Timing::Every(60 * MINUTE), false));
    service.delete_schedule(&operator, made.id).await.unwrap();
    assert_eq!(service.delete_schedule(&operator, made.id).await.unwrap_err().code(), "not-found");
}
