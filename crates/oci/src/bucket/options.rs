//! Where buckets are, and who asks: from the environment or from a service's settings.

use std::fmt;

use egress::Url;

use super::error::BucketError;
use crate::registry::{authority, is_loopback};

/// The region that signatures name when none is given, which is also what servers without regions expect.
const DEFAULT_REGION: &str = "us-east-1";

/// How buckets are reached.
#[derive(Clone, Default)]
pub struct BucketOptions {
    /// The server. `None` means Amazon S3 in the region.
    pub endpoint: Option<Url>,
    /// The region; `us-east-1` when there is none.
    pub region: Option<String>,
    /// Who asks; `None` asks without a signature.
    pub credentials: Option<BucketCredentials>,
    /// Whether the bucket stands in the path or in the host name. `None`: in the path for an own endpoint.
    pub path_style: Option<bool>,
    /// Endpoints (`host[:port]`) that may be spoken to without TLS. Loopback may always.
    pub plain_http: Vec<String>,
}

/// An access key. Never printed.
#[derive(Clone)]
pub struct BucketCredentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
}

impl BucketCredentials {
    /// A key with its secret, and the token that temporary keys come with.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token,
        }
    }

    /// True when `text` repeats a part of the credentials.
    pub(super) fn occur_in(&self, text: &str) -> bool {
        [Some(&self.access_key_id), Some(&self.secret_access_key), self.session_token.as_ref()]
            .into_iter()
            .flatten()
            .any(|part| !part.is_empty() && text.contains(part.as_str()))
    }
}

impl fmt::Debug for BucketCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketCredentials(..)")
    }
}

impl BucketOptions {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, as the AWS SDKs and Tools Reference
    /// Guide describes them ("Environment variables"). Configuration files and metadata services are not read.
    ///
    /// # Errors
    /// [`BucketError::Config`] for half a key and an endpoint that is no URL.
    pub fn from_environment() -> Result<Self, BucketError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, BucketError> {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| read(name).map(|v| v.trim().to_owned()).filter(|value| !value.is_empty()))
        };
        let id = first(&["AWS_ACCESS_KEY_ID"]);
        let secret = first(&["AWS_SECRET_ACCESS_KEY"]);
        let credentials = match (id, secret) {
            (Some(id), Some(secret)) => {
                Some(BucketCredentials::new(id, secret, first(&["AWS_SESSION_TOKEN"])))
            }
            (None, None) => None,
            (Some(_), None) => return Err(config("AWS_SECRET_ACCESS_KEY", "is missing")),
            (None, Some(_)) => return Err(config("AWS_ACCESS_KEY_ID", "is missing")),
        };
        let endpoint = first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]).map(|text| Url::parse(&text));
        Ok(Self {
            endpoint: endpoint.transpose().map_err(|_| config("the endpoint", "is no URL"))?,
            region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
            credentials,
            path_style: None,
            plain_http: Vec::new(),
        })
    }
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOptions")
            // A URL may hold a password until it is refused for that.
            .field("endpoint", &self.endpoint.as_ref().map(authority))
            .field("region", &self.region)
            .field("credentials", &self.credentials)
            .field("path_style", &self.path_style)
            .field("plain_http", &self.plain_http)
            .finish()
    }
}

const fn config(what: &'static str, why: &'static str) -> BucketError {
    BucketError::Config { what, why }
}

/// Where requests go: the options, checked.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    base: Url,
    pub(super) region: String,
    path_style: bool,
}

impl Endpoint {
    pub(super) fn new(options: &BucketOptions) -> Result<Self, BucketError> {
        let region = options.region.as_deref().unwrap_or(DEFAULT_REGION);
        // It becomes a part of a host name and of the signature's scope.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if region.is_empty() || region.len() > 64 || !region.bytes().all(plain) {
            return Err(config("the region", "has other characters than letters, digits and hyphens"));
        }
        let base = match &options.endpoint {
            Some(url) => check_endpoint(url, &options.plain_http)?,
            None => {
                let zone = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                Url::parse(&format!("https://s3.{region}.{zone}/"))
                    .map_err(|_| config("the region", "makes no host name"))?
            }
        };
        let path_style = options.path_style.unwrap_or(options.endpoint.is_some());
        Ok(Self { base, region: region.to_owned(), path_style })
    }

    /// The server, for messages.
    pub(super) fn host(&self) -> String {
        authority(&self.base)
    }

    /// The URL of an object, or with an empty key of a bucket, with a query that is encoded already.
    pub(super) fn url(&self, bucket: &str, key: &str, query: Option<&str>) -> Result<Url, BucketError> {
        let error = || config("the endpoint", "makes no URL with this bucket");
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/');
        let key = super::sign::encode(key, true);
        // The certificate for *.s3.REGION covers one label only, and hosts have no upper case.
        let in_host =
            !self.path_style && !bucket.contains(|c: char| c == '.' || c == '_' || c.is_uppercase());
        if in_host {
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            url.set_host(Some(&host)).map_err(|_| error())?;
            url.set_path(&format!("{path}/{key}"));
        } else {
            url.set_path(&format!("{path}/{bucket}/{key}"));
        }
        url.set_query(query);
        Ok(url)
    }
}

