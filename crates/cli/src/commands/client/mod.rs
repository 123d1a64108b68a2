//! The command line as a client of a service: asks, waits, shows. Decides nothing that the service could.

mod images;
mod locate;
mod login;
mod report;
mod saved;
mod status;
mod submit;
mod upload;

use std::time::Duration;

use clap::Args;
use egress::{
    Body, Client, EgressError, Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use model::problem::explain;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use self::saved::Saved;
pub(crate) use self::{
    images::{ImagesArgs, images},
    locate::{WhereArgs, locate},
    login::{LoginArgs, LogoutArgs, login, logout},
    report::{ReportArgs, report},
    status::{StatusArgs, status},
    submit::{SubmitArgs, submit},
};
use super::network;
use crate::{
    args::NetworkArgs,
    exit::{Exit, Failure},
};

/// Largest answer that is read.
const MAX_ANSWER: u64 = 512 << 20;
/// What to do when the service does not know who asks.
const LOG_IN: &str = "Log in with `lazaret login`, or give a token with LAZARET_TOKEN.";
/// Where a service listens unless it is told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
/// How long one answer may take beyond what was asked to be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which service, and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// Address of the service; without it, where `lazaret login` was, else http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", env = "LAZARET_SERVER")]
    pub(crate) server: Option<Url>,
    /// Token of the service, instead of that of `lazaret login` (LAZARET_TOKEN keeps it out of the list of processes).
    #[arg(long, value_name = "TOKEN", env = "LAZARET_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// How to reach it.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

impl ServerArgs {
    /// Which service and which token are meant, where a login is kept.
    fn resolve(&self, kept: Option<&Saved>) -> Result<(Url, Option<String>), Failure> {
        let mut server = match (&self.server, kept) {
            (Some(server), _) => server.clone(),
            (None, Some(kept)) => kept.server.parse().map_err(|_| server_invalid(&kept.server))?,
            (None, None) => DEFAULT_SERVER.parse().map_err(|_| server_invalid(DEFAULT_SERVER))?,
        };
        if !server.path().ends_with('/') {
            server.set_path(&format!("{}/", server.path()));
        }
        // A token goes to the service that made it, and to no other.
        let token = self
            .token
            .clone()
            // An empty variable says nothing.
            .filter(|token| !token.trim().is_empty())
            .or_else(|| kept.filter(|kept| kept.server == server.as_str()).map(|kept| kept.token.clone()));
        Ok((server, token))
    }
}

fn server_invalid(server: &str) -> Failure {
    let message = format!("{server} is no address of a service");
    Failure::usage("server-invalid", message, "Give an http or https URL.")
}

/// A connection to the service.
pub(super) struct Connection {
    runtime: Runtime,
    client: Client,
    base: Url,
    token: Option<HeaderValue>,
}

/// What the service answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Connection {
    /// With the token that is given, or that of the login that is kept here.
    pub(super) fn open(args: &ServerArgs) -> Result<Self, Failure> {
        Self::open_as(args, saved::load()?.as_ref())
    }

    /// The same with that login, or with none.
    pub(super) fn open_as(args: &ServerArgs, kept: Option<&Saved>) -> Result<Self, Failure> {
        let (base, token) = args.resolve(kept)?;
        let mut config = network::client_config(&args.network)?;
        // Waiting for the network belongs to whoever waits for the scan; a service that is not there is told at once.
        config.retry = egress::RetryPolicy::none();
        let client = Client::build(&config).map_err(|error| {
            Failure::new(
                error.code(),
                &error,
                "Check the proxy settings and the certificate authority files.",
            )
        })?;
        let token = match token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
                    Failure::usage(
                        "token-invalid",
                        "the token is none of a service",
                        "Give it as it was shown.",
                    )
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { runtime: network::runtime()?, client, base, token })
    }

    /// Where the service is.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a route, with its query.
    fn url(&self, route: &str, query: &[(&str, &str)]) -> Result<Url, Failure> {
        let mut url = self
            .base
            .join(&format!("api/portal/v1/{route}"))
            .map_err(|_| server_invalid(self.base.as_str()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Sends a request. What is not reached is told as such; what is answered is for the caller to judge.
    pub(super) fn send(
        &self,
        method: Method,
        route: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        wait: Duration,
    ) -> Result<Answer, Failure> {
        self.send_for(method, route, query, body, wait, "application/json")
    }

    /// The same, asking for a media type.
    pub(super) fn send_for(
        &self,
        method: Method,
        route: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        wait: Duration,
        accept: &'static str,
    ) -> Result<Answer, Failure> {
        let url = self.url(route, query)?;
        self.answer(method, url, body, wait, |request| {
            self.signed(request.header(ACCEPT, HeaderValue::from_static(accept)))
        })
    }

    /// The request with the token of whose it is.
    fn signed(&self, request: Request) -> Request {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    /// Sends a request as somebody else than whose token this is: what makes it theirs, `more` adds.
    pub(super) fn exchange(
        &self,
        method: Method,
        route: &str,
        body: Option<String>,
        more: impl FnOnce(Request) -> Request,
    ) -> Result<Answer, Failure> {
        self.answer(method, self.url(route, &[])?, body, Duration::ZERO, more)
    }

    fn answer(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
        wait: Duration,
        more: impl FnOnce(Request) -> Request,
    ) -> Result<Answer, Failure> {
        let request = Request::new(format!("ask {}", self.base), method, url).timeout(wait + PATIENCE);
        let mut request = more(request);
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(Body::Bytes(body.into()));
        }
        let answered = self.runtime.block_on(async {
            let response = self.client.send(request).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Answer { status, headers, body: response.read_to_limit(MAX_ANSWER).await?.to_vec() })
        });
        answered.map_err(|error| self.unavailable(&error))
    }

    fn unavailable(&self, error: &EgressError) -> Failure {
        Failure {
            code: "unavailable",
            message: format!("Unavailable: {}", explain(error)),
            hint: format!(
                "Check that a service runs at {} (lazaret serve), or name another with --server.",
                self.base
            ),
            exit: Exit::NotReady,
        }
    }

    /// Asks for a value.
    pub(super) fn get<T: DeserializeOwned>(&self, route: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        self.send(Method::GET, route, query, None, Duration::ZERO)?.value()
    }
}

/// An error as the service tells it (RFC 9457).
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct ProblemDetails {
    title: String,
    detail: String,
    code: String,
    hint: String,
    request_id: String,
}

impl Answer {
    /// Nothing, when it was done; or the error that came instead.
    pub(super) fn accepted(&self) -> Result<(), Failure> {
        if (200..300).contains(&self.status) { Ok(()) } else { Err(self.failure()) }
    }

    /// The value that was asked for, or the error that came instead.
    pub(super) fn value<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        self.accepted()?;
        serde_json::from_slice(&self.body).map_err(|error| Failure {
            code: "answer-invalid",
            message: format!("the answer is none of this version of the service: {error}"),
            hint: "Use a command line and a service of the same version.".to_owned(),
            exit: Exit::Failed,
        })
    }

    /// The error that came.
    pub(super) fn failure(&self) -> Failure {
        let problem: ProblemDetails = serde_json::from_slice(&self.body).unwrap_or_default();
        let said = if problem.detail.is_empty() { problem.title } else { problem.detail };
        let said = if said.is_empty() { format!("the service answered {}", self.status) } else { said };
        let request = if problem.request_id.is_empty() {
            String::new()
        } else {
            format!(" (request {})", problem.request_id)
        };
        let exit = match self.status {
            503 | 502 | 504 | 429 => Exit::NotReady,
            400 | 422 => Exit::Usage,
            _ => Exit::Failed,
        };
        let hint = match (problem.hint.is_empty(), self.status) {
            // Here, unlike in a browser, there are these ways to say who asks.
            _ if matches!(problem.code.as_str(), "login-needed" | "token-invalid") => LOG_IN.to_owned(),
            (false, _) => problem.hint,
            (true, 401) => LOG_IN.to_owned(),
            (true, 403) => "Ask an administrator for the role that this needs.".to_owned(),
            (true, 503) => "The service is up but not ready: try again in a moment.".to_owned(),
            (true, _) => String::new(),
        };
        let code = if problem.code.is_empty() { format!("http-{}", self.status) } else { problem.code };
        Failure { code: leak(code), message: format!("{said}{request}"), hint, exit }
    }
}

/// Codes of the command line are texts of the program; those of a service come from outside, once a run.
fn leak(code: String) -> &'static str {
    Box::leak(code.into_boxed_str())
}

/// `90`, `90s`, `10m`, `2h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("{text:?} is no duration like 90s, 10m or 2h")),
    };
    let seconds: u64 = number.parse().map_err(|_| format!("{text:?} is no duration like 90s, 10m or 2h"))?;
    Ok(Duration::from_secs(seconds.saturating_mul(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "s", "10d", "-1", "1.5m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_service_is_told_as_it_came() {
        let body = br#"{"title":"Not Found","status":404,"detail":"x is not known here","code":"image_not_known","hint":"Submit it.","request_id":"r1"}"#;
        let failure = Answer { status: 404, headers: HeaderMap::new(), body: body.to_vec() }.failure();
        assert_eq!((failure.code, failure.exit), ("image_not_known", Exit::Failed));
        assert_eq!(failure.message, "x is not known here (request r1)");
        let failure = Answer { status: 503, headers: HeaderMap::new(), body: b"<html>".to_vec() }.failure();
        assert_eq!((failure.code, failure.exit), ("http-503", Exit::NotReady));
    }
}
