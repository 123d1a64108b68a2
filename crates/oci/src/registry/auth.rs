//! Answering a registry's challenge: Basic (RFC 7617) or a bearer token from the token service that the
//! challenge names (distribution project, spec/auth/token.md and oauth.md).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use egress::{
    Body, Client, Method, Request, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use crate::{
    error::OciError,
    manifest::{null_as_default, shorten},
    registry::{credentials::Credentials, status::Subject},
};

/// Largest answer of a token service.
const TOKEN_BYTES: u64 = 1 << 20;
/// Lifetime of a token that names none (token.md).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// A token is not used in its last seconds: the request with it takes time, too.
const MARGIN: Duration = Duration::from_secs(10);
/// Longest that a token is kept, whatever it says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3600);
/// Tokens kept; expired ones are dropped when there are more.
const TOKENS: usize = 1024;

/// How a registry wants to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String>, scope: Option<String> },
}

/// The challenge of a 401 answer; a bearer challenge is preferred.
pub(crate) fn parse_challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Some(challenges) = value.to_str().ok().and_then(|v| http_auth::parse_challenges(v).ok()) else {
            continue;
        };
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
            if !challenge.scheme.eq_ignore_ascii_case("bearer") {
                continue;
            }
            let parameter = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped()).filter(|value| !value.is_empty())
            };
            if let Some(realm) = parameter("realm").and_then(|realm| Url::parse(&realm).ok()) {
                return Some(Challenge::Bearer {
                    realm,
                    service: parameter("service"),
                    scope: parameter("scope"),
                });
            }
        }
    }
    basic
}

/// Tokens that were granted: one for each registry, service, scope and credential, so that nobody ever acts
/// with a token that another's credential earned.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Key, Token>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    registry: String,
    realm: String,
    service: Option<String>,
    scopes: Vec<String>,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
struct Token {
    authorization: HeaderValue,
    expires: Instant,
}

/// A wish for authorization.
pub(crate) struct Wanted<'a> {
    pub(crate) subject: &'a Subject,
    /// `repository:<name>:<actions>`.
    pub(crate) scope: String,
    /// Scopes beside the one that the challenge names (for mounting from another repository).
    pub(crate) more_scopes: &'a [String],
    pub(crate) credentials: Option<&'a Credentials>,
    /// Whether a realm may be asked without TLS.
    pub(crate) plain_http: &'a (dyn Fn(&Url) -> bool + Sync),
}

impl Wanted<'_> {
    fn unauthorized(&self, why: String) -> OciError {
        OciError::Unauthorized {
            registry: self.subject.registry.clone(),
            image: self.subject.image.clone(),
            why,
            with_credentials: self.credentials.is_some(),
        }
    }

    fn key(&self, realm: &Url, service: Option<&String>, scope: Option<&String>) -> Key {
        let mut scopes = vec![scope.unwrap_or(&self.scope).clone()];
        scopes.extend_from_slice(self.more_scopes);
        Key {
            registry: self.subject.registry.clone(),
            realm: realm.to_string(),
            service: service.cloned(),
            scopes,
            credentials: self.credentials.cloned(),
        }
    }
}

impl Tokens {
    /// The `Authorization` header for a known challenge, from what is at hand. The scope of an earlier
    /// challenge is that of another request and does not count.
    pub(crate) fn at_hand(&self, challenge: &Challenge, wanted: &Wanted<'_>) -> Option<HeaderValue> {
        match challenge {
            Challenge::Basic => wanted.credentials.and_then(basic),
            Challenge::Bearer { realm, service, .. } => {
                let key = wanted.key(realm, service.as_ref(), None);
                let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let token = tokens.get(&key).filter(|t| t.expires > Instant::now())?;
                Some(token.authorization.clone())
            }
        }
    }

    /// The `Authorization` header that answers a challenge just received.
    pub(crate) async fn answer(
        &self,
        client: &Client,
        challenge: &Challenge,
        wanted: &Wanted<'_>,
    ) -> Result<HeaderValue, OciError> {
        let (realm, service, scope) = match challenge {
            Challenge::Basic => {
                return wanted
                    .credentials
                    .and_then(basic)
                    .ok_or_else(|| wanted.unauthorized("it asks for a user name and password".to_owned()));
            }
            Challenge::Bearer { realm, service, scope } => (realm, service, scope),
        };
        if realm.scheme() != "https" && !(wanted.plain_http)(realm) {
            return Err(wanted.unauthorized("it names a token service without TLS".to_owned()));
        }
        let asked = wanted.key(realm, service.as_ref(), scope.as_ref());
        let granted = fetch(client, realm, &asked, wanted).await?;
        let token = granted.token(wanted)?;
        let authorization = token.authorization.clone();
        // Kept under our own scope: that is what the next request knows before it is challenged.
        let key = wanted.key(realm, service.as_ref(), None);
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS {
            let now = Instant::now();
            tokens.retain(|_, token| token.expires > now);
        }
        if tokens.len() < TOKENS {
            tokens.insert(key, token);
        }
        Ok(authorization)
    }
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default, deserialize_with = "null_as_default")]
    token: String,
    #[serde(default, deserialize_with = "null_as_default")]
    access_token: String,
    #[serde(default, deserialize_with = "null_as_default")]
    expires_in: u64,
}

