//! Requests, jobs and statuses.

use std::collections::BTreeSet;

use model::{FailureReason, JobClass, JobKind, Phase, ScanProgress, ScanStatus};
use store::{ClaimRequest, Outcome, StoreError};

use crate::rig::{
    Contents, REPORT, SECOND, T0, claim, complete, job, key, on_both, scan, statuses, submit, to_match,
};

#[test]
fn equal_requests_share_one_scan_until_it_is_over() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let first = submit(store, project, "r.example/a:1", T0).await;
        let second = submit(store, project, "r.example/a:1", T0).await;
        assert_eq!((first.joined, second.joined, second.scan), (false, true, first.scan));
        let look = claim(store, "w", T0).await.unwrap();
        store.fail(&look, FailureReason::ImageNotFound, "no such tag", T0).await.unwrap();
        let third = submit(store, project, "r.example/a:1", T0).await;
        assert!(!third.joined && third.scan != first.scan);
    });
}

#[test]
fn fifty_tasks_at_once_make_one_scan_of_an_image() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..50 {
            let store = store.clone();
            tasks.spawn(async move {
                let reference = format!("r.example/a:{}", task % 5);
                (reference.clone(), submit(&store, project, &reference, T0).await)
            });
        }
        let answers = tasks.join_all().await;
        let scans: BTreeSet<_> = answers.iter().map(|(reference, answer)| (reference, answer.scan)).collect();
        assert_eq!(scans.len(), 5);
        assert_eq!(answers.iter().filter(|(_, answer)| !answer.joined).count(), 5);
        let waiting = store.waiting().await.unwrap();
        assert_eq!(waiting.iter().map(|(_, waiting)| waiting.ready).sum::<u64>(), 5);
    });
}

#[test]
fn urgent_work_goes_first_and_repositories_take_turns() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let requests = [
            ("r.example/big:1", JobClass::Scheduled),
            ("r.example/big:2", JobClass::Scheduled),
            ("r.example/big:3", JobClass::Scheduled),
            ("r.example/small:1", JobClass::Scheduled),
            ("r.example/tiny:1", JobClass::Scheduled),
            ("r.example/big:4", JobClass::Interactive),
            ("r.example/big:5", JobClass::Push),
        ];
        for (reference, class) in requests {
            store.submit(&[scan(project, reference, class)], T0).await.unwrap();
        }
        let mut order = Vec::new();
        while let Some(job) = claim(store, "w", T0).await {
            let source: serde_json::Value = serde_json::from_str(&job.payload).unwrap();
            order.push(source["source"].as_str().unwrap().trim_start_matches("r.example/").to_owned());
        }
        assert_eq!(order, ["big:4", "big:5", "big:1", "small:1", "tiny:1", "big:2", "big:3"]);
    });
}

#[test]
fn who_joins_with_more_urgency_hastens_the_work() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        submit(store, project, "r.example/a:1", T0).await;
        let request = scan(project, "r.example/b:1", JobClass::Scheduled);
        let slow = store.submit(std::slice::from_ref(&request), T0).await.unwrap()[0];
        assert_eq!(store.scan(slow.scan).await.unwrap().unwrap().position, Some(1));
        let request = scan(project, "r.example/b:1", JobClass::Interactive);
        assert_eq!(store.submit(&[request], T0).await.unwrap()[0].scan, slow.scan);
        let shown = store.scan(slow.scan).await.unwrap().unwrap();
        assert_eq!((shown.position, shown.class), (Some(0), JobClass::Interactive));
    });
}

#[test]
fn only_what_fits_is_claimed() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        submit(store, project, "r.example/a:1", T0).await;
        let fits = ClaimRequest {
            worker: "w",
            kinds: &[JobKind::Resolve],
            class: JobClass::Push,
            max_weight: 0,
            lease_until: T0 + SECOND,
        };
        let others = [
            ClaimRequest { kinds: &[JobKind::Index, JobKind::Match], ..fits },
            ClaimRequest { class: JobClass::Pipeline, ..fits },
        ];
        for other in others {
            assert_eq!(store.claim(&other, T0).await.unwrap(), None);
        }
        assert_eq!(store.claim(&fits, T0 - 1).await.unwrap(), None);
        assert!(store.claim(&fits, T0).await.unwrap().is_some());
    });
}

