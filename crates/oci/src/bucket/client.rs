//! The client of all buckets: signed GET requests, none of which is redirected.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use egress::{
    Client, ClientConfig, EgressError, Request,
    header::{HeaderName, HeaderValue},
};
use jiff::Timestamp;

use super::{
    error::BucketError,
    options::{BucketCredentials, BucketOptions, Endpoint},
    sign::sign,
};

/// All buckets of one server, reached in one way: shares connections.
pub struct Buckets {
    config: ClientConfig,
    client: OnceLock<Client>,
    endpoint: Endpoint,
    credentials: Option<BucketCredentials>,
}

/// What is being done, for messages.
pub(super) struct Subject<'a> {
    pub(super) buckets: &'a Buckets,
    pub(super) bucket: &'a str,
    /// The object or bucket, as `s3://...`.
    pub(super) object: String,
    /// Completes "failed to ...".
    pub(super) operation: String,
}

impl Buckets {
    /// Checks `options`, and shares them. `client` gives proxy, authorities, address policy and retries; the
    /// HTTP client is built when it is first needed.
    ///
    /// # Errors
    /// [`BucketError::Config`] for an endpoint or region that cannot be used.
    pub fn new(options: &BucketOptions, client: ClientConfig) -> Result<Arc<Self>, BucketError> {
        Ok(Arc::new(Self {
            // A signature is for one host; and a token must not reach another.
            config: ClientConfig { max_redirects: 0, ..client },
            client: OnceLock::new(),
            endpoint: Endpoint::new(options)?,
            credentials: options.credentials.clone(),
        }))
    }

    pub(super) fn client(&self) -> Result<&Client, EgressError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::build(&self.config)?;
        Ok(self.client.get_or_init(|| client))
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) const fn credentials(&self) -> Option<&BucketCredentials> {
        self.credentials.as_ref()
    }

    /// The pause before a broken transfer is taken up again for the `n`th time.
    pub(super) fn pause(&self, n: u32) -> std::time::Duration {
        self.config.retry.first_pause.saturating_mul(1 << n.min(10))
    }

    /// A GET of an object (or with an empty key of the bucket), signed where there are credentials.
    pub(super) fn request(
        &self,
        subject: &Subject<'_>,
        key: &str,
        query: Option<&str>,
        headers: &[(&'static str, String)],
    ) -> Result<Request, BucketError> {
        let url = self.endpoint.url(subject.bucket, key, query)?;
        let mut request = Request::get(subject.operation.clone(), url.clone());
        for (name, value) in headers {
            let why = "makes no request with what it answered before";
            let value = HeaderValue::from_str(value)
                .map_err(|_| BucketError::Config { what: "the endpoint", why })?;
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(credentials) = &self.credentials {
            for (name, value) in sign(credentials, &self.endpoint.region, Timestamp::now(), &url, headers)? {
                request = request.header(name, value);
            }
        }
        Ok(request)
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets")
            .field("host", &self.endpoint.host())
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
