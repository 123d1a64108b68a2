//! Against databases that lie: cycles, lengths and places beyond the file, cut-off files, random damage.

use std::time::{Duration, Instant};

use model::ProblemCode;

use super::{encode::*, *};
use crate::os::rpm::{
    header::{Header, Tag},
    source::{ByteOrder, Damage},
};

/// The names of the packages and the texts of the problems.
fn check(bytes: &[u8], packages: &[&str], problems: &[&str]) {
    check_observation(&parse_bytes(bytes, None), packages, problems);
}

fn check_observation(observation: &Observation, packages: &[&str], problems: &[&str]) {
    assert_eq!(names(observation), packages);
    assert_eq!(observation.problems.len(), problems.len(), "{:?}", observation.problems);
    for (found, expected) in observation.problems.iter().zip(problems) {
        assert!(found.message.contains(expected), "{expected:?} is not in {:?}", found.message);
        assert!(found.code.hides_content());
    }
}

fn small(name: &str) -> Vec<u8> {
    cell(&record(&package(name, 8)), None).0
}

#[test]
fn sound_sqlite_in_every_shape() {
    check(&sqlite(&[leaf(&[])]), &[], &[]);
    check(&sqlite(&[leaf(&[small("a"), small("b")])]), &["a", "b"], &[]);
    let tree =
        [interior(&[3], 4), leaf(&[small("a")]), interior(&[5], 6), leaf(&[small("b")]), leaf(&[small("c")])];
    check(&sqlite(&tree), &["a", "b", "c"], &[]);
    let (long, rest) = cell(&record(&package("long", 900)), Some(4));
    let (first, second) = rest.split_at(508);
    let pages = [leaf(&[long, small("b")]), overflow(0, second), overflow(3, first)];
    check(&sqlite(&pages), &["long", "b"], &[]);
    check(&sqlite_with_table("pAckages", &[leaf(&[small("a")])]), &["a"], &[]);
}

#[test]
fn sqlite_pages_are_read_once() {
    check(&sqlite(&[interior(&[2, 3], 2), leaf(&[small("a")])]), &["a"], &["page 2 is used twice (2 times)"]);
    check(
        &sqlite(&[interior(&[3, 3], 1), leaf(&[small("a")])]),
        &["a"],
        &["page 1 is used", "page 3 is used twice"],
    );
    let (long, rest) = cell(&record(&package("long", 1100)), Some(3));
    check(
        &sqlite(&[leaf(&[long.clone(), small("b")]), overflow(3, &rest[..508])]),
        &["b"],
        &["page 3 is used twice"],
    );
    check(
        &sqlite(&[leaf(&[long.clone(), small("b")]), overflow(9, &rest[..508])]),
        &["b"],
        &["page 9 lies beyond"],
    );
    check(&sqlite(&[leaf(&[long, small("b")]), overflow(0, &rest[..508])]), &["b"], &["ends early"]);
}

#[test]
fn sqlite_places_and_lengths_are_not_believed() {
    check(&sqlite(&[]), &[], &["page 2 lies beyond the end of the file"]);
    check(&sqlite(&[vec![0; PAGE]]), &[], &["a page of the table is damaged"]);
    check(
        &sqlite(&[interior(&[3], u32::MAX), leaf(&[small("a")])]),
        &["a"],
        &["page 4294967295 lies beyond"],
    );
    let huge = [&[0xff; 9][..], &[1, 0, 0]].concat();
    check(&sqlite(&[leaf(&[huge])]), &[], &["bytes is too large"]);
    check(&sqlite(&[leaf(&[vec![0x87, 0x7f, 1, 4, 0]])]), &[], &["a cell of the table is damaged"]);
    // A cell whose record says that its header is longer than itself, or that its blob is.
    check(&sqlite(&[leaf(&[vec![3, 1, 0x7f, 0, 0]])]), &[], &["a record is damaged"]);
    check(&sqlite(&[leaf(&[vec![4, 1, 3, 0, 0x70, 0]])]), &[], &["holds no header"]);
    let mut everywhere = leaf(&[small("a")]);
    everywhere[4] = 200;
    let offset = everywhere[8..10].to_vec();
    for pointer in everywhere[8..408].chunks_exact_mut(2) {
        pointer.copy_from_slice(&offset);
    }
    let observation = parse_bytes(&sqlite(&[everywhere]), None);
    assert!(names(&observation).len() < 20, "cells that overlap are bounded by the size of the file");
    assert!(observation.problems.iter().any(|problem| problem.message.contains("overlap")));
}

