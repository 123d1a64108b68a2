//! Why a request failed. Errors name the operation and the host, never a path with a query or a credential.

use std::{error::Error as StdError, net::IpAddr};

/// An underlying cause whose type is nobody's business.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// What can go wrong between Lazaret and a server. A status code is no error here: the caller knows what
/// it means.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The client cannot be built from its configuration.
    #[error("failed to set up the HTTP client: {what}")]
    Config {
        /// The setting that is wrong, without its value.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Option<Cause>,
    },
    /// Not an `http:` or `https:` URL with a host.
    #[error("failed to {operation}: the URL is not http(s) with a host")]
    Url {
        /// What was being done.
        operation: String,
    },
    /// The address policy says no.
    #[error("failed to {operation}: {host} leads to {address}, which the address policy does not allow")]
    AddressRefused {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// The address that it resolved to.
        address: IpAddr,
    },
    /// The name does not resolve.
    #[error("failed to {operation}: the host name {host} could not be resolved")]
    Resolve {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// What the resolver said.
        #[source]
        cause: Cause,
    },
    /// No connection came about.
    #[error("failed to {operation}: could not connect to {host}")]
    Connect {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// What the connector said.
        #[source]
        cause: Cause,
    },
    /// The TLS handshake failed: most often an unknown certificate authority.
    #[error("failed to {operation}: no trusted TLS connection to {host}")]
    Tls {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// What TLS said.
        #[source]
        cause: Cause,
    },
    /// Nothing came for too long.
    #[error("failed to {operation}: {host} did not answer in time")]
    Timeout {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
    },
    /// A redirect that is not followed.
    #[error("failed to {operation}: {host} {why}")]
    Redirect {
        /// What was being done.
        operation: String,
        /// The host that redirected.
        host: String,
        /// What is wrong with the redirect.
        why: &'static str,
    },
    /// The connection broke, or the answer is not HTTP.
    #[error("failed to {operation}: the exchange with {host} broke off")]
    Transfer {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// What broke.
        #[source]
        cause: Cause,
    },
    /// The body is larger than the caller reads.
    #[error("failed to {operation}: the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// What was being done.
        operation: String,
        /// The host asked for.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
}

impl EgressError {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "http-client-config",
            Self::Url { .. } => "url-invalid",
            Self::AddressRefused { .. } => "address-refused",
            Self::Resolve { .. } => "host-not-found",
            Self::Connect { .. } => "connection-failed",
            Self::Tls { .. } => "tls-failed",
            Self::Timeout { .. } => "timeout",
            Self::Redirect { .. } => "redirect-refused",
            Self::Transfer { .. } => "transfer-broken",
            Self::TooLarge { .. } => "too-large",
        }
    }

    /// True when the same request may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Transfer { .. }
        )
    }
}

/// An address that the resolver refused; found again in the error chain of the connector.
#[derive(Debug, thiserror::Error)]
#[error("address {address} is not allowed")]
pub(crate) struct Refused {
    pub(crate) address: IpAddr,
}

/// Sorts an error of the HTTP library into ours, without its URL.
pub(crate) fn sort(error: reqwest::Error, operation: &str, host: &str) -> EgressError {
    let (operation, host) = (operation.to_owned(), host.to_owned());
    let error = error.without_url();
    if let Some(refused) = find::<Refused>(&error) {
        return EgressError::AddressRefused { operation, host, address: refused.address };
    }
    if error.is_timeout() {
        return EgressError::Timeout { operation, host };
    }
    if error.is_dns() {
        return EgressError::Resolve { operation, host, cause: innermost(&error) };
    }
    if find::<rustls::Error>(&error).is_some() || find_in_io::<rustls::Error>(&error) {
        return EgressError::Tls { operation, host, cause: innermost(&error) };
    }
    if error.is_connect() {
        return EgressError::Connect { operation, host, cause: innermost(&error) };
    }
    EgressError::Transfer { operation, host, cause: innermost(&error) }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}

fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    chain(error).find_map(|e| e.downcast_ref::<T>())
}

/// An `io::Error` leaves the error that it wraps out of its `source()`, and may wrap another of its kind.
fn find_in_io<T: StdError + 'static>(error: &reqwest::Error) -> bool {
    chain(error).filter_map(|e| e.downcast_ref::<std::io::Error>()).any(|io| {
        let wrapped = std::iter::successors(io.get_ref(), |inner| {
            inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
        });
        wrapped.into_iter().any(|inner| inner.downcast_ref::<T>().is_some())
    })
}

/// The last error of the chain says what happened; those above it repeat "client error" and the URL.
fn innermost(error: &reqwest::Error) -> Cause {
    chain(error).last().map_or_else(|| "unknown".into(), |e| e.to_string().into())
}
