//! Requests through a proxy.

use axum::body::Body;
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, Request};

use crate::server::{Server, UNRESOLVABLE, config};

fn through(proxy: &Server, addresses: AddressPolicy, no_proxy: &str) -> Client {
    let proxy = ProxyConfig {
        http: Some(format!("http://user:pass@{}", proxy.address)),
        https: None,
        no_proxy: no_proxy.to_owned(),
    };
    Client::build(&ClientConfig { proxy, ..config(addresses) }).unwrap()
}

async fn ask(client: &Client, url: &str) -> String {
    match client.fetch(Request::get("fetch it", url.parse().unwrap()), 100).await {
        Ok(fetched) => String::from_utf8(fetched.body.to_vec()).unwrap(),
        Err(e) => e.code().to_owned(),
    }
}

#[tokio::test]
async fn is_used_where_it_should_be() {
    let proxy = Server::start(|_, _| (200, vec![], Body::from("proxied"))).await;
    let server = Server::start(|_, _| (200, vec![], Body::from("direct"))).await;
    let direct = format!("direct.{UNRESOLVABLE}");
    let client = through(&proxy, AddressPolicy::Any, &format!("{direct},.corp.{UNRESOLVABLE}"));
    assert_eq!(ask(&client, &format!("http://{UNRESOLVABLE}/x?y")).await, "proxied");
    assert_eq!(ask(&client, &format!("http://{direct}/")).await, "host-not-found");
    assert_eq!(ask(&client, &format!("http://a.corp.{UNRESOLVABLE}/")).await, "host-not-found");
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(ask(&client, &format!("http://{host}:{}/", server.address.port())).await, "direct");
    }
    let seen = proxy.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1, format!("http://{UNRESOLVABLE}/x?y"));
    assert_eq!(seen[0].2["proxy-authorization"], "Basic dXNlcjpwYXNz");
}

#[tokio::test]
async fn does_not_open_what_is_guarded() {
    let proxy = Server::start(|_, _| (200, vec![], Body::from("proxied"))).await;
    let client = through(&proxy, AddressPolicy::Guarded { allow: Vec::new() }, "");
    // The proxy's own address is private and fine; a name that only it can resolve is its to judge.
    assert_eq!(ask(&client, &format!("http://{UNRESOLVABLE}/")).await, "proxied");
    for url in ["http://10.0.0.1/", "http://169.254.169.254/latest", "http://localhost/", "http://127.0.0.1/"]
    {
        assert_eq!(ask(&client, url).await, "address-refused", "{url}");
    }
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn a_proxy_that_is_no_url() {
    let proxy = ProxyConfig { http: Some("http://user:hunter2@[bad".into()), ..ProxyConfig::none() };
    let error = Client::build(&ClientConfig { proxy, ..config(AddressPolicy::Any) }).unwrap_err();
    assert_eq!(error.code(), "http-client-config");
    assert!(!format!("{error:?}").contains("hunter2"));
}
