//! A range of an object as a stream that goes on after a broken connection, and never mixes two versions of it.

use std::sync::Arc;

use bytes::Bytes;
use egress::{Response, StatusCode};

use super::{
    ObjectAddress,
    answer::sort,
    client::{Buckets, Subject},
    error::BucketError,
};

/// Times that a transfer is taken up again without having come at least [`PROGRESS`] further.
const RESUMES: u32 = 5;
/// Bytes that count as progress.
const PROGRESS: u64 = 1 << 20;

/// One version of an object.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) address: ObjectAddress,
    /// As the server writes it.
    pub(super) etag: Option<String>,
    /// In bytes.
    pub(super) size: u64,
}

/// A range that is being read.
pub(super) struct Transfer {
    buckets: Arc<Buckets>,
    version: Version,
    position: u64,
    end: u64,
    response: Option<Response>,
    resumes: u32,
    resumed_at: u64,
}

impl Version {
    fn subject<'a>(&'a self, buckets: &'a Buckets) -> Subject<'a> {
        subject(buckets, &self.address)
    }

    fn changed(&self) -> BucketError {
        BucketError::Changed { object: self.address.to_string() }
    }
}

fn subject<'a>(buckets: &'a Buckets, address: &'a ObjectAddress) -> Subject<'a> {
    let object = address.to_string();
    let operation = format!("read {object}");
    Subject { buckets, bucket: address.bucket(), object, operation }
}

fn wrong(subject: Subject<'_>, status: StatusCode, why: &str) -> BucketError {
    BucketError::Answer {
        operation: subject.operation,
        host: subject.buckets.endpoint().host(),
        status: status.as_u16(),
        why: why.to_owned(),
    }
}

/// Asks for the first `length` bytes of whatever version there is; yields it with as much of these bytes as came.
pub(super) async fn begin(
    buckets: &Buckets,
    address: &ObjectAddress,
    length: u64,
) -> Result<(Version, Bytes), BucketError> {
    let subject = subject(buckets, address);
    let range = ("range", format!("bytes=0-{}", length.saturating_sub(1)));
    let request = buckets.request(&subject, address.key(), None, &[range])?;
    let mut response = buckets.client()?.send(request).await?;
    let status = response.status();
    let size = match status {
        StatusCode::PARTIAL_CONTENT => response.header("content-range").and_then(parse_range).map(|(_, s)| s),
        StatusCode::OK => response.content_length(),
        // An empty object has no first byte.
        StatusCode::RANGE_NOT_SATISFIABLE => Some(0),
        _ => return Err(sort(response, &subject).await),
    };
    let Some(size) = size else {
        return Err(wrong(subject, status, "it does not say how large the object is"));
    };
    let etag = response.header("etag").map(str::to_owned);
    let mut start = Vec::new();
    while size > 0 && (start.len() as u64) < length {
        // What is missing is asked for again when it is needed.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        start.extend_from_slice(&chunk);
    }
    start.truncate(usize::try_from(size.min(length)).unwrap_or(usize::MAX));
    Ok((Version { address: address.clone(), etag, size }, start.into()))
}

impl Transfer {
    /// Reads `length` bytes from `offset`, as far as the object goes.
    pub(super) fn new(buckets: Arc<Buckets>, version: Version, offset: u64, length: u64) -> Self {
        let end = offset.saturating_add(length).min(version.size);
        let position = offset.min(end);
        Self { buckets, version, position, end, response: None, resumes: 0, resumed_at: position }
    }

    /// The next bytes; `None` at the end of the range.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BucketError> {
        while self.position < self.end {
            let error = match self.read().await {
                Ok(Some(mut chunk)) => {
                    let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
                    chunk.truncate(left);
                    self.position += chunk.len() as u64;
                    if self.position >= self.resumed_at.saturating_add(PROGRESS) {
                        self.resumes = 0;
                    }
                    if !chunk.is_empty() {
                        return Ok(Some(chunk));
                    }
                    continue;
                }
                Ok(None) => {
                    let subject = self.version.subject(&self.buckets);
                    wrong(subject, StatusCode::PARTIAL_CONTENT, "its answer ended too early")
                }
                Err(e @ BucketError::Changed { .. }) => return Err(e),
                Err(e) if e.is_transient() => e,
                Err(e) => return Err(e),
            };
            self.response = None;
            self.resumes += 1;
            self.resumed_at = self.position;
            if self.resumes > RESUMES {
                return Err(error);
            }
            tracing::debug!(object = %self.version.address, bytes = self.position, "taking a transfer up again");
            tokio::time::sleep(self.buckets.pause(self.resumes)).await;
        }
        Ok(None)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, BucketError> {
        let response = match &mut self.response {
            Some(response) => response,
            empty => empty.insert(open(&self.buckets, &self.version, self.position, self.end).await?),
        };
        Ok(response.chunk().await?)
    }
}

/// Asks for the bytes from `from` to before `end` of just this version.
async fn open(buckets: &Buckets, version: &Version, from: u64, end: u64) -> Result<Response, BucketError> {
    let subject = version.subject(buckets);
    // `If-Match` compares strongly, so that a weak tag never matches (RFC 9110 section 13.1.1).
    let strong = version.etag.clone().filter(|etag| !etag.starts_with("W/"));
    let mut headers: Vec<_> = strong.map(|etag| ("if-match", etag)).into_iter().collect();
    headers.push(("range", format!("bytes={from}-{}", end.saturating_sub(1))));
    let request = buckets.request(&subject, version.address.key(), None, &headers)?;
    let response = buckets.client()?.send(request).await?;
    let status = response.status();
    let (begin, size) = match status {
        StatusCode::PARTIAL_CONTENT => {
            let range = response.header("content-range").and_then(parse_range);
            range
                .ok_or_else(|| wrong(version.subject(buckets), status, "it does not say which range it is"))?
        }
        StatusCode::OK => (0, response.content_length().unwrap_or(version.size)),
        StatusCode::RANGE_NOT_SATISFIABLE => return Err(version.changed()),
        _ => return Err(sort(response, &subject).await),
    };
    // Not every server knows conditions.
    let etag = response.header("etag");
    if size != version.size || (etag.is_some() && etag != version.etag.as_deref()) {
        return Err(version.changed());
    }
    if begin != from {
        return Err(wrong(subject, status, "it is another range than was asked for"));
    }
    Ok(response)
}

/// First byte and whole size of `bytes 5-9/10` (RFC 9110 section 14.4).
fn parse_range(value: &str) -> Option<(u64, u64)> {
    let (range, size) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (begin, _) = range.split_once('-')?;
    Some((begin.trim().parse().ok()?, size.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        for (value, expected) in [
            ("bytes 5-9/10", Some((5, 10))),
            ("bytes 0-0/*", None),
            ("bytes */10", None),
            ("", None),
            ("items 1-2/3", None),
        ] {
            assert_eq!(parse_range(value), expected, "{value}");
        }
    }
}
