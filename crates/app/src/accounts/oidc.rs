//! Login through an OpenID Connect provider: authorization code flow with PKCE, state and nonce.
//!
//! [`Oidc::begin`] says where to send the browser and what to keep in a cookie of it; [`Oidc::finish`] takes what
//! the browser brings back and yields an [`Identity`]; [`Accounts::log_in_with`](super::Accounts::log_in_with)
//! turns that into a session. Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE), RFC
//! 9207 (`iss` in the answer), RFC 9700 (best practice).
//!
//! Logins under way live in the memory of one process: behind a balancer, a browser must come back to the process
//! that sent it away.

mod identity;
mod provider;
mod verify;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use egress::{Client, EgressError, Url};
use model::Role;
use store::Micros;

pub use self::identity::Identity;
use self::provider::Provider;
use super::{
    error::AccountError,
    secret::{Secret, hash},
};
use crate::clock::micros;

/// How long somebody may take at the provider.
const PENDING_TIME: Duration = Duration::from_secs(600);
/// Logins under way that are remembered.
const MAX_PENDING: usize = 10_000;

/// Which provider, and what its word is worth.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// Its issuer, exactly as it writes it itself.
    pub issuer: Url,
    /// What Lazaret is called there.
    pub client_id: String,
    /// The password of Lazaret there; none for a public client.
    pub client_secret: Option<Secret>,
    /// Where browsers come back to: the service's own address, registered at the provider.
    pub redirect_url: Url,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that holds the name of an account.
    pub name_claim: String,
    /// The claim that holds groups or roles, as a text or a list; a name, or a path with dots.
    pub role_claim: Option<String>,
    /// Which of its values are worth which role; the largest counts.
    pub roles: Vec<(String, Role)>,
    /// The role of those to whom no value gives one; without it they are refused.
    pub default_role: Option<Role>,
}

impl OidcConfig {
    /// The usual claims, and a viewer's role for everybody.
    pub fn new(issuer: Url, client_id: String, redirect_url: Url) -> Self {
        Self {
            issuer,
            client_id,
            client_secret: None,
            redirect_url,
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            name_claim: "preferred_username".to_owned(),
            role_claim: None,
            roles: Vec::new(),
            default_role: Some(Role::Viewer),
        }
    }

    /// The issuer as a text: without the slash that a URL with no path gets.
    pub(crate) fn issuer_text(&self) -> &str {
        let text = self.issuer.as_str();
        if self.issuer.path() == "/" { text.trim_end_matches('/') } else { text }
    }
}

/// Why a login through the provider came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be reached.
    #[error(transparent)]
    Network(#[from] EgressError),
    /// The provider answered with an error.
    #[error("the login provider answered {status} when Lazaret wanted to {what}")]
    Status {
        /// What was wanted.
        what: &'static str,
        /// The status code, and the error that it named.
        status: String,
    },
    /// What the provider answered makes no sense.
    #[error("the login provider's {0}")]
    Answer(&'static str),
    /// The provider says no.
    #[error("the login provider refused: {0}")]
    Refused(String),
    /// No such login is under way in that browser.
    #[error("this login has expired, or was begun in another browser")]
    State,
    /// The ID token does not hold.
    #[error("the login provider's ID token {0}")]
    IdToken(&'static str),
    /// Nothing that the provider says gives a role.
    #[error("the login provider gives this account no role in Lazaret")]
    NoRole,
    /// The machine.
    #[error("the machine yields no random numbers")]
    Random,
}

impl From<AccountError> for OidcError {
    fn from(_: AccountError) -> Self {
        Self::Random
    }
}

impl OidcError {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Network(error) => error.code(),
            Self::Status { .. } => "oidc-status",
            Self::Answer(_) => "oidc-answer",
            Self::Refused(_) => "oidc-refused",
            Self::State => "oidc-state",
            Self::IdToken(_) => "oidc-id-token",
            Self::NoRole => "oidc-no-role",
            Self::Random => "internal",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Network(EgressError::AddressRefused { .. }) => {
                "An administrator must list the provider's address among those that may be reached."
            }
            Self::Network(_) => "Try again; an administrator should check that the provider can be reached.",
            Self::Status { .. } | Self::Answer(_) => {
                "An administrator should compare issuer, client id, secret and redirect URL with the provider's."
            }
            Self::Refused(_) => "Try again, or ask who runs the login provider.",
            Self::State => "Begin the login again, with cookies allowed.",
            Self::IdToken(_) => {
                "Try again; if it stays, an administrator should compare clock, issuer and client id."
            }
            Self::NoRole => "Ask an administrator for a group at the provider that has a role in Lazaret.",
            Self::Random => "Check the machine's random number source.",
        }
    }
}

