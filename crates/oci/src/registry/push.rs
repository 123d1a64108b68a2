//! Writing to a registry: blobs in one piece, mounts from another repository, manifests; and deleting.

use bytes::Bytes;
use egress::{
    Body, BodyStream, Method, Request, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};
use model::digest::{Algorithm, Digest};

use crate::{
    error::OciError,
    registry::{
        client::{Access, Registry, endpoint},
        status::{Subject, sort},
    },
    verify::digest_of,
};

/// What is pushed.
pub enum BlobContent {
    /// Bytes at hand.
    Bytes(Bytes),
    /// A stream of known length; it must be what the digest says, which the registry checks.
    Stream {
        /// The chunks.
        stream: BodyStream,
        /// Their total length in bytes.
        length: u64,
    },
}

impl Registry {
    /// True when the repository has the blob.
    pub async fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, OciError> {
        let subject = self.push_subject(repository, digest, "look for");
        let path = format!("{repository}/blobs/{digest}");
        let (subject, response) = self
            .exchange(&subject, repository, Access::Push, &[], &|base| {
                Ok(Request::new(subject.operation.clone(), Method::HEAD, endpoint(base, &path)?))
            })
            .await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(sort(response, &subject).await),
        }
    }

    /// Writes a blob; does nothing when it is there.
    pub async fn push_blob(
        &self,
        repository: &str,
        digest: &Digest,
        content: BlobContent,
    ) -> Result<(), OciError> {
        if self.has_blob(repository, digest).await? {
            return Ok(());
        }
        let subject = self.push_subject(repository, digest, "push");
        let path = format!("{repository}/blobs/uploads/");
        let response = self
            .send(&subject, repository, Access::Push, &|base| {
                Ok(Request::new(subject.operation.clone(), Method::POST, endpoint(base, &path)?))
            })
            .await?;
        let mut url = location(&response, &subject)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut content = Some(content);
        let content = std::sync::Mutex::new(&mut content);
        self.send(&subject, repository, Access::Push, &|_| {
            // A stream can be sent once; the token for it was granted a moment ago.
            let mut content = content.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let body = match content.take() {
                Some(BlobContent::Bytes(bytes)) => {
                    **content = Some(BlobContent::Bytes(bytes.clone()));
                    Body::Bytes(bytes)
                }
                Some(BlobContent::Stream { stream, length }) => Body::Stream { stream, length },
                None => {
                    return Err(OciError::RegistryAnswer {
                        operation: subject.operation.clone(),
                        registry: subject.registry.clone(),
                        status: StatusCode::UNAUTHORIZED.as_u16(),
                        why: "authorization ended during the upload".to_owned(),
                    });
                }
            };
            let octets = HeaderValue::from_static("application/octet-stream");
            let request = Request::new(subject.operation.clone(), Method::PUT, url.clone());
            Ok(request.header(CONTENT_TYPE, octets).body(body))
        })
        .await
        .map(drop)
    }

    /// Takes a blob over from another repository of the same registry. False when the registry does not do
    /// that: then it must be pushed.
    pub async fn mount_blob(&self, repository: &str, digest: &Digest, from: &str) -> Result<bool, OciError> {
        let subject = self.push_subject(repository, digest, "mount");
        let path = format!("{repository}/blobs/uploads/?mount={digest}&from={from}");
        let scopes = [format!("repository:{from}:pull")];
        let (subject, response) = self
            .exchange(&subject, repository, Access::Push, &scopes, &|base| {
                Ok(Request::new(subject.operation.clone(), Method::POST, endpoint(base, &path)?))
            })
            .await?;
        match response.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::ACCEPTED => {
                // An upload was begun instead: ended at once, and forgotten by the registry if that fails.
                if let Ok(url) = location(&response, &subject) {
                    let cancel =
                        |_: &Url| Ok(Request::new(subject.operation.clone(), Method::DELETE, url.clone()));
                    let _ = self.send(&subject, repository, Access::Push, &cancel).await;
                }
                Ok(false)
            }
            _ => Err(sort(response, &subject).await),
        }
    }

    /// Writes a manifest under a tag or its digest; returns its digest.
    pub async fn push_manifest(
        &self,
        repository: &str,
        id: &str,
        media_type: &str,
        manifest: Bytes,
    ) -> Result<Digest, OciError> {
        let image = self.image(repository, id);
        let subject = self.subject(&image, format!("push the manifest of {image}"));
        let path = format!("{repository}/manifests/{id}");
        let content_type = HeaderValue::from_str(media_type).map_err(|_| OciError::Invalid {
            what: format!("manifest of {image}"),
            why: "its media type is no header value".to_owned(),
        })?;
        self.send(&subject, repository, Access::Push, &|base| {
            let request = Request::new(subject.operation.clone(), Method::PUT, endpoint(base, &path)?);
            Ok(request.header(CONTENT_TYPE, content_type.clone()).body(Body::Bytes(manifest.clone())))
        })
        .await?;
        Ok(digest_of(Algorithm::Sha256, &manifest))
    }

    /// Deletes a manifest. Registries also drop every tag that leads to it.
    pub async fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<(), OciError> {
        let image = self.image(repository, &digest.to_string());
        let subject = self.subject(&image, format!("delete the manifest of {image}"));
        let path = format!("{repository}/manifests/{digest}");
        self.send(&subject, repository, Access::Delete, &|base| {
            Ok(Request::new(subject.operation.clone(), Method::DELETE, endpoint(base, &path)?))
        })
        .await
        .map(drop)
    }

    fn push_subject(&self, repository: &str, digest: &Digest, verb: &str) -> Subject {
        let image = format!("{}/{repository}@{digest}", self.name());
        self.subject(&image, format!("{verb} blob {digest} in {}/{repository}", self.name()))
    }
}

/// Where an upload goes on, relative to where it began.
fn location(response: &Response, subject: &Subject) -> Result<Url, OciError> {
    let location = response.header(LOCATION.as_str()).and_then(|l| response.url().join(l).ok());
    let downgrade = |url: &Url| response.url().scheme() == "https" && url.scheme() != "https";
    location.filter(|url| !downgrade(url)).ok_or_else(|| OciError::RegistryAnswer {
        operation: subject.operation.clone(),
        registry: subject.registry.clone(),
        status: response.status().as_u16(),
        why: "it names no usable upload location".to_owned(),
    })
}
