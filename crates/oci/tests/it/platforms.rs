//! Which image of an index is chosen.

use model::platform::Platform;
use oci::OpenOptions;
use serde_json::json;
use testkit::{
    Blob, Family,
    image::{Image, ImageBuilder, Published},
    layer::{Compression, LayerBuilder},
    write,
};

use crate::fixture::{image, open_with};

/// Opens a layout with `root`; yields the chosen platform or the code of the error.
fn choose(root: &Published, platform: Option<&str>) -> String {
    let dir = tempfile::tempdir().unwrap();
    write::layout(dir.path(), &[("1", root)]).unwrap();
    let platform = platform.map(|p| p.parse().unwrap());
    let options = OpenOptions { platform, ..OpenOptions::files_only() };
    match open_with(dir.path().to_str().unwrap(), &options) {
        Ok(image) => image.platform.unwrap().to_string(),
        Err(e) => e.code().to_owned(),
    }
}

fn with_variant(text: &str) -> Image {
    let layer = LayerBuilder::new().file("a", text).finish(Compression::Gzip).unwrap();
    ImageBuilder::new().platform(text.parse().unwrap()).layer(layer, "ADD").build()
}

#[test]
fn of_an_index() {
    for family in [Family::Oci, Family::Docker] {
        let images = [image(family, "s390x"), image(family, "arm64"), image(family, "amd64")];
        let index = Published::index(family, &images);
        assert_eq!(choose(&index, Some("linux/amd64")), "linux/amd64");
        assert_eq!(choose(&index, Some("linux/arm64/v8")), "linux/arm64");
        assert_eq!(choose(&index, Some("windows/amd64")), "platform-not-found");
        assert_eq!(choose(&index, Some("linux/arm64/v9")), "platform-not-found");
        let host = Platform::host();
        if ["amd64", "arm64", "s390x"].contains(&host.architecture.as_str()) {
            assert_eq!(choose(&index, None), host.to_string());
        }
    }
}

#[test]
fn of_an_index_with_variants() {
    let index = Published::index(Family::Oci, &[with_variant("linux/arm/v6"), with_variant("linux/arm/v7")]);
    assert_eq!(choose(&index, Some("linux/arm/v7")), "linux/arm/v7");
    assert_eq!(choose(&index, Some("linux/arm")), "linux/arm/v6");
    assert_eq!(choose(&index, Some("linux/arm/v5")), "platform-not-found");
}

#[test]
fn the_only_image_serves_who_named_no_platform() {
    let foreign = if Platform::host().architecture == "s390x" { "riscv64" } else { "s390x" };
    let single = image(Family::Oci, foreign);
    let expected = format!("linux/{foreign}");
    assert_eq!(choose(&Published::from(&single), None), expected);
    assert_eq!(choose(&Published::index(Family::Oci, std::slice::from_ref(&single)), None), expected);
    assert_eq!(choose(&Published::from(&single), Some("linux/amd64")), "platform-not-found");
}

#[test]
fn attestations_are_no_images() {
    let (amd64, attestation) = (image(Family::Oci, "amd64"), image(Family::Oci, "amd64"));
    let mut first = attestation.manifest.descriptor();
    first["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    first["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let mut second = amd64.manifest.descriptor();
    second["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "manifests": [first, second] });
    let root = Blob::json(Family::Oci.index(), &index);
    assert_eq!(
        choose(&Published::new(root, &[amd64, attestation.clone()]), Some("linux/amd64")),
        "linux/amd64"
    );
    let index = json!({ "schemaVersion": 2, "manifests": [first] });
    let root = Blob::json(Family::Oci.index(), &index);
    assert_eq!(choose(&Published::new(root, &[attestation]), None), "not-an-image");
}