#[test]
fn sqlite_files_of_other_kinds() {
    let sound = sqlite(&[leaf(&[small("a")])]);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let mut fresh = sound[..PAGE].to_vec();
    fresh[103..105].fill(0);
    check(&fresh, &[], &[]);
    check(&sqlite_with_table("Other", &[leaf(&[])]), &[], &["no table Packages"]);
    check(&with(16, &[2, 1]), &[], &["page size"]);
    check(&with(16, &[0, 0]), &[], &["page size"]);
    check(&with(16, &[1, 0]), &[], &["page size"]);
    check(&with(20, &[33]), &[], &["reserved"]);
    check(&with(59, &[2]), &[], &["UTF-16 cannot be read"]);
    assert_eq!(parse_bytes(&with(59, &[3]), None).problems[0].code, ProblemCode::FileUnsupported);
    check(&sound[..99], &[], &["the file ends before"]);
    check(&sound[..PAGE], &[], &["page 2 lies beyond"]);
    check(b"SQLite format 4\0", &[], &["no database of a known form"]);
    check(b"x", &[], &["no database of a known form"]);
    check(b"", &[], &[]);
}

#[test]
fn logs_override_pages_up_to_their_last_commit() {
    let database = sqlite(&[leaf(&[small("a")])]);
    let (b, c) = (leaf(&[small("b")]), leaf(&[small("c")]));
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let check = |frames: &[(u32, u32, &[u8])], packages: &[&str], problems: &[&str]| {
            check_observation(&parse_bytes(&database, Some(&log(order, frames))), packages, problems);
        };
        check(&[(2, 2, &b)], &["b"], &[]);
        check(&[(2, 2, &b), (2, 0, &c)], &["b"], &[]);
        check(&[(2, 0, &b), (2, 2, &c)], &["c"], &[]);
        check(&[(2, 0, &interior(&[3], 4)), (3, 0, &b), (4, 4, &c)], &["b", "c"], &[]);
        // A commit can make the database smaller.
        check(&[(1, 1, &database[..PAGE])], &[], &["page 2 lies beyond"]);
        check(&[(2, u32::MAX, &interior(&[3], 9)), (3, u32::MAX, &b)], &["b"], &["page 9 lies beyond"]);
        // A page number of 0 ends the log.
        check(&[(2, 2, &b), (0, 2, &c), (2, 2, &c)], &["b"], &[]);
        check(&[(2, 2, &vec![0; 1024])], &[], &["page sizes of the database and of its log differ"]);
        let log = log(order, &[(2, 0, &b)]);
        assert_eq!(Wal::parse(&log.as_slice()).unwrap(), None, "nothing is committed");
    }
    // The whole database may still be in the log.
    let frames: [(u32, u32, &[u8]); 2] = [(1, 0, &database[..PAGE]), (2, 2, &database[PAGE..])];
    check_observation(&parse_bytes(b"", Some(&log(ByteOrder::Big, &frames))), &["a"], &[]);
}

#[test]
fn a_damaged_log_ends_at_the_damage() {
    let (b, c) = (leaf(&[small("b")]), leaf(&[small("c")]));
    let sound = log(ByteOrder::Big, &[(2, 2, &b), (2, 2, &c)]);
    let committed = |log: &[u8]| Wal::parse(&log).unwrap().map(|wal| wal.committed);
    let (first, second) = (32 + 24 + PAGE as u64, 32 + 2 * (24 + PAGE as u64));
    assert_eq!(committed(&sound), Some(second));
    for at in 0..sound.len() {
        let mut log = sound.clone();
        log[at] ^= 0x40;
        let expected = match at as u64 {
            0..32 => None,
            at if at < first => None,
            _ => Some(first),
        };
        assert_eq!(committed(&log), expected, "byte {at}");
    }
    for end in 0..sound.len() {
        let expected = if (end as u64) < first { None } else { Some(first) };
        assert_eq!(committed(&sound[..end]), expected, "{end} bytes");
    }
}

