//! Debian's registry with images pushed by `skopeo`, where both are installed.

use std::{path::Path, process::Command};

use oci::registry::{CredentialSource, Credentials};
use testkit::{
    Family,
    docker_registry::{Certificate, DockerRegistry, PASSWORD, Setup, USER},
    image::Published,
    tool, write,
};

use crate::fixture::{image, open_with, options, read_all, registries, registries_with, runtime};

/// Pushes a layout with `skopeo`; false when that is not installed.
fn skopeo_push(layout: &Path, host: &str, format: &str, login: bool) -> bool {
    let Some(skopeo) = tool::find_or_skip("skopeo", "tests of images that skopeo pushed") else {
        return false;
    };
    let mut command = Command::new(skopeo);
    command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--format", format]);
    if login {
        command.arg(format!("--dest-creds={USER}:{PASSWORD}"));
    }
    command.arg(format!("oci:{}:1.0", layout.display())).arg(format!("docker://{host}/team/app:{format}"));
    tool::run(&mut command).unwrap();
    true
}

#[test]
fn images_of_skopeo() {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let mut plain = image(Family::Oci, "amd64");
    // Docker's format knows no zstd: leave that layer out.
    plain.layers.remove(1);
    let built = plain.layers.into_iter().fold(testkit::image::ImageBuilder::new(), |b, l| b.layer(l, "ADD"));
    let built = built.build();
    write::layout(dir.path(), &[("1.0", &Published::from(&built))]).unwrap();
    for password in [false, true] {
        let Some(registry) = DockerRegistry::start(&Setup { password, tls: None }).unwrap() else { return };
        let host = registry.host();
        let credentials = || match password {
            false => CredentialSource::Anonymous,
            true => CredentialSource::Explicit {
                registry: host.clone(),
                credentials: Credentials::basic(USER, PASSWORD),
            },
        };
        for format in ["oci", "v2s2"] {
            if !skopeo_push(dir.path(), &host, format, password) {
                return;
            }
            let spec = format!("{host}/team/app:{format}");
            let opened = open_with(&spec, &options(&runtime, &registries(credentials()))).unwrap();
            assert_eq!(opened.layers.len(), 2);
            assert_eq!(
                opened.config.diff_ids,
                [built.layers[0].diff_id.clone(), built.layers[1].diff_id.clone()]
            );
            read_all(&opened).unwrap();
            let anonymous = open_with(&spec, &options(&runtime, &registries(CredentialSource::Anonymous)));
            let code = anonymous.map_or_else(|e| e.code(), |_| "ok");
            assert_eq!(code, if password { "registry-unauthorized" } else { "ok" });
        }
        let missing =
            open_with(&format!("{host}/team/nothing:1.0"), &options(&runtime, &registries(credentials())));
        assert_eq!(missing.unwrap_err().code(), "image-not-found");
    }
}

#[test]
fn tls_with_a_private_authority() {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    let Some(certificate) = Certificate::create(dir.path()).unwrap() else { return };
    let authority = std::fs::read(&certificate.authority).unwrap();
    let setup = Setup { password: false, tls: Some(certificate) };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let spec = format!("{}/team/app:1.0", registry.host());

    let trusting = registries_with(CredentialSource::Anonymous, |client| client.extra_ca = vec![authority]);
    let published = Published::from(&image(Family::Docker, "amd64"));
    let remote = trusting.registry(&registry.host());
    runtime.block_on(crate::push::push(&remote, "team/app", "1.0", &published)).unwrap();
    read_all(&open_with(&spec, &options(&runtime, &trusting)).unwrap()).unwrap();

    let distrusting = registries(CredentialSource::Anonymous);
    let error = open_with(&spec, &options(&runtime, &distrusting)).unwrap_err();
    assert_eq!(error.code(), "registry-unavailable");
    assert!(error.hint().contains("certificate authority"), "{error:?}");
}

#[test]
fn lists_of_a_registry() {
    let runtime = runtime();
    let setup = Setup { password: true, tls: None };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let host = registry.host();
    let credentials = Credentials::basic(USER, PASSWORD);
    let known = registries(CredentialSource::Explicit { registry: host.clone(), credentials });
    let remote = known.registry(&host);
    let published = Published::from(&image(Family::Docker, "amd64"));
    runtime.block_on(async {
        assert_eq!(remote.fetch_repositories(10).await.unwrap().names, [""; 0]);
        for (repository, tag) in [("team/b", "1.0"), ("team/a", "1.0"), ("team/a", "2.0"), ("c", "1.0")] {
            crate::push::push(&remote, repository, tag, &published).await.unwrap();
        }
        let all = remote.fetch_repositories(3).await.unwrap();
        assert_eq!((all.names, all.complete), (["c", "team/a", "team/b"].map(str::to_owned).to_vec(), true));
        let some = remote.fetch_repositories(2).await.unwrap();
        assert_eq!((some.names.len(), some.complete), (2, false));
        let tags = remote.fetch_tags_up_to("team/a", 1).await.unwrap();
        assert_eq!((tags.names.len(), tags.complete), (1, false));
        let mut tags = remote.fetch_tags_up_to("team/a", 2).await.unwrap();
        tags.names.sort();
        assert_eq!((tags.names, tags.complete), (["1.0", "2.0"].map(str::to_owned).to_vec(), true));
        let stranger = registries(CredentialSource::Anonymous).registry(&host).fetch_repositories(10).await;
        assert_eq!(stranger.unwrap_err().code(), "registry-unauthorized");
    });
}