/// Where to send a browser.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The address at the provider.
    pub url: Url,
    /// What to keep in a cookie of that browser until it comes back: `HttpOnly`, `SameSite=Lax`, ten minutes.
    pub binding: Secret,
}

/// What a browser brings back: parameters of the query.
#[derive(Clone, Debug, Default)]
pub struct Return {
    /// `state`.
    pub state: String,
    /// `code`.
    pub code: Option<Secret>,
    /// `error`.
    pub error: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
}

/// A login under way.
struct Pending {
    nonce: Secret,
    verifier: Secret,
    binding: [u8; 32],
    return_to: String,
    since: Micros,
}

/// Logins through one provider.
pub struct Oidc {
    config: OidcConfig,
    provider: Provider,
    /// By hash of the state.
    pending: Mutex<HashMap<[u8; 32], Pending>>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.config.issuer_text()).finish_non_exhaustive()
    }
}

impl Oidc {
    /// Logins through the provider of that configuration, reached through that client and the rules of its
    /// addresses. Nothing is fetched before the first login.
    pub fn new(config: OidcConfig, client: Client) -> Self {
        Self { provider: Provider::new(client), config, pending: Mutex::new(HashMap::new()) }
    }

    /// Begins a login. `return_to` is the path of the service where it shall end; what is no plain path becomes
    /// `/`.
    pub async fn begin(&self, return_to: &str, now: Micros) -> Result<Departure, OidcError> {
        let metadata = self.provider.metadata(&self.config, now).await?;
        let (state, nonce) = (Secret::random()?, Secret::random()?);
        let (verifier, binding) = (Secret::random()?, Secret::random()?);
        let mut url = metadata.authorization_endpoint.clone();
        let scope = ["openid"].into_iter().chain(self.config.scopes.iter().map(String::as_str));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", self.config.redirect_url.as_str())
            .append_pair("scope", &scope.collect::<Vec<_>>().join(" "))
            .append_pair("state", state.reveal())
            .append_pair("nonce", nonce.reveal())
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(verifier.hash()))
            .append_pair("code_challenge_method", "S256");
        let pending = Pending {
            nonce,
            verifier,
            binding: binding.hash(),
            return_to: local_path(return_to),
            since: now,
        };
        self.remember(state.hash(), pending, now);
        Ok(Departure { url, binding })
    }

    /// Ends a login: who it is, according to the provider, and where the browser wanted to go. Works once for
    /// each departure, in the same browser only.
    pub async fn finish(
        &self,
        answer: &Return,
        binding: Option<&Secret>,
        now: Micros,
    ) -> Result<(Identity, String), OidcError> {
        let pending = self.take(&answer.state, binding, now).ok_or(OidcError::State)?;
        if let Some(error) = &answer.error {
            return Err(OidcError::Refused(shown(error)));
        }
        let metadata = self.provider.metadata(&self.config, now).await?;
        // RFC 9207: without it, an answer of another provider could be slipped in.
        match &answer.issuer {
            Some(issuer) if issuer != self.config.issuer_text() => return Err(OidcError::State),
            None if metadata.authorization_response_iss_parameter_supported => return Err(OidcError::State),
            _ => {}
        }
        let code = answer.code.as_ref().ok_or(OidcError::Answer("answer holds no code"))?;
        let tokens = self.provider.redeem(&self.config, &metadata, code, &pending.verifier).await?;
        let expected = verify::Expected {
            issuer: self.config.issuer_text(),
            client_id: &self.config.client_id,
            nonce: pending.nonce.reveal(),
            algorithms: metadata.id_token_signing_alg_values_supported.as_deref(),
        };
        let keys = self.provider.keys(&metadata, verify::key_id(&tokens.id_token)?.as_deref(), now).await?;
        let mut claims = verify::verify(&tokens.id_token, &keys, &expected, now)?;
        if identity::wants_more(&self.config, &claims)
            && let Some(more) = self.provider.user_info(&metadata, &tokens.access_token).await?
        {
            // Core 5.3.2: what is said of somebody else must not be used.
            if more.get("sub") != claims.get("sub") {
                return Err(OidcError::Answer("user information is about somebody else"));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok((identity::build(&self.config, &claims)?, pending.return_to))
    }

    fn remember(&self, state: [u8; 32], login: Pending, now: Micros) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= MAX_PENDING {
            let oldest = now.saturating_sub(micros(PENDING_TIME));
            pending.retain(|_, login| login.since > oldest);
        }
        if pending.len() >= MAX_PENDING {
            // Who began first has most likely given up.
            let oldest = pending.iter().min_by_key(|(_, login)| login.since).map(|(state, _)| *state);
            oldest.map(|state| pending.remove(&state));
        }
        pending.insert(state, login);
    }

    fn take(&self, state: &str, binding: Option<&Secret>, now: Micros) -> Option<Pending> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let state = hash(state);
        // Who comes with the wrong cookie must not end the login of the one it belongs to.
        let login = pending.get(&state)?;
        if login.binding != binding?.hash() {
            return None;
        }
        let login = pending.remove(&state)?;
        (now.saturating_sub(login.since) < micros(PENDING_TIME)).then_some(login)
    }
}

