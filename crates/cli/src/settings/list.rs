//! The one list of settings. To add one: add a line here and a field in [`super::typed`].

use super::value::{Items, Kind, ROLES};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// `group.name`, as in the file.
    pub(crate) key: &'static str,
    /// What it can be.
    pub(crate) kind: Kind,
    /// What it is when nobody says.
    pub(crate) default: Default,
    /// A flag of its own; every setting can be given with `--set` too.
    pub(crate) flag: Option<&'static str>,
    /// Shown masked, and may be given as a file.
    pub(crate) secret: bool,
    /// What it does, for the documentation.
    pub(crate) doc: &'static str,
}

/// What a setting is when nobody says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    /// This text.
    Is(&'static str),
    /// A file or directory below `data.dir`.
    InData(&'static str),
    /// `$XDG_DATA_HOME/lazaret`, `~/.local/share/lazaret`, or `/var/lib/lazaret` without a home.
    DataHome,
    /// The number of processors, two at least.
    Processors,
    /// Nothing, which means this.
    Unset(&'static str),
}

impl Setting {
    /// Its variable: `LAZARET_` and the key in capitals.
    pub(crate) fn variable(&self) -> String {
        format!("LAZARET_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// What the key begins with.
    pub(crate) fn group(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(group, _)| group)
    }

    const fn new(key: &'static str, kind: Kind, default: Default, doc: &'static str) -> Self {
        Self { key, kind, default, flag: None, secret: false, doc }
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// The setting of that key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The key that is most like this one, if one is.
pub(crate) fn nearest(key: &str) -> Option<&'static str> {
    // A key may be right but for its group.
    let name = key.rsplit('.').next().unwrap_or(key);
    let same =
        SETTINGS.iter().find(|setting| setting.key.split_once('.').is_some_and(|(_, own)| own == name));
    let score = |setting: &Setting| strsim::jaro_winkler(setting.key, key);
    let best = SETTINGS.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    let best = best.filter(|setting| score(setting) > 0.85);
    best.or(same).map(|setting| setting.key)
}

const HTTP: Kind = Kind::Url(&["https", "http"]);
const SLOTS: Kind = Kind::Number(0, 1_000);

/// All settings, in the order of the documentation.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting::new(
        "data.dir",
        Kind::Path,
        Default::DataHome,
        "Directory of everything that the service keeps.",
    )
    .flag("--data"),
    Setting::new(
        "server.rate",
        Kind::Number(0, 1_000_000),
        Default::Is("100"),
        "Requests a second that one account may make; five times as many at once. 0 for any number.",
    ),
    Setting::new("server.listen", Kind::Socket, Default::Is("127.0.0.1:8080"), "Where the service answers.")
        .flag("--listen"),
    Setting::new(
        "server.role",
        Kind::Choice(&["all", "api", "worker"]),
        Default::Is("all"),
        "What this process does: answer requests, work on scans, or both.",
    )
    .flag("--role"),
    Setting::new(
        "server.proxies",
        Kind::List(Items::Ips),
        Default::Is(""),
        "Addresses of proxies whose X-Forwarded-For is believed.",
    ),
    Setting::new(
        "server.public_url",
        HTTP,
        Default::Unset("where the service answers"),
        "Address by which people reach the service, behind a proxy for example; with https, cookies are for TLS only.",
    ),
    Setting::new("tls.cert", Kind::Path, Default::Unset("plain HTTP"), "PEM file of the certificate chain.")
        .flag("--tls-cert"),
    Setting::new("tls.key", Kind::Path, Default::Unset("plain HTTP"), "PEM file of the certificate's key.")
        .flag("--tls-key"),
    Setting::new(
        "database.url",
        Kind::Url(&["postgres", "postgresql"]),
        Default::Unset("SQLite in the data directory"),
        "The PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/NAME.",
    )
    .flag("--database-url")
    .secret(),
    Setting::new(
        "database.max_connections",
        Kind::Number(2, 1_000),
        Default::Is("20"),
        "Connections to PostgreSQL that are kept at most.",
    ),
    Setting::new("workers.index_slots", Kind::Number(1, 1_000), Default::Processors, "Images read at once."),
    Setting::new(
        "workers.match_slots",
        Kind::Number(1, 1_000),
        Default::Processors,
        "Inventories matched with the advisories at once.",
    ),
    Setting::new(
        "workers.budget",
        Kind::Size,
        Default::Is("8GiB"),
        "Compressed bytes of all images that are read at once; one image may exceed it alone.",
    ),
    Setting::new(
        "workers.reserved_interactive",
        SLOTS,
        Default::Is("1"),
        "Index slots kept free for scans that a person waits for.",
    ),
    Setting::new(
        "workers.reserved_pipeline",
        SLOTS,
        Default::Is("0"),
        "Index slots kept free for scans of pipelines.",
    ),
    Setting::new(
        "workers.reserved_push",
        SLOTS,
        Default::Is("0"),
        "Index slots kept free for images that were just pushed.",
    ),
    Setting::new("workers.timeout", Kind::Duration, Default::Is("30m"), "Time that reading one image may take."),
    Setting::new(
        "queue.lease",
        Kind::Duration,
        Default::Is("30s"),
        "How long a worker may be silent until its jobs return to the queue.",
    ),
    Setting::new(
        "queue.heartbeat",
        Kind::Duration,
        Default::Is("2s"),
        "How often a worker renews its claim.",
    ),
    Setting::new(
        "queue.max_attempts",
        Kind::Number(1, 100),
        Default::Is("5"),
        "Attempts until a scan has failed.",
    ),
    Setting::new(
        "queue.backoff",
        Kind::Duration,
        Default::Is("2s"),
        "Pause after the first aborted attempt; it doubles from one to the next.",
    ),
    Setting::new("queue.max_backoff", Kind::Duration, Default::Is("5m"), "Longest pause between attempts."),
    Setting::new("advisories.dir", Kind::Path, Default::InData("db"), "Directory of the advisory database."),
    Setting::new(
        "advisories.url",
        HTTP,
        Default::Is(feeds::DEFAULT_BASE),
        "Where advisories are fetched from: a URL laid out as OSV's exports.",
    ),
    Setting::new(
        "advisories.offline",
        Kind::Bool,
        Default::Is("false"),
        "Fetch no advisories; use what is there.",
    ),
    Setting::new(
        "advisories.interval",
        Kind::Duration,
        Default::Is("6h"),
        "How often advisories are refreshed.",
    ),
    Setting::new(
        "images.plain_http",
        Kind::List(Items::Text),
        Default::Is(""),
        "Registries (HOST or HOST:PORT) that are spoken to without TLS.",
    ),
    Setting::new(
        "images.allow",
        Kind::List(Items::Addresses),
        Default::Is(""),
        "Hosts and ranges that may be reached although they are private or loopback.",
    ),
    Setting::new(
        "images.ca_files",
        Kind::List(Items::Text),
        Default::Is(""),
        "PEM files of certificate authorities that are trusted too.",
    ),
    Setting::new(
        "images.buckets",
        Kind::List(Items::Text),
        Default::Is(""),
        "Buckets that requests may name as s3://BUCKET/KEY, since all are read with the service's own key: that of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, at AWS_ENDPOINT_URL_S3.",
    ),
    Setting::new(
        "images.max_upload",
        Kind::Size,
        Default::Is("10GiB"),
        "Largest image that may be uploaded.",
    ),
    Setting::new("auth.session_lifetime", Kind::Duration, Default::Is("7d"), "How long a login holds at most."),
    Setting::new(
        "auth.session_idle",
        Kind::Duration,
        Default::Is("12h"),
        "How long a login holds in which nothing is done.",
    ),
    Setting::new(
        "auth.lockout_threshold",
        Kind::Number(1, 1_000),
        Default::Is("4"),
        "Wrong passwords in a row that cost nothing; after the next one, an account is locked for a while.",
    ),
    Setting::new(
        "auth.lockout_backoff",
        Kind::Duration,
        Default::Is("5s"),
        "How long the first lock lasts; it doubles from one to the next, up to 15 minutes.",
    ),
    Setting::new(
        "auth.oidc_issuer",
        HTTP,
        Default::Unset("local accounts only"),
        "Issuer of OpenID Connect, exactly as it writes itself; its discovery document lies below it.",
    ),
    Setting::new("auth.oidc_client_id", Kind::Text, Default::Unset("none"), "What the issuer calls Lazaret."),
    Setting::new(
        "auth.oidc_client_secret",
        Kind::Text,
        Default::Unset("a public client"),
        "The secret that the issuer gave to Lazaret.",
    )
    .secret(),
    Setting::new(
        "auth.oidc_scopes",
        Kind::List(Items::Text),
        Default::Is("profile,email"),
        "What is asked for beside openid.",
    ),
    Setting::new(
        "auth.oidc_name_claim",
        Kind::Text,
        Default::Is("preferred_username"),
        "Claim of the ID token that holds the name of the account.",
    ),
    Setting::new(
        "auth.oidc_role_claim",
        Kind::Text,
        Default::Is("groups"),
        "Claim of the ID token that holds the groups of a person; a name, or a path with dots.",
    ),
    Setting::new(
        "auth.oidc_roles",
        Kind::List(Items::Roles),
        Default::Is(""),
        "Which group gives which role; of several the strongest counts.",
    ),
    Setting::new(
        "auth.oidc_default_role",
        Kind::Choice(ROLES),
        Default::Unset("they are refused"),
        "The role of people to whom no group gives one.",
    ),
    Setting::new(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        Default::Is("info"),
        "What is logged.",
    ),
    Setting::new("log.format", Kind::Choice(&["text", "json"]), Default::Is("text"), "How it is logged.")
        .flag("--log-format"),
    Setting::new(
        "notify.allow",
        Kind::List(Items::Addresses),
        Default::Is(""),
        "Hosts and ranges that webhooks may lead to although they are private or loopback.",
    ),
    Setting::new("notify.timeout", Kind::Duration, Default::Is("10s"), "Time that a receiver may take."),
    Setting::new(
        "notify.max_attempts",
        Kind::Number(1, 100),
        Default::Is("12"),
        "Attempts until a message is given up.",
    ),
    Setting::new(
        "history.scans",
        Kind::Duration,
        Default::Is("180d"),
        "How long scans that are over are kept with their reports; the newest of every image always are.",
    ),
    Setting::new(
        "history.events",
        Kind::Duration,
        Default::Is("400d"),
        "How long the audit log is kept.",
    ),
    Setting::new(
        "history.errors",
        Kind::Duration,
        Default::Is("90d"),
        "How long the log of user errors is kept.",
    ),
    Setting::new(
        "history.deliveries",
        Kind::Duration,
        Default::Is("30d"),
        "How long the log of messages to webhooks is kept.",
    ),
    Setting::new(
        "history.uploads",
        Kind::Duration,
        Default::Is("1d"),
        "How long an upload is kept that belongs to no image record.",
    ),
    Setting::new(
        "secrets.key",
        Kind::Text,
        Default::Unset("a key made at the first start, in seal.key of the data directory"),
        "The key that seals stored credentials: base64 of 32 random bytes. Processes on one database need the same.",
    )
    .secret(),
    Setting::new(
        "telemetry.endpoint",
        HTTP,
        Default::Unset("no traces"),
        "An OpenTelemetry collector that takes OTLP over HTTP, without /v1/traces: every request and every job is a span.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_also_with_their_files() {
        let mut names = BTreeSet::new();
        for setting in SETTINGS {
            assert!(names.insert(setting.variable()), "{}", setting.key);
            if setting.secret {
                assert!(names.insert(format!("{}_FILE", setting.variable())), "{}", setting.key);
            }
            assert!(setting.doc.ends_with('.') && setting.key.contains('.'), "{}", setting.key);
        }
    }

    #[test]
    fn defaults_are_valid() {
        for setting in SETTINGS {
            if let Default::Is(text) = setting.default {
                assert!(setting.kind.parse(text).is_ok(), "{}", setting.key);
            }
        }
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbour() {
        for (typed, expected) in [
            ("server.lisen", Some("server.listen")),
            ("queue.heart_beat", Some("queue.heartbeat")),
            ("http.listen", Some("server.listen")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(typed), expected, "{typed}");
        }
    }
}
