//! The settings as the service takes them: types instead of text, checked together.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use egress::{AllowEntry, Url};

use super::{SettingsError, convert::get, flags::ServeFlags, resolve::Resolved};

/// Feeds are not asked more often.
const MINUTE: Duration = Duration::from_secs(60);

/// A text that no log, error or page may show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(********)")
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both.
    All,
    /// Answers requests.
    Api,
    /// Works on scans.
    Worker,
}

impl Role {
    /// As the setting writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// Writes a group of settings: its fields, and how they are read by their keys.
macro_rules! group {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $type,)*
        }

        impl $name {
            fn of(resolved: &Resolved) -> Result<Self, SettingsError> {
                Ok(Self { $($field: get(resolved, $key)?,)* })
            }

            #[cfg(test)]
            const KEYS: &[&str] = &[$($key),*];
        }
    };
}

/// Writes [`Settings`] from its groups.
macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $type:ident,)*) => {
        /// Everything that the service can be told.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct Settings {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl Settings {
            /// From what is in force.
            ///
            /// # Errors
            /// When values make no sense together.
            pub(crate) fn of(resolved: &Resolved) -> Result<Self, SettingsError> {
                let settings = Self { $($field: $type::of(resolved)?,)* };
                settings.check()?;
                Ok(settings)
            }

            #[cfg(test)]
            fn keys() -> Vec<&'static str> {
                [$($type::KEYS),*].concat()
            }
        }
    };
}

settings! {
    /// Where things are kept.
    data: Data,
    /// The listener.
    server: Server,
    /// Its certificate.
    tls: Tls,
    /// The store.
    database: Database,
    /// The workers.
    workers: Workers,
    /// The queue.
    queue: Queue,
    /// The advisory database.
    advisories: Advisories,
    /// Where images come from.
    images: Images,
    /// Who may come in.
    auth: Auth,
    /// Logs.
    log: Log,
    /// Webhooks.
    notify: Notify,
    /// What is kept of the past.
    history: History,
    /// How secrets are sealed.
    secrets: Secrets,
    /// Traces.
    telemetry: Telemetry,
}

group! {
    /// Where things are kept.
    Data {
        /// The directory of everything.
        dir: PathBuf = "data.dir",
    }
}

group! {
    /// The listener.
    Server {
        /// Where it answers.
        listen: SocketAddr = "server.listen",
        /// Requests a second that one account may make; 0 for any number.
        rate: u32 = "server.rate",
        /// What the process does.
        role: Role = "server.role",
        /// Proxies whose `X-Forwarded-For` is believed.
        proxies: Vec<IpAddr> = "server.proxies",
        /// How people reach the service, where that differs.
        public_url: Option<Url> = "server.public_url",
    }
}

group! {
    /// TLS of the listener: both or none.
    Tls {
        /// PEM file of the chain.
        cert: Option<PathBuf> = "tls.cert",
        /// PEM file of the key.
        key: Option<PathBuf> = "tls.key",
    }
}

group! {
    /// The store.
    Database {
        /// PostgreSQL; `None` is SQLite in the data directory.
        url: Option<Secret> = "database.url",
        /// Connections at most.
        max_connections: u32 = "database.max_connections",
    }
}

group! {
    /// The workers.
    Workers {
        /// Images read at once.
        index_slots: usize = "workers.index_slots",
        /// Inventories matched at once.
        match_slots: usize = "workers.match_slots",
        /// Compressed bytes of all images read at once.
        budget: u64 = "workers.budget",
        /// Slots kept free for interactive scans.
        reserved_interactive: usize = "workers.reserved_interactive",
        /// Slots kept free for pipelines.
        reserved_pipeline: usize = "workers.reserved_pipeline",
        /// Slots kept free for pushed images.
        reserved_push: usize = "workers.reserved_push",
        /// Time of reading one image.
        timeout: Duration = "workers.timeout",
    }
}

