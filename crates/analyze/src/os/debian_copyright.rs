//! Licences of Debian packages, which dpkg does not record: `usr/share/doc/PACKAGE/copyright`, which every package
//! must have (Debian Policy 12.5), be it through a link to another package's directory (12.3).
//!
//! Of a file in the machine-readable format (Copyright format 1.0), the `License` fields of all paragraphs are taken
//! as they are, those of the packaging too. Of other files, which are written for people, what they name is
//! told by the format's short names: texts that they refer to (`/usr/share/common-licenses/GPL-2`, with `+` where
//! the words in front of it say "any later version"), and well-known sentences of short licences. What such a text
//! says in other words is not found.

use std::collections::BTreeMap;

use memchr::memmem;
use model::{PackageKind, Problem, ProblemCode};

use crate::{
    Analyzer, Content, Entry, Fact, Files, Merged, Observation, Want,
    header::{self, Line},
    text,
};

const DOCUMENTATION: &str = "usr/share/doc/";
const FILE: &str = "/copyright";

/// Largest file that is read, in bytes; those of browsers are near 2 MB.
const FILE_MAX: u64 = 8 << 20;

/// Most licences that are kept of one file; the kernel's names about 60.
const LICENCES_MAX: usize = 128;

/// A longer `License` field is a sentence, in bytes.
const NAME_MAX: usize = 100;

/// How far in front of a reference its version is looked for, in bytes.
const NOTICE_MAX: usize = 1500;

/// Copyright files of Debian packages.
pub struct DebianCopyrightAnalyzer;

impl Analyzer for DebianCopyrightAnalyzer {
    fn name(&self) -> &'static str {
        "os/debian_copyright"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        if package_of(entry.path).is_some() { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, _entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(&bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        let mut by_package: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (path, fact) in files.facts() {
            if let (Some(package), Fact::Text(licence)) = (package_of(path), fact) {
                by_package.entry(package).or_default().push(licence);
            }
        }
        let packages = merged.packages.iter_mut();
        for package in packages.filter(|p| p.kind == PackageKind::Deb && p.licences.is_empty()) {
            let licences = by_package.get(package.name.as_str());
            package.licences = licences.into_iter().flatten().map(|licence| (*licence).clone()).collect();
        }
    }
}

/// The package whose copyright file this is.
fn package_of(path: &str) -> Option<&str> {
    let package = path.strip_prefix(DOCUMENTATION)?.strip_suffix(FILE)?;
    (!package.is_empty() && !package.contains('/')).then_some(package)
}

/// Reads one copyright file: each licence once, in the order of the file.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut found = Found::default();
    if is_machine_readable(bytes) {
        for line in header::lines(bytes) {
            if let Line::Field { name, value } = line
                && name.eq_ignore_ascii_case(b"License")
                && value.len() <= NAME_MAX
            {
                found.add(text::line(value));
            }
        }
    } else {
        read_prose(&plain(bytes), &mut found);
    }
    let mut observation = Observation::default();
    observation.facts.extend(found.licences.into_iter().map(Fact::Text));
    if found.too_many {
        let message = "the copyright file names more licences than are kept";
        observation.problems.push(Problem::new(ProblemCode::TooManyItems, message));
    }
    observation
}

#[derive(Default)]
struct Found {
    licences: Vec<String>,
    too_many: bool,
}

impl Found {
    fn add(&mut self, licence: Option<String>) {
        let Some(licence) = licence.filter(|licence| !self.licences.contains(licence)) else { return };
        if self.licences.len() == LICENCES_MAX {
            self.too_many = true;
            return;
        }
        self.licences.push(licence);
    }

    fn add_name(&mut self, name: &str) {
        self.add(Some(name.to_owned()));
    }
}

/// The first field names the format (Copyright format 1.0, section 6.1; drafts called it `Format-Specification`).
fn is_machine_readable(bytes: &[u8]) -> bool {
    let first = header::lines(bytes).take(20).find(|line| matches!(line, Line::Field { .. }));
    matches!(first, Some(Line::Field { name, .. }) if name.len() >= 6 && name[..6].eq_ignore_ascii_case(b"Format"))
}

/// Lower case, with single blanks and without marks of comments and quotes around words.
fn plain(bytes: &[u8]) -> String {
    let mut plain = String::with_capacity(bytes.len());
    for byte in bytes {
        let c = match byte {
            b'*' | b'#' | b'"' | b'\'' | b'`' => ' ',
            _ if byte.is_ascii_whitespace() => ' ',
            b'!'..=b'~' => char::from(byte.to_ascii_lowercase()),
            // One byte for one, so that no text grows.
            _ => '?',
        };
        if c != ' ' || !plain.ends_with(' ') {
            plain.push(c);
        }
    }
    plain
}

