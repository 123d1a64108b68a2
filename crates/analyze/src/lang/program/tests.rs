//! Each row of the table, by a file made up for it, and the programs of this machine.

use std::fs::{self, File};

use model::package::SourcePackage;

use super::*;
use crate::{Fact, FileView, hostile};

/// An executable that says these strings of itself, each with a zero byte at both ends.
fn saying(texts: &[&str]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0".to_vec();
    for text in texts {
        file.extend(b"\0other text\0");
        file.extend(text.as_bytes());
        file.push(0);
    }
    file
}

fn observed(path: &str, bytes: &[u8]) -> Observation {
    let entry = Entry { size: bytes.len() as u64, ..hostile::entry(path) };
    assert_ne!(ProgramAnalyzer.wants(&entry), Want::No, "{path}");
    ProgramAnalyzer.observe(&entry, Content::new(&mut &*bytes, entry.size, 4096))
}

fn told(path: &str, bytes: &[u8]) -> Vec<String> {
    let observation = observed(path, bytes);
    assert_eq!(observation.problems, []);
    let line = |fact: &Fact| match fact {
        Fact::Package(p) => format!("{} {} {}", p.kind.as_str(), p.name, p.version),
        other => panic!("{other:?}"),
    };
    observation.facts.iter().map(line).collect()
}

fn check(path: &str, texts: &[&str], expected: &str) {
    let expected: Vec<String> =
        [expected].iter().filter(|text| !text.is_empty()).map(|text| format!("generic {text}")).collect();
    assert_eq!(told(path, &saying(texts)), expected, "{path}: {texts:?}");
}

#[test]
fn reads_the_version_of_every_program() {
    for (path, text, expected) in [
        ("bin/bash", "@(#)Bash version 5.2.15(1) release GNU", "bash 5.2.15"),
        ("bin/busybox", "BusyBox v1.36.1 (2023-11-07 18:53:09 UTC)", "busybox 1.36.1"),
        ("usr/local/bin/curl", "curl/8.5.0", "curl 8.5.0"),
        ("lib/libc.so.6", "GNU C Library (GNU libc) stable release version 2.36.", "glibc 2.36"),
        ("usr/local/sbin/haproxy", "HAProxy version 2.8.3-86e043a, released 2023/09/07", "haproxy 2.8.3"),
        ("usr/local/sbin/haproxy", "HA-Proxy version 2.9-dev3, released 2023/08/12", "haproxy 2.9-dev3"),
        ("usr/local/apache2/bin/httpd", "Apache/2.4.57 (Unix)", "httpd 2.4.57"),
        ("usr/sbin/apache2", "Apache/2.4.57 (Debian)", "httpd 2.4.57"),
        ("usr/lib/libcurl.so.4.8.0", "libcurl/8.5.0", "libcurl 8.5.0"),
        ("usr/sbin/mariadbd", "11.2.2-MariaDB", "mariadb 11.2.2"),
        ("usr/sbin/mysqld", "10.11.6-MariaDB-1:10.11.6+maria~ubu2204", "mariadb 10.11.6"),
        ("usr/sbin/mysqld", "/build/mysql-8.0.35/sql/mysqld.cc", "mysql 8.0.35"),
        ("usr/local/bin/memcached", "memcached 1.6.22", "memcached 1.6.22"),
        ("usr/sbin/nginx", "nginx version: nginx/1.25.3\n", "nginx 1.25.3"),
        ("opt/nginx/sbin/nginx", "nginx version: openresty/1.21.4.3", "openresty 1.21.4.3"),
        ("usr/local/bin/node", "node.js/v20.11.0", "node 20.11.0"),
        ("usr/lib/libssl.so.3", "OpenSSL 3.0.15 3 Sep 2024", "openssl 3.0.15"),
        ("usr/lib/libcrypto.so.1.1", "OpenSSL 1.1.1w  11 Sep 2023", "openssl 1.1.1w"),
        ("usr/bin/openssl", "OpenSSL 3.2.0-beta1 26 Oct 2023", "openssl 3.2.0-beta1"),
        ("usr/lib/libcrypto.so.52", "LibreSSL 3.8.2", "libressl 3.8.2"),
        ("usr/local/bin/perl", "/usr/local/lib/perl5/5.38.0/x86_64-linux-gnu", "perl 5.38.0"),
        ("usr/bin/perl", "/usr/local/share/perl/5.36.0", "perl 5.36.0"),
        ("usr/local/bin/php", "X-Powered-By: PHP/8.2.14", "php 8.2.14"),
        ("usr/local/sbin/php-fpm", "X-Powered-By: PHP/8.4.0RC2", "php 8.4.0"),
        ("usr/lib/apache2/modules/libphp7.so", "X-Powered-By: PHP/7.4.33", "php 7.4.33"),
        ("usr/local/bin/postgres", "postgres (PostgreSQL) 16.1", "postgresql 16.1"),
        ("usr/local/bin/postgres", "postgres (PostgreSQL) 17beta2", "postgresql 17beta2"),
        ("usr/local/bin/python3.12", "3.12.1", "python 3.12.1"),
        ("usr/local/lib/libpython3.12.so.1.0", "3.12.0rc1", "python 3.12.0rc1"),
        ("usr/local/lib/libpython3.12.so.1.0", "3.12.1+", "python 3.12.1"),
        ("usr/local/lib/libpython3.11.so.1.0", "/opt/versions/3.11.7", "python 3.11.7"),
        ("usr/bin/redis-server", "7.2.4buildkitsandbox-1704804000000000000", "redis 7.2.4"),
        ("usr/bin/valkey-server", "8.0.1build-host.x-1730000000", "valkey 8.0.1"),
        ("usr/local/lib/libruby.so.3.2.2", "ruby 3.2.2 (2023-03-30 revision e51014f9c0)", "ruby 3.2.2"),
        ("usr/lib/libruby-2.7.so.2.7", "ruby 2.7.8p225 (2023-03-30 revision 1f4d455848)", "ruby 2.7.8"),
        ("usr/lib/libsqlite3.so.0.8.6", "3.45.1", "sqlite 3.45.1"),
        ("lib/libz.so.1.3.1", " deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly", "zlib 1.3.1"),
    ] {
        check(path, &[text], expected);
    }
}

