//! What a client is built from.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{AddressPolicy, RetryPolicy};

/// Everything that a [`crate::Client`] needs to know. There is no default: whoever builds a client decides
/// whether addresses are guarded.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Who may be reached.
    pub addresses: AddressPolicy,
    /// Proxies to go through.
    pub proxy: ProxyConfig,
    /// PEM bundles of certificate authorities trusted beside the system's own.
    pub extra_ca: Vec<Vec<u8>>,
    /// The socket of this machine that all requests go to, whatever their URL says; addresses and proxies then
    /// play no part.
    pub unix_socket: Option<PathBuf>,
    /// Time to establish one connection.
    pub connect_timeout: Duration,
    /// Longest silence while waiting for an answer or for the next part of a body.
    pub read_timeout: Duration,
    /// Time for one attempt with its whole body; `None` where bodies are large.
    pub total_timeout: Option<Duration>,
    /// Redirects that are followed before giving up.
    pub max_redirects: u8,
    /// When and how often to try again.
    pub retry: RetryPolicy,
}

impl ClientConfig {
    /// For the command line: every address, proxies from the environment.
    pub fn command_line() -> Self {
        Self::new(AddressPolicy::Any, ProxyConfig::from_environment())
    }

    /// For a server on this machine that listens on a socket; nothing is tried twice.
    pub fn local_socket(path: PathBuf) -> Self {
        let usual = Self::new(AddressPolicy::Any, ProxyConfig::default());
        Self {
            unix_socket: Some(path),
            // Podman packs a whole image before the first byte of it comes.
            read_timeout: Duration::from_secs(600),
            retry: RetryPolicy { attempts: 1, ..usual.retry.clone() },
            ..usual
        }
    }

    /// The usual timeouts and retries with a given policy and proxy.
    pub fn new(addresses: AddressPolicy, proxy: ProxyConfig) -> Self {
        Self {
            addresses,
            proxy,
            extra_ca: Vec::new(),
            unix_socket: None,
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(60),
            total_timeout: None,
            max_redirects: 10,
            retry: RetryPolicy::standard(),
        }
    }
}

/// Proxies, as URLs that may hold credentials: never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// For `http:` URLs.
    pub http: Option<String>,
    /// For `https:` URLs.
    pub https: Option<String>,
    /// Comma-separated hosts, suffixes and ranges that are reached directly. Loopback always is.
    pub no_proxy: String,
}

impl ProxyConfig {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, lower-case spellings first, as curl reads
    /// them. Upper-case `HTTP_PROXY` is ignored when `REQUEST_METHOD` is set: under CGI it is a request
    /// header ("httpoxy").
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| read(name).map(|value| value.trim().to_owned()))
                .filter(|v| !v.is_empty())
        };
        let all = first(&["all_proxy", "ALL_PROXY"]);
        let http_names: &[&str] =
            if read("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
        Self {
            http: first(http_names).or_else(|| all.clone()),
            https: first(&["https_proxy", "HTTPS_PROXY"]).or(all),
            no_proxy: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        }
    }

    /// True when every request goes directly.
    pub const fn is_none(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], http: Option<&str>, https: Option<&str>, no_proxy: &str) {
        let config = ProxyConfig::from_variables(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        });
        assert_eq!((config.http.as_deref(), config.https.as_deref()), (http, https), "{variables:?}");
        assert_eq!(config.no_proxy, no_proxy);
    }

    #[test]
    fn reads_the_environment_as_curl_does() {
        check(&[], None, None, "");
        check(&[("HTTP_PROXY", "http://p:1")], Some("http://p:1"), None, "");
        check(&[("http_proxy", "http://a"), ("HTTP_PROXY", "http://b")], Some("http://a"), None, "");
        check(&[("HTTP_PROXY", "http://p"), ("REQUEST_METHOD", "GET")], None, None, "");
        check(
            &[("ALL_PROXY", "http://p"), ("NO_PROXY", " .corp ")],
            Some("http://p"),
            Some("http://p"),
            ".corp",
        );
        check(&[("HTTPS_PROXY", ""), ("ALL_PROXY", "http://p")], Some("http://p"), Some("http://p"), "");
    }

    #[test]
    fn never_prints_credentials() {
        let config = ProxyConfig { http: Some("http://user:hunter2@p".into()), ..ProxyConfig::none() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
