//! Status files, lists and sums, sound and damaged.

use super::*;
use crate::{FileView, hostile};

const STATUS_FILE: &[u8] = include_bytes!("../../../testdata/dpkg/status");
const STATUS_D: &[u8] = include_bytes!("../../../testdata/dpkg/status.d-libtide1");
const MD5SUMS: &[u8] = include_bytes!("../../../testdata/dpkg/status.d-libtide1.md5sums");
const LIST: &[u8] = include_bytes!("../../../testdata/dpkg/python3-six.list");

fn deb(name: &str, version: &str, arch: &str, source: (&str, &str)) -> Package {
    let mut package = Package::new(PackageKind::Deb, name, version);
    package.epoch = version.split_once(':').map(|(epoch, _)| epoch.parse().unwrap());
    package.arch = Some(arch.to_owned());
    package.source = Some(SourcePackage { name: source.0.to_owned(), version: source.1.to_owned() });
    package.vendor = Some("A. Keeper <keeper@example.org>".to_owned());
    package
}

#[test]
fn wants_the_database_only() {
    let wants = |path| DpkgAnalyzer.wants(&hostile::entry(path)) != Want::No;
    for path in [
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/libc6",
        "var/lib/dpkg/status.d/libc6.md5sums",
        "var/lib/dpkg/info/adduser.list",
        "var/lib/dpkg/info/libc6:amd64.list",
    ] {
        assert!(wants(path), "{path}");
    }
    for path in [
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/available",
        "var/lib/dpkg/info/adduser.md5sums",
        "var/lib/dpkg/info/adduser.postinst",
        "var/lib/dpkg/status.d/a/b",
        "srv/root/var/lib/dpkg/status",
    ] {
        assert!(!wants(path), "{path}");
    }
}

#[test]
fn reads_what_is_present() {
    let lantern = deb("lantern", "1:2.4-1+b2", "amd64", ("lantern-src", "1:2.4-1"));
    let expected = [
        Package { requires: vec!["libtide1".to_owned(), "wick".to_owned()], ..lantern },
        deb("libtide1", "0.9-3", "amd64", ("tide", "0.9-3")),
        deb("wick", "5", "all", ("wick", "5")),
        deb("half", "1.0-1", "amd64", ("half", "1.0-1")),
        deb("held", "2:3-1", "i386", ("held", "2:3-1")),
    ];
    let observation = parse(STATUS_FILE);
    assert_eq!(observation.facts, expected.map(Fact::from));
    assert_eq!(observation.problems, []);
}

#[test]
fn counts_states_by_their_last_word() {
    for (status, present) in [
        ("install ok installed", true),
        ("hold ok installed", true),
        ("deinstall ok installed", true),
        ("install ok unpacked", true),
        ("install ok half-configured", true),
        ("install reinstreq half-installed", true),
        ("install ok triggers-awaited", true),
        ("install ok triggers-pending", true),
        ("", true),
        ("deinstall ok config-files", false),
        ("purge ok not-installed", false),
    ] {
        let observation = parse(format!("Package: a\nStatus: {status}\nVersion: 1\n").as_bytes());
        assert_eq!(observation.facts.len(), usize::from(present), "{status}");
        assert_eq!(observation.problems, [], "{status}");
    }
}

#[test]
fn reads_the_source_field() {
    for (field, name, version) in [
        ("", "a", "2-1"),
        ("Source: s\n", "s", "2-1"),
        ("Source: s (1:2-1)\n", "s", "1:2-1"),
        ("Source: s(3)\n", "s", "3"),
        ("Source: s ()\n", "s", "2-1"),
        ("Source: s (3\n", "s", "3"),
    ] {
        let observation = parse(format!("Package: a\nVersion: 2-1\n{field}").as_bytes());
        let [Fact::Package(package)] = &observation.facts[..] else { panic!("{field}: {observation:?}") };
        let source = package.source.as_ref().map(|s| (s.name.as_str(), s.version.as_str()));
        assert_eq!(source, Some((name, version)), "{field}");
    }
}

#[test]
fn reads_what_a_package_needs() {
    for (fields, expected) in [
        ("", &[][..]),
        ("Depends: libc6 (>= 2.36), b | c (<< 2~), d:any\n", &["libc6", "b", "c", "d"]),
        ("Depends: b, a\nPre-Depends: a (= 1)\n", &["a", "b"]),
        ("Depends:\nRecommends: b\n", &[]),
    ] {
        let observation = parse(format!("Package: a\nVersion: 1\n{fields}").as_bytes());
        let [Fact::Package(package)] = &observation.facts[..] else { panic!("{fields}: {observation:?}") };
        assert_eq!(package.requires, expected, "{fields}");
    }
}

