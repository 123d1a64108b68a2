//! The service as the binary runs it: first start, scans over the command line, ends of every kind.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{
    docker_registry::Certificate,
    image::Published,
    layer::Compression,
    oidc::OidcProvider,
    postgres::Postgres,
    registry::{Auth, TestRegistry},
    write,
};
use tokio::runtime::Runtime;

use crate::{
    binary::{Home, run},
    sample::{self, FINDINGS},
    server::{Server, answer},
    service::{PASSWORD, PATIENCE, Service},
};

/// A home with the sample advisories where a service in `data` looks for them.
fn home() -> Home {
    let home = Home::new();
    home.write("records.jsonl", sample::records().join("\n"));
    let built = home.run(["db", "build", "--from", "records.jsonl", "--out", "data/db"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    home
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap()
}

#[test]
fn a_report_outlives_the_service() {
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("shop/web", "1.4", &Published::from(&sample::image()));
    let image = format!("{}/shop/web:1.4", registry.host());
    let home = home();
    let mut service = Service::start(&home, &[]);
    assert!(service.banner.contains("  data      data\n"), "{}", service.banner);
    let token = service.first_token();
    let ask = |service: &Service, args: &[&str]| service.client(&home, &token, args);

    let unknown = ask(&service, &["status", &image]);
    assert!(unknown.code == Some(3) && unknown.err.contains("error[image_not_known]"), "{unknown:?}");
    let submitted = ask(&service, &["submit", "--wait=60s", &image]);
    assert_eq!((submitted.code, submitted.err.as_str()), (Some(0), ""), "{submitted:?}");
    assert!(submitted.out.starts_with(&format!("{image}: Scan completed\n")), "{submitted:?}");
    let severe = ask(&service, &["status", "--fail-on", "high", &image]);
    assert_eq!(severe.code, Some(1), "{severe:?}");
    let report = ask(&service, &["report", &image]);
    assert_eq!((report.code, report.findings()), (Some(0), FINDINGS.map(str::to_owned).to_vec()));
    write::oci_archive(
        &home.path("saved.tar"),
        &[("1.4", &Published::from(&sample::image()))],
        Compression::Gzip,
    )
    .unwrap();
    let sent = ask(&service, &["submit", "--wait=60s", "oci-archive:saved.tar"]);
    assert_eq!((sent.code, sent.err.as_str()), (Some(0), ""), "{sent:?}");
    assert!(sent.out.starts_with("saved.tar: Scan completed\n"), "{sent:?}");
    let none = ask(&service, &["submit", "docker-archive:nowhere.tar"]);
    assert!(none.code == Some(2) && none.err.contains("error[archive-unreadable]"), "{none:?}");
    let images = ask(&service, &["images", "web"]);
    assert!(images.code == Some(0) && images.out.contains(&image), "{images:?}");
    let place = ask(&service, &["where", "CVE-2020-0001"]);
    assert!(place.code == Some(0) && place.out.contains("curl") && place.out.contains(&image), "{place:?}");
    let nowhere = ask(&service, &["where", "CVE-1999-0001"]);
    assert_eq!(
        (nowhere.code, nowhere.out.as_str()),
        (Some(0), "No image that is known here has CVE-1999-0001.\n")
    );
    for (token, error) in [("lzt_nobody", "token-invalid"), ("", "login-needed")] {
        let stranger = service.client(&home, token, &["images"]);
        assert_eq!(stranger.code, Some(3), "{stranger:?}");
        assert!(stranger.err.starts_with(&format!("error[{error}]")), "{stranger:?}");
        assert!(stranger.err.contains("next: Log in with `lazaret login`"), "{stranger:?}");
    }
    let status = ask(&service, &["status", "--json", &image]).json();
    service.signal();
    let ended = service.ended();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "nothing is shown twice");
    let lines: Vec<Value> = log(&home).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked = lines.iter().find(|line| line["message"] == "a scan is asked for").unwrap();
    let worked: Vec<&str> = lines
        .iter()
        .filter(|line| line["message"] == "over" && line["span"]["scan"] == status["scan"])
        .filter(|line| line["span"]["request"] == asked["span"]["id"] && line["millis"].is_number())
        .map(|line| line["span"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!((&asked["scan"], worked), (&status["scan"], vec!["resolve", "index", "match"]));

    let service = Service::start(&home, &[]);
    assert_eq!(ask(&service, &["report", &image]).json(), report.json());
    service.log_in(PASSWORD);
    service.stop();
    let log = log(&home);
    assert!(!log.contains(PASSWORD) && !log.contains(&token), "{log}");
}

#[test]
fn only_its_owner_reads_what_it_keeps() {
    let home = home();
    let mut service = Service::start_in(&home, "made/here", &[]);
    let password = service.first_password();
    let line = "GET /api/portal/v1/openapi.json";
    let (status, head, _) = service.ask(line, "x-request-id: r-17\r\n", &Value::Null);
    assert!(status == 200 && head.contains("x-request-id: r-17"), "{head}");
    service.stop();
    let mode = |path: &str| fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("made/here"), mode("made/here/seal.key")), (0o700, 0o600));
    let log = log(&home);
    assert!(!log.contains(&password), "{log}");
    let line = log.lines().find(|line| line.contains("r-17")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["span"]["id"], &line["status"]), (&json!("r-17"), &json!(200)), "{line}");
}

