//! Layers that lie: each gets a clear result, in bounded memory, without a panic.

use std::io::Write as _;

use model::{Inventory, Limits, ProblemCode};
use testkit::layer::{Compression, Header, Layer, LayerBuilder};

use crate::{Failure, image, random::Random, scan, scan_layers, scan_with, spec, write_layout};

const STATUS: &str = "Package: base\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n";

fn sound() -> LayerBuilder {
    LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
        .file("var/lib/dpkg/status", STATUS)
}

/// A layer of just these stored bytes; its digest is right, whatever is in it.
fn stored(bytes: Vec<u8>) -> Layer {
    let plain = Layer::from_tar(bytes.clone(), Compression::None).unwrap();
    Layer { stored: bytes.into(), compression: Compression::Gzip, ..plain }
}

fn codes(inventory: &Inventory) -> Vec<ProblemCode> {
    let mut codes: Vec<ProblemCode> = inventory.problems.iter().map(|p| p.code).collect();
    codes.dedup();
    codes
}

/// Scans the layer on top of a sound one: what the sound one holds must be seen in any case.
fn above_sound(layer: Layer) -> Inventory {
    let inventory = scan_layers(vec![sound().finish(Compression::Gzip).unwrap(), layer]).unwrap();
    assert!(inventory.packages.iter().any(|p| p.name == "base"), "{:?}", inventory.packages);
    inventory
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_layer_cut_short_is_partial() {
    let whole = sound().file("usr/big", Random::new(1).bytes(200_000)).finish(Compression::Gzip).unwrap();
    for length in [whole.stored.len() - 5, whole.stored.len() / 2, 30, 12] {
        let inventory = above_sound(stored(whole.stored[..length].to_vec()));
        assert_eq!(codes(&inventory), [ProblemCode::LayerTruncated], "{length}");
    }
    let cut_archive = Layer::from_tar(whole.tar[..150_000].to_vec(), Compression::Zstd).unwrap();
    assert_eq!(codes(&above_sound(cut_archive)), [ProblemCode::LayerTruncated]);
}

#[test]
fn a_layer_of_noise_is_corrupt() {
    for seed in 0..20 {
        let mut noise = Random::new(seed).bytes(5000);
        let inventory = above_sound(stored(noise.clone()));
        assert!(
            matches!(codes(&inventory)[..], [ProblemCode::LayerCorrupt | ProblemCode::LayerTruncated]),
            "{inventory:?}"
        );
        noise.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
        let inventory = above_sound(stored(noise));
        assert!(!codes(&inventory).is_empty());
    }
}

#[test]
fn a_bomb_ends_at_the_ratio() {
    // 4 GiB of zeros as one file, in members of 16 MiB that compress a thousandfold.
    let entry = Header { claimed_size: Some(4 << 30), ..Header::file("usr/zeros", Vec::new()) };
    let mut bomb = gzip(&LayerBuilder::new().entry(&entry).unfinished());
    let member = gzip(&vec![0; 16 << 20]);
    (0..256).for_each(|_| bomb.extend_from_slice(&member));
    let limits = Limits { ratio_free_bytes: 64 << 20, ..Limits::standard() };
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), &image(vec![sound().finish(Compression::Gzip).unwrap(), stored(bomb)]));
    let inventory = scan_with(&spec(directory.path()), &limits, None, &()).unwrap();
    assert_eq!(codes(&inventory), [ProblemCode::LayerLimit]);
    assert_eq!(inventory.packages.len(), 1);
}

#[test]
fn a_layer_beyond_the_size_limit_is_partial() {
    let limits = Limits { layer_bytes: 100_000, ..Limits::standard() };
    let directory = tempfile::tempdir().unwrap();
    let layer = sound().file("usr/big", vec![7; 300_000]).finish(Compression::Zstd).unwrap();
    write_layout(directory.path(), &image(vec![layer]));
    let inventory = scan_with(&spec(directory.path()), &limits, None, &()).unwrap();
    assert_eq!(codes(&inventory), [ProblemCode::LayerLimit]);
    assert_eq!(inventory.packages.len(), 1);
}

