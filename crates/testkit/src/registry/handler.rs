//! Answers to requests.

use std::{convert::Infallible, io, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract,
    http::{
        HeaderMap, Method, StatusCode, Uri,
        header::{
            AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LINK, LOCATION, RANGE,
            RETRY_AFTER, WWW_AUTHENTICATE,
        },
        response::Builder,
    },
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    content::{Blob, digest_of},
    registry::{
        fault::Fault,
        state::{Auth, LoggedRequest, State},
    },
};

type Shared = extract::State<Arc<State>>;

/// Largest request body.
const BODY: usize = 1 << 30;
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The registry itself.
pub(crate) async fn registry(
    extract::State(state): Shared,
    request: extract::Request,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    log(&state, &parts.method, &parts.uri, &parts.headers, false);
    // A body that breaks off is as good as none: its digest will not be right.
    let body = to_bytes(body, BODY).await.unwrap_or_default();
    Ok(answer(&state, &parts.method, &parts.uri, &parts.headers, &body))
}

/// The place that blobs are redirected to: it wants no credentials of anybody.
pub(crate) async fn storage(
    extract::State(state): Shared,
    request: extract::Request,
) -> Result<Response, Infallible> {
    log(&state, request.method(), request.uri(), request.headers(), true);
    if header(request.headers(), &AUTHORIZATION).is_some() {
        return Ok(error(
            StatusCode::BAD_REQUEST,
            "CREDENTIALS",
            "only one kind of authorization is allowed",
        ));
    }
    let found = request.uri().path().trim_start_matches('/').rsplit_once('/');
    let bytes = found.and_then(|(repository, digest)| state.blob(repository, digest));
    Ok(match bytes {
        Some(bytes) => blob(&state, &bytes, request.headers()),
        None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown"),
    })
}

fn log(state: &State, method: &Method, uri: &Uri, headers: &HeaderMap, storage: bool) {
    state.log(LoggedRequest {
        method: method.to_string(),
        path: uri.to_string(),
        authorization: header(headers, &AUTHORIZATION).map(str::to_owned),
        range: header(headers, &RANGE).map(str::to_owned),
        storage,
    });
}

fn answer(state: &State, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let path = uri.path();
    let authorization = header(headers, &AUTHORIZATION);
    match state
        .fault(|f| matches!(f, Fault::RateLimit { .. } | Fault::Status { .. } | Fault::RedirectForever))
    {
        Some(Fault::RateLimit { retry_after, .. }) => {
            let builder = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
            return finish(builder.header(RETRY_AFTER, retry_after), "slow down");
        }
        Some(Fault::Status { status, .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return error(status, "UNKNOWN", "a fault was asked for");
        }
        Some(Fault::RedirectForever) => {
            return finish(
                Response::builder().status(StatusCode::FOUND).header(LOCATION, uri.to_string()),
                "",
            );
        }
        _ => {}
    }
    if path == "/token" {
        return token(state, authorization, body);
    }
    if !state.admits(authorization) {
        return challenge(state, path);
    }
    let Some(rest) = path.strip_prefix("/v2/") else {
        return error(StatusCode::NOT_FOUND, "UNSUPPORTED", "not part of the API");
    };
    if rest.is_empty() {
        return json_answer(StatusCode::OK, &json!({}));
    }
    let query: Vec<(String, String)> = query(uri);
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return tags(state, repository, &query);
    }
    if let Some((repository, id)) = rest.rsplit_once("/manifests/") {
        return manifest(state, method, repository, id, headers, body);
    }
    if let Some((repository, id)) = rest.rsplit_once("/blobs/uploads/") {
        return upload(state, method, repository, id, &query, body);
    }
    if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
        return match state.blob(repository, digest) {
            None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
            Some(_) if state.fault(|f| *f == Fault::RedirectBlobs).is_some() => {
                let location = format!("http://{}/{repository}/{digest}", state.storage);
                finish(
                    Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(LOCATION, location),
                    "",
                )
            }
            Some(bytes) => blob(state, &bytes, headers),
        };
    }
    error(StatusCode::NOT_FOUND, "UNSUPPORTED", "not part of the API")
}

