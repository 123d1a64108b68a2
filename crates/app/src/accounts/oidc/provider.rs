//! What is asked of the provider: its description, its keys, tokens for a code, and what it knows of somebody.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use egress::{Body, Client, Fetched, Method, Request, Url, header};
use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use store::Micros;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{OidcConfig, OidcError, shown};
use crate::{accounts::secret::Secret, clock::micros};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// Time for one exchange.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a description and keys are taken for granted.
const FRESH: Duration = Duration::from_secs(3600);
/// How soon the keys are asked for again when a token names an unknown one.
const AGAIN: Duration = Duration::from_secs(30);
/// Keys that are looked at.
const MAX_KEYS: usize = 50;

/// The provider's description of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    #[serde(deserialize_with = "address")]
    pub(super) authorization_endpoint: Url,
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
    #[serde(default, deserialize_with = "maybe_address")]
    userinfo_endpoint: Option<Url>,
    #[serde(deserialize_with = "address")]
    jwks_uri: Url,
    pub(super) id_token_signing_alg_values_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

fn address<'de, D: Deserializer<'de>>(value: D) -> Result<Url, D::Error> {
    maybe_address(value)?.ok_or_else(|| D::Error::custom("no address"))
}

fn maybe_address<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    text.map(|text| Url::parse(&text).map_err(D::Error::custom)).transpose()
}

/// What a code is exchanged for.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: String,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

/// An error answer (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Something that was fetched, and when.
type Cached<T> = Mutex<Option<(Arc<T>, Micros)>>;

/// A provider, with what is remembered of it.
pub(super) struct Provider {
    client: Client,
    metadata: Cached<Metadata>,
    keys: Cached<Vec<Jwk>>,
}

/// What is wanted of the token endpoint.
const REDEEM: &str = "redeem the code of a login";

impl Provider {
    pub(super) fn new(client: Client) -> Self {
        Self { client, metadata: Mutex::new(None), keys: Mutex::new(None) }
    }

    /// The provider's description.
    pub(super) async fn metadata(
        &self,
        config: &OidcConfig,
        now: Micros,
    ) -> Result<Arc<Metadata>, OidcError> {
        // Held while it is fetched: those who come meanwhile do not fetch it again.
        let mut cached = self.metadata.lock().await;
        if let Some((metadata, at)) = &*cached
            && now.saturating_sub(*at) < micros(FRESH)
        {
            return Ok(Arc::clone(metadata));
        }
        let url =
            format!("{}/.well-known/openid-configuration", config.issuer.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| OidcError::Answer("issuer is no address"))?;
        let what = "read the login provider's description";
        let metadata: Metadata = self.get(what, url, None).await?;
        if metadata.issuer != config.issuer_text() && metadata.issuer != config.issuer.as_str() {
            return Err(OidcError::Answer("description names another issuer"));
        }
        let endpoints = [
            Some(&metadata.authorization_endpoint),
            Some(&metadata.token_endpoint),
            Some(&metadata.jwks_uri),
            metadata.userinfo_endpoint.as_ref(),
        ];
        // Plain HTTP only where the administrator chose it for the provider as a whole.
        let schemes = if config.issuer.scheme() == "http" { &["http", "https"][..] } else { &["https"] };
        if endpoints.into_iter().flatten().any(|url| !schemes.contains(&url.scheme())) {
            return Err(OidcError::Answer("description names an address without TLS"));
        }
        let metadata = Arc::new(metadata);
        *cached = Some((Arc::clone(&metadata), now));
        Ok(metadata)
    }

    /// The provider's keys; asked for anew when none of them has that id.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        id: Option<&str>,
        now: Micros,
    ) -> Result<Arc<Vec<Jwk>>, OidcError> {
        let mut cached = self.keys.lock().await;
        if let Some((keys, at)) = &*cached {
            let known = id.is_none_or(|id| keys.iter().any(|key| key.common.key_id.as_deref() == Some(id)));
            let fresh = if known { FRESH } else { AGAIN };
            if now.saturating_sub(*at) < micros(fresh) {
                return Ok(Arc::clone(keys));
            }
        }
        let what = "read the login provider's keys";
        let all: Keys = self.get(what, metadata.jwks_uri.clone(), None).await?;
        // A key of a kind that is not known is none that is used here.
        let keys: Vec<Jwk> =
            all.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value(key).ok()).collect();
        let keys = Arc::new(keys);
        *cached = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    /// Tokens for a code.
    pub(super) async fn redeem(
        &self,
        config: &OidcConfig,
        metadata: &Metadata,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<Tokens, OidcError> {
        let request = Self::redeeming(config, metadata, code, verifier)?;
        self.exchange(REDEEM, request).await
    }

    /// The request for tokens. Apart, because the form that is filled in for it may not cross threads.
    fn redeeming(
        config: &OidcConfig,
        metadata: &Metadata,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<Request, OidcError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.reveal())
            .append_pair("redirect_uri", config.redirect_url.as_str())
            .append_pair("code_verifier", verifier.reveal());
        let mut request = Request::new(REDEEM, Method::POST, metadata.token_endpoint.clone());
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        // Discovery: what is left out means client_secret_basic.
        let basic =
            methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        match &config.client_secret {
            Some(secret) if basic => {
                // RFC 6749, section 2.3.1: both are form-encoded first.
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(&config.client_id), encode(secret.reveal()));
                let value = format!("Basic {}", STANDARD.encode(pair));
                let mut value = header::HeaderValue::try_from(value)
                    .map_err(|_| OidcError::Answer("client secret cannot be sent"))?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
            Some(secret) => {
                form.append_pair("client_id", &config.client_id)
                    .append_pair("client_secret", secret.reveal());
            }
            None => {
                form.append_pair("client_id", &config.client_id);
            }
        }
        let form_type = header::HeaderValue::from_static("application/x-www-form-urlencoded");
        Ok(request.header(header::CONTENT_TYPE, form_type).body(Body::Bytes(form.finish().into())))
    }

    /// What the provider knows of whom an access token belongs to; `None` when it does not tell.
    pub(super) async fn user_info(
        &self,
        metadata: &Metadata,
        access_token: &str,
    ) -> Result<Option<Map<String, Value>>, OidcError> {
        let Some(url) = metadata.userinfo_endpoint.clone() else { return Ok(None) };
        self.get("read what the login provider knows of a user", url, Some(access_token)).await.map(Some)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        url: Url,
        bearer: Option<&str>,
    ) -> Result<T, OidcError> {
        let mut request = Request::get(what, url);
        if let Some(bearer) = bearer {
            let mut value = header::HeaderValue::try_from(format!("Bearer {bearer}"))
                .map_err(|_| OidcError::Answer("access token cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        self.exchange(what, request).await
    }

    async fn exchange<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        request: Request,
    ) -> Result<T, OidcError> {
        let request = request
            .header(header::ACCEPT, header::HeaderValue::from_static("application/json"))
            .timeout(TIMEOUT);
        let Fetched { status, body, .. } = self.client.fetch(request, MAX_ANSWER).await?;
        if !status.is_success() {
            let said = serde_json::from_slice::<Refusal>(&body).map(|refusal| shown(&refusal.error));
            let status = said
                .map_or_else(|_| status.as_str().to_owned(), |said| format!("{} {said}", status.as_str()));
            return Err(OidcError::Status { what, status });
        }
        serde_json::from_slice(&body)
            .map_err(|_| OidcError::Answer("answer is not of the form that the specification says"))
    }
}
