//! A receiver of messages on loopback that answers as it is told and remembers what it got.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks the signature as a receiver does: with an implementation of its own, and for its age.
    pub(crate) fn is_signed(&self, secret: &str) -> bool {
        let signature = self.header("lazaret-signature");
        let Some((time, hex)) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
            return false;
        };
        let age = app::clock::now() / 1_000_000 - time.parse::<i64>().unwrap();
        let signed = format!("{time}.{}", self.body);
        (0..60).contains(&age) && hmac_sha256(secret.as_bytes(), signed.as_bytes()) == hex
    }
}

/// RFC 2104 over SHA-256.
fn hmac_sha256(key: &[u8], text: &[u8]) -> String {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16, &'static str),
    Redirect(String),
    /// Says nothing and keeps the connection.
    Hang,
}

type Replies = dyn Fn(&Got, usize) -> Reply + Send + Sync;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    count: watch::Receiver<usize>,
}

impl Receiver {
    /// Starts one; `reply` gets the request and how many there were before.
    pub(crate) async fn start(reply: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (told, count) = watch::channel(0);
        let told = Arc::new(told);
        let reply: Arc<Replies> = Arc::new(reply);
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (got, reply, told) = (Arc::clone(&kept), Arc::clone(&reply), Arc::clone(&told));
                tokio::spawn(async move { serve(stream, &got, &*reply, &told).await });
            }
        });
        Self { address, got, count }
    }

    /// One that takes everything.
    pub(crate) async fn taking() -> Self {
        Self::start(|_, _| Reply::Status(204, "")).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until there were so many requests.
    pub(crate) async fn until(&self, count: usize) -> Vec<Got> {
        let mut seen = self.count.clone();
        let wait = seen.wait_for(|seen| *seen >= count);
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(waited.is_ok_and(|seen| seen.is_ok()), "too few messages: {:?}", self.got());
        self.got()
    }
}

async fn serve(mut stream: TcpStream, got: &Mutex<Vec<Got>>, reply: &Replies, told: &watch::Sender<usize>) {
    while let Some(request) = read(&mut stream).await {
        let answer = {
            let mut got = got.lock().unwrap();
            got.push(request.clone());
            reply(&request, got.len() - 1)
        };
        told.send_modify(|count| *count += 1);
        let text = match answer {
            Reply::Status(status, body) => {
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
            Reply::Redirect(to) => {
                format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Reply::Hang => {
                // Until the other side gives up.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length.parse::<usize>().unwrap() {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => body.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
    Some(Got { path, headers, body: String::from_utf8(body).unwrap() })
}
