//! Stored registries over HTTP: their credentials open images, and are never shown.

use egress::Method;
use model::Role;
use serde_json::{Value, json};
use testkit::{
    registry::{Auth, TestRegistry},
    sample::debian,
};

use crate::rig::{World, curl, kinds};

const PASSWORD: &str = "a password of the registry";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_credentials_open_what_is_shut_without_them() {
    for kind in kinds() {
        let mut world = World::new(kind).await;
        let auth = Auth::Basic { user: "robot".to_owned(), password: PASSWORD.to_owned() };
        world.registry = TestRegistry::start(auth).await.unwrap();
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        let reference = world.reference("app:1");
        let told = client.scan(&reference).await;
        assert_eq!(told["reason"], "registry_unauthorized", "{told}");

        let login = json!({ "username": "robot", "password": PASSWORD });
        let order = json!({ "name": "ours", "host": world.registry.host(), "login": login });
        let made = client.post("registries", &order).await.is(201);
        let route = format!("registries/{}", made.json()["id"]);
        assert_eq!(made.json()["has_secret"], true, "{made:?}");
        client.post("registries", &order).await.fails(409, "exists");
        let told = client.scan(&reference).await;
        assert_eq!(told["status"], "completed", "{told}");

        let trial = format!("{route}/test");
        let tried = client.post(&trial, &json!({ "repository": "app" })).await.is(200);
        assert_eq!((&tried.json()["works"], &tried.json()["tags"]), (&json!(true), &json!(1)), "{tried:?}");
        client.post(&trial, &json!({ "repository": "a b" })).await.fails(422, "reference-invalid");
        let wrong = json!({ "login": { "username": "robot", "password": "another one" } });
        let changed = client.patch(&route, &wrong).await.is(200);
        let failed = client.post(&trial, &json!({ "repository": "app" })).await.is(200);
        assert_eq!(failed.json()["works"], false, "{failed:?}");
        assert!(failed.json()["code"].is_string() && failed.json()["detail"].is_string(), "{failed:?}");

        let answers = [
            made,
            tried,
            changed,
            failed,
            client.get(&route).await.is(200),
            client.get("registries").await.is(200),
        ];
        for answer in answers {
            for secret in [PASSWORD, "another one"] {
                assert!(!answer.text.contains(secret), "{answer:?}");
            }
        }
        let admin = running.robot(Role::Admin).await;
        let events = admin.get("events?object=registry:ours").await.is(200);
        assert!(events.text.contains("registry.changed") && !events.text.contains(PASSWORD), "{events:?}");

        // Another name leaves the login; null takes it away.
        let renamed = client.patch(&route, &json!({ "name": "theirs" })).await.is(200).json();
        assert_eq!((&renamed["name"], &renamed["has_secret"]), (&json!("theirs"), &json!(true)), "{renamed}");
        let cleared = client.patch(&route, &json!({ "login": null })).await.is(200).json();
        assert_eq!((&cleared["username"], &cleared["has_secret"]), (&Value::Null, &json!(false)));
        client.patch(&route, &json!({ "host": "b.example" })).await.fails(422, "body-invalid");

        let others =
            [(Method::GET, route.clone()), (Method::PATCH, route.clone()), (Method::DELETE, route.clone())];
        let stranger = running.stranger().await;
        stranger.is_kept_from(&others).await;
        stranger.post(&trial, &json!({ "repository": "app" })).await.fails(404, "not-found");
        assert_eq!(stranger.get("registries").await.is(200).json()["items"], json!([]));
        client.delete(&route).await.is(204);
        client.is_kept_from(&others).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_that_cannot_be_are_refused() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let login = |username: &str, password: &str| json!({ "username": username, "password": password });
        for (order, status, code) in [
            (json!({ "name": "a", "host": "https://a.example" }), 422, "registry-host-invalid"),
            (json!({ "name": "a", "host": "a.example", "ca": "x" }), 422, "registry-ca-invalid"),
            (
                json!({ "name": "a", "host": "a.example", "login": login("a:b", "c") }),
                422,
                "registry-login-invalid",
            ),
            (
                json!({ "name": "a", "host": "a.example", "login": login("a", "") }),
                422,
                "registry-login-invalid",
            ),
            (json!({ "name": "a", "host": "a.example", "all_projects": true }), 403, "role-too-small"),
            (json!({ "name": "a", "host": "a.example", "project": "nobodys" }), 404, "project-not-known"),
            (json!({ "name": "a" }), 422, "body-invalid"),
        ] {
            client.post("registries", &order).await.fails(status, code);
        }
        let viewer = running.robot(Role::Viewer).await;
        let order = json!({ "name": "a", "host": "a.example" });
        viewer.post("registries", &order).await.fails(403, "role-too-small");
        // Those of all projects are seen by who scans, and changed by administrators.
        let admin = running.robot(Role::Admin).await;
        let order = json!({ "name": "a", "host": "a.example", "all_projects": true });
        let made = admin.post("registries", &order).await.is(201).json();
        let route = format!("registries/{}", made["id"]);
        running.stranger().await.get(&route).await.is(200);
        client.patch(&route, &json!({ "plain_http": true })).await.fails(403, "role-too-small");
        viewer.get(&route).await.fails(403, "role-too-small");
        running.stop().await;
    }
}
