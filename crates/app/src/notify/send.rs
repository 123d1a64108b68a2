//! One attempt: the request, and what its answer means.

use std::time::{Duration, Instant};

use egress::{
    AddressPolicy, Body, Client, ClientConfig, EgressError, Method, Request, RetryPolicy, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    retry_after,
};
use model::problem::explain;
use store::{Attempt, ClaimedDelivery, Micros};

use super::{
    error::NotifyError,
    message::{SIGNATURE_HEADER, body, sign},
};
use crate::{clock, config::Config, service::Service};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 1024;
/// Characters of it that are kept.
const MAX_KEPT: usize = 300;
/// Added to the longest attempt: within it, what came of it is written down.
const MARGIN: Duration = Duration::from_secs(20);

/// When a claim that begins now is over, from now.
pub(crate) fn lease(service: &Service) -> Micros {
    clock::micros(service.config.background.notify.timeout.saturating_add(MARGIN))
}

/// Who may be reached by webhooks, whatever registries may.
pub(crate) fn addresses(config: &Config) -> AddressPolicy {
    AddressPolicy::Guarded { allow: config.background.notify.allow.clone() }
}

/// What sends. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client,
    service: Service,
}

/// What came of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) delivered: bool,
    /// The receiver wants no more.
    pub(crate) hopeless: bool,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    text: String,
    took_ms: u32,
}

impl Answer {
    fn failure(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    pub(crate) fn as_attempt(&self, next_at: Option<Micros>) -> Attempt<'_> {
        Attempt {
            delivered: self.delivered,
            status: self.status,
            answer: &self.text,
            took_ms: self.took_ms,
            next_at,
        }
    }
}

impl Sender {
    /// The sender of a service, whose connections all attempts share.
    pub(crate) fn of(service: &Service) -> Result<Self, NotifyError> {
        let client = match service.webhooks.get() {
            Some(client) => client.clone(),
            None => {
                let config = &service.config;
                let built = Client::build(&ClientConfig {
                    addresses: addresses(config),
                    max_redirects: 0,
                    retry: RetryPolicy::none(),
                    total_timeout: Some(config.background.notify.timeout),
                    ..config.client.clone()
                })?;
                service.webhooks.get_or_init(|| built).clone()
            }
        };
        Ok(Self { client, service: service.clone() })
    }

    /// Sends a message once. Never fails: that is what the answer tells.
    pub(crate) async fn attempt(&self, claimed: &ClaimedDelivery) -> Answer {
        let begun = Instant::now();
        let longest = self.service.config.background.notify.timeout.saturating_add(Duration::from_secs(2));
        let answer = match tokio::time::timeout(longest, self.exchange(claimed)).await {
            Ok(answer) => answer,
            Err(_) => Answer::failure("the receiver did not answer in time".to_owned()),
        };
        Answer { took_ms: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX), ..answer }
    }

    async fn exchange(&self, claimed: &ClaimedDelivery) -> Answer {
        let (request, secret) = match self.request(claimed) {
            Ok(made) => made,
            Err(error) => return Answer::failure(explain(&error)),
        };
        match self.client.send(request).await {
            Ok(response) => {
                let status = response.status();
                let retry_after = retry_after(response.headers());
                let start = response.read_start(MAX_ANSWER).await;
                Answer {
                    // A redirect without a target is none that egress refuses, and no success either.
                    delivered: status.is_success(),
                    hopeless: status == StatusCode::GONE,
                    status: Some(status.as_u16()),
                    retry_after,
                    text: excerpt(&start, &secret, &claimed.url),
                    took_ms: 0,
                }
            }
            Err(EgressError::Redirect { host, .. }) => {
                Answer::failure(format!("{host} redirects, which is not followed"))
            }
            Err(error) => Answer::failure(explain(&error)),
        }
    }

    fn request(&self, claimed: &ClaimedDelivery) -> Result<(Request, Vec<u8>), NotifyError> {
        let url: Url = claimed.url.parse().map_err(|_| NotifyError::Url("cannot be read"))?;
        let secret = self.service.key.open(&claimed.secret)?;
        let body = body(claimed.message, claimed.kind, claimed.created_at, &claimed.facts)?;
        let signature = sign(&secret, clock::now() / 1_000_000, body.as_bytes());
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| NotifyError::Message);
        let request = Request::new("deliver a message to a webhook", Method::POST, url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(HeaderName::from_static(SIGNATURE_HEADER), value(&signature)?)
            .header(HeaderName::from_static("lazaret-delivery"), value(&claimed.message.to_string())?)
            .header(HeaderName::from_static("lazaret-event"), value(claimed.kind.as_str())?)
            .body(Body::Bytes(body.into()));
        Ok((request, secret))
    }
}

/// The begin of an answer, for the log: in one line, without what signs messages and without the parts of the URL in
/// which receivers keep their tokens.
fn excerpt(start: &[u8], secret: &[u8], url: &str) -> String {
    let mut text = String::from_utf8_lossy(start).into_owned();
    let mut hidden = vec![String::from_utf8_lossy(secret).into_owned()];
    if let Ok(url) = url.parse::<Url>() {
        hidden.extend(url.query().map(str::to_owned));
        hidden.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        hidden.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
    }
    for part in hidden.iter().filter(|part| part.len() >= 8) {
        text = text.replace(part.as_str(), "(hidden)");
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_hold_no_secret_and_no_lines() {
        let secret = b"a secret of the receiver";
        let url = "https://hook.example/services/T0KENT0KEN?key=abcdefgh12";
        for (answer, expected) in [
            (&b"ok"[..], "ok"),
            (b"bad\r\n  body\x1b[31m", "bad body [31m"),
            (b"got a secret of the receiver", "got (hidden)"),
            (b"no /services/T0KENT0KEN?key=abcdefgh12", "no /(hidden)/(hidden)?(hidden)"),
            (b"key abcdefgh12", "key (hidden)"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(excerpt(answer, secret, url), expected);
        }
        assert_eq!(excerpt(&[b'x'; 5000], secret, url).len(), MAX_KEPT);
    }
}
