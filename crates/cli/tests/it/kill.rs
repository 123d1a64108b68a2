//! The service killed again and again while it scans: it loses nothing and does nothing twice.
//!
//! `LAZARET_KILLS` and `LAZARET_KILL_SCANS` set how often, and during how many scans; `LAZARET_KILL_SEED` when.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};
use testkit::{
    image::Published,
    postgres::{Postgres, TestDatabase},
    registry::{Auth, TestRegistry},
    sample::{debian, image},
};
use tokio::runtime::Runtime;

use crate::{
    binary::Home,
    service::{PASSWORD, Service},
};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// xorshift64*: enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Where the service keeps what it remembers.
struct Place {
    home: Home,
    database: Option<TestDatabase>,
}

impl Place {
    fn start(&self) -> Service {
        let database = self.database.as_ref().map(|database| format!("database.url={}", database.url()));
        let mut more = vec!["--set", "queue.lease=2s", "--set", "queue.heartbeat=200ms"];
        // A lost worker is an attempt that was aborted; here there are more of these than anywhere.
        more.extend([
            "--set",
            "queue.max_attempts=100",
            "--set",
            "queue.backoff=10ms",
            "--set",
            "queue.max_backoff=100ms",
        ]);
        more.extend(database.iter().flat_map(|setting| ["--set", setting]));
        Service::start(&self.home, &more)
    }
}

fn get(service: &Service, cookie: &str, route: &str) -> Value {
    let (status, _, body) = service.ask(&format!("GET /api/portal/v1/{route}"), cookie, &Value::Null);
    assert_eq!(status, 200, "{route}: {body}");
    body
}

/// Asks for scans of these images: their ids.
fn submit(service: &Service, cookie: &str, images: &[String]) -> Vec<String> {
    let (status, _, body) = service.ask("POST /api/portal/v1/scans", cookie, &json!({ "images": images }));
    assert_eq!(status, 202, "{body}");
    body["scans"].as_array().unwrap().iter().map(|scan| scan["id"].as_str().unwrap().to_owned()).collect()
}

/// Every scan with its status.
fn scans(service: &Service, cookie: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut route = "scans?limit=500".to_owned();
    loop {
        let page = get(service, cookie, &route);
        for scan in page["items"].as_array().unwrap() {
            all.insert(scan["scan"].as_str().unwrap().to_owned(), scan.clone());
        }
        match page["next"].as_str() {
            Some(next) => route = format!("scans?limit=500&cursor={next}"),
            None => return all,
        }
    }
}

fn over(scan: &Value) -> bool {
    ["completed", "failed", "cancelled"].contains(&scan["status"].as_str().unwrap())
}

#[test]
fn a_killed_service_loses_nothing_and_does_nothing_twice() {
    let (kills, wanted) = (number("LAZARET_KILLS", 6), number("LAZARET_KILL_SCANS", 30));
    let mut databases = vec![None];
    databases.extend(Postgres::database().unwrap().map(Some));
    for database in databases {
        let kind = if database.is_some() { "postgresql" } else { "sqlite" };
        let mut random = Random(number("LAZARET_KILL_SEED", 11));
        let runtime = Runtime::new().unwrap();
        let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
        let home = Home::new();
        home.write("records.jsonl", testkit::sample::record("CVE-2026-0001", "Debian:12", "curl", "9", 'H'));
        let built = home.run(["db", "build", "--from", "records.jsonl", "--out", "data/db"]);
        assert_eq!(built.code, Some(0), "{built:?}");
        let place = Place { home, database };
        let mut service = place.start();
        drop(service.first_token());
        let cookie = service.log_in(PASSWORD);

        let strange: Published =
            image(&[&[("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n\n")]]);
        let mut asked = BTreeMap::new();
        let (mut killed, mut named, mut last) = (0, 0, 0);
        while named < wanted || killed < kills {
            // Some more work, for every death to meet some: of new images, or of known ones once more.
            let share = (wanted / kills).max(1);
            let mut images = Vec::new();
            for _ in 0..share {
                let (name, fails) = if named % 10 == 9 { ("strange", true) } else { ("app", false) };
                // Every other image has the content of the one before it.
                let published =
                    if fails { strange.clone() } else { debian("curl", &format!("7.{}", named / 2)) };
                registry.add(&format!("{name}{named}"), "1", &published);
                images.push((format!("{}/{name}{named}:1", registry.host()), fails));
                named += 1;
            }
            let references: Vec<String> = images.iter().map(|(reference, _)| reference.clone()).collect();
            for (id, (_, fails)) in submit(&service, &cookie, &references).into_iter().zip(&images) {
                asked.insert(id, *fails);
            }
            thread::sleep(Duration::from_millis(random.below(300)));
            service.kill();
            killed += 1;
            service = place.start();
            last = killed;
        }
        assert_eq!(last, killed);
        let all = loop {
            let all = scans(&service, &cookie);
            if all.values().all(over) {
                break all;
            }
            thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(all.keys().collect::<Vec<_>>(), asked.keys().collect::<Vec<_>>());
        let mut reports = 0;
        for (id, fails) in &asked {
            let told = get(&service, &cookie, &format!("scans/{id}"));
            let expected = if *fails { ("failed", json!("unknown_os")) } else { ("completed", Value::Null) };
            assert_eq!(
                (told["status"].as_str().unwrap(), &told["reason"]),
                (expected.0, &expected.1),
                "{told}"
            );
            if !fails {
                let report = get(&service, &cookie, &format!("scans/{id}/report"));
                assert_eq!(report["findings"].as_array().map(Vec::len), Some(1), "{report}");
                reports += 1;
            }
            let (status, _, events) =
                service.stream(&format!("GET /api/portal/v1/scans/{id}/events"), &cookie);
            assert_eq!(status, 200);
            let ends = events.iter().filter(|event| over(event)).count();
            assert_eq!(ends, 1, "{id}: {events:?}");
        }
        let queue = get(&service, &cookie, "queue");
        for class in queue["classes"].as_array().unwrap() {
            assert_eq!(
                (&class["ready"], &class["running"], &class["parked"]),
                (&json!(0), &json!(0), &json!(0)),
                "{queue}"
            );
        }
        println!("{kind}: {killed} kills, {} scans, {reports} reports", asked.len());
        service.stop();
    }
}
