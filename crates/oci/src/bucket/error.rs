//! Why a bucket or an object could not be read. No error holds a credential or a query.

use egress::EgressError;

/// What can go wrong between an `s3://` address and the bytes of the object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The address names no object.
    #[error("{spec:?} names no object of a bucket: {why}")]
    Address {
        /// What was given.
        spec: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting that cannot be used.
    #[error("failed to set up the access to buckets: {what} {why}")]
    Config {
        /// The setting.
        what: &'static str,
        /// What is wrong with it, without its value.
        why: &'static str,
    },
    /// An object was named where no access to buckets was set up.
    #[error("{object} is in a bucket, and no access to buckets was set up")]
    NotSetUp {
        /// The object asked for.
        object: String,
    },
    /// No such bucket or object.
    #[error("{object} was not found: {why}")]
    NotFound {
        /// The object or bucket asked for.
        object: String,
        /// What the server said.
        why: String,
    },
    /// The server wants credentials, or refuses the ones it got.
    #[error("{host} did not give access to {object}: {why}")]
    Unauthorized {
        /// The server.
        host: String,
        /// The object or bucket asked for.
        object: String,
        /// What the server said.
        why: String,
        /// Whether the request was signed.
        with_credentials: bool,
    },
    /// The bucket is elsewhere.
    #[error("the bucket {bucket} is in the region {region}")]
    Region {
        /// The bucket.
        bucket: String,
        /// Where it is, as the server says.
        region: String,
    },
    /// The object was replaced between two requests.
    #[error("{object} was changed while it was being read")]
    Changed {
        /// The object.
        object: String,
    },
    /// The server answers, but not with what was asked for.
    #[error("failed to {operation}: {host} answered {status}: {why}")]
    Answer {
        /// What was being done.
        operation: String,
        /// The server.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the server said, shortened, or what is wrong with its answer.
        why: String,
    },
    /// The server cannot be reached.
    #[error("no answer from the bucket's server")]
    Network(#[source] EgressError),
}

impl BucketError {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "reference-invalid",
            Self::Config { .. } => "bucket-config",
            Self::NotSetUp { .. } => "network-disabled",
            Self::NotFound { .. } => "object-not-found",
            Self::Unauthorized { .. } => "bucket-unauthorized",
            Self::Region { .. } => "bucket-region",
            Self::Changed { .. } => "object-changed",
            Self::Answer { status, .. } if is_passing(*status) => "bucket-unavailable",
            Self::Answer { .. } => "bucket-answer",
            Self::Network(EgressError::AddressRefused { .. }) => "address-refused",
            Self::Network(EgressError::TooLarge { .. }) => "too-large",
            Self::Network(EgressError::Config { .. }) => "http-client-config",
            Self::Network(_) => "bucket-unavailable",
        }
    }

    /// What to do next, as one or two sentences.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Address { .. } => "Give s3://BUCKET/KEY, or s3://BUCKET/KEY#NAME for one image of several.",
            Self::Config { .. } => "Correct the setting that the message names.",
            Self::NotSetUp { .. } => "Fetch the archive to a file, or set up access to buckets.",
            Self::NotFound { .. } => {
                "Check the spelling of the bucket and the key, and the endpoint (AWS_ENDPOINT_URL_S3)."
            }
            Self::Unauthorized { with_credentials: false, .. } => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), and check the key: without the right to list, servers answer like this for what does not exist."
            }
            Self::Unauthorized { .. } => {
                "Check the access key, its secret, the region, this machine's clock, and the right to get this object and to list its bucket."
            }
            Self::Region { .. } => "Set AWS_REGION to that region.",
            Self::Changed { .. } => "Start again when nothing writes to this key.",
            Self::Answer { status, .. } if is_passing(*status) => "Try again later.",
            Self::Answer { .. } => "Check the endpoint and the region; the server's own log tells more.",
            Self::Network(EgressError::AddressRefused { .. }) => {
                "An administrator can list this host or address range as allowed."
            }
            Self::Network(EgressError::Tls { .. }) => {
                "Give the server's certificate authority; an endpoint with plain HTTP must be named as such."
            }
            Self::Network(EgressError::Resolve { .. }) => {
                "Check the endpoint, the region, the DNS settings and the proxy."
            }
            Self::Network(EgressError::TooLarge { .. }) => {
                "Such content is refused to keep memory and time bounded."
            }
            Self::Network(EgressError::Redirect { .. }) => {
                "Name the endpoint or the region that the bucket is in: a signed request is not sent elsewhere."
            }
            Self::Network(EgressError::Config { .. }) => "Correct the setting that the message names.",
            Self::Network(_) => {
                "Check that the server is up and can be reached from here, and the proxy settings."
            }
        }
    }

    /// True when the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Network(error) => error.is_transient(),
            Self::Answer { status, .. } => is_passing(*status),
            Self::Changed { .. } => true,
            _ => false,
        }
    }
}

/// Too many requests, or a failure of the server.
const fn is_passing(status: u16) -> bool {
    status == 429 || status >= 500
}

impl From<EgressError> for BucketError {
    fn from(error: EgressError) -> Self {
        Self::Network(error)
    }
}
