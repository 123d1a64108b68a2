//! `lazaret config`: what is in force, from where, and that no secret is shown.

use std::fs;

use serde_json::{Value, json};

use crate::binary::{Home, project, run};

#[test]
fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
    let home = Home::new();
    home.write("etc/pw", "hunter2\n");
    home.write(
        "etc/lazaret.toml",
        "[server]\nlisten = '127.0.0.1:1'\n[queue]\nlease = '1m'\n[secrets]\nkey_file = 'pw'\n",
    );
    let show = |more: &[&str]| {
        let mut command = home.command(["config", "show", "--config", "etc/lazaret.toml"].iter().chain(more));
        command.env("LAZARET_QUEUE_LEASE", "2m");
        run(command.env("LAZARET_DATABASE_URL", "postgres://u:hunter2@h/d"))
    };
    let text = show(&["--listen", "127.0.0.1:2", "--set", "queue.max_attempts=3"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    for line in [
        "server.listen = 127.0.0.1:2  # --listen",
        "queue.lease = 2m  # LAZARET_QUEUE_LEASE",
        "queue.max_attempts = 3  # --set",
        "queue.heartbeat = 2s  # default",
        "secrets.key = ********  # etc/lazaret.toml:6",
        "database.url = postgres://u:********@h/d  # LAZARET_DATABASE_URL",
        "tls.cert = (not set)  # default",
    ] {
        assert!(text.out.lines().any(|there| there == line), "{line}: {}", text.out);
    }
    let list = show(&["--format", "json"]);
    let entries: Vec<Value> = serde_json::from_str(&list.out).unwrap();
    let at = |key: &str| entries.iter().find(|entry| entry["key"] == key).unwrap().clone();
    let listen = json!({"key": "server.listen", "value": "127.0.0.1:1", "origin": "etc/lazaret.toml:2"});
    assert_eq!(at("server.listen"), listen);
    assert_eq!(at("queue.max_attempts")["value"], json!(5));
    assert_eq!(at("images.allow")["value"], json!([]));
    assert_eq!(at("tls.key")["value"], Value::Null);
    assert!(!text.out.contains("hunter2") && !list.out.contains("hunter2"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let home = Home::new();
    home.write("data/lazaret.toml", "[queue]\nlaese = '1m'\n");
    let unknown = home.run(["config", "show", "--data", "data"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""));
    let expected = "error[settings-invalid]: data/lazaret.toml:2: there is no setting \"queue.laese\"; did you mean queue.lease?\n";
    assert!(unknown.err.starts_with(expected), "{}", unknown.err);
    let together = home.run(["config", "show", "--tls-cert", "a.pem"]);
    assert_eq!(together.code, Some(2));
    assert!(together.err.contains("tls.key") && together.out.contains("tls.cert = a.pem"), "{together:?}");
}

#[test]
fn the_page_of_settings_is_up_to_date() {
    let page = Home::new().run(["config", "docs"]).out;
    let path = project().join("docs/settings.md");
    if std::env::var_os("LAZARET_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/settings.md is out of date: LAZARET_WRITE_DOCS=1 cargo test -p cli settings"
    );
}
