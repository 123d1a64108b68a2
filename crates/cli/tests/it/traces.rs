//! Traces reach a collector: what it is sent, and that one that is gone holds nobody up.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::{binary::Home, service::Service};

/// Paths and bodies that came.
type Seen = Arc<Mutex<Vec<(String, Value)>>>;

fn collector() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let kept = Arc::clone(&seen);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                head.push(std::mem::take(&mut line));
            }
            let length = head.iter().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned)
            });
            let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let path = head[0].split(' ').nth(1).unwrap().to_owned();
            kept.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
        }
    });
    (address, seen)
}

#[test]
fn a_request_becomes_a_span() {
    let (address, seen) = collector();
    let home = Home::new();
    let service = Service::start(&home, &["--set", &format!("telemetry.endpoint=http://{address}")]);
    let (status, ..) = service.ask("GET /api/portal/v1/session", "x-request-id: r-42\r\n", &Value::Null);
    assert_eq!(status, 200);
    service.stop();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|(path, _)| path == "/v1/traces"), "{seen:?}");
    let spans: Vec<&Value> = seen
        .iter()
        .flat_map(|(_, body)| body["resourceSpans"].as_array().unwrap())
        .flat_map(|resource| resource["scopeSpans"].as_array().unwrap())
        .flat_map(|scope| scope["spans"].as_array().unwrap())
        .collect();
    let span = spans.iter().find(|span| span["name"] == "GET /api/portal/v1/session");
    let span = span.unwrap_or_else(|| panic!("{spans:?}"));
    let text = span["attributes"].to_string();
    assert!(
        text.contains("lazaret.request") && text.contains("r-42") && text.contains("http.route"),
        "{text}"
    );
    let resource = seen[0].1["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains("service.name") && resource.contains("\"lazaret\""), "{resource}");
}

#[test]
fn a_collector_that_is_gone_holds_nobody_up() {
    let home = Home::new();
    let service = Service::start(&home, &["--set", "telemetry.endpoint=http://127.0.0.1:1"]);
    assert_eq!(service.ask("GET /healthz", "", &Value::Null).0, 200);
    let began = std::time::Instant::now();
    service.stop();
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}
