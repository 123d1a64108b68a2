//! Each order is total, whatever the texts, and agrees with independent implementations where one exists.

use std::{cmp::Ordering, sync::Arc};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{SCHEMES, Scheme, generic, scheme, tables};

/// Few enough for every build; the variable `PROPTEST_CASES` asks for more of them.
const CASES: u32 = 400;

/// A runner that tries the same cases every time.
fn runner() -> TestRunner {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

/// Everything that means something to some scheme, few digits and letters so that texts collide.
const ALPHABET: &str = "[0-2a-cprv.+~^_:!=-]{0,9}";
/// Whole pieces of versions.
const PIECES: &str = "(0|1|00|10|01|1\\.0|99999999999999999999|18446744073709551616|\\.|-|_|\\+|~|\\^|:|!|a|b|r|rc|\
                      alpha|beta|pre|post|dev|git|p|el8|deb12u1|1:|0:|v|=|-r1|\\.dev|~0a|x){0,7}";

/// All versions that the table of `name` speaks of.
fn known(name: &str) -> Arc<Vec<String>> {
    Arc::new(tables::load(name).into_iter().flat_map(|row| [row.a, row.b]).collect())
}

/// One small change of a text: where, how many characters go, what comes.
type Change = (prop::sample::Index, usize, String);

fn change() -> impl Strategy<Value = Change> {
    let new = prop_oneof![3 => Just(String::new()), 8 => "[0-9a-z.+~^_:!-]", 1 => "\\PC", 1 => "00", 1 => "-r1|rc|\\.0"];
    (any::<prop::sample::Index>(), 0_usize..3, new)
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, gone, new) in changes {
        let at = at.index(chars.len() + 1);
        let end = (at + gone).min(chars.len());
        chars.splice(at..end, new.chars());
    }
    chars.into_iter().collect()
}

/// A version of the table, with at most two changes.
fn from_table(name: &str) -> impl Strategy<Value = String> + use<> {
    let known = known(name);
    (any::<prop::sample::Index>(), prop::collection::vec(change(), 0..3))
        .prop_map(move |(which, changes)| apply(which.get::<String>(&known), &changes))
}

/// Three texts: of any kind each, or three changes of one version, which differ late and little.
fn three(name: &str) -> impl Strategy<Value = [String; 3]> + use<> {
    let one = prop_oneof![1 => any::<String>(), 1 => "\\PC{0,6}", 4 => ALPHABET, 4 => PIECES, 4 => from_table(name)].boxed();
    let known = known(name);
    let changes = || prop::collection::vec(change(), 0..3);
    let near =
        (any::<prop::sample::Index>(), changes(), changes(), changes()).prop_map(move |(which, a, b, c)| {
            [a, b, c].map(|changes| apply(which.get::<String>(&known), &changes))
        });
    prop_oneof![[one.clone(), one.clone(), one], near]
}

/// Reflexive, antisymmetric and transitive on three texts.
fn check_total(compare: &dyn Fn(&str, &str) -> Ordering, texts: [&str; 3]) -> Result<(), TestCaseError> {
    for a in texts {
        prop_assert_eq!(compare(a, a), Ordering::Equal, "{:?} with itself", a);
        for b in texts {
            let order = compare(a, b);
            prop_assert_eq!(order, compare(b, a).reverse(), "{:?} {:?} both ways", a, b);
            for c in texts {
                if order.is_le() && compare(b, c).is_le() {
                    prop_assert!(compare(a, c).is_le(), "{:?} <= {:?} <= {:?}", a, b, c);
                    let strict = order.is_lt() || compare(b, c).is_lt();
                    prop_assert_eq!(compare(a, c).is_lt(), strict, "{:?} {:?} {:?}", a, b, c);
                }
            }
        }
    }
    Ok(())
}

/// The schemes whose own algorithm does not take any text.
const UNDEFINED_BELOW: [&str; 7] = ["bitnami", "gem", "npm", "nuget", "packagist", "pypi", "semver"];

fn check_scheme(scheme: &dyn Scheme, texts: [&str; 3]) -> Result<(), TestCaseError> {
    check_total(&|a, b| scheme.compare(a, b), texts)?;
    if !UNDEFINED_BELOW.contains(&scheme.name()) {
        return Ok(());
    }
    for a in texts {
        for b in texts {
            let expected = match (scheme.is_valid(a), scheme.is_valid(b)) {
                (true, false) => Ordering::Greater,
                (false, false) => generic::compare(a, b),
                _ => continue,
            };
            prop_assert_eq!(scheme.compare(a, b), expected, "{:?} {:?}", a, b);
        }
    }
    Ok(())
}

#[test]
fn every_scheme_is_a_total_order() {
    for scheme in SCHEMES {
        runner()
            .run(&three(scheme.name()), |[a, b, c]| check_scheme(*scheme, [&a, &b, &c]))
            .unwrap_or_else(|error| panic!("{}: {error}", scheme.name()));
    }
}

