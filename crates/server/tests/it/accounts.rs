//! Who may do what, and who is kept out.

use egress::{Body, Method};
use model::Role;
use serde_json::{Value, json};
use testkit::sample::debian;

use crate::rig::{Answer, Client, World, curl, kinds};

/// A browser: it keeps a cookie, and says where a request comes from.
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) cookie: String,
}

impl Browser {
    pub(crate) async fn ask(&self, method: Method, route: &str, body: Option<&Value>) -> Answer {
        let question = self.client.ask(method, route).header("cookie", &self.cookie);
        let question =
            question.header("sec-fetch-site", "same-origin").header("content-type", "application/json");
        match body {
            Some(body) => question.body(Body::Bytes(body.to_string().into())).send().await,
            None => question.send().await,
        }
    }

    pub(crate) async fn log_in(client: &Client, name: &str, password: &str) -> (Self, Value) {
        let answer = client.post("session", &json!({ "name": name, "password": password })).await.is(200);
        let set = answer.header("set-cookie");
        assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        (Self { client: client.clone(), cookie }, answer.json())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_admin_makes_others() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let client = &running.client;
        client.get("me").await.fails(401, "login-needed");
        let secret = running.accounts.create_first_admin(app::clock::now()).await.unwrap().unwrap();
        let (admin, me) = Browser::log_in(client, "admin", secret.reveal()).await;
        assert_eq!((&me["must_change"], &me["role"]), (&json!(true), &json!("admin")), "{me}");
        // Nothing else before the password is one's own.
        admin.ask(Method::GET, "images", None).await.fails(403, "password-must-change");
        let change = json!({ "old": secret.reveal(), "new": "correct horse battery" });
        admin.ask(Method::PUT, "me/password", Some(&change)).await.is(204);
        admin.ask(Method::GET, "images", None).await.is(200);

        let order = json!({ "name": "Alice", "role": "viewer", "email": "alice@example.com" });
        let alice = admin.ask(Method::POST, "users", Some(&order)).await.is(201).json();
        assert_eq!(alice["name"], "alice");
        let once = alice["one_time_password"].as_str().unwrap();
        admin.ask(Method::POST, "users", Some(&order)).await.fails(409, "exists");
        let shown = admin.ask(Method::GET, "users/alice", None).await.is(200).json();
        assert!(shown.get("one_time_password").is_none(), "{shown}");
        let (alice, _) = Browser::log_in(client, "alice", once).await;
        alice
            .ask(Method::PUT, "me/password", Some(&json!({ "old": once, "new": "another good phrase" })))
            .await
            .is(204);
        alice.ask(Method::GET, "users", None).await.fails(403, "role-too-small");
        alice.ask(Method::GET, "users/alice", None).await.is(200);
        admin.ask(Method::PATCH, "users/alice", Some(&json!({ "role": "operator" }))).await.is(200);
        assert_eq!(alice.ask(Method::GET, "me", None).await.is(200).json()["role"], "operator");

        let order = json!({ "name": "pipeline", "role": "operator", "expires_at": "2100-01-01T00:00:00Z" });
        alice.ask(Method::POST, "tokens", Some(&order)).await.fails(422, "expiry-invalid");
        let order = json!({ "name": "pipeline", "role": "operator" });
        let made = alice.ask(Method::POST, "tokens", Some(&order)).await.is(201).json();
        let token = made["token"].as_str().unwrap();
        assert!(token.starts_with(app::accounts::TOKEN_PREFIX), "{made}");
        let program = client.with(&app::accounts::Secret::new(token.to_owned()));
        assert_eq!(program.get("me").await.is(200).json()["by"], "token");
        program
            .post("tokens", &json!({ "name": "more", "role": "viewer" }))
            .await
            .fails(403, "person-needed");
        assert!(
            alice.ask(Method::GET, "tokens", None).await.is(200).json()["items"][0].get("token").is_none()
        );
        alice.ask(Method::DELETE, &format!("tokens/{}", made["id"]), None).await.is(204);
        program.get("me").await.fails(401, "token-invalid");

        admin.ask(Method::DELETE, "users/admin", None).await.fails(409, "last-admin");
        alice.ask(Method::DELETE, "session", None).await.is(204);
        alice.ask(Method::GET, "me", None).await.fails(401, "session-over");
        // All of it is in the log.
        let events = admin.ask(Method::GET, "events?object=user:alice", None).await.is(200).json();
        let actions: Vec<&str> = events["items"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|event| event["action"].as_str().unwrap())
            .collect();
        assert_eq!(
            actions,
            ["user.created", "login.succeeded", "user.password_changed", "user.changed", "logout"],
            "{events}"
        );
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_counts_and_an_analyst_names() {
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start(true).await;
        let operator = running.robot(Role::Operator).await;
        let scan = operator.scan(&world.reference("app:1")).await;
        let (scan, image) = (scan["scan"].as_str().unwrap(), &scan["image_id"]);
        let (viewer, analyst) = (running.robot(Role::Viewer).await, running.robot(Role::Analyst).await);

        let shown = viewer.get(&format!("images/{image}")).await.is(200).json();
        assert_eq!(shown["facets"]["critical"], 1);
        for route in [
            format!("images/{image}/findings"),
            format!("images/{image}/packages"),
            format!("images/{image}/report"),
            format!("scans/{scan}/report"),
            format!("scans/{scan}/diff/{scan}"),
            "vulnerabilities".to_owned(),
            "vulnerabilities/CVE-2026-0001".to_owned(),
            "vulnerabilities/CVE-2026-0001/images".to_owned(),
            "packages?q=curl".to_owned(),
            "packages/images?name=curl".to_owned(),
        ] {
            viewer.get(&route).await.fails(403, "role-too-small");
            analyst.get(&route).await.is(200);
        }
        let history = viewer.get(&format!("images/{image}/history")).await.is(200).text;
        assert!(!history.contains("CVE-"), "{history}");
        viewer.post("scans", &json!({ "images": ["a"] })).await.fails(403, "role-too-small");
        analyst.post("scans", &json!({ "images": ["a"] })).await.fails(403, "role-too-small");
        analyst.delete(&format!("images/{image}")).await.fails(403, "role-too-small");
        // What did not work for them is written down, with what it was about.
        let admin = running.robot(Role::Admin).await;
        let errors = admin.get("errors?user=viewer&code=role-too-small").await.is(200).json();
        let about: Vec<&Value> =
            errors["items"].as_array().unwrap().iter().map(|error| &error["image"]).collect();
        assert!(about.contains(&&json!(world.reference("app:1"))), "{errors}");
        viewer.get("errors?user=analyst").await.fails(403, "role-too-small");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_its_members_own() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.start(false).await;
        let admin = running.robot(Role::Admin).await;
        admin.post("projects", &json!({ "name": "payments" })).await.is(201);
        // A user of no role in all projects: one with a token for that project only.
        let order =
            json!({ "name": "only-payments", "role": "operator", "project": "payments", "owner": "admin" });
        admin.post("tokens", &order).await.fails(403, "person-needed");
        let system = app::accounts::Caller::system("test");
        let project = running.accounts.project(&system, "payments").await.unwrap().id;
        let order = app::accounts::TokenOrder {
            owner: Some("admin"),
            name: "payments",
            role: Role::Operator,
            project: Some(project),
            expires_at: None,
        };
        let made = running.accounts.create_token(&system, &order, app::clock::now()).await.unwrap();
        let member = running.client.with(&made.secret);
        member
            .post("scans", &json!({ "images": ["127.0.0.1:1/pay:1"], "project": "payments" }))
            .await
            .is(202);
        let theirs = admin.submit("127.0.0.1:1/other:1").await;
        let page = member.get("images?count=true").await.is(200).json();
        assert_eq!((&page["count"], &page["items"][0]["project_id"]), (&json!(1), &json!(project)), "{page}");
        member.get(&format!("scans/{theirs}")).await.fails(404, "scan_not_known");
        member.get("status?image=127.0.0.1:1/other:1").await.fails(404, "image_not_known");
        member.delete(&format!("scans/{theirs}")).await.fails(404, "scan_not_known");
        member.post("scans", &json!({ "images": ["a"] })).await.fails(404, "project-not-known");
        admin.delete("projects/payments").await.fails(409, "project-in-use");
        admin.delete("projects/default").await.fails(409, "project-fixed");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_other_sites_are_kept_out() {
    let world = World::new(kinds().remove(0)).await;
    let running = world.start(false).await;
    let client = &running.client;
    let secret = running.accounts.create_first_admin(app::clock::now()).await.unwrap().unwrap();
    let (admin, _) = Browser::log_in(client, "admin", secret.reveal()).await;
    let change = json!({ "old": secret.reveal(), "new": "correct horse battery" });
    // A page of another site makes the browser ask.
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example.com")] {
        let question =
            client.ask(Method::PUT, "me/password").header("cookie", &admin.cookie).header(name, value);
        let question = question.header("content-type", "application/json");
        question.body(Body::Bytes(change.to_string().into())).send().await.fails(403, "cross-site");
    }
    for token in ["", "x", "lzt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let question = client.ask(Method::GET, "me").header("authorization", &format!("Bearer {token}"));
        question.send().await.fails(401, "token-invalid");
    }
    let mut locked = None;
    for _ in 0..30 {
        let answer = client.post("session", &json!({ "name": "admin", "password": "wrong" })).await;
        if answer.status.as_u16() == 429 {
            locked = Some(answer);
            break;
        }
        answer.fails(401, "login-failed");
    }
    let locked = locked.unwrap();
    assert!(locked.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{locked:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_cannot_take_it_all() {
    let mut world = World::new(kinds().remove(0)).await;
    world.settings.rate = std::num::NonZeroU32::new(1);
    let running = world.start(false).await;
    let (greedy, other) =
        (running.named("greedy", Role::Viewer).await, running.named("other", Role::Viewer).await);
    let mut limited = None;
    for _ in 0..100 {
        let answer = greedy.get("me").await;
        if answer.status.as_u16() != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.unwrap();
    assert!(limited.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{limited:?}");
    limited.fails(429, "rate-limited");
    other.get("me").await.is(200);
    running.client.get("/healthz").await.is(200);
    running.stop().await;
}
