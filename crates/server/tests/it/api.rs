//! The description of the API: kept in docs, and true.

use std::{collections::BTreeSet, path::Path};

use egress::Method;
use model::Role;
use serde_json::{Value, json};
use testkit::sample::debian;

use crate::{
    accounts::Browser,
    rig::{Client, World, curl, kinds},
};

/// `LAZARET_WRITE_DOCS=1` writes the file instead of comparing it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_in_docs_is_up_to_date() {
    let world = World::new(kinds().remove(0)).await;
    let running = world.start(false).await;
    let mut description = running.client.get("openapi.json").await.is(200).json();
    description["info"]["version"] = Value::from("0");
    let text = serde_json::to_string_pretty(&description).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("LAZARET_WRITE_DOCS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is not what the service says of itself; LAZARET_WRITE_DOCS=1 writes it"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let world = World::new(kinds().remove(0)).await;
    let running = world.start(false).await;
    let description = running.client.get("openapi.json").await.is(200).json();
    assert_eq!(description["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{method} {path}");
            assert!(operation["tags"][0].is_string(), "{method} {path}");
        }
    }
    assert!(names.len() > 75, "{names:?}");
    running.stop().await;
}

/// What would shut its own sender out; sent with a token, after everything else.
const LAST: &[&str] = &[
    "log_out",
    "end_sessions",
    "change_password",
    "delete_user",
    "change_user",
    "reset_password",
    "revoke_token",
];

/// Requests made up from the description: no answer that it does not name, and none of a fault. Once with what
/// comes to mind for every value, and once with ids that lead to something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_true() {
    let python = testkit::tool::python_with("schemathesis");
    let Some(program) = python.map(|python| python.with_file_name("schemathesis")) else {
        testkit::tool::skip(
            "the API against its description: schemathesis is not installed (scripts/test installs it)",
        );
        return;
    };
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&curl());
        world.registry.add("app", "1", &debian("curl", "7.88.1-10"));
        let running = world.start(true).await;
        let secret = running.accounts.create_first_admin(app::clock::now()).await.unwrap().unwrap();
        let (admin, _) = Browser::log_in(&running.client, "admin", secret.reveal()).await;
        let change = json!({ "old": secret.reveal(), "new": "correct horse battery" });
        admin.ask(Method::PUT, "me/password", Some(&change)).await.is(204);
        let robot = running.named("robot", Role::Admin).await;
        let told = robot.scan(&world.reference("app:1")).await;
        let kept = kept(&robot, &world.registry.host()).await;
        let known = kept
            + &format!(
                "[[operations]]\ninclude-path-regex = \"/images/[{{]\"\nparameters = {{ \"path.id\" = {image} }}\n\
             [[operations]]\ninclude-path-regex = \"/scans/[{{]\"\n\
             parameters = {{ \"path.id\" = \"{scan}\", \"path.other\" = \"{scan}\" }}\n\
             [[operations]]\ninclude-path-regex = \"/vulnerabilities/[{{]\"\n\
             parameters = {{ \"path.id\" = \"CVE-2026-0001\" }}\n\
             [[operations]]\ninclude-path-regex = \"/status\"\nparameters = {{ \"query.image\" = \"{reference}\" }}\n",
                image = told["image_id"],
                scan = told["scan"].as_str().unwrap(),
                reference = world.reference("app:1"),
            );
        let cookie = format!("Cookie: {}", admin.cookie);
        let token = format!("Authorization: Bearer {}", robot.token());
        let session = ["--header", &cookie, "--header", "Sec-Fetch-Site: same-origin"];
        let later: Vec<&str> = LAST.iter().flat_map(|name| ["--exclude-operation-id", *name]).collect();
        let last: Vec<&str> = LAST.iter().flat_map(|name| ["--include-operation-id", *name]).collect();
        let reading = ["--include-method", "GET"];
        let url = format!("http://{}/api/portal/v1/openapi.json", running.address);
        schemathesis(&program, &url, &known, &[&session[..], &reading, &later].concat()).await;
        schemathesis(&program, &url, "", &[&session[..], &later].concat()).await;
        schemathesis(&program, &url, "", &[&["--header", &token][..], &last].concat()).await;
        running.client.get("/readyz").await.is(200);
        running.stop().await;
    }
}

/// One of everything that is kept under a number, turned off: how schemathesis may find them.
async fn kept(client: &Client, host: &str) -> String {
    let mut known = String::new();
    for (route, order) in [
        (
            "webhooks",
            json!({ "name": "w", "url": "http://127.0.0.1:1/", "kinds": ["scan.failed"], "enabled": false }),
        ),
        ("schedules", json!({ "name": "s", "daily_at": "00:00", "enabled": false })),
        ("scan-all", json!({})),
        ("registries", json!({ "name": "r", "host": host })),
        ("watches", json!({ "name": "w", "registry": host, "repository": "app", "enabled": false })),
    ] {
        let id = client.post(route, &order).await.json()["id"].as_i64().unwrap();
        known += &by_number(route, id);
        if route == "webhooks" {
            let tested = client.post(&format!("webhooks/{id}/test"), &json!({})).await.is(200).json();
            known += &by_number("deliveries", tested["id"].as_i64().unwrap());
        }
    }
    known
}

fn by_number(route: &str, id: i64) -> String {
    format!("[[operations]]\ninclude-path-regex = \"/{route}/[{{]\"\nparameters = {{ \"path.id\" = {id} }}\n")
}

async fn schemathesis(program: &Path, url: &str, config: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("schemathesis.toml");
    std::fs::write(&file, config).unwrap();
    let examples = std::env::var("LAZARET_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "10".to_owned());
    let output = tokio::process::Command::new(program)
        .current_dir(dir.path())
        .args(["--config-file".as_ref(), file.as_os_str()])
        .args(["run", url, "--checks"])
        .arg("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method,ignored_auth")
        .args(["--max-examples", &examples, "--seed", "1", "--warnings", "off"])
        .args(["--exclude-path-regex", "stream$|/events$", "--request-timeout", "20"])
        .args(["--suppress-health-check", "all", "--continue-on-failure"])
        .args(arguments)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary = told.lines().filter(|line| line.contains("generated") || line.contains("Tested"));
    println!("{}", summary.map(str::trim).collect::<Vec<_>>().join(", "));
}
