//! A server on loopback that answers by path and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use egress::{AddressPolicy, Client, ClientConfig, ProxyConfig, RetryPolicy, Url};
use tokio::net::TcpListener;

/// A name whose first label is longer than DNS allows (RFC 1035 section 2.3.4): it fails without asking anybody.
pub(crate) const UNRESOLVABLE: &str =
    "a-name-that-is-much-longer-than-any-name-that-could-ever-be-looked-up.invalid";

/// One request: method, target as sent, headers.
pub(crate) type Seen = (String, String, HeaderMap);

type Answer = dyn Fn(&str, usize) -> (u16, Vec<(&'static str, String)>, Body) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Answer>,
}

impl Server {
    /// Starts one; `answer` gets the target and the number of requests before.
    pub(crate) async fn start(
        answer: impl Fn(&str, usize) -> (u16, Vec<(&'static str, String)>, Body) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let shared = Shared { seen: Arc::clone(&seen), answer: Arc::new(answer) };
        let router = Router::new().fallback(handle).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let target = request.uri().to_string();
    let before = {
        let mut seen = shared.seen.lock().unwrap();
        seen.push((request.method().to_string(), target.clone(), request.headers().clone()));
        seen.len() - 1
    };
    let (status, headers, body) = (shared.answer)(&target, before);
    let mut builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body).unwrap()
}

/// Quick retries, no surroundings.
pub(crate) fn config(addresses: AddressPolicy) -> ClientConfig {
    let retry = RetryPolicy {
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(1),
    };
    ClientConfig { retry, ..ClientConfig::new(addresses, ProxyConfig::none()) }
}

pub(crate) fn client() -> Client {
    Client::build(&config(AddressPolicy::Any)).unwrap()
}
