//! One answer, read in parts or whole within a limit.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use reqwest::{StatusCode, Url, header::HeaderMap};

use crate::{
    error::{EgressError, sort},
    request::host_of,
};

/// The head of an answer, and its body still to be read.
#[derive(Debug)]
pub struct Response {
    operation: String,
    inner: reqwest::Response,
}

impl Response {
    pub(crate) const fn new(operation: String, inner: reqwest::Response) -> Self {
        Self { operation, inner }
    }

    /// The status code; any, the caller judges.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// One header as text; `None` when it is missing or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Length of the body as announced.
    pub fn content_length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The next part of the body; `None` at its end. An end before the announced length is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        let chunk = self.inner.chunk().await;
        chunk.map_err(|e| sort(e, &self.operation, &host_of(self.inner.url())))
    }

    /// The whole body, when it is not larger than `limit` bytes.
    pub async fn read_to_limit(mut self, limit: u64) -> Result<Bytes, EgressError> {
        let too_large = |operation: &str, url: &Url| EgressError::TooLarge {
            operation: operation.to_owned(),
            host: host_of(url),
            limit,
        };
        if self.content_length().is_some_and(|length| length > limit) {
            return Err(too_large(&self.operation, self.url()));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(too_large(&self.operation, self.url()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Up to `limit` bytes of the body, for the text of an error answer; what cannot be read is left out.
    pub async fn read_start(mut self, limit: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < limit {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(limit);
        body.freeze()
    }

    /// The body as a stream of chunks.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, EgressError>> + Send {
        stream::try_unfold(self, |mut response| async move {
            Ok(response.chunk().await?.map(|chunk| (chunk, response)))
        })
    }
}
