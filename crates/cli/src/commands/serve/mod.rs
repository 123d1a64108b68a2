//! `lazaret serve`: the service, from its settings to its end.
//!
//! [`assemble`] makes the parts, this file starts and stops them. What a part does is none of its business.

pub(crate) mod assemble;
mod log;
mod signals;
mod telemetry;

use std::{
    fmt::Write as _,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use app::{
    Service,
    accounts::{AccountError, Accounts, FIRST_ADMIN, Secret, oidc::Oidc},
    background, clock,
};
use server::{AppState, Bound, ServeError, TlsFiles};
use tokio::{sync::watch, task::JoinSet};

use self::signals::Signals;
use super::print;
use crate::{
    exit::{Exit, Failure},
    settings::{
        flags::ServeFlags,
        typed::{Role, Settings},
    },
};

/// How long connections to the store may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves until it is told to end.
pub(crate) fn run(flags: &ServeFlags, verbose: u8) -> Result<Exit, Failure> {
    let settings = Settings::load(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new("runtime-failed", &error, "Check the limits on threads and open files.")
    })?;
    let telemetry = log::start(&settings, verbose, runtime.handle())?;
    let ended = runtime.block_on(serve(&settings));
    drop(telemetry);
    // Threads that read an image look for its end now and then; nobody waits for them.
    runtime.shutdown_background();
    ended.map(|()| Exit::Pass)
}

/// The parts of a running process.
struct Parts {
    service: Service,
    accounts: Arc<Accounts>,
    /// Whether the worker of this process lives; always true where it has none.
    working: Arc<AtomicBool>,
    stopped: watch::Receiver<bool>,
    tasks: JoinSet<Result<&'static str, Failure>>,
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let running = Running::start(settings).await?;
    print(&banner(settings, running.address, running.first.as_ref()))?;
    running.until_told().await
}

/// A service that has begun.
pub(crate) struct Running {
    /// The service.
    pub(crate) service: Service,
    /// Who may do what.
    pub(crate) accounts: Arc<Accounts>,
    /// Where it answers; `None` when this process only works on scans.
    pub(crate) address: Option<SocketAddr>,
    /// The first administrator's password for one login, where the store had no accounts.
    pub(crate) first: Option<Secret>,
    parts: Parts,
    signals: Signals,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Starts all parts. From here on, signals do not end the process by themselves.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        let signals = Signals::listen()?;
        let answers = settings.server.role != Role::Worker;
        // What is most likely wrong is told first, and before anything is written: a second process on the same
        // directory, then a port that is taken.
        let lock = assemble::take_data(settings)?;
        let (config, key) = (assemble::config(settings)?, assemble::sealing_key(settings)?);
        let bound = if answers { Some(bind(settings).await?) } else { None };
        let address = bound.as_ref().map(|bound| bound.address);
        let public = address.and_then(|address| assemble::public_url(settings, address));
        let oidc = assemble::oidc(settings, &config.client, public.as_ref())?;
        let store = assemble::open_store(settings).await?;
        // From here on, the service itself holds it.
        drop(lock);
        let service =
            Service::new(store.clone(), config, key).map_err(|error| assemble::start_failure(&error))?;
        let accounts = Accounts::open(store, assemble::accounts_config(settings), clock::now()).await;
        let accounts = Arc::new(accounts.map_err(|error| account_failure(&error))?);
        let first = accounts.create_first_admin(clock::now()).await;
        let first = first.map_err(|error| account_failure(&error))?;

        let (stop, stopped) = watch::channel(false);
        let mut parts = Parts {
            service: service.clone(),
            accounts: Arc::clone(&accounts),
            working: Arc::new(AtomicBool::new(true)),
            stopped,
            tasks: JoinSet::new(),
        };
        if settings.server.role != Role::Api {
            parts.start_worker();
        }
        if let Some(bound) = bound {
            let routes = server::Settings {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                secure: public.is_some_and(|url| url.scheme() == "https"),
                proxies: settings.server.proxies.clone(),
                rate: NonZeroU32::new(settings.server.rate),
                ..server::Settings::default()
            };
            parts.start_listener(routes, oidc, bound);
        }
        tracing::info!(role = settings.server.role.as_str(), store = service.store.kind(), "started");
        Ok(Self { service, accounts, address, first, parts, signals, stop })
    }

    /// Serves until a signal comes, or a part ends by itself, and ends.
    ///
    /// # Errors
    /// When a part failed.
    pub(crate) async fn until_told(mut self) -> Result<(), Failure> {
        let ended = tokio::select! {
            ended = self.parts.first() => ended,
            signal = self.signals.next() => {
                tracing::info!(signal, "ending: running scans return to the queue");
                Ok(())
            }
        };
        let gracefully = self.end().await;
        ended.and(gracefully)
    }

    /// Ends all parts: running scans return to the queue.
    ///
    /// # Errors
    /// When a part failed, or a signal came before they had ended.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        let _ = self.stop.send(true);
        let ended = tokio::select! {
            ended = self.parts.all() => ended,
            signal = self.signals.next() => Err(at_once(signal)),
        };
        let _ = tokio::time::timeout(CLOSING, self.service.store.close()).await;
        tracing::info!("ended");
        ended
    }
}

