//! What no honest tool writes: refused with a clear code, in bounded time and memory.

use std::path::Path;

use model::limits::Limits;
use oci::{OpenOptions, open};
use serde_json::json;
use testkit::{
    Blob, Family,
    image::{ImageBuilder, Published},
    layer::{Compression, Header, LayerBuilder},
    write::{self, DockerForm},
};

use crate::fixture::{image, open_file, open_with, read_all, read_error};

fn code(path: &Path) -> &'static str {
    open_file(path.to_str().unwrap()).map_or_else(|e| e.code(), |_| "ok")
}

/// The code of opening a layout with this root document.
fn root_code(root: Blob) -> &'static str {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::new(root, &[image(Family::Oci, "amd64")]);
    write::layout(dir.path(), &[("1", &published)]).unwrap();
    code(dir.path())
}

#[test]
fn content_that_is_not_its_digest() {
    let original = image(Family::Oci, "amd64");
    for (what, digest) in
        [("manifest", &original.manifest.digest), ("configuration", &original.config.digest)]
    {
        let dir = tempfile::tempdir().unwrap();
        write::layout(dir.path(), &[("1", &Published::from(&original))]).unwrap();
        let blob = dir.path().join("blobs/sha256").join(digest.hex());
        let mut bytes = std::fs::read(&blob).unwrap();
        let last = bytes.len() - 1;
        bytes[last] = b' ';
        std::fs::write(&blob, &bytes).unwrap();
        assert_eq!(code(dir.path()), "digest-mismatch", "{what}");
        bytes.push(b' ');
        std::fs::write(&blob, &bytes).unwrap();
        assert_eq!(code(dir.path()), "size-mismatch", "{what}");
        std::fs::remove_file(&blob).unwrap();
        assert_eq!(code(dir.path()), "blob-missing", "{what}");
    }
}

#[test]
fn layers_that_are_not_their_digest() {
    let original = image(Family::Oci, "amd64");
    let published = Published::from(&original);
    let blob = original.layers[2].blob(Family::Oci).digest;
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 3] = [
        (|bytes| bytes[0] ^= 1, "digest-mismatch"),
        (|bytes| bytes.truncate(600), "size-mismatch"),
        (|bytes| bytes.push(0), "size-mismatch"),
    ];
    for (change, expected) in changes {
        let dir = tempfile::tempdir().unwrap();
        write::layout(dir.path(), &[("1", &published)]).unwrap();
        let path = dir.path().join("blobs/sha256").join(blob.hex());
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_error(&open_file(dir.path().to_str().unwrap()).unwrap()), expected);
    }
    // A Docker archive names digests of uncompressed layers only.
    let dir = tempfile::tempdir().unwrap();
    for form in [DockerForm::Old, DockerForm::OldCompressed] {
        let mut files = write::docker_files(&[], &original, form).unwrap();
        let name = files
            .keys()
            .find(|name| name.ends_with("layer.tar") || name.ends_with(".tar.gz"))
            .unwrap()
            .clone();
        let other = LayerBuilder::new().file("evil", "x").finish(Compression::None).unwrap();
        files.insert(name, other.tar);
        let file = dir.path().join("a.tar");
        std::fs::write(&file, write::tar(&files)).unwrap();
        assert_eq!(read_error(&open_file(file.to_str().unwrap()).unwrap()), "digest-mismatch", "{form:?}");
    }
}

#[test]
fn a_configuration_that_is_not_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    let mut files = write::docker_files(&[], &original, DockerForm::Old).unwrap();
    let name = format!("{}.json", original.config.digest.hex());
    let mut changed = files[&name].to_vec();
    changed.push(b'\n');
    files.insert(name, changed.into());
    let file = dir.path().join("a.tar");
    std::fs::write(&file, write::tar(&files)).unwrap();
    assert_eq!(code(&file), "digest-mismatch");
}

