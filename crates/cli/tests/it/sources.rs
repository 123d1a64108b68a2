//! The same image from every kind of source.

use std::fs;

use testkit::{
    Family,
    image::{ImageBuilder, Published},
    layer::Compression,
    registry::{Auth, TestRegistry},
    write::{self, DockerForm},
};
use tokio::runtime::Runtime;

use crate::{
    binary::Home,
    sample::{self, FILES, FINDINGS},
};

#[test]
fn give_the_same_findings() {
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    let home = Home::with_database();
    let image = sample::image();
    let published = Published::from(&image);
    registry.add("shop/web", "1.4", &published);
    fs::create_dir(home.path("layout")).unwrap();
    write::layout(&home.path("layout"), &[("1.0", &published)]).unwrap();
    write::oci_archive(&home.path("oci.tar"), &[("1.0", &published)], Compression::None).unwrap();
    let docker = |file: &str, form, compression| {
        write::docker_archive(&home.path(file), &["shop/web:1.4"], &image, form, compression).unwrap();
    };
    docker("old.tar", DockerForm::Old, Compression::None);
    docker("new.tar.gz", DockerForm::New, Compression::Gzip);
    for (path, text) in FILES.iter().copied().flatten() {
        home.write(&format!("root/{path}"), text);
    }
    let in_registry = format!("{}/shop/web:1.4", registry.host());
    for source in [
        in_registry.as_str(),
        &format!("docker://{in_registry}"),
        &format!("{}/shop/web@{}", registry.host(), image.manifest.digest),
        "oci:layout:1.0",
        "oci:layout",
        "./layout",
        "layout",
        "oci-archive:oci.tar",
        "oci-archive:oci.tar:1.0",
        "oci.tar",
        "docker-archive:old.tar",
        "docker-archive:old.tar:shop/web:1.4",
        "docker-archive:new.tar.gz",
        "new.tar.gz",
        "dir:root",
        "./root",
    ] {
        let run = home.scan(&[source]);
        assert_eq!(
            (run.code, run.findings()),
            (Some(0), FINDINGS.map(str::to_owned).to_vec()),
            "{source}: {run:?}"
        );
        assert_eq!(run.json()["image"]["reference"], source);
    }
}

#[test]
fn an_index_gives_the_platform_that_is_asked_for() {
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    let home = Home::with_database();
    let build = |builder: ImageBuilder, platform: &str| builder.platform(platform.parse().unwrap()).build();
    let images = [
        build(sample::of_layers(&FILES[..1]), "linux/amd64"),
        build(sample::of_layers(&FILES[..2]), "linux/arm64"),
        build(sample::of_layers(&FILES), "linux/arm/v7"),
    ];
    let index = Published::index(Family::Oci, &images);
    registry.add("shop/web", "1.4", &index);
    let spec = format!("{}/shop/web:1.4", registry.host());
    for (platform, image, findings) in [
        ("linux/amd64", &images[0], &FINDINGS[2..3]),
        ("linux/arm64", &images[1], &FINDINGS[..3]),
        ("linux/arm/v7", &images[2], &FINDINGS[..]),
    ] {
        let run = home.scan(&["--platform", platform, &spec]);
        assert_eq!(run.findings(), findings, "{platform}");
        let report = run.json();
        assert_eq!(report["image"]["platform"], platform);
        assert_eq!(report["image"]["digest"], image.manifest.digest.to_string());
        assert_eq!(report["image"]["index_digest"], index.root.digest.to_string());
    }
    let none = home.scan(&["--platform", "linux/s390x", &spec]);
    none.failed_with("platform-not-found", "--platform");
    assert!(none.err.contains("linux/amd64, linux/arm/v7, linux/arm64"), "{}", none.err);
}
