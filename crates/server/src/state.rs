//! What every route shares.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use app::{
    Service,
    accounts::{Accounts, RateLimiter, oidc::Oidc},
};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Seconds of an account's rate that it may use up at once.
const BURST: u32 = 5;

/// How the routes behave: plain values, whoever read them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Version of the program, as answers and reports tell it.
    pub version: String,
    /// Whether people reach the service by TLS, here or at a proxy: cookies are for TLS only then.
    pub secure: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// How long a request may take that neither waits nor uploads.
    pub timeout: Duration,
    /// How long an upload may take.
    pub upload_timeout: Duration,
    /// Largest body of a request that is no upload, in bytes.
    pub max_body: usize,
    /// How many requests a second one account may make, for long; five times as many at once. `None` for any number.
    pub rate: Option<NonZeroU32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            secure: false,
            proxies: Vec::new(),
            timeout: Duration::from_secs(60),
            upload_timeout: Duration::from_secs(3600),
            max_body: 1 << 20,
            rate: None,
        }
    }
}

/// What every route shares. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The service.
    pub service: Service,
    /// Who may do what.
    pub accounts: Arc<Accounts>,
    /// How the routes behave.
    pub settings: Arc<Settings>,
    /// Counts of what the routes did.
    pub metrics: Arc<Metrics>,
    /// What an account has left of [`Settings::rate`].
    pub(crate) limiter: Option<Arc<RateLimiter<String>>>,
    /// Logins through an OpenID Connect provider.
    pub oidc: Option<Arc<Oidc>>,
    /// Whether somebody works: false makes every status `not_ready`.
    working: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Becomes true when the service ends: streams and those who wait end then.
    pub(crate) stop: watch::Receiver<bool>,
}

impl AppState {
    /// Puts the parts together. `working` says whether a worker is alive, in this process or, where that cannot be
    /// told, anywhere; `stop` becomes true when the service ends.
    pub fn new(
        service: Service,
        accounts: Arc<Accounts>,
        settings: Settings,
        working: impl Fn() -> bool + Send + Sync + 'static,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let limiter = settings.rate.map(|rate| {
            let every = Duration::from_secs(1) / rate.get();
            Arc::new(RateLimiter::new(rate.get().saturating_mul(BURST), every))
        });
        let (settings, metrics) = (Arc::new(settings), Arc::default());
        Self { service, accounts, settings, metrics, limiter, oidc: None, working: Arc::new(working), stop }
    }

    pub(crate) fn is_working(&self) -> bool {
        (self.working)()
    }

    /// Resolves when the service ends.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left to say it.
            std::future::pending::<()>().await;
        }
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("settings", &self.settings).finish_non_exhaustive()
    }
}