#[test]
fn manifest_bombs() {
    // An index cannot hold its own digest, but a lying layout can claim that it does.
    let own = Blob::json(Family::Oci.index(), &json!({ "schemaVersion": 2, "manifests": [] }));
    let entry = json!({ "mediaType": Family::Oci.index(), "digest": own.digest, "size": 200 });
    let mut lying = Blob::json(Family::Oci.index(), &json!({ "schemaVersion": 2, "manifests": [entry] }));
    lying.digest = own.digest;
    assert!(["digest-mismatch", "size-mismatch"].contains(&root_code(lying)));
    // Indexes within indexes.
    let mut root = image(Family::Oci, "amd64").manifest;
    let mut nested = Vec::new();
    for depth in 0..20 {
        nested.push(root.clone());
        root =
            Blob::json(Family::Oci.index(), &json!({ "schemaVersion": 2, "manifests": [root.descriptor()] }));
        let dir = tempfile::tempdir().unwrap();
        let mut published = Published::new(root.clone(), &[image(Family::Oci, "amd64")]);
        published.manifests.extend(nested.clone());
        write::layout(dir.path(), &[("1", &published)]).unwrap();
        assert_eq!(code(dir.path()), if depth < 3 { "ok" } else { "manifest-invalid" }, "depth {depth}");
    }
    // Deep JSON, and JSON that is none.
    for text in
        ["[".repeat(1_000_000), format!("{{\"schemaVersion\":2,\"x\":{}", "[".repeat(1_000_000)), "\0".into()]
    {
        assert_eq!(root_code(Blob::new(Family::Oci.manifest(), text)), "manifest-invalid");
    }
    // Too large a document, honest or not about its size.
    let huge = format!("{{\"schemaVersion\":2,\"x\":\"{}\"}}", "y".repeat(9 << 20));
    assert_eq!(root_code(Blob::new(Family::Oci.manifest(), huge)), "too-large");
}

#[test]
fn documents_with_two_faces() {
    let original = image(Family::Oci, "amd64");
    let both = json!({
        "schemaVersion": 2, "config": original.config.descriptor(),
        "layers": [], "manifests": [original.manifest.descriptor()],
    });
    assert_eq!(root_code(Blob::json(Family::Oci.manifest(), &both)), "manifest-invalid");
    assert_eq!(root_code(Blob::new(Family::Oci.index(), original.manifest.bytes)), "manifest-invalid");
}

#[test]
fn too_many_layers() {
    let layer = LayerBuilder::new().file("a", "b").finish(Compression::Gzip).unwrap();
    let builder = (0..20).fold(ImageBuilder::new(), |builder, _| builder.layer(layer.clone(), "ADD"));
    let built = builder.build();
    let dir = tempfile::tempdir().unwrap();
    write::layout(dir.path(), &[("1", &Published::from(&built))]).unwrap();
    let file = dir.path().join("a.tar");
    write::docker_archive(&file, &[], &built, DockerForm::Old, Compression::None).unwrap();
    let options =
        OpenOptions { limits: Limits { layers: 19, ..Limits::standard() }, ..OpenOptions::files_only() };
    for path in [dir.path(), &file] {
        let error = open(path.to_str().unwrap(), &options).unwrap_err();
        assert_eq!((error.code(), error.failure_reason()), ("too-large", "too_large"));
        assert_eq!(open_with(path.to_str().unwrap(), &OpenOptions::files_only()).unwrap().layers.len(), 20);
    }
}

#[test]
fn things_that_are_no_images() {
    let config = Blob::json("application/vnd.cncf.helm.config.v1+json", &json!({}));
    let chart = Blob::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart");
    let helm = json!({
        "schemaVersion": 2, "config": config.descriptor(), "layers": [chart.descriptor()],
    });
    assert_eq!(root_code(Blob::json(Family::Oci.manifest(), &helm)), "not-an-image");
    let sbom = Blob::new("application/spdx+json", "{}");
    let artifact = json!({
        "schemaVersion": 2, "config": image(Family::Oci, "amd64").config.descriptor(),
        "layers": [sbom.descriptor()],
    });
    assert_eq!(root_code(Blob::json(Family::Oci.manifest(), &artifact)), "not-an-image");
    let schema1 = json!({ "schemaVersion": 1, "name": "a", "fsLayers": [], "history": [] });
    assert_eq!(root_code(Blob::json("", &schema1)), "unsupported-image-type");
}

