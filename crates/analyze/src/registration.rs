//! Holds the files of this crate and [`crate::ANALYZERS`] together; for tests only.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{ANALYZERS, Want, hostile, lang};

/// The analyzers that stand in `src/GROUP/`: `GROUP/STEM` for each file, or folder with a `mod.rs`, that
/// implements one.
fn analyzers_of(group: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(group);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = if path.is_dir() { path.join("mod.rs") } else { path };
        let Ok(source) = fs::read_to_string(file) else { continue };
        let declared =
            source.lines().filter(|line| line.starts_with("pub struct ") && line.contains("Analyzer;"));
        let implemented = source.lines().filter(|line| line.starts_with("impl Analyzer for "));
        let n_implemented = implemented.count();
        assert_eq!(declared.count(), n_implemented, "{group}/{stem}: a struct without its impl, or hidden");
        assert!(n_implemented <= 1, "{group}/{stem}: one file, one analyzer");
        if n_implemented == 1 {
            names.push(format!("{group}/{stem}"));
        }
    }
    names
}

#[test]
fn every_analyzer_is_listed_under_the_name_of_its_file() {
    let mut files: Vec<String> = ["os", "lang"].into_iter().flat_map(analyzers_of).collect();
    files.sort();
    let mut listed: Vec<&str> = ANALYZERS.iter().map(|analyzer| analyzer.name()).collect();
    listed.sort_unstable();
    assert_eq!(listed, files);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "names are unique");
}

#[test]
fn the_distro_comes_first_and_languages_last() {
    let names: Vec<&str> = ANALYZERS.iter().map(|analyzer| analyzer.name()).collect();
    assert_eq!(names.first(), Some(&"os/distro"));
    assert!(names.is_sorted_by_key(|name| name.starts_with("lang/")), "{names:?}");
}

#[test]
fn anchors_are_wanted_paths() {
    for analyzer in ANALYZERS {
        for path in analyzer.anchors() {
            assert!(!path.starts_with('/') && !path.ends_with('/'), "{path}");
            assert_ne!(
                analyzer.wants(&hostile::entry(path)),
                Want::No,
                "{} does not want {path}",
                analyzer.name()
            );
        }
    }
}

#[test]
fn package_managers_keep_owners_of_what_languages_want() {
    let samples = [
        "usr/lib/python3/dist-packages/six-1.16.0.egg-info",
        "usr/lib/python3/dist-packages/pip-20.3.4.egg-info/PKG-INFO",
        "usr/lib/python3/dist-packages/pip-23.dist-info/METADATA",
        "usr/lib/node_modules/npm/package.json",
        "usr/lib/node_modules/@scope/name/package.json",
        "usr/share/java/slf4j-api.jar",
        "usr/lib/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json",
        "usr/share/doc/six/README",
        "usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec",
        "usr/share/rubygems-integration/all/gems/rake-13.0.6/rake.gemspec",
        "usr/share/php/composer/installed.json",
        "opt/conda/conda-meta/tide-1.0-0.json",
        "opt/bitnami/lantern/.spdx-lantern.spdx",
        "usr/share/nodejs/six/package.json",
        "usr/bin/skopeo",
        "usr/lib/libssl.so.3",
    ];
    // Programs are told by their mode.
    let entry = |path: &'static str| {
        let is_program = path.starts_with("usr/bin/");
        let (mode, size) = if is_program { (0o755, 1 << 20) } else { (0o644, 1) };
        crate::Entry { mode, size, ..hostile::entry(path) }
    };
    let languages = ANALYZERS.iter().filter(|analyzer| analyzer.name().starts_with("lang/"));
    let wanted: Vec<&str> = samples
        .into_iter()
        .filter(|path| languages.clone().any(|analyzer| analyzer.wants(&entry(path)) != Want::No))
        .collect();
    let kept: Vec<&str> = samples.into_iter().filter(|path| lang::may_be_package_file(path)).collect();
    assert_eq!(kept, wanted);
    // Every language has a sample above.
    for analyzer in languages {
        let n = samples.iter().filter(|path| analyzer.wants(&entry(path)) != Want::No).count();
        assert!(n > 0, "{} has no sample here", analyzer.name());
    }
}
