//! The only place that builds outbound HTTP clients.
//!
//! Whatever Lazaret asks of the network goes through [`Client`]: it checks the address that a name resolved
//! to (also on every redirect), follows proxies and private certificate authorities, retries what may be
//! retried, and bounds what is read. It knows nothing of registries, feeds or clusters, holds no credentials
//! and never puts a query string or a credential into an error or a log line.

mod address;
mod client;
mod config;
mod error;
mod redirect;
mod request;
mod response;
mod retry;
mod tls;

pub use reqwest::{Method, StatusCode, Url, header};

pub use address::{AddressClass, AddressPolicy, AllowEntry, AllowEntryError, classify};
pub use client::{Client, Fetched};
pub use config::{ClientConfig, ProxyConfig};
pub use error::EgressError;
pub use request::{Body, BodyStream, Request};
pub use response::Response;
pub use retry::{RetryPolicy, retry_after};
