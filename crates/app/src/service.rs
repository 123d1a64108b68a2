//! The service: what all its parts share.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use advisory::database::DatabaseError;
use model::problem::explain;
use oci::{
    bucket::{BucketError, Buckets},
    registry::{CredentialSource, Registries, RegistryOptions},
};
use scan::LayerCache;
use store::Store;
use tokio::sync::{Notify, watch};

use crate::{
    advisories::Advisories,
    config::Config,
    jobs::{identity::analyzers_key, spool::Spool},
    registries::StoredRegistries,
    seal::{SealError, SealingKey},
};

/// The layer cache is kept below this many bytes.
const CACHE_BYTES: u64 = 8 << 30;

/// Why the service could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory could not be made or written.
    #[error("failed to use the directory {0}")]
    Directory(PathBuf, #[source] std::io::Error),
    /// Another process uses the data directory.
    #[error("another lazaret uses {0}")]
    InUse(PathBuf),
    /// The advisory database cannot be read.
    #[error("failed to open the advisory database")]
    Advisories(#[from] DatabaseError),
    /// The key for stored secrets.
    #[error("failed to get the sealing key")]
    Seal(#[from] SealError),
    /// The access to buckets.
    #[error("failed to set up the buckets that are read")]
    Buckets(#[from] BucketError),
}

/// What all parts of the service share. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// The parts.
pub struct Inner {
    /// What the service remembers.
    pub store: Store,
    /// How it was told to run.
    pub config: Config,
    /// The advisory database.
    pub advisories: Advisories,
    /// Seals secrets that are stored.
    pub key: SealingKey,
    /// Registries, without credentials of their own.
    pub registries: Arc<Registries>,
    /// Registries with stored credentials.
    pub(crate) stored_registries: StoredRegistries,
    /// Buckets; `None` where none is accepted.
    pub(crate) buckets: Option<Arc<Buckets>>,
    /// Records of layers; `None` when their directory cannot be used.
    pub cache: Option<LayerCache>,
    /// Results that the store refused.
    pub spool: Spool,
    /// Versions of the analyzers, as one text.
    pub analyzers: String,
    /// Name of this process among workers.
    pub worker: String,
    /// Sends to webhooks; built when it is needed first.
    pub(crate) webhooks: OnceLock<egress::Client>,
    /// There is work: workers look at once.
    pub(crate) work: Notify,
    /// The newest change of a scan that is known of.
    pub(crate) changed: watch::Sender<i64>,
    /// Held while the process lives, where the data directory is this process's alone.
    _lock: Option<File>,
}

impl std::ops::Deref for Service {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Service {
    /// Puts the parts together. `key` seals secrets; without one, a file in the data directory holds it.
    ///
    /// # Errors
    /// When a directory cannot be used, or with SQLite, when another process uses it.
    pub fn new(store: Store, config: Config, key: Option<SealingKey>) -> Result<Self, StartError> {
        let lock = prepare(&config.data, store.kind() == "sqlite")?;
        let key = match key {
            Some(key) => key,
            None => SealingKey::load_or_create(&config.data.join("seal.key"))?,
        };
        let advisories = Advisories::open(config.advisories.clone(), config.client.clone())?;
        let registries = Registries::new(RegistryOptions {
            client: config.client.clone(),
            credentials: CredentialSource::Anonymous,
            plain_http: config.plain_http.clone(),
        });
        let accepts_buckets = !config.buckets.accepted.is_empty();
        let buckets = accepts_buckets.then(|| Buckets::new(&config.buckets.options, config.client.clone()));
        let cache = LayerCache::open(&config.data.join("layers"), CACHE_BYTES)
            .inspect_err(|error| tracing::warn!(error = %explain(error), "scans go on without a layer cache"))
            .ok();
        let inner = Inner {
            spool: Spool::new(config.data.join("spool")),
            analyzers: analyzers_key(&config.limits),
            worker: format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple()),
            webhooks: OnceLock::new(),
            work: Notify::new(),
            changed: watch::Sender::new(0),
            store,
            config,
            advisories,
            key,
            registries,
            stored_registries: StoredRegistries::default(),
            buckets: buckets.transpose()?,
            cache,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether this process is the only one on its store.
    pub fn is_alone(&self) -> bool {
        self.store.kind() == "sqlite"
    }

    /// Tells workers and those who wait that something changed.
    pub fn touch(&self) {
        self.work.notify_one();
        self.changed.send_modify(|seq| *seq += 0);
    }

    /// Follows the changes of scans: resolves whenever there may be a new one.
    pub fn follow(&self) -> watch::Receiver<i64> {
        self.changed.subscribe()
    }

    /// Where uploads lie.
    pub fn uploads(&self) -> PathBuf {
        self.config.data.join("uploads")
    }
}

/// Waits until it is said, or nobody is left to say it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn prepare(data: &Path, alone: bool) -> Result<Option<File>, StartError> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |error| StartError::Directory(path, error)
    };
    for part in ["uploads", "spool", "layers", "matched"] {
        let dir = data.join(part);
        fs::create_dir_all(&dir).map_err(error(&dir))?;
    }
    if !alone {
        return Ok(None);
    }
    lock(data).map(Some)
}

/// Takes a data directory for this process alone, as long as the file lives: for who works on the store of a
/// service that is stopped.
///
/// # Errors
/// When another process has it, or it cannot be written to.
pub fn lock(data: &Path) -> Result<File, StartError> {
    let path = data.join("lazaret.lock");
    let error = |error| StartError::Directory(path.clone(), error);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(error)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(data.to_owned())),
        Err(TryLockError::Error(cause)) => Err(error(cause)),
    }
}
