//! Webhooks over HTTP: made, told, looked into, and kept from others.

use egress::Method;
use model::Role;
use serde_json::{Value, json};
use testkit::sample::debian;

use crate::{
    receiver::Receiver,
    rig::{World, curl, kinds},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_is_told_of_with_a_signature() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        let receiver = Receiver::start().await;

        let order = json!({ "name": "chat", "url": receiver.url, "kinds": ["scan.completed"] });
        let made = client.post("webhooks", &order).await.is(201).json();
        let secret = made["secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("lzw_") && made["project_id"].is_i64(), "{made}");
        let route = format!("webhooks/{}", made["id"]);
        let log = format!("{route}/deliveries");

        let told = client.scan(&world.reference("app:1")).await;
        let message = receiver.next().await;
        assert!(message.is_signed(&secret) && !message.is_signed("another-secret-of-16"), "{message:?}");
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&body["kind"], &body["data"]["scan"]["id"]), (&json!("scan.completed"), &told["scan"]));

        let lines = client.until(&log, |page| page["items"][0]["state"] == "delivered").await;
        assert_eq!(lines["items"].as_array().map(Vec::len), Some(1), "{lines}");
        assert_eq!(client.get(&format!("{log}?state=given_up")).await.is(200).json()["items"], json!([]));
        let delivery = format!("deliveries/{}", lines["items"][0]["id"]);
        let shown = client.get(&delivery).await.is(200).json();
        assert_eq!((&shown["body"], &shown["status"]), (&json!(message.body), &json!(204)), "{shown}");

        client.post(&format!("{delivery}/redeliver"), &json!({})).await.is(202);
        let again = receiver.next().await;
        assert_eq!(again.header("lazaret-delivery"), message.header("lazaret-delivery"));
        assert_eq!(again.body, message.body);

        // Another secret counts at once.
        let changed = client.patch(&route, &json!({ "new_secret": true })).await.is(200).json();
        let other = changed["secret"].as_str().unwrap();
        let tested = client.post(&format!("{route}/test"), &json!({})).await.is(200).json();
        assert_eq!((&tested["kind"], &tested["state"]), (&json!("test"), &json!("delivered")), "{tested}");
        let message = receiver.next().await;
        assert!(message.is_signed(other) && !message.is_signed(&secret), "{message:?}");

        // Newest first, page after page.
        let first = client.get(&format!("{log}?limit=1")).await.is(200).json();
        assert_eq!(first["items"][0]["kind"], "test", "{first}");
        let cursor = first["next"].as_str().unwrap();
        let second = client.get(&format!("{log}?limit=1&cursor={cursor}")).await.is(200).json();
        assert_eq!(second["items"][0]["kind"], "scan.completed", "{second}");

        // What a client chose is shown never; what was made here, once.
        let chosen = "chosen-by-the-client-1";
        let changed = client.patch(&route, &json!({ "secret": chosen, "enabled": false })).await.is(200);
        let answers = [changed, client.get(&route).await.is(200), client.get("webhooks").await.is(200)];
        for answer in answers {
            for secret in [&secret, other, chosen] {
                assert!(!answer.text.contains(secret), "{answer:?}");
            }
        }
        client.post(&format!("{delivery}/redeliver"), &json!({})).await.fails(409, "webhook-off");

        let others = [
            (Method::GET, route.clone()),
            (Method::PATCH, route.clone()),
            (Method::DELETE, route.clone()),
            (Method::POST, format!("{route}/test")),
            (Method::GET, log.clone()),
            (Method::GET, delivery.clone()),
            (Method::POST, format!("{delivery}/redeliver")),
        ];
        let stranger = running.stranger().await;
        stranger.is_kept_from(&others).await;
        assert_eq!(stranger.get("webhooks").await.is(200).json()["items"], json!([]));
        client.delete(&route).await.is(204);
        client.is_kept_from(&others).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_cannot_be_are_refused() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let order = |changes: Value| {
            let mut order =
                json!({ "name": "chat", "url": "https://chat.example.com/x", "kinds": ["scan.failed"] });
            order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            order
        };
        for (changes, status, code) in [
            (json!({ "url": "http://10.0.0.1/x" }), 422, "webhook-url-invalid"),
            (json!({ "url": "ftp://chat.example.com/" }), 422, "webhook-url-invalid"),
            (json!({ "url": "https://a:b@chat.example.com/" }), 422, "webhook-url-invalid"),
            (json!({ "secret": "short" }), 422, "webhook-secret-invalid"),
            (json!({ "kinds": [] }), 422, "webhook-kinds-empty"),
            (json!({ "kinds": ["scan.begun"] }), 422, "body-invalid"),
            (json!({ "colour": 1 }), 422, "body-invalid"),
            (json!({ "name": " " }), 422, "name-invalid"),
            (json!({ "project": "nobodys" }), 404, "project-not-known"),
            (json!({ "all_projects": true }), 403, "role-too-small"),
            (json!({ "all_projects": true, "project": "default" }), 422, "project-and-all"),
        ] {
            client.post("webhooks", &order(changes)).await.fails(status, code);
        }
        client.post("webhooks", &order(json!({ "project": "default" }))).await.is(201);
        client.post("webhooks", &order(json!({}))).await.fails(409, "exists");
        let admin = running.robot(Role::Admin).await;
        let made = admin.post("webhooks", &order(json!({ "all_projects": true }))).await.is(201).json();
        assert_eq!(made["project_id"], Value::Null);
        client.get(&format!("webhooks/{}", made["id"])).await.fails(403, "role-too-small");
        let viewer = running.robot(Role::Viewer).await;
        viewer.post("webhooks", &order(json!({ "name": "mine" }))).await.fails(403, "role-too-small");
        assert_eq!(viewer.get("webhooks").await.is(200).json()["items"], json!([]));
        running.stop().await;
    }
}
