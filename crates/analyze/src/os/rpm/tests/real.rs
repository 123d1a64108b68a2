//! Against real databases, where the shared data is there, with rpm itself as the oracle.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

/// What rpm reads, by `oracle.py`; `None`, and a line that says so, where rpm's Python module is missing.
pub(super) fn oracle(what: &str, directory: &Path, backend: &str) -> Option<String> {
    let script = testdata().join("oracle.py");
    let output = Command::new("/usr/bin/python3").arg(script).arg(what).arg(directory).arg(backend).output();
    match output {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) if output.status.code() != Some(3) => {
            panic!("oracle.py failed: {}", String::from_utf8_lossy(&output.stderr))
        }
        _ => {
            println!("skipped: rpm's Python module (python3-rpm) is not installed, so rpm is not asked");
            None
        }
    }
}

/// The images of the shared data; `None`, and a line that says so, where they are missing.
fn images() -> Option<PathBuf> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if images.is_dir() {
        return Some(images);
    }
    println!("skipped: ../shared/data/images is not there");
    None
}

/// Unpacks the file of that name from any layer of an image layout.
fn unpack(layout: &Path, path: &str) -> Vec<u8> {
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let Ok(file) = File::open(blob.unwrap().path()) else { continue };
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let Ok(entries) = archive.entries() else { continue };
        for mut entry in entries.map_while(Result::ok) {
            if entry.path_bytes().strip_prefix(b"./").unwrap_or(&entry.path_bytes()) == path.as_bytes() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                return bytes;
            }
        }
    }
    panic!("{} has no {path}", layout.display());
}

/// Compares one database with rpm's own reading of it. Returns how many packages it has.
fn compare(bytes: &[u8], file: &str, backend: &str) -> usize {
    let observation = parse_bytes(bytes, None);
    assert_eq!(observation.problems, []);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(file), bytes).unwrap();
    if let Some(oracle) = oracle("packages", directory.path(), backend) {
        assert_eq!(listed(&observation), expected(&oracle));
    }
    if let Some(oracle) = oracle("files", directory.path(), backend) {
        let of_interest = |line: &&str| crate::lang::may_be_package_file(line.split_once("\t/").unwrap().1);
        let expected: BTreeSet<String> =
            oracle.lines().filter(|line| line.contains("\t/")).filter(of_interest).map(Into::into).collect();
        assert_eq!(owned(&observation), expected);
    }
    packages(&observation).len()
}

#[test]
fn real_databases_list_what_rpm_lists() {
    let Some(images) = images() else { return };
    let layouts = [
        ("almalinux8.0-ubi-recreated", "var/lib/rpm", "rpmdb.sqlite", "sqlite", 170),
        ("cbl-mariner-2.0-rpmdb", "var/lib/rpm", "rpmdb.sqlite", "sqlite", 100),
        ("sle15-bci-rpmdb", "usr/lib/sysimage/rpm", "Packages.db", "ndb", 30),
    ];
    for (image, directory, file, backend, least) in layouts {
        let bytes = unpack(&images.join(image), &format!("{directory}/{file}"));
        let found = compare(&bytes, file, backend);
        println!("{image}: {found} packages, {} bytes", bytes.len());
        assert!(found >= least, "{image}: {found}");
    }
    let bytes = fs::read(images.join("libuuid.bdb.Packages")).unwrap();
    assert_eq!(compare(&bytes, "Packages", "bdb_ro"), 1);
}
