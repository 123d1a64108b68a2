//! Layouts and archives of every form, read as the same image.

use std::path::Path;

use oci::Stage;
use testkit::{
    Family,
    image::Published,
    layer::Compression,
    write::{self, DockerForm},
};

use crate::fixture::{image, open_file, read_all};

const CREATED_BY: [&str; 3] = ["ADD base", "COPY tool", "RUN rm tool"];

/// Opens `spec` and compares it with the test image.
fn check(spec: &str, has_manifest: bool) {
    let original = image(Family::Oci, "amd64");
    let opened = open_file(spec).unwrap_or_else(|e| panic!("{spec}: {e}"));
    assert_eq!(opened.digest.is_some(), has_manifest, "{spec}");
    assert_eq!(opened.config_digest, original.config.digest, "{spec}");
    assert_eq!(opened.config.labels["made.by"], "test");
    assert_eq!(opened.platform.as_ref().unwrap().to_string(), "linux/amd64");
    assert_eq!(opened.facts().created.as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(opened.layers.len(), 3);
    for ((layer, original), created_by) in opened.layers.iter().zip(&original.layers).zip(CREATED_BY) {
        assert_eq!(layer.facts.diff_id.as_ref(), Some(&original.diff_id), "{spec}");
        assert_eq!(layer.facts.created_by.as_deref(), Some(created_by), "{spec}");
    }
    let tar_bytes: usize = original.layers.iter().map(|layer| layer.tar.len()).sum();
    assert_eq!(read_all(&opened).unwrap(), tar_bytes as u64, "{spec}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn layouts() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::from(&image(Family::Oci, "amd64"));
    write::layout(dir.path(), &[("1.0", &published)]).unwrap();
    let path = text(dir.path());
    for spec in [format!("oci:{path}"), format!("oci:{path}:1.0"), path.to_owned(), format!("{path}:1.0")] {
        check(&spec, true);
    }
    check(&format!("oci:{path}:{}", published.root.digest), true);
    let error = open_file(&format!("oci:{path}:2.0")).unwrap_err();
    assert_eq!(error.code(), "image-not-found");
    assert!(error.to_string().ends_with("it holds 1.0"), "{error}");
}

#[test]
fn oci_archives() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::from(&image(Family::Oci, "amd64"));
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let file = dir.path().join(format!("{compression:?}.tar"));
        write::oci_archive(&file, &[("1.0", &published)], compression).unwrap();
        check(&format!("oci-archive:{}", text(&file)), true);
        check(&format!("oci-archive:{}:1.0", text(&file)), true);
        check(text(&file), true);
    }
}

#[test]
fn docker_archives() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    for form in [DockerForm::Old, DockerForm::OldCompressed, DockerForm::New] {
        for compression in [Compression::None, Compression::Gzip] {
            let file = dir.path().join(format!("{form:?}-{compression:?}.tar"));
            write::docker_archive(&file, &["example.com/app:1.0"], &original, form, compression).unwrap();
            let has_manifest = form == DockerForm::New;
            check(&format!("docker-archive:{}", text(&file)), has_manifest);
            check(&format!("docker-archive:{}:example.com/app:1.0", text(&file)), has_manifest);
            check(text(&file), has_manifest);
            let error = open_file(&format!("docker-archive:{}:other:1.0", text(&file))).unwrap_err();
            assert_eq!(error.code(), "image-not-found");
        }
    }
}

#[test]
fn layers_without_a_stored_digest_are_checked_uncompressed() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    for (form, stage) in [(DockerForm::Old, Stage::Stored), (DockerForm::OldCompressed, Stage::Uncompressed)]
    {
        let file = dir.path().join("a.tar");
        write::docker_archive(&file, &[], &original, form, Compression::None).unwrap();
        let opened = open_file(text(&file)).unwrap();
        assert!(opened.layers.iter().all(|layer| layer.expected.stage == stage), "{form:?}");
    }
}

#[test]
fn several_images_must_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (image(Family::Oci, "amd64"), image(Family::Docker, "amd64"));
    let (a, b) = (Published::from(&a), Published::from(&b));
    write::layout(dir.path(), &[("one", &a), ("two", &b)]).unwrap();
    let path = text(dir.path());
    let error = open_file(path).unwrap_err();
    assert_eq!(error.code(), "image-ambiguous");
    assert!(error.to_string().ends_with("one, two"), "{error}");
    assert_eq!(open_file(&format!("{path}:two")).unwrap().digest, Some(b.root.digest));
    // Two names of one image need no choice.
    let dir = tempfile::tempdir().unwrap();
    write::layout(dir.path(), &[("one", &a), ("two", &a)]).unwrap();
    assert_eq!(open_file(text(dir.path())).unwrap().digest, Some(a.root.digest));
}

#[test]
fn layers_linked_inside_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    let mut files = write::docker_files(&[], &original, DockerForm::Old).unwrap();
    let first = format!("{}/layer.tar", original.layers[0].diff_id.hex());
    let content = files.remove(&first).unwrap();
    files.insert("shared/layer.tar".into(), content);
    let archive = files
        .iter()
        .fold(testkit::layer::LayerBuilder::new(), |b, (path, content)| b.file(path, content.to_vec()))
        .symlink(&first, "../shared/layer.tar")
        .finish_tar();
    let file = dir.path().join("linked.tar");
    std::fs::write(&file, archive).unwrap();
    check(text(&file), false);
}
