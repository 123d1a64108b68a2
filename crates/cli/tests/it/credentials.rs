//! A real registry with a password, and the three ways to tell it.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use testkit::{
    docker_registry::{DockerRegistry, PASSWORD, Setup, USER},
    image::Published,
    tool, write,
};

use crate::{
    binary::{Home, Run, run},
    sample::{self, FINDINGS},
};

#[test]
fn for_an_image_that_skopeo_copied() {
    let setup = Setup { password: true, tls: None };
    let Some(skopeo) = tool::find_or_skip("skopeo", "credentials for a real registry") else { return };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let home = Home::with_database();
    std::fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
    let host = registry.host();
    let image = format!("{host}/shop/web:1.4");
    let mut copy = Command::new(skopeo);
    copy.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("--dest-creds={USER}:{PASSWORD}"))
        .args([format!("oci:{}:1.0", home.text("image")), format!("docker://{image}")]);
    tool::run(&mut copy).unwrap();

    let args = ["scan", "--offline", "--format", "json", &image];
    home.run(args).failed_with("registry-unauthorized", "log in");
    let found = |run: Run| {
        assert_eq!((run.code, run.findings()), (Some(0), FINDINGS.map(str::to_owned).to_vec()), "{run:?}");
    };

    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    home.write("config/config.json", format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#));
    found(run(home.command(args).env("DOCKER_CONFIG", home.path("config"))));

    // A helper gets the registry's name on standard input and prints JSON.
    let helper = home.write(
        "bin/docker-credential-quay",
        format!(
            "#!/bin/sh\nread -r server\n[ \"$1 $server\" = \"get {host}\" ] || exit 1\n\
             echo '{{\"ServerURL\": \"{host}\", \"Username\": \"{USER}\", \"Secret\": \"{PASSWORD}\"}}'\n"
        ),
    );
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home.write("config/config.json", format!(r#"{{"credHelpers": {{"{host}": "quay"}}}}"#));
    let with_helper =
        |path: &str| run(home.command(args).env("DOCKER_CONFIG", home.path("config")).env("PATH", path));
    found(with_helper(&home.text("bin")));
    with_helper("/nonexistent").failed_with("credentials-unusable", "credential helper");

    let explicit = ["scan", "--offline", "--format", "json", "--username", USER, &image];
    found(run(home.command(explicit).env("LAZARET_PASSWORD", PASSWORD)));
}
