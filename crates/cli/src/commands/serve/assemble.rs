//! From settings to the parts of the service: directories, the store, configurations. Starts nothing.

use std::{
    fs::{self, DirBuilder, File},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use app::{
    Config, StartError,
    accounts::{
        AccountsConfig, Backoff, Secret,
        oidc::{Oidc, OidcConfig},
    },
    config::{
        AdvisoryConfig, BackgroundConfig, BucketConfig, NotifyConfig, QueueConfig, UpkeepConfig, WorkerConfig,
    },
    seal::SealingKey,
};
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, Url};
use model::Limits;
use oci::bucket::BucketOptions;
use store::{OpenOptions, Store, StoreError};

use crate::{
    exit::{Exit, Failure},
    settings::typed::Settings,
};

/// The file of SQLite in the data directory.
const STORE_FILE: &str = "lazaret.db";
/// Where browsers come back to from a login provider.
const OIDC_RETURN: &str = "/api/portal/v1/session/oidc/return";
/// How long a shard that could not be had is not asked for again.
const PAUSE: Duration = Duration::from_secs(300);
/// How often the advisory database is looked at for changes.
const WATCH: Duration = Duration::from_secs(2);

/// The file of SQLite.
pub(crate) fn store_file(settings: &Settings) -> PathBuf {
    settings.data.dir.join(STORE_FILE)
}

/// Makes the data directory, for its owner alone, and takes it where one process must have it alone.
///
/// # Errors
/// When it cannot be made or used, or another process has it.
pub(crate) fn take_data(settings: &Settings) -> Result<Option<File>, Failure> {
    let dir = &settings.data.dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| start_failure(&StartError::Directory(dir.clone(), error)))?;
    if settings.database.url.is_some() {
        return Ok(None);
    }
    app::service::lock(dir).map(Some).map_err(|error| start_failure(&error))
}

/// Opens the store, and makes its tables when they are not there.
///
/// # Errors
/// When it cannot be reached or used.
pub(crate) async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    let options = match &settings.database.url {
        None => OpenOptions::Sqlite { file: store_file(settings) },
        Some(url) => {
            OpenOptions::Postgres { url: url.0.clone(), connections: settings.database.max_connections }
        }
    };
    Store::open(&options).await.map_err(|error| store_failure(settings, &error))
}

/// What the store is, for people.
pub(crate) fn store_name(settings: &Settings) -> String {
    match &settings.database.url {
        None => format!("SQLite, {}", store_file(settings).display()),
        Some(url) => format!("PostgreSQL, {}", place(&url.0)),
    }
}

/// Host, port and database of a URL, without user and password.
fn place(url: &str) -> String {
    let Ok(url) = url.parse::<Url>() else { return "?".to_owned() };
    let host = url.host_str().unwrap_or("localhost");
    format!("{host}:{}{}", url.port().unwrap_or(5432), url.path())
}

fn store_failure(settings: &Settings, error: &StoreError) -> Failure {
    let message = format!("failed to open the store ({}): {}", store_name(settings), explain(error));
    let of = |code, hint: &str, exit| Failure { code, message, hint: hint.to_owned(), exit };
    match (error, settings.database.url.is_some()) {
        (error, true) if error.is_transient() => {
            of("store-unavailable", "Check that PostgreSQL answers there, then start again.", Exit::NotReady)
        }
        (StoreError::Address, _) => of(error.code(), "Correct database.url.", Exit::Usage),
        (StoreError::Migrate(_), _) => of(
            error.code(),
            "Use a version of lazaret that is not older than the one that wrote it.",
            Exit::Failed,
        ),
        (_, true) => of("store-error", "Check user, password and database in database.url.", Exit::Failed),
        (_, false) => {
            of("store-error", "Check the directory of --data and the space on its disk.", Exit::Failed)
        }
    }
}

fn explain(error: &StoreError) -> String {
    model::problem::explain(error)
}

/// Why the service did not begin, as it is told.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    let (code, hint) = match error {
        StartError::Directory(..) => {
            ("data-unusable", "Name a directory with --data that can be written to.")
        }
        StartError::InUse(_) => {
            ("data-in-use", "Stop that process first, or name another directory with --data.")
        }
        StartError::Advisories(_) => {
            ("database-unusable", "Name another directory with advisories.dir, or remove the damaged one.")
        }
        StartError::Buckets(_) => {
            ("bucket-config", "Correct what the message names of the access to buckets.")
        }
        StartError::Seal(_) => (
            "sealing-key",
            "Give secrets.key as base64 of 32 bytes (openssl rand -base64 32), or restore seal.key.",
        ),
    };
    Failure::new(code, error, hint)
}

/// The key that seals secrets, where one is given.
///
/// # Errors
/// When it is none.
pub(super) fn sealing_key(settings: &Settings) -> Result<Option<SealingKey>, Failure> {
    if settings.database.url.is_some() && settings.secrets.key.is_none() {
        tracing::warn!(
            "secrets.key is not set: other processes on this database cannot open what this one seals"
        );
    }
    let key = settings.secrets.key.as_ref().map(|key| SealingKey::parse(&key.0)).transpose();
    key.map_err(|error| Failure { exit: Exit::Usage, ..start_failure(&StartError::Seal(error)) })
}