#[test]
fn ndb_slots_are_not_believed() {
    let sound = ndb(&[package("a", 8), package("b", 100)]);
    let with = |at: usize, word: u32| {
        let mut file = sound.clone();
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        file
    };
    check(&sound, &["a", "b"], &[]);
    check(&ndb(&[]), &[], &[]);
    // Slot 1: package index at 36, first block at 40, number of blocks at 44.
    check(&with(36, 7), &["b"], &["does not lead to its package"]);
    check(&with(40, 0), &["b"], &[]);
    check(&with(40, 255), &["b"], &["within the table of slots"]);
    check(&with(40, u32::MAX), &["b"], &["the end of a package"]);
    check(&with(44, u32::MAX), &["b"], &["the end of a package"]);
    check(&with(44, 1), &["b"], &["too small"]);
    check(&with(32, 0), &["b"], &["a slot is damaged"]);
    // The blob: its length at 4096 + 12, then the header; the checksum covers it.
    check(&with(4108, 10_000), &["b"], &["longer than its slot"]);
    check(&with(4104, 1), &["a", "b"], &["checksum of a package is wrong"]);
    check(&with(4, 1), &[], &["cannot be read"]);
    check(&with(12, 0), &[], &["the table of slots is empty"]);
    check(
        &with(12, u32::MAX),
        &[],
        &["within the table of slots (2 times)", "the table of slots is damaged"],
    );
    check(&sound[..100], &[], &["the end of a package (2 times)", "the end of its slots"]);
    check(&sound[..20], &[], &["the end of its header"]);
    // Every slot leads to the same large blob.
    let mut same = ndb(&[package("a", 100_000)]);
    for slot in 3..256 {
        same.copy_within(32..48, slot * 16);
    }
    let observation = parse_bytes(&same, None);
    assert!(names(&observation).len() < 5, "slots that overlap are bounded by the size of the file");
    assert!(observation.problems[0].message.contains("overlap"));
}

#[test]
fn bdb_pages_are_not_believed() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let inline = |name: &str| [&[1][..], &package(name, 8)].concat();
        let off = |page, len| off_page(order, page, len);
        let header = package("long", 600);
        let len = u32::try_from(header.len()).unwrap();
        let (first, second) = header.split_at(486);
        let check = |pages: &[Vec<u8>], packages: &[&str], problems: &[&str]| {
            check(&bdb(order, pages), packages, problems);
        };
        let hash = |pairs: &[(u32, Vec<u8>)]| hash_page(order, pairs);
        let over = |next, bytes: &[u8]| bdb_overflow(order, next, bytes);

        check(&[], &[], &[]);
        check(&[hash(&[(0, vec![1, 9, 0, 0, 0]), (1, inline("a")), (2, inline("b"))])], &["a", "b"], &[]);
        check(
            &[hash(&[(1, off(3, len)), (2, inline("b"))]), over(0, second), over(2, first)],
            &["long", "b"],
            &[],
        );
        // Free pages and pages of another type are passed over.
        check(&[vec![0; PAGE], hash(&[(1, inline("a"))])], &["a"], &[]);

        let two = |item: Vec<u8>| hash(&[(1, item), (2, inline("b"))]);
        check(&[two(off(2, len)), over(2, first)], &["b"], &["page 2 is used twice"]);
        check(&[two(off(2, len)), over(0, first)], &["b"], &["ends early"]);
        check(&[two(off(2, len)), over(9, first)], &["b"], &["page 9 lies beyond"]);
        check(&[two(off(1, len))], &["b"], &["an overflow page is damaged"]);
        check(&[two(off(2, len)), over(3, b"")], &["b"], &["an overflow page is damaged"]);
        check(&[two(off(2, u32::MAX)), over(0, first)], &["b"], &["4294967295 bytes is too large"]);
        check(&[two(vec![4, 0, 0])], &["b"], &["an item of a hash page is damaged"]);
        check(&[two(vec![3, 0, 0])], &["b"], &["an item of a hash page is damaged"]);
        let mut crossed = two(inline("a"));
        crossed.copy_within(26..28, 28);
        check(&[crossed], &["b"], &["an item of a hash page is damaged"]);
        let mut endless = hash(&[(1, inline("a"))]);
        endless[20..22].fill(0xff);
        assert_eq!(names(&parse_bytes(&bdb(order, &[endless]), None)).first(), Some(&"a"));
    }
}

