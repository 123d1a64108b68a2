//! Layer attribution, links to content that was not kept, ownership, the cache.

use std::sync::Mutex;

use model::{Limits, PackageKind, ProblemCode};
use scan::{LayerCache, Progress};
use testkit::layer::{Compression, Layer, LayerBuilder};

use crate::{image, scan_layers, scan_with, spec, write_layout};

fn layer(build: impl FnOnce(LayerBuilder) -> LayerBuilder) -> Layer {
    build(LayerBuilder::new()).finish(Compression::Gzip).unwrap()
}

fn stanza(name: &str, version: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n")
}

const OS_RELEASE: &str = "ID=debian\nVERSION_ID=\"12\"\n";

/// `name version layer owner` of every package, sorted.
fn packages(layers: Vec<Layer>) -> Vec<String> {
    let inventory = scan_layers(layers).unwrap();
    let mut lines: Vec<String> = inventory
        .packages
        .iter()
        .map(|p| {
            format!("{} {} {:?} {:?}", p.name, p.version, p.layer.unwrap(), p.owner.as_deref().unwrap_or("-"))
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_package_belongs_to_the_layer_that_brought_it() {
    let status = |packages: &[(&str, &str)]| packages.iter().map(|(n, v)| stanza(n, v)).collect::<String>();
    let layers = vec![
        layer(|l| l.file("var/lib/dpkg/status", status(&[("base", "1"), ("old", "1"), ("back", "1")]))),
        layer(|l| l.file("var/lib/dpkg/status", status(&[("base", "1"), ("old", "2")]))),
        layer(|l| l.file("usr/share/doc/x", "unrelated")),
        layer(|l| {
            l.file("var/lib/dpkg/status", status(&[("base", "1"), ("old", "2"), ("new", "1"), ("back", "1")]))
        }),
    ];
    assert_eq!(packages(layers), ["back 1 3 \"-\"", "base 1 0 \"-\"", "new 1 3 \"-\"", "old 2 1 \"-\""]);
}

#[test]
fn a_file_that_was_removed_and_came_back_is_new() {
    let metadata = "Name: six\nVersion: 1.0\n\n";
    let path = "usr/lib/python3/dist-packages/six-1.0.dist-info/METADATA";
    let layers = vec![
        layer(|l| l.file(path, metadata)),
        layer(|l| l.whiteout("usr/lib/python3/dist-packages/six-1.0.dist-info")),
        layer(|l| l.file(path, metadata)),
    ];
    assert_eq!(packages(layers), ["six 1.0 2 \"-\""]);
}

#[test]
fn what_a_distro_package_owns_is_the_distros() {
    let layers = vec![layer(|l| {
        l.file("etc/os-release", OS_RELEASE)
            .symlink("lib", "usr/lib")
            .file("var/lib/dpkg/status", stanza("python3-six", "1.16-4"))
            .file(
                "var/lib/dpkg/info/python3-six.list",
                "/.\n/lib/python3/dist-packages/six-1.16.dist-info/METADATA\n",
            )
            .file("usr/lib/python3/dist-packages/six-1.16.dist-info/METADATA", "Name: six\nVersion: 1.16\n\n")
            .file(
                "usr/local/lib/python3/site-packages/six-1.17.dist-info/METADATA",
                "Name: six\nVersion: 1.17\n\n",
            )
    })];
    assert_eq!(
        packages(layers),
        ["python3-six 1.16-4 0 \"-\"", "six 1.16 0 \"python3-six\"", "six 1.17 0 \"-\""]
    );
}

#[test]
fn what_lies_in_an_archive_has_its_layer_and_owner() {
    let war: &[u8] = include_bytes!("../../../analyze/testdata/java/shop.war");
    let layers = || {
        vec![
            layer(|l| {
                l.file("etc/os-release", OS_RELEASE).file("var/lib/dpkg/status", stanza("shop", "2.0-1"))
            }),
            layer(|l| {
                l.file("opt/shop.war", war)
                    .file("usr/share/java/shop.war", war)
                    .file("var/lib/dpkg/info/shop.list", "/usr/share/java/shop.war\n")
            }),
            layer(|l| l.file("opt/other", "unrelated")),
        ]
    };
    let of = |name: &str| [format!("{name} 1 \"-\""), format!("{name} 1 \"shop\"")];
    let mut expected =
        ["log4j:log4j 1.2.17", "org.example:shop 2.0", "org.example:tide 1.0"].map(of).concat();
    expected.push("shop 2.0-1 0 \"-\"".to_owned());
    assert_eq!(packages(layers()), expected);
    let inventory = scan_layers(layers()).unwrap();
    let nested: Vec<&str> =
        inventory.packages.iter().filter(|p| p.name == "org.example:tide").map(|p| p.path.as_str()).collect();
    assert_eq!(
        nested,
        ["opt/shop.war!/WEB-INF/lib/tide-1.0.jar", "usr/share/java/shop.war!/WEB-INF/lib/tide-1.0.jar"]
    );
}

#[test]
fn links_lead_to_content_that_no_pass_had_kept() {
    let layers = vec![
        layer(|l| {
            l.file("data/db", stanza("by-hard-link", "1"))
                .file("data/apk/db/installed", "P:by-directory-link\nV:1-r0\n\n")
                .file("data/status", stanza("by-file-link", "1"))
                .file("data/release", OS_RELEASE)
        }),
        layer(|l| {
            l.symlink("etc/os-release", "../data/release")
                .symlink("lib/apk", "/data/apk")
                .symlink("var/lib/dpkg/status", "../../../../../data/status")
        }),
        layer(|l| l.hardlink("var/lib/dpkg/status.d/one", "data/db")),
    ];
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), &image(layers));
    let inventory = scan_with(&spec(directory.path()), &Limits::standard(), None, &()).unwrap();
    assert_eq!(inventory.distro.unwrap().id, "debian");
    let mut names: Vec<&str> = inventory.packages.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["by-directory-link", "by-file-link", "by-hard-link"]);
    assert_eq!(inventory.problems, []);
}