#[test]
fn layers_that_cannot_be_read() {
    let original = image(Family::Oci, "amd64");
    let mut layers: Vec<_> = original.layers.iter().map(|l| l.blob(Family::Oci).descriptor()).collect();
    layers[0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".into();
    layers[1]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    layers[1]["urls"] = json!(["https://example.com/layer"]);
    let manifest = json!({ "schemaVersion": 2, "config": original.config.descriptor(), "layers": layers });
    let root = Blob::json(Family::Oci.manifest(), &manifest);
    let dir = tempfile::tempdir().unwrap();
    write::layout(dir.path(), &[("1", &Published::new(root, &[original]))]).unwrap();
    let opened = open_file(dir.path().to_str().unwrap()).unwrap();
    assert!(opened.layers[0].unsupported.is_some() && opened.layers[1].unsupported.is_some());
    assert!(opened.layers[2].unsupported.is_none());
    let error = oci::LayerStore::open_layer(&opened, 0).err().unwrap();
    assert_eq!(error.code(), "unsupported-image-type");
    assert_eq!(oci::LayerStore::open_layer(&opened, 9).err().unwrap().code(), "blob-missing");
}

#[test]
fn a_configuration_with_another_number_of_layers() {
    let original = image(Family::Oci, "amd64");
    let manifest = json!({
        "schemaVersion": 2, "config": original.config.descriptor(),
        "layers": [original.layers[0].blob(Family::Oci).descriptor()],
    });
    let dir = tempfile::tempdir().unwrap();
    let root = Blob::json(Family::Oci.manifest(), &manifest);
    write::layout(dir.path(), &[("1", &Published::new(root, &[original]))]).unwrap();
    assert_eq!(code(dir.path()), "manifest-invalid");
}

#[test]
fn archives_cut_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    let whole = write::tar(&write::docker_files(&[], &original, DockerForm::Old).unwrap());
    let file = dir.path().join("a.tar");
    let mut opened = 0;
    for cut in (0..whole.len()).step_by(4_099).chain([whole.len() - 1024, whole.len() - 1023]) {
        std::fs::write(&file, &whole[..cut]).unwrap();
        match open_file(file.to_str().unwrap()) {
            // Only the end marker is missing: then all layers must be whole.
            Ok(image) => {
                read_all(&image).unwrap();
                opened += 1;
            }
            Err(e) => assert!(["archive-invalid", "not-an-image"].contains(&e.code()), "{cut}: {e}"),
        }
    }
    assert!(opened <= 2, "{opened} cut archives opened");
    let gzip = testkit::layer::compress(&whole, Compression::Gzip).unwrap();
    std::fs::write(&file, &gzip[..gzip.len() / 2]).unwrap();
    assert_eq!(code(&file), "archive-invalid");
}

