//! Addresses that a service must not reach.

use axum::body::Body;
use egress::{AddressPolicy, Client, Request, Url};

use crate::server::{Server, config};

fn guarded(allow: &[&str]) -> Client {
    let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
    Client::build(&config(AddressPolicy::Guarded { allow })).unwrap()
}

async fn ask(client: &Client, url: &str) -> &'static str {
    let answer = client.send(Request::get("fetch it", Url::parse(url).unwrap())).await;
    answer.map_or_else(|e| e.code(), |_| "ok")
}

#[tokio::test]
async fn however_it_is_written() {
    let server = Server::start(|_, _| (200, vec![], Body::empty())).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "10.0.0.1",
    ] {
        assert_eq!(ask(&guarded(&[]), &format!("http://{host}:{port}/")).await, "address-refused", "{host}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_is_listed_is_reached() {
    let server = Server::start(|_, _| (200, vec![], Body::empty())).await;
    let port = server.address.port();
    for (allow, host, expected) in [
        ("localhost", "localhost", "ok"),
        ("127.0.0.0/8", "localhost", "ok"),
        ("127.0.0.1", "127.0.0.1", "ok"),
        ("localhost", "127.0.0.1", "address-refused"),
        ("10.0.0.0/8", "localhost", "address-refused"),
    ] {
        assert_eq!(
            ask(&guarded(&[allow]), &format!("http://{host}:{port}/")).await,
            expected,
            "{allow} {host}"
        );
    }
}

#[tokio::test]
async fn redirects_are_judged_too() {
    let inside = Server::start(|_, _| (200, vec![], Body::from("secret"))).await;
    let port = inside.address.port();
    let server = Server::start(move |target, _| {
        let host = target.trim_start_matches('/');
        (302, vec![("location", format!("http://{host}:{port}/"))], Body::empty())
    })
    .await;
    // Only the name of the outer server is listed.
    let client = guarded(&["localhost"]);
    let outer = format!("http://localhost:{}", server.address.port());
    assert_eq!(ask(&client, &format!("{outer}/127.0.0.1")).await, "address-refused");
    assert_eq!(ask(&client, &format!("{outer}/169.254.169.254")).await, "address-refused");
    assert!(inside.seen().is_empty());
    assert_eq!(ask(&client, &format!("{outer}/localhost")).await, "ok");
}