#[test]
fn every_row_is_tried() {
    let source = include_str!("tests.rs");
    for program in PROGRAMS {
        let tried = source.lines().any(|line| line.contains(&format!("\"{} ", program.package)));
        assert!(tried, "{} has no line above", program.package);
    }
}

#[test]
fn names_alone_tell_nothing() {
    check("usr/local/bin/node", &[], "");
    check("usr/local/bin/node", &["node.js/v20", "node.js/vX.Y.Z"], "");
    assert_eq!(told("usr/share/completions/node", b"#!/bin/sh node.js/v20.11.0"), [""; 0]);
    assert_eq!(told("usr/local/bin/node", b""), [""; 0]);
    // Another Python's version, a part of a longer one, and one in the middle of a text.
    check("usr/bin/python3.12", &["3.11.7", "13.12.1", "x3.12.1", "3.12.1 of something", "1.3.12.1"], "");
    // Two that look like it.
    check("usr/lib/libsqlite3.so.0", &["3.45.1", "3.7.17"], "");
    check("usr/lib/libsqlite3.so.0", &["3.45.1", "3.45.1"], "sqlite 3.45.1");
    check("usr/bin/redis-server", &["7.2.4", "7.2.4host-12345", "x7.2.4host-1704804000000000000"], "");
    check("usr/sbin/haproxy", &["version 2.8.3 of something"], "");
}

#[test]
fn knows_files_by_name() {
    let wants = |path: &'static str| ProgramAnalyzer.wants(&hostile::entry(path)) != Want::No;
    for path in ["node", "opt/x/redis-server", "usr/bin/php8.2", "usr/sbin/php-fpm8.2", "usr/bin/ruby3.1"] {
        assert!(wants(path) && !is_listed_path(path.as_bytes()), "{path}");
    }
    for path in [
        "usr/local/go/VERSION",
        "opt/java/openjdk/release",
        "x/libphp.so",
        "usr/lib/libssl.so",
        "usr/lib/libpython3.12.so",
        "lib/x86_64-linux-gnu/libz.so.1.2.13",
    ] {
        assert!(wants(path) && is_listed_path(path.as_bytes()), "{path}");
    }
    for path in [
        "",
        "VERSION",
        "usr/lib/VERSION",
        "release",
        "usr/bin/node-gyp",
        "usr/bin/nodejs",
        "usr/bin/python3",
        "usr/bin/python",
        "usr/lib/python3.11",
        "usr/bin/apache",
        "usr/bin/perl5.36.0",
        "usr/lib/libz.so.x",
        "usr/lib/libz.a",
        "usr/lib/libzstd.so.1",
        "usr/lib/libcurl-gnutls.so.4",
        "usr/lib/so",
        "usr/bin/bash/completion",
    ] {
        let is_directory = path == "usr/lib/python3.11";
        assert!(wants(path) == is_directory && !is_listed_path(path.as_bytes()), "{path}");
    }
    let large = Entry { size: TEXT_MAX + 1, ..hostile::entry("opt/release") };
    assert_eq!(ProgramAnalyzer.wants(&large), Want::No);
}

