//! Answers that a client need not get twice (RFC 9110 section 8.8.3 and 13.1.2).

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A JSON answer with its tag, or 304 when the client has it already. `same` is what the tag is made of: the answer,
/// or the part of it whose change matters.
pub(crate) fn tagged<T: Serialize, S: Serialize>(headers: &HeaderMap, body: &T, same: &S) -> Response {
    let tag = tag_of(&serde_json::to_vec(same).unwrap_or_default());
    let mut response = if matches(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        axum::Json(body).into_response()
    };
    put(&mut response, &tag);
    response
}

/// A text answer with its tag.
pub(crate) fn tagged_text(headers: &HeaderMap, media_type: &'static str, text: String) -> Response {
    let tag = tag_of(text.as_bytes());
    let mut response = if matches(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, media_type)], text).into_response()
    };
    put(&mut response, &tag);
    response
}

fn put(response: &mut Response, tag: &str) {
    if let Ok(value) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    // Who asks, and what they may see, is part of the question.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// Weak, because answers are compressed on the way.
fn tag_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut tag = String::from("W/\"");
    for byte in hash.iter().take(12) {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let strong = tag.trim_start_matches("W/");
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == strong)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_weakly() {
        let tag = tag_of(b"x");
        let strong = tag.trim_start_matches("W/").to_owned();
        for (value, expected) in [
            (tag.clone(), true),
            (format!("\"other\", {strong}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            assert_eq!(matches(&headers, &tag), expected, "{value}");
        }
        assert!(!matches(&HeaderMap::new(), &tag));
    }
}
