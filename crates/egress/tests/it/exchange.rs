//! Redirects, retries, limits, and what errors say.

use axum::body::Body;
use egress::{
    Client, Method, Request,
    header::{AUTHORIZATION, COOKIE, HeaderValue},
};

use crate::server::{Server, UNRESOLVABLE, client};

fn get(server: &Server, path: &str) -> Request {
    Request::get("fetch it", server.url(path))
}

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let other = Server::start(|_, _| (200, vec![], Body::from("done"))).await;
    let away = other.url("/there").to_string();
    let server = Server::start(move |target, _| match target {
        "/start" => (307, vec![("location", "/same".into())], Body::empty()),
        _ => (307, vec![("location", away.clone())], Body::empty()),
    })
    .await;
    let secret = HeaderValue::from_static("secret");
    let request = get(&server, "/start").header(AUTHORIZATION, secret.clone()).header(COOKIE, secret);
    let fetched = client().fetch(request, 100).await.unwrap();
    assert_eq!((&fetched.body[..], fetched.url), (&b"done"[..], other.url("/there")));
    for (_, target, headers) in server.seen() {
        assert!(headers.contains_key("authorization") && headers.contains_key("cookie"), "{target}");
    }
    let (_, _, headers) = &other.seen()[0];
    assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"));
    assert!(headers["user-agent"].to_str().unwrap().starts_with("lazaret/"));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_, n| (302, vec![("location", format!("/{n}"))], Body::empty())).await;
    let error = client().send(get(&server, "/")).await.unwrap_err();
    assert_eq!(error.code(), "redirect-refused");
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn passing_troubles_are_tried_again() {
    for status in [429, 502, 503, 504] {
        let server = Server::start(move |_, n| match n {
            0 | 1 => (status, vec![("retry-after", "0".into())], Body::empty()),
            _ => (200, vec![], Body::from("ok")),
        })
        .await;
        assert_eq!(client().send(get(&server, "/")).await.unwrap().status(), 200);
        assert_eq!(server.seen().len(), 3);
    }
}

#[tokio::test]
async fn other_troubles_are_not() {
    for (method, status, retry_after) in [
        (Method::GET, 500, "0"),
        (Method::GET, 404, "0"),
        (Method::POST, 503, "0"),
        (Method::GET, 503, "3600"),
    ] {
        let server =
            Server::start(move |_, _| (status, vec![("retry-after", retry_after.into())], Body::empty()))
                .await;
        let request = Request::new("do it", method.clone(), server.url("/"));
        assert_eq!(client().send(request).await.unwrap().status(), status);
        assert_eq!(server.seen().len(), 1, "{method} {status}");
    }
    let server = Server::start(|_, _| (503, vec![], Body::empty())).await;
    assert_eq!(client().send(get(&server, "/")).await.unwrap().status(), 503);
    assert_eq!(server.seen().len(), 3);
}

fn broken(sent: &'static [u8]) -> Body {
    let chunks = [Ok(sent), Err(std::io::Error::other("broken"))];
    Body::from_stream(futures_util::stream::iter(chunks))
}

#[tokio::test]
async fn bodies_that_break_off_are_fetched_again() {
    let server = Server::start(|_, n| match n {
        0 | 1 => (200, vec![("content-length", "10".into())], broken(b"01234")),
        _ => (200, vec![], Body::from("0123456789")),
    })
    .await;
    assert_eq!(&client().fetch(get(&server, "/"), 100).await.unwrap().body[..], b"0123456789");
    let server = Server::start(|_, _| (200, vec![("content-length", "10".into())], broken(b"01234"))).await;
    let error = client().fetch(get(&server, "/"), 100).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let chunked = || {
        let chunks = (0..10).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100]));
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    let server = Server::start(move |target, _| match target {
        "/chunked" => (200, vec![], chunked()),
        _ => (200, vec![], Body::from(vec![b'x'; 1000])),
    })
    .await;
    for path in ["/chunked", "/announced"] {
        assert_eq!(client().fetch(get(&server, path), 1000).await.unwrap().body.len(), 1000);
        let error = client().fetch(get(&server, path), 999).await.unwrap_err();
        assert_eq!(error.code(), "too-large");
    }
    let response = client().send(get(&server, "/chunked")).await.unwrap();
    assert_eq!(response.read_start(150).await.len(), 150);
}

#[tokio::test]
async fn errors_hold_no_secrets() {
    let url = "http://user:hunter2@127.0.0.1:1/path?token=hunter2".parse().unwrap();
    let error = client().send(Request::get("fetch it", url)).await.unwrap_err();
    assert_eq!(error.code(), "connection-failed");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(!format!("{error} {error:?} {source}").contains("hunter2"), "{error:?} {source}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn only_http_is_spoken() {
    for url in ["file:///etc/passwd", "ftp://a.io/x", "data:,x"] {
        let error = client().send(Request::get("fetch it", url.parse().unwrap())).await.unwrap_err();
        assert_eq!(error.code(), "url-invalid");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let url = format!("http://{UNRESOLVABLE}/").parse().unwrap();
    let error = client().send(Request::get("fetch it", url)).await.unwrap_err();
    assert_eq!(error.code(), "host-not-found");
}

#[test]
fn a_certificate_that_is_none() {
    for pem in [&b"hello"[..], b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let mut config = crate::server::config(egress::AddressPolicy::Any);
        config.extra_ca.push(pem.to_vec());
        assert_eq!(Client::build(&config).unwrap_err().code(), "http-client-config", "{pem:?}");
    }
}