impl Granted {
    fn token(self, wanted: &Wanted<'_>) -> Result<Token, OciError> {
        let value = if self.token.is_empty() { self.access_token } else { self.token };
        let header = (!value.is_empty()).then(|| sensitive(&format!("Bearer {value}"))).flatten();
        let authorization =
            header.ok_or_else(|| wanted.unauthorized("its token service gave no token".to_owned()))?;
        let lifetime = match self.expires_in {
            0 => DEFAULT_LIFETIME,
            seconds => Duration::from_secs(seconds).min(LONGEST_LIFETIME),
        };
        Ok(Token { authorization, expires: Instant::now() + lifetime.saturating_sub(MARGIN) })
    }
}

async fn fetch(client: &Client, realm: &Url, asked: &Key, wanted: &Wanted<'_>) -> Result<Granted, OciError> {
    let operation = format!("get a token for {}", wanted.subject.image);
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    if let Some(service) = &asked.service {
        pairs.push(("service", service));
    }
    pairs.extend(asked.scopes.iter().map(|scope| ("scope", scope.as_str())));
    let request = match wanted.credentials {
        Some(Credentials::IdentityToken(token)) => {
            // oauth.md knows one scope parameter, its values separated by spaces.
            let scopes = asked.scopes.join(" ");
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token").append_pair("client_id", "lazaret");
            form.append_pair("scope", &scopes).append_pair("refresh_token", token);
            if let Some(service) = &asked.service {
                form.append_pair("service", service);
            }
            Request::new(operation, Method::POST, realm.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                .body(Body::Bytes(form.finish().into_bytes().into()))
        }
        credentials => {
            let mut url = realm.clone();
            url.query_pairs_mut().extend_pairs(pairs);
            let mut request = Request::get(operation, url);
            if let Some(value) = credentials.and_then(basic) {
                request = request.header(egress::header::AUTHORIZATION, value);
            }
            request
        }
    };
    let answer = client.fetch(request, TOKEN_BYTES).await?;
    match answer.status {
        StatusCode::OK | StatusCode::CREATED => serde_json::from_slice(&answer.body)
            .map_err(|_| wanted.unauthorized("its token service gave no valid answer".to_owned())),
        StatusCode::BAD_REQUEST
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND => {
            Err(wanted.unauthorized(format!("its token service answered {}", answer.status)))
        }
        StatusCode::TOO_MANY_REQUESTS => Err(OciError::RateLimited {
            registry: wanted.subject.registry.clone(),
            retry_after: egress::retry_after(&answer.headers),
        }),
        status => Err(OciError::RegistryAnswer {
            operation: format!("get a token for {}", wanted.subject.image),
            registry: wanted.subject.registry.clone(),
            status: status.as_u16(),
            why: shorten("from its token service"),
        }),
    }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    match credentials {
        Credentials::Basic { username, password } => {
            sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
        }
        Credentials::IdentityToken(_) => None,
    }
}

/// A header value that the HTTP library neither prints nor indexes.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<&Challenge>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        assert_eq!(parse_challenge(&headers).as_ref(), expected, "{values:?}");
    }

    #[test]
    fn nobody_acts_with_a_token_of_another() {
        let subject = |registry: &str| Subject {
            registry: registry.into(),
            image: "a".into(),
            operation: "test".into(),
            with_credentials: true,
        };
        let (here, there) = (subject("r.io"), subject("s.io"));
        let (ann, bob) = (Credentials::basic("ann", "1"), Credentials::basic("bob", "1"));
        let wanted = |subject, scope: &str, credentials| Wanted {
            subject,
            scope: scope.into(),
            more_scopes: &[],
            credentials,
            plain_http: &|_| false,
        };
        let realm = Url::parse("https://auth.io/token").unwrap();
        let challenge = Challenge::Bearer { realm: realm.clone(), service: None, scope: None };
        let tokens = Tokens::default();
        let store = |expires| {
            let token = Token { authorization: HeaderValue::from_static("Bearer t"), expires };
            let key = wanted(&here, "pull", Some(&ann)).key(&realm, None, None);
            tokens.0.lock().unwrap().insert(key, token);
        };
        let now = Instant::now();
        store(now + Duration::from_secs(60));
        for (subject, scope, credentials, expected) in [
            (&here, "pull", Some(&ann), true),
            (&here, "pull", Some(&bob), false),
            (&here, "pull", None, false),
            (&here, "push", Some(&ann), false),
            (&there, "pull", Some(&ann), false),
        ] {
            let found = tokens.at_hand(&challenge, &wanted(subject, scope, credentials)).is_some();
            assert_eq!(found, expected, "{} {scope} {:?}", subject.registry, credentials.is_some());
        }
        store(now);
        assert!(tokens.at_hand(&challenge, &wanted(&here, "pull", Some(&ann))).is_none());
    }

    #[test]
    fn reads_challenges() {
        let bearer = |service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: Url::parse("https://auth.io/token").unwrap(),
                service: service.map(Into::into),
                scope: scope.map(Into::into),
            })
        };
        check(&[r#"Basic realm="x""#], Some(&Challenge::Basic));
        check(
            &[r#"Bearer realm="https://auth.io/token",service="r.io",scope="repository:a/b:pull,push""#],
            bearer(Some("r.io"), Some("repository:a/b:pull,push")).as_ref(),
        );
        check(&[r#"bearer realm="https://auth.io/token""#], bearer(None, None).as_ref());
        check(
            &[r#"Basic realm="x""#, r#"Bearer realm="https://auth.io/token""#],
            bearer(None, None).as_ref(),
        );
        check(
            &[r#"Basic realm="x", Bearer realm="https://auth.io/token", service="s""#],
            bearer(Some("s"), None).as_ref(),
        );
        check(&[r#"Bearer realm="not a url""#], None);
        check(&["Negotiate"], None);
        check(&[], None);
    }
}
