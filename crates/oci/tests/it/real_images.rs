//! Real images, when the data folder is there: every layer streams, verifies and decompresses.

use std::{
    io::{Read, sink},
    path::{Path, PathBuf},
};

use oci::{LayerStore, OpenOptions, Opened, Stage, VerifyingReader, decompress, open};

fn images() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if !path.is_dir() {
        eprintln!("skipped: ../shared/data/images is not there");
        return None;
    }
    Some(path)
}

/// Reads every layer to its end, checking what it must hash to; returns the bytes decompressed.
pub(crate) fn read_all(image: &oci::Image) -> u64 {
    let mut total = 0;
    for (i, layer) in image.layers().iter().enumerate() {
        let raw = image.open_layer(i).unwrap();
        let expected = layer.expected.clone();
        let mut reader: Box<dyn Read> = match expected.stage {
            Stage::Stored => {
                let verified = VerifyingReader::new(raw, expected.digest, expected.size, "layer");
                Box::new(decompress(verified, "layer").unwrap())
            }
            Stage::Uncompressed => {
                let plain = decompress(raw, "layer").unwrap();
                Box::new(VerifyingReader::new(plain, expected.digest, expected.size, "layer"))
            }
        };
        // The uncompressed bytes must also be what the configuration says.
        let diff_id = layer.facts.diff_id.clone().unwrap();
        total +=
            std::io::copy(&mut VerifyingReader::new(&mut reader, diff_id, None, "tar"), &mut sink()).unwrap();
    }
    total
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
        let Opened::Image(image) = open(path.to_str().unwrap(), &OpenOptions::files_only()).unwrap() else {
            panic!("{} is no image", path.display());
        };
        assert!(read_all(&image) > 10_000, "{}", path.display());
        assert_eq!(image.platform.as_ref().unwrap().os, "linux");
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn platforms_of_a_real_index() {
    let Some(images) = images() else { return };
    let spec = format!("oci:{}:3.20.3", images.join("alpine-3.20.3-multiarch").display());
    for (platform, digest) in [
        ("linux/arm64", "sha256:54d275dc7d168693c82ed98ae039b5388ae1d18984964ec89d99ed8122231b4b"),
        ("linux/amd64", "sha256:04f1927ca82376ec29b4b2fc27912b724e207cb81f1f53cfe441cbfa07f754f8"),
    ] {
        let options = OpenOptions { platform: Some(platform.parse().unwrap()), ..OpenOptions::files_only() };
        let Opened::Image(image) = open(&spec, &options).unwrap() else { panic!() };
        assert_eq!(image.digest.as_ref().unwrap().to_string(), digest);
        assert_eq!(
            image.index_digest.as_ref().unwrap().to_string(),
            "sha256:5f9780562cdf552a4cfe69fa88384543b5fa7a1774a8e37ce94138d5006d133e"
        );
    }
    let options = OpenOptions { platform: Some("linux/s390x".parse().unwrap()), ..OpenOptions::files_only() };
    let error = open(&spec, &options).unwrap_err();
    assert_eq!(error.code(), "platform-not-found");
    assert!(error.to_string().ends_with("it is for linux/amd64, linux/arm64/v8"), "{error}");
}
