//! Real images and real advisories, where they are at hand: the report of each image is the one that was
//! reviewed and committed as `tests/golden/NAME.txt`, and it agrees with what other programs find.
//!
//! `UPDATE_GOLDEN=1 cargo test -p app` writes the golden reports anew; their difference is then to be reviewed.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Arc, Mutex, Weak},
    thread,
    time::Instant,
};

use advisory::database::Database;
use app::{ScanRequest, scan_image};
use model::{Limits, Report};
use oci::OpenOptions;

use crate::{
    data::{self, Advisories, difference},
    oracle,
    summary::summary,
};

/// One image: name of its golden report, its name below the folder of images, platform, number of its OS
/// packages, and how many (package, version, advisory) are found. The numbers stand here too so that nobody
/// updates a golden report that lost something without seeing it.
struct Image {
    name: &'static str,
    spec: &'static str,
    platform: &'static str,
    os_packages: usize,
    found: usize,
}

const fn image(
    name: &'static str,
    spec: &'static str,
    platform: &'static str,
    os_packages: usize,
    found: usize,
) -> Image {
    Image { name, spec, platform, os_packages, found }
}

#[rustfmt::skip]
const IMAGES: [Image; 12] = [
    image("vuln-app", "oci:vuln-app:1.0", "linux/amd64", 144, 196),
    image("alpine-3.9.0", "oci:alpine-3.9.0:latest", "linux/amd64", 11, 10),
    image("alpine-3.10.9", "oci:alpine-3.10.9:latest", "linux/amd64", 14, 0),
    image("alpine-3.11.5", "docker-archive:alpine-3.11.5.docker-save.tar.gz", "linux/amd64", 14, 0),
    image("alpine-3.18.9", "oci:alpine-3.18.9:latest", "linux/amd64", 15, 0),
    image("alpine-3.20.3-amd64", "oci:alpine-3.20.3-multiarch:3.20.3", "linux/amd64", 14, 0),
    image("alpine-3.20.3-arm64", "oci:alpine-3.20.3-multiarch:3.20.3", "linux/arm64", 14, 0),
    image("distroless-like-debian11", "oci:distroless-like-debian11:latest", "linux/amd64", 11, 15),
    image("almalinux8.0", "oci:almalinux8.0-ubi-recreated:latest", "linux/amd64", 178, 296),
    image("cbl-mariner-2.0", "oci:cbl-mariner-2.0-rpmdb:latest", "linux/amd64", 129, 0),
    image("sle15-bci", "oci:sle15-bci-rpmdb:latest", "linux/amd64", 35, 0),
    image("busybox-glibc", "oci:busybox-glibc:latest", "linux/amd64", 0, 0),
];

impl Image {
    /// The image as a user would name it.
    fn reference(&self, data: &Path) -> String {
        let (scheme, rest) = self.spec.split_once(':').unwrap();
        format!("{scheme}:{}", data.join("images").join(rest).display())
    }
}

/// All images, scanned once for the tests that run at the same time.
struct Scans {
    reports: Vec<Report>,
}

impl Scans {
    fn of(data: &Path) -> Arc<Self> {
        static SHARED: Mutex<Weak<Scans>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let scans = Arc::new(Self::new(data));
            *shared = Arc::downgrade(&scans);
            scans
        })
    }

    fn new(data: &Path) -> Self {
        let advisories = Advisories::of(data);
        let reports = IMAGES.iter().map(|image| {
            let started = Instant::now();
            let report = scan(&image.reference(data), image.platform, &advisories.database);
            println!("{} was scanned in {:.1?}", image.name, started.elapsed());
            report
        });
        Self { reports: reports.collect() }
    }

    fn each(&self) -> impl Iterator<Item = (&'static Image, &Report)> {
        IMAGES.iter().zip(&self.reports)
    }
}

fn scan(reference: &str, platform: &str, database: &Database) -> Report {
    let limits = Limits::standard();
    let mut open = OpenOptions::files_only();
    open.platform = Some(platform.parse().unwrap());
    let types = [model::ScanType::Vulnerability].into();
    let request = ScanRequest {
        types: &types,
        secrets: None,
        image: reference,
        open: &open,
        limits: &limits,
        cache: None,
        threads: 2,
        progress: &(),
    };
    scan_image(&request, database, &mut |_| Vec::new()).unwrap()
}

#[test]
fn reports_are_the_reviewed_ones() {
    let Some(data) = data::folder() else { return };
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut failures = String::new();
    for (image, report) in Scans::of(&data).each() {
        let (path, got) = (folder.join(format!("{}.txt", image.name)), summary(report));
        if update {
            fs::write(&path, &got).unwrap();
            continue;
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        if wanted != got {
            let set = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect();
            let _ = writeln!(failures, "{}", difference(image.name, &set(&wanted), &set(&got), "golden"));
            let _ = writeln!(failures, "{} differs from its golden report", image.name);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn other_programs_list_and_find_the_same() {
    let Some(data) = data::folder() else { return };
    let scans = Scans::of(&data);
    let images = Mutex::new(scans.each());
    let next = || images.lock().unwrap().next();
    let failures = Mutex::new(String::new());
    let work = || {
        while let Some((image, report)) = next() {
            let Some(failure) = check(image, report, &data) else { break };
            failures.lock().unwrap().push_str(&failure);
        }
    };
    // The oracle mostly waits for other programs.
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures}");
}

/// How a report differs from what other programs find in the image; `None` when they are not here.
fn check(image: &Image, report: &Report, data: &Path) -> Option<String> {
    let started = Instant::now();
    let wanted = oracle::ask("image", &image.reference(data), image.platform, data)?;
    let mut got = oracle::lines(&report.inventory.packages, &report.findings);
    got.retain(|line| oracle::KINDS.contains(&line.split('\t').nth(1).unwrap()));
    let mut failure = difference(image.name, &wanted, &got, "oracle");
    let count =
        |kinds: &[&str]| got.iter().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).count();
    let (os_packages, found) = (count(&["P\tdeb\t", "P\tapk\t", "P\trpm\t"]), count(&["F\t"]));
    println!("{}: {os_packages} OS packages, {found} found, asked in {:.1?}", image.name, started.elapsed());
    if (os_packages, found) != (image.os_packages, image.found) {
        let _ = writeln!(failure, "{}: {os_packages} OS packages, {found} found", image.name);
    }
    Some(failure)
}
