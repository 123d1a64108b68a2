//! A fresh store on either database, and the way of a scan through it.

use model::{Component, Finding, JobClass, JobKind, ScanStatus};
use store::{
    ClaimRequest, Claimed, Content, Micros, NewImage, NewInventory, NewJob, NewReport, NewScan, OpenOptions,
    ShardVersion, Store, Submitted,
};
use tempfile::TempDir;
use testkit::postgres::{Postgres, TestDatabase};

/// A time to begin with.
pub(crate) const T0: Micros = 1_760_000_000_000_000;
/// A second.
pub(crate) const SECOND: Micros = 1_000_000;

/// What holds a database while a test runs.
pub(crate) enum Place {
    Lite(TempDir),
    Pg(TestDatabase),
}

impl Place {
    /// How it is opened.
    pub(crate) fn options(&self) -> OpenOptions {
        match self {
            Self::Lite(dir) => OpenOptions::Sqlite { file: dir.path().join("lazaret.db") },
            Self::Pg(database) => OpenOptions::Postgres { url: database.url(), connections: 12 },
        }
    }
}

/// Every place that there is here.
pub(crate) fn places() -> Vec<Place> {
    let mut places = vec![Place::Lite(tempfile::tempdir().unwrap())];
    places.extend(Postgres::database().unwrap().map(Place::Pg));
    places
}

/// Runs a test on an empty store of each kind.
#[expect(clippy::needless_pass_by_value, reason = "tests write a closure in its place")]
pub(crate) fn on_both(test: impl AsyncFn(&Store)) {
    for place in places() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(&place.options()).await.unwrap();
            test(&store).await;
            store.close().await;
        });
    }
}

/// An image record in a repository of its name.
pub(crate) fn image(project: i64, reference: &str) -> NewImage<'_> {
    let repository = reference.rsplit_once(':').map_or(reference, |(repository, _)| repository);
    NewImage {
        project,
        reference,
        registry: reference.split('/').next().unwrap_or(""),
        repository,
        tag: None,
        platform: "",
        source: "submit",
        owner: None,
    }
}

/// A key made of a text.
pub(crate) fn key(text: &str) -> [u8; 16] {
    let mut key = [0_u8; 16];
    for (at, byte) in text.bytes().enumerate() {
        key[at % 16] = key[at % 16].wrapping_mul(31).wrapping_add(byte);
    }
    key
}

/// A request for a scan; equal references are equal requests.
pub(crate) fn scan<'a>(project: i64, reference: &'a str, class: JobClass) -> NewScan<'a> {
    NewScan {
        image: image(project, reference),
        source: reference,
        class,
        active_key: key(reference),
        sealed: None,
        max_attempts: 5,
        requested_by: "alice",
        request_id: "r1",
    }
}

pub(crate) async fn submit(store: &Store, project: i64, reference: &str, now: Micros) -> Submitted {
    store.submit(&[scan(project, reference, JobClass::Push)], now).await.unwrap()[0]
}

/// Takes the next job of any kind.
pub(crate) async fn claim(store: &Store, worker: &str, now: Micros) -> Option<Claimed> {
    claim_kinds(store, worker, JobKind::ALL, now).await
}

pub(crate) async fn claim_kinds(
    store: &Store,
    worker: &str,
    kinds: &[JobKind],
    now: Micros,
) -> Option<Claimed> {
    let request = ClaimRequest {
        worker,
        kinds,
        class: JobClass::Scheduled,
        max_weight: u64::MAX,
        lease_until: now + 30 * SECOND,
    };
    store.claim(&request, now).await.unwrap()
}

/// The job after a look-up.
pub(crate) fn job<'a>(kind: JobKind, job_key: [u8; 16], from: &'a Claimed) -> NewJob<'a> {
    NewJob {
        kind,
        key: job_key,
        class: from.class,
        repository: &from.repository,
        weight: 0,
        max_attempts: 5,
        payload: "{}",
        sealed: None,
    }
}

pub(crate) fn inventory(digest: &str) -> NewInventory<'_> {
    NewInventory { digest, analyzers: "a1", size: 1000, packages: 0, distro: None, body: b"{}" }
}

/// What one image contains, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) digest: String,
    pub(crate) components: Vec<Component>,
    pub(crate) sets: Vec<Vec<usize>>,
    pub(crate) findings: Vec<(usize, Finding)>,
    pub(crate) shards: Vec<ShardVersion>,
}

impl Contents {
    pub(crate) fn content(&self, inventory: i64) -> Content<'_> {
        Content {
            inventory,
            components: &self.components,
            sets: &self.sets,
            findings: &self.findings,
            shards: &self.shards,
        }
    }
}

pub(crate) const REPORT: NewReport<'static> = NewReport { partial: false, body: "{}" };

/// Brings a submitted scan, the only one that waits, to where its match can begin: the inventory and the claim.
pub(crate) async fn to_match(store: &Store, contents: &Contents, now: Micros) -> (i64, Claimed) {
    let digest = contents.digest.as_str();
    let look = claim_kinds(store, "w", &[JobKind::Resolve], now).await.unwrap();
    let next = job(JobKind::Index, key(&format!("index {digest}")), &look);
    store.finish_resolve(&look, digest, None, &next, now).await.unwrap();
    let read = claim_kinds(store, "w", &[JobKind::Index], now).await.unwrap();
    let new = NewInventory { packages: contents.sets.iter().map(Vec::len).sum(), ..inventory(digest) };
    let next = |id: i64| ("{}".to_owned(), key(&format!("match {id}")));
    let id = store.finish_index(&read, &new, next, now).await.unwrap();
    (id, claim_kinds(store, "w", &[JobKind::Match], now).await.unwrap())
}

/// Scans an image from the request to the report: its record.
pub(crate) async fn complete(
    store: &Store,
    project: i64,
    reference: &str,
    contents: &Contents,
    now: Micros,
) -> i64 {
    let submitted = submit(store, project, reference, now).await;
    let (inventory, matching) = to_match(store, contents, now).await;
    let done = store.finish_match(&matching, &contents.content(inventory), &REPORT, now).await.unwrap();
    assert_eq!(done, [submitted.scan]);
    let scan = store.scan(submitted.scan).await.unwrap().unwrap();
    assert_eq!(scan.status, ScanStatus::Completed);
    scan.image_id
}

/// The status of a scan, and that of its image's row.
pub(crate) async fn statuses(store: &Store, scan: uuid::Uuid) -> (ScanStatus, ScanStatus) {
    let scan = store.scan(scan).await.unwrap().unwrap();
    (scan.status, store.image(scan.image_id).await.unwrap().unwrap().status)
}
