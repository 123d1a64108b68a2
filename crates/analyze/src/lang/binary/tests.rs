//! Whole files: images of executables made here, and real ones where there are any.

use std::io::Write as _;

use super::*;
use crate::hostile;

/// How to build the image of an ELF file.
#[derive(Clone)]
struct Elf {
    is_64: bool,
    is_little_endian: bool,
    /// As Go's own linker does.
    table_first: bool,
    with_sections: bool,
    sections: Vec<(&'static str, Vec<u8>)>,
}

/// Where the loaded segment is seen.
const BASE: u64 = 0x40_0000;

impl Elf {
    fn new(sections: Vec<(&'static str, Vec<u8>)>) -> Self {
        Self { is_64: true, is_little_endian: true, table_first: false, with_sections: true, sections }
    }

    fn number(&self, value: u64, len: usize) -> Vec<u8> {
        let bytes = value.to_le_bytes()[..len].to_vec();
        if self.is_little_endian { bytes } else { bytes.into_iter().rev().collect() }
    }

    /// An address or size.
    fn wide(&self, value: u64) -> Vec<u8> {
        self.number(value, if self.is_64 { 8 } else { 4 })
    }

    /// Where the first section's content begins.
    const CONTENT: u64 = 4096;

    fn build(&self) -> Vec<u8> {
        let (header, segment, section) = if self.is_64 { (64, 56, 64) } else { (52, 32, 40) };
        let mut content = Vec::new();
        let mut names = vec![0];
        let mut rows = vec![(0, 0, 0, 0, 0)];
        for (name, bytes) in &self.sections {
            content.resize(content.len().next_multiple_of(16), 0);
            let flags = if *name == ".text" { 6 } else { 3 };
            rows.push((
                names.len() as u64,
                1,
                flags,
                Self::CONTENT + content.len() as u64,
                bytes.len() as u64,
            ));
            names.extend([name.as_bytes(), b"\0"].concat());
            content.extend(bytes);
        }
        let loaded = content.len() as u64;
        rows.push((0, 3, 0, Self::CONTENT + loaded, names.len() as u64));
        content.extend(&names);
        let count = if self.with_sections { rows.len() as u64 } else { 0 };
        let table_at = if self.table_first { header + segment } else { Self::CONTENT + content.len() as u64 };
        let mut table = Vec::new();
        for (name, kind, flags, offset, size) in rows {
            table.extend(self.number(name, 4));
            table.extend(self.number(kind, 4));
            for value in [flags, BASE + offset, offset, size] {
                table.extend(self.wide(value));
            }
            table.resize(table.len().next_multiple_of(section as usize), 0);
        }
        let mut file = vec![0x7f, b'E', b'L', b'F'];
        file.extend([1 + u8::from(self.is_64), 2 - u8::from(self.is_little_endian), 1, 0]);
        file.resize(16, 0);
        for (value, len) in [(2, 2), (62, 2), (1, 4)] {
            file.extend(self.number(value, len));
        }
        for value in [BASE, header, table_at] {
            file.extend(self.wide(value));
        }
        file.extend(self.number(0, 4));
        for value in [header, segment, 1, section, count, count.saturating_sub(1)] {
            file.extend(self.number(value, 2));
        }
        // One segment, writable, over all content.
        file.extend(self.number(1, 4));
        if self.is_64 {
            file.extend(self.number(6, 4));
        }
        for value in [Self::CONTENT, BASE + Self::CONTENT, 0, loaded, loaded] {
            file.extend(self.wide(value));
        }
        if !self.is_64 {
            file.extend(self.number(6, 4));
        }
        file.resize((header + segment) as usize, 0);
        if self.table_first {
            file.extend(&table);
        }
        assert!(file.len() as u64 <= Self::CONTENT);
        file.resize(Self::CONTENT as usize, 0);
        file.extend(content);
        if !self.table_first && self.with_sections {
            file.extend(table);
        }
        file
    }
}

const MODULES: &str = "path\ta.org/m\nmod\ta.org/m\tv1.2.3\t\ndep\ta.org/x\tv0.1.0\th1:x=\nbuild\t-compiler=gc\nbuild\tCGO_ENABLED=0\nbuild\tvcs.modified=false\n";
const FOUND: [&str; 3] = ["golang stdlib 1.17.2", "golang a.org/m v1.2.3", "golang a.org/x v0.1.0"];

/// The list between its marks.
fn marked() -> Vec<u8> {
    [&[0x30; 16][..], MODULES.as_bytes(), &[0xf9; 16]].concat()
}

/// Build information as Go writes it since 1.18.
fn inline() -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    bytes.extend(b"\x08go1.17.2");
    let list = marked();
    assert!(list.len() > 127);
    bytes.extend([(list.len() & 0x7f) as u8 | 0x80, (list.len() >> 7) as u8]);
    bytes.extend(list);
    bytes
}

/// A file with build information as Go wrote it before 1.18: pointers to strings.
fn with_pointers(mut elf: Elf) -> Elf {
    let list = marked();
    let at = BASE + Elf::CONTENT;
    // One section: the texts, then the two strings; then the build information.
    let mut data = b"go1.17.2".to_vec();
    data.extend(&list);
    data.resize(data.len().next_multiple_of(16), 0);
    let strings = at + data.len() as u64;
    let width = if elf.is_64 { 8 } else { 4 };
    for value in [at, 8, at + 8, list.len() as u64] {
        data.extend(elf.wide(value));
    }
    let mut info = b"\xff Go buildinf:".to_vec();
    info.extend([width, u8::from(!elf.is_little_endian)]);
    info.extend([elf.wide(strings), elf.wide(strings + 2 * u64::from(width))].concat());
    info.resize(32, 0);
    elf.sections = vec![(".data", data), (".go.buildinfo", info)];
    elf
}

/// What is told of a file: in memory and on disk the same.
fn observed(file: &[u8]) -> Observation {
    let entry = Entry { mode: 0o755, size: file.len() as u64, ..hostile::entry("usr/bin/x") };
    let [memory, disk] = [u64::MAX, 1].map(|spill_above| {
        BinaryAnalyzer.observe(&entry, Content::new(&mut &*file, file.len() as u64, spill_above))
    });
    assert_eq!(memory, disk);
    memory
}

fn names(observation: &Observation) -> Vec<String> {
    observation
        .facts
        .iter()
        .map(|fact| match fact {
            Fact::Package(p) => format!("{} {} {}", p.kind.as_str(), p.name, p.version),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn check(file: &[u8], expected: &[&str]) {
    let observation = observed(file);
    assert_eq!(names(&observation), expected);
    assert_eq!(observation.problems, []);
}

fn forms() -> Vec<Elf> {
    let mut forms = Vec::new();
    for bits in 0..8 {
        let empty = Elf::new(Vec::new());
        forms.push(Elf {
            is_64: bits & 1 == 0,
            is_little_endian: bits & 2 == 0,
            table_first: bits & 4 != 0,
            ..empty
        });
    }
    forms
}

/// Crates as `cargo auditable` stores them.
fn crates() -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(br#"{"packages":[{"name":"anchor","version":"1.4.0"}]}"#).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn finds_build_information_in_every_form_of_elf() {
    for form in forms() {
        let sections = vec![
            (".text", vec![0x90; 5000]),
            (".rodata", vec![7; 100]),
            (".go.buildinfo", inline()),
            (".data", vec![1; 40]),
        ];
        let file = Elf { sections, ..form.clone() }.build();
        check(&file, &FOUND);
        check(&with_pointers(form).build(), &FOUND);
    }
    // Without any section table the data of the program is searched.
    let hidden = [vec![0; 48], inline()].concat();
    let elf = Elf { with_sections: false, ..Elf::new(vec![(".data", hidden)]) };
    check(&elf.build(), &FOUND);
    let elf = Elf { with_sections: false, ..with_pointers(Elf::new(Vec::new())) };
    check(&elf.build(), &FOUND);
}

#[test]
fn tells_what_it_was_built_for() {
    let elf = Elf::new(vec![(".go.buildinfo", inline())]);
    let observation = observed(&elf.build());
    let Fact::Package(package) = &observation.facts[0] else { panic!() };
    assert_eq!((package.os.as_deref(), package.arch.as_deref()), (Some("linux"), Some("amd64")));
    let mut file = elf.build();
    file[7] = 9;
    let observation = observed(&file);
    let Fact::Package(package) = &observation.facts[0] else { panic!() };
    assert_eq!(package.os.as_deref(), Some("freebsd"));
}

#[test]
fn finds_build_information_of_other_systems() {
    let mut pe = vec![0; 0x400];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x80;
    pe[0x80..0x84].copy_from_slice(b"PE\0\0");
    pe[0x84..0x88].copy_from_slice(&[0x64, 0x86, 2, 0]);
    let data = [vec![0; 32], inline()].concat();
    for (at, name, offset, size) in
        [(0x98, b".data\0\0\0", 0x800, data.len()), (0xc0, b".dep-v0\0", 0x400, crates().len())]
    {
        pe[at..at + 8].copy_from_slice(name);
        pe[at + 16..at + 20].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        pe[at + 20..at + 24].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        pe[at + 36..at + 40].copy_from_slice(&0xc000_0040_u32.to_le_bytes());
    }
    pe.extend(crates());
    pe.resize(0x800, 0);
    pe.extend(&data);
    check(&pe, &[&["cargo anchor 1.4.0"], &FOUND[..]].concat());
    let observation = observed(&pe);
    let built = |fact: &Fact| match fact {
        Fact::Package(package) => (package.os.clone().unwrap(), package.arch.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(built(&observation.facts[0]), ("windows".into(), None));
    assert_eq!(built(&observation.facts[1]), ("windows".into(), Some("amd64".into())));

    let mut macho = vec![0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1];
    macho.resize(16, 0);
    macho.extend([1, 0, 0, 0]);
    macho.resize(32, 0);
    macho.extend([0x19, 0, 0, 0, 152, 0, 0, 0]);
    macho.extend(b"__DATA\0\0\0\0\0\0\0\0\0\0");
    macho.resize(32 + 72, 0);
    macho.extend(b"__go_buildinfo\0\0__DATA\0\0\0\0\0\0\0\0\0\0");
    macho.extend(0_u64.to_le_bytes());
    macho.extend((inline().len() as u64).to_le_bytes());
    macho.extend(256_u32.to_le_bytes());
    macho.resize(256, 0);
    macho.extend(inline());
    check(&macho, &FOUND);
    let Fact::Package(package) = &observed(&macho).facts[0] else { panic!() };
    assert_eq!((package.os.as_deref(), package.arch.as_deref()), (Some("darwin"), Some("amd64")));
}

#[test]
fn finds_crates() {
    for form in forms().into_iter().filter(|form| !form.table_first) {
        let sections = vec![(".text", vec![0x90; 5000]), (".dep-v0", crates())];
        check(&Elf { sections, ..form }.build(), &["cargo anchor 1.4.0"]);
    }
    let both = Elf::new(vec![(".dep-v0", crates()), (".go.buildinfo", inline())]);
    check(&both.build(), &[&["cargo anchor 1.4.0"], &FOUND[..]].concat());
}

#[test]
fn leaves_what_tells_nothing() {
    for file in [
        &b"#!/bin/sh\necho hello\n"[..],
        b"",
        b"\x7fELF",
        b"MZ",
        b"\x7fELF\x02\x01\x01",
        &[0xcf, 0xfa, 0xed, 0xfe],
    ] {
        check(file, &[]);
    }
    check(&Elf::new(vec![(".text", vec![0; 100_000]), (".data", vec![0; 100])]).build(), &[]);
    // The words are there, but not where the linker puts them.
    check(&Elf::new(vec![(".data", inline())]).build(), &[]);
    let table_first =
        Elf { table_first: true, ..Elf::new(vec![(".data", [vec![0; 16], inline()].concat())]) };
    check(&table_first.build(), &[]);
}

#[test]
fn does_not_read_on_when_the_start_tells() {
    struct Counter<'a>(&'a [u8], usize);
    impl io::Read for Counter<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.0.read(buf)?;
            self.1 += n;
            Ok(n)
        }
    }
    let read_of = |file: &[u8]| {
        let mut counter = Counter(file, 0);
        let entry = Entry { mode: 0o755, size: file.len() as u64, ..hostile::entry("usr/bin/x") };
        BinaryAnalyzer.observe(&entry, Content::new(&mut counter, file.len() as u64, 1 << 20));
        counter.1
    };
    assert_eq!(read_of(&[b'#'; 100_000]), 4);
    let sections = vec![(".go.buildinfo", inline()), (".data", vec![1; 1 << 20])];
    let file = Elf { table_first: true, ..Elf::new(sections) }.build();
    assert!(read_of(&file) < 16 << 10, "{}", read_of(&file));
}

#[test]
fn says_what_is_damaged() {
    let mut cut = inline();
    cut.truncate(60);
    let mut nowhere = b"\xff Go buildinf:\x08\x00".to_vec();
    nowhere.resize(32, 0xee);
    let mut no_version = inline();
    no_version[33..41].copy_from_slice(b"unknown ");
    for (bytes, facts) in [(cut, 0), (nowhere, 0)] {
        let observation = observed(&Elf::new(vec![(".go.buildinfo", bytes)]).build());
        assert_eq!((observation.facts.len(), observation.problems.len()), (facts, 1));
    }
    // The modules count without the standard library, too.
    let observation = observed(&Elf::new(vec![(".go.buildinfo", no_version)]).build());
    assert_eq!(names(&observation), FOUND[1..]);
}

#[test]
fn wants_what_may_be_executed() {
    let wants = |path: &'static str, mode: u32, size: u64| {
        BinaryAnalyzer.wants(&Entry { mode, size, ..hostile::entry(path) }) != Want::No
    };
    assert!(wants("usr/bin/x", 0o755, 1 << 20));
    assert!(wants("srv/anything.bin", 0o100, PROGRAM_MAX));
    assert!(wants("usr/bin/x", 0o755, PROGRAM_MAX + 1), "becomes a problem");
    assert!(!wants("srv/disk.img", 0o755, PROGRAM_MAX + 1));
    assert!(!wants("usr/bin/x", 0o755, PROGRAM_MIN - 1));
    assert!(!wants("usr/bin/x", 0o644, 1 << 20));
    let link = Entry { kind: EntryKind::Symlink, mode: 0o777, size: 1 << 20, ..hostile::entry("x") };
    assert_eq!(BinaryAnalyzer.wants(&link), Want::No);
}

#[test]
fn knows_directories_of_programs() {
    for path in [
        "bin/x",
        "usr/bin/x.y",
        "usr/local/sbin/x",
        "opt/cni/bin/x",
        "usr/libexec/docker/cli-plugins/docker-buildx",
    ] {
        assert!(is_program_path(path.as_bytes()), "{path}");
    }
    for path in ["x", "", "usr/lib/x", "usr/cabin/x", "usr/bin/a/x", "usr/libexec/x.py", "usr/share/bin.d/x"]
    {
        assert!(!is_program_path(path.as_bytes()), "{path}");
    }
}

#[test]
fn never_panics() {
    use proptest::{
        collection::vec,
        prelude::{Strategy as _, any},
        sample::{Index, select},
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for form in forms() {
        seeds.push(with_pointers(form.clone()).build());
        seeds
            .push(Elf { sections: vec![(".go.buildinfo", inline()), (".dep-v0", crates())], ..form }.build());
    }
    for seed in &seeds {
        for end in (0..300).chain((300..seed.len()).step_by(37)) {
            hostile::bounded(&observed(&seed[..end]), seed.len());
        }
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]);
    let mut runner =
        TestRunner::new_with_rng(Config { cases: 3000, failure_persistence: None, ..Config::default() }, rng);
    // Most of the file is content that nothing depends on: change headers, tables and what they lead to.
    let edits = vec((any::<bool>(), any::<Index>(), any::<u8>()), 1..6);
    let inputs = (select(seeds), edits).prop_map(|(mut file, edits)| {
        for (at_start, index, byte) in edits {
            let (from, len) = if at_start { (0, 512.min(file.len())) } else { (4096, file.len() - 4096) };
            file[from + index.index(len)] = byte;
        }
        file
    });
    runner
        .run(&inputs, |file| {
            hostile::bounded(&observed(&file), file.len());
            Ok(())
        })
        .unwrap();
}
