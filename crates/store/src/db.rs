//! The two databases behind one type, and transactions on them.
//!
//! SQLite runs in WAL mode with one writing connection, so that writers queue here instead of failing there;
//! readers never wait for it. A statement is written once wherever both databases understand it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{error::StoreError, migrate};

/// Reading connections to SQLite.
const READERS: u32 = 4;
/// How long PostgreSQL lets a statement wait for a lock of somebody else.
const LOCK_TIMEOUT: &str = "5s";
/// How long a statement waits for a lock before it is refused as busy.
const BUSY: Duration = Duration::from_secs(5);
/// Memory for the pages of one SQLite connection, in KiB.
const CACHE_KIB: u32 = 64 << 10;
/// Bytes of the SQLite file that are read through the page cache of the system.
const MAPPED: u64 = 4 << 30;

/// Where the store is.
#[derive(Clone, Debug)]
pub enum OpenOptions {
    /// A file, made when it is not there.
    Sqlite {
        /// The file.
        file: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: String,
        /// Connections that are kept at most.
        connections: u32,
    },
}

/// What the service remembers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pools: Arc<Pools>,
    /// Microseconds.
    longest_write: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) enum Pools {
    Lite { read: SqlitePool, write: SqlitePool },
    Pg(PgPool),
}

/// A writing transaction; rolled back unless it is committed.
pub(crate) struct Tx {
    pub(crate) inner: Inner,
    held: Held,
}

pub(crate) enum Inner {
    Lite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

/// Notes how long a transaction took, however it ended.
struct Held {
    since: Instant,
    longest: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.longest.fetch_max(took, Ordering::Relaxed);
    }
}

/// Runs one expression on a reading connection of whichever database there is.
macro_rules! read {
    ($store:expr, $c:ident => $body:expr) => {
        match &*$store.pools {
            $crate::db::Pools::Lite { read: $c, .. } => $body,
            $crate::db::Pools::Pg($c) => $body,
        }
    };
}
pub(crate) use read;