fn challenge(state: &State, path: &str) -> Response {
    let value = match &state.auth {
        Auth::None | Auth::Basic { .. } => r#"Basic realm="test""#.to_owned(),
        Auth::Token { .. } => {
            let rest = path.trim_start_matches("/v2/");
            let end = ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|marker| rest.rfind(marker));
            let repository = end.and_then(|end| rest.get(..end)).unwrap_or_default();
            let realm = match state.fault(|f| matches!(f, Fault::Realm(_))) {
                Some(Fault::Realm(realm)) => realm,
                _ => format!("http://{}/token", state.address),
            };
            format!(r#"Bearer realm="{realm}",service="test",scope="repository:{repository}:pull""#)
        }
    };
    let builder = Response::builder().status(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, value);
    finish(builder, errors("UNAUTHORIZED", "authentication required").to_string())
}

fn token(state: &State, authorization: Option<&str>, body: &Bytes) -> Response {
    let form = String::from_utf8_lossy(body);
    let refresh = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token="));
    let denied = state.fault(|f| *f == Fault::NoTokens).is_some();
    match state.grant(authorization, refresh).filter(|_| !denied) {
        // Services answer with either name; clients must take both.
        Some(token) if refresh.is_some() => json_answer(StatusCode::OK, &json!({ "access_token": token })),
        Some(token) => json_answer(StatusCode::OK, &json!({ "token": token, "expires_in": 300 })),
        None => error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "no token for you"),
    }
}