#[test]
fn archives_with_flipped_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let layer = LayerBuilder::new().file("a", "b").finish(Compression::Gzip).unwrap();
    let original = ImageBuilder::new().layer(layer, "ADD").build();
    let file = dir.path().join("a.tar");
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for form in [DockerForm::Old, DockerForm::New] {
        let whole = write::tar(&write::docker_files(&["app:1"], &original, form).unwrap());
        let (mut refused, mut opened) = (0, 0);
        for _ in 0..1500 {
            let mut bytes = whole.to_vec();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            std::fs::write(&file, bytes).unwrap();
            match open_file(file.to_str().unwrap()) {
                Ok(image) => {
                    opened += 1;
                    drop(read_all(&image));
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 100 && opened > 100, "{form:?}: {refused} refused, {opened} opened");
    }
}

#[test]
fn archives_with_hostile_names() {
    let dir = tempfile::tempdir().unwrap();
    let original = image(Family::Docker, "amd64");
    let files = write::docker_files(&[], &original, DockerForm::Old).unwrap();
    let victim = dir.path().join("victim");
    let mut builder = LayerBuilder::new()
        .file("../../victim", "owned")
        .file(victim.to_str().unwrap(), "owned")
        .symlink("loop-a", "loop-b")
        .symlink("loop-b", "loop-a")
        .entry(&Header::empty("dev", b'3', 0o666, ""))
        .entry(&Header::empty("fifo", b'6', 0o666, ""));
    for (path, content) in &files {
        builder = builder.file(path, content.to_vec());
    }
    let file = dir.path().join("a.tar");
    std::fs::write(&file, builder.finish_tar()).unwrap();
    assert!(read_all(&open_file(file.to_str().unwrap()).unwrap()).is_ok());
    assert!(!victim.exists());

    let manifest = |layer: &str| {
        let config = format!("{}.json", original.config.digest.hex());
        json!([{ "Config": config, "RepoTags": [], "Layers": [layer, layer, layer] }]).to_string()
    };
    for layer in ["../../../../etc/passwd", "/etc/passwd", "loop-a", "nothing"] {
        let mut files = files.clone();
        files.insert("manifest.json".into(), manifest(layer).into());
        let content = files
            .iter()
            .fold(LayerBuilder::new(), |b, (path, content)| b.file(path, content.to_vec()))
            .symlink("loop-a", "loop-a")
            .finish_tar();
        std::fs::write(&file, content).unwrap();
        assert_eq!(code(&file), "archive-invalid", "{layer}");
    }
}

#[test]
fn archives_that_claim_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    let claim =
        |size| LayerBuilder::new().entry(&Header { claimed_size: Some(size), ..Header::file("x", "y") });
    for size in [1 << 20, 1 << 40, u64::MAX >> 1, u64::MAX] {
        std::fs::write(&file, claim(size).finish_tar()).unwrap();
        assert!(["archive-invalid", "not-an-image"].contains(&code(&file)), "{size}");
    }
    let many = (0..70_000).fold(LayerBuilder::new(), |b, i| b.file(&i.to_string(), ""));
    std::fs::write(&file, many.finish_tar()).unwrap();
    assert_eq!(code(&file), "too-large");
    let same = (0..70_000).fold(LayerBuilder::new(), |b, _| b.dir("d"));
    std::fs::write(&file, same.finish_tar()).unwrap();
    assert_eq!(code(&file), "too-large");
    // Compressed 1000:1 and more.
    let bomb = LayerBuilder::new().file("zeros", vec![0; 66 << 20]).finish_tar().into();
    std::fs::write(&file, testkit::layer::compress(&bomb, Compression::Zstd).unwrap()).unwrap();
    assert_eq!(code(&file), "too-large");
    for (content, expected) in
        [(&b""[..], "archive-invalid"), (b"hello", "archive-invalid"), (&[b'x'; 2000], "not-an-image")]
    {
        std::fs::write(&file, content).unwrap();
        assert_eq!(code(&file), expected);
    }
}

#[test]
fn paths_that_lead_nowhere() {
    for (spec, expected) in [
        ("/nonexistent/image.tar", "path-not-found"),
        ("oci:/nonexistent", "path-not-found"),
        ("oci-archive:/nonexistent", "path-not-found"),
        ("docker-archive:/nonexistent", "path-not-found"),
        ("dir:/nonexistent", "path-not-found"),
        ("oci:/dev/null", "not-an-image"),
        ("docker-archive:/dev/zero", "not-an-image"),
        ("oci:/usr", "not-an-image"),
        ("dir:/dev/null", "not-an-image"),
        ("UPPER CASE", "reference-invalid"),
        ("docker://", "reference-invalid"),
        ("example.com/app:1", "network-disabled"),
    ] {
        let error = open(spec, &OpenOptions::files_only()).unwrap_err();
        assert_eq!(error.code(), expected, "{spec}");
        assert!(!error.hint().is_empty() && !error.failure_reason().is_empty());
    }
}