#[test]
fn reads_epochs() {
    for (version, epoch) in
        [("1", None), ("0:1", Some(0)), ("12:1:2", Some(12)), ("x:1", None), ("99999999999:1", None)]
    {
        let observation = parse(format!("Package: a\nVersion: {version}\n").as_bytes());
        assert!(
            matches!(&observation.facts[..], [Fact::Package(p)] if p.epoch == epoch && p.version == version),
            "{version}: {observation:?}"
        );
    }
}

#[test]
fn reads_distroless_parts_and_lists() {
    let expected = deb("libtide1", "0.9-3", "amd64", ("tide", "0.9-3"));
    assert_eq!(parse(STATUS_D).facts, [Fact::from(expected)]);
    let owns = |package: &str, paths: &[&str]| Fact::Owns {
        package: package.to_owned(),
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
    };
    let six = "usr/lib/python3/dist-packages/six-1.16.0.egg-info";
    assert_eq!(parse_list("python3-six", LIST).facts, [owns("python3-six", &[six])]);
    let npm = "usr/lib/node_modules/tide/package.json";
    assert_eq!(parse_md5sums("libtide1", MD5SUMS).facts, [owns("libtide1", &[npm])]);
    assert_eq!(parse_list("x", b"/.\n/usr\n"), Observation::default());
}

#[test]
fn finishes_over_all_its_files() {
    let mut observations = Vec::new();
    for (path, mut bytes) in [
        ("var/lib/dpkg/info/python3-six:all.list", LIST),
        ("var/lib/dpkg/status", STATUS_FILE),
        ("var/lib/dpkg/status.d/libtide1", STATUS_D),
        ("var/lib/dpkg/status.d/libtide1.md5sums", MD5SUMS),
    ] {
        let size = bytes.len() as u64;
        let content = Content::new(&mut bytes, size, 1 << 20);
        observations.push((path, DpkgAnalyzer.observe(&hostile::entry(path), content)));
    }
    let views = observations.iter();
    let views = views.map(|(path, observation)| FileView { path, observation, layer: None }).collect();
    let mut merged = Merged::default();
    DpkgAnalyzer.finish(&Files::new(views), &mut merged);
    let found: Vec<_> = merged.packages.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
    let names = ["lantern", "libtide1", "wick", "half", "held"];
    assert_eq!(found, names.map(|name| (name, "var/lib/dpkg/status")), "libtide1 is one package");
    let owned: Vec<_> = merged.owned.iter().map(|(path, owner)| (path.as_str(), owner.as_str())).collect();
    assert_eq!(
        owned,
        [
            ("usr/lib/node_modules/tide/package.json", "libtide1"),
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", "python3-six"),
        ]
    );
}

#[test]
fn reads_what_it_can_of_a_damaged_database() {
    let check = |input: &[u8], expected: &[&str], n_problems: usize| {
        let observation = parse(input);
        let names = observation.facts.iter().map(|fact| match fact {
            Fact::Package(package) => package.name.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(input));
        assert_eq!(observation.problems.len(), n_problems, "{:?}", observation.problems);
    };
    check(b"", &[], 0);
    check(b" \n\n", &[], 0);
    check(b"garbage", &[], 1);
    check(b"Key: value\n", &[], 1);
    check(b"\0\xff\xfe\n", &[], 1);
    check(b"Package: a\n", &[], 1);
    check(b"Package: a\nVersion: 1\n\nPackage: b\n\nPackage: c\nVersion: 1", &["a", "c"], 1);
    check(b"Package: a\nVersion: 1\n \nPackage: b\nVersion: 2\n", &["a", "b"], 0);
    check(b"Package: a\nVersion: 1\ngarbage\n", &["a"], 1);
    check(b"Package: a\x1b[2J\nVersion: 1\n\nPackage: b\nVersion: 1\n", &["b"], 1);
    check(b"package: a\nVERSION: 1\n", &["a"], 0);
    check(b"Package: a\nStatus: purge ok not-installed\n", &[], 0);
    check(b"Package: a\nVersion: 1\nSource: \x1b\n", &[], 1);
}

#[test]
fn keeps_a_bounded_number_of_packages() {
    let many: String = (0..=PACKAGES_MAX).map(|n| format!("Package: a{n}\nVersion: 1\n\n")).collect();
    let observation = parse(many.as_bytes());
    assert_eq!(observation.facts.len(), PACKAGES_MAX);
    assert_eq!(observation.problems.iter().map(|p| p.code).collect::<Vec<_>>(), [ProblemCode::TooManyItems]);
}

#[test]
fn never_panics() {
    hostile::check(parse, &[STATUS_FILE, STATUS_D]);
    hostile::check(|bytes| parse_list("a", bytes), &[LIST]);
    hostile::check(|bytes| parse_md5sums("a", bytes), &[MD5SUMS]);
}
