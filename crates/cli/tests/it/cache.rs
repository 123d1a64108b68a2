//! The layer cache: read once, whoever asks, also at the same time.

use std::process::Stdio;

use testkit::{
    image::Published,
    registry::{Auth, TestRegistry},
};
use tokio::runtime::Runtime;

use crate::{
    binary::{Home, ended},
    sample::{self, FINDINGS},
};

fn registry(runtime: &Runtime) -> TestRegistry {
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
    registry.add("shop/web", "1.4", &Published::from(&sample::image()));
    registry
}

/// Digests of the layers that were read since the last call.
fn layers_read(registry: &TestRegistry) -> Vec<String> {
    let layers = sample::image().layers;
    let layers: Vec<String> =
        layers.iter().map(|layer| layer.blob(testkit::Family::Oci).digest.to_string()).collect();
    let requests = registry.requests();
    registry.clear_requests();
    let blobs = requests.iter().filter_map(|r| r.path.rsplit_once("/blobs/").map(|(_, digest)| digest));
    let mut read: Vec<String> = blobs.filter(|d| layers.iter().any(|l| l == d)).map(str::to_owned).collect();
    read.sort_unstable();
    read
}

#[test]
fn a_warm_scan_reads_no_layer() {
    let runtime = Runtime::new().unwrap();
    let registry = registry(&runtime);
    let home = Home::with_database();
    let image = format!("{}/shop/web:1.4", registry.host());
    let cold = home.scan(&[&image]);
    assert_eq!(cold.findings(), FINDINGS);
    assert_eq!(layers_read(&registry).len(), 3);
    let warm = home.scan(&[&image]);
    assert_eq!(warm.out, cold.out);
    assert_eq!(layers_read(&registry), [""; 0]);
    // Another image on the same base: only what is new is read.
    let files = [&sample::FILES[..2], &[&[("srv/new", "x")]]].concat();
    registry.add("shop/web", "1.5", &Published::from(&sample::of_layers(&files).build()));
    let image = format!("{}/shop/web:1.5", registry.host());
    assert_eq!(home.scan(&[&image]).findings(), FINDINGS[..3]);
    assert_eq!(layers_read(&registry), [""; 0]);
    assert_eq!(home.scan(&["--no-cache", &image]).findings(), FINDINGS[..3]);
    assert_eq!(layers_read(&registry).len(), 2);
}

#[test]
fn no_cache_wins_over_the_environment() {
    let runtime = Runtime::new().unwrap();
    let registry = registry(&runtime);
    let home = Home::with_database();
    let image = format!("{}/shop/web:1.4", registry.host());
    let mut command = home.command(["scan", "--offline", "--no-cache", &image]);
    let run = crate::binary::run(command.env("LAZARET_CACHE", home.path("elsewhere")));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!home.path("elsewhere").exists());
}

#[test]
fn a_cache_that_cannot_be_used_is_no_reason_to_stop() {
    let runtime = Runtime::new().unwrap();
    let registry = registry(&runtime);
    let home = Home::with_database();
    home.write("file", "");
    let run = home.scan(&["--cache", "file/cache", &format!("{}/shop/web:1.4", registry.host())]);
    assert_eq!((run.code, run.findings()), (Some(0), FINDINGS.map(str::to_owned).to_vec()));
    assert!(run.err.starts_with("warning: going on without the layer cache: "), "{}", run.err);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
}

#[test]
fn two_processes_share_it() {
    let runtime = Runtime::new().unwrap();
    let registry = registry(&runtime);
    let home = Home::with_database();
    let image = format!("{}/shop/web:1.4", registry.host());
    let scans: Vec<_> = (0..2)
        .map(|_| {
            let mut command = home.command(["scan", "--offline", "--format", "json", &image]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for scan in scans {
        let run = ended(scan.wait_with_output().unwrap());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
        assert_eq!(run.findings(), FINDINGS);
    }
    registry.clear_requests();
    assert_eq!(home.scan(&[&image]).findings(), FINDINGS);
    assert_eq!(layers_read(&registry), [""; 0]);
}
