//! One registry host: requests with authorization, and the manifest operations.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use egress::{
    Client, ClientConfig, EgressError, Method, Request, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use model::digest::{Algorithm, Digest};
use tokio::sync::OnceCell;

use crate::{
    error::OciError,
    media,
    registry::{
        auth::{Challenge, Tokens, Wanted, parse_challenge},
        credentials::CredentialSource,
        status::{Subject, sort},
    },
    verify::{digest_of, verify},
};

/// Hosts that are remembered; strangers may name as many as they like.
const HOSTS: usize = 4096;

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Proxy, certificate authorities, address policy, retries.
    pub client: ClientConfig,
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// Registries (`host[:port]`, as in image references) that may be spoken to without TLS. Loopback may
    /// always.
    pub plain_http: Vec<String>,
}

/// All registries, reached in one way: shares connections and tokens.
pub struct Registries {
    pub(crate) options: RegistryOptions,
    client: OnceLock<Client>,
    tokens: Tokens,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// What was learnt of one host.
#[derive(Default)]
struct Host {
    base: OnceCell<Url>,
    challenge: Mutex<Option<Challenge>>,
}

/// One registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Registries>,
    name: String,
    host: Arc<Host>,
}

/// A manifest as it came; its digest is computed, not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedManifest {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The content type of the answer.
    pub media_type: Option<String>,
    /// The digest of the bytes.
    pub digest: Digest,
}

/// What is to be done with a repository, or with a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
    /// The list of all repositories.
    Catalog,
}

impl Access {
    /// What a token must be good for (Docker Registry v2 authentication, "Token Scope Documentation").
    fn scope(self, repository: &str) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "pull,delete",
            Self::Catalog => return "registry:catalog:*".to_owned(),
        };
        format!("repository:{repository}:{actions}")
    }
}

impl Registries {
    /// Shares `options` among all registries. The HTTP client is built when it is first needed.
    pub fn new(options: RegistryOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            client: OnceLock::new(),
            tokens: Tokens::default(),
            hosts: Mutex::new(HashMap::new()),
        })
    }

    /// The registry called `name` in image references, for example `docker.io` or `127.0.0.1:5000`.
    pub fn registry(self: &Arc<Self>, name: &str) -> Registry {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS && !hosts.contains_key(name) {
            hosts.clear();
        }
        let host = Arc::clone(hosts.entry(name.to_owned()).or_default());
        Registry { shared: Arc::clone(self), name: name.to_owned(), host }
    }

    pub(crate) fn client(&self) -> Result<&Client, EgressError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::build(&self.options.client)?;
        Ok(self.client.get_or_init(|| client))
    }

    fn allows_plain_http(&self, host: &str) -> bool {
        is_loopback(host) || self.options.plain_http.iter().any(|named| named.eq_ignore_ascii_case(host))
    }
}

impl Registry {
    /// The name in image references.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a manifest by tag or digest, of at most `limit` bytes.
    pub async fn fetch_manifest(
        &self,
        repository: &str,
        id: &str,
        limit: u64,
    ) -> Result<FetchedManifest, OciError> {
        let image = self.image(repository, id);
        let subject = self.subject(&image, format!("fetch the manifest of {image}"));
        let path = format!("{repository}/manifests/{id}");
        let response = self
            .send(&subject, repository, Access::Pull, &|base| {
                let request = Request::get(subject.operation.clone(), endpoint(base, &path)?);
                Ok(request.header(ACCEPT, HeaderValue::from_static(media::ACCEPT)))
            })
            .await?;
        let media_type = response.header(CONTENT_TYPE.as_str()).map(str::to_owned);
        let claimed: Option<Digest> = response.header("docker-content-digest").and_then(|d| d.parse().ok());
        let bytes = response.read_to_limit(limit).await?.to_vec();
        let asked: Option<Digest> = id.parse().ok();
        let what = format!("manifest of {image}");
        for digest in [&asked, &claimed].into_iter().flatten() {
            verify(&bytes, digest, &what)?;
        }
        let digest = asked.unwrap_or_else(|| digest_of(Algorithm::Sha256, &bytes));
        Ok(FetchedManifest { bytes, media_type, digest })
    }

