//! The texts of build information; the files around them are in the tests of the analyzer.

use super::*;
use crate::hostile;

/// A list as Go 1.22 writes it, without the marks around it.
const LIST: &[u8] = include_bytes!("../../../../testdata/binary/modules");

/// `name version` of every module, the standard library left out.
fn modules(list: &str) -> Vec<String> {
    let observation = parse_list(list.as_bytes(), None);
    assert_eq!(observation.problems, [], "{list}");
    observation
        .facts
        .iter()
        .map(|fact| match fact {
            Fact::Package(p) => format!("{} {}", p.name, p.version),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn reads_a_list() {
    let observation = parse_list(LIST, Some("1.22.3"));
    assert_eq!(observation.problems, []);
    let found: Vec<_> = observation
        .facts
        .iter()
        .map(|fact| match fact {
            Fact::Package(p) => {
                let built = (p.os.as_deref(), p.arch.as_deref());
                assert_eq!(built, (Some("linux"), Some("arm64")), "{}", p.name);
                format!("{} {}", p.name, p.version)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "stdlib 1.22.3",
        "example.org/harbour/v2 v2.7.1",
        "example.org/berth v1.0.0",
        "example.net/fork/quay v0.4.0",
        "example.org/local (devel)",
        "example.org/pilot v0.0.0-20240102030405-abcdef012345",
        "example.org/tide v3.1.0+incompatible",
    ];
    assert_eq!(found, expected);
}

#[test]
fn versions_of_the_standard_library() {
    for (text, expected) in [
        ("go1.22.3", Some("1.22.3")),
        ("go1.21", Some("1.21")),
        ("go1.21rc2", Some("1.21rc2")),
        ("go1.20.12 X:boringcrypto", Some("1.20.12")),
        ("go1.26.1-X:nodwarf5", Some("1.26.1")),
        ("go1.22.5 (Red Hat 1.22.5-1.el9)", Some("1.22.5")),
        ("go1.21.4-vendor", Some("1.21.4")),
        ("go1.12.17b4", Some("1.12.17")),
        ("go1.18beta1", Some("1.18beta1")),
        ("devel go1.23-2f6f7ee Tue Feb 6 00:00:00 2024 +0000", Some("1.23-2f6f7ee")),
        ("devel +2f6f7ee Tue Feb 6", None),
        ("go", None),
        ("gotip", None),
        ("", None),
        ("1.22", None),
    ] {
        assert_eq!(version_of_go(text.as_bytes()).as_deref(), expected, "{text}");
    }
}

#[test]
fn replaced_modules_are_what_replaced_them() {
    for (list, expected) in [
        ("dep\ta.org/x\tv1.0.0\th1:x=\n=>\tb.org/x\tv1.1.0\th1:y=\n", &["b.org/x v1.1.0"][..]),
        ("dep\ta.org/x\tv1.0.0\n=>\t./x\t(devel)\t\n", &["a.org/x (devel)"]),
        ("dep\ta.org/x\tv1.0.0\n=>\t/srv/x\t\t\n", &["a.org/x (devel)"]),
        ("mod\ta.org/m\tv1.0.0\n=>\tb.org/m\tv2.0.0\n", &["b.org/m v2.0.0"]),
        ("mod\ta.org/m\t(devel)\t\ndep\ta.org/x\tv1.0.0\n", &["a.org/m (devel)", "a.org/x v1.0.0"]),
        ("mod\ta.org/m\n", &["a.org/m (devel)"]),
        ("=>\tb.org/x\tv1.0.0\n", &[]),
        ("path\tcommand-line-arguments\n", &[]),
        ("", &[]),
    ] {
        assert_eq!(modules(list), expected, "{list:?}");
    }
}

#[test]
fn the_version_may_be_in_the_flags_of_the_linker() {
    let devel =
        |flags: &str| modules(&format!("mod\ta.org/m/v2\t(devel)\t\nbuild\t-ldflags={flags}\n")).remove(0);
    for (flags, expected) in [
        ("\"-X main.version=1.2.3\"", "v1.2.3"),
        ("\"-s -w -X 'main.Version=v1.2.3-rc.1+git'\"", "v1.2.3-rc.1+git"),
        ("\"-X=main.version=1.2.3\"", "v1.2.3"),
        ("\"-X \\\"main.version=1.2.3\\\" -w\"", "v1.2.3"),
        // The variable decides, then where it is.
        ("\"-X main.commit=1.2.3\"", "(devel)"),
        ("\"-X a.org/m/v2/build.Version=2.0.1 -X b.org/x.Version=9.9.9\"", "v2.0.1"),
        ("\"-X a.org/m/v2.Version=2.0.1 -X main.version=2.0.2\"", "v2.0.2"),
        ("\"-X main.version=2.0.2 -X a.org/m/v2.Version=2.0.1\"", "v2.0.2"),
        ("\"-X a.org/m/v22.Version=2.0.1\"", "(devel)"),
        ("\"-X k8s.io/component-base/version.gitVersion=v1.28.3\"", "v1.28.3"),
        ("\"-X b.org/x.Version=9.9.9\"", "(devel)"),
        // No versions.
        ("\"-X main.version=dev\"", "(devel)"),
        ("\"-X main.version=20240101\"", "(devel)"),
        ("\"-X main.version=\"", "(devel)"),
        ("\"-X main.version=1.2.3;rm\"", "(devel)"),
        ("\"-X main.version=1.2.3 -X main.buildVersion=1.2.4\"", "(devel)"),
        ("\"-X main.version=1.2.3 -X main.buildVersion=v1.2.3\"", "v1.2.3"),
        ("\"-X\"", "(devel)"),
        ("", "(devel)"),
    ] {
        assert_eq!(devel(flags), format!("a.org/m/v2 {expected}"), "{flags}");
    }
    // What has a version keeps it; a commit of a repository without releases is none.
    let flags = "build\t-ldflags=\"-X main.version=1.2.3\"\n";
    assert_eq!(modules(&format!("mod\ta.org/m\tv1.0.0\t\n{flags}")), ["a.org/m v1.0.0"]);
    let commit = "mod\ta.org/m\tv0.0.0-20240102030405-abcdef012345+dirty\t\n";
    assert_eq!(modules(&format!("{commit}{flags}")), ["a.org/m v1.2.3"]);
    assert_eq!(modules(commit), ["a.org/m v0.0.0-20240102030405-abcdef012345+dirty"]);
}

#[test]
fn says_what_it_cannot_read() {
    let observation = parse_list(b"dep\ta\x1b[0m\tv1\ndep\t\tv1\ndep\ta.org/x\tv1.0.0\n", None);
    assert_eq!((observation.facts.len(), observation.problems.len()), (1, 1));
    let many = "dep\ta\tv1\n".repeat(PACKAGES_MAX + 1);
    let observation = parse_list(many.as_bytes(), None);
    assert_eq!((observation.facts.len(), observation.problems.len()), (PACKAGES_MAX, 1));
    assert_eq!(observation.problems[0].code, ProblemCode::TooManyItems);
}

#[test]
fn lengths_of_any_size_are_held_to_the_bytes_there_are() {
    assert_eq!(counted(b"\x02ab").map(|(text, rest)| (text.len(), rest.len())), Some((2, 0)));
    assert_eq!(counted(&[&[0x80, 0x01][..], &[b'x'; 128]].concat()).map(|(text, _)| text.len()), Some(128));
    for bad in
        [&b""[..], b"\x03ab", b"\xff\xff\xff\xff\x0f", b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
    {
        assert_eq!(counted(bad), None, "{bad:?}");
    }
}

#[test]
fn never_panics() {
    hostile::check(|list| parse_list(list, None), &[LIST]);
}
