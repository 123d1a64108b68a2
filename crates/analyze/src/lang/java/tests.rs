//! Archives that are built here: every kind of nesting, and hostile ones.

use std::io::Write as _;

use model::{Package, ProblemCode};
use rawzip::CompressionMethod;

use super::*;
use crate::{Fact, FileView, hostile};

/// One entry of an archive: its name, its content, whether it is stored.
type Item<'a> = (&'a str, &'a [u8], bool);

/// An archive of these entries.
fn zip(items: &[Item<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content, stored) in items {
        let method = if *stored { CompressionMethod::STORE } else { CompressionMethod::DEFLATE };
        let (mut entry, config) = archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if *stored {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).unwrap();
            writer.finish().unwrap().1
        } else {
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::new(6));
            let mut writer = config.wrap(encoder);
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// The `pom.properties` of an artifact with its place.
fn pom(group: &str, artifact: &str, version: &str) -> (String, String) {
    let path = format!("META-INF/maven/{group}/{artifact}/pom.properties");
    (
        path,
        format!(
            "#Created by Apache Maven 3.9.6\nartifactId={artifact}\ngroupId={group}\nversion={version}\n"
        ),
    )
}

/// An archive with nothing but that `pom.properties` and a class.
fn jar(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    let (path, content) = pom(group, artifact, version);
    let manifest = b"Manifest-Version: 1.0\r\nCreated-By: Maven JAR Plugin 3.3.0\r\n\r\n";
    zip(&[
        ("META-INF/MANIFEST.MF", manifest, false),
        (&path, content.as_bytes(), false),
        ("a/A.class", b"\xca\xfe\xba\xbe", false),
    ])
}

fn observe(bytes: &[u8], name: &str) -> Observation {
    parse(&Blob::Memory(bytes.to_vec()), name)
}

fn packages(observation: &Observation) -> Vec<&Package> {
    let facts = observation.facts.iter();
    facts.filter_map(|fact| if let Fact::Package(package) = fact { Some(&**package) } else { None }).collect()
}

/// `name@version path`, in the order of the facts.
fn listed(observation: &Observation) -> Vec<String> {
    packages(observation)
        .into_iter()
        .map(|package| format!("{}@{} {}", package.name, package.version, package.path).trim_end().to_owned())
        .collect()
}

fn check(bytes: &[u8], name: &str, expected: &[&str]) {
    let observation = observe(bytes, name);
    assert_eq!(observation.problems, [], "{name}");
    assert_eq!(listed(&observation), expected, "{name}");
}

#[test]
fn wants_archives_by_their_suffix() {
    for path in
        ["a.jar", "opt/app/ROOT.war", "x/y.ear", "A.JAR", "var/lib/jenkins/plugins/git.jpi", "a.hpi", "a.kar"]
    {
        assert!(is_archive_path(path.as_bytes()), "{path}");
    }
    for path in [
        "",
        ".jar",
        "opt/.jar",
        "a.jar/b",
        "a.jarx",
        "ajar",
        "a.zip",
        "a.rar",
        "java.base.jmod",
        "a.jar.sha1",
    ] {
        assert!(!is_archive_path(path.as_bytes()), "{path}");
    }
    let entry = hostile::entry("opt/a.jar");
    assert_eq!(JavaAnalyzer.wants(&entry), Want::Content { max: FILE_MAX });
    assert_eq!(JavaAnalyzer.wants(&Entry { kind: EntryKind::Symlink, ..entry }), Want::No);
}

#[test]
fn an_archive_is_a_package_with_its_digest_and_licence() {
    let (path, content) = pom("org.example", "tide", "1.0");
    let manifest =
        b"Manifest-Version: 1.0\nBundle-License: https://www.apache.org/licenses/LICENSE-2.\n 0.txt\n";
    let bytes = zip(&[("META-INF/MANIFEST.MF", manifest, false), (&path, content.as_bytes(), true)]);
    let observation = observe(&bytes, "tide-1.0.jar");
    let found = packages(&observation);
    assert_eq!(found.len(), 1);
    let digest = format!("sha1:{}", Sha1Hex(&bytes));
    assert_eq!(found[0].digest.as_deref(), Some(digest.as_str()));
    assert_eq!(found[0].licences, ["https://www.apache.org/licenses/LICENSE-2.0.txt"]);
    // The published example of FIPS 180-4.
    assert_eq!(Sha1Hex(b"abc").to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

/// SHA-1 in hexadecimal digits.
struct Sha1Hex<'a>(&'a [u8]);

impl std::fmt::Display for Sha1Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use sha1::Digest as _;
        sha1::Sha1::digest(self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[test]
fn what_was_copied_in_is_a_package_too() {
    let (own, own_text) = pom("org.example", "tide", "1.0");
    let (other, other_text) = pom("com.example.reef", "reef", "2.0");
    let deeper = format!("BOOT-INF/classes/{}", pom("com.example.cove", "cove", "3.0").0);
    let deeper_text = pom("com.example.cove", "cove", "3.0").1;
    let bytes = zip(&[
        (&other, other_text.as_bytes(), false),
        (&own, own_text.as_bytes(), false),
        (&deeper, deeper_text.as_bytes(), false),
        ("lib/pom.properties", b"groupId=x.y\nartifactId=z\nversion=1\n", false),
    ]);
    check(
        &bytes,
        "tide-1.0-jar-with-dependencies.jar",
        &["org.example:tide@1.0", "com.example.reef:reef@2.0", "com.example.cove:cove@3.0"],
    );
    let observation = observe(&bytes, "tide-1.0.jar");
    let digests: Vec<bool> = packages(&observation).iter().map(|package| package.digest.is_some()).collect();
    assert_eq!(digests, [true, false, false], "only the archive itself has a digest");
}

#[test]
fn archives_lie_in_archives() {
    let core = jar("org.example", "tide-core", "1.0");
    let war = zip(&[
        ("META-INF/MANIFEST.MF", b"Implementation-Version: 2.0\n", false),
        ("WEB-INF/lib/tide-core-1.0.jar", &core, false),
        ("WEB-INF/lib/reef-3.0.jar", &zip(&[("a/B.class", b"x", false)]), false),
    ]);
    let ear = zip(&[("shop.war", &war, false), ("lib/tide-core-1.0.jar", &core, true)]);
    check(
        &ear,
        "shop-1.ear",
        &[
            "shop@1",
            "shop@2.0 shop.war",
            "org.example:tide-core@1.0 shop.war!/WEB-INF/lib/tide-core-1.0.jar",
            "reef@3.0 shop.war!/WEB-INF/lib/reef-3.0.jar",
            "org.example:tide-core@1.0 lib/tide-core-1.0.jar",
        ],
    );
    let observation = observe(&ear, "shop-1.ear");
    let digest = Some(format!("sha1:{}", Sha1Hex(&core)));
    let digests = packages(&observation).iter().filter(|package| package.digest == digest).count();
    assert_eq!(digests, 2, "stored or not, it is the same archive");
    // The place of a package is that within the image.
    let files = Files::new(vec![FileView { path: "opt/shop-1.ear", observation: &observation, layer: None }]);
    let mut merged = Merged::default();
    JavaAnalyzer.finish(&files, &mut merged);
    let paths: Vec<&str> = merged.packages.iter().map(|package| package.path.as_str()).collect();
    assert_eq!(paths[..2], ["opt/shop-1.ear", "opt/shop-1.ear!/shop.war"]);
    assert_eq!(paths[2], "opt/shop-1.ear!/shop.war!/WEB-INF/lib/tide-core-1.0.jar");
}

#[test]
fn another_tools_archive_is_read_too() {
    let war = include_bytes!("../../../testdata/java/shop.war");
    check(
        war,
        "shop.war",
        &[
            "org.example:shop@2.0",
            "org.example:tide@1.0 WEB-INF/lib/tide-1.0.jar",
            "log4j:log4j@1.2.17 WEB-INF/lib/log4j-1.2-1.2.17.jar",
        ],
    );
    let observation = observe(war, "shop.war");
    assert!(packages(&observation).iter().take(2).all(|package| package.licences == ["Apache-2.0"]));
}

#[test]
fn spring_boot_stores_its_libraries() {
    let (path, content) = pom("org.example", "app", "0.0.1-SNAPSHOT");
    let spring = zip(&[(
        "META-INF/MANIFEST.MF",
        b"Implementation-Title: spring-core\nImplementation-Version: 5.3.1\nAutomatic-Module-Name: spring.core\n",
        false,
    )]);
    let bytes = zip(&[
        (
            "META-INF/MANIFEST.MF",
            b"Main-Class: org.springframework.boot.loader.JarLauncher\nSpring-Boot-Version: 2.7\n",
            false,
        ),
        (&path, content.as_bytes(), false),
        ("BOOT-INF/lib/spring-core-5.3.1.jar", &spring, true),
        ("BOOT-INF/lib/tide-1.0.jar", &jar("org.example", "tide", "1.0"), true),
    ]);
    let expected = [
        "org.example:app@0.0.1-SNAPSHOT",
        "org.springframework:spring-core@5.3.1 BOOT-INF/lib/spring-core-5.3.1.jar",
        "org.example:tide@1.0 BOOT-INF/lib/tide-1.0.jar",
    ];
    check(&bytes, "app.jar", &expected);
    // An executable one begins with a script, and its offsets may not know of that.
    check(&[b"#!/bin/sh\nexec java -jar \"$0\"\n", &bytes[..]].concat(), "app.jar", &expected);
}

#[test]
fn signed_and_multi_release_archives_are_like_others() {
    let manifest = b"Manifest-Version: 1.0\r\nMulti-Release: true\r\nImplementation-Version: 1.0\r\n\r\nName: a/A.class\r\n\
                     SHA-256-Digest: x\r\nImplementation-Version: 9.9\r\n\r\n";
    let bytes = zip(&[
        ("META-INF/MANIFEST.MF", manifest, false),
        ("META-INF/SIGNER.SF", b"x", false),
        ("META-INF/versions/9/META-INF/MANIFEST.MF", b"Implementation-Version: 7\n", false),
        ("META-INF/versions/9/module-info.class", b"x", false),
    ]);
    check(&bytes, "tide.jar", &["tide@1.0"]);
}

#[test]
fn what_names_nothing_is_no_package_and_no_problem() {
    check(b"", "empty.jar", &[]);
    check(&zip(&[]), "empty.jar", &[]);
    check(&zip(&[("a/A.class", b"x", false)]), "app.jar", &[]);
    check(&zip(&[("a/A.class", b"x", false)]), "tide-1.0.jar", &["tide@1.0"]);
    check(&zip(&[("lib/empty.jar", b"", true), ("lib/none.jar", b"", false)]), "app.jar", &[]);
    // Such suffixes are used for other things too.
    check(b"no archive", "x.nar", &[]);
    check(b"no archive", "x.sar", &[]);
}

#[test]
fn damage_is_told_and_the_rest_is_found() {
    let one = |bytes: &[u8], name: &str, expected: &[&str]| {
        let observation = observe(bytes, name);
        assert_eq!(listed(&observation), expected, "{name}");
        let codes: Vec<ProblemCode> = observation.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [ProblemCode::FileCorrupt], "{name}");
    };
    one(b"no archive", "a.jar", &[]);
    let tide = jar("org.example", "tide", "1.0");
    one(&tide[..tide.len() - 30], "tide-1.0.jar", &[]);
    let mut nested = zip(&[("lib/a-1.jar", b"no archive", false), ("lib/tide-1.0.jar", &tide, false)]);
    one(&nested, "app.jar", &["org.example:tide@1.0 lib/tide-1.0.jar"]);
    // The stream of the first one is damaged.
    let place = nested.windows(11).position(|window| window == b"lib/a-1.jar").unwrap() + 11;
    nested[place..place + 4].fill(0xff);
    one(&nested, "app.jar", &["org.example:tide@1.0 lib/tide-1.0.jar"]);
    // One method that Java does not know, in the central directory.
    let mut odd = tide;
    let place = odd.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    odd[place + 10] = 99;
    check(&odd, "tide-1.0.jar", &["org.example:tide@1.0"]);
}

#[test]
fn odd_names_are_made_fit() {
    let tide = jar("org.example", "tide", "1.0");
    let bytes = zip(&[("lib/\u{1b}[31m\u{202e}tide\n.jar", &tide, false)]);
    check(&bytes, "app.jar", &["org.example:tide@1.0 lib/ [31m tide .jar"]);
}

#[test]
fn depth_has_an_end() {
    let mut bytes = jar("org.example", "tide", "1.0");
    for _ in 0..10 {
        bytes = zip(&[("a.jar", &bytes, true)]);
    }
    let observation = observe(&bytes, "a.jar");
    assert_eq!(listed(&observation), [""; 0]);
    assert_eq!(observation.problems.len(), 1);
    assert_eq!(observation.problems[0].code, ProblemCode::TooManyItems);
}

#[test]
fn bombs_cost_no_more_than_the_limit() {
    // Ten archives of 16 MiB zeros each, in a hundred copies: 16 GiB, if somebody inflated them.
    let zeros = vec![0; 16 << 20];
    let one = zip(&[("META-INF/MANIFEST.MF", &zeros, false), ("a.jar", &zeros, false)]);
    let names: Vec<String> = (0..1000).map(|number| format!("lib/{number}.jar")).collect();
    let items: Vec<Item<'_>> = names.iter().map(|name| (name.as_str(), one.as_slice(), true)).collect();
    let observation = observe(&zip(&items), "app.jar");
    assert_eq!(listed(&observation), [""; 0]);
    let codes: Vec<ProblemCode> = observation.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::FileCorrupt, ProblemCode::TooManyItems]);
}

