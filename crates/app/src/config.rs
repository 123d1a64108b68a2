//! What the service must be told to run: plain values, whoever read them.

use std::{path::PathBuf, time::Duration};

use egress::{AllowEntry, ClientConfig, Url};
use model::Limits;
use oci::bucket::BucketOptions;

/// Everything.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory for what is not in the store: uploads, the layer cache, reports that the store refused.
    pub data: PathBuf,
    /// How outbound connections are made.
    pub client: ClientConfig,
    /// Registries that may be spoken to without TLS.
    pub plain_http: Vec<String>,
    /// Bounds of every scan.
    pub limits: Limits,
    /// The advisory database.
    pub advisories: AdvisoryConfig,
    /// The queue.
    pub queue: QueueConfig,
    /// The workers.
    pub workers: WorkerConfig,
    /// Largest upload, in bytes.
    pub max_upload: u64,
    /// Buckets that archives may be read from.
    pub buckets: BucketConfig,
    /// What goes on beside requests and workers.
    pub background: BackgroundConfig,
}

/// Buckets. The service reads them with its own key, whoever asks: so only those that are listed are read.
#[derive(Clone, Debug, Default)]
pub struct BucketConfig {
    /// Where they are, and the key.
    pub options: BucketOptions,
    /// Names of those that requests may name; none by default.
    pub accepted: Vec<String>,
}

impl BucketConfig {
    /// Whether requests may name that bucket.
    pub fn accepts(&self, bucket: &str) -> bool {
        self.accepted.iter().any(|accepted| accepted == bucket)
    }
}

/// What goes on beside requests and workers.
#[derive(Clone, Debug, Default)]
pub struct BackgroundConfig {
    /// Messages to webhooks.
    pub notify: NotifyConfig,
    /// Scans of many images.
    pub schedules: ScheduleConfig,
    /// What is forgotten, and when.
    pub upkeep: UpkeepConfig,
    /// Looks into registries.
    pub watches: WatchConfig,
}

/// Looks into registries, for images that are new.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// How often it is looked which watch is due.
    pub poll: Duration,
    /// Registries that this process looks into at once; each of them once.
    pub at_once: usize,
    /// How long the turn at a registry holds without being renewed.
    pub lease: Duration,
    /// Shortest time between two looks of a watch.
    pub min_every: Duration,
    /// Tags that one look asks about; the next goes on where it stopped.
    pub max_images: usize,
    /// Repositories whose tags one look lists; the next goes on where it stopped.
    pub max_repositories: usize,
    /// Pause after the first look that failed, unless the watch looks more often; it doubles from one to the next.
    pub backoff: Duration,
    /// Longest pause after looks that failed, unless the watch looks less often.
    pub max_backoff: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            at_once: 4,
            lease: Duration::from_secs(60),
            min_every: Duration::from_secs(60),
            max_images: 1000,
            max_repositories: 100,
            backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(3600),
        }
    }
}

/// Messages to webhooks.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    /// Hosts and ranges that webhooks may lead to although their addresses are not public. Link-local addresses,
    /// where clouds answer with credentials, are opened by a range only.
    pub allow: Vec<AllowEntry>,
    /// Longest time for one attempt, with its answer.
    pub timeout: Duration,
    /// Attempts until a message is given up.
    pub attempts: u32,
    /// Pause after the first attempt that failed; it doubles from one to the next.
    pub backoff: Duration,
    /// Longest pause.
    pub max_backoff: Duration,
    /// Messages that are under way at once.
    pub at_once: usize,
    /// How often the outbox is looked into when nothing tells of a message.
    pub poll: Duration,
}

impl Default for NotifyConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            timeout: Duration::from_secs(10),
            attempts: 12,
            backoff: Duration::from_secs(10),
            max_backoff: Duration::from_secs(3600),
            at_once: 8,
            poll: Duration::from_secs(1),
        }
    }
}

/// Scans of many images.
#[derive(Clone, Debug)]
pub struct ScheduleConfig {
    /// How often it is looked what is due.
    pub poll: Duration,
    /// Images that are submitted in one transaction.
    pub chunk: u32,
    /// No more are submitted while so many jobs of the class `scheduled` wait.
    pub waiting: u32,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), chunk: 50, waiting: 200 }
    }
}

/// What is forgotten, and when.
#[derive(Clone, Debug)]
pub struct UpkeepConfig {
    /// Pause between two rounds.
    pub every: Duration,
    /// How long scans that are over are kept with their reports; the newest of every image always are.
    pub keep_scans: Duration,
    /// How long changes of scans can be followed.
    pub keep_changes: Duration,
    /// How long the log of deliveries goes back.
    pub keep_deliveries: Duration,
    /// How long the audit log goes back.
    pub keep_events: Duration,
    /// How long the log of users' errors goes back.
    pub keep_errors: Duration,
    /// How long daily counts go back.
    pub keep_counts: Duration,
    /// A session in which nothing is done for so long is over.
    pub idle_sessions: Duration,
    /// How long an upload that belongs to no image record is kept: it may be on its way to one.
    pub keep_uploads: Duration,
}

impl Default for UpkeepConfig {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self {
            every: Duration::from_secs(3600),
            keep_scans: days(180),
            keep_changes: days(7),
            keep_deliveries: days(30),
            keep_events: days(400),
            keep_errors: days(90),
            keep_counts: days(5 * 366),
            idle_sessions: Duration::from_secs(12 * 3600),
            keep_uploads: days(1),
        }
    }
}

/// The advisory database.
#[derive(Clone, Debug)]
pub struct AdvisoryConfig {
    /// Its directory.
    pub dir: PathBuf,
    /// Where it comes from.
    pub base: Url,
    /// Fetch nothing.
    pub offline: bool,
    /// How often it is refreshed.
    pub refresh: Duration,
    /// How long a shard that could not be had is not asked for again.
    pub pause: Duration,
    /// How often the directory is looked at for changes.
    pub watch: Duration,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often it is renewed.
    pub heartbeat: Duration,
    /// Attempts until a scan is given up.
    pub max_attempts: u32,
    /// Pause after the first aborted attempt; it doubles from one to the next.
    pub backoff: Duration,
    /// Longest pause.
    pub max_backoff: Duration,
    /// How often a worker looks for work that nobody told it of.
    pub poll: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(2),
            max_attempts: 5,
            backoff: Duration::from_secs(2),
            max_backoff: Duration::from_secs(300),
            poll: Duration::from_millis(500),
        }
    }
}

/// The workers of one process.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Images that are read at once.
    pub index: usize,
    /// Inventories that are matched at once.
    pub matching: usize,
    /// References that are looked up at once.
    pub resolve: usize,
    /// Layers of one image that are read at once.
    pub threads: usize,
    /// Stored bytes of all images that are read at once; one image may exceed it alone.
    pub bytes: u64,
    /// Slots for reading that are kept free for interactive, pipeline and push jobs.
    pub reserved: [usize; 3],
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            index: cores.max(2),
            matching: cores.max(2),
            resolve: 8,
            threads: cores.max(2),
            bytes: 8 << 30,
            reserved: [1, 0, 0],
        }
    }
}