#[test]
fn a_job_is_claimed_once_however_many_ask() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        for number in 0..20 {
            submit(store, project, &format!("r.example/a{number}:1"), T0).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..8 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                // A claim may find that another was quicker; only an empty queue ends the loop.
                while store.waiting().await.unwrap().iter().any(|(_, waiting)| waiting.ready > 0) {
                    mine.extend(claim(&store, &format!("w{worker}"), T0).await.map(|job| job.id));
                }
                mine
            });
        }
        let mut all: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!((count, all.len()), (20, 20));
    });
}

#[test]
fn a_worker_whose_lease_ran_out_writes_nothing() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let submitted = submit(store, project, "r.example/a:1", T0).await;
        let old = claim(store, "old", T0).await.unwrap();
        assert_eq!(store.reclaim(T0 + 29 * SECOND).await.unwrap(), 0);
        let late = T0 + 31 * SECOND;
        assert_eq!(store.reclaim(late).await.unwrap(), 1);
        assert_eq!(statuses(store, submitted.scan).await, (ScanStatus::Retrying, ScanStatus::Retrying));
        let new = claim(store, "new", late).await.unwrap();
        assert_eq!(new.id, old.id);
        let next = job(JobKind::Index, key("i"), &old);
        let lost = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Lost)));
        lost(store.finish_resolve(&old, "sha256:1", None, &next, late).await);
        lost(store.retry(&old, "x", late, late).await);
        lost(store.fail(&old, FailureReason::Internal, "x", late).await);
        lost(store.give_back(&old, late).await);
        lost(store.park(&old, "[]", late, late).await);
        let beat = store.heartbeat(&old, Phase::Read, ScanProgress::default(), late + SECOND).await.unwrap();
        assert_eq!(beat, Outcome::Lost);
        store.drop_cancelled(&old).await.unwrap();
        let seen = store.scan(submitted.scan).await.unwrap().unwrap();
        assert_eq!((seen.status, seen.digest), (ScanStatus::Retrying, None));
        store
            .finish_resolve(&new, "sha256:2", None, &job(JobKind::Index, key("i"), &new), late)
            .await
            .unwrap();
        let seen = store.scan(submitted.scan).await.unwrap().unwrap();
        assert_eq!(seen.digest.as_deref(), Some("sha256:2"));
    });
}

#[test]
fn a_match_of_a_lost_worker_stores_no_report() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let submitted = submit(store, project, "r.example/a:1", T0).await;
        let contents = Contents { digest: "sha256:1".to_owned(), ..Contents::default() };
        let (inventory, old) = to_match(store, &contents, T0).await;
        let late = T0 + 40 * SECOND;
        store.reclaim(late).await.unwrap();
        let new = claim(store, "new", late).await.unwrap();
        let refused = store.finish_match(&old, &contents.content(inventory), &REPORT, late).await;
        assert!(matches!(refused, Err(StoreError::Lost)));
        let done = store.finish_match(&new, &contents.content(inventory), &REPORT, late).await.unwrap();
        assert_eq!(done, [submitted.scan]);
        let again = store.finish_match(&new, &contents.content(inventory), &REPORT, late).await;
        assert!(matches!(again, Err(StoreError::Lost)));
        let image = store.scan(submitted.scan).await.unwrap().unwrap().image_id;
        assert_eq!(store.reports_of(image, None, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn statuses_of_a_scan_stand_on_its_image() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let submitted = submit(store, project, "r.example/a:1", T0).await;
        let check = async |expected: ScanStatus| {
            assert_eq!(statuses(store, submitted.scan).await, (expected, expected));
        };
        check(ScanStatus::Pending).await;
        let look = claim(store, "w", T0).await.unwrap();
        check(ScanStatus::Pending).await;
        store
            .finish_resolve(&look, "sha256:1", None, &job(JobKind::Index, key("i"), &look), T0)
            .await
            .unwrap();
        check(ScanStatus::Pending).await;
        let read = claim(store, "w", T0).await.unwrap();
        check(ScanStatus::Running).await;
        store.retry(&read, "the registry hung up", T0 + SECOND, T0).await.unwrap();
        check(ScanStatus::Retrying).await;
        assert_eq!(claim(store, "w", T0).await, None);
        let read = claim(store, "w", T0 + SECOND).await.unwrap();
        assert_eq!(read.attempt, 2);
        check(ScanStatus::Running).await;
        store.give_back(&read, T0).await.unwrap();
        check(ScanStatus::Pending).await;
        let read = claim(store, "w", T0 + SECOND).await.unwrap();
        assert_eq!(read.attempt, 2);
        store.park(&read, "[\"npm\"]", T0 + 9 * SECOND, T0).await.unwrap();
        check(ScanStatus::DatabaseNotPopulated).await;
        assert_eq!(claim(store, "w", T0 + SECOND).await, None);
        assert_eq!(store.unpark(false, T0 + SECOND).await.unwrap(), 0);
        assert_eq!(store.unpark(true, T0 + SECOND).await.unwrap(), 1);
        let read = claim(store, "w", T0 + SECOND).await.unwrap();
        check(ScanStatus::Running).await;
        store.fail(&read, FailureReason::TooLarge, "9 GB", T0).await.unwrap();
        check(ScanStatus::Failed).await;
        let seen = store.scan(submitted.scan).await.unwrap().unwrap();
        assert_eq!((seen.reason, seen.detail.as_deref()), (Some(FailureReason::TooLarge), Some("9 GB")));
        assert_eq!(claim(store, "w", T0 + SECOND).await, None);
    });
}