/// A path of this service, and nothing that a browser would take for another host.
fn local_path(text: &str) -> String {
    let plain = text.len() <= 2000 && text.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    let local = text.starts_with('/') && !text.starts_with("//");
    if plain && local { text.to_owned() } else { "/".to_owned() }
}

/// What a stranger wrote, short and harmless.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(100).collect()
}

#[cfg(test)]
mod tests {
    use egress::{AddressPolicy, ClientConfig, ProxyConfig};

    use super::*;

    #[test]
    fn only_paths_of_this_service_are_returned_to() {
        for (text, expected) in [
            ("/images?q=a", "/images?q=a"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("/\u{e9}", "/"),
        ] {
            assert_eq!(local_path(text), expected, "{text:?}");
        }
    }

    fn oidc() -> Oidc {
        let url = |text| Url::parse(text).unwrap();
        let config = OidcConfig::new(
            url("https://id.example"),
            "lazaret".to_owned(),
            url("https://lazaret.example/back"),
        );
        let client = ClientConfig::new(AddressPolicy::Guarded { allow: vec![] }, ProxyConfig::none());
        Oidc::new(config, Client::build(&client).unwrap())
    }

    fn pending(since: Micros, binding: &Secret) -> Pending {
        Pending {
            nonce: Secret::random().unwrap(),
            verifier: Secret::random().unwrap(),
            binding: binding.hash(),
            return_to: "/".to_owned(),
            since,
        }
    }

    #[test]
    fn a_login_comes_back_once_in_time_and_to_its_browser() {
        let oidc = oidc();
        let (mine, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        oidc.remember(hash("s"), pending(0, &mine), 0);
        assert!(oidc.take("s", Some(&other), 1).is_none());
        assert!(oidc.take("s", None, 1).is_none());
        assert!(oidc.take("t", Some(&mine), 1).is_none());
        assert!(oidc.take("s", Some(&mine), 1).is_some());
        assert!(oidc.take("s", Some(&mine), 1).is_none());
        oidc.remember(hash("s"), pending(0, &mine), 0);
        assert!(oidc.take("s", Some(&mine), micros(PENDING_TIME)).is_none());
    }

    #[test]
    fn logins_under_way_are_bounded() {
        let oidc = oidc();
        let mine = Secret::random().unwrap();
        for number in 0..MAX_PENDING + 5 {
            let at = Micros::try_from(number).unwrap();
            oidc.remember(hash(&number.to_string()), pending(at, &mine), at);
        }
        assert_eq!(oidc.pending.lock().unwrap().len(), MAX_PENDING);
        assert!(oidc.take("4", Some(&mine), 20_000).is_none());
        assert!(oidc.take("5", Some(&mine), 20_000).is_some());
    }

    #[test]
    fn the_issuer_has_no_slash_of_its_own() {
        assert_eq!(oidc().config.issuer_text(), "https://id.example");
        let mut config = oidc().config;
        config.issuer = Url::parse("https://id.example/realms/a").unwrap();
        assert_eq!(config.issuer_text(), "https://id.example/realms/a");
    }
}
