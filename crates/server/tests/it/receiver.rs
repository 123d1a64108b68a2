//! A receiver of messages that takes everything and checks signatures as receivers do.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify},
};

use crate::rig::PATIENCE;

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks the signature by RFC 2104, not by the code that makes it.
    pub(crate) fn is_signed(&self, secret: &str) -> bool {
        let (time, hex) =
            self.header("lazaret-signature").strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let age = app::clock::now() / 1_000_000 - time.parse::<i64>().unwrap();
        let mut block = [0_u8; 64];
        block[..secret.len()].copy_from_slice(secret.as_bytes());
        let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36));
        let inner = inner.chain_update(format!("{time}.{}", self.body)).finalize();
        let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
        let expected: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
        (0..60).contains(&age) && expected == hex
    }
}

#[derive(Default)]
struct Inbox {
    messages: Mutex<VecDeque<Message>>,
    told: Notify,
}

/// Listens on loopback as long as the test runs.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inbox: Arc<Inbox>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inbox = Arc::new(Inbox::default());
        let routes = Router::new().route("/hook", post(take)).with_state(Arc::clone(&inbox));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, inbox }
    }

    /// The next message.
    pub(crate) async fn next(&self) -> Message {
        let waiting = async {
            loop {
                if let Some(message) = self.inbox.messages.lock().await.pop_front() {
                    return message;
                }
                self.inbox.told.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).unwrap();
    inbox.messages.lock().await.push_back(Message { headers, body });
    inbox.told.notify_one();
    StatusCode::NO_CONTENT
}
