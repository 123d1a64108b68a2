//! Blobs: small ones whole, layers as streams that go on after a broken connection.

use egress::{
    EgressError, Request, Response, StatusCode,
    header::{CONTENT_RANGE, HeaderValue, RANGE},
};
use model::digest::Digest;
use tokio::runtime::Handle;

use crate::{
    error::OciError,
    registry::{
        client::{Access, Registry, endpoint},
        reader::{ChannelReader, ChunkSender},
        status::{Subject, sort},
    },
    verify::verify,
};

/// Times that a transfer is taken up again without having come at least [`PROGRESS`] further.
const RESUMES: u32 = 5;
/// Bytes that count as progress.
const PROGRESS: u64 = 1 << 20;

impl Registry {
    /// Reads a blob of at most `limit` bytes and verifies it.
    pub async fn fetch_blob(
        &self,
        repository: &str,
        digest: &Digest,
        limit: u64,
    ) -> Result<Vec<u8>, OciError> {
        let subject = self.blob_subject(repository, digest);
        let response = self.open_blob(&subject, repository, digest, 0).await?;
        let bytes = response.read_to_limit(limit).await?.to_vec();
        verify(&bytes, digest, &format!("blob {digest}"))?;
        Ok(bytes)
    }

    /// A blocking stream of a blob of `size` bytes, **not** verified.
    pub(crate) fn blob_reader(
        &self,
        runtime: &Handle,
        repository: &str,
        digest: &Digest,
        size: u64,
    ) -> ChannelReader {
        let (registry, repository, digest) = (self.clone(), repository.to_owned(), digest.clone());
        ChannelReader::start(runtime, move |sender| async move {
            if let Err(e) = registry.transfer(&repository, &digest, size, &sender).await {
                // Nobody listens any more: then nobody needs the error.
                let _ = sender.send(Err(e)).await;
            }
        })
    }

    fn blob_subject(&self, repository: &str, digest: &Digest) -> Subject {
        let image = format!("{}/{repository}@{digest}", self.name());
        self.subject(&image, format!("fetch blob {digest} of {}/{repository}", self.name()))
    }

    async fn transfer(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
        sender: &ChunkSender,
    ) -> Result<(), OciError> {
        let subject = self.blob_subject(repository, digest);
        let mut done: u64 = 0;
        let mut resumes = 0;
        let mut resumed_at = 0;
        loop {
            let mut length_known = false;
            let outcome = match self.open_blob(&subject, repository, digest, done).await {
                Ok(response) => {
                    length_known = response.content_length().is_some();
                    pass_on(response, size, &mut done, sender).await
                }
                Err(e) => Err(e),
            };
            match outcome {
                // A body of known length that came whole is all there is, even when more was expected.
                Ok(()) if length_known || done >= size || sender.is_closed() => return Ok(()),
                Ok(()) => {}
                Err(e) if e.is_transient() => {
                    if resumes >= RESUMES {
                        return Err(e);
                    }
                    tracing::debug!(blob.digest = %digest, bytes = done, "transfer broke off; taking it up again");
                }
                Err(e) => return Err(e),
            }
            if done >= resumed_at + PROGRESS {
                resumes = 0;
            }
            resumed_at = done;
            resumes += 1;
            if resumes > RESUMES {
                // The registry keeps ending too early, without an error: what came is all there is.
                return Ok(());
            }
            let pause = self.shared.options.client.retry.first_pause.saturating_mul(1 << resumes);
            tokio::time::sleep(pause).await;
        }
    }

    async fn open_blob(
        &self,
        subject: &Subject,
        repository: &str,
        digest: &Digest,
        offset: u64,
    ) -> Result<Response, OciError> {
        let path = format!("{repository}/blobs/{digest}");
        let (subject, response) = self
            .exchange(subject, repository, Access::Pull, &[], &|base| {
                let request = Request::get(subject.operation.clone(), endpoint(base, &path)?);
                let range = (offset > 0).then(|| HeaderValue::from_str(&format!("bytes={offset}-")).ok());
                Ok(match range.flatten() {
                    Some(range) => request.header(RANGE, range),
                    None => request,
                })
            })
            .await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND => Err(OciError::BlobMissing { what: subject.image }),
            _ => Err(sort(response, &subject).await),
        }
    }
}

/// Hands the body on from byte `done`, never more than one chunk beyond `size`.
async fn pass_on(
    mut response: Response,
    size: u64,
    done: &mut u64,
    sender: &ChunkSender,
) -> Result<(), OciError> {
    // A server that ignores the range, or a redirect target that does, begins anew.
    let mut skip = match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let begin = response.header(CONTENT_RANGE.as_str()).and_then(range_begin);
            match begin.and_then(|begin| done.checked_sub(begin)) {
                Some(skip) => skip,
                None => return Err(wrong_range(&response)),
            }
        }
        _ => *done,
    };
    while *done <= size {
        let Some(mut chunk) = response.chunk().await? else { return Ok(()) };
        if skip > 0 {
            let n = usize::try_from(skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
            skip -= n as u64;
            let _ = chunk.split_to(n);
        }
        if chunk.is_empty() {
            continue;
        }
        *done += chunk.len() as u64;
        if sender.send(Ok(chunk)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn wrong_range(response: &Response) -> OciError {
    OciError::Network(EgressError::Redirect {
        operation: "take up a transfer again".to_owned(),
        host: response.url().host_str().unwrap_or_default().to_owned(),
        why: "answered with another range than asked for",
    })
}

/// The first byte of `bytes 5-9/10` (RFC 9110 section 14.4).
fn range_begin(value: &str) -> Option<u64> {
    value.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        for (value, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */10", None),
            ("", None),
            ("items 1-2/3", None),
        ] {
            assert_eq!(range_begin(value), expected, "{value}");
        }
    }
}