/// Everything that the service must be told.
///
/// # Errors
/// When a file that is named cannot be read.
pub(super) fn config(settings: &Settings) -> Result<Config, Failure> {
    let addresses = AddressPolicy::Guarded { allow: settings.images.allow.clone() };
    let mut client = ClientConfig::new(addresses, ProxyConfig::from_environment());
    client.extra_ca = settings.images.ca_files.iter().map(|file| load_pem(file)).collect::<Result<_, _>>()?;
    let (workers, queue, advisories) = (&settings.workers, &settings.queue, &settings.advisories);
    Ok(Config {
        data: settings.data.dir.clone(),
        client,
        plain_http: settings.images.plain_http.clone(),
        limits: Limits { time: workers.timeout, ..Limits::standard() },
        advisories: AdvisoryConfig {
            dir: advisories.dir.clone(),
            base: advisories.url.clone(),
            offline: advisories.offline,
            refresh: advisories.interval,
            pause: PAUSE.min(advisories.interval),
            watch: WATCH,
        },
        queue: QueueConfig {
            lease: queue.lease,
            heartbeat: queue.heartbeat,
            max_attempts: queue.max_attempts,
            backoff: queue.backoff,
            max_backoff: queue.max_backoff,
            ..QueueConfig::default()
        },
        workers: WorkerConfig {
            index: workers.index_slots,
            matching: workers.match_slots,
            bytes: workers.budget,
            reserved: [workers.reserved_interactive, workers.reserved_pipeline, workers.reserved_push],
            ..WorkerConfig::default()
        },
        max_upload: settings.images.max_upload,
        buckets: buckets(settings)?,
        background: background(settings),
    })
}

/// Buckets that may be read, with the key of the environment; without any, it is not looked at.
fn buckets(settings: &Settings) -> Result<BucketConfig, Failure> {
    let images = &settings.images;
    if images.buckets.is_empty() {
        return Ok(BucketConfig::default());
    }
    let options = BucketOptions::from_environment().map_err(|error| start_failure(&error.into()))?;
    let options = BucketOptions { plain_http: images.plain_http.clone(), ..options };
    Ok(BucketConfig { options, accepted: images.buckets.clone() })
}

fn background(settings: &Settings) -> BackgroundConfig {
    let (notify, history) = (&settings.notify, &settings.history);
    BackgroundConfig {
        notify: NotifyConfig {
            allow: notify.allow.clone(),
            timeout: notify.timeout,
            attempts: notify.max_attempts,
            ..NotifyConfig::default()
        },
        upkeep: UpkeepConfig {
            keep_scans: history.scans,
            keep_events: history.events,
            keep_errors: history.errors,
            keep_deliveries: history.deliveries,
            keep_uploads: history.uploads,
            idle_sessions: settings.auth.session_idle,
            ..UpkeepConfig::default()
        },
        ..BackgroundConfig::default()
    }
}

/// By which address people reach the service: what the settings say, else where it listens.
pub(super) fn public_url(settings: &Settings, listens: SocketAddr) -> Option<Url> {
    let scheme = if settings.tls.cert.is_some() { "https" } else { "http" };
    settings.server.public_url.clone().or_else(|| format!("{scheme}://{listens}/").parse().ok())
}

/// Logins through an OpenID Connect provider, where one is named.
///
/// # Errors
/// When there can be no client for it.
pub(super) fn oidc(
    settings: &Settings,
    client: &ClientConfig,
    public: Option<&Url>,
) -> Result<Option<Oidc>, Failure> {
    let auth = &settings.auth;
    let (Some(issuer), Some(client_id), Some(public)) = (&auth.oidc_issuer, &auth.oidc_client_id, public)
    else {
        return Ok(None);
    };
    let mut redirect = public.clone();
    redirect.set_path(&format!("{}{OIDC_RETURN}", public.path().trim_end_matches('/')));
    let config = OidcConfig {
        client_secret: auth.oidc_client_secret.as_ref().map(|secret| Secret::new(secret.0.clone())),
        scopes: auth.oidc_scopes.clone(),
        name_claim: auth.oidc_name_claim.clone(),
        role_claim: Some(auth.oidc_role_claim.clone()),
        roles: auth.oidc_roles.clone(),
        default_role: auth.oidc_default_role,
        ..OidcConfig::new(issuer.clone(), client_id.clone(), redirect)
    };
    // Whoever names the provider means its address too.
    let mut allow = settings.images.allow.clone();
    allow.extend(issuer.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok()));
    let client = ClientConfig { addresses: AddressPolicy::Guarded { allow }, ..client.clone() };
    let client = Client::build(&client).map_err(|error| {
        Failure::new(error.code(), &error, "Check the proxy settings and the certificate authority files.")
    })?;
    Ok(Some(Oidc::new(config, client)))
}

fn load_pem(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        let message = format!("failed to read {}: {error}", file.display());
        Failure::usage("ca-file-unreadable", message, "Name PEM files in images.ca_files.")
    })
}

/// How accounts are kept.
pub(crate) fn accounts_config(settings: &Settings) -> AccountsConfig {
    let defaults = AccountsConfig::default();
    let auth = &settings.auth;
    let backoff = Backoff { free: auth.lockout_threshold, first: auth.lockout_backoff, ..defaults.backoff };
    AccountsConfig {
        idle: auth.session_idle,
        session: auth.session_lifetime,
        backoff,
        keep_events: settings.history.events,
        keep_errors: settings.history.errors,
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, expected) in [
            ("postgres://u:hunter2@db.example/lazaret", "db.example:5432/lazaret"),
            ("postgres://u@db.example:6000/x?password=hunter2", "db.example:6000/x"),
            ("nothing", "?"),
        ] {
            assert_eq!(place(url), expected);
        }
    }
}