#[test]
fn what_is_in_the_way_is_told() {
    let home = home();
    let mut service = Service::start(&home, &[]);
    let check = |args: &[&str], code: i32, error: &str, says: &str| {
        let run = home.run(args);
        assert_eq!((run.code, run.out.as_str()), (Some(code), ""), "{args:?}: {run:?}");
        assert!(run.err.starts_with(&format!("error[{error}]: ")), "{args:?}: {run:?}");
        assert!(run.err.contains(says) && !run.err.contains("hunter2"), "{args:?}: {run:?}");
    };
    let taken = service.address.to_string();
    check(
        &["serve", "--data", "data", "--listen", "127.0.0.1:0"],
        3,
        "data-in-use",
        "another lazaret uses data",
    );
    check(&["serve", "--data", "other", "--listen", &taken], 3, "listen-failed", &taken);
    check(&["user", "list", "--data", "data"], 3, "data-in-use", "Stop the service first");
    check(&["user", "list", "--data", "nowhere"], 2, "store-not-found", "nowhere");
    check(
        &["serve", "--data", "other", "--listen", "127.0.0.1:0", "--set", "secrets.key=short"],
        2,
        "sealing-key",
        "base64",
    );
    check(&["serve", "--data", "other", "--role", "worker"], 2, "settings-invalid", "server.role");
    // A server that hangs up after it has refused TLS: one that is being started, for example.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:hunter2@{}/x", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 8];
            let _ = stream.read_exact(&mut request).and_then(|()| stream.write_all(b"N"));
            let _ = stream.read_exact(&mut request);
        }
    });
    // A key of zeros; without one, a warning comes first.
    let key = format!("secrets.key={}=", "A".repeat(43));
    let pg = ["serve", "--data", "other", "--listen", "127.0.0.1:0", "--database-url", &url, "--set", &key];
    check(&pg, 5, "store-unavailable", "PostgreSQL");
    let (status, _, body) = service.ask("GET /readyz", "", &Value::Null);
    assert_eq!((status, &body["status"]), (200, &json!("ok")), "it still serves");
    service.first_password();
    service.stop();
}

