//! AWS Signature Version 4 for requests without a body (Amazon S3 API Reference, "Authenticating Requests: Using
//! the Authorization Header"). The test vectors are those of that page.

use std::fmt::Write as _;

use egress::{
    Url,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{error::BucketError, options::BucketCredentials};

/// SHA-256 of nothing, the body of every request here.
const EMPTY_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The headers that sign a GET of `url` with `headers` (lower-case names), all of which are signed.
pub(super) fn sign(
    credentials: &BucketCredentials,
    region: &str,
    time: Timestamp,
    url: &Url,
    headers: &[(&'static str, String)],
) -> Result<Vec<(HeaderName, HeaderValue)>, BucketError> {
    let moment = time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.strftime("%Y%m%d").to_string();
    let mut added = vec![("x-amz-content-sha256", EMPTY_BODY.to_owned()), ("x-amz-date", moment.clone())];
    added.extend(credentials.session_token.clone().map(|token| ("x-amz-security-token", token)));
    let mut signed: Vec<(&str, String)> = headers.to_vec();
    signed.push(("host", crate::registry::authority(url)));
    signed.extend(added.iter().cloned());
    signed.sort();

    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let request = format!("GET\n{path}\n{query}\n{lines}\n{names}\n{EMPTY_BODY}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("{ALGORITHM}\n{moment}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let secret = format!("AWS4{}", credentials.secret_access_key);
    let key = [day.as_str(), region, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &text));
    let id = &credentials.access_key_id;
    let value = format!("{ALGORITHM} Credential={id}/{scope},SignedHeaders={names},Signature={signature}");

    let mut out = Vec::new();
    for (name, value) in added {
        out.push((HeaderName::from_static(name), header_value(&value)?));
    }
    out.push((AUTHORIZATION, header_value(&value)?));
    Ok(out)
}

fn header_value(value: &str) -> Result<HeaderValue, BucketError> {
    let why = "hold characters that no header can carry";
    let mut value =
        HeaderValue::from_str(value).map_err(|_| BucketError::Config { what: "the credentials", why })?;
    value.set_sensitive(true);
    Ok(value)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Percent-encoding as signatures want it: everything but unreserved characters (RFC 3986 section 2.3), and in
/// a path the slashes.
pub(super) fn encode(text: &str, is_path: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if is_path => out.push('/'),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, headers: &[(&'static str, &str)], names: &str, signature: &str) {
        let credentials =
            BucketCredentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let url = Url::parse(&format!("https://examplebucket.s3.amazonaws.com{path}")).unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let time = "2013-05-24T00:00:00Z".parse().unwrap();
        let signed = sign(&credentials, "us-east-1", time, &url, &headers).unwrap();
        let (name, value) = signed.last().unwrap();
        assert_eq!(name, AUTHORIZATION);
        assert_eq!(
            value.to_str().unwrap(),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={names},Signature={signature}"
            )
        );
        assert!(!format!("{signed:?}").contains("AKIA"), "shows the credentials");
    }

    #[test]
    fn signs_as_the_specification_does() {
        check(
            "/test.txt",
            &[("range", "bytes=0-9")],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        check(
            "/?lifecycle=",
            &[],
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        );
        check(
            "/?max-keys=2&prefix=J",
            &[],
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
    }

    #[test]
    fn sends_and_signs_the_session_token() {
        let credentials = BucketCredentials::new("id", "secret", Some("tok3n".into()));
        let url = Url::parse("http://127.0.0.1:9000/ship/a").unwrap();
        let signed = sign(&credentials, "us-east-1", Timestamp::UNIX_EPOCH, &url, &[]).unwrap();
        let value = |name: &str| signed.iter().find(|(n, _)| n == name).unwrap().1.to_str().unwrap();
        assert_eq!(value("x-amz-security-token"), "tok3n");
        assert_eq!(value("x-amz-date"), "19700101T000000Z");
        assert!(value("authorization").contains(";x-amz-security-token,"));
        let broken = BucketCredentials::new("id\n", "secret", None);
        assert!(sign(&broken, "us-east-1", Timestamp::UNIX_EPOCH, &url, &[]).is_err());
    }

    #[test]
    fn encodes_everything_else() {
        assert_eq!(encode("a b/ü+~%2F", true), "a%20b/%C3%BC%2B~%252F");
        assert_eq!(encode("a/b=", false), "a%2Fb%3D");
    }
}
