//! Who asks: an API token in `Authorization`, or a session in a cookie. What they may do is `app`'s to say.
//!
//! A cookie is sent by the browser whoever made it do so, therefore a request that changes something and shows a
//! cookie must come from the service's own pages: the browser says so in `Sec-Fetch-Site` or `Origin`. A request with
//! neither is refused; programs use tokens.

use std::net::{IpAddr, SocketAddr};

use app::{
    accounts::{Caller, Origin, Secret},
    clock,
};
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use model::Role;

use crate::{
    problem::{Problem, REQUEST_ID},
    serve::Peer,
    state::AppState,
};

/// What a cookie of a session is called without TLS; with it, a prefix binds the cookie to the host.
const COOKIE: &str = "lazaret_session";
/// The cookie of a browser that is away at the OpenID Connect provider.
const OIDC_COOKIE: &str = "lazaret_oidc";

/// Who asks, or why that cannot be told; put into the request before any handler runs.
#[derive(Clone, Debug)]
pub(crate) struct Identified(pub(crate) Result<Caller, Problem>);

/// Somebody who is known, even when they must change their password first.
pub(crate) struct Known(pub(crate) Caller);

/// Somebody who may go on.
pub(crate) struct Ready(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Identified>().cloned();
        found.map_or_else(|| Err(anonymous()), |Identified(found)| found).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ready {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, state).await?;
        if caller.must_change {
            caller.may(Role::Viewer, None)?;
        }
        Ok(Self(caller))
    }
}

/// Where a request comes from.
pub(crate) fn origin(state: &AppState, parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(peer))| *peer);
    Origin {
        address: peer.map(|peer| client(&state.settings.proxies, peer, &parts.headers)),
        request: REQUEST_ID.try_with(Clone::clone).ok(),
    }
}

/// The address of the client: what the last proxy that is trusted says, or the peer itself.
fn client(proxies: &[IpAddr], peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.contains(&address.to_canonical());
    let mut address = peer.ip();
    if trusted(&address) {
        let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<IpAddr> =
            said.flat_map(|line| line.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
        for hop in hops.into_iter().rev() {
            address = hop;
            if !trusted(&hop) {
                break;
            }
        }
    }
    address
}

/// Finds out who asks.
pub(crate) async fn identify(state: &AppState, parts: &Parts) -> Result<Caller, Problem> {
    let origin = origin(state, parts);
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        // Whatever else stands there is no token of ours either.
        return Ok(state.accounts.token(token.unwrap_or_default(), &origin, clock::now()).await?);
    }
    let Some(cookie) = cookie(state, &parts.headers, COOKIE) else { return Err(anonymous()) };
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        same_site(&parts.headers, true)?;
    }
    Ok(state.accounts.session(&cookie, &origin, clock::now()).await?)
}

fn anonymous() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "login-needed",
        "the request says nothing of who asks",
        "Send `Authorization: Bearer TOKEN`, or log in.",
    )
}

/// Refuses what a page of another site made the browser send. `strict`: also what does not say where it comes from.
pub(crate) fn same_site(headers: &HeaderMap, strict: bool) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => !strict,
    };
    if ours {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "cross-site",
        "the request does not come from a page of this service",
        "Use the portal itself, or an API token.",
    ))
}

fn cookie_name(state: &AppState, name: &str) -> String {
    if state.settings.secure { format!("__Host-{name}") } else { name.to_owned() }
}

fn cookie(state: &AppState, headers: &HeaderMap, name: &str) -> Option<Secret> {
    let name = cookie_name(state, name);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name && !value.is_empty()).then(|| Secret::new(value.to_owned()))
    })
}

/// The header that begins a session in a browser, or with nothing in it, ends it.
pub(crate) fn set_cookie(state: &AppState, value: &str) -> String {
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    set(state, COOKIE, value, &format!("; SameSite=Strict{age}"))
}

/// What ties a login at the provider to its browser.
pub(crate) fn oidc_cookie(state: &AppState, headers: &HeaderMap) -> Option<Secret> {
    cookie(state, headers, OIDC_COOKIE)
}

/// The header that keeps it for ten minutes, or with nothing in it, takes it away. `Lax`, because another site leads
/// back here.
pub(crate) fn set_oidc_cookie(state: &AppState, value: &str) -> String {
    let age = if value.is_empty() { 0 } else { 600 };
    set(state, OIDC_COOKIE, value, &format!("; SameSite=Lax; Max-Age={age}"))
}

fn set(state: &AppState, name: &str, value: &str, more: &str) -> String {
    let secure = if state.settings.secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly{more}{secure}", cookie_name(state, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_pass() {
        for (lines, strict, passes) in [
            (&[("sec-fetch-site", "same-origin")][..], true, true),
            (&[("sec-fetch-site", "none")], true, true),
            (&[("sec-fetch-site", "same-site")], true, false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], true, false),
            (&[("origin", "http://a:1"), ("host", "a:1")], true, true),
            (&[("origin", "http://b"), ("host", "a:1")], true, false),
            (&[("origin", "null"), ("host", "a:1")], false, false),
            (&[], true, false),
            (&[], false, true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(same_site(&headers, strict).is_ok(), passes, "{lines:?} {strict}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxies = [address("10.0.0.1"), address("10.0.0.2")];
        for (peer, forwarded, expected) in [
            ("192.0.2.1:5", "198.51.100.1", "192.0.2.1"),
            ("10.0.0.1:5", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1:5", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1:5", "nonsense", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            assert_eq!(
                client(&proxies, peer.parse().unwrap(), &headers),
                address(expected),
                "{peer} {forwarded}"
            );
        }
    }
}