#[test]
fn a_lost_password_is_replaced() {
    let home = home();
    let mut service = Service::start(&home, &[]);
    service.first_token();
    service.stop();
    let list = home.run(["user", "list", "--data", "data"]);
    assert!(list.code == Some(0) && list.out.contains("admin  admin  active  password"), "{list:?}");
    let made = home.run(["user", "create", "ada", "--role", "analyst", "--data", "data"]);
    assert!(made.code == Some(0) && made.out.contains("  name      ada\n"), "{made:?}");
    let reset = home.run(["user", "reset-password", "Admin", "--data", "data"]);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let password = |out: &str| {
        let line = out.lines().find(|line| line.starts_with("  password")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let nobody = home.run(["user", "reset-password", "bob", "--data", "data"]);
    assert!(nobody.code == Some(3) && nobody.err.starts_with("error[not-found]"), "{nobody:?}");

    let service = Service::start(&home, &[]);
    let old = json!({ "name": "admin", "password": PASSWORD });
    let (status, _, body) = service.ask("POST /api/portal/v1/session", "", &old);
    assert_eq!((status, &body["code"]), (401, &json!("login-failed")), "{body}");
    service.log_in(&password(&reset.out));
    service.stop();
}

#[test]
fn running_scans_return_to_the_queue() {
    let Published { root: manifest, blobs, .. } = Published::from(&sample::image());
    let held = Arc::new((Mutex::new(true), Condvar::new()));
    let (asked, was_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let holds = Arc::clone(&held);
    let server = Server::start(move |request| {
        let path = request.target.as_str();
        if path.ends_with("/manifests/1.4") || path.ends_with(&manifest.digest.to_string()) {
            return answer(200, &[("content-type", &manifest.media_type)], &manifest.bytes);
        }
        let Some(blob) = blobs.iter().find(|blob| path.ends_with(&blob.digest.to_string())) else {
            return answer(200, &[], b"{}");
        };
        asked.lock().unwrap().send(()).unwrap();
        let mut wait = holds.0.lock().unwrap();
        while *wait {
            wait = holds.1.wait(wait).unwrap();
        }
        answer(200, &[], &blob.bytes)
    });
    let image = format!("{}/shop/web:1.4", server.address);
    let home = home();
    let mut service = Service::start(&home, &[]);
    let token = service.first_token();
    let submitted = service.client(&home, &token, &["submit", &image]);
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    was_asked.recv_timeout(PATIENCE).unwrap();
    service.stop();

    *held.0.lock().unwrap() = false;
    held.1.notify_all();
    let service = Service::start(&home, &[]);
    let status = service.client(&home, &token, &["status", "--wait", "60s", "--json", &image]);
    assert_eq!((status.code, status.json()["status"].as_str()), (Some(0), Some("completed")), "{status:?}");
    service.stop();
    assert!(!log(&home).contains("jobs of an earlier process"), "they were given back: {}", log(&home));
}

#[test]
fn processes_share_a_database() {
    let Some(database) = Postgres::database().unwrap() else { return };
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("shop/web", "1.4", &Published::from(&sample::image()));
    let image = format!("{}/shop/web:1.4", registry.host());
    let home = home();
    let url = database.url();
    let db = format!("advisories.dir={}", home.text("data/db"));
    let shared = ["--database-url", &url, "--set", &db];
    let mut api = Service::start_in(&home, "api", &[&shared[..], &["--role", "api"]].concat());
    let token = api.first_token();
    let submitted = api.client(&home, &token, &["submit", &image]);
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let listed = home.run(["user", "list", "--data", "any", "--database-url", &url]);
    assert!(listed.code == Some(0) && listed.out.contains("admin"), "while it runs: {listed:?}");
    let waiting = api.client(&home, &token, &["status", &image]);
    assert!(waiting.code == Some(4) && waiting.out.contains("Scan pending"), "{waiting:?}");

    let mut worker =
        home.command(["serve", "--role", "worker", "--data", "worker", "--set", "images.allow=127.0.0.1"]);
    worker.args(["--set", "advisories.offline=true"]).args(shared).stdout(Stdio::null());
    let log = fs::File::create(home.path("worker.log")).unwrap();
    let mut worker = worker.stderr(log).spawn().unwrap();
    let done = api.client(&home, &token, &["status", "--wait", "60s", &image]);
    kill_process(Pid::from_child(&worker), Signal::INT).unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(0));
    assert!(done.code == Some(0) && done.out.contains("Scan completed"), "{done:?}");
    api.stop();
    let warned = "secrets.key is not set";
    assert_eq!(self::log(&home).matches(warned).count(), 1, "{}", self::log(&home));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = home();
    let service = Service::start(&home, &[]);
    // A request whose body never comes keeps the first signal waiting.
    let mut open = TcpStream::connect(service.address).unwrap();
    let head = "POST /api/portal/v1/session HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n";
    open.write_all(head.as_bytes()).unwrap();
    // The service asks for the body, so the request is under way.
    let mut first = [0; 12];
    open.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    service.signal();
    // It takes no new connections then.
    while TcpStream::connect(service.address).is_ok() {
        thread::yield_now();
    }
    service.signal();
    let ended = service.ended();
    assert_eq!(ended.code, Some(3), "{ended:?} {}", log(&home));
    let log = log(&home);
    assert!(log.contains("error[broken-off]: a second signal (SIGTERM)"), "{log}");
}

#[test]
fn a_login_provider_lets_people_in() {
    // Where the provider sends browsers; its path is followed at the service, wherever that listens.
    let public = "http://127.0.0.1:9";
    let back = format!("{public}/api/portal/v1/session/oidc/return");
    let Some(provider) = OidcProvider::start(&back).unwrap() else { return };
    let claims = json!({ "preferred_username": "alice", "groups": ["security"] });
    provider.set_user("1001", &claims).unwrap();
    let home = home();
    let (id, secret) = provider.client();
    let settings = [
        format!("server.public_url={public}/"),
        format!("auth.oidc_issuer={}", provider.issuer()),
        format!("auth.oidc_client_id={id}"),
        format!("auth.oidc_client_secret={secret}"),
        "auth.oidc_roles=security=analyst".to_owned(),
    ];
    let more: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let service = Service::start(&home, &more);
    let header = |head: &str, name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap()
    };
    let (status, head, _) = service.ask("GET /api/portal/v1/session/oidc", "", &Value::Null);
    assert_eq!(status, 303, "{head}");
    let back = provider.visit(&header(&head, "location: "), Some("1001")).unwrap();
    let path = back.strip_prefix(public).unwrap();
    let cookie = header(&head, "set-cookie: ");
    let cookie = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let (status, head, _) = service.ask(&format!("GET {path}"), &cookie, &Value::Null);
    assert_eq!(status, 200, "{head}");
    let cookies: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    let cookie: String = cookies.iter().map(|line| format!("cookie: {line}\r\n")).collect();
    let (status, _, me) = service.ask("GET /api/portal/v1/me", &cookie, &Value::Null);
    assert_eq!((status, &me["name"], &me["role"]), (200, &json!("alice"), &json!("analyst")), "{me}");
    service.stop();
    assert!(!log(&home).contains(secret), "{}", log(&home));
}

#[test]
fn it_speaks_tls() {
    let home = home();
    let Some(certificate) = Certificate::create(&home.path("")).unwrap() else { return };
    let files = [
        "--tls-cert",
        certificate.certificate.to_str().unwrap(),
        "--tls-key",
        certificate.key.to_str().unwrap(),
    ];
    let mut service = Service::start(&home, &files);
    assert!(service.banner.contains("  address   https://127.0.0.1:"), "{}", service.banner);
    service.first_password();
    let server = format!("https://{}", service.address);
    let ask = |ca: &[&str]| run(&mut home.command(["images", "--server", &server].iter().chain(ca)));
    let trusted = ask(&["--ca-file", certificate.authority.to_str().unwrap()]);
    assert!(trusted.code == Some(3) && trusted.err.contains("error[login-needed]"), "{trusted:?}");
    let untrusted = ask(&[]);
    assert!(untrusted.code == Some(5) && untrusted.err.contains("error[unavailable]"), "{untrusted:?}");
    service.stop();
    let swapped = [
        "serve",
        "--data",
        "other",
        "--listen",
        "127.0.0.1:0",
        "--tls-key",
        files[1],
        "--tls-cert",
        files[3],
    ];
    let swapped = home.run(swapped);
    assert!(swapped.code == Some(3) && swapped.err.starts_with("error[tls-unusable]"), "{swapped:?}");
}
