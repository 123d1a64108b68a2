//! Watches over HTTP, and what registries tell them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use egress::{Body, Method};
use model::Role;
use serde_json::{Value, json};
use testkit::sample::debian;

use crate::rig::{Answer, Client, World, curl, kinds};

/// What a registry sends, under that `Authorization`.
async fn tell(client: &Client, watch: &Value, sender: &str, authorization: &str, body: &Value) -> Answer {
    let route = format!("watches/{watch}/notifications?sender={sender}");
    let question = client.ask(Method::POST, &route).header("authorization", authorization);
    question.body(Body::Bytes(body.to_string().into())).send().await
}

fn distribution(tag: &str) -> Value {
    let media = "application/vnd.oci.image.manifest.v1+json";
    json!({ "events": [{ "action": "push", "target": { "mediaType": media, "repository": "app", "tag": tag } }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tags_are_scanned_when_looked_for_and_when_told() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        let image = debian("curl", "7.88.1-10");
        world.registry.add("app", "v1", &image);
        world.registry.add("app", "other", &image);
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        let host = world.registry.host();

        let order = json!({ "name": "ours", "registry": host, "repository": "app", "include": ["v*"],
                            "environments": ["prod"], "every_seconds": 86400 });
        let made = client.post("watches", &order).await.is(201).json();
        let secret = made["secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("lzn_"), "{made}");
        let (id, route) = (&made["id"], format!("watches/{}", made["id"]));
        let looked = client.until(&route, |watch| watch["submitted"] == 1).await;
        assert_eq!((&looked["found"], &looked["error"]), (&json!(1), &Value::Null), "{looked}");
        let completed = |tag: &str| {
            let (client, reference) = (client.clone(), world.reference(&format!("app:{tag}")));
            async move {
                let told = client.get(&format!("status?image={reference}&wait=60s")).await.is(200).json();
                assert_eq!(told["status"], "completed", "{told}");
            }
        };
        completed("v1").await;
        client
            .get(&format!("status?image={}", world.reference("app:other")))
            .await
            .fails(404, "image_not_known");

        world.registry.add("app", "v2", &image);
        let before = client.get(&route).await.is(200).json()["looked_at"].clone();
        client.post(&format!("{route}/look"), &json!({})).await.is(202);
        client.until(&route, |watch| watch["looked_at"] != before).await;
        completed("v2").await;

        // Each sender shows the secret as it can.
        let basic = format!("Basic {}", STANDARD.encode(format!("watch:{secret}")));
        let nobody = &running.client;
        let resource = json!({ "resource_url": format!("{host}/app:v4"), "tag": "v4" });
        for (tag, sender, authorization, body) in [
            ("v3", "distribution", &format!("Bearer {secret}"), distribution("v3")),
            (
                "v4",
                "harbor",
                &secret,
                json!({ "type": "PUSH_ARTIFACT", "event_data": { "resources": [resource] } }),
            ),
            (
                "v5",
                "quay",
                &basic,
                json!({ "docker_url": format!("{host}/app"), "updated_tags": ["v5", "x"] }),
            ),
        ] {
            world.registry.add("app", tag, &image);
            let told = tell(nobody, id, sender, authorization, &body).await.is(202).json();
            assert_eq!(told["scans"].as_array().map(Vec::len), Some(1), "{told}");
            assert_eq!(told["ignored"], u8::from(tag == "v5"), "{told}");
            completed(tag).await;
        }
        let bearer = format!("Bearer {secret}");
        let token = format!("Bearer {}", client.token());
        for authorization in ["", "Bearer wrong", &token] {
            let told = tell(nobody, id, "quay", authorization, &distribution("v6")).await;
            told.fails(401, "watch-unauthorized");
        }
        tell(nobody, &json!(9999), "quay", &bearer, &json!({})).await.fails(401, "watch-unauthorized");
        tell(nobody, id, "quay", &bearer, &json!([])).await.fails(422, "notification-invalid");
        tell(nobody, id, "gitea", &bearer, &json!({})).await.fails(400, "query-invalid");
        let long = json!("x".repeat(1 << 20));
        tell(nobody, id, "quay", &bearer, &long).await.fails(413, "notification-too-large");

        let changed =
            client.patch(&route, &json!({ "new_secret": true, "exclude": ["v9"] })).await.is(200).json();
        assert_ne!(changed["secret"], secret.as_str());
        assert_eq!((&changed["include"], &changed["exclude"]), (&json!(["v*"]), &json!(["v9"])), "{changed}");
        tell(nobody, id, "distribution", &bearer, &distribution("v6")).await.fails(401, "watch-unauthorized");
        let bearer = format!("Bearer {}", changed["secret"].as_str().unwrap());
        for answer in [client.get(&route).await.is(200), client.get("watches").await.is(200)] {
            assert!(!answer.text.contains("lzn_"), "{answer:?}");
        }
        client.patch(&route, &json!({ "enabled": false })).await.is(200);
        tell(nobody, id, "distribution", &bearer, &distribution("v6")).await.fails(409, "watch-disabled");

        let others = [
            (Method::GET, route.clone()),
            (Method::PATCH, route.clone()),
            (Method::DELETE, route.clone()),
            (Method::POST, format!("{route}/look")),
        ];
        let stranger = running.stranger().await;
        stranger.is_kept_from(&others).await;
        assert_eq!(stranger.get("watches").await.is(200).json()["items"], json!([]));
        let viewer = running.robot(Role::Viewer).await;
        viewer.get(&route).await.is(200);
        viewer.delete(&route).await.fails(403, "role-too-small");
        client.delete(&route).await.is(204);
        client.is_kept_from(&others).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_cannot_be_are_refused() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let order = |changes: Value| {
            let mut order = json!({ "name": "w", "registry": "a.example", "repository": "app" });
            order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            order
        };
        for (changes, status, code) in [
            (json!({ "registry": "https://a.example" }), 422, "registry-host-invalid"),
            (json!({ "repository": "a b" }), 422, "pattern-invalid"),
            (json!({ "include": ["[a]"] }), 422, "pattern-invalid"),
            (json!({ "exclude": vec!["a"; 21] }), 422, "watch-too-large"),
            (json!({ "environments": [""] }), 422, "environment-invalid"),
            (json!({ "every_seconds": 1 }), 422, "interval-invalid"),
            (json!({ "every_seconds": u64::MAX }), 422, "interval-invalid"),
            (json!({ "name": "" }), 422, "name-invalid"),
            (json!({ "project": "nobodys" }), 404, "project-not-known"),
            (json!({ "secret": "mine" }), 422, "body-invalid"),
        ] {
            client.post("watches", &order(changes)).await.fails(status, code);
        }
        client.post("watches", &order(json!({}))).await.is(201);
        client.post("watches", &order(json!({}))).await.fails(409, "exists");
        let viewer = running.robot(Role::Viewer).await;
        viewer.post("watches", &order(json!({ "name": "v" }))).await.fails(403, "role-too-small");
        running.stop().await;
    }
}