#[test]
fn paths_stay_inside() {
    let layer = LayerBuilder::new()
        .file("../../etc/os-release", "ID=evil\nVERSION_ID=1\n")
        .file("/opt/node_modules/abs/package.json", r#"{"name":"abs","version":"1.0.0"}"#)
        .file("a/../../../b/node_modules/up/package.json", r#"{"name":"up","version":"1.0.0"}"#)
        .finish(Compression::Gzip)
        .unwrap();
    let inventory = above_sound(layer);
    assert_eq!(codes(&inventory), [ProblemCode::PathOutsideRoot]);
    assert_eq!(inventory.distro.as_ref().unwrap().id, "evil", "runtimes place it inside, and so do we");
    let paths: Vec<&str> = inventory
        .packages
        .iter()
        .filter(|p| p.kind == model::PackageKind::Npm)
        .map(|p| p.path.as_str())
        .collect();
    assert_eq!(paths, ["opt/node_modules/abs/package.json", "b/node_modules/up/package.json"]);
}

#[test]
fn long_and_deep_paths_are_refused() {
    let long = format!("{}/node_modules/x/package.json", "d".repeat(5000));
    let deep = format!("{}node_modules/x/package.json", "d/".repeat(300));
    let layer = LayerBuilder::new().file(&long, "{}").file(&deep, "{}").finish(Compression::Gzip).unwrap();
    let inventory = above_sound(layer);
    assert_eq!(codes(&inventory), [ProblemCode::PathRefused]);
}

#[test]
fn devices_and_fifos_are_never_read() {
    let device = |path: &str, kind| Header::empty(path, kind, 0o666, "");
    let layer = LayerBuilder::new()
        .entry(&device("var/lib/dpkg/status", b'3'))
        .entry(&device("etc/alpine-release", b'6'))
        .entry(&Header { claimed_size: Some(1 << 40), ..device("lib/apk/db/installed", b'4') })
        .file("usr/after", "x")
        .finish(Compression::Gzip)
        .unwrap();
    let inventory = scan_layers(vec![sound().finish(Compression::Gzip).unwrap(), layer]).unwrap();
    assert_eq!(inventory.packages, [], "the device hides the database");
    assert_eq!(codes(&inventory), [ProblemCode::NoPackageDatabase, ProblemCode::NothingToCheck]);
}

#[test]
fn link_loops_end() {
    let layer = LayerBuilder::new()
        .symlink("etc/alpine-release", "alpine-release")
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/node_modules/x/package.json", r#"{"name":"x","version":"1"}"#)
        .symlink("deep", "deep/deep/deep/deep")
        .symlink("usr/lib/apk", "/deep/x")
        .hardlink("h1", "h2")
        .hardlink("h2", "h1")
        .finish(Compression::Gzip)
        .unwrap();
    let inventory = above_sound(layer);
    assert_eq!(codes(&inventory), [ProblemCode::LinkUnresolved]);
}

#[test]
fn whiteouts_of_nothing_and_of_everything_are_harmless() {
    let layer = LayerBuilder::new()
        .file(".wh.", "")
        .file("a/.wh..", "")
        .file("a/.wh...", "")
        .file(".wh.nothing", "")
        .file(".wh..wh.plnk/1.2", "")
        .finish(Compression::Gzip)
        .unwrap();
    above_sound(layer);
    let everything = LayerBuilder::new().file(".wh..wh..opq", "").finish(Compression::Gzip).unwrap();
    let inventory = scan_layers(vec![sound().finish(Compression::Gzip).unwrap(), everything]).unwrap();
    assert_eq!(codes(&inventory), [ProblemCode::NothingToCheck]);
}

#[test]
fn an_entry_may_not_claim_more_than_there_is() {
    let entry = Header { claimed_size: Some(u64::MAX / 4), ..Header::file("var/lib/dpkg/status", STATUS) };
    let tar = LayerBuilder::new().entry(&entry).finish_tar();
    let inventory = scan_layers(vec![Layer::from_tar(tar, Compression::Gzip).unwrap()]).unwrap();
    assert!(
        codes(&inventory)
            .iter()
            .any(|c| matches!(c, ProblemCode::LayerTruncated | ProblemCode::LayerCorrupt)),
        "{inventory:?}"
    );
    let large = Header { claimed_size: Some(4 << 30), ..Header::file("etc/os-release", "ID=debian\n") };
    let tar = LayerBuilder::new().entry(&large).finish_tar();
    let inventory = scan_layers(vec![Layer::from_tar(tar, Compression::Gzip).unwrap()]).unwrap();
    assert!(codes(&inventory).contains(&ProblemCode::LayerTruncated), "{inventory:?}");
}

/// That many empty files before what a sound layer has, compressed while it is made.
fn many_entries(count: u32) -> Layer {
    let one = LayerBuilder::new().file("usr/share/data/00000000", "").unfinished();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for number in 0..count {
        let mut block = one.clone();
        block[15..23].copy_from_slice(format!("{number:08}").as_bytes());
        let sum: u32 =
            block[..148].iter().chain(&[b' '; 8]).chain(&block[156..512]).map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        encoder.write_all(&block).unwrap();
    }
    encoder.write_all(&sound().finish_tar()).unwrap();
    stored(encoder.finish().unwrap())
}

fn scan_limited(layer: Layer, limits: &Limits) -> Inventory {
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), &image(vec![layer]));
    scan_with(&spec(directory.path()), limits, None, &()).unwrap()
}

