//! A scanner that writes all the time: twenty new images a second from request to report, and heartbeats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{JobClass, JobKind, Phase, ScanProgress};
use store::{ClaimRequest, Claimed, Content, NewImage, NewInventory, NewJob, NewReport, NewScan, Store};

use crate::{
    fill::{T0, shards},
    world::World,
};

/// Between two images.
const EVERY: Duration = Duration::from_millis(50);
/// A time after everything.
const NOW: i64 = T0 + 3_600_000_000_000;

pub(crate) struct Scanner {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<usize>,
    since: std::time::Instant,
}

impl Scanner {
    pub(crate) fn start(store: &Store, world: &Arc<World>, project: i64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (store, world, ended) = (store.clone(), Arc::clone(world), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            let mut scanned = 0;
            while !ended.load(Ordering::Relaxed) {
                ticks.tick().await;
                scan(&store, &world, project, scanned).await;
                scanned += 1;
            }
            scanned
        });
        Self { stop, task, since: std::time::Instant::now() }
    }

    pub(crate) async fn stop(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let scanned = self.task.await.unwrap();
        format!("{:.1} images/s", scanned as f64 / self.since.elapsed().as_secs_f64())
    }
}

async fn claim(store: &Store, kind: JobKind) -> Claimed {
    let request = ClaimRequest {
        worker: "bench",
        kinds: &[kind],
        class: JobClass::Scheduled,
        max_weight: u64::MAX,
        lease_until: NOW + 60_000_000,
    };
    store.claim(&request, NOW).await.unwrap().unwrap()
}

fn key(kind: u8, number: usize) -> [u8; 16] {
    let mut key = [kind; 16];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    key
}

async fn scan(store: &Store, world: &World, project: i64, number: usize) {
    let spec = world.image(world.scale.images + number * 3);
    let reference = format!("{}-scanned", spec.reference);
    let image = NewImage {
        project,
        reference: &reference,
        registry: &spec.registry,
        repository: &spec.repository,
        tag: Some(&spec.tag),
        platform: "",
        source: "submit",
        owner: None,
    };
    let request = NewScan {
        image,
        source: &reference,
        class: JobClass::Push,
        active_key: key(1, number),
        sealed: None,
        max_attempts: 5,
        requested_by: "bench",
        request_id: "",
    };
    store.submit(&[request], NOW).await.unwrap();
    let look = claim(store, JobKind::Resolve).await;
    let next = NewJob {
        kind: JobKind::Index,
        key: key(2, number),
        class: JobClass::Push,
        repository: &spec.repository,
        weight: 0,
        max_attempts: 5,
        payload: "{}",
        sealed: None,
    };
    let digest = format!("{}{number}", spec.digest);
    store.finish_resolve(&look, &digest, None, &next, NOW).await.unwrap();
    let read = claim(store, JobKind::Index).await;
    for _ in 0..3 {
        store.heartbeat(&read, Phase::Read, ScanProgress::default(), NOW + 60_000_000).await.unwrap();
    }
    let document = vec![b'x'; 2000];
    let new = NewInventory {
        digest: &digest,
        analyzers: "a1",
        size: 1000,
        packages: 100,
        distro: None,
        body: &document,
    };
    let id = store.finish_index(&read, &new, |_| ("{}".to_owned(), key(3, number)), NOW).await.unwrap();
    let matching = claim(store, JobKind::Match).await;
    let mut components = Vec::new();
    let mut findings = Vec::new();
    let mut sets = Vec::new();
    for set in &spec.sets {
        let mut indexes = Vec::new();
        for component in set {
            let index = components.len();
            indexes.push(index);
            components.push(world.components[*component].clone());
            findings.extend(world.findings[*component].iter().map(|finding| (index, finding.clone())));
        }
        sets.push(indexes);
    }
    let shards = shards("d1");
    let content =
        Content { inventory: id, components: &components, sets: &sets, findings: &findings, shards: &shards };
    let report = NewReport { partial: false, body: "{}" };
    store.finish_match(&matching, &content, &report, NOW).await.unwrap();
}
