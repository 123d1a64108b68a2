//! dpkg reads the same status files: name, version, architecture and source of every package must agree.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use analyze::{Fact, os::dpkg};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The lines that `tests/oracle/dpkg-query.sh` prints; `None` when there is no dpkg here.
fn ask_dpkg(status: &Path) -> Option<BTreeSet<String>> {
    let found = Command::new("dpkg-query").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return None;
    }
    let script = Path::new(ROOT).join("tests/oracle/dpkg-query.sh");
    let output = Command::new("sh").arg(script).arg(status).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect())
}

fn read(bytes: &[u8]) -> BTreeSet<String> {
    let observation = dpkg::parse(bytes);
    assert_eq!(observation.problems, []);
    let line = |fact: &Fact| match fact {
        Fact::Package(package) => {
            let source = package.source.as_ref().unwrap();
            let arch = package.arch.as_deref().unwrap_or_default();
            [&package.name, &package.version, arch, &source.name, &source.version].join("\t")
        }
        other => panic!("{other:?}"),
    };
    observation.facts.iter().map(line).collect()
}

#[test]
fn agrees_with_dpkg_on_the_fixture() {
    let path = Path::new(ROOT).join("testdata/dpkg/status");
    match ask_dpkg(&path) {
        Some(expected) => {
            assert!(!expected.is_empty());
            assert_eq!(read(&fs::read(path).unwrap()), expected);
        }
        None => println!("skipped: dpkg-query is not on PATH"),
    }
}

#[test]
fn agrees_with_dpkg_on_real_status_files() {
    let folder = Path::new(ROOT).join("../../../shared/data/dpkg-status");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: no ../shared/data/dpkg-status beside the project");
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "zst"));
    assert!(!files.is_empty(), "the folder is there and empty");
    let scratch = tempfile::tempdir().unwrap();
    for file in files {
        let bytes = zstd::decode_all(fs::File::open(&file).unwrap()).unwrap();
        let status = scratch.path().join("status");
        fs::write(&status, &bytes).unwrap();
        let Some(expected) = ask_dpkg(&status) else {
            println!("skipped: dpkg-query is not on PATH");
            return;
        };
        assert!(expected.len() > 50, "{}: {} packages", file.display(), expected.len());
        assert_eq!(read(&bytes), expected, "{}", file.display());
    }
}
