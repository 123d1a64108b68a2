//! Logging in from the command line, and what each status looks like there.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};
use testkit::{
    image::Published,
    postgres::Postgres,
    registry::{Auth, Fault, TestRegistry},
    sample::{DEBIAN, debian, dpkg, image, record},
};
use tokio::runtime::Runtime;

use crate::{
    binary::{Home, Run, run},
    service::{PASSWORD, Service},
};

fn login(home: &Home, service: &Service, password: &str, new: Option<&str>, more: &[&str]) -> Run {
    let mut command = home.command(["login"].iter().chain(more));
    command.env("LAZARET_SERVER", format!("http://{}", service.address)).env("LAZARET_PASSWORD", password);
    if let Some(new) = new {
        command.env("LAZARET_NEW_PASSWORD", new);
    }
    run(&mut command)
}

#[test]
fn a_login_is_kept_until_it_is_taken_back() {
    let home = Home::new();
    let mut service = Service::start(&home, &[]);
    let first = service.first_password();
    let wrong = login(&home, &service, "nothing", None, &[]);
    assert!(wrong.code == Some(3) && wrong.err.contains("error[login-failed]"), "{wrong:?}");
    let weak = login(&home, &service, &first, Some("short"), &[]);
    assert_eq!(weak.code, Some(2), "{weak:?}");
    let done = login(&home, &service, &first, Some(PASSWORD), &["--name", "here"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.out.contains("as admin (admin)") && done.out.contains("lazaret logout"), "{done:?}");
    let file = home.path(".config/lazaret/login.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&file).unwrap().contains(PASSWORD));

    // Neither server nor token must be named now.
    let images = home.run(["images"]);
    assert_eq!((images.code, images.err.as_str()), (Some(0), ""), "{images:?}");
    // The token goes to nobody else.
    let elsewhere = home.run(["images", "--server", &format!("http://localhost:{}", service.address.port())]);
    assert!(elsewhere.code == Some(3) && elsewhere.err.contains("error[login-needed]"), "{elsewhere:?}");

    let printed = login(&home, &service, PASSWORD, None, &["--print", "--name", "pipeline"]);
    assert!(printed.code == Some(0) && printed.out.starts_with("lzt_"), "{printed:?}");
    let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let out = home.run(["logout"]);
    assert_eq!(out.code, Some(0), "{out:?}");
    assert!(!file.exists());
    let old = service.client(&home, kept["token"].as_str().unwrap(), &["images"]);
    assert!(old.code == Some(3) && old.err.contains("error[token-invalid]"), "{old:?}");
    let other = service.client(&home, printed.out.trim(), &["images"]);
    assert_eq!(other.code, Some(0), "{other:?}");
    assert_eq!(home.run(["logout"]).out, "Nobody is logged in here.\n");
    service.stop();
}

/// The exit code of `lazaret status`, its first line and its status as JSON.
fn told(home: &Home, service: &Service, token: &str, args: &[&str]) -> (Option<i32>, String, Value) {
    let plain = service.client(home, token, &[&["status"], args].concat());
    let json = service.client(home, token, &[&["status", "--json"], args].concat());
    let line = plain.out.lines().next().unwrap_or_default().to_owned();
    (plain.code, line, serde_json::from_str(&json.out).unwrap_or(Value::Null)["status"].take())
}

/// An image whose layer takes more than one packet.
fn large(number: u64) -> Published {
    let noise: String =
        (number..20_000).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    image(&[&[("etc/os-release", DEBIAN), ("noise", &noise)]])
}

#[test]
fn every_status_has_its_line_and_its_exit_code() {
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("app", "1", &debian("curl", "7"));
    registry.add("strange", "1", &image(&[&[("var/lib/dpkg/status", &dpkg(&[("a", "1")]))]]));
    let name = |name: &str| format!("{}/{name}:1", registry.host());
    let home = Home::new();
    let retries = ["--set", "queue.backoff=10m", "--set", "queue.max_backoff=10m"];
    let mut service = Service::start(&home, &retries);
    let token = service.first_token();
    let check = |service: &Service, image: &str, expected: (i32, &str, &str)| {
        let image_name = name(image);
        let (code, line, status) = told(&home, service, &token, &[&image_name]);
        let expected_line = format!("{image_name}: {}", expected.1);
        assert_eq!(
            (code, line.as_str(), &status),
            (Some(expected.0), expected_line.as_str(), &json!(expected.2))
        );
    };
    let submit = |service: &Service, image: &str, more: &[&str]| {
        let image = name(image);
        service.client(&home, &token, &[&["submit", image.as_str()], more].concat())
    };

    let unknown = service.client(&home, &token, &["status", &name("app")]);
    assert!(unknown.code == Some(3) && unknown.err.contains("error[image_not_known]"), "{unknown:?}");
    // No advisories at all: waiting ends at once.
    let waited = submit(&service, "app", &["--wait=60s"]);
    assert_eq!(waited.code, Some(5), "{waited:?}");
    check(&service, "app", (5, "CVE database not populated yet", "database_not_populated"));
    home.write("records.jsonl", record("CVE-2026-0001", "Debian:12", "curl", "9", 'H'));
    let built = home.run(["db", "build", "--from", "records.jsonl", "--out", "data/db"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let waited = submit(&service, "app", &["--wait=60s"]);
    assert_eq!(waited.code, Some(0), "{waited:?}");
    check(&service, "app", (0, "Scan completed", "completed"));
    let severe = service.client(&home, &token, &["status", &name("app"), "--fail-on", "high"]);
    assert_eq!(severe.code, Some(1), "{severe:?}");
    assert_eq!(submit(&service, "strange", &["--wait=60s"]).code, Some(3));
    check(&service, "strange", (3, "Image failed to be scanned: unknown operating system", "failed"));

    // The registry is stuck in the middle of every layer: some scans run, the last one waits.
    registry.fail(Fault::StallBlob { after: 4000 });
    for at in 0..8 {
        registry.add(&format!("large{at}"), "1", &large(at));
        assert_eq!(submit(&service, &format!("large{at}"), &[]).code, Some(0));
    }
    let late = service.client(&home, &token, &["status", &name("large0"), "--wait", "1s"]);
    assert_eq!(late.code, Some(4), "{late:?}");
    check(&service, "large0", (4, "Scanning", "running"));
    check(&service, "large7", (4, "Scan pending", "pending"));
    let bearer = format!("authorization: Bearer {token}\r\n");
    let (status, _, waiting) =
        service.ask("GET /api/portal/v1/scans?status=pending&limit=1", &bearer, &Value::Null);
    assert_eq!((status, &waiting["items"][0]["image"]), (200, &json!(name("large7"))), "{waiting}");
    let line = format!("DELETE /api/portal/v1/scans/{}", waiting["items"][0]["scan"].as_str().unwrap());
    assert_eq!(service.ask(&line, &bearer, &Value::Null).0, 200);
    check(&service, "large7", (3, "Scan cancelled", "cancelled"));

    // Nobody answers at that port: the next attempt is ten minutes away.
    let nowhere = "127.0.0.1:1/app:1";
    let asked = service.client(&home, &token, &["submit", nowhere]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let retrying = (0..600).find_map(|_| {
        let told = told(&home, &service, &token, &[nowhere]);
        (told.2 == "retrying").then_some(())
    });
    assert!(retrying.is_some());
    // Line and word were asked for one after the other: the line may be older than the attempt.
    let (code, line, _) = told(&home, &service, &token, &[nowhere]);
    assert_eq!((code, line), (Some(4), format!("{nowhere}: Aborted, retrying (2 of 5)")));

    // Nobody is there any more.
    let address = service.address.to_string();
    service.stop();
    let gone =
        home.run(["status", &name("app"), "--server", &format!("http://{address}"), "--token", &token]);
    assert!(gone.code == Some(5) && gone.err.contains("Unavailable"), "{gone:?}");
}

#[test]
fn a_locked_database_is_not_ready_and_a_listed_image_not_scanned() {
    let Some(database) = Postgres::database().unwrap() else { return };
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("app", "1", &debian("curl", "7"));
    let home = Home::new();
    let setting = format!("database.url={}", database.url());
    let mut service = Service::start(&home, &["--set", &setting]);
    let token = service.first_token();
    let image = format!("{}/app:1", registry.host());
    assert_eq!(service.client(&home, &token, &["submit", &image, "--wait=60s"]).code, Some(5));

    // As a record stands whose scans were all trimmed, or that came from a list of images.
    database.run("update image set status = 2, scan_id = null").unwrap();
    let seen = told(&home, &service, &token, &[&image]);
    assert_eq!(seen, (Some(5), format!("{image}: Not scanned"), json!("not_scanned")));

    let held = database.hold("lock table image in access exclusive mode").unwrap();
    let seen = told(&home, &service, &token, &[&image]);
    assert_eq!(seen, (Some(5), format!("{image}: Not ready"), json!("not_ready")));
    drop(held);
    assert_eq!(told(&home, &service, &token, &[&image]).2, json!("not_scanned"));
    service.stop();
}
