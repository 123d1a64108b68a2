//! What an answer means that is no success (Amazon S3 API Reference, "Error responses").

use egress::{Response, StatusCode};

use super::{
    client::Subject,
    error::BucketError,
    xml::{Part, walk},
};
use crate::manifest::shorten;

/// Bytes of an error answer that are looked at.
const ERROR_BYTES: usize = 16 << 10;
/// Where the bucket is, on answers that say it is elsewhere.
const REGION: &str = "x-amz-bucket-region";

/// The error behind an answer that is no success.
pub(super) async fn sort(response: Response, subject: &Subject<'_>) -> BucketError {
    let status = response.status();
    let region = response.header(REGION).map(shorten);
    let body = response.read_start(ERROR_BYTES).await;
    let (code, message) = parse(&body);
    judge(status, &code, &message, region, subject)
}

/// The first code and message of an error document; empty where there are none.
fn parse(body: &[u8]) -> (String, String) {
    let (mut code, mut message) = (String::new(), String::new());
    // A page of a proxy is no XML: what was found until then is all there is.
    let _ = walk(body, |part| match part {
        Part::Close("Code", text) if code.is_empty() => (*text).clone_into(&mut code),
        Part::Close("Message", text) if message.is_empty() => (*text).clone_into(&mut message),
        _ => {}
    });
    (code, message)
}

fn judge(
    status: StatusCode,
    code: &str,
    message: &str,
    region: Option<String>,
    subject: &Subject<'_>,
) -> BucketError {
    let object = subject.object.clone();
    let host = subject.buckets.endpoint().host();
    let credentials = subject.buckets.credentials();
    // Servers repeat parts of requests that they dislike.
    let said = match (code, message) {
        _ if credentials.is_some_and(|c| c.occur_in(code) || c.occur_in(message)) => String::new(),
        ("", text) | (text, "") => text.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let why = if said.is_empty() { status.to_string() } else { shorten(&said) };
    let elsewhere = region.filter(|region| *region != subject.buckets.endpoint().region);
    match (status.as_u16(), elsewhere) {
        (301 | 307 | 308 | 400, Some(region)) => {
            return BucketError::Region { bucket: subject.bucket.to_owned(), region };
        }
        (412, _) => return BucketError::Changed { object },
        (404, _) => return BucketError::NotFound { object, why },
        _ => {}
    }
    let refused = matches!(
        code,
        "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "RequestTimeTooSkewed"
            | "MissingSecurityHeader"
            | "AuthorizationHeaderMalformed"
    );
    // An object in an archive storage class is refused with 403, whoever asks.
    if refused || (matches!(status.as_u16(), 401 | 403) && code != "InvalidObjectState") {
        return BucketError::Unauthorized { host, object, why, with_credentials: credentials.is_some() };
    }
    BucketError::Answer { operation: subject.operation.clone(), host, status: status.as_u16(), why }
}

#[cfg(test)]
mod tests {
    use egress::{AddressPolicy, ClientConfig, ProxyConfig};

    use super::*;
    use crate::bucket::{BucketCredentials, BucketOptions, Buckets};

    fn check(status: u16, body: &str, region: Option<&str>, code: &str, text: &str) {
        let options = BucketOptions {
            credentials: Some(BucketCredentials::new("AKID", "hunter2", Some("tok3n".into()))),
            ..BucketOptions::default()
        };
        let config = ClientConfig::new(AddressPolicy::Any, ProxyConfig::none());
        let buckets = Buckets::new(&options, config).unwrap();
        let subject = Subject {
            buckets: &buckets,
            bucket: "ship",
            object: "s3://ship/a.tar".into(),
            operation: "read s3://ship/a.tar".into(),
        };
        let (error_code, message) = parse(body.as_bytes());
        let status = StatusCode::from_u16(status).unwrap();
        let error = judge(status, &error_code, &message, region.map(str::to_owned), &subject);
        assert_eq!(error.code(), code, "{body}");
        let error = error.to_string();
        assert!(error.contains(text), "{text}: {error}");
        assert!(!["AKID", "hunter2", "tok3n"].iter().any(|secret| error.contains(secret)), "{error}");
    }

    #[test]
    fn tells_errors_apart() {
        let xml = |code: &str, message: &str| {
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
        };
        check(404, &xml("NoSuchKey", "gone"), None, "object-not-found", "NoSuchKey: gone");
        check(404, "<html>", None, "object-not-found", "404 Not Found");
        check(403, &xml("AccessDenied", "no"), None, "bucket-unauthorized", "AccessDenied: no");
        check(400, &xml("ExpiredToken", "old"), None, "bucket-unauthorized", "ExpiredToken: old");
        check(403, &xml("InvalidToken", "bad tok3n of AKID"), None, "bucket-unauthorized", "403 Forbidden");
        check(403, &xml("InvalidObjectState", "archived"), None, "bucket-answer", "archived");
        check(301, "", Some("eu-west-1"), "bucket-region", "region eu-west-1");
        check(400, &xml("AuthorizationHeaderMalformed", ""), Some("eu-west-1"), "bucket-region", "eu-west-1");
        check(403, &xml("AccessDenied", ""), Some("us-east-1"), "bucket-unauthorized", "AccessDenied");
        check(412, "", None, "object-changed", "changed");
        check(503, &xml("SlowDown", "wait"), None, "bucket-unavailable", "SlowDown: wait");
        check(418, "", None, "bucket-answer", "418");
    }
}