/// A sentence that only this licence has, and the licence's short name.
const SENTENCES: &[(&str, &str)] = &[
    (
        "permission is hereby granted, free of charge, to any person obtaining a copy of this software",
        "Expat",
    ),
    ("distribute this software for any purpose with or without fee is hereby granted", "ISC"),
    ("altered source versions must be plainly marked as such", "Zlib"),
    ("licensed under the apache license, version 2.0", "Apache-2.0"),
    ("mozilla public license, v. 2.0", "MPL-2.0"),
    ("mozilla public license version 1.1", "MPL-1.1"),
    ("python software foundation license version 2", "Python-2.0"),
    ("same terms as perl itself", "GPL-1+ or Artistic"),
    ("boost software license - version 1.0", "BSL-1.0"),
    ("in the public domain", "public-domain"),
    ("into the public domain", "public-domain"),
];

fn read_prose(plain: &str, found: &mut Found) {
    let mut marks: Vec<(usize, String)> = Vec::new();
    let mut start = 0;
    for at in memmem::find_iter(plain.as_bytes(), b"common-licenses/") {
        let name = plain.get(at + 16..).unwrap_or_default();
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-')));
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default().trim_end_matches(['.', '-']);
        let notice = plain.get(start.max(at.saturating_sub(NOTICE_MAX))..at).unwrap_or_default();
        if let Some(licence) = referred(name, notice) {
            marks.push((at, licence));
        }
        start = at;
    }
    for (sentence, name) in SENTENCES {
        if let Some(at) = memmem::find(plain.as_bytes(), sentence.as_bytes()) {
            marks.push((at, (*name).to_owned()));
        }
    }
    for at in memmem::find_iter(plain.as_bytes(), b"redistribution and use in source and binary forms") {
        let rest = plain.get(at..).unwrap_or_default();
        let text = rest.get(..rest.len().min(2000)).unwrap_or_default();
        marks.push((at, bsd(text).to_owned()));
    }
    marks.sort();
    for (_, name) in &marks {
        found.add_name(name);
    }
}

/// The short name of a text in `/usr/share/common-licenses`, made exact by the words in front of it.
fn referred(name: &str, notice: &str) -> Option<String> {
    const KNOWN: [&str; 19] = [
        "Apache-2.0",
        "Artistic",
        "BSD",
        "CC0-1.0",
        "GFDL",
        "GFDL-1.2",
        "GFDL-1.3",
        "GPL",
        "GPL-1",
        "GPL-2",
        "GPL-3",
        "LGPL",
        "LGPL-2",
        "LGPL-2.1",
        "LGPL-3",
        "MPL-1.1",
        "MPL-2.0",
        "AGPL-3",
        "Perl",
    ];
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let is_gnu = known.starts_with("GPL") || known.starts_with("LGPL") || known.starts_with("GFDL");
    if *known == "BSD" {
        return Some("BSD-3-clause".to_owned());
    }
    if !is_gnu {
        return Some((*known).to_owned());
    }
    // `GPL` is a link to the newest version: which one is meant stands in front, or any is.
    let version = if known.contains('-') {
        String::new()
    } else {
        let versions: &[&str] = match *known {
            "GPL" => &["1", "2", "3"],
            "LGPL" => &["2.1", "2", "3"],
            _ => &["1.1", "1.2", "1.3"],
        };
        let last =
            versions.iter().filter_map(|v| Some((notice.rfind(&format!("version {v}"))?, v.len(), v))).max();
        last.map(|(_, _, version)| format!("-{version}")).unwrap_or_default()
    };
    let later = ["any later version", "or later", "or (at your option) any later", "or newer"];
    let is_later = later.iter().any(|words| notice.contains(words));
    let mark = if is_later && (known.contains('-') || !version.is_empty()) { "+" } else { "" };
    Some(format!("{known}{version}{mark}"))
}

/// Which of the licences that begin with the same words.
fn bsd(text: &str) -> &'static str {
    let has = |words: &str| memmem::find(text.as_bytes(), words.as_bytes()).is_some();
    if has("openssl") || has("ssleay") {
        "OpenSSL"
    } else if has("all advertising materials") {
        "BSD-4-clause"
    } else if has("endorse or promote") {
        "BSD-3-clause"
    } else {
        "BSD-2-clause"
    }
}

#[cfg(test)]
mod tests {
    use model::Package;

    use super::*;
    use crate::{FileView, hostile, os::dpkg};

    const MACHINE: &[u8] = include_bytes!("../../testdata/debian_copyright/machine");
    const PROSE: &[u8] = include_bytes!("../../testdata/debian_copyright/prose");

