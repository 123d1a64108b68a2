//! Registries that fail on the way.

use std::{
    io::Read,
    sync::Arc,
    time::{Duration, Instant},
};

use egress::{AddressPolicy, RetryPolicy};
use oci::{LayerStore, OciError, registry::CredentialSource};
use testkit::{
    Family,
    image::{Image as TestImage, Published},
    registry::{Auth, Fault, TestRegistry},
};
use tokio::runtime::Runtime;

use crate::fixture::{
    image, large_image, open_with, options, read_all, read_error, registries, registries_with, runtime,
};

struct Scene {
    runtime: Runtime,
    registry: TestRegistry,
}

impl Scene {
    fn new(image: &TestImage) -> Self {
        let runtime = runtime();
        let registry = runtime.block_on(TestRegistry::start(Auth::None)).unwrap();
        registry.add("team/app", "1.0", &Published::from(image));
        Self { runtime, registry }
    }

    fn open(&self) -> Result<oci::Image, OciError> {
        self.open_as("team/app:1.0")
    }

    fn open_as(&self, name: &str) -> Result<oci::Image, OciError> {
        let options = options(&self.runtime, &registries(CredentialSource::Anonymous));
        open_with(&format!("{}/{name}", self.registry.host()), &options)
    }
}

#[test]
fn what_is_missing_is_named() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    for name in ["team/app:2.0", "team/other:1.0", &format!("team/app@sha256:{}", "ab".repeat(32))] {
        let error = scene.open_as(name).unwrap_err();
        assert_eq!((error.code(), error.failure_reason()), ("image-not-found", "image_not_found"));
        assert!(
            error.to_string().contains(name) && error.to_string().contains("MANIFEST_UNKNOWN"),
            "{error}"
        );
    }
}

#[test]
fn by_digest_and_by_index() {
    let (amd64, arm64) = (image(Family::Docker, "amd64"), image(Family::Docker, "arm64"));
    let index = Published::index(Family::Docker, &[arm64, amd64.clone()]);
    let scene = Scene::new(&amd64);
    scene.registry.add("team/multi", "1.0", &index);
    let image = scene.open_as(&format!("team/multi:ignored@{}", index.root.digest)).unwrap();
    assert_eq!(image.digest, Some(amd64.manifest.digest.clone()));
    assert_eq!(image.index_digest, Some(index.root.digest));
    read_all(&image).unwrap();
    let image = scene.open_as(&format!("team/app@{}", amd64.manifest.digest)).unwrap();
    assert_eq!((image.digest, image.index_digest), (Some(amd64.manifest.digest), None));
}

#[test]
fn a_passing_trouble_is_waited_out() {
    for fault in [
        Fault::RateLimit { times: 2, retry_after: 0 },
        Fault::Status { times: 2, status: 503 },
        Fault::Status { times: 2, status: 502 },
    ] {
        let scene = Scene::new(&image(Family::Oci, "amd64"));
        scene.registry.fail(fault.clone());
        assert!(read_all(&scene.open().unwrap()).is_ok(), "{fault:?}");
    }
}

#[test]
fn a_lasting_trouble_is_told_by_its_code() {
    let forever = u32::MAX;
    for (fault, code, reason) in [
        (
            Fault::RateLimit { times: forever, retry_after: 0 },
            "registry-rate-limited",
            "registry_unavailable",
        ),
        (
            Fault::RateLimit { times: forever, retry_after: 3600 },
            "registry-rate-limited",
            "registry_unavailable",
        ),
        (Fault::Status { times: forever, status: 500 }, "registry-unavailable", "registry_unavailable"),
        (Fault::Status { times: forever, status: 503 }, "registry-unavailable", "registry_unavailable"),
        (Fault::Status { times: forever, status: 403 }, "registry-forbidden", "registry_unauthorized"),
        (Fault::Status { times: forever, status: 401 }, "registry-unauthorized", "registry_unauthorized"),
        (Fault::Status { times: forever, status: 418 }, "registry-answer", "registry_unavailable"),
        (Fault::RedirectForever, "registry-unavailable", "registry_unavailable"),
    ] {
        let scene = Scene::new(&image(Family::Oci, "amd64"));
        scene.registry.fail(fault.clone());
        let error = scene.open().unwrap_err();
        assert_eq!((error.code(), error.failure_reason()), (code, reason), "{fault:?}: {error}");
    }
}