group! {
    /// The queue.
    Queue {
        /// How long a claim holds.
        lease: Duration = "queue.lease",
        /// How often it is renewed.
        heartbeat: Duration = "queue.heartbeat",
        /// Attempts until a scan has failed.
        max_attempts: u32 = "queue.max_attempts",
        /// First pause.
        backoff: Duration = "queue.backoff",
        /// Longest pause.
        max_backoff: Duration = "queue.max_backoff",
    }
}

group! {
    /// The advisory database.
    Advisories {
        /// Its directory.
        dir: PathBuf = "advisories.dir",
        /// Where it comes from.
        url: Url = "advisories.url",
        /// Fetch nothing.
        offline: bool = "advisories.offline",
        /// How often it is refreshed.
        interval: Duration = "advisories.interval",
    }
}

group! {
    /// Where images come from.
    Images {
        /// Registries without TLS.
        plain_http: Vec<String> = "images.plain_http",
        /// Private addresses that may be reached.
        allow: Vec<AllowEntry> = "images.allow",
        /// More certificate authorities.
        ca_files: Vec<PathBuf> = "images.ca_files",
        /// Buckets that requests may name.
        buckets: Vec<String> = "images.buckets",
        /// Bytes of an upload at most.
        max_upload: u64 = "images.max_upload",
    }
}

group! {
    /// Who may come in.
    Auth {
        /// How long a login holds at most.
        session_lifetime: Duration = "auth.session_lifetime",
        /// How long one holds in which nothing is done.
        session_idle: Duration = "auth.session_idle",
        /// Wrong passwords that cost nothing.
        lockout_threshold: u32 = "auth.lockout_threshold",
        /// The first lock.
        lockout_backoff: Duration = "auth.lockout_backoff",
        /// Issuer of OpenID Connect.
        oidc_issuer: Option<Url> = "auth.oidc_issuer",
        /// Our name there.
        oidc_client_id: Option<String> = "auth.oidc_client_id",
        /// Our secret there.
        oidc_client_secret: Option<Secret> = "auth.oidc_client_secret",
        /// Asked for beside `openid`.
        oidc_scopes: Vec<String> = "auth.oidc_scopes",
        /// The claim with the name.
        oidc_name_claim: String = "auth.oidc_name_claim",
        /// The claim with the groups.
        oidc_role_claim: String = "auth.oidc_role_claim",
        /// What groups are worth.
        oidc_roles: Vec<(String, model::Role)> = "auth.oidc_roles",
        /// The role of everybody else.
        oidc_default_role: Option<model::Role> = "auth.oidc_default_role",
    }
}

group! {
    /// Logs.
    Log {
        /// A level of `tracing`.
        level: String = "log.level",
        /// `text` or `json`.
        format: String = "log.format",
    }
}

group! {
    /// Webhooks.
    Notify {
        /// Private addresses that they may lead to.
        allow: Vec<AllowEntry> = "notify.allow",
        /// Time of one attempt.
        timeout: Duration = "notify.timeout",
        /// Attempts until a message is given up.
        max_attempts: u32 = "notify.max_attempts",
    }
}

group! {
    /// What is kept of the past.
    History {
        /// How long scans are kept.
        scans: Duration = "history.scans",
        /// How long the audit log is kept.
        events: Duration = "history.events",
        /// How long errors of users are kept.
        errors: Duration = "history.errors",
        /// How long the log of messages is kept.
        deliveries: Duration = "history.deliveries",
        /// How long stray uploads are kept.
        uploads: Duration = "history.uploads",
    }
}

group! {
    /// How secrets are sealed.
    Secrets {
        /// The key; `None` is the one in `seal.key` of the data directory.
        key: Option<Secret> = "secrets.key",
    }
}

group! {
    /// Traces.
    Telemetry {
        /// The OpenTelemetry collector; `None` sends none.
        endpoint: Option<Url> = "telemetry.endpoint",
    }
}