#[test]
fn archives_in_memory_and_on_disk_tell_the_same() {
    let bytes = zip(&[("lib/tide-1.0.jar", &jar("org.example", "tide", "1.0"), false)]);
    let at = |spill_above| {
        let mut reader = bytes.as_slice();
        let entry = Entry { size: bytes.len() as u64, ..hostile::entry("opt/app-2.jar") };
        JavaAnalyzer.observe(&entry, Content::new(&mut reader, entry.size, spill_above))
    };
    assert_eq!(at(0), at(u64::MAX));
    assert_eq!(packages(&at(0)).len(), 2);
}

#[test]
fn never_panics() {
    let tide = jar("org.example", "tide", "1.0");
    let war = zip(&[
        ("META-INF/MANIFEST.MF", b"Implementation-Version: 1.0\n", true),
        ("lib/tide-1.0.jar", &tide, true),
    ]);
    for seed in [&tide, &war] {
        for end in 0..seed.len() {
            hostile::bounded(&observe(&seed[..end], "a-1.jar"), end);
        }
        for place in 0..seed.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = seed.clone();
                changed[place] = value;
                hostile::bounded(&observe(&changed, "a-1.jar"), changed.len());
            }
        }
    }
    // Its own bytes as an entry of itself: found by an offset of zero.
    hostile::bounded(&observe(&[war.clone(), war].concat(), "a-1.jar"), usize::MAX);
}
