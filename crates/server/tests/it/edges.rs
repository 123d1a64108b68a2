//! What clients do wrong, uploads, TLS, and the routes for machines.

use std::time::Duration;

use egress::{Body, ClientConfig, Method};
use model::Role;
use serde_json::json;
use testkit::{
    sample::debian,
    write::{layout_files, tar},
};

use crate::rig::{Client, World, curl, kinds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_told_what_is_wrong() {
    let world = World::new(kinds().remove(0)).await;
    let running = world.start(false).await;
    let client = running.robot(Role::Admin).await;
    for (route, status, code) in [
        ("nothing", 404, "route-not-known"),
        ("/nothing", 404, "route-not-known"),
        ("images?limit=0", 400, "query-invalid"),
        ("images?limit=501", 400, "query-invalid"),
        ("images?limit=x", 400, "query-invalid"),
        ("images?color=red", 400, "query-invalid"),
        ("images?cursor=!", 400, "cursor-invalid"),
        ("images?status=great", 400, "query-invalid"),
        ("images?label=x", 400, "query-invalid"),
        ("images?q=%00", 400, "text-invalid"),
        ("images?project=nobodys", 404, "project-not-known"),
        ("images/x", 400, "path-invalid"),
        ("images/9999", 404, "image_not_known"),
        ("scans/x", 400, "path-invalid"),
        ("scans/0198f2b2-c0de-7c3f-9d1c-6a5b4e3f2a10", 404, "scan_not_known"),
        ("status", 400, "query-invalid"),
        ("status?image=a&scan=0198f2b2-c0de-7c3f-9d1c-6a5b4e3f2a10", 400, "query-invalid"),
        ("status?image=a&wait=soon", 400, "duration-invalid"),
        ("status?image=UPPER%20CASE", 400, "reference-invalid"),
        ("status?image=a&platform=amiga", 400, "platform-invalid"),
        ("vulnerabilities/CVE-1", 404, "vulnerability_not_known"),
        ("events?from=yesterday", 400, "time-invalid"),
        ("users/nobody", 404, "not-found"),
    ] {
        client.get(route).await.fails(status, code);
    }
    client.delete("queue").await.fails(405, "method-not-allowed");
    for (body, status, code) in [
        (json!({ "images": [] }), 422, "images-invalid"),
        (json!({ "images": ["/etc/passwd"] }), 422, "reference-invalid"),
        (json!({ "images": ["oci:/etc"] }), 422, "reference-invalid"),
        (json!({ "images": vec!["a"; 1001] }), 422, "images-invalid"),
        (json!({ "images": ["a"], "class": "now" }), 422, "body-invalid"),
        (json!({ "images": ["a"], "colour": 1 }), 422, "body-invalid"),
        (json!({ "images": ["a"], "platform": "x" }), 422, "platform-invalid"),
        (json!({}), 422, "body-invalid"),
    ] {
        client.post("scans", &body).await.fails(status, code);
    }
    let question = || client.ask(Method::POST, "scans");
    let json = |text: &'static str| Body::Bytes(text.into());
    question().body(json("{}")).send().await.fails(415, "media-type-unsupported");
    question()
        .header("content-type", "application/json")
        .body(json("{"))
        .send()
        .await
        .fails(400, "body-malformed");
    let long = Body::Bytes(vec![b' '; 2 << 20].into());
    question()
        .header("content-type", "application/json")
        .body(long)
        .send()
        .await
        .fails(413, "body-too-large");

    let answer = client.ask(Method::GET, "/healthz").header("x-request-id", "build-7").send().await.is(200);
    assert_eq!(answer.header("x-request-id"), "build-7");
    assert_eq!(
        (answer.header("x-content-type-options"), answer.header("cache-control")),
        ("nosniff", "no-store")
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_sent_and_scanned() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        let archive = tar(&layout_files(&[("app", &debian("curl", "7.88.1-10"))]));
        let send = |name: &str, body: Body| {
            client.ask(Method::POST, &format!("uploads?name={name}")).body(body).send()
        };
        let sent = send("app-1.tar", Body::Bytes(archive.clone())).await.is(202).json();
        let scan = sent["scans"][0]["id"].as_str().unwrap();
        let told = client.get(&format!("scans/{scan}?wait=60s")).await.is(200).json();
        assert_eq!((&told["status"], &told["image"]), (&json!("completed"), &json!("app-1.tar")), "{told}");
        assert_eq!(told["last_completed"]["facets"]["critical"], 1, "{told}");
        let told = client.get("status?image=app-1.tar").await.is(200).json();
        assert_eq!(told["scan"], scan);
        // Once more, from what was sent.
        let again = client.post(&format!("scans/{scan}/retry"), &json!({})).await.is(202).json();
        assert_ne!(again["scans"][0]["id"], scan);

        let sent = send("text", Body::Bytes(vec![b'x'; 4096].into())).await.is(202).json();
        let scan = sent["scans"][0]["id"].as_str().unwrap();
        let told = client.get(&format!("scans/{scan}?wait=60s")).await.is(200).json();
        assert_eq!(told["reason"], "unsupported_image_type", "{told}");
        assert!(!told.to_string().contains(world.dir.path().to_str().unwrap()), "{told}");

        let files = || std::fs::read_dir(world.data().join("uploads")).unwrap().count();
        let before = files();
        send("empty", Body::Empty).await.fails(400, "upload-empty");
        send("large", Body::Bytes(vec![0; (1 << 20) + 1].into())).await.fails(413, "body-too-large");
        // Nothing says how long it is.
        assert_eq!(files(), before, "what is refused is not kept");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_for_monitoring() {
    let world = World::new(kinds().remove(0)).await;
    world.advise(&curl());
    world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
    let running = world.start(true).await;
    let client = running.robot(Role::Operator).await;
    running.client.get("/metrics").await.is(200);
    client.scan(&world.reference("app:1")).await;
    let text = running.client.get("/metrics").await.is(200).text;
    for line in [
        "lazaret_scans_total{status=\"completed\",reason=\"\"} 1",
        "lazaret_scan_seconds_count 1",
        "lazaret_queue_jobs{class=\"pipeline\",state=\"ready\"} 0",
        "lazaret_http_requests_total{method=\"POST\",route=\"/api/portal/v1/scans\",status=\"202\"} 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let queue = client.get("queue").await.is(200).json();
    assert_eq!(queue["classes"].as_array().map(Vec::len), Some(model::JobClass::ALL.len()), "{queue}");
    let database = client.get("database").await.is(200).json();
    assert_eq!(database["shards"][0]["shard"], "debian-12", "{database}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tls_only_with_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (certificates, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    testkit::tool::run(std::process::Command::new("openssl").args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-out",
        certificates.to_str().unwrap(),
        "-keyout",
        key.to_str().unwrap(),
    ]))
    .unwrap();
    let world = World::new(kinds().remove(0)).await;
    let files = server::TlsFiles { certificates: certificates.clone(), key };
    let running = world.start_with(false, Some(&files)).await;
    let base = format!("https://{}", running.address);
    let known = ClientConfig {
        extra_ca: vec![std::fs::read(&certificates).unwrap()],
        ..ClientConfig::command_line()
    };
    // Whoever connects and says nothing holds up nobody.
    let silent = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let asked = Client::new(base.clone(), known);
    let answered = tokio::time::timeout(Duration::from_secs(5), asked.get("/healthz")).await.unwrap();
    answered.is(200);
    drop(silent);
    let stranger = Client::new(base, ClientConfig::command_line());
    assert!(stranger.ask(Method::GET, "/healthz").try_send().await.is_err());
    running.stop().await;
}
