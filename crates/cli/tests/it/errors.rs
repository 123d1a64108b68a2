//! What cannot be scanned: a stable code, a hint, exit code 3, and no report.

use std::{collections::BTreeMap, fs, net::TcpListener};

use serde_json::json;
use testkit::{
    Blob, Family,
    image::Published,
    registry::{Auth, Fault, TestRegistry},
    write,
};
use tokio::runtime::Runtime;

use crate::{
    binary::{Home, run},
    sample,
};

fn registry(runtime: &Runtime, auth: Auth) -> TestRegistry {
    let registry = runtime.block_on(TestRegistry::start(auth)).unwrap();
    registry.add("shop/web", "1.4", &Published::from(&sample::image()));
    registry
}

#[test]
fn in_registries() {
    let runtime = Runtime::new().unwrap();
    let home = Home::new();
    let open = registry(&runtime, Auth::None);
    let host = open.host();
    let scan = |image: &str| home.scan(&[image]);
    scan(&format!("{host}/shop/web:9")).failed_with("image-not-found", "spelling");
    scan(&format!("{host}/shop/nothing:1.4")).failed_with("image-not-found", "spelling");
    let absent = format!("sha256:{}", "0".repeat(64));
    scan(&format!("{host}/shop/web@{absent}")).failed_with("image-not-found", "spelling");
    home.scan(&["--platform", "windows/amd64", &format!("{host}/shop/web:1.4")])
        .failed_with("platform-not-found", "--platform");

    // What Helm pushes: an OCI manifest, but no image.
    let config = Blob::new("application/vnd.cncf.helm.config.v1+json", "{}");
    let chart = Blob::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": Family::Oci.manifest(),
        "config": config.descriptor(), "layers": [chart.descriptor()],
    });
    let root = Blob::json(Family::Oci.manifest(), &manifest);
    let helm = Published { root, manifests: vec![], blobs: vec![config, chart], platform: None };
    open.add("charts/web", "1.0", &helm);
    scan(&format!("{host}/charts/web:1.0")).failed_with("not-an-image", "container image");

    let digest = sample::image().manifest.digest;
    open.fail(Fault::WrongContent);
    scan(&format!("{host}/shop/web@{digest}")).failed_with("digest-mismatch", "tampered");
}

/// A directory called as the image that was meant must not be scanned in its place.
#[test]
fn a_directory_called_like_an_image() {
    let home = Home::with_database();
    fs::create_dir_all(home.path("nginx/etc")).unwrap();
    home.scan(&["nginx"]).failed_with("not-an-image", "dir:PATH");
    home.scan(&["oci:"]).failed_with("not-an-image", "OCI layout");
    assert_eq!(home.scan(&["./nginx"]).code, Some(0));
}

#[test]
fn in_the_content_of_a_layer() {
    let home = Home::with_database();
    let image = sample::image();
    fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&image))]).unwrap();
    let layer = image.layers[1].blob(Family::Oci);
    let file = home.path("image/blobs/sha256").join(layer.digest.hex());
    // The same length, another last byte: still a layer that can be read to its end.
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    home.scan(&["oci:image:1.0"]).failed_with("digest-mismatch", "tampered");
    fs::remove_file(&file).unwrap();
    home.scan(&["oci:image:1.0"]).failed_with("blob-missing", "incomplete");
}

#[test]
fn with_names_that_would_disturb_a_terminal() {
    let home = Home::new();
    let manifest = r#"[{"Config": "\u202e\u001b[31m\u0007c.json", "RepoTags": ["a:1"], "Layers": []}]"#;
    let files = BTreeMap::from([("manifest.json".to_owned(), manifest.into())]);
    home.write("image.tar", write::tar(&files));
    let run = home.scan(&["docker-archive:image.tar"]);
    run.failed_with("archive-invalid", "save the image again");
    assert!(run.err.contains("c.json"), "{run:?}");
    assert!(!run.err.contains(['\u{202e}', '\x1b', '\u{7}']), "{run:?}");
}

#[test]
fn of_credentials() {
    let runtime = Runtime::new().unwrap();
    let home = Home::new();
    let auth = Auth::Basic { user: "ship".into(), password: "correct-horse".into() };
    let registry = registry(&runtime, auth);
    let image = format!("{}/shop/web:1.4", registry.host());
    home.scan(&[&image]).failed_with("registry-unauthorized", "log in");
    let with = |password: &str| {
        run(home
            .command(["scan", "--offline", "--username", "ship", &image])
            .env("LAZARET_PASSWORD", password))
    };
    let wrong = with("wrong-secret");
    wrong.failed_with("registry-unauthorized", "password");
    assert!(!wrong.err.contains("wrong-secret"), "{}", wrong.err);
    // No database, but an image that was read.
    assert_eq!(with("correct-horse").code, Some(5));
    let forgotten = home.run(["scan", "--username", "ship", &image]);
    assert_eq!(forgotten.code, Some(2), "{forgotten:?}");
    assert!(
        forgotten.err.starts_with("error[password-missing]") && forgotten.err.contains("LAZARET_PASSWORD")
    );
}

#[test]
fn of_registries_that_do_not_answer() {
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = home.scan(&[&format!("127.0.0.1:{port}/shop/web:1.4")]);
    run.failed_with("registry-unavailable", "registry is up");
    assert!(run.err.contains(&format!("127.0.0.1:{port}")), "{}", run.err);
}

#[test]
fn on_disk() {
    let home = Home::new();
    let image = Published::from(&sample::image());
    let other = Published::from(&sample::of_layers(&sample::FILES[..1]).build());
    fs::create_dir(home.path("two")).unwrap();
    write::layout(&home.path("two"), &[("1.0", &image), ("2.0", &other)]).unwrap();
    home.scan(&["./two"]).failed_with("image-ambiguous", "oci:DIR:NAME");
    home.write("notes.txt", "nothing but text, and more of it than one block of a tar archive ".repeat(20));
    fs::create_dir(home.path("empty")).unwrap();
    let scan = |image: &str| home.scan(&[image]);
    scan("./notes.txt").failed_with("not-an-image", "dir:PATH");
    scan("docker-archive:notes.txt").failed_with("not-an-image", "dir:PATH");
    scan("oci:notes.txt").failed_with("not-an-image", "dir:PATH");
    scan("oci:empty").failed_with("not-an-image", "dir:PATH");
    scan("dir:notes.txt").failed_with("not-an-image", "dir:PATH");
    scan("./absent").failed_with("path-not-found", "current directory");
    scan("UPPER").failed_with("reference-invalid", "oci-archive:FILE");
    let unwritable = home.run(["scan", "--offline", "--output", "absent/report", "dir:empty"]);
    unwritable.failed_with("output-failed", "directory");
    assert!(!unwritable.err.contains("tmp"), "speaks of a file that nobody named: {}", unwritable.err);
}