    /// The digest behind a tag, as the registry says it; `None` when the tag is not there, or when the registry
    /// does not say.
    pub async fn fetch_digest(&self, repository: &str, id: &str) -> Result<Option<Digest>, OciError> {
        let image = self.image(repository, id);
        let subject = self.subject(&image, format!("look for {image}"));
        let path = format!("{repository}/manifests/{id}");
        let answer = self
            .send(&subject, repository, Access::Pull, &|base| {
                let request = Request::new(subject.operation.clone(), Method::HEAD, endpoint(base, &path)?);
                Ok(request.header(ACCEPT, HeaderValue::from_static(media::ACCEPT)))
            })
            .await;
        match answer {
            Ok(response) => Ok(response.header("docker-content-digest").and_then(|d| d.parse().ok())),
            Err(OciError::ImageNotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A reference for messages.
    pub(crate) fn image(&self, repository: &str, id: &str) -> String {
        let separator = if id.contains(':') { '@' } else { ':' };
        format!("{}/{repository}{separator}{id}", self.name)
    }

    pub(crate) fn subject(&self, image: &str, operation: String) -> Subject {
        Subject { registry: self.name.clone(), image: image.to_owned(), operation, with_credentials: false }
    }

    /// Sends what `build` makes of the base URL, with authorization, and turns everything but success into
    /// an error.
    pub(crate) async fn send(
        &self,
        subject: &Subject,
        repository: &str,
        access: Access,
        build: &(dyn Fn(&Url) -> Result<Request, OciError> + Sync),
    ) -> Result<Response, OciError> {
        let (subject, response) = self.exchange(subject, repository, access, &[], build).await?;
        if response.status().is_success() { Ok(response) } else { Err(sort(response, &subject).await) }
    }

    /// Like [`Self::send`], with the answer whatever it is. `build` is called again after a challenge.
    pub(crate) async fn exchange(
        &self,
        subject: &Subject,
        repository: &str,
        access: Access,
        more_scopes: &[String],
        build: &(dyn Fn(&Url) -> Result<Request, OciError> + Sync),
    ) -> Result<(Subject, Response), OciError> {
        let client = self.shared.client()?;
        let base = self.base().await?;
        let credentials = self.shared.options.credentials.find(&self.name, repository).await?;
        let subject = Subject { with_credentials: credentials.is_some(), ..subject.clone() };
        let wanted = Wanted {
            subject: &subject,
            scope: access.scope(repository),
            more_scopes,
            credentials: credentials.as_ref(),
            plain_http: &|url| self.shared.allows_plain_http(&authority(url)),
        };
        let known = self.host.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at_hand = known.and_then(|challenge| self.shared.tokens.at_hand(&challenge, &wanted));
        let response = client.send(authorize(build(base)?, base, at_hand)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok((subject, response));
        }
        let Some(challenge) = parse_challenge(response.headers()) else {
            return Ok((subject, response));
        };
        if challenge == Challenge::Basic && credentials.is_none() {
            return Ok((subject, response));
        }
        drop(response);
        *self.host.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.clone());
        let authorization = self.shared.tokens.answer(client, &challenge, &wanted).await?;
        let response = client.send(authorize(build(base)?, base, Some(authorization))).await?;
        Ok((subject, response))
    }

    /// `https://host/`, or `http://host/` where that is allowed and the host does speak it.
    pub(crate) async fn base(&self) -> Result<&Url, OciError> {
        self.host.base.get_or_try_init(|| self.find_base()).await
    }

    async fn find_base(&self) -> Result<Url, OciError> {
        let host = if self.name == "docker.io" { "registry-1.docker.io" } else { self.name.as_str() };
        let parse = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/")).map_err(|_| {
                OciError::Network(EgressError::Url { operation: format!("reach the registry {host}") })
            })
        };
        if !self.shared.allows_plain_http(host) {
            return parse("https");
        }
        let plain = parse("http")?;
        let ping = Request::get(format!("reach the registry {host}"), endpoint(&plain, "")?);
        match self.shared.client()?.send(ping).await {
            // What servers with TLS say to plain HTTP: Go's 400 with a text, or no HTTP at all.
            Ok(response) if response.status() == StatusCode::BAD_REQUEST => {
                let text = response.read_start(1024).await;
                let wants_tls = String::from_utf8_lossy(&text).contains("HTTPS");
                parse(if wants_tls { "https" } else { "http" })
            }
            Err(EgressError::Transfer { .. }) => parse("https"),
            Ok(_) => Ok(plain),
            Err(e) => Err(e.into()),
        }
    }
}

/// `/v2/` and what follows. Repositories, tags and digests were parsed before, so the path is as it should be.
pub(crate) fn endpoint(base: &Url, path: &str) -> Result<Url, OciError> {
    base.join(&format!("/v2/{path}"))
        .map_err(|_| OciError::Network(EgressError::Url { operation: "build a registry URL".to_owned() }))
}

/// Credentials go to the registry itself only, also when it points elsewhere (upload locations, pages).
fn authorize(request: Request, base: &Url, authorization: Option<HeaderValue>) -> Request {
    match authorization {
        Some(value) if request.goes_to(base) => request.header(AUTHORIZATION, value),
        _ => request,
    }
}

/// Host and, where it is written, port.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// True for a host that can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    Url::parse(&format!("http://{host}/")).is_ok_and(|url| {
        let name = url.host_str().unwrap_or_default();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_loopback() {
        for yes in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "a.localhost"]
        {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "[::2]:1", ""]
        {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