fn tags(state: &State, repository: &str, query: &[(String, String)]) -> Response {
    let Some(all) = state.tags(repository) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let asked = value("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let n = match state.fault(|f| matches!(f, Fault::Pages(_))) {
        Some(Fault::Pages(n)) => n,
        _ => asked,
    };
    let last = value("last").unwrap_or_default();
    let after: Vec<&String> = all.iter().filter(|tag| tag.as_str() > last).collect();
    let page: Vec<&&String> = after.iter().take(n).collect();
    let mut builder = Response::builder();
    if let (true, Some(last)) = (after.len() > n, page.last()) {
        let link = format!(r#"</v2/{repository}/tags/list?n={n}&last={last}>; rel="next""#);
        builder = builder.header(LINK, link);
    }
    finish(builder, json!({ "name": repository, "tags": page }).to_string())
}

fn manifest(
    state: &State,
    method: &Method,
    repository: &str,
    id: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    if *method == Method::PUT {
        let manifest = Blob::new(header(headers, &CONTENT_TYPE).unwrap_or_default(), body.clone());
        if id.contains(':') && id != manifest.digest.to_string() {
            return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is another one");
        }
        if serde_json::from_slice::<Value>(&manifest.bytes).is_err() {
            return error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "manifest invalid");
        }
        let digest = manifest.digest.to_string();
        state.put_manifest(repository, id, manifest);
        let location = format!("/v2/{repository}/manifests/{digest}");
        let builder = Response::builder().status(StatusCode::CREATED).header(LOCATION, location);
        return finish(builder.header(DIGEST, digest), "");
    }
    if *method == Method::DELETE {
        return if state.delete_manifest(repository, id) {
            finish(Response::builder().status(StatusCode::ACCEPTED), "")
        } else {
            error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown")
        };
    }
    let Some(manifest) = state.manifest(repository, id) else {
        return error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let builder = Response::builder()
        .header(CONTENT_TYPE, manifest.media_type.as_str())
        .header(DIGEST, manifest.digest.to_string());
    finish(builder, spoil(state, &manifest.bytes))
}

fn upload(
    state: &State,
    method: &Method,
    repository: &str,
    id: &str,
    query: &[(String, String)],
    body: &Bytes,
) -> Response {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let created = |digest: &str| {
        let location = format!("/v2/{repository}/blobs/{digest}");
        finish(Response::builder().status(StatusCode::CREATED).header(LOCATION, location), "")
    };
    if *method == Method::POST {
        if let (Some(digest), Some(from)) = (value("mount"), value("from"))
            && let Some(bytes) = state.blob(from, digest)
        {
            state.put_blob(repository, digest, bytes);
            return created(digest);
        }
        let host = match state.fault(|f| *f == Fault::UploadElsewhere) {
            Some(_) => format!("http://{}", state.storage),
            None => String::new(),
        };
        let location = format!("{host}/v2/{repository}/blobs/uploads/{}?state=1", state.begin_upload());
        return finish(Response::builder().status(StatusCode::ACCEPTED).header(LOCATION, location), "");
    }
    let unknown = || error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
    let Ok(id) = id.parse::<u64>() else { return unknown() };
    if *method == Method::DELETE {
        return match state.end_upload(id) {
            Some(_) => finish(Response::builder().status(StatusCode::NO_CONTENT), ""),
            None => unknown(),
        };
    }
    let Some(length) = state.extend_upload(id, body) else { return unknown() };
    if *method == Method::PATCH {
        let location = format!("/v2/{repository}/blobs/uploads/{id}?state=2");
        let range = format!("0-{}", length.saturating_sub(1));
        let builder = Response::builder().status(StatusCode::ACCEPTED).header(LOCATION, location);
        return finish(builder.header(RANGE, range), "");
    }
    let (Some(digest), Some(bytes)) = (value("digest"), state.end_upload(id)) else { return unknown() };
    if digest_of(&bytes).to_string() != digest {
        return error(
            StatusCode::BAD_REQUEST,
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
        );
    }
    state.put_blob(repository, digest, bytes);
    created(digest)
}

/// A blob or a part of it, possibly spoilt on the way.
fn blob(state: &State, bytes: &Bytes, headers: &HeaderMap) -> Response {
    let bytes = spoil(state, bytes);
    let range = header(headers, &RANGE)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let begin: usize = match range {
        Some(begin) if begin < bytes.len() && state.fault(|f| *f == Fault::IgnoreRange).is_none() => begin,
        _ => 0,
    };
    let part = bytes.slice(begin..);
    let mut builder = Response::builder()
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, part.len());
    if begin > 0 {
        let range = format!("bytes {begin}-{}/{}", bytes.len().saturating_sub(1), bytes.len());
        builder = builder.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range);
    }
    let start = |after: usize| part.slice(..after.min(part.len()));
    let body = match state.fault(|f| matches!(f, Fault::CutBlob { .. } | Fault::StallBlob { .. })) {
        Some(Fault::CutBlob { after, .. }) => {
            // Pausing makes the server send what it has before it hears of the end.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut on purpose"))
            });
            Body::from_stream(stream::iter([Ok(start(after))]).chain(cut))
        }
        Some(Fault::StallBlob { after }) => {
            let sent = stream::iter([Ok::<_, Infallible>(start(after))]);
            Body::from_stream(sent.chain(stream::pending()))
        }
        _ => Body::from(part),
    };
    finish(builder, body)
}

fn spoil(state: &State, bytes: &Bytes) -> Bytes {
    if state.fault(|f| *f == Fault::WrongContent).is_none() {
        return bytes.clone();
    }
    let mut changed = bytes.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    changed.into()
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    // The only characters of ours that clients may escape.
    pairs.map(|(key, value)| (key.to_owned(), value.replace("%3A", ":").replace("%2F", "/"))).collect()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn errors(code: &str, message: &str) -> Value {
    json!({ "errors": [{ "code": code, "message": message, "detail": null }] })
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    json_answer(status, &errors(code, message))
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    finish(Response::builder().status(status).header(CONTENT_TYPE, "application/json"), value.to_string())
}

/// Ends an answer. Header values that a test made impossible become an error 500.
fn finish(builder: Builder, body: impl Into<Body>) -> Response {
    builder.body(body.into()).unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
