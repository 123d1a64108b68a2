//! What an answer of a registry means when it is not the one hoped for (distribution-spec, "Error Codes").

use egress::{EgressError, Response, StatusCode, retry_after};
use serde::Deserialize;

use crate::{
    error::OciError,
    manifest::{null_as_default, shorten},
};

/// Bytes of an error answer that are looked at.
const ERROR_BYTES: usize = 16 << 10;

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "null_as_default")]
    errors: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default, deserialize_with = "null_as_default")]
    code: String,
    #[serde(default, deserialize_with = "null_as_default")]
    message: String,
}

/// Who was asked for what, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The registry's host.
    pub(crate) registry: String,
    /// The image, or the blob of it.
    pub(crate) image: String,
    /// Completes "failed to ...".
    pub(crate) operation: String,
    /// Whether credentials are known for the registry.
    pub(crate) with_credentials: bool,
}

/// The error behind an answer that is no success.
pub(crate) async fn sort(response: Response, subject: &Subject) -> OciError {
    let status = response.status();
    let wait = retry_after(response.headers());
    let body = response.read_start(ERROR_BYTES).await;
    let why = describe(status, &body);
    let Subject { registry, image, operation, with_credentials } = subject.clone();
    match status {
        StatusCode::UNAUTHORIZED => OciError::Unauthorized { registry, image, why, with_credentials },
        StatusCode::FORBIDDEN => OciError::Forbidden { registry, image, why },
        StatusCode::NOT_FOUND => OciError::ImageNotFound { image, why: format!("{registry} says {why}") },
        StatusCode::TOO_MANY_REQUESTS => OciError::RateLimited { registry, retry_after: wait },
        _ => OciError::RegistryAnswer { operation, registry, status: status.as_u16(), why },
    }
}

/// The first error of the registry's JSON, or the status in words.
fn describe(status: StatusCode, body: &[u8]) -> String {
    let detail = serde_json::from_slice::<Envelope>(body).ok().and_then(|e| e.errors.into_iter().next());
    match detail {
        Some(Detail { code, message }) if !code.is_empty() || !message.is_empty() => {
            let separator = if code.is_empty() || message.is_empty() { "" } else { ": " };
            shorten(&format!("{code}{separator}{message}"))
        }
        _ => status.to_string(),
    }
}

impl From<EgressError> for OciError {
    fn from(error: EgressError) -> Self {
        Self::Network(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_registry_says() {
        let check = |body: &str, expected: &str| {
            assert_eq!(describe(StatusCode::NOT_FOUND, body.as_bytes()), expected, "{body}");
        };
        check(
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing"}]}"#,
            "NAME_UNKNOWN: no such thing",
        );
        check(r#"{"errors":[{"code":"DENIED","message":null}]}"#, "DENIED");
        check(r#"{"errors":[]}"#, "404 Not Found");
        check("<html>", "404 Not Found");
    }
}
