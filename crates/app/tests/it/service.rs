//! The ten statuses and what leads to them, on a whole service with every database that is at hand.

use std::time::Duration;

use futures_util::StreamExt as _;
use model::{FailureReason, JobClass, ScanStatus};
use testkit::{image::Published, registry::Fault};

use ScanStatus::{Failed, Pending, Retrying};

use crate::world::{DEBIAN, World, debian, dpkg, image, kinds, record};

fn curl() -> Vec<String> {
    vec![
        record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H'),
        record("CVE-2026-0002", "Debian:12", "curl", "7.88.1-12", 'L'),
    ]
}

/// An image whose layer takes more than one packet.
fn large() -> Published {
    let noise: String =
        (0_u64..20_000).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    image(&[&[("etc/os-release", DEBIAN), ("noise", &noise)]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_completes_with_its_findings() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start().await;
        let id = running.submit(&world.reference("app:1")).await;
        let scan = running.completed(id).await;
        assert!(
            !scan.partial && scan.digest.as_deref().is_some_and(|d| d.starts_with("sha256:")),
            "{scan:?}"
        );
        let found = running.findings(scan.inventory_id.unwrap()).await;
        assert_eq!(found, ["CVE-2026-0001 curl critical", "CVE-2026-0002 curl high"]);
        let image = running.service.store.image(scan.image_id).await.unwrap().unwrap();
        assert_eq!((image.facets.critical, image.facets.high, image.facets.fixable), (1, 1, 2));
        assert_eq!(image.status, ScanStatus::Completed);
        let report = running.service.store.report(scan.report_id.unwrap()).await.unwrap().unwrap();
        assert_eq!(report.findings.len(), 2);

        // Once more: no layer is read again, and the report is another one.
        world.registry.clear_requests();
        let again = running.completed(running.submit(&world.reference("app:1")).await).await;
        assert_ne!(again.id, scan.id);
        assert_eq!(again.inventory_id, scan.inventory_id);
        let blobs =
            world.registry.requests().iter().filter(|request| request.path.contains("/blobs/")).count();
        assert_eq!(blobs, 1, "only the configuration is read again");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_advisories_it_says_so_and_goes_on_when_they_come() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start().await;
        let id = running.submit(&world.reference("app:1")).await;
        let scan = running
            .until(id, "waiting for advisories", |scan| {
                scan.status == ScanStatus::DatabaseNotPopulated
                    && scan.missing.as_deref().is_some_and(|missing| missing.contains("\"fetching\":false"))
            })
            .await;
        assert!(scan.missing.unwrap().contains("debian-12"));
        world.advise(&curl());
        let scan = running.completed(id).await;
        assert_eq!(running.findings(scan.inventory_id.unwrap()).await.len(), 2);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_their_reasons() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        let unknown = image(&[&[("var/lib/dpkg/status", &dpkg(&[("curl", "7.88.1-10")]))]]);
        world.registry.add("unknown", "1", &unknown);
        let running = world.start().await;
        for (name, reason) in
            [("unknown:1", FailureReason::UnknownOs), ("missing:1", FailureReason::ImageNotFound)]
        {
            let scan = running.ended(running.submit(&world.reference(name)).await).await;
            assert_eq!((scan.status, scan.reason), (Failed, Some(reason)), "{scan:?}");
            assert!(scan.detail.is_some_and(|detail| !detail.is_empty()));
        }
        // Nobody answers: attempts are aborted and retried until they are used up.
        let id = running.submit("127.0.0.1:1/app:1").await;
        let scan = running.ended(id).await;
        assert_eq!(scan.reason, Some(FailureReason::RegistryUnavailable), "{scan:?}");
        assert_eq!(scan.attempt, 2);
        let changes = running.service.store.changes(0, 10_000).await.unwrap();
        let seen: Vec<ScanStatus> = changes.iter().filter(|c| c.scan == id).map(|c| c.status).collect();
        assert_eq!(seen, [Pending, Retrying, Retrying, Failed]);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_recovers_is_asked_again() {
    let world = World::new(kinds().remove(0)).await;
    world.advise(&curl());
    world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
    world.registry.fail(Fault::Status { times: 6, status: 503 });
    let running = world.start().await;
    let id = running.submit(&world.reference("app:1")).await;
    running.completed(id).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_requests_share_one_scan() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let mut running = world.idle().await;
        let reference = world.reference("app:1");
        let mut ids = Vec::new();
        for _ in 0..5 {
            let submits: Vec<_> = (0..10).map(|_| running.submit(&reference)).collect();
            ids.extend(futures_util::future::join_all(submits).await);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(running.scan(ids[0]).await.position, Some(0));
        running.work();
        running.completed(ids[0]).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_for_a_hundred_images_make_a_hundred_scans() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.idle().await;
        let begun = std::time::Instant::now();
        // In an order that lets equal requests meet.
        let orders = futures_util::stream::iter(0..10_000)
            .map(|at| (at, world.reference(&format!("app{}:1", at / 7 % 100))))
            .map(|(_, reference)| async { (running.submit(&reference).await, reference) })
            .buffer_unordered(16);
        let answered: std::collections::BTreeSet<_> = orders.collect().await;
        assert_eq!(answered.len(), 100, "one scan for each image");
        let page = store::ScanFilter { limit: 1000, ..store::ScanFilter::default() };
        let scans = running.service.store.scans(&store::Scope::All, &page).await.unwrap();
        assert_eq!(scans.len(), 100);
        let waiting = running.service.store.waiting().await.unwrap();
        assert_eq!(waiting.iter().map(|(_, waiting)| waiting.ready).sum::<u64>(), 100);
        println!("{}: 10,000 requests in {:?}", running.service.store.kind(), begun.elapsed());
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_worker_loses_nothing() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &large());
        world.registry.fail(Fault::StallBlob { after: 4000 });
        let running = world.start().await;
        let id = running.submit(&world.reference("app:1")).await;
        running.until(id, "running", |scan| scan.status == ScanStatus::Running && scan.phase.is_some()).await;
        let running = running.abandon().await;
        assert_eq!(running.scan(id).await.status, ScanStatus::Running);
        // Nobody renews the lease: when it has run out, the job returns.
        while running.service.store.reclaim(app::clock::now()).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        let scan = running.scan(id).await;
        assert_eq!((scan.status, scan.detail.as_deref()), (Retrying, Some("the worker was lost")));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_scan_can_be_cancelled_and_ends_its_work() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &large());
        world.registry.fail(Fault::StallBlob { after: 4000 });
        let running = world.start().await;
        let id = running.submit(&world.reference("app:1")).await;
        running.until(id, "running", |scan| scan.status == ScanStatus::Running).await;
        assert!(running.service.store.cancel(id, "somebody", app::clock::now()).await.unwrap());
        let scan = running.scan(id).await;
        assert_eq!(
            (scan.status, scan.detail.as_deref()),
            (ScanStatus::Cancelled, Some("cancelled by somebody"))
        );
        assert!(!running.service.store.cancel(id, "somebody", app::clock::now()).await.unwrap());
        // The same image can be asked for at once, and is another scan.
        let other = running.submit(&world.reference("app:1")).await;
        assert_ne!(other, id);
        let waiting = running.service.store.waiting().await.unwrap();
        assert!(waiting.iter().any(|(class, _)| *class == JobClass::Interactive));
        running.abandon().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_follow_the_advisories_without_any_pull() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        world.registry.add(
            "other",
            "1",
            &image(&[
                &[("etc/os-release", DEBIAN)],
                &[("var/lib/dpkg/status", &dpkg(&[("bash", "5.2-1"), ("curl", "7.88.1-10")]))],
            ]),
        );
        let running = world.start().await;
        let mut scans = Vec::new();
        for name in ["app:1", "other:1"] {
            scans.push(running.completed(running.submit(&world.reference(name)).await).await);
        }
        world.registry.clear_requests();
        // One is gone, one says something else, one is new.
        world.advise(&[
            record("CVE-2026-0002", "Debian:12", "curl", "7.88.1-13", 'L'),
            record("CVE-2026-0003", "Debian:12", "curl", "7.88.1-13", 'H'),
            record("CVE-2026-0004", "Debian:12", "bash", "5.2-2", 'H'),
        ]);
        let expected: [&[&str]; 2] = [
            &["CVE-2026-0002 curl high", "CVE-2026-0003 curl critical"],
            &["CVE-2026-0002 curl high", "CVE-2026-0003 curl critical", "CVE-2026-0004 bash critical"],
        ];
        for (scan, expected) in scans.iter().zip(expected) {
            let inventory = scan.inventory_id.unwrap();
            let mut facets = model::Facets::default();
            for _ in 0..600 {
                let states = running.service.store.shard_states().await.unwrap();
                facets = running.service.store.image(scan.image_id).await.unwrap().unwrap().facets;
                let found = running.findings(inventory).await;
                if found == expected
                    && facets.total() as usize == expected.len()
                    && states[0].target.is_none()
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(running.findings(inventory).await, expected);
            assert_eq!((facets.critical as usize, facets.high), (expected.len() - 1, 1));
            let changes = running
                .service
                .store
                .finding_changes(inventory, scan.finished_at.unwrap(), 100)
                .await
                .unwrap();
            let mut reasons: Vec<String> = changes
                .iter()
                .map(|c| {
                    let (sign, reason) = match c.closed_for {
                        Some(reason) => ('-', reason),
                        None => ('+', c.opened_for),
                    };
                    format!("{sign}{} {reason}", c.finding.id)
                })
                .collect();
            reasons.sort();
            assert!(reasons.contains(&"-CVE-2026-0001 advisory_gone".to_owned()), "{reasons:?}");
            assert!(reasons.contains(&"-CVE-2026-0002 advisory_changed".to_owned()), "{reasons:?}");
            assert!(reasons.contains(&"+CVE-2026-0002 advisory_changed".to_owned()), "{reasons:?}");
            assert!(reasons.contains(&"+CVE-2026-0003 advisory_new".to_owned()), "{reasons:?}");
            // What the scan said stays what it said.
            let report = running.service.store.report(scan.report_id.unwrap()).await.unwrap().unwrap();
            let then = running.service.store.findings_by_id(&report.findings).await.unwrap();
            assert!(then.iter().any(|f| f.finding.id == "CVE-2026-0001"));
        }
        assert_eq!(world.registry.requests(), []);
        running.stop().await;
    }
}