#[test]
fn the_generic_order_is_total() {
    runner()
        .run(&three("deb"), |[a, b, c]| {
            check_total(&generic::compare, [&a, &b, &c])?;
            prop_assert_eq!(generic::compare(&a, &b).is_eq(), a == b);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_circle_is_noticed() {
    let rock_paper_scissors = |a: &str, b: &str| match (a, b) {
        ("rock", "paper") | ("paper", "scissors") | ("scissors", "rock") => Ordering::Less,
        _ if a == b => Ordering::Equal,
        _ => Ordering::Greater,
    };
    assert!(check_total(&rock_paper_scissors, ["rock", "paper", "scissors"]).is_err());
}

/// Compares a scheme with an independent one on whatever that one defines; that must be many cases.
fn check_oracle(name: &str, pattern: &str, oracle: impl Fn(&str, &str) -> Option<Ordering>) {
    let scheme = scheme(name).unwrap();
    let one = prop_oneof![pattern, from_table(name)];
    let asked = std::cell::Cell::new(0_u32);
    runner()
        .run(&(one.clone(), one), |(a, b)| {
            if let Some(expected) = oracle(&a, &b) {
                asked.set(asked.get() + 1);
                prop_assert!(scheme.is_valid(&a) && scheme.is_valid(&b), "{:?} {:?} are defined", a, b);
                prop_assert_eq!(scheme.compare(&a, &b), expected, "{:?} {:?}", a, b);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(asked.get() > CASES / 10, "{name}: only {} cases were defined", asked.get());
}

const SEMVER: &str =
    "(0|1|2|10)\\.(0|1|9)\\.(0|1|10)(-(0|1|10|a|b|alpha|a-b|-|rc1)(\\.(0|2|b|beta|10))?)?(\\+[a-c0.-]{1,3})?";

#[test]
fn semver_and_npm_agree_with_the_semver_crate() {
    for name in ["semver", "npm"] {
        check_oracle(name, SEMVER, |a, b| {
            let (a, b) = (semver::Version::parse(a).ok()?, semver::Version::parse(b).ok()?);
            Some(a.cmp_precedence(&b))
        });
    }
}

#[test]
fn pypi_agrees_with_pep440_rs() {
    let pattern = "(1!)?[0-2](\\.(0|1|10)){0,2}([._-]?(a|b|rc|c|alpha|pre)[._-]?[01]?)?(-[01]|[._-]?(post|r|rev)[0-2]?)?\
                   ([._-]?dev[._-]?[01]?)?(\\+(1|a|B|10)([._-](0|1|c))?)?";
    check_oracle("pypi", pattern, |a, b| {
        let parse = |text: &str| {
            // It takes numbers of local versions beyond 64 bits for words.
            let small = text.split(|c: char| !c.is_ascii_digit()).all(|run| run.len() < 19);
            text.parse::<pep440_rs::Version>().ok().filter(|_| small)
        };
        Some(parse(a)?.cmp(&parse(b)?))
    });
}

/// True when the epoch, if there is one, is a number.
fn epoch_is_number(text: &str) -> bool {
    text.split_once(':')
        .is_none_or(|(epoch, _)| !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()))
}

#[test]
fn rpm_agrees_with_rpm_version() {
    // Without a release the two differ on purpose: here a missing one is below an empty one.
    check_oracle("rpm", "([01]:)?[0-2a-b.+~^_]{1,6}-[0-2a-b.~^_]{1,4}", |a, b| {
        let defined = |text: &str| {
            let version = text.split_once(':').map_or(text, |(_, version)| version);
            version.split('-').count() == 2
                && version.split('-').all(|part| !part.is_empty())
                && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~^-".contains(&byte))
                && epoch_is_number(text)
        };
        (defined(a) && defined(b)).then(|| rpm_version::rpm_evr_compare(a, b))
    });
}

#[test]
fn deb_agrees_with_debversion() {
    check_oracle("deb", "([01]:)?[0-2]([0-2a-c.+~]{0,4}[0-2])?(-[0-2a-c.+~]{0,3}[0-2])?", |a, b| {
        let parse = |text: &str| {
            // It takes epochs that are no numbers and revisions with colons, which dpkg refuses, and where a
            // part ends without a digit it does not know the 0 that dpkg sees there (`1a` = `1a0`).
            let (_, version) = text.split_once(':').unwrap_or(("", text));
            let (upstream, revision) = version.rsplit_once('-').unwrap_or((version, "0"));
            let bounded = |part: &str| {
                part.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && part.ends_with(|c: char| c.is_ascii_digit())
            };
            let asked = epoch_is_number(text)
                && bounded(upstream)
                && revision.ends_with(|c: char| c.is_ascii_digit())
                && !revision.contains(':');
            text.parse::<debversion::Version>().ok().filter(|_| asked)
        };
        Some(parse(a)?.cmp(&parse(b)?))
    });
}
