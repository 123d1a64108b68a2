//! Why an image could not be opened or read, with a stable code, a reason for services and a hint for people.

use std::{io, path::PathBuf, time::Duration};

use egress::EgressError;
use model::{digest::Digest, platform::Platform, reference::ReferenceError};

use crate::bucket::BucketError;

/// What can go wrong between the name of an image and the last byte of its layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// Neither a path, a source prefix nor an image reference.
    #[error("{spec:?} names no image")]
    Reference {
        /// What was given.
        spec: String,
        /// What is wrong with it.
        #[source]
        cause: ReferenceError,
    },
    /// No such file or directory.
    #[error("failed to open {}: no such file or directory", path.display())]
    PathNotFound {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory that cannot be read.
    #[error("failed to {operation} {}", path.display())]
    Path {
        /// What was being done.
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Something else than a container image.
    #[error("{what} is not a container image: {why}")]
    NotAnImage {
        /// What was looked at.
        what: String,
        /// What it is instead.
        why: String,
    },
    /// An image of a kind that this version does not read.
    #[error("{what} is of an unsupported type: {why}")]
    Unsupported {
        /// What was looked at.
        what: String,
        /// Which type.
        why: String,
    },
    /// The repository, tag, digest or name is not there.
    #[error("{image} was not found: {why}")]
    ImageNotFound {
        /// The image asked for.
        image: String,
        /// Who said so.
        why: String,
    },
    /// Several images where one must be named.
    #[error("{what} holds several images: {}", available.join(", "))]
    Ambiguous {
        /// The layout or archive.
        what: String,
        /// The names in it.
        available: Vec<String>,
    },
    /// The image is not made for the platform asked for.
    #[error("{image} is not available for {wanted}; it is for {}", available.join(", "))]
    PlatformNotFound {
        /// The image asked for.
        image: String,
        /// The platform asked for.
        wanted: Platform,
        /// The platforms that are there.
        available: Vec<String>,
    },
    /// A manifest, index or configuration that contradicts its specification.
    #[error("{what} is invalid: {why}")]
    Invalid {
        /// The document.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// An archive that cannot be read as one.
    #[error("archive {} is invalid: {why}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A blob that is named but not there.
    #[error("{what} is named but missing")]
    BlobMissing {
        /// The blob.
        what: String,
    },
    /// Content that is not what its digest says.
    #[error("{what} has digest {actual} instead of {expected}")]
    DigestMismatch {
        /// The blob.
        what: String,
        /// The digest by which it was asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// Content of another length than its descriptor says.
    #[error("{what} has {actual} bytes instead of {expected}")]
    SizeMismatch {
        /// The blob.
        what: String,
        /// Bytes announced.
        expected: u64,
        /// Bytes that came; when more came than announced, one more than expected.
        actual: u64,
    },
    /// A limit was met.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The registry wants credentials, or refuses the ones it got.
    #[error("{registry} did not accept {image}: {why}")]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// The image asked for.
        image: String,
        /// What the registry said.
        why: String,
        /// Whether credentials were sent.
        with_credentials: bool,
    },
    /// The credentials are known but do not suffice.
    #[error("{registry} denies access to {image}: {why}")]
    Forbidden {
        /// The registry's host.
        registry: String,
        /// The image asked for.
        image: String,
        /// What the registry said.
        why: String,
    },
    /// Too many requests.
    #[error("{registry} limits the rate of requests")]
    RateLimited {
        /// The registry's host.
        registry: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The registry answers, but not with what was asked for.
    #[error("failed to {operation}: {registry} answered {status}: {why}")]
    RegistryAnswer {
        /// What was being done.
        operation: String,
        /// The registry's host.
        registry: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said, shortened.
        why: String,
    },
    /// The registry cannot be reached.
    #[error("no answer from the registry")]
    Network(#[source] EgressError),
    /// Something of a bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A container engine of this machine that does not give the image.
    #[error("{engine} did not give the image: {what}")]
    Daemon {
        /// Which engine.
        engine: &'static str,
        /// What is wrong.
        what: String,
        /// What the connection said.
        #[source]
        cause: Option<EgressError>,
    },
    /// Credentials are configured but cannot be used.
    #[error("failed to get credentials for {registry}: {why}")]
    Credentials {
        /// The registry's host.
        registry: String,
        /// What is wrong, without any secret.
        why: String,
    },
    /// The program is ending.
    #[error("failed to {operation}: the program is shutting down")]
    Interrupted {
        /// What was being done.
        operation: String,
    },
    /// A registry was named where only files are read.
    #[error("{image} is in a registry, and no network access was set up")]
    NoNetwork {
        /// The image asked for.
        image: String,
    },
}

impl OciError {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Reference { .. } => "reference-invalid",
            Self::PathNotFound { .. } => "path-not-found",
            Self::Path { .. } => "path-unreadable",
            Self::NotAnImage { .. } => "not-an-image",
            Self::Unsupported { .. } => "unsupported-image-type",
            Self::ImageNotFound { .. } => "image-not-found",
            Self::Ambiguous { .. } => "image-ambiguous",
            Self::PlatformNotFound { .. } => "platform-not-found",
            Self::Invalid { .. } => "manifest-invalid",
            Self::Archive { .. } => "archive-invalid",
            Self::BlobMissing { .. } => "blob-missing",
            Self::DigestMismatch { .. } => "digest-mismatch",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::TooLarge { .. } => "too-large",
            Self::Unauthorized { .. } => "registry-unauthorized",
            Self::Forbidden { .. } => "registry-forbidden",
            Self::RateLimited { .. } => "registry-rate-limited",
            Self::RegistryAnswer { status, .. } if *status >= 500 => "registry-unavailable",
            Self::RegistryAnswer { .. } => "registry-answer",
            Self::Network(EgressError::AddressRefused { .. }) => "address-refused",
            Self::Network(EgressError::TooLarge { .. }) => "too-large",
            Self::Network(EgressError::Config { .. }) => "http-client-config",
            Self::Network(_) => "registry-unavailable",
            Self::Bucket(error) => error.code(),
            Self::Daemon { .. } => "daemon-unavailable",
            Self::Credentials { .. } => "credentials-unusable",
            Self::Interrupted { .. } => "interrupted",
            Self::NoNetwork { .. } => "network-disabled",
        }
    }

    /// The reason of a failed scan, in the words of the scan status.
    pub fn failure_reason(&self) -> &'static str {
        match self.code() {
            "not-an-image" | "unsupported-image-type" => "unsupported_image_type",
            "image-not-found" | "object-not-found" | "path-not-found" | "platform-not-found"
            | "image-ambiguous" | "blob-missing" | "reference-invalid" => "image_not_found",
            "registry-unauthorized"
            | "registry-forbidden"
            | "bucket-unauthorized"
            | "credentials-unusable" => "registry_unauthorized",
            "registry-unavailable"
            | "registry-rate-limited"
            | "registry-answer"
            | "bucket-unavailable"
            | "bucket-answer"
            | "bucket-region"
            | "daemon-unavailable"
            | "address-refused"
            | "network-disabled" => "registry_unavailable",
            "too-large" => "too_large",
            "path-unreadable" | "http-client-config" | "bucket-config" | "interrupted" => "internal",
            _ => "scanner_error",
        }
    }

    /// What to do next, as one or two sentences.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Reference { .. } => {
                "Give [registry/]repository[:tag][@digest], or a path, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, docker:IMAGE, podman:IMAGE, dir:PATH or s3://BUCKET/KEY."
            }
            Self::PathNotFound { .. } => "Check the path; a relative path starts at the current directory.",
            Self::Path { .. } => "Check the permissions of the path.",
            Self::NotAnImage { .. } => {
                "Name a container image, an OCI layout or an archive of one; a root file system is named dir:PATH (unpack it if it is in an archive), an image of a registry docker://REFERENCE."
            }
            Self::Unsupported { .. } => {
                "Push or save the image again with a current tool, as an OCI or Docker schema 2 image."
            }
            Self::ImageNotFound { .. } => {
                "Check the spelling of the repository and the tag; some registries also answer like this when a login is missing."
            }
            Self::Ambiguous { .. } => {
                "Choose one by its name: oci:DIR:NAME, oci-archive:FILE:NAME, docker-archive:FILE:NAME or s3://BUCKET/KEY#NAME."
            }
            Self::PlatformNotFound { .. } => "Choose one of the listed platforms with --platform.",
            Self::Invalid { .. } | Self::SizeMismatch { .. } | Self::DigestMismatch { .. } => {
                "The content is damaged or was tampered with: fetch or push the image again, and check what stands between."
            }
            Self::Archive { .. } => "The file is damaged or incomplete: save the image again.",
            Self::BlobMissing { .. } => "The image is incomplete: push or save it again.",
            Self::TooLarge { .. } | Self::Network(EgressError::TooLarge { .. }) => {
                "Such content is refused to keep memory and time bounded; check that the image is meant to be this large."
            }
            Self::Unauthorized { with_credentials: false, .. } => {
                "Check the name, since some registries answer like this for what does not exist; else log in (docker login, podman login or skopeo login), or give a user name and password."
            }
            Self::Unauthorized { .. } => "Check the user name and the password or token for this registry.",
            Self::Forbidden { .. } => "Ask for the right to pull from this repository.",
            Self::RateLimited { .. } => "Wait, or log in: known users are granted more requests.",
            Self::RegistryAnswer { .. } => "Try again later; the registry's own log tells more.",
            Self::Network(EgressError::AddressRefused { .. }) => {
                "An administrator can list this host or address range as allowed."
            }
            Self::Network(EgressError::Tls { .. }) => {
                "Give the registry's certificate authority; plain HTTP must be named for each registry."
            }
            Self::Network(EgressError::Resolve { .. }) => {
                "Check the registry's name, the DNS settings and the proxy."
            }
            Self::Network(EgressError::Config { .. }) => "Correct the setting that the message names.",
            Self::Network(_) => {
                "Check that the registry is up and can be reached from here, and the proxy settings."
            }
            Self::Bucket(error) => error.hint(),
            Self::Daemon { .. } => {
                "Check that the engine runs, that its socket may be used, and DOCKER_HOST or CONTAINER_HOST; or save the image to a file and name that."
            }
            Self::Credentials { .. } => {
                "Check the Docker or Podman configuration file and its credential helper, or log in again."
            }
            Self::Interrupted { .. } => "Start the command again.",
            Self::NoNetwork { .. } => "Save the image to a file, or allow network access.",
        }
    }

    /// True when the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Network(error) => error.is_transient(),
            Self::Bucket(error) => error.is_transient(),
            Self::RateLimited { .. } => true,
            Self::RegistryAnswer { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// The error of this crate inside an I/O error, which is how readers of layers report it.
    pub fn in_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref::<Self>()
    }

    /// Turns an I/O error of a layer reader back into the error that it carries, if any.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast::<Self>()
    }
}

impl From<OciError> for io::Error {
    fn from(error: OciError) -> Self {
        let kind = match &error {
            OciError::Network(EgressError::Timeout { .. })
            | OciError::Bucket(BucketError::Network(EgressError::Timeout { .. })) => io::ErrorKind::TimedOut,
            OciError::Network(_)
            | OciError::RegistryAnswer { .. }
            | OciError::Bucket(BucketError::Network(_) | BucketError::Answer { .. }) => {
                io::ErrorKind::ConnectionAborted
            }
            OciError::BlobMissing { .. } | OciError::PathNotFound { .. } => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
