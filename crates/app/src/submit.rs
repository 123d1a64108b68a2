//! "Scan these images": from what a person wrote to jobs.

use model::{ImageReference, JobClass, Platform};
use oci::bucket::{BucketError, ObjectAddress};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{NewImage, NewScan, Store, StoreError, Submitted};

use crate::{
    clock,
    seal::{SealError, SealingKey},
    service::Service,
};

/// Credentials for one registry, as they came with a request. Never printed, sealed in the store, gone with the job.
#[derive(Clone, Serialize, Deserialize)]
pub struct PullSecret {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PullSecret(hidden)")
    }
}

/// One image to scan.
#[derive(Clone, Debug)]
pub struct ScanOrder {
    /// What to scan.
    pub target: Target,
    /// The platform to choose from an index.
    pub platform: Option<Platform>,
    /// Credentials for its registry.
    pub secret: Option<PullSecret>,
}

/// What to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An image in a registry.
    Registry(ImageReference),
    /// An archive in a bucket: `s3://BUCKET/KEY`.
    Bucket(String),
    /// An archive that was uploaded: its name for people, and its file among the uploads.
    Upload {
        /// For people.
        name: String,
        /// File name in the directory of uploads.
        file: String,
    },
}

/// Who asks, and how urgent it is.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// The project of the image records.
    pub project: i64,
    /// Who.
    pub name: &'a str,
    /// The request, for the logs.
    pub request_id: &'a str,
    /// How urgent.
    pub class: JobClass,
    /// Where image records that are made come from: submit, upload, watch, bucket, cluster.
    pub source: &'a str,
}

/// Why nothing was submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// What was named is no image that a service may open.
    #[error("{0:?} names no image in a registry or bucket: {1}")]
    Reference(String, String),
    /// The bucket is none of those that the service reads.
    #[error("the bucket {0:?} is none of those that this service reads")]
    Bucket(String),
    /// The store.
    #[error("the request could not be stored")]
    Store(#[from] StoreError),
    /// Credentials could not be sealed.
    #[error("the credentials could not be sealed")]
    Seal(#[from] SealError),
}

impl SubmitError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reference(..) => "reference-invalid",
            Self::Bucket(_) => "bucket-not-accepted",
            Self::Store(error) => error.code(),
            Self::Seal(_) => "internal",
        }
    }
}

impl Target {
    /// From what a person wrote. Paths are none: a service never opens what a stranger names on its own disk. A
    /// reference without tag and digest means the tag `latest`, so that it is one image however it is written.
    pub fn parse(text: &str) -> Result<Self, SubmitError> {
        let wrong = |why: String| SubmitError::Reference(text.chars().take(300).collect(), why);
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let address = ObjectAddress::new(bucket, key);
            return address.map(|_| Self::Bucket(text.to_owned())).map_err(|error| match error {
                BucketError::Address { why, .. } => wrong(why.to_owned()),
                error => wrong(error.to_string()),
            });
        }
        // At the command line these open files; here they would read as the image called `dir`.
        if ["oci:", "oci-archive:", "docker-archive:", "dir:"].iter().any(|kind| text.starts_with(kind)) {
            return Err(wrong("a service opens no files".to_owned()));
        }
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let mut reference: ImageReference =
            text.parse().map_err(|error| wrong(model::problem::explain(&error)))?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some(reference.tag_or_latest().to_owned());
        }
        Ok(Self::Registry(reference))
    }

    /// How people call it.
    pub fn reference(&self) -> String {
        match self {
            Self::Registry(reference) => reference.to_string(),
            Self::Bucket(url) => url.clone(),
            Self::Upload { name, .. } => name.clone(),
        }
    }

    /// What a worker opens; see `jobs::open`.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Registry(reference) => format!("docker://{reference}"),
            Self::Bucket(url) => url.clone(),
            Self::Upload { file, .. } => format!("upload:{file}"),
        }
    }

    /// The bucket, where it is an archive in one.
    pub(crate) fn bucket(&self) -> Option<&str> {
        match self {
            Self::Bucket(url) => bucket_of(url),
            Self::Registry(_) | Self::Upload { .. } => None,
        }
    }

    fn registry(&self) -> &str {
        match self {
            Self::Registry(reference) => &reference.registry,
            Self::Bucket(_) => "s3",
            Self::Upload { .. } => "",
        }
    }

    fn repository(&self) -> String {
        match self {
            Self::Registry(reference) => format!("{}/{}", reference.registry, reference.repository),
            Self::Bucket(url) => url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"),
            Self::Upload { .. } => "upload".to_owned(),
        }
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag.as_deref(),
            _ => None,
        }
    }
}

