//! A whole service in a temporary directory: a store, a registry with images made in code, advisories, a worker.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use app::{
    Config, Service, clock,
    config::{AdvisoryConfig, QueueConfig, WorkerConfig},
    seal::SealingKey,
    submit::{Requester, ScanOrder, Target},
};
use egress::ClientConfig;
use feeds::{BuildOptions, FEEDS};
use model::{JobClass, Limits, ScanStatus};
use store::{OpenOptions, Scan, Store};
use tempfile::TempDir;
pub(crate) use testkit::sample::{DEBIAN, debian, dpkg, image, record};
use testkit::{
    postgres::{Postgres, TestDatabase},
    registry::TestRegistry,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::kill::Beside;

/// How long anything may take; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which database a test runs on.
pub(crate) enum Kind {
    Lite,
    Pg(TestDatabase),
}

/// Every database that is at hand.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Lite];
    kinds.extend(Postgres::database().unwrap().map(Kind::Pg));

    kinds
}

/// The parts of a service that outlive a process of it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) registry: TestRegistry,
    pub(crate) kind: Kind,
    /// Where advisories are fetched from; nobody answers there by default.
    pub(crate) feed: String,
    pub(crate) offline: bool,
}

/// One process of it.
pub(crate) struct Running {
    pub(crate) service: Service,
    pub(crate) project: i64,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the store at a file or URL.
pub(crate) async fn open(database: &str) -> Store {
    let options = if database.starts_with("postgres://") {
        OpenOptions::Postgres { url: database.to_owned(), connections: 10 }
    } else {
        OpenOptions::Sqlite { file: database.into() }
    };
    Store::open(&options).await.unwrap()
}

/// A service in that directory, quick to notice everything.
pub(crate) fn config(dir: &Path, feed: &str, offline: bool) -> Config {
    Config {
        data: dir.join("data"),
        client: ClientConfig::command_line(),
        plain_http: Vec::new(),
        limits: Limits::standard(),
        advisories: AdvisoryConfig {
            dir: dir.join("db"),
            base: feed.parse().unwrap(),
            offline,
            refresh: Duration::from_secs(3600),
            pause: Duration::from_secs(3600),
            watch: Duration::from_millis(20),
        },
        queue: QueueConfig {
            lease: Duration::from_millis(500),
            heartbeat: Duration::from_millis(50),
            max_attempts: 3,
            backoff: Duration::from_millis(10),
            max_backoff: Duration::from_millis(50),
            poll: Duration::from_millis(20),
        },
        workers: WorkerConfig::default(),
        max_upload: 1 << 30,
        buckets: app::config::BucketConfig::default(),
        background: app::config::BackgroundConfig::default(),
    }
}

impl World {
    pub(crate) async fn new(kind: Kind) -> Self {
        let registry = TestRegistry::start(testkit::registry::Auth::None).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, registry, kind, feed: "http://127.0.0.1:1/".to_owned(), offline: true }
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.dir.path().join("db")
    }

    /// Puts these records in the place of the shards that they fill.
    pub(crate) fn advise(&self, records: &[String]) {
        let from = self.dir.path().join("records.jsonl");
        std::fs::write(&from, records.join("\n")).unwrap();
        let built = format!("2026-01-01T00:00:{:02}Z", clock::now() % 60);
        let options = BuildOptions { only: None, built, source: "a test".to_owned() };
        feeds::build(&[from], &self.db(), FEEDS[0], &options).unwrap();
    }

    pub(crate) fn config(&self) -> Config {
        config(self.dir.path(), &self.feed, self.offline)
    }

    /// Where the store is: a file or a URL.
    pub(crate) fn database(&self) -> String {
        match &self.kind {
            Kind::Lite => self.dir.path().join("lazaret.db").display().to_string(),
            Kind::Pg(database) => database.url(),
        }
    }

    /// Somebody who only asks, while another process works.
    pub(crate) fn beside(&self, store: Store, project: i64) -> Beside {
        let key = SealingKey::load_or_create(&self.dir.path().join("other.key")).unwrap();
        Beside { store, project, key }
    }

    pub(crate) async fn store(&self) -> Store {
        open(&self.database()).await
    }

    /// A process without a worker.
    pub(crate) async fn idle(&self) -> Running {
        self.idle_with(self.config()).await
    }

    /// The same, told to run in another way.
    pub(crate) async fn idle_with(&self, config: Config) -> Running {
        let service = Service::new(self.store().await, config, None).unwrap();
        let project = service.store.ensure_project("default", clock::now()).await.unwrap();
        Running { service, project, stop: watch::Sender::new(false), tasks: Vec::new() }
    }

    /// A process with a worker that follows the advisories.
    pub(crate) async fn start(&self) -> Running {
        let mut running = self.idle().await;
        running.work();
        running
    }

    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }
}

impl Running {
    pub(crate) fn work(&mut self) {
        let service = self.service.clone();
        self.tasks.push(tokio::spawn(app::jobs::worker::work(service.clone(), self.stop.subscribe())));
        self.tasks.push(tokio::spawn(app::rematch::watch(service, self.stop.subscribe(), |_| {})));
    }

    /// Asks for a scan.
    pub(crate) async fn submit(&self, reference: &str) -> uuid::Uuid {
        let target = Target::parse(reference).unwrap();
        let order = ScanOrder { target, platform: None, secret: None };
        let requester = Requester {
            project: self.project,
            name: "a test",
            request_id: "r1",
            class: JobClass::Interactive,
            source: "submit",
        };
        self.service.submit(&[order], requester).await.unwrap()[0].scan
    }

    pub(crate) async fn scan(&self, id: uuid::Uuid) -> Scan {
        self.service.store.scan(id).await.unwrap().unwrap()
    }

    /// Waits until a scan is as wanted.
    pub(crate) async fn until(&self, id: uuid::Uuid, what: &str, wanted: impl Fn(&Scan) -> bool) -> Scan {
        let mut changed = self.service.follow();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let scan = self.scan(id).await;
            if wanted(&scan) {
                return scan;
            }
            assert!(tokio::time::Instant::now() < deadline, "never {what}: {scan:?}");
            let _ = tokio::time::timeout(Duration::from_millis(50), changed.changed()).await;
        }
    }

    pub(crate) async fn ended(&self, id: uuid::Uuid) -> Scan {
        self.until(id, "over", |scan| scan.status.is_terminal()).await
    }

    pub(crate) async fn completed(&self, id: uuid::Uuid) -> Scan {
        let scan = self.ended(id).await;
        assert_eq!(scan.status, ScanStatus::Completed, "{scan:?}");
        scan
    }

    /// `CVE package severity` of every finding of an image, sorted.
    pub(crate) async fn findings(&self, inventory: i64) -> Vec<String> {
        let found = self.service.store.findings_of(inventory).await.unwrap();
        let mut lines: Vec<String> =
            found.iter().map(|f| format!("{} {} {}", f.finding.id, f.package, f.finding.severity)).collect();
        lines.sort();
        lines
    }

    /// Ends as the service does when it is told to.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.service.store.close().await;
    }

    /// Lets the worker end as that of a killed process does: nothing is given back.
    pub(crate) async fn abandon(mut self) -> Self {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        self
    }
}