fn check_endpoint(url: &Url, plain_http: &[String]) -> Result<Url, BucketError> {
    let refuse = |why| Err(config("the endpoint", why));
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("is no http or https URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("holds a query or a fragment");
    }
    let host = authority(url);
    let named = || plain_http.iter().any(|named| named.eq_ignore_ascii_case(&host));
    if url.scheme() == "http" && !is_loopback(&host) && !named() {
        return refuse("speaks plain HTTP, which must be allowed by its name");
    }
    Ok(url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<BucketOptions, BucketError> {
        BucketOptions::from_variables(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn reads_the_environment() {
        let options = read(&[
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "tok3n"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_REGION", ""),
            ("AWS_ENDPOINT_URL", "https://all.example"),
            ("AWS_ENDPOINT_URL_S3", "https://u:hunter2@s3.example"),
        ])
        .unwrap();
        assert_eq!(options.region.as_deref(), Some("eu-west-1"));
        assert_eq!(options.endpoint.as_ref().unwrap().host_str(), Some("s3.example"));
        let printed = format!("{options:?}");
        assert!(options.credentials.is_some() && !printed.contains("hunter2") && !printed.contains("tok3n"));
        assert!(read(&[]).unwrap().credentials.is_none());
        for half in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let error = read(&[(half, "hunter2")]).unwrap_err();
            assert_eq!(error.code(), "bucket-config");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(read(&[("AWS_ENDPOINT_URL", "no URL")]).unwrap_err().code(), "bucket-config");
    }

    fn check(endpoint: &str, path_style: Option<bool>, bucket: &str, expected: &str) {
        let options = BucketOptions {
            endpoint: (!endpoint.is_empty()).then(|| Url::parse(endpoint).unwrap()),
            region: Some("eu-west-1".into()),
            path_style,
            plain_http: vec!["minio.corp:9000".into()],
            ..BucketOptions::default()
        };
        let url = Endpoint::new(&options).and_then(|endpoint| endpoint.url(bucket, "a b//c", None));
        assert_eq!(url.map_or_else(|e| e.to_string(), Into::into), expected, "{endpoint}");
    }

    #[test]
    fn puts_the_bucket_where_it_belongs() {
        check("", None, "ship", "https://ship.s3.eu-west-1.amazonaws.com/a%20b//c");
        check("", None, "my.ship", "https://s3.eu-west-1.amazonaws.com/my.ship/a%20b//c");
        check("", None, "Ship", "https://s3.eu-west-1.amazonaws.com/Ship/a%20b//c");
        check("", Some(true), "ship", "https://s3.eu-west-1.amazonaws.com/ship/a%20b//c");
        check("https://s3.corp/base/", None, "ship", "https://s3.corp/base/ship/a%20b//c");
        check("https://s3.corp", Some(false), "ship", "https://ship.s3.corp/a%20b//c");
        check("http://127.0.0.1:9000", None, "ship", "http://127.0.0.1:9000/ship/a%20b//c");
        check("http://minio.corp:9000", None, "ship", "http://minio.corp:9000/ship/a%20b//c");
        let failed = |why| format!("failed to set up the access to buckets: the endpoint {why}");
        let plain = "speaks plain HTTP, which must be allowed by its name";
        check("http://minio.corp", None, "ship", &failed(plain));
        check("http://169.254.169.254", None, "ship", &failed(plain));
        check("https://u:p@s3.corp", None, "ship", &failed("holds a user name or a password"));
        check("https://s3.corp/?x", None, "ship", &failed("holds a query or a fragment"));
        check("ftp://s3.corp", None, "ship", &failed("is no http or https URL"));
    }

    #[test]
    fn refuses_a_region_that_would_change_the_host() {
        for region in ["", "a.b", "x/y", "eu@evil", &"r".repeat(65)] {
            let options = BucketOptions { region: Some(region.into()), ..BucketOptions::default() };
            assert_eq!(Endpoint::new(&options).unwrap_err().code(), "bucket-config", "{region}");
        }
    }
}
