//! Licences of real images, where they are at hand: how many packages get an expression, and what their licence
//! files are.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufReader, Read},
    path::Path,
};

use analyze::{Content, Entry, EntryKind, FileView, Files, Merged, Observation, Want, chosen, licence};
use model::{PackageKind, ScanType};

type Seen = Vec<BTreeMap<String, Observation>>;

/// What the analyzers make of a layout's first image, layer over layer; whiteouts and links do not matter here.
fn merged(layout: &Path) -> Merged {
    let json =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let mut manifest = json(&blob(&json(&layout.join("index.json"))["manifests"][0]));
    if let Some(first) = manifest["manifests"].get(0) {
        manifest = json(&blob(first));
    }
    let analyzers = chosen(&[ScanType::License].into());
    let mut seen: Seen = vec![BTreeMap::new(); analyzers.len()];
    for layer in manifest["layers"].as_array().unwrap() {
        let file = BufReader::new(fs::File::open(blob(layer)).unwrap());
        let media_type = layer["mediaType"].as_str().unwrap();
        let reader: Box<dyn Read> = if media_type.ends_with("gzip") {
            Box::new(flate2::bufread::MultiGzDecoder::new(file))
        } else if media_type.ends_with("zstd") {
            Box::new(zstd::Decoder::with_buffer(file).unwrap())
        } else {
            Box::new(file)
        };
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let size = bytes.len() as u64;
            let facts =
                Entry { path: &path, kind: EntryKind::File, size, mode: 0o644, uid: 0, gid: 0, link: None };
            for (analyzer, seen) in analyzers.iter().zip(&mut seen) {
                if analyzer.wants(&facts) != Want::No {
                    let mut reader = bytes.as_slice();
                    let observation = analyzer.observe(&facts, Content::new(&mut reader, size, u64::MAX));
                    seen.insert(path.clone(), observation);
                }
            }
        }
    }
    let mut merged = Merged::default();
    for (analyzer, seen) in analyzers.iter().zip(&seen) {
        let views = seen.iter().map(|(path, observation)| FileView { path, observation, layer: Some(0) });
        analyzer.finish(&Files::new(views.collect()), &mut merged);
    }
    licence::normalise_all(&mut merged.packages);
    merged
}

/// Image, kind, and the least share of its packages that has an expression, in percent.
const REAL: [(&str, PackageKind, usize); 8] = [
    ("vuln-app", PackageKind::Deb, 80),
    ("vuln-app", PackageKind::Npm, 100),
    ("vuln-app", PackageKind::Pypi, 100),
    ("alpine-3.9.0", PackageKind::Apk, 90),
    ("alpine-3.18.9", PackageKind::Apk, 100),
    ("cbl-mariner-2.0-rpmdb", PackageKind::Rpm, 99),
    ("sle15-bci-rpmdb", PackageKind::Rpm, 91),
    ("distroless-like-debian11", PackageKind::Deb, 72),
];

#[test]
fn real_packages_mostly_have_an_expression() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if !images.is_dir() {
        println!("skipped: no real images at ../shared/data");
        return;
    }
    let mut known: BTreeMap<&str, Merged> = BTreeMap::new();
    for (image, kind, least) in REAL {
        let merged = known.entry(image).or_insert_with(|| merged(&images.join(image)));
        let packages: Vec<_> = merged.packages.iter().filter(|package| package.kind == kind).collect();
        let recorded = packages.iter().filter(|package| !package.licences.is_empty()).count();
        let understood = packages.iter().filter(|package| package.licence.is_some()).count();
        println!(
            "{image}, {kind:?}: {understood} of {} have an expression, {recorded} record licences",
            packages.len()
        );
        for package in packages.iter().filter(|package| package.licence.is_none()) {
            println!("  {}: {:?}", package.name, package.licences);
        }
        assert!(!packages.is_empty(), "{image} has no {kind:?}");
        assert!(
            understood * 100 >= least * packages.len(),
            "{image}, {kind:?}: {understood} of {}",
            packages.len()
        );
    }
    let files = &known["vuln-app"].licence_files;
    for file in files {
        println!("  {}: {} {}%", file.path, file.licence, file.confidence);
    }
    let is = |end: &str, licence: &str| {
        files.iter().any(|file| file.path.ends_with(end) && file.licence == licence)
    };
    assert!(is("Django-3.2.dist-info/LICENSE", "BSD-3-Clause"));
    assert!(is("node_modules/accepts/LICENSE", "MIT"));
    assert!(is("PyYAML-5.1.dist-info/LICENSE", "MIT"));
}