#[test]
fn a_million_entries_are_read() {
    let inventory = scan_limited(many_entries(1_000_000), &Limits::standard());
    assert_eq!((codes(&inventory), inventory.packages.len()), (vec![], 1));
}

#[test]
fn more_entries_than_the_limit_are_partial() {
    let limits = Limits { layer_entries: 1000, ..Limits::standard() };
    let inventory = scan_limited(many_entries(1010), &limits);
    assert_eq!(codes(&inventory), [ProblemCode::LayerLimit, ProblemCode::NothingToCheck]);
    let limits = Limits { index_bytes: 100 << 10, ..Limits::standard() };
    let inventory = scan_limited(many_entries(20_000), &limits);
    assert_eq!(codes(&inventory), [ProblemCode::LayerLimit, ProblemCode::NothingToCheck]);
}

#[test]
fn memory_for_facts_is_bounded() {
    let package = |n: u32| format!("srv/node_modules/p{n}/package.json");
    let many = (0..3000).fold(LayerBuilder::new(), |layer, n| {
        layer.file(&package(n), format!(r#"{{"name":"p{n}","version":"1.0.0"}}"#))
    });
    let layer = many.finish(Compression::Gzip).unwrap();
    let inventory = scan_limited(layer.clone(), &Limits { fact_bytes: 300_000, ..Limits::standard() });
    assert_eq!(codes(&inventory), [ProblemCode::LayerLimit]);
    assert!((300..3000).contains(&inventory.packages.len()), "{}", inventory.packages.len());
    let inventory = scan_limited(layer, &Limits { image_facts: 1000, ..Limits::standard() });
    assert_eq!((codes(&inventory), inventory.packages.len()), (vec![ProblemCode::TooManyItems], 1000));
}

#[test]
fn memory_for_long_paths_is_bounded() {
    let deep = vec!["d".repeat(250); 15].join("/");
    let layer = (0..1000).fold(LayerBuilder::new(), |layer, n| {
        let content = format!(r#"{{"name":"p{n}","version":"1.0.0"}}"#);
        layer.file(&format!("{deep}/node_modules/p{n}/package.json"), content)
    });
    let layer = layer.finish(Compression::Gzip).unwrap();
    // Enough for what was observed, not for a thousand paths of almost 4 KiB.
    let inventory = scan_limited(layer, &Limits { fact_bytes: 1 << 20, ..Limits::standard() });
    assert_eq!(codes(&inventory), [ProblemCode::TooManyItems], "{:?}", inventory.problems);
    assert!((100..300).contains(&inventory.packages.len()), "{}", inventory.packages.len());
}

#[test]
fn one_database_under_many_names_is_bounded() {
    let database: String = (0..500).map(|n| STATUS.replace("base", &format!("p{n}"))).collect();
    let links = (0..100).fold(LayerBuilder::new().file("data", database), |layer, n| {
        layer.hardlink(&format!("var/lib/dpkg/status.d/{n}"), "data")
    });
    let layer = links.finish(Compression::Gzip).unwrap();
    let inventory = scan_limited(layer, &Limits { image_facts: 5000, ..Limits::standard() });
    assert!(inventory.packages.len() <= 5000);
    assert!(codes(&inventory).contains(&ProblemCode::TooManyItems));
}

#[test]
fn the_wrong_digest_fails_the_scan() {
    let directory = tempfile::tempdir().unwrap();
    let layer = sound().finish(Compression::Gzip).unwrap();
    let hex = testkit::digest_of(&layer.stored).hex().to_owned();
    write_layout(directory.path(), &image(vec![layer.clone()]));
    let blob = directory.path().join("blobs/sha256").join(hex);
    let mut bytes = layer.stored.to_vec();
    // The comment-free gzip header's time field: harmless to the content, not to the digest.
    bytes[4] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    match scan(&spec(directory.path())) {
        Err(Failure::Acquire(error)) => assert!(format!("{error:?}").contains("DigestMismatch"), "{error:?}"),
        other => panic!("{other:?}"),
    }
    std::fs::write(&blob, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(scan(&spec(directory.path())), Err(Failure::Acquire(_) | Failure::Open(_))));
}

#[test]
fn damaged_databases_are_told() {
    for path in ["var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages"] {
        for seed in 0..10 {
            let mut content = match path {
                "var/lib/rpm/rpmdb.sqlite" => b"SQLite format 3\0".to_vec(),
                "var/lib/rpm/Packages.db" => b"RpmP".to_vec(),
                _ => vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x61, 0x15, 0x06, 0],
            };
            content.extend(Random::new(seed).bytes(20_000));
            let layer = LayerBuilder::new().file(path, content).finish(Compression::Gzip).unwrap();
            let inventory = above_sound(layer);
            assert!(
                codes(&inventory)
                    .iter()
                    .any(|code| matches!(code, ProblemCode::FileCorrupt | ProblemCode::FileUnsupported)),
                "{path} {seed}: {:?}",
                inventory.problems
            );
        }
    }
}

#[test]
fn time_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let layer = sound().file("usr/big", vec![7; 3_000_000]).finish(Compression::Gzip).unwrap();
    write_layout(directory.path(), &image(vec![layer]));
    let limits = Limits { time: std::time::Duration::ZERO, ..Limits::standard() };
    let result = scan_with(&spec(directory.path()), &limits, None, &());
    assert!(matches!(result, Err(Failure::Acquire(scan::AcquireError::OutOfTime(_)))), "{result:?}");
}

#[test]
fn mutated_layers_never_panic() {
    let whole = sound()
        .file("usr/x/node_modules/m/package.json", r#"{"name":"m","version":"1.0.0"}"#)
        .symlink("lib", "usr/lib")
        .hardlink("usr/y", "etc/os-release")
        .file(&format!("{}/x", "long".repeat(60)), "x")
        .finish(Compression::None)
        .unwrap();
    let mut random = Random::new(7);
    for _ in 0..400 {
        let mut bytes = whole.tar.to_vec();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(bytes.len() - random.below(2) * random.below(bytes.len()));
        let compression = *random.pick(&[Compression::None, Compression::Gzip, Compression::Zstd]);
        let layer = Layer::from_tar(bytes, compression).unwrap();
        let stored_bytes = if random.once_in(2) {
            let mut stored = layer.stored.to_vec();
            let at = random.below(stored.len());
            stored[at] ^= 1 << random.below(8);
            stored
        } else {
            layer.stored.to_vec()
        };
        let layer = Layer { stored: stored_bytes.into(), ..layer };
        scan_layers(vec![layer]).unwrap();
    }
}
