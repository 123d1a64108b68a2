//! One request, with all that is needed to send it again.

use std::{fmt, io, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

/// A body that is produced while it is sent.
pub type BodyStream = BoxStream<'static, io::Result<Bytes>>;

/// What is sent along.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes at hand: can be sent again.
    Bytes(Bytes),
    /// A stream: sent once, never retried nor redirected.
    Stream {
        /// The chunks.
        stream: BodyStream,
        /// Their total length in bytes.
        length: u64,
    },
}

impl Body {
    /// Wraps a stream of `length` bytes.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static, length: u64) -> Self {
        Self::Stream { stream: Box::pin(stream), length }
    }

    /// A copy, where the body can be sent again.
    pub(crate) fn replay(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

/// A request to be sent by [`crate::Client::send`].
pub struct Request {
    pub(crate) operation: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// `operation` completes "failed to ..." in errors; it must name the object and hold no secret.
    pub fn new(operation: impl Into<String>, method: Method, url: Url) -> Self {
        Self {
            operation: operation.into(),
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            timeout: None,
        }
    }

    /// A GET request.
    pub fn get(operation: impl Into<String>, url: Url) -> Self {
        Self::new(operation, Method::GET, url)
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Bounds each attempt with its whole body, instead of the client's total timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// True when it goes to the origin (scheme, host and port) of `url`: whether credentials for that origin
    /// may be sent along.
    pub fn goes_to(&self, url: &Url) -> bool {
        same_origin(&self.url, url)
    }

    /// True when sending it twice does what sending it once does (RFC 9110 section 9.2.2).
    pub(crate) fn is_repeatable(&self) -> bool {
        let idempotent =
            [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS].contains(&self.method);
        idempotent && self.body.replay().is_some()
    }

    /// The same request again; `None` when its body was a stream.
    pub(crate) fn replay(&self) -> Option<Self> {
        Some(Self {
            operation: self.operation.clone(),
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.replay()?,
            timeout: self.timeout,
        })
    }

    /// The host for errors and log lines.
    pub(crate) fn host(&self) -> String {
        host_of(&self.url)
    }
}

/// Same scheme, host and port: what credentials were given for.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Host and, where it is not the scheme's own, port.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}