    fn check(input: &[u8], expected: &[&str]) {
        let observation = parse(input);
        let found: Vec<&str> = observation
            .facts
            .iter()
            .map(|fact| match fact {
                Fact::Text(licence) => licence.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(input));
        assert_eq!(observation.problems, []);
    }

    #[test]
    fn wants_copyright_files_of_packages() {
        let wants = |path| DebianCopyrightAnalyzer.wants(&hostile::entry(path)) != Want::No;
        assert!(wants("usr/share/doc/libc6/copyright"));
        for path in [
            "usr/share/doc/copyright",
            "usr/share/doc//copyright",
            "usr/share/doc/a/b/copyright",
            "usr/share/doc/a/copyright.gz",
            "srv/usr/share/doc/a/copyright",
            "usr/share/doc/a/changelog.gz",
        ] {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn reads_the_machine_readable_format() {
        check(MACHINE, &["GPL-2+", "Expat or GPL-1+", "Expat"]);
        check(b"\xef\xbb\xbfformat: 1.0\nlicense: ISC\n", &["ISC"]);
        check(b"Format-Specification: http://example.org\n\nLicense:\n text\n\nLicense: X\n", &["X"]);
        check(format!("Format: 1\nLicense: {}\n", "long ".repeat(21)).as_bytes(), &[]);
        check(b"Format: 1\nFiles: *\n", &[]);
    }

    #[test]
    fn reads_what_is_written_for_people() {
        check(PROSE, &["GPL-2+", "LGPL-2.1", "Expat"]);
        check(b"see /usr/share/common-licenses/GPL.", &["GPL"]);
        check(b"GPL version 3 or later: /usr/share/common-licenses/GPL", &["GPL-3+"]);
        check(b"LGPL, version 2.1: /usr/share/common-licenses/LGPL)", &["LGPL-2.1"]);
        check(
            b"/usr/share/common-licenses/GPL-3, /usr/share/common-licenses/GFDL-1.3.",
            &["GPL-3", "GFDL-1.3"],
        );
        check(b"/usr/share/common-licenses/README", &[]);
        check(b"common-licenses/", &[]);
        check(b"This software is in the\n * public domain.", &["public-domain"]);
        let bsd =
            "Redistribution and use in source and binary forms, with or without modification, are permitted";
        check(bsd.as_bytes(), &["BSD-2-clause"]);
        check(format!("{bsd} to endorse or promote").as_bytes(), &["BSD-3-clause"]);
        check(
            format!("{bsd} All advertising\nmaterials must, endorse or promote").as_bytes(),
            &["BSD-4-clause"],
        );
        check(
            format!("{bsd} for use in the OpenSSL Toolkit, all advertising materials").as_bytes(),
            &["OpenSSL"],
        );
        check(b"All rights reserved.", &[]);
        check(b"", &[]);
    }

    #[test]
    fn keeps_a_bounded_number() {
        let many: String = (0..=LICENCES_MAX).map(|n| format!("License: L{n}\n")).collect();
        let observation = parse(format!("Format: 1\n{many}").as_bytes());
        assert_eq!(observation.facts.len(), LICENCES_MAX);
        assert_eq!(observation.problems.first().map(|p| p.code), Some(ProblemCode::TooManyItems));
    }

    #[test]
    fn adds_licences_to_the_packages_of_that_name() {
        let status =
            dpkg::parse(b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\nPackage: c\nVersion: 1\n");
        let mut merged = Merged::default();
        let path = "var/lib/dpkg/status";
        merged.add_database(&Files::new(vec![FileView { path, observation: &status, layer: None }]));
        merged.packages.push(Package::new(PackageKind::Npm, "a", "1"));
        let (machine, prose) = (parse(MACHINE), parse(PROSE));
        let view = |path, observation| FileView { path, observation, layer: None };
        let files = Files::new(vec![
            view("usr/share/doc/a/copyright", &machine),
            view("usr/share/doc/b/copyright", &prose),
            view("usr/share/doc/gone/copyright", &prose),
        ]);
        DebianCopyrightAnalyzer.finish(&files, &mut merged);
        let found: Vec<&[String]> =
            merged.packages.iter().map(|package| package.licences.as_slice()).collect();
        let expected: [&[&str]; 4] =
            [&["GPL-2+", "Expat or GPL-1+", "Expat"], &["GPL-2+", "LGPL-2.1", "Expat"], &[], &[]];
        assert_eq!(found, expected);
    }

    #[test]
    fn never_panics() {
        hostile::check(parse, &[MACHINE, PROSE]);
    }
}
