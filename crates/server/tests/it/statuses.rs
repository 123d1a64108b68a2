//! Every status that there is, made for real, as the status route and the event stream tell it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use egress::Method;
use model::{Role, ScanStatus};
use serde_json::{Value, json};
use testkit::{
    image::Published,
    registry::Fault,
    sample::{DEBIAN, debian, dpkg, image},
};
use tokio::time::timeout;

use crate::rig::{Client, PATIENCE, World, curl, kinds};

/// What the event stream said, from the time it was opened on.
struct Stream {
    seen: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stream {
    async fn open(client: &Client, route: &str) -> Self {
        let mut answer = client.ask(Method::GET, route).open().await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut text = String::new();
            while let Some(chunk) = answer.chunk().await.unwrap() {
                text.push_str(std::str::from_utf8(&chunk).unwrap());
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    if let Some(data) = data {
                        told.lock().unwrap().push(serde_json::from_str(data).unwrap());
                    }
                    text = rest.to_owned();
                }
            }
        });
        Self { seen, task }
    }

    /// The statuses of a scan, in order.
    fn of(&self, scan: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let mine = seen.iter().filter(|event| event["scan"] == scan);
        mine.map(|event| event["status"].as_str().unwrap().to_owned()).collect()
    }

    async fn until(&self, scan: &str, last: &str) -> Vec<String> {
        let waiting = async {
            loop {
                let seen = self.of(scan);
                if seen.last().is_some_and(|status| status == last) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never {last}: {:?}", self.of(scan)))
    }
}

/// An image whose layer takes more than one packet.
fn large() -> Published {
    let noise: String =
        (0_u64..20_000).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    image(&[&[("etc/os-release", DEBIAN), ("noise", &noise)]])
}

/// Asks until the status is that one.
async fn until(client: &Client, route: &str, status: &str) -> Value {
    let waiting = async {
        loop {
            let told = client.get(route).await.json();
            if told["status"] == status {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never {status}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_statuses() {
    for kind in kinds() {
        let mut shown = BTreeSet::new();
        let mut see = |told: &Value, status: &str, text: &str| {
            assert_eq!((&told["status"], &told["text"]), (&json!(status), &json!(text)), "{told}");
            shown.insert(status.to_owned());
        };
        let world = World::new(kind).await;
        for (name, image) in [("app", debian("curl", "7.88.1-10")), ("large", large())] {
            world.registry.add(name, "1", &image);
        }
        let unknown = image(&[&[("var/lib/dpkg/status", &dpkg(&[("curl", "7.88.1-10")]))]]);
        world.registry.add("unknown", "1", &unknown);

        // Nobody works yet, as far as this process knows another one does.
        let idle = world.start(false).await;
        let client = idle.robot(Role::Operator).await;
        let reference = world.reference("app:1");
        let route = format!("status?image={reference}");
        let stream = Stream::open(&client, "events/stream").await;
        client.get(&route).await.fails(404, "image_not_known");

        let first = client.submit(&reference).await;
        let told = client.get(&route).await.is(200).json();
        see(&told, "pending", "Scan pending");
        assert_eq!((&told["position"], &told["scan"]), (&json!(0), &json!(first)), "{told}");
        let told = client.delete(&format!("scans/{first}")).await.is(200).json();
        see(&told, "cancelled", "Scan cancelled");
        assert_eq!(stream.until(&first, "cancelled").await, ["pending", "cancelled"]);

        // A record without any scan: its scans were trimmed, or it came from a list of images.
        let project = idle.service.store.ensure_project("default", 0).await.unwrap();
        let listed = store::NewImage {
            project,
            reference: "registry.example.com/listed:1",
            registry: "registry.example.com",
            repository: "registry.example.com/listed",
            tag: Some("1"),
            platform: "",
            source: "watch",
            owner: None,
        };
        idle.service.store.add_image(&listed, 0).await.unwrap();
        let told = client.get("status?image=registry.example.com/listed:1&wait=60s").await.is(200).json();
        see(&told, "not_scanned", "Not scanned");

        // Nobody works anywhere.
        idle.working.send_replace(false);
        let second = client.submit(&reference).await;
        let told = client.get(&format!("scans/{second}?wait=60s")).await.is(503).json();
        see(&told, "not_ready", "Not ready");
        client.get("/readyz").await.fails(503, "not_ready");
        client.get("/healthz").await.is(200);
        idle.working.send_replace(true);
        let token = client.clone();
        idle.stop().await;
        stream.task.await.unwrap();

        // Somebody works, without advisories.
        let running = world.start(true).await;
        let client = running.client.like(&token);
        client.get("/readyz").await.is(200);
        let stream = Stream::open(&client, "events/stream").await;
        let told = client.get(&format!("scans/{second}?wait=60s")).await.is(200).json();
        see(&told, "database_not_populated", "CVE database not populated yet");
        assert_eq!(told["missing"]["shards"], json!(["debian-12"]), "{told}");
        world.advise(&curl());
        let told = client.get(&format!("status?image={reference}&wait=60s")).await.is(200).json();
        see(&told, "completed", "Scan completed");
        assert_eq!(told["last_completed"]["facets"]["critical"], 1, "{told}");
        assert!(stream.until(&second, "completed").await.contains(&"running".to_owned()));

        // Its report stays readable while it is scanned again; by then the registry is stuck.
        world.registry.add("app", "1", &large());
        world.registry.fail(Fault::StallBlob { after: 4000 });
        let third = client.submit(&reference).await;
        let told = until(&client, &route, "running").await;
        see(&told, "running", "Scanning");
        assert_eq!(told["last_completed"]["scan"], second.as_str(), "{told}");
        client.delete(&format!("scans/{third}")).await.is(200);

        let told = client.scan(&world.reference("unknown:1")).await;
        see(&told, "failed", "Image failed to be scanned: unknown operating system");
        assert_eq!(told["reason"], "unknown_os");
        let told = client.scan(&world.reference("nothing:1")).await;
        see(&told, "failed", "Image failed to be scanned: image not found");

        // Nobody answers there: aborted, retried, given up.
        let stopped = client.submit("127.0.0.1:1/app:1").await;
        let seen = stream.until(&stopped, "failed").await;
        assert_eq!(seen, ["pending", "retrying", "retrying", "failed"]);
        let own = Stream::open(&client, &format!("scans/{stopped}/events")).await;
        timeout(PATIENCE, own.task).await.unwrap().unwrap();
        let said: Vec<String> =
            own.seen.lock().unwrap().iter().map(|e| e["status"].as_str().unwrap().to_owned()).collect();
        assert_eq!(said, seen, "the stream of one scan tells all of it, and ends");
        shown.insert("retrying".to_owned());

        // The store goes away.
        running.service.store.close().await;
        client.get(&route).await.fails(503, "shutting-down");
        client.get("/readyz").await.fails(503, "not_ready");
        client.get("/healthz").await.is(200);
        running.abandon().await;
        stream.task.abort();

        // `unavailable` is what a client says that reaches nobody.
        let all: BTreeSet<String> = ScanStatus::ALL.iter().map(ToString::to_string).collect();
        shown.insert(ScanStatus::Unavailable.to_string());
        assert_eq!(shown, all);
    }
}
