//! From the wish to scan an image to its last report: what a pipeline and a person do, in their order.

use egress::{Body, Method};
use model::Role;
use serde_json::{Value, json};
use testkit::sample::{debian, record};

use crate::rig::{World, curl, kinds};

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_from_its_first_scan_to_its_last() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        let reference = world.reference("app:1");

        client.get(&format!("status?image={reference}")).await.fails(404, "image_not_known");
        let told = client.scan(&reference).await;
        assert_eq!(
            (&told["status"], &told["text"]),
            (&json!("completed"), &json!("Scan completed")),
            "{told}"
        );
        assert_eq!(told["last_completed"]["facets"]["critical"], 1, "{told}");
        let scan = told["scan"].as_str().unwrap().to_owned();

        let page = client.get("images?count=true").await.is(200).json();
        assert_eq!(
            (&page["count"], &page["items"][0]["reference"]),
            (&json!(1), &json!(reference)),
            "{page}"
        );
        assert_eq!(page["items"][0]["facets"]["fixable"], 2);
        let id = page["items"][0]["id"].as_i64().unwrap();

        let shown = client.get(&format!("images/{id}")).await.is(200);
        let tag = shown.header("etag").to_owned();
        let again = client.ask(Method::GET, &format!("images/{id}")).header("if-none-match", &tag);
        assert_eq!(again.send().await.is(304).text, "");

        let report = client.get(&format!("scans/{scan}/report")).await.is(200);
        let found = report.json();
        assert_eq!(found["findings"].as_array().map(Vec::len), Some(2), "{found}");
        let again = client.ask(Method::GET, &format!("scans/{scan}/report?format=json"));
        again.header("if-none-match", report.header("etag")).send().await.is(304);
        client.get(&format!("scans/{scan}/report?format=word")).await.fails(406, "format-not-known");
        for format in formats::FORMATS {
            let named = client.get(&format!("scans/{scan}/report?format={}", format.name)).await.is(200);
            assert_eq!(named.header("content-type"), format.media_type);
            let asked = client.ask(Method::GET, &format!("scans/{scan}/report"));
            let liked = asked.header("accept", format.media_type).send().await.is(200);
            assert_eq!((&liked.text, liked.header("content-type")), (&named.text, format.media_type));
            assert!(liked.header("vary").contains("accept"), "{}", format.name);
        }
        let asked = client.ask(Method::GET, &format!("scans/{scan}/report"));
        asked.header("accept", "text/html").send().await.fails(406, "format-not-known");

        let findings = client.get(&format!("images/{id}/findings?severity=critical")).await.is(200).json();
        assert_eq!(ids(&findings), ["CVE-2026-0001"]);
        assert_eq!(findings["items"][0]["fixed_versions"], json!(["7.88.1-11"]));
        let packages = client.get(&format!("images/{id}/packages?q=cur")).await.is(200).json();
        assert_eq!(packages["items"][0]["purl"], "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12");

        let affected = client.get("vulnerabilities/CVE-2026-0001/images").await.is(200).json();
        assert_eq!(
            (&affected["items"][0]["reference"], &affected["items"][0]["fixable"]),
            (&json!(reference), &json!(true))
        );
        let with = client.get("packages/images?name=curl&version=7.88.1-10").await.is(200).json();
        assert_eq!(with["items"][0]["reference"], json!(reference));
        assert_eq!(
            client.get("packages?q=cur").await.is(200).json()["items"],
            json!([{ "kind": "deb", "name": "curl" }])
        );
        assert_eq!(
            ids(&client.get("vulnerabilities?severity=critical").await.is(200).json()),
            ["CVE-2026-0001"]
        );

        // The image changes, and so does the list of what is wrong with it.
        world.registry.add("app", "1", &debian("curl", "7.88.1-11"));
        let second = client.scan(&reference).await["scan"].as_str().unwrap().to_owned();
        let diff = client.get(&format!("scans/{scan}/diff/{second}")).await.is(200).json();
        assert_eq!(
            (&diff["removed"][0]["id"], &diff["same"]),
            (&json!("CVE-2026-0001"), &json!(1)),
            "{diff}"
        );
        let history = client.get(&format!("images/{id}/history")).await.is(200).json();
        assert_eq!(history["items"][0]["change"]["reasons"], json!(["image_changed"]), "{history}");

        // So do the advisories: nothing is pulled, and it is told.
        world.registry.clear_requests();
        let mut more = curl();
        more.push(record("CVE-2026-0003", "Debian:12", "curl", "7.88.1-13", 'H'));
        world.advise(&more);
        let mut facets = Value::Null;
        for _ in 0..600 {
            facets = client.get(&format!("images/{id}")).await.is(200).json()["facets"].take();
            if facets["critical"] == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!((&facets["critical"], &facets["high"]), (&json!(1), &json!(1)), "{facets}");
        assert_eq!(world.registry.requests().len(), 0);

        let change = json!({ "owner": "team-a", "labels": { "tier": "1" }, "environments": ["prod"] });
        let changed = client.send(Method::PATCH, &format!("images/{id}"), &change).await.is(200).json();
        assert_eq!((&changed["owner"], &changed["environments"]), (&json!("team-a"), &json!(["prod"])));
        for (filter, count) in [
            ("environment=prod", 1),
            ("environment=dev", 0),
            ("label=tier=1", 1),
            ("label=tier=2", 0),
            ("status=completed", 1),
            ("status=failed", 0),
            ("severity=critical", 1),
            ("q=APP", 1),
            ("q=zzz", 0),
        ] {
            let page = client.get(&format!("images?{filter}")).await.is(200).json();
            assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{filter}: {page}");
        }

        let admin = running.robot(Role::Admin).await;
        let events = admin.get("events?user=operator&action=scan.initiated").await.is(200).json();
        assert_eq!(events["items"].as_array().map(Vec::len), Some(2), "{events}");
        let lines = admin.get("events/export?user=operator").await.is(200).text;
        assert_eq!(lines.lines().count(), 3, "{lines}");
        let errors = admin.get("errors?user=operator").await.is(200).json();
        assert_eq!(errors["items"][2]["code"], "image_not_known", "{errors}");

        client.delete(&format!("images/{id}")).await.is(204);
        client.get(&format!("images/{id}")).await.fails(404, "image_not_known");
        client.get(&format!("scans/{second}")).await.fails(404, "scan_not_known");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_equal_requests_make_a_hundred_scans() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let began = std::time::Instant::now();
        let mut scans = std::collections::BTreeSet::new();
        let mut joined = 0;
        for _ in 0..10 {
            let many = (0..10).map(|_| {
                let images: Vec<String> = (0..100).map(|n| format!("127.0.0.1:1/app:{n}")).collect();
                let client = client.clone();
                tokio::spawn(async move {
                    client.post("scans", &json!({ "images": images })).await.is(202).json()
                })
            });
            for answer in futures_util::future::join_all(many).await {
                for scan in answer.unwrap()["scans"].as_array().unwrap() {
                    scans.insert(scan["id"].as_str().unwrap().to_owned());
                    joined += usize::from(scan["joined"] == true);
                }
            }
        }
        assert_eq!((scans.len(), joined), (100, 9900));
        println!(
            "10,000 requests for 100 images on {}: {:.1?}",
            running.service.store.kind(),
            began.elapsed()
        );
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_asks_once() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let ask = |image: &str, key: &str| {
            let body = json!({ "images": [image] }).to_string();
            let question = client.ask(Method::POST, "scans").header("content-type", "application/json");
            question.header("idempotency-key", key).body(Body::Bytes(body.into())).send()
        };
        let first = ask("127.0.0.1:1/app:1", "a").await.is(202).json();
        let id = first["scans"][0]["id"].as_str().unwrap();
        client.delete(&format!("scans/{id}")).await.is(200);
        // A new request would be a new scan by now.
        assert_eq!(ask("127.0.0.1:1/app:1", "a").await.is(202).json(), first);
        ask("127.0.0.1:1/app:2", "a").await.fails(422, "idempotency-key-reused");
        assert_ne!(ask("127.0.0.1:1/app:1", "b").await.is(202).json(), first);
        ask("127.0.0.1:1/app:1", "\u{e9}").await.fails(400, "idempotency-key-invalid");
        running.stop().await;
    }
}
