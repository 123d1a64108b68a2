//! Images of a real container engine, over the socket of its API.

use oci::{Daemons, OpenOptions, registry::CredentialSource};
use testkit::{
    Family,
    layer::Compression,
    podman::Podman,
    write::{self, DockerForm},
};
use tokio::runtime::Runtime;

use crate::fixture::{self, image, open_with, read_all, registries};

fn options(runtime: &Runtime, address: String) -> OpenOptions {
    let daemons = Daemons { docker: address.clone(), podman: address };
    fixture::options(runtime, &registries(CredentialSource::Anonymous)).with_daemons(daemons)
}

#[test]
fn an_engine_gives_its_images() {
    let Some(engine) = Podman::start().unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    let archive = dir.path().join("image.tar");
    write::docker_archive(&archive, &["localhost/ship:1"], &original, DockerForm::Old, Compression::None)
        .unwrap();
    let name = engine.load(&archive).unwrap();
    let runtime = Runtime::new().unwrap();
    let options = options(&runtime, format!("unix://{}", engine.socket().display()));

    let id = original.config.digest.hex().to_owned();
    for spec in [format!("podman:{name}"), format!("docker:{name}"), format!("docker:{id}")] {
        let opened = open_with(&spec, &options).unwrap_or_else(|e| panic!("{spec}: {e}"));
        assert_eq!(opened.config_digest, original.config.digest, "{spec}");
        let tar_bytes: usize = original.layers.iter().map(|layer| layer.tar.len()).sum();
        assert_eq!(read_all(&opened).unwrap(), tar_bytes as u64, "{spec}");
    }
    let error = oci::open("podman:nowhere:1", &options).unwrap_err();
    assert_eq!(error.code(), "image-not-found", "{error}");
}

#[test]
fn an_engine_that_is_not_there_is_told_of() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = options(&runtime, dir.path().join("none.sock").display().to_string());
    let error = oci::open("docker:alpine", &options).unwrap_err();
    assert_eq!(error.code(), "daemon-unavailable", "{error}");
    let error = oci::open("docker:alpine", &OpenOptions::files_only()).unwrap_err();
    assert_eq!(error.code(), "network-disabled", "{error}");
}
