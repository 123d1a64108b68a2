//! What every parser of this crate must survive, in one place; for tests only.

use proptest::{
    collection::vec,
    prelude::{Strategy as _, any},
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{Entry, EntryKind, Fact, Observation, os::OWNED_BYTES_MAX, requires, text};

/// An ordinary file at a path.
pub(crate) fn entry(path: &str) -> Entry<'_> {
    Entry { path, kind: EntryKind::File, size: 1, mode: 0o644, uid: 0, gid: 0, link: None }
}

/// Feeds `parse` with fixed hostile inputs, every truncation of `seeds`, random bytes and mutated `seeds`
/// (from a fixed seed), and holds what it yields to the bounds that all parsers keep.
pub(crate) fn check(parse: impl Fn(&[u8]) -> Observation, seeds: &[&[u8]]) {
    let try_one = |input: &[u8]| bounded(&parse(input), input.len());
    let mut long = vec![b'a'; 10 << 20];
    try_one(&long);
    long.fill(0);
    try_one(&long);
    long.truncate(1 << 20);
    for byte in *b"\n[: " {
        long.fill(byte);
        try_one(&long);
    }
    for seed in seeds {
        assert_eq!(parse(seed).problems, [], "a seed must be sound");
        for end in 0..seed.len() {
            try_one(&seed[..end]);
        }
        // Line ends of another system must not matter.
        let crlf = String::from_utf8_lossy(seed).replace('\n', "\r\n");
        assert_eq!(parse(crlf.as_bytes()), parse(seed), "with CRLF");
        let mut huge_line = seed.to_vec();
        huge_line.resize(10 << 20, b'x');
        try_one(&huge_line);
        try_one(&[seed, &b"\0\x1b\xff\xfe\x80"[..], seed].concat());
    }

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let random = vec(any::<u8>(), 0..2000);
    let texts = vec(select(b"PVALomFR:= \t\r\n\"'\\{}[],-.0a/()#\0\xff".to_vec()), 0..2000);
    let edits = vec((any::<Index>(), any::<Index>(), vec(any::<u8>(), 0..6)), 1..8);
    let mutated = (select(seeds.iter().map(|seed| seed.to_vec()).collect::<Vec<_>>()), edits).prop_map(
        |(mut bytes, edits)| {
            for (from, len, insert) in edits {
                let from = from.index(bytes.len() + 1);
                let to = (from + len.index(20)).min(bytes.len());
                bytes.splice(from..to, insert);
            }
            bytes
        },
    );
    let inputs = proptest::prop_oneof![random, texts, mutated];
    runner
        .run(&inputs, |input| {
            bounded(&parse(&input), input.len());
            assert_eq!(parse(&input), parse(&input), "not the same answer twice");
            Ok(())
        })
        .unwrap();
}

/// No fact is larger than it may be, no text steers a terminal, and there are no more facts than input.
pub(crate) fn bounded(observation: &Observation, len: usize) {
    assert!(observation.facts.len() <= len, "more facts than bytes");
    assert!(observation.problems.len() <= 4, "{:?}", observation.problems);
    let plain = |text: &str| {
        assert!(text.len() <= 3 * text::TOKEN_MAX, "too long: {} bytes", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    };
    for problem in &observation.problems {
        assert!(problem.path.is_none() && problem.layer.is_none());
        plain(&problem.message);
    }
    for fact in &observation.facts {
        match fact {
            Fact::Package(package) => {
                assert!(!package.name.is_empty() && !package.version.is_empty());
                assert!(package.requires.len() <= requires::REQUIRES_MAX);
                assert!(package.layer.is_none() && package.owner.is_none());
                assert!(package.path.len() <= 8 * text::LINE_MAX && !package.path.starts_with('/'));
                assert!(!package.path.chars().any(char::is_control), "{:?}", package.path);
                let optional = [package.arch.as_ref(), package.vendor.as_ref(), package.module.as_ref()];
                let source = package.source.iter().flat_map(|source| [&source.name, &source.version]);
                [&package.name, &package.version]
                    .into_iter()
                    .chain(source)
                    .chain(&package.licences)
                    .chain(&package.requires)
                    .chain(optional.into_iter().flatten())
                    .for_each(|text| plain(text));
            }
            Fact::Distro(distro) => {
                let optional = [&distro.version_id, &distro.codename, &distro.pretty_name];
                std::iter::once(&distro.id)
                    .chain(&distro.id_like)
                    .chain(optional.into_iter().flatten())
                    .for_each(|text| plain(text));
            }
            Fact::Owns { package, paths } => {
                plain(package);
                assert!(paths.iter().map(String::len).sum::<usize>() <= 3 * OWNED_BYTES_MAX);
            }
            Fact::Text(text) => plain(text),
            Fact::Secret(secret) => {
                [&secret.rule, &secret.title, &secret.category, &secret.excerpt]
                    .into_iter()
                    .for_each(|text| plain(text));
                assert!(secret.start_line >= 1 && secret.end_line >= secret.start_line);
            }
            Fact::Bytes(_) => {}
        }
    }
}