/// Runs one expression in a transaction.
macro_rules! within {
    ($tx:expr, $c:ident => $body:expr) => {
        match &mut $tx.inner {
            $crate::db::Inner::Lite(tx) => {
                let $c = &mut **tx;
                $body
            }
            $crate::db::Inner::Pg(tx) => {
                let $c = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use within;

/// Runs a statement with its parameters in a transaction: how many rows it changed.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::within!($tx, c => sqlx::query($sql)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected()))
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use execute;

/// The one row, as a tuple, of a statement in a transaction.
macro_rules! row {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::within!($tx, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_one(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use row;

/// The row, if there is one.
macro_rules! maybe {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::within!($tx, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_optional(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use maybe;

/// All rows.
macro_rules! rows {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::within!($tx, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_all(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use rows;

/// The row, if there is one, read outside any transaction.
macro_rules! read_maybe {
    ($store:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::read!($store, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_optional(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use read_maybe;

/// The one row, read outside any transaction.
macro_rules! read_row {
    ($store:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::read!($store, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_one(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use read_row;

/// All rows, read outside any transaction.
macro_rules! read_rows {
    ($store:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::db::read!($store, c => sqlx::query_as($sql)$(.bind($bind))*.fetch_all(c).await)
            .map_err($crate::error::StoreError::from)
    };
}
pub(crate) use read_rows;

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, held } = self;
        match inner {
            Inner::Lite(tx) => tx.commit().await?,
            Inner::Pg(tx) => tx.commit().await?,
        }
        drop(held);
        Ok(())
    }

    /// Whether it alone may write, so that it need not take rows before it reads them.
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self.inner, Inner::Lite(_))
    }

    /// The writing of a statement for this database, where they differ.
    pub(crate) fn sql(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        if self.is_alone() { sqlite } else { postgres }
    }
}

/// Why a server that was asked again and again did not let anybody in: the pool does not tell.
async fn why_not(options: &PgConnectOptions) -> StoreError {
    match tokio::time::timeout(Duration::from_secs(2), PgConnection::connect_with(options)).await {
        Ok(Err(error)) => error.into(),
        _ => sqlx::Error::PoolTimedOut.into(),
    }
}

impl Store {
    /// Opens the store and brings its tables up to date. Two processes may do so at once.
    ///
    /// # Errors
    /// When it cannot be reached, or was written by a newer version of Lazaret.
    pub async fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        let pools = match options {
            OpenOptions::Sqlite { file } => {
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // In WAL mode a power cut may lose the last commits but never damages the file; a killed
                    // process loses nothing. Work that is lost so is done again.
                    .synchronous(SqliteSynchronous::Normal)
                    .foreign_keys(true)
                    .busy_timeout(BUSY)
                    .pragma("cache_size", format!("-{CACHE_KIB}"))
                    .pragma("mmap_size", MAPPED.to_string())
                    .pragma("temp_store", "memory")
                    .optimize_on_close(true, Some(400));
                migrate::sqlite(file, &options).await?;
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(Duration::from_secs(30))
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_with(options.clone())
                    .await?;
                let read = SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_with(options.read_only(true).create_if_missing(false))
                    .await?;
                Pools::Lite { read, write }
            }
            OpenOptions::Postgres { url, connections } => {
                let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Address)?;
                // A plan for any value is a bad one where one value stands in most rows and another in few; and
                // compiling a plan takes longer than carrying out any of ours.
                let options = options.options([("plan_cache_mode", "force_custom_plan"), ("jit", "off")]);
                let options = options.application_name("lazaret");
                let connect = async |connections: u32, options: &PgConnectOptions| {
                    let pool = PgPoolOptions::new()
                        .max_connections(connections)
                        .acquire_timeout(Duration::from_secs(10))
                        .connect_with(options.clone())
                        .await;
                    match pool {
                        Err(sqlx::Error::PoolTimedOut) => Err(why_not(options).await),
                        pool => Ok(pool?),
                    }
                };
                // Who brings the tables up to date waits for whoever does so already, however long it takes;
                // afterwards, who waits for a lock is told that the store is busy.
                let patient = connect(1, &options).await?;
                migrate::postgres(&patient).await?;
                patient.close().await;
                Pools::Pg(connect(*connections, &options.options([("lock_timeout", LOCK_TIMEOUT)])).await?)
            }
        };
        Ok(Self { pools: Arc::new(pools), longest_write: Arc::default() })
    }

    /// Begins to write. On SQLite this waits for its turn.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match &*self.pools {
            Pools::Lite { write, .. } => Inner::Lite(write.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Pg(pool) => Inner::Pg(pool.begin().await?),
        };
        let held = Held { since: Instant::now(), longest: Arc::clone(&self.longest_write) };
        Ok(Tx { inner, held })
    }

    /// The longest time that a transaction of this process took since this was asked last; on SQLite nobody else
    /// could write meanwhile.
    pub fn longest_write(&self) -> Duration {
        Duration::from_micros(self.longest_write.swap(0, Ordering::Relaxed))
    }

    /// The writing of a statement for this database, where they differ.
    pub(crate) fn sql(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match &*self.pools {
            Pools::Lite { .. } => sqlite,
            Pools::Pg(_) => postgres,
        }
    }

    /// `sqlite` or `postgresql`.
    pub fn kind(&self) -> &'static str {
        self.sql("sqlite", "postgresql")
    }

    /// Whether it answers and can be written to.
    pub async fn check(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, "update setting set value = value where name = ''")?;
        tx.commit().await
    }

    /// Tells the planner of the database what the tables hold now: after a large load.
    pub async fn analyze(&self) -> Result<(), StoreError> {
        match &*self.pools {
            Pools::Lite { write, .. } => {
                sqlx::query("pragma analysis_limit = 1000").execute(write).await?;
                sqlx::query("analyze").execute(write).await?;
            }
            Pools::Pg(pool) => {
                sqlx::query("vacuum analyze").execute(pool).await?;
            }
        }
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &*self.pools {
            Pools::Lite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Pg(pool) => pool.close().await,
        }
    }
}
