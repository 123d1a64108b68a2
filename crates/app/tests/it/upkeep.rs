//! What is forgotten, and what never is.

use std::{fs, time::Duration};

use app::{
    Service,
    accounts::{Caller, CallerKind, Rights},
    clock,
    submit::{Requester, ScanOrder, Target},
    upkeep::tend,
};
use model::{JobClass, Role};
use store::{NewEvent, NewIdempotency, ScanFilter, Scope, day_of};

use crate::world::{World, debian, kinds, record};

const DAY: i64 = 24 * 3600 * 1_000_000;

fn member(project: i64) -> Caller {
    let mut caller = Caller::system("bob");
    caller.kind = CallerKind::User;
    caller.role = Role::Viewer;
    caller.rights = Rights::Some([(project, Role::Viewer)].into());
    caller
}

async fn count(service: &Service) -> usize {
    let filter = ScanFilter { limit: 1000, ..ScanFilter::default() };
    service.store.scans(&Scope::All, &filter).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_scans_go_and_the_newest_of_every_image_stays() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start().await;
        let service = running.service.clone();
        let reference = world.reference("app:1");
        let mut completed = Vec::new();
        for _ in 0..4 {
            completed.push(running.completed(running.submit(&reference).await).await);
        }
        let image = completed[3].image_id;
        // The newest scan fails, so that the newest report is another's.
        world.registry.fail(testkit::registry::Fault::Status { times: 100, status: 404 });
        let failed = running.ended(running.submit(&reference).await).await;
        assert_eq!(count(&service).await, 5);
        let event = NewEvent {
            actor: "a test",
            address: None,
            action: "test",
            object: "test",
            project: None,
            request: None,
            detail: "{}",
        };
        service.store.record(&event, clock::now()).await.unwrap();
        let new =
            NewIdempotency { key: &[1; 32], request: &[2; 32], scans: "[]", expires_at: clock::now() + DAY };
        service.store.remember_request(&new, clock::now()).await.unwrap();

        // Nothing is old yet.
        let done = tend(&service, clock::now()).await.unwrap();
        assert_eq!((done.scans, done.rows, done.uploads, done.projects), (0, 0, 0, 1));
        assert_eq!(count(&service).await, 5);
        let later = clock::now() + 500 * DAY;
        let done = tend(&service, later).await.unwrap();
        assert_eq!((done.scans, count(&service).await), (3, 2));
        assert!(done.rows > 5, "{done:?}");
        let kept = service.store.image(image).await.unwrap().unwrap();
        assert_eq!((kept.scan_id, kept.report_id), (Some(failed.id), completed[3].report_id));
        let reports = service.store.reports_of(image, None, 10).await.unwrap();
        assert_eq!(reports.iter().map(|report| report.scan_id).collect::<Vec<_>>(), [completed[3].id]);
        assert!(service.store.scan(completed[0].id).await.unwrap().is_none());
        assert_eq!(service.store.last_event().await.unwrap(), 0);
        assert!(service.store.remembered_request(&[1; 32], later).await.unwrap().is_none());
        assert_eq!(tend(&service, later).await.unwrap().scans, 0);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_go_with_their_records() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let mut config = world.config();
        config.background.upkeep.keep_uploads = Duration::ZERO;
        let service = Service::new(world.store().await, config, None).unwrap();
        let project = service.store.ensure_project("default", clock::now()).await.unwrap();
        let submit = async |name: &str, file: &str| {
            fs::write(service.uploads().join(file), "x").unwrap();
            let target = Target::Upload { name: name.to_owned(), file: file.to_owned() };
            let order = ScanOrder { target, platform: None, secret: None };
            let requester = Requester {
                project,
                name: "a test",
                request_id: "r",
                class: JobClass::Push,
                source: "upload",
            };
            service.submit(&[order], requester).await.unwrap()[0].scan
        };
        submit("kept", "kept.tar").await;
        let gone = submit("gone", "gone.tar").await;
        fs::write(service.uploads().join("never.tar"), "x").unwrap();
        let image = service.store.scan(gone).await.unwrap().unwrap().image_id;
        service.store.delete_image(image).await.unwrap();
        assert_eq!(tend(&service, clock::now()).await.unwrap().uploads, 2);
        let left: Vec<_> =
            fs::read_dir(service.uploads()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["kept.tar"]);
        service.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_counted_by_project() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[
            record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H'),
            record("CVE-2026-0002", "Debian:12", "curl", "7.88.1-11", 'L'),
        ]);
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        world.registry.add("other", "1", &debian("curl", "7.88.1-11"));
        let running = world.start().await;
        let service = running.service.clone();
        let empty = service.store.ensure_project("empty", clock::now()).await.unwrap();
        for name in ["app:1", "other:1"] {
            running.completed(running.submit(&world.reference(name)).await).await;
        }
        running.ended(running.submit(&world.reference("missing:1")).await).await;
        let now = clock::now();
        for back in [2, 1, 0] {
            assert_eq!(service.store.count_day(now - back * DAY).await.unwrap(), 2);
        }
        // Counted again, the day has one row still.
        tend(&service, now).await.unwrap();
        let admin = Caller::system("root");
        let trend = service.trend(&admin, Some(running.project), 2).await.unwrap();
        assert_eq!(trend.iter().map(|row| row.day).collect::<Vec<_>>(), [day_of(now) - 1, day_of(now)]);
        let row = &trend[1];
        assert_eq!((row.images, row.scanned, row.failed), (3, 2, 1));
        assert_eq!((row.critical, row.high, row.medium, row.fixable), (1, 1, 0, 2));
        assert_eq!(service.trend(&admin, None, 30).await.unwrap().len(), 6);
        let own = service.trend(&member(empty), None, 30).await.unwrap();
        assert!(own.len() == 3 && own.iter().all(|row| row.project_id == empty && row.images == 0));
        let refused = service.trend(&member(empty), Some(running.project), 30).await.unwrap_err();
        assert_eq!(refused.code(), "project-not-known");
        running.stop().await;
    }
}
