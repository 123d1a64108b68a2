//! Real images, when the data folder is there: every layer streams, verifies and decompresses.

use std::path::{Path, PathBuf};

use oci::{OpenOptions, Opened, open};

use crate::fixture::{open_with, read_all};

fn images() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if !path.is_dir() {
        testkit::tool::skip("tests on real images: ../shared/data/images is not there");
        return None;
    }
    Some(path)
}

#[test]
fn every_real_image_reads_whole() {
    let Some(images) = images() else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(&images).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "Packages") {
            continue;
        }
        let image = open_with(path.to_str().unwrap(), &OpenOptions::files_only()).unwrap();
        assert!(read_all(&image).unwrap() > 10_000, "{}", path.display());
        assert_eq!(image.platform.as_ref().unwrap().os, "linux");
        count += 1;
    }
    assert!(count >= 11, "only {count} images");
}

#[test]
fn platforms_of_a_real_index() {
    let Some(images) = images() else { return };
    let spec = format!("oci:{}:3.20.3", images.join("alpine-3.20.3-multiarch").display());
    let options = |platform: &str| OpenOptions {
        platform: Some(platform.parse().unwrap()),
        ..OpenOptions::files_only()
    };
    for (platform, digest) in [
        ("linux/arm64", "sha256:54d275dc7d168693c82ed98ae039b5388ae1d18984964ec89d99ed8122231b4b"),
        ("linux/amd64", "sha256:04f1927ca82376ec29b4b2fc27912b724e207cb81f1f53cfe441cbfa07f754f8"),
    ] {
        let image = open_with(&spec, &options(platform)).unwrap();
        assert_eq!(image.digest.as_ref().unwrap().to_string(), digest);
        assert_eq!(
            image.index_digest.as_ref().unwrap().to_string(),
            "sha256:5f9780562cdf552a4cfe69fa88384543b5fa7a1774a8e37ce94138d5006d133e"
        );
    }
    let error = open(&spec, &options("linux/s390x")).unwrap_err();
    assert_eq!(error.code(), "platform-not-found");
    assert!(error.to_string().ends_with("it is for linux/amd64, linux/arm64/v8"), "{error}");
}

#[test]
fn a_file_that_is_no_image() {
    let Some(images) = images() else { return };
    let path = images.join("libuuid.bdb.Packages");
    let error = open(path.to_str().unwrap(), &OpenOptions::files_only()).unwrap_err();
    assert_eq!(error.code(), "not-an-image");
}

#[test]
fn a_bare_directory_is_a_root_file_system() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    let opened = open(dir.path().to_str().unwrap(), &OpenOptions::files_only()).unwrap();
    assert!(matches!(opened, Opened::Directory(d) if d.path() == dir.path()));
}