#[test]
fn bdb_files_of_other_kinds() {
    let sound = bdb(ByteOrder::Little, &[hash_page(ByteOrder::Little, &[])]);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    check(&sound, &[], &[]);
    check(&with(12, &0x05_3162u32.to_le_bytes()), &[], &["b-tree cannot be read"]);
    check(&with(12, &[0]), &[], &["no database of a known form"]);
    check(&with(16, &[7]), &[], &["version of the Berkeley DB hash format"]);
    check(&with(24, &[1]), &[], &["encryption"]);
    check(&with(25, &[9]), &[], &["the page of metadata is damaged"]);
    check(&with(26, &[1]), &[], &["checksums"]);
    check(&with(20, &[0, 3, 0, 0]), &[], &["the page of metadata is damaged"]);
    check(&with(32, &[9]), &[], &["its last page"]);
    check(&sound[..PAGE], &[], &["its last page"]);
    check(&sound[..60], &[], &["the end of its header"]);
}

#[test]
fn headers_in_every_shape() {
    let check_header = |entries: &[(u32, u32, u32, &[u8])], expected: Option<(&str, Option<&str>)>| {
        let observation = parse_bytes(&ndb(&[header(entries)]), None);
        let found = packages(&observation);
        let found = found.first().map(|p| (format!("{} {}", p.name, p.version), p.arch.clone()));
        assert_eq!(found.as_ref().map(|(name, arch)| (name.as_str(), arch.as_deref())), expected);
        assert_eq!(observation.problems.is_empty(), expected.is_some(), "{:?}", observation.problems);
    };
    let name = (1000, STRING, 1, &b"a\0"[..]);
    let version = (1001, STRING, 1, &b"1\0"[..]);
    let release = (1002, STRING, 1, &b"2\0"[..]);
    check_header(&[name, version, release], Some(("a 1-2", None)));
    // A region in front, and an entry behind that wins.
    let region = (63, 7, 16, &[0, 0, 0, 63, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xc0, 0, 0, 0, 16][..]);
    check_header(&[region, name, version, release, (1001, STRING, 1, b"3\0")], Some(("a 3-2", None)));
    check_header(
        &[name, version, release, (1022, I18N_STRING, 2, b"noarch\0other\0")],
        Some(("a 1-2", Some("noarch"))),
    );
    check_header(&[name, version, release, (1022, INT32, 1, b"noarch\0\0")], Some(("a 1-2", None)));
    check_header(&[name, version, release, (1003, INT32, 1, &[0, 0, 0, 5])], Some(("a 5:1-2", None)));
    check_header(&[name, version, release, (1003, INT32, 0, &[0, 0, 0, 5])], Some(("a 1-2", None)));
    check_header(&[name, version, release, (1022, STRING, 1, b"no end")], Some(("a 1-2", None)));
    check_header(&[name, version, (1002, STRING, 1, b"no end")], None);
    check_header(&[name, version], None);
    check_header(&[(1000, STRING, 1, b"\0"), version, release], None);
    check_header(&[(1000, STRING, 1, b"a\x1b[2J\0"), version, release], None);
    check_header(&[(1000, STRING_ARRAY, 0, b"a\0"), version, release], None);

    let key = header(&[(1000, STRING, 1, b"gpg-pubkey\0"), version, release]);
    check(&ndb(&[key]), &[], &[]);
}

#[test]
fn file_lists_name_their_owner() {
    let entries = |extra: &[(u32, u32, u32, &[u8])]| {
        let name = [(1000, STRING, 1, &b"a\0"[..]), (1001, STRING, 1, b"1\0"), (1002, STRING, 1, b"2\0")];
        owned(&parse_bytes(&ndb(&[header(&[&name, extra].concat())]), None)).into_iter().collect::<Vec<_>>()
    };
    let bases = (1117, STRING_ARRAY, 3, &b"package.json\0bash\0METADATA\0"[..]);
    let dirs = (1118, STRING_ARRAY, 3, &b"/usr/lib/node_modules/x/\0/bin/\0/srv/y-1.dist-info/\0"[..]);
    let indexes = (1116, INT32, 3, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2][..]);
    let expected =
        ["a\t/bin/bash", "a\t/srv/y-1.dist-info/METADATA", "a\t/usr/lib/node_modules/x/package.json"];
    assert_eq!(entries(&[bases, dirs, indexes]), expected);
    let old = (1027, STRING_ARRAY, 1, &b"/usr/lib/node_modules/x/package.json\0"[..]);
    assert_eq!(entries(&[old]), expected[2..]);
    let far = (1116, INT32, 3, &[0xff; 12][..]);
    assert_eq!(entries(&[bases, dirs, far]), [""; 0]);
    assert_eq!(entries(&[bases, dirs]), [""; 0]);
    let long = [&b"/"[..], &vec![b'd'; 5000], b"/node_modules/x/\0"].concat();
    assert_eq!(entries(&[bases, (1118, STRING_ARRAY, 1, &long), indexes]), [""; 0]);
}

