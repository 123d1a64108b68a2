//! A service that is killed again and again, and loses nothing: a process of its own works, this one kills it.
//!
//! `LAZARET_KILLS` and `LAZARET_KILL_SCANS` set how often, and during how many scans; `LAZARET_KILL_SEED` when.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use app::{
    Service,
    submit::{Requester, ScanOrder, Target},
};
use model::{JobClass, MessageKind, ScanStatus, Severity};
use store::{NewEvent, NewWebhook};
use testkit::registry::Fault;

use crate::world::{DEBIAN, Kind, World, debian, dpkg, image, kinds, record};

const CHILD: &str = "LAZARET_KILL_CHILD";

/// Not a test but the process that is killed; does nothing unless it was started as such.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_to_be_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let database = std::env::var("LAZARET_KILL_DATABASE").unwrap();
    let store = crate::world::open(&database).await;
    let service =
        Service::new(store, crate::world::config(dir.as_ref(), "http://127.0.0.1:1/", true), None).unwrap();
    let (_hold, stop) = tokio::sync::watch::channel(false);
    tokio::spawn(app::background::run_all(service.clone(), stop.clone()));
    app::jobs::worker::work(service, stop).await;
}

fn spawn(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::process_to_be_killed", "--nocapture"])
        .env(CHILD, world.dir.path())
        .env("LAZARET_KILL_DATABASE", world.database())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// xorshift64*: enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_loses_nothing_and_does_nothing_twice() {
    for kind in kinds() {
        let name = if matches!(kind, Kind::Lite) { "sqlite" } else { "postgresql" };
        let (kills, scans) = (number("LAZARET_KILLS", 8), number("LAZARET_KILL_SCANS", 40));
        let mut random = Random(number("LAZARET_KILL_SEED", 7));
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "9", 'H')]);
        // Images differ, some share their content under two names, some are none.
        for at in 0..scans {
            let version = format!("7.{}", at / 2);
            world.registry.add(&format!("app{at}"), "1", &debian("curl", &version));
        }
        let strange = image(&[&[("var/lib/dpkg/status", &dpkg(&[("a", "1")])), ("x", DEBIAN)]]);
        world.registry.add("strange", "1", &strange);
        let store = world.store().await;
        let project = store.ensure_project("default", app::clock::now()).await.unwrap();
        let running = world.beside(store.clone(), project);
        let told = listener(&store).await;
        let mut ids = Vec::new();
        for at in 0..scans {
            let name = if at % 10 == 9 { "strange:1".to_owned() } else { format!("app{at}:1") };
            let target = Target::parse(&world.reference(&name)).unwrap();
            ids.push((running.order(target).await, at % 10 == 9));
        }
        world.registry.fail(Fault::IgnoreRange);

        let mut killed = 0;
        let mut child = spawn(&world);
        let mut left = usize::MAX;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
            left = 0;
            for (id, _) in &ids {
                left += usize::from(!store.scan(*id).await.unwrap().unwrap().status.is_terminal());
            }
            if killed < kills {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
                child = spawn(&world);
                // Work for the next one, so that every death meets some.
                if left == 0 && killed < kills {
                    let again = random.below(scans);
                    let target = Target::parse(&world.reference(&format!("app{again}:1"))).unwrap();
                    ids.push((running.order(target).await, false));
                    left = 1;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let mut distinct: Vec<_> = ids.iter().map(|(id, _)| *id).collect();
        distinct.sort();
        distinct.dedup();
        let mut reports = 0;
        for (id, strange) in &ids {
            let scan = store.scan(*id).await.unwrap().unwrap();
            if *strange {
                assert_eq!(scan.status, ScanStatus::Failed, "{scan:?}");
                assert_eq!(scan.report_id, None);
                continue;
            }
            assert_eq!(scan.status, ScanStatus::Completed, "{scan:?}");
            let report = store.report(scan.report_id.unwrap()).await.unwrap().unwrap();
            assert_eq!((report.scan_id, report.findings.len()), (*id, 1));
            reports += 1;
        }
        let changes = store.changes(0, 1_000_000).await.unwrap();
        for id in &distinct {
            let ends =
                changes.iter().filter(|change| change.scan == *id && change.status.is_terminal()).count();
            assert_eq!(ends, 1, "{id} ended {ends} times");
        }
        // One message for every end, whoever was killed around it.
        let mut messages = Vec::new();
        for delivery in store.deliveries(told, None, None, 1_000_000).await.unwrap() {
            let message: store::ScanMessage = serde_json::from_str(&delivery.facts).unwrap();
            messages.push(message.scan);
        }
        messages.sort();
        assert_eq!(messages, distinct);
        let waiting = store.waiting().await.unwrap();
        assert!(waiting.iter().all(|(_, w)| w.ready + w.running + w.parked == 0), "{waiting:?}");
        println!("{name}: {killed} kills, {} scans, {reports} reports", distinct.len());
        store.close().await;
    }
}

/// A webhook that is told of every end. Nobody can open its secret, so that all messages stay.
async fn listener(store: &store::Store) -> i64 {
    let ends = [MessageKind::ScanCompleted, MessageKind::ScanFailed, MessageKind::ScanCancelled];
    let webhook = NewWebhook {
        project: None,
        name: "ends",
        url: "http://127.0.0.1:1/",
        secret: b"no secret at all, and sealed by nobody",
        kinds: &ends,
        min_severity: Severity::Unknown,
        enabled: true,
        owner: "a test",
    };
    let event = NewEvent {
        actor: "a test",
        address: None,
        action: "webhook.created",
        object: "webhook:ends",
        project: None,
        request: None,
        detail: "{}",
    };
    store.create_webhook(&webhook, &event, app::clock::now()).await.unwrap()
}

/// Those who only ask.
pub(crate) struct Beside {
    pub(crate) store: store::Store,
    pub(crate) project: i64,
    pub(crate) key: app::seal::SealingKey,
}

impl Beside {
    /// Asks for a scan as the service does, from another process.
    async fn order(&self, target: Target) -> uuid::Uuid {
        let order = ScanOrder { target, platform: None, secret: None };
        let requester = Requester {
            project: self.project,
            name: "a test",
            request_id: "r",
            class: JobClass::Pipeline,
            source: "submit",
        };
        let prepared = app::submit::submit(&self.store, &self.key, 5, &[order], requester).await.unwrap();
        prepared[0].scan
    }
}