async fn bind(settings: &Settings) -> Result<Bound, Failure> {
    let files = settings.tls.cert.clone().zip(settings.tls.key.clone());
    let tls = files.map(|(certificates, key)| TlsFiles { certificates, key });
    server::bind(settings.server.listen, tls.as_ref()).await.map_err(|error| {
        let (code, hint) = match &error {
            ServeError::Listen(..) => {
                ("listen-failed", "Stop what listens there, or name another address with --listen.")
            }
            ServeError::Pem(..) | ServeError::Tls(_) => {
                ("tls-unusable", "Give a PEM file of the chain as --tls-cert and of its key as --tls-key.")
            }
            ServeError::Serve(_) => ("serve-failed", "Look at the log."),
        };
        Failure::new(code, &error, hint)
    })
}

impl Parts {
    fn start_worker(&mut self) {
        let (service, stopped) = (self.service.clone(), self.stopped.clone());
        let alive = Alive(Arc::clone(&self.working));
        self.tasks.spawn(async move {
            let _alive = alive;
            app::jobs::worker::work(service, stopped).await;
            Ok("the worker")
        });
        let (service, stopped) = (self.service.clone(), self.stopped.clone());
        self.tasks.spawn(async move {
            background::run_all(service, stopped).await;
            Ok("the background")
        });
    }

    fn start_listener(&mut self, routes: server::Settings, oidc: Option<Oidc>, bound: Bound) {
        let working = Arc::clone(&self.working);
        let mut state = AppState::new(
            self.service.clone(),
            Arc::clone(&self.accounts),
            routes,
            move || working.load(Ordering::Relaxed),
            self.stopped.clone(),
        );
        state.oidc = oidc.map(Arc::new);
        let stopped = self.stopped.clone();
        self.tasks.spawn(async move {
            let served = server::serve(state, bound, stopped).await;
            served.map_err(|error| {
                Failure::new("serve-failed", &error, "Check the limits on open files, then start again.")
            })?;
            Ok("the listener")
        });
    }

    /// Waits until a part ends, which none does before it is told to.
    async fn first(&mut self) -> Result<(), Failure> {
        let Some(ended) = self.tasks.join_next().await else { return Ok(()) };
        let (part, why) = match ended {
            Ok(Ok(part)) => (part, "it stopped"),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => ("a part", "it panicked; the log says more"),
        };
        let message = format!("{part} of the service ended by itself: {why}");
        Err(Failure {
            code: "internal",
            message,
            hint: "Start it again; scans that were running return to the queue.".to_owned(),
            exit: Exit::Failed,
        })
    }

    /// Waits until all have ended.
    async fn all(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(failure)) = ended {
                result = Err(failure);
            }
        }
        result
    }
}

/// Says that the worker is gone when it is dropped, however that came.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn at_once(signal: &str) -> Failure {
    Failure {
        code: "broken-off",
        message: format!("a second signal ({signal}) came before everything had ended"),
        hint: "Scans that were running return to the queue with the next start.".to_owned(),
        exit: Exit::Failed,
    }
}

/// What went wrong with accounts, as it is told.
pub(crate) fn account_failure(error: &AccountError) -> Failure {
    Failure::new(error.code(), error, error.hint())
}

/// What a person who starts it should know.
fn banner(settings: &Settings, address: Option<SocketAddr>, first: Option<&Secret>) -> String {
    let mut lines = Vec::new();
    let scheme = if settings.tls.cert.is_some() { "https" } else { "http" };
    match address {
        Some(address) => lines.push(("address", format!("{scheme}://{address}"))),
        None => lines.push(("address", "none: this process only works on scans".to_owned())),
    }
    if address.is_some() && settings.server.role == Role::Api {
        lines.push(("role", "api: another process must work on scans".to_owned()));
    }
    lines.push(("data", settings.data.dir.display().to_string()));
    lines.push(("store", assemble::store_name(settings)));
    let mut text = format!("Lazaret {}\n\n", env!("CARGO_PKG_VERSION"));
    let mut block = |lines: &[(&str, String)]| {
        for (name, value) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<10}{value}");
        }
        text.push('\n');
    };
    block(&lines);
    if let Some(password) = first {
        let log_in = match address {
            Some(address) => format!("lazaret login --server {scheme}://{address}"),
            None => "lazaret login --server URL, where an API process answers".to_owned(),
        };
        block(&[
            ("name", FIRST_ADMIN.to_owned()),
            ("password", format!("{}  (shown once; to be changed at the first login)", password.reveal())),
            ("log in", log_in),
        ]);
    }
    text
}
