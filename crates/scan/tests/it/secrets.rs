//! Secrets of files that a later layer hides, and of the image configuration.

use std::collections::BTreeSet;

use model::{Inventory, Limits, ScanType};
use oci::{OpenOptions, Opened};
use scan::EngineConfig;
use testkit::{
    image::{Image, ImageBuilder},
    layer::{Compression, Layer, LayerBuilder},
};

use crate::{image, random::Random, spec, write_layout};

fn layer(build: impl FnOnce(LayerBuilder) -> LayerBuilder) -> Layer {
    build(LayerBuilder::new()).finish(Compression::Gzip).unwrap()
}

/// A token that looks real, made from a number.
fn token(number: u64) -> String {
    let mut random = Random::new(number + 1);
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let text: String = (0..36).map(|_| *random.pick(&letters)).collect();
    format!("token: ghp_{text}\n")
}

fn scan(image: &Image) -> Inventory {
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), image);
    scan_spec(&spec(directory.path()))
}

fn scan_spec(spec: &str) -> Inventory {
    let analyzers = analyze::chosen(&BTreeSet::from([ScanType::Secret]));
    let limits = Limits::standard();
    let config =
        EngineConfig { analyzers: &analyzers, limits: &limits, cache: None, threads: 2, progress: &() };
    match oci::open(spec, &OpenOptions::files_only()).unwrap() {
        Opened::Image(image) => scan::build_inventory(&*image, &config).unwrap(),
        Opened::Directory(directory) => scan::directory::build_inventory(&directory, &config).unwrap(),
    }
}

/// `path layer`, with `deleted` where it is, of every secret, sorted.
fn told(inventory: &Inventory) -> Vec<String> {
    assert!(inventory.looked_for.contains(&ScanType::Secret));
    let line = |secret: &model::Secret| {
        let deleted = if secret.deleted { " deleted" } else { "" };
        format!("{} {:?}{deleted}", secret.place.as_str(), secret.layer)
    };
    let mut lines: Vec<String> = inventory.secrets.iter().map(line).collect();
    lines.sort();
    lines
}

fn check(layers: Vec<Layer>, expected: &[&str]) {
    assert_eq!(told(&scan(&image(layers))), expected);
}

#[test]
fn a_secret_that_a_later_layer_hides_is_told_as_deleted() {
    let secret = || layer(|l| l.file("app/.env", token(1)));
    check(vec![secret()], &["app/.env Some(0)"]);
    check(vec![secret(), layer(|l| l.whiteout("app/.env"))], &["app/.env Some(0) deleted"]);
    check(vec![secret(), layer(|l| l.whiteout("app"))], &["app/.env Some(0) deleted"]);
    check(vec![secret(), layer(|l| l.opaque("app"))], &["app/.env Some(0) deleted"]);
    check(vec![secret(), layer(|l| l.file("app", "now a file"))], &["app/.env Some(0) deleted"]);
    check(vec![secret(), layer(|l| l.symlink("app/.env", "/dev/null"))], &["app/.env Some(0) deleted"]);
    // Replaced by nothing to tell of, and by another secret.
    check(vec![secret(), layer(|l| l.file("app/.env", "empty now"))], &["app/.env Some(0) deleted"]);
    check(
        vec![secret(), layer(|l| l.file("app/.env", token(2)))],
        &["app/.env Some(0) deleted", "app/.env Some(1)"],
    );
    check(
        vec![secret(), layer(|l| l.whiteout("app/.env")), layer(|l| l.file("app/.env", token(1)))],
        &["app/.env Some(0) deleted", "app/.env Some(2)"],
    );
    check(vec![secret(), layer(|l| l.file("other", "x"))], &["app/.env Some(0)"]);
}

#[test]
fn a_hard_link_keeps_a_content_visible() {
    let linked = || layer(|l| l.file("a", token(1)).hardlink("b", "a"));
    check(vec![linked()], &["a Some(0)", "b Some(0)"]);
    check(vec![linked(), layer(|l| l.whiteout("a"))], &["b Some(0)"]);
    check(vec![linked(), layer(|l| l.whiteout("a").whiteout("b"))], &["a Some(0) deleted"]);
    // What lies behind a symbolic link is told where it lies.
    check(
        vec![layer(|l| l.dir("usr/etc").symlink("etc", "usr/etc").file("etc/app.conf", token(1)))],
        &["usr/etc/app.conf Some(0)"],
    );
    check(vec![layer(|l| l.file("a", token(1)).symlink("b", "a"))], &["a Some(0)"]);
}

#[test]
fn the_configuration_is_looked_at() {
    let value = token(7);
    let built = ImageBuilder::new()
        .layer(layer(|l| l.file("x", "y")), &format!("RUN login --token {}", value.trim()))
        .config("Env", serde_json::json!(["PATH=/bin", format!("GH={}", value.trim())]))
        .config("Healthcheck", serde_json::json!({"Test": ["CMD", "probe", token(8).trim()]}))
        .build();
    let inventory = scan(&built);
    assert_eq!(told(&inventory), ["env GH None", "healthcheck None", "history 1 None"]);
    let middle = &value[20..35];
    let secrets = serde_json::to_string(&inventory.secrets).unwrap();
    assert!(!secrets.contains(middle), "{secrets}");
}

#[test]
fn a_directory_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("app")).unwrap();
    std::fs::write(directory.path().join("app/.env"), token(1)).unwrap();
    let inventory = scan_spec(&format!("dir:{}", directory.path().display()));
    assert_eq!(told(&inventory), ["app/.env None"]);
}

/// For random stacks: every secret that was ever written is told, and as deleted just where its file is gone.
#[test]
fn visible_and_hidden_together_are_all() {
    for seed in 0..40 {
        let mut random = Random::new(seed + 1);
        let mut visible: Vec<(String, u32)> = Vec::new();
        let mut expected = Vec::new();
        let mut layers = Vec::new();
        for number in 0..2 + random.below(4) {
            let index = u32::try_from(number).unwrap();
            let mut builder = LayerBuilder::new();
            let mut touched = BTreeSet::new();
            for _ in 0..1 + random.below(5) {
                let path = format!("d{}/f{}", random.below(2), random.below(3));
                if !touched.insert(path.clone()) {
                    continue;
                }
                let at = visible.iter().position(|(other, _)| *other == path);
                if let Some(at) = at {
                    let (path, layer) = visible.remove(at);
                    expected.push(format!("{path} Some({layer}) deleted"));
                }
                if at.is_some() && random.below(2) == 0 {
                    builder = builder.whiteout(&path);
                } else {
                    builder = builder.file(&path, token(seed * 1000 + u64::from(index) * 10));
                    visible.push((path, index));
                }
            }
            layers.push(builder.finish(Compression::Gzip).unwrap());
        }
        expected.extend(visible.into_iter().map(|(path, layer)| format!("{path} Some({layer})")));
        let found = told(&scan(&image(layers)));
        expected.sort();
        assert_eq!(found, expected, "seed {seed}");
    }
}
