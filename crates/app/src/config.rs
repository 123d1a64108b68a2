//! What the service must be told to run: plain values, whoever read them.

use std::{path::PathBuf, time::Duration};

use egress::{ClientConfig, Url};
use model::Limits;

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