#[test]
fn how_long_to_wait_is_handed_on() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    scene.registry.fail(Fault::RateLimit { times: u32::MAX, retry_after: 3600 });
    let error = scene.open().unwrap_err();
    assert!(matches!(error, OciError::RateLimited { retry_after: Some(d), .. } if d.as_secs() == 3600));
    // More patience than there is: asked once, not again.
    assert_eq!(scene.registry.requests().len(), 2);
}

#[test]
fn nobody_there() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    let Scene { runtime, registry } = scene;
    let host = registry.host();
    drop(registry);
    runtime.block_on(tokio::task::yield_now());
    let registries = registries(CredentialSource::Anonymous);
    let error = open_with("127.0.0.1:1/team/app:1.0", &options(&runtime, &registries)).unwrap_err();
    assert_eq!(
        (error.code(), error.failure_reason()),
        ("registry-unavailable", "registry_unavailable"),
        "{host}"
    );
}

#[test]
fn broken_transfers_are_taken_up_again() {
    let original = large_image();
    for extra in [None, Some(Fault::IgnoreRange), Some(Fault::RedirectBlobs)] {
        let scene = Scene::new(&original);
        let opened = scene.open().unwrap();
        scene.registry.clear_requests();
        scene.registry.fail(Fault::CutBlob { times: 3, after: 300_000 });
        extra.iter().for_each(|fault| scene.registry.fail(fault.clone()));
        assert_eq!(read_all(&opened).unwrap(), original.layers[0].tar.len() as u64);
        let ranges: Vec<_> = scene.registry.requests().into_iter().filter_map(|r| r.range).collect();
        assert!(!ranges.is_empty(), "{extra:?}");
    }
}

#[test]
fn a_transfer_goes_on_where_it_broke() {
    let scene = Scene::new(&large_image());
    let opened = scene.open().unwrap();
    scene.registry.clear_requests();
    scene.registry.fail(Fault::CutBlob { times: 1, after: 500_000 });
    read_all(&opened).unwrap();
    let ranges: Vec<_> = scene.registry.requests().into_iter().map(|r| r.range).collect();
    let [None, Some(second), ..] = &ranges[..] else { panic!("{ranges:?}") };
    // Bytes that the broken connection did not deliver are asked for again, none that it did.
    let begin: u64 = second.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!(begin > 0 && begin <= 500_000, "{second}");
}

#[test]
fn a_transfer_that_never_ends_well_ends() {
    let scene = Scene::new(&large_image());
    let opened = scene.open().unwrap();
    scene.registry.fail(Fault::CutBlob { times: u32::MAX, after: 10 });
    assert_eq!(read_error(&opened), "registry-unavailable");
}

#[test]
fn wrong_content_is_noticed() {
    let original = image(Family::Oci, "amd64");
    let scene = Scene::new(&original);
    let opened = scene.open().unwrap();
    scene.registry.fail(Fault::WrongContent);
    assert_eq!(read_error(&opened), "digest-mismatch");
    assert_eq!(scene.open().unwrap_err().code(), "digest-mismatch");
    let by_digest = format!("team/app@{}", original.manifest.digest);
    assert_eq!(scene.open_as(&by_digest).unwrap_err().code(), "digest-mismatch");
}

#[test]
fn a_manifest_that_lies_about_sizes() {
    let original = image(Family::Oci, "amd64");
    for size in [0_u64, 10, 1 << 40, u64::MAX] {
        let mut layers: Vec<_> = original.layers.iter().map(|l| l.blob(Family::Oci).descriptor()).collect();
        layers[0]["size"] = size.into();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "config": original.config.descriptor(), "layers": layers,
        });
        let root = testkit::Blob::json(Family::Oci.manifest(), &manifest);
        let scene = Scene::new(&original);
        scene.registry.add("team/lie", "1.0", &Published::new(root, std::slice::from_ref(&original)));
        let opened = scene.open_as("team/lie:1.0").unwrap();
        scene.registry.clear_requests();
        assert_eq!(read_error(&opened), "size-mismatch", "{size}");
        assert_eq!(scene.registry.requests().len(), 1, "{size}");
    }
}

