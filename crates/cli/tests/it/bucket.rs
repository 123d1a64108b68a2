//! Images in a bucket, found by the variables that every S3 tool knows.

use std::{fs, net::TcpListener};

use testkit::{
    bucket::{AccessKey, BUCKET, Bucket, REGION},
    image::Published,
    layer::Compression,
    write::{self, DockerForm},
};

use crate::{
    binary::{Home, Run, run},
    sample::{self, FINDINGS},
    server::{Server, forward},
};

/// Scans `image`, asking as `key` at `endpoint`.
fn scan(home: &Home, endpoint: &str, key: Option<&AccessKey>, image: &str) -> Run {
    let mut command = home.command(["scan", "--offline", "--format", "json", "--no-cache", image]);
    command.env("AWS_ENDPOINT_URL_S3", endpoint).env("AWS_REGION", REGION);
    if let Some(key) = key {
        command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    }
    let run = run(&mut command);
    assert!(key.is_none_or(|key| !format!("{run:?}").contains(&key.secret)), "shows the secret: {run:?}");
    run
}

/// The sample image as `docker save` writes it.
fn saved(home: &Home, form: DockerForm, compression: Compression) -> Vec<u8> {
    let file = home.path("saved.tar");
    write::docker_archive(&file, &["shop/web:1.4"], &sample::image(), form, compression).unwrap();
    fs::read(&file).unwrap()
}

#[test]
fn the_same_findings_as_from_files() {
    let Some(server) = Bucket::start_signed().unwrap() else { return };
    let home = Home::with_database();
    let published = Published::from(&sample::image());
    write::oci_archive(&home.path("oci.tar"), &[("1.0", &published)], Compression::Zstd).unwrap();
    server.put("team a/oci.tar.zst", &fs::read(home.path("oci.tar")).unwrap()).unwrap();
    server.put("saved.tar", &saved(&home, DockerForm::Old, Compression::None)).unwrap();
    server.put("saved.tgz", &saved(&home, DockerForm::New, Compression::Gzip)).unwrap();
    for key in ["team a/oci.tar.zst", "team a/oci.tar.zst#1.0", "saved.tar", "saved.tgz#shop/web:1.4"] {
        let source = format!("s3://{BUCKET}/{key}");
        let run = scan(&home, server.endpoint(), Some(server.owner()), &source);
        assert_eq!((run.code, run.findings()), (Some(0), FINDINGS.map(str::to_owned).to_vec()), "{run:?}");
        assert_eq!(run.json()["image"]["reference"], source);
    }
    let no_temporary = fs::read_dir(home.path("")).unwrap().flatten().all(|entry| {
        ["oci.tar", "saved.tar", "records.jsonl", ".cache"].iter().any(|name| entry.file_name() == *name)
    });
    assert!(no_temporary, "something was left behind");

    let at = |key: &str| format!("s3://{BUCKET}/{key}");
    let owner = server.owner();
    let as_owner = |image: &str| scan(&home, server.endpoint(), Some(owner), image);
    as_owner(&at("absent.tar")).failed_with("object-not-found", "spelling");
    as_owner("s3://elsewhere/saved.tar").failed_with("object-not-found", "spelling");
    as_owner(&at("")).failed_with("reference-invalid", "s3://BUCKET/KEY");
    as_owner(&at("saved.tar#other")).failed_with("image-not-found", "spelling");
    server.put("notes.txt", "nothing but text ".repeat(100).as_bytes()).unwrap();
    as_owner(&at("notes.txt")).failed_with("not-an-image", "archive");
    let key = |id: &str, secret: &str| AccessKey { id: id.into(), secret: secret.into() };
    for key in [key(&owner.id, "wrong-secret"), key("AKIANOBODY", "wrong-secret"), server.stranger().clone()]
    {
        let run = scan(&home, server.endpoint(), Some(&key), &at("saved.tar"));
        run.failed_with("bucket-unauthorized", "access key");
    }
}

#[test]
fn without_credentials_and_while_it_changes() {
    let Some(server) = Bucket::start().unwrap() else { return };
    let home = Home::with_database();
    let content = saved(&home, DockerForm::Old, Compression::None);
    server.put("saved.tar", &content).unwrap();
    let image = format!("s3://{BUCKET}/saved.tar");
    assert_eq!(scan(&home, server.endpoint(), None, &image).findings(), FINDINGS);

    // The last layer is asked for when the object is another one already.
    let mut other = content;
    other.push(0);
    let to = server.endpoint().trim_start_matches("http://").parse().unwrap();
    let relay = Server::start(move |request| {
        let answer = forward(to, &request.target, request);
        server.put("saved.tar", &other).unwrap();
        answer
    });
    let run = scan(&home, &format!("http://{}", relay.address), None, &image);
    run.failed_with("object-changed", "nothing writes");
    assert!(relay.requests().len() > 1, "it was never asked for again");
}

#[test]
fn settings_that_cannot_work() {
    let home = Home::new();
    let image = "s3://ship/saved.tar";
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("http://127.0.0.1:{port}");
    scan(&home, &nobody, None, image).failed_with("bucket-unavailable", "server is up");
    scan(&home, "http://minio.invalid:9000", None, image).failed_with("bucket-config", "--plain-http");
    scan(&home, "minio:9000", None, image).failed_with("bucket-config", "AWS_ENDPOINT_URL");
    let mut half = home.command(["scan", "--offline", image]);
    let half = run(half.env("AWS_ACCESS_KEY_ID", "AKIASHIP"));
    half.failed_with("bucket-config", "setting");
    assert!(
        half.err.contains("AWS_SECRET_ACCESS_KEY is missing") && !half.err.contains("AKIASHIP"),
        "{half:?}"
    );
    // Variables for buckets are nobody's business where no bucket is named.
    let mut other = home.command(["scan", "--offline", "./absent.tar"]);
    run(other.env("AWS_ACCESS_KEY_ID", "AKIASHIP")).failed_with("path-not-found", "path");
}