/// An ELF file with nothing in it but Go build information, padded as programs are.
fn go_program() -> Vec<u8> {
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    info.extend(b"\x08go1.22.3\0");
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let mut put = |value: u64, len: usize| file.extend(&value.to_le_bytes()[..len]);
    for (value, len) in [(2, 2), (62, 2), (1, 4), (0, 8), (64, 8), (64, 8), (0, 4)] {
        put(value, len);
    }
    // No segments; one section, right behind the header, as Go's linker has them.
    for value in [64, 56, 0, 64, 1, 0] {
        put(value, 2);
    }
    for (value, len) in [(0, 4), (1, 4), (3, 8), (0, 8), (128, 8), (info.len() as u64, 8)] {
        put(value, len);
    }
    file.resize(128, 0);
    file.extend(info);
    file.resize(20 << 10, 0);
    file
}

#[test]
fn a_program_is_found_under_every_hard_link_and_without_its_first_name() {
    let paths = |layers| {
        let inventory = scan_layers(layers).unwrap();
        assert_eq!(inventory.problems.iter().filter(|p| p.code == ProblemCode::LinkUnresolved).count(), 0);
        let mut found: Vec<String> =
            inventory.packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.path)).collect();
        found.sort();
        found
    };
    let linked = || layer(|l| l.executable("opt/one", go_program()).hardlink("opt/two", "opt/one"));
    assert_eq!(paths(vec![linked()]), ["stdlib 1.22.3 opt/one", "stdlib 1.22.3 opt/two"]);
    assert_eq!(paths(vec![linked(), layer(|l| l.whiteout("opt/one"))]), ["stdlib 1.22.3 opt/two"]);
    let plain = layer(|l| l.file("opt/one", go_program()).hardlink("opt/two", "opt/one"));
    assert_eq!(paths(vec![plain]), [""; 0], "nobody may execute it");
}

#[test]
fn a_second_pass_without_budget_is_a_problem() {
    let layers =
        vec![layer(|l| l.file("data/release", OS_RELEASE).symlink("etc/os-release", "/data/release"))];
    let directory = tempfile::tempdir().unwrap();
    write_layout(directory.path(), &image(layers));
    let limits = Limits { second_pass_bytes: 0, ..Limits::standard() };
    let inventory = scan_with(&spec(directory.path()), &limits, None, &()).unwrap();
    assert_eq!(inventory.distro, None);
    assert!(
        inventory.problems.iter().any(|p| p.code == ProblemCode::LinkUnresolved),
        "{:?}",
        inventory.problems
    );
}

#[derive(Default)]
struct Seen(Mutex<Vec<(usize, bool)>>);

impl Progress for Seen {
    fn layer_finished(&self, index: usize, cached: bool) {
        self.0.lock().unwrap().push((index, cached));
    }
}

#[test]
fn a_second_scan_reads_no_layer() {
    let directory = tempfile::tempdir().unwrap();
    let layers = vec![
        layer(|l| l.file("etc/os-release", OS_RELEASE).file("var/lib/dpkg/status", stanza("a", "1"))),
        layer(|l| l.file("usr/x/node_modules/m/package.json", r#"{"name":"m","version":"1.0.0"}"#)),
    ];
    write_layout(directory.path(), &image(layers));
    let cache = LayerCache::open(&directory.path().join("cache"), 1 << 30).unwrap();
    let scan = |progress: &Seen| {
        scan_with(&spec(directory.path()), &Limits::standard(), Some(&cache), progress).unwrap()
    };
    let (first, second) = (Seen::default(), Seen::default());
    let cold = scan(&first);
    let warm = scan(&second);
    assert_eq!(cold, warm);
    assert_eq!(
        cold.packages.iter().map(|p| p.kind).collect::<Vec<_>>(),
        [PackageKind::Deb, PackageKind::Npm]
    );
    let sorted = |seen: Seen| {
        let mut list = seen.0.into_inner().unwrap();
        list.sort_unstable();
        list
    };
    assert_eq!(sorted(first), [(0, false), (1, false)]);
    assert_eq!(sorted(second), [(0, true), (1, true)]);
}