#[test]
fn a_missing_layer_is_told() {
    let original = image(Family::Oci, "amd64");
    let scene = Scene::new(&original);
    let opened = scene.open().unwrap();
    let digest = original.layers[0].blob(Family::Oci).digest.to_string();
    scene.registry.remove_blob("team/app", &digest);
    assert_eq!(read_error(&opened), "blob-missing");
}

#[test]
fn silence_is_not_waited_for_forever() {
    let scene = Scene::new(&large_image());
    let registries = registries_with(CredentialSource::Anonymous, |client| {
        client.read_timeout = Duration::from_millis(50);
        client.retry = RetryPolicy::none();
    });
    let options = options(&scene.runtime, &registries);
    let opened = open_with(&format!("{}/team/app:1.0", scene.registry.host()), &options).unwrap();
    scene.registry.fail(Fault::StallBlob { after: 1000 });
    assert_eq!(read_error(&opened), "registry-unavailable");
}

#[test]
fn a_reader_that_is_dropped_ends_its_transfer() {
    let scene = Scene::new(&large_image());
    let opened = scene.open().unwrap();
    scene.registry.fail(Fault::StallBlob { after: 1000 });
    let mut reader = opened.open_layer(0).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    let alive = || scene.runtime.metrics().num_alive_tasks();
    let before = alive();
    drop(reader);
    // The stalled transfer would otherwise live as long as the server keeps its end open.
    let begun = Instant::now();
    while alive() >= before {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} tasks, {before} before", alive());
        std::thread::yield_now();
    }
}

#[test]
fn layers_can_be_read_from_any_thread() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    let opened = Arc::new(scene.open().unwrap());
    // Even on a thread of the runtime, where blocking is bad manners but must not panic.
    let inside = Arc::clone(&opened);
    let total = scene.runtime.block_on(async move { tokio::spawn(async move { read_all(&inside) }).await });
    assert_eq!(total.unwrap().unwrap(), read_all(&opened).unwrap());
}

#[test]
fn a_guarded_service_does_not_reach_loopback() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    let guarded = |allow: &[&str]| {
        let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
        let registries = registries_with(CredentialSource::Anonymous, |client| {
            client.addresses = AddressPolicy::Guarded { allow };
        });
        let options = options(&scene.runtime, &registries);
        let image = open_with(&format!("{}/team/app:1.0", scene.registry.host()), &options);
        image.map_or_else(|e| e.code(), |_| "ok")
    };
    assert_eq!(guarded(&[]), "address-refused");
    assert_eq!(guarded(&["10.0.0.0/8"]), "address-refused");
    assert!(scene.registry.requests().is_empty());
    assert_eq!(guarded(&["127.0.0.0/8"]), "ok");
}

#[test]
fn tags_over_many_pages() {
    let scene = Scene::new(&image(Family::Oci, "amd64"));
    let published = Published::from(&image(Family::Oci, "amd64"));
    let mut expected = vec!["1.0".to_owned()];
    for i in 0..25 {
        expected.push(format!("v{i:02}"));
        scene.registry.add("team/app", expected.last().unwrap(), &published);
    }
    let registry = registries(CredentialSource::Anonymous).registry(&scene.registry.host());
    let tags = || scene.runtime.block_on(registry.fetch_tags("team/app"));
    assert_eq!(tags().unwrap(), expected);
    scene.registry.clear_requests();
    scene.registry.fail(Fault::Pages(4));
    assert_eq!(tags().unwrap(), expected);
    assert_eq!(scene.registry.requests().len(), 7);
    // As many as are wanted, and no page after them.
    scene.registry.clear_requests();
    let some = scene.runtime.block_on(registry.fetch_tags_up_to("team/app", 6)).unwrap();
    assert_eq!((some.names.as_slice(), some.complete), (&expected[..6], false));
    assert_eq!(scene.registry.requests().len(), 2);
    // What is too long for a name is left out.
    scene.registry.add("team/app", &"z".repeat(256), &published);
    assert_eq!(tags().unwrap(), expected);
    let error = scene.runtime.block_on(registry.fetch_tags("team/none")).unwrap_err();
    assert_eq!(error.code(), "image-not-found");
}
