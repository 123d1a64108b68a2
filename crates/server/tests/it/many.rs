//! Scans of many images, schedules, and what they come to day by day.

use egress::Method;
use model::Role;
use serde_json::{Value, json};
use testkit::sample::debian;

use crate::rig::{World, curl, kinds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_images_are_scanned_again() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        let running = world.start(true).await;
        let client = running.robot(Role::Operator).await;
        client.post("scan-all", &json!({})).await.fails(409, "no-image-selected");
        for tag in ["1", "2", "3"] {
            world.registry.add("app", tag, &debian("curl", &format!("7.88.1-{tag}")));
            let told = client.scan(&world.reference(&format!("app:{tag}"))).await;
            assert_eq!(told["status"], "completed", "{told}");
        }
        let image = &client.get("images?limit=1").await.is(200).json()["items"][0];
        client.patch(&format!("images/{}", image["id"]), &json!({ "labels": { "team": "a" } })).await.is(200);

        let begun = client.post("scan-all", &json!({})).await.is(202).json();
        assert_eq!((&begun["total"], &begun["started_by"]), (&json!(3), &json!("operator")), "{begun}");
        let route = format!("scan-all/{}", begun["id"]);
        let over = client.until(&route, |told| told["over"] == true).await;
        assert_eq!((&over["state"], &over["submitted"]), (&json!("submitted"), &json!(3)), "{over}");
        assert_eq!(over["scans"], json!({ "completed": 3 }), "{over}");
        client.delete(&route).await.fails(409, "scan-all-over");

        let selection = json!({ "label": "team=a", "registry": world.registry.host() });
        let body = json!({ "project": "default", "selection": selection });
        let begun = client.post("scan-all", &body).await.is(202).json();
        assert_eq!((&begun["total"], &begun["selection"]["label"]), (&json!(1), &json!("team=a")), "{begun}");
        client.until(&format!("scan-all/{}", begun["id"]), |told| told["over"] == true).await;
        let page = client.get("scan-all?limit=1").await.is(200).json();
        assert_eq!(page["items"][0]["id"], begun["id"], "{page}");
        let cursor = page["next"].as_str().unwrap();
        let page = client.get(&format!("scan-all?cursor={cursor}")).await.is(200).json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");

        for (body, status, code) in [
            (json!({ "selection": { "label": "team=b" } }), 409, "no-image-selected"),
            (json!({ "selection": { "label": "team" } }), 422, "selection-invalid"),
            (json!({ "selection": { "older_than_seconds": 0 } }), 422, "selection-invalid"),
            (json!({ "selection": { "colour": "red" } }), 422, "body-invalid"),
            (json!({ "project": "nobodys" }), 404, "project-not-known"),
        ] {
            client.post("scan-all", &body).await.fails(status, code);
        }
        let viewer = running.robot(Role::Viewer).await;
        viewer.post("scan-all", &json!({})).await.fails(403, "role-too-small");
        let stranger = running.stranger().await;
        let ours = format!("scan-all/{}", begun["id"]);
        stranger.is_kept_from(&[(Method::GET, ours.clone()), (Method::DELETE, ours)]).await;
        assert_eq!(stranger.get("scan-all").await.is(200).json()["items"], json!([]));
        stranger.post("scan-all", &json!({ "project": "default" })).await.fails(404, "project-not-known");

        // As of the last count.
        running.service.store.count_day(app::clock::now()).await.unwrap();
        let days = viewer.get("trend?project=default&days=1").await.is(200).json();
        let day = &days["items"][0];
        assert_eq!(
            (&day["images"], &day["scanned"], &day["critical"]),
            (&json!(3), &json!(3), &json!(3)),
            "{day}"
        );
        assert_eq!(day["day"], app::clock::rfc3339(app::clock::now())[..10], "{day}");
        let seen = stranger.get("trend").await.is(200).json();
        assert!(seen["items"].as_array().unwrap().iter().all(|day| day["images"] == 0), "{seen}");
        stranger.get("trend?project=default").await.fails(404, "project-not-known");
        viewer.get("trend?days=0").await.fails(400, "query-invalid");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_scans_are_stopped() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        client.submit(&world.reference("app:1")).await;
        let begun = client.post("scan-all", &json!({})).await.is(202).json();
        assert_eq!(begun["state"], "running", "{begun}");
        let stopped = client.delete(&format!("scan-all/{}", begun["id"])).await.is(200).json();
        assert_eq!((&stopped["state"], &stopped["over"]), (&json!("stopped"), &json!(true)), "{stopped}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_kept() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = running.robot(Role::Operator).await;
        let order = |changes: Value| {
            let mut order = json!({ "name": "nightly" });
            order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            order
        };
        for (changes, status, code) in [
            (json!({}), 422, "schedule-time-invalid"),
            (json!({ "every_seconds": 299 }), 422, "schedule-time-invalid"),
            (json!({ "every_seconds": 3600, "daily_at": "03:30" }), 422, "schedule-time-invalid"),
            (json!({ "daily_at": "24:00" }), 422, "schedule-time-invalid"),
            (json!({ "daily_at": "03:30", "all_projects": true }), 403, "role-too-small"),
            (json!({ "daily_at": "03:30", "project": "nobodys" }), 404, "project-not-known"),
        ] {
            client.post("schedules", &order(changes)).await.fails(status, code);
        }
        let daily = order(json!({ "daily_at": "03:30", "selection": { "environment": "prod" } }));
        let made = client.post("schedules", &daily).await.is(201).json();
        assert_eq!((&made["daily_at"], &made["every_seconds"]), (&json!("03:30"), &Value::Null), "{made}");
        assert!(made["next_at"].as_str().unwrap().contains("T03:30:00"), "{made}");
        client.post("schedules", &daily).await.fails(409, "exists");
        let route = format!("schedules/{}", made["id"]);
        let changed = client.patch(&route, &json!({ "every_seconds": 300 })).await.is(200).json();
        assert_eq!(
            (&changed["daily_at"], &changed["every_seconds"]),
            (&Value::Null, &json!(300)),
            "{changed}"
        );
        assert_eq!(changed["selection"]["environment"], "prod", "{changed}");
        let off = client.patch(&route, &json!({ "enabled": false, "selection": {} })).await.is(200).json();
        assert_eq!(
            (&off["next_at"], &off["selection"]["environment"]),
            (&Value::Null, &Value::Null),
            "{off}"
        );
        assert_eq!(client.get(&route).await.is(200).json(), off);
        assert_eq!(client.get("schedules").await.is(200).json()["items"], json!([off]));

        let others =
            [(Method::GET, route.clone()), (Method::PATCH, route.clone()), (Method::DELETE, route.clone())];
        let stranger = running.stranger().await;
        stranger.is_kept_from(&others).await;
        assert_eq!(stranger.get("schedules").await.is(200).json()["items"], json!([]));
        running.robot(Role::Viewer).await.get(&route).await.fails(403, "role-too-small");
        client.delete(&route).await.is(204);
        client.is_kept_from(&others).await;
        running.stop().await;
    }
}