impl Settings {
    /// From the file, the environment of the process and the flags.
    ///
    /// # Errors
    /// When one of them is wrong, or values make no sense together.
    pub(crate) fn load(flags: &ServeFlags) -> Result<Self, SettingsError> {
        Self::of(&Resolved::load(flags, &|name| std::env::var_os(name))?)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let workers = &self.workers;
        let reserved = [workers.reserved_interactive, workers.reserved_pipeline, workers.reserved_push];
        let reserved: usize = reserved.iter().sum();
        let wrong = if self.tls.cert.is_some() != self.tls.key.is_some() {
            "tls.cert and tls.key must be set both, or none of them"
        } else if self.queue.heartbeat.is_zero() || self.queue.heartbeat.saturating_mul(2) > self.queue.lease
        {
            "queue.heartbeat must be longer than nothing and at most half of queue.lease"
        } else if self.queue.backoff > self.queue.max_backoff {
            "queue.backoff must not be longer than queue.max_backoff"
        } else if reserved >= workers.index_slots {
            "workers.reserved_* must leave at least one of workers.index_slots"
        } else if self.server.role != Role::All && self.database.url.is_none() {
            "server.role other than all needs database.url: the file of SQLite is for one process"
        } else if self.auth.oidc_issuer.is_some() != self.auth.oidc_client_id.is_some() {
            "auth.oidc_issuer and auth.oidc_client_id must be set both, or none of them"
        } else if self.auth.oidc_issuer.is_some()
            && self.auth.oidc_roles.is_empty()
            && self.auth.oidc_default_role.is_none()
        {
            "auth.oidc_issuer needs auth.oidc_roles or auth.oidc_default_role: nobody would get in"
        } else if self.advisories.interval < MINUTE {
            "advisories.interval must be a minute at least"
        } else {
            return Ok(());
        };
        Err(SettingsError::Together(wrong.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::list::SETTINGS;

    fn load(set: &[&str]) -> Result<Settings, SettingsError> {
        let set = set.iter().map(|&pair| pair.to_owned()).collect();
        let flags = ServeFlags { data: Some("/nonexistent/data".to_owned()), set, ..ServeFlags::default() };
        Settings::of(&Resolved::load(&flags, &|_| None)?)
    }

    #[test]
    fn every_setting_of_the_list_is_a_field() {
        let listed: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        let (mut fields, mut sorted) = (Settings::keys(), listed);
        fields.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(fields, sorted);
    }

    #[test]
    fn values_arrive_with_their_types_and_no_secret_is_printed() {
        let settings = load(&[
            "server.role=worker",
            "images.allow=10.0.0.0/8,*.lan",
            "database.url=postgres://u:hunter2@h/d",
            "secrets.key=hunter2",
            "server.proxies=10.0.0.1",
            "images.buckets=ship,dock",
            "auth.oidc_roles=cn=ops=admin",
        ])
        .unwrap();
        assert_eq!(settings.server.role, Role::Worker);
        assert_eq!(settings.images.allow.len(), 2);
        assert_eq!(settings.images.buckets, ["ship", "dock"]);
        assert_eq!(settings.database.url, Some(Secret("postgres://u:hunter2@h/d".to_owned())));
        assert_eq!(settings.auth.oidc_roles, [("cn=ops".to_owned(), model::Role::Admin)]);
        assert_eq!(settings.server.proxies, [IpAddr::from([10, 0, 0, 1])]);
        assert_eq!(settings.advisories.dir, PathBuf::from("/nonexistent/data/db"));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn values_that_make_no_sense_together_are_refused() {
        for (set, expected) in [
            (&["tls.cert=a"][..], "tls.cert and tls.key"),
            (&["queue.lease=3s"], "queue.heartbeat"),
            (&["queue.heartbeat=0"], "queue.heartbeat"),
            (&["queue.backoff=1h"], "queue.backoff"),
            (&["workers.index_slots=1"], "workers.reserved_*"),
            (&["server.role=api"], "server.role"),
            (&["advisories.interval=1s"], "advisories.interval"),
            (&["auth.oidc_issuer=https://a/"], "auth.oidc_issuer and"),
            (&["auth.oidc_issuer=https://a/", "auth.oidc_client_id=x"], "auth.oidc_issuer needs"),
        ] {
            let error = load(set).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{set:?}: {error}");
        }
        assert!(load(&["tls.cert=a", "tls.key=b", "queue.lease=4s"]).is_ok());
    }
}