#[test]
fn reads_toolchains() {
    for (path, text, expected) in [
        ("usr/local/go/VERSION", "go1.22.3\ntime 2024-05-01T19:49:47Z\n", Some("go 1.22.3")),
        ("usr/local/go/VERSION", "go1.21", Some("go 1.21")),
        ("usr/local/go/VERSION", "go1.21rc2\n", Some("go 1.21rc2")),
        ("usr/local/go/VERSION", "1.22.3\n", None),
        ("usr/local/go/VERSION", "devel go1.23-2f6f7ee", None),
        ("opt/java/release", "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.9\"\n", Some("openjdk 17.0.9")),
        ("opt/java/release", "JAVA_VERSION=\"21\"\r\n", Some("openjdk 21")),
        ("opt/java/release", "JAVA_VERSION=\"1.8.0_392\"\n", Some("openjdk 8.0.392")),
        ("opt/java/release", "JAVA_VERSION=\"\"\n", None),
        ("etc/release", "Some System 1.0\n", None),
    ] {
        let expected: Vec<String> = expected.iter().map(|text| format!("generic {text}")).collect();
        assert_eq!(told(path, text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn finds_versions_wherever_chunks_end() {
    let text = saying(&["OpenSSL 3.0.15 3 Sep 2024"]);
    for before in (CHUNK - 2 * MARGIN - 60..CHUNK + 10).step_by(7) {
        let file = [b"\x7fELF", vec![b'x'; before].as_slice(), &text].concat();
        assert_eq!(told("lib/libssl.so.3", &file), ["generic openssl 3.0.15"], "{before}");
    }
    // A version is not cut where the file ends or a chunk does.
    let file = [b"\x7fELF", vec![b'x'; CHUNK - 4 - 12].as_slice(), b"OpenSSL 3.0.15"].concat();
    assert_eq!(told("lib/libssl.so.3", &file), ["generic openssl 3.0.15"]);
    let two = [saying(&["\x003.45.1"]), vec![1; CHUNK], saying(&["3.7.17"])].concat();
    assert_eq!(told("lib/libsqlite3.so.0", &two), [""; 0]);
}

#[test]
fn what_the_distribution_installed_is_left_to_it() {
    let observation = observed("bin/busybox", &saying(&["BusyBox v1.36.1 (x)"]));
    let view = |path| FileView { path, observation: &observation, layer: None };
    let files = Files::new(vec![view("bin/busybox"), view("usr/bin/busybox"), view("opt/busybox")]);
    let mut merged = Merged::default();
    merged.owned.insert("bin/busybox".into(), "busybox".into());
    ProgramAnalyzer.finish(&files, &mut merged);
    let paths: Vec<&str> = merged.packages.iter().map(|package| package.path.as_str()).collect();
    assert_eq!(paths, ["opt/busybox"]);
}

/// What programs of this machine say of themselves, when asked, must be what is read out of them.
#[test]
fn agrees_with_programs_of_this_machine() {
    let mut seen = 0;
    for (path, argument) in [
        ("/usr/bin/bash", "--version"),
        ("/usr/bin/curl", "--version"),
        ("/usr/bin/openssl", "version"),
        ("/usr/bin/perl", "-v"),
        ("/usr/bin/node", "--version"),
        ("/usr/bin/python3.11", "--version"),
        ("/bin/busybox", "--help"),
    ] {
        let Ok(output) = std::process::Command::new(path).arg(argument).output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut file = File::open(path).unwrap();
        let size = fs::metadata(path).unwrap().len();
        let entry = Entry { size, ..hostile::entry(&path[1..]) };
        let observation = ProgramAnalyzer.observe(&entry, Content::new(&mut file, size, 1 << 20));
        let [Fact::Package(package)] = &observation.facts[..] else { panic!("{path}: {observation:?}") };
        assert!(said.contains(&package.version), "{path}: {} is not in {said:?}", package.version);
        seen += 1;
    }
    if seen == 0 {
        println!("skipped: none of the programs is installed");
    }
}

#[test]
fn never_panics() {
    let seed =
        saying(&["OpenSSL 1.1.1w  11 Sep 2023", "LibreSSL 3.8.2", "3.45.1", "7.2.4host-1704804000000000000"]);
    for path in [
        "usr/lib/libssl.so.3",
        "usr/lib/libsqlite3.so.0",
        "usr/bin/redis-server",
        "usr/sbin/mysqld",
        "usr/bin/python3.4",
    ] {
        for end in 0..seed.len() {
            hostile::bounded(&observed(path, &seed[..end]), seed.len());
            let odd = [&seed[..end], &b"\xff\0-1-MariaDB3.4.\x1b[0m\0"[..], &seed[end..]].concat();
            hostile::bounded(&observed(path, &odd), odd.len());
        }
    }
    hostile::check(
        |bytes| observed("opt/java/release", bytes.get(..60_000).unwrap_or(bytes)),
        &[b"IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.9\"\n"],
    );
}

#[test]
fn what_the_distribution_says_it_built_is_the_distributions() {
    let program = Package::new(PackageKind::Generic, "zlib", "1.2.11");
    let check = |name: &str, source: Option<(&str, &str)>, version: &str, expected: bool| {
        let mut package = Package::new(PackageKind::Deb, name, version);
        package.source =
            source.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() });
        assert_eq!(is_of_distro(&[package], &program), expected, "{name} {source:?} {version}");
    };
    check("zlib", None, "1.2.11-r3", true);
    check("zlib1g", Some(("zlib", "1:1.2.11.dfsg-2")), "1:1.2.11.dfsg-2", true);
    check("zlib1g", Some(("zlib", "1.2.11.3-1")), "1.2.11.3-1", false);
    check("zlib1g", Some(("zlib", "1.2.11a-1")), "1.2.11a-1", false);
    check("zlib1g", Some(("zlib", "1.2.13-1")), "1.2.13-1", false);
    check("zlib-tools", None, "1.2.11-1", false);
}