impl Service {
    /// Asks for scans, all or none. Equal requests join the scan that is under way; credentials are part of what
    /// makes requests equal, so that nobody is answered for an image that they could not pull.
    pub async fn submit(
        &self,
        orders: &[ScanOrder],
        requester: Requester<'_>,
    ) -> Result<Vec<Submitted>, SubmitError> {
        for bucket in orders.iter().filter_map(|order| order.target.bucket()) {
            if !self.config.buckets.accepts(bucket) {
                return Err(SubmitError::Bucket(bucket.to_owned()));
            }
        }
        let attempts = self.config.queue.max_attempts;
        let submitted = submit(&self.store, &self.key, attempts, orders, requester).await?;
        self.touch();
        Ok(submitted)
    }
}

/// The bucket of `s3://BUCKET/KEY`.
pub(crate) fn bucket_of(source: &str) -> Option<&str> {
    source.strip_prefix("s3://").and_then(|rest| rest.split('/').next())
}

/// Stores requests; workers find them. For processes that are no service themselves.
pub async fn submit(
    store: &Store,
    key: &SealingKey,
    max_attempts: u32,
    orders: &[ScanOrder],
    requester: Requester<'_>,
) -> Result<Vec<Submitted>, SubmitError> {
    let prepared = orders
        .iter()
        .map(|order| Prepared::new(key, order, requester.project))
        .collect::<Result<Vec<_>, _>>()?;
    let scans: Vec<NewScan<'_>> = prepared
        .iter()
        .zip(orders)
        .map(|(prepared, order)| prepared.new_scan(order, requester, max_attempts))
        .collect();
    Ok(store.submit(&scans, clock::now()).await?)
}

/// An order as the store takes it. Holds the texts that a [`NewScan`] borrows.
pub(crate) struct Prepared {
    reference: String,
    repository: String,
    platform: String,
    source: String,
    key: [u8; 16],
    sealed: Option<Vec<u8>>,
}

impl Prepared {
    pub(crate) fn new(sealing: &SealingKey, order: &ScanOrder, project: i64) -> Result<Self, SubmitError> {
        let secret = order.secret.as_ref().and_then(|secret| serde_json::to_vec(secret).ok());
        let reference = order.target.reference();
        let platform = order.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = order.target.source();
        let mut hash = Sha256::new();
        let parts = [b"scan".as_slice(), &project.to_le_bytes(), source.as_bytes(), platform.as_bytes()];
        for part in parts.into_iter().chain(secret.as_deref()) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
        let sealed = secret.map(|secret| sealing.seal(&secret)).transpose()?;
        Ok(Self { repository: order.target.repository(), reference, platform, source, key, sealed })
    }

    pub(crate) fn new_scan<'a>(
        &'a self,
        order: &'a ScanOrder,
        requester: Requester<'a>,
        max_attempts: u32,
    ) -> NewScan<'a> {
        NewScan {
            image: NewImage {
                project: requester.project,
                reference: &self.reference,
                registry: order.target.registry(),
                repository: &self.repository,
                tag: order.target.tag(),
                platform: &self.platform,
                source: requester.source,
                owner: Some(requester.name),
            },
            source: &self.source,
            class: requester.class,
            active_key: self.key,
            sealed: self.sealed.as_deref(),
            max_attempts,
            requested_by: requester.name,
            request_id: requester.request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_opens_no_paths() {
        for text in [
            "/etc/passwd",
            "dir:/",
            "oci-archive:/x.tar",
            "../x",
            "docker-archive:x",
            "oci:x",
            "",
            "s3://bucket",
            "s3:///key",
            "s3://bucket/",
            "s3://bucket/../other/key",
            "s3://host:80/key",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        let reference = Target::parse("alpine").unwrap().reference();
        assert_eq!(reference, "docker.io/library/alpine:latest");
        assert_eq!(Target::parse("s3://images/app.tar").unwrap().repository(), "s3://images");
    }
}