#[test]
fn file_lists_are_bounded() {
    // A short list of names that makes more than a gigabyte of paths, each of interest.
    let dir = [&b"/"[..], &vec![b'd'; 4000], b"/node_modules/x/\0"].concat();
    let n = 400_000;
    let entries = header(&[
        (1000, STRING, 1, b"a\0"),
        (1001, STRING, 1, b"1\0"),
        (1002, STRING, 1, b"2\0"),
        (1117, STRING_ARRAY, n, &b"package.json\0".repeat(n as usize)),
        (1116, INT32, n, &vec![0; n as usize * 4]),
        (1118, STRING_ARRAY, 1, &dir),
    ]);
    let start = Instant::now();
    let observation = parse_bytes(&ndb(&[entries]), None);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(names(&observation), ["a"]);
    assert_eq!(observation.problems.len(), 1);
    assert_eq!(observation.problems[0].code, ProblemCode::TooManyItems);
    let Some(Fact::Owns { paths, .. }) = observation.facts.last() else { panic!("no files are kept") };
    assert!(paths.iter().map(String::len).sum::<usize>() <= crate::os::OWNED_BYTES_MAX);
}

#[test]
fn impossible_headers_are_refused() {
    let sound = package("a", 8);
    assert!(Header::parse(&sound).is_ok());
    for end in 0..8 + 4 * 16 {
        assert!(matches!(Header::parse(&sound[..end]), Err(Damage::Truncated(_))), "{end} bytes");
    }
    for end in 8 + 4 * 16..sound.len() {
        let header = Header::parse(&sound[..end]).unwrap();
        assert!(header.cut_off);
        assert_eq!(header.text(Tag::Name), Some(&b"a"[..]).filter(|_| end >= 8 + 4 * 16 + 2));
    }
    for entries in [0, 0x1_0000, u32::MAX] {
        let mut header = sound.clone();
        header[..4].copy_from_slice(&entries.to_be_bytes());
        assert!(matches!(Header::parse(&header), Err(Damage::Malformed(_))), "{entries} entries");
    }
    let mut far = sound;
    far[8 + 8..8 + 12].fill(0xff);
    assert_eq!(Header::parse(&far).unwrap().text(Tag::Name), None);
}

/// Damages every fixture in many ways: nothing may panic, take long or yield more than there is.
#[test]
fn random_damage_is_survived() {
    // The splitmix64 sequence from a fixed seed.
    let mut state = 11u64;
    let mut random = |below: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % below.max(1)
    };
    let log = fixture("rpmdb.sqlite-wal");
    for name in DATABASES {
        let sound = fixture(name);
        let mut with_problems = 0;
        for round in 0..150 {
            let mut bytes = sound.clone();
            for _ in 0..=random(12) {
                // Half of the damage is near the beginning, where the structure is.
                let at = if random(2) == 0 { random(8192.min(bytes.len())) } else { random(bytes.len()) };
                let value = [0, 1, 0x7f, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1), 16, 4][random(8)];
                let run = random(5);
                for byte in bytes.iter_mut().skip(at).take(run + 1) {
                    *byte = value;
                }
            }
            if round % 3 == 0 {
                bytes.truncate(random(bytes.len()));
            }
            let start = Instant::now();
            let observation = parse_bytes(&bytes, None);
            assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
            assert!(packages(&observation).len() <= 2 * 28 && observation.problems.len() <= 5, "{name}");
            if round % 10 == 0 {
                let mut reader = bytes.as_slice();
                let blob = crate::Content::new(&mut reader, bytes.len() as u64, 0).into_blob().unwrap();
                assert_eq!(parse(&blob, None), observation, "{name}: on disk it reads otherwise");
            }
            with_problems += usize::from(!observation.problems.is_empty());
            if name == "rpmdb.sqlite" {
                parse_bytes(&bytes, Some(&log));
                let mut log = log.clone();
                let at = random(log.len());
                log[at] ^= 1;
                if let Ok(Some(wal)) = Wal::parse(&log.as_slice()) {
                    parse(&bytes.as_slice(), Some((&wal, &log.as_slice())));
                }
            }
        }
        assert!(with_problems > 50, "{name}: only {with_problems} of the damaged files were found out");
    }
}
