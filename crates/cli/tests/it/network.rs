//! How registries and mirrors are reached: through a proxy, and with a certificate authority of one's own.

use std::process::Command;

use testkit::{
    docker_registry::{Certificate, DockerRegistry, Setup},
    image::Published,
    registry::{Auth, TestRegistry},
    tool, write,
};
use tokio::runtime::Runtime;

use crate::{
    binary::{Home, run},
    sample::{self, FINDINGS},
    server::{Server, answer, forward},
};

/// A name that resolves nowhere (RFC 2606): only a proxy can have answered.
const HOST: &str = "registry.invalid";

#[test]
fn a_proxy_is_used_for_what_is_not_on_loopback() {
    let runtime = Runtime::new().unwrap();
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("shop/web", "1.4", &Published::from(&sample::image()));
    let target = registry.host().parse().unwrap();
    let proxy = Server::start(move |request| match request.target.strip_prefix(&format!("http://{HOST}")) {
        Some(path) => forward(target, path, request),
        None => answer(404, &[], b""),
    });
    let home = Home::with_database();
    let image = format!("{HOST}/shop/web:1.4");
    let scan = |image: &str, no_proxy: &str| {
        run(home
            .command(["scan", "--offline", "--format", "json", "--no-cache", "--plain-http", HOST, image])
            .env("HTTP_PROXY", format!("http://{}", proxy.address))
            .env("NO_PROXY", no_proxy))
    };
    assert_eq!(scan(&image, "").findings(), FINDINGS);
    let asked = proxy.targets();
    assert!(asked.contains(&format!("http://{HOST}/v2/shop/web/manifests/1.4")), "{asked:?}");
    assert_eq!(
        asked.iter().filter(|url| url.contains("/blobs/")).count(),
        4,
        "configuration and layers: {asked:?}"
    );

    scan(&image, HOST).failed_with("registry-unavailable", "DNS");
    assert_eq!(proxy.targets(), [""; 0], "NO_PROXY names it");
    let direct = scan(&format!("{}/shop/web:1.4", registry.host()), "");
    assert_eq!((direct.findings(), proxy.targets()), (FINDINGS.map(str::to_owned).to_vec(), vec![]));

    let mirror = format!("http://{HOST}/osv/");
    let mut update = home.command(["db", "update", "--db", "db", "--db-url", &mirror, "npm"]);
    let update = run(update.env("http_proxy", format!("http://{}", proxy.address)));
    assert_eq!(update.code, Some(3), "{update:?}");
    assert_eq!(proxy.targets(), [format!("{mirror}npm/all.zip")]);
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let home = Home::with_database();
    let what = "a registry with a certificate of its own";
    let Some(skopeo) = tool::find_or_skip("skopeo", what) else { return };
    let Some(certificate) = Certificate::create(&home.path("")).unwrap() else { return };
    let setup = Setup { password: false, tls: Some(certificate.clone()) };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    std::fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
    let image = format!("{}/shop/web:1.4", registry.host());
    let mut copy = Command::new(skopeo);
    copy.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
        .args([format!("oci:{}:1.0", home.text("image")), format!("docker://{image}")]);
    tool::run(&mut copy).unwrap();

    home.scan(&[&image]).failed_with("registry-unavailable", "--ca-file");
    let authority = certificate.authority.to_str().unwrap();
    assert_eq!(home.scan(&["--ca-file", authority, &image]).findings(), FINDINGS);
    let from_environment =
        run(home.command(["scan", "--offline", &image]).env("LAZARET_CA_FILE", &certificate.authority));
    assert_eq!(from_environment.code, Some(0), "{from_environment:?}");

    let absent = home.scan(&["--ca-file", "absent.pem", &image]);
    assert_eq!(absent.code, Some(2), "{absent:?}");
    home.write("text.pem", "no certificate");
    let text = home.scan(&["--ca-file", "text.pem", &image]);
    assert!(matches!(text.code, Some(2 | 3)) && text.err.contains("next:"), "{text:?}");
}