#[test]
fn cancelling_stops_the_job_only_when_nobody_else_waits() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        // Two references that lead to the same work.
        let one = submit(store, project, "r.example/a:1", T0).await;
        let two = submit(store, project, "r.example/b:1", T0).await;
        for _ in 0..2 {
            let look = claim(store, "w", T0).await.unwrap();
            let next = job(JobKind::Index, key("same"), &look);
            store.finish_resolve(&look, "sha256:1", None, &next, T0).await.unwrap();
        }
        let read = claim(store, "w", T0).await.unwrap();
        assert_eq!(claim(store, "w", T0).await, None);
        let beat = async || {
            store.heartbeat(&read, Phase::Read, ScanProgress::default(), T0 + 60 * SECOND).await.unwrap()
        };
        assert!(store.cancel(one.scan, "bob", T0).await.unwrap());
        assert!(!store.cancel(one.scan, "bob", T0).await.unwrap());
        assert_eq!(beat().await, Outcome::Held);
        assert_eq!(statuses(store, one.scan).await, (ScanStatus::Cancelled, ScanStatus::Cancelled));
        assert_eq!(statuses(store, two.scan).await, (ScanStatus::Running, ScanStatus::Running));
        assert!(store.cancel(two.scan, "bob", T0).await.unwrap());
        assert_eq!(beat().await, Outcome::Cancelled);
        store.drop_cancelled(&read).await.unwrap();
        assert_eq!(beat().await, Outcome::Lost);
        let none = store.cancel(uuid::Uuid::nil(), "bob", T0).await;
        assert!(matches!(none, Err(StoreError::NotFound("scan"))));
    });
}

#[test]
fn a_job_that_loses_too_many_workers_fails() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let submitted = submit(store, project, "r.example/a:1", T0).await;
        let mut now = T0;
        let mut losses = 0;
        while claim(store, "w", now).await.is_some() {
            now += 31 * SECOND;
            assert_eq!(store.reclaim(now).await.unwrap(), 1);
            losses += 1;
            assert!(losses < 100);
        }
        assert_eq!(statuses(store, submitted.scan).await, (ScanStatus::Failed, ScanStatus::Failed));
        assert!(losses > 5);
    });
}

#[test]
fn other_workers_jobs_return_at_a_restart() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        submit(store, project, "r.example/a:1", T0).await;
        submit(store, project, "r.example/b:1", T0).await;
        claim(store, "before", T0).await.unwrap();
        let mine = claim(store, "mine", T0).await.unwrap();
        assert_eq!(store.reclaim_all_but("mine", T0).await.unwrap(), 1);
        assert!(claim(store, "mine", T0).await.is_some_and(|job| job.id != mine.id));
    });
}

#[test]
fn followers_see_every_change_once_and_in_order() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let contents = Contents { digest: "sha256:1".to_owned(), ..Contents::default() };
        complete(store, project, "r.example/a:1", &contents, T0).await;
        let changes = store.changes(0, 100).await.unwrap();
        let mut seen: Vec<ScanStatus> = changes.iter().map(|change| change.status).collect();
        seen.dedup();
        assert_eq!(seen, [ScanStatus::Pending, ScanStatus::Running, ScanStatus::Completed]);
        assert!(changes.is_sorted_by(|a, b| a.seq < b.seq && a.version <= b.version));
        let last = store.last_change().await.unwrap();
        assert_eq!(changes.last().unwrap().seq, last);
        assert!(store.trim_changes(T0 + SECOND).await.unwrap() > 0);
        assert_eq!(store.last_change().await.unwrap(), last);
    });
}
