//! Every rule by example; what no rule may do: leak, grow without bound, or depend on how bytes arrive.

mod speed;

use std::{collections::BTreeMap, fmt::Write as _};

use model::{ImageConfig, Inventory, image_config::HistoryLine};
use serde::Deserialize;

use super::*;
use crate::{hostile, hostile::entry};

#[derive(Deserialize)]
struct Example {
    #[serde(default)]
    path: Option<String>,
    finds: String,
    #[serde(default)]
    passes: String,
}

fn examples() -> BTreeMap<String, Example> {
    toml::from_str(include_str!("examples.toml")).unwrap()
}

/// A small generator of numbers with a long period (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

/// Replaces `{class:count}` by random characters; also returns these, where there are enough to be a secret.
fn fill(template: &str, random: &mut Random) -> (String, Vec<String>) {
    let (mut text, mut filled) = (String::new(), Vec::new());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let bytes = rest.as_bytes();
        let end = rest[at..].find('}').map_or(0, |end| at + end);
        let number = rest.get(at + 3..end).and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|_| bytes.get(at + 2) == Some(&b':')) else {
            text.push('{');
            rest = &rest[at + 1..];
            continue;
        };
        let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let lower = "abcdefghijklmnopqrstuvwxyz";
        let class = match bytes[at + 1] {
            b'w' => format!("{upper}{lower}0123456789"),
            b'l' => format!("{lower}0123456789"),
            b'h' => "0123456789abcdef".into(),
            b'u' => format!("{upper}234567"),
            b'U' => format!("{upper}0123456789"),
            b'd' => "0123456789".into(),
            b'b' => format!("{upper}{lower}0123456789_-"),
            b'B' => format!("{upper}{lower}0123456789+/"),
            b'a' => format!("{upper}{lower}"),
            other => panic!("class {other}"),
        };
        let part: String =
            (0..number).map(|_| char::from(class.as_bytes()[random.below(class.len())])).collect();
        text.push_str(&part);
        filled.push(part);
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    (text, filled)
}

fn observe_at(analyzer: &dyn Analyzer, path: &str, bytes: &[u8]) -> Observation {
    let entry = Entry { size: bytes.len() as u64, ..entry(path) };
    analyzer.observe(&entry, Content::new(&mut &bytes[..], entry.size, u64::MAX))
}

fn observe(bytes: &[u8]) -> Observation {
    observe_at(&BundledSecretAnalyzer, "app/file", bytes)
}

fn secrets(observation: &Observation) -> Vec<&Secret> {
    let facts = observation.facts.iter();
    facts.filter_map(|fact| if let Fact::Secret(secret) = fact { Some(&**secret) } else { None }).collect()
}

fn rules_found(path: &str, text: &str) -> Vec<String> {
    let observation = observe_at(&BundledSecretAnalyzer, path, text.as_bytes());
    secrets(&observation).iter().map(|secret| secret.rule.clone()).collect()
}

#[test]
fn every_bundled_rule_has_an_example_and_is_sound() {
    let rules = Rules::parse("[extend]\nuseDefault = true").unwrap();
    let examples = examples();
    let ids: Vec<&str> = rules.list().iter().map(|rule| rule.id.as_str()).collect();
    for id in &ids {
        assert!(examples.contains_key(*id), "{id} has no example");
    }
    assert_eq!(ids.len(), examples.len(), "an example of no rule");
    assert!(ids.len() > 80);
    for rule in rules.list() {
        assert!(rule.has_keywords || rule.path.is_some(), "{}: every file would be searched", rule.id);
        assert_eq!(rule.has_keywords, rule.window.is_some(), "{}", rule.id);
        assert_ne!(rule.category, "other", "{}", rule.id);
    }
}

#[test]
fn every_bundled_rule_finds_its_example_and_nothing_that_looks_alike() {
    for (id, example) in examples() {
        let path = example.path.as_deref().unwrap_or("app/file");
        for seed in 1..=20 {
            let mut random = Random(seed);
            let (text, _) = fill(&example.finds, &mut random);
            // Neither the ends of lines nor what stands around it may matter.
            let around = format!("first line\nsecond\n{text}\nlast");
            for (text, line) in [(text.clone(), 1), (around.clone(), 3), (around.replace('\n', "\r\n"), 3)] {
                let observation = observe_at(&BundledSecretAnalyzer, path, text.as_bytes());
                let found = secrets(&observation);
                let own = found.iter().find(|secret| secret.rule == id);
                assert!(own.is_some(), "{id} does not find {text:?}, but {found:?}");
                // A key spread over lines begins where its first line does.
                let begins = own.map(|secret| secret.start_line);
                let is_spread = example.finds.contains('\n');
                assert!(is_spread || example.path.is_some() || begins == Some(line), "{id}: {begins:?}");
            }
            let (text, _) = fill(&example.passes, &mut random);
            let found = rules_found(path, &text);
            assert!(example.passes.is_empty() || !found.contains(&id), "{id} finds {text:?}");
        }
    }
}

#[test]
fn what_is_told_never_holds_a_secret() {
    for (id, example) in examples() {
        for seed in 100..120 {
            let mut random = Random(seed);
            let (mut text, mut parts) = (String::new(), Vec::new());
            // Several on one line: an excerpt of one must not show another.
            for separator in ["; ", " , ", "\t", "\n", " "] {
                let (one, filled) = fill(&example.finds, &mut random);
                let _ = write!(text, "{one}{separator}");
                parts.extend(filled);
            }
            let path = example.path.as_deref().unwrap_or("app/file");
            let observation = observe_at(&BundledSecretAnalyzer, path, text.as_bytes());
            let views = [FileView { path, observation: &observation, layer: Some(0) }];
            let mut merged = Merged::default();
            BundledSecretAnalyzer.finish(&Files::new(views.to_vec()), &mut merged);
            let inventory = Inventory {
                secrets: merged.secrets,
                problems: observation.problems.clone(),
                ..Inventory::default()
            };
            assert!(!inventory.secrets.is_empty(), "{id}");
            let told = serde_json::to_string(&inventory).unwrap();
            let told_in_cache = format!("{observation:?}");
            for part in parts.iter().filter(|part| part.len() >= 8) {
                // Whatever is shown of it is at its ends, and short.
                let middle = &part[part.len() / 4..part.len() - part.len() / 4];
                assert!(!told.contains(middle), "{id}: {middle} in {told}");
                assert!(!told_in_cache.contains(middle), "{id}: {middle} in what the cache keeps");
                for window in part.as_bytes().windows(7.min(part.len())) {
                    let window = std::str::from_utf8(window).unwrap();
                    assert!(!told.contains(window), "{id}: {window} in {told}");
                }
            }
        }
    }
}

#[test]
fn the_special_rule_is_told_and_not_the_general() {
    let mut random = Random(5);
    for (template, expected) in [
        ("GITHUB_TOKEN=ghp_{w:36}\n", &["github-token"][..]),
        ("password = \"glpat-{w:20}\"", &["gitlab-token"]),
        ("https://x:ghp_{w:36}@github.com", &["github-token"]),
        ("//r.test/:_authToken=npm_{w:36}\n", &["npm-token"]),
        ("a = ghp_{w:36}\nb = glpat-{w:20}\n", &["github-token", "gitlab-token"]),
    ] {
        let (text, _) = fill(template, &mut random);
        assert_eq!(rules_found("a", &text), expected, "{text}");
    }
}

#[test]
fn ordinary_files_hold_no_secrets() {
    for text in [
        "import os\n\ndef token(self):\n    return self._tokens[self.index]\n",
        "PASSWORD_HASHERS = ['django.contrib.auth.hashers.PBKDF2PasswordHasher']\n",
        "password: ${DB_PASSWORD}\npassword: changeme\nsecretName: tls-certificate\ntokenEndpoint: https://id.test/token\n",
        "const token = tokens.nextToken2();\nif (token === 'identifier') {}\n",
        "# password = <your password>\napi_key = YOUR-API-KEY-HERE\n",
        "see https://example.test/a:b/c@d and mailto:a@b.test\n",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
        "PATH=/usr/local/bin:/usr/bin\nHOME=/root\n",
    ] {
        assert_eq!(rules_found("a", text), [""; 0], "{text}");
    }
}

#[test]
fn is_found_wherever_in_a_large_file_it_lies() {
    let (secret, _) = fill("GITHUB_TOKEN=ghp_{w:36}\n", &mut Random(3));
    let line = "nothing to be seen on this line of text\n";
    let len = 2 * PIECE + 10 * SHARED;
    let lines = len / line.len();
    for at in (0..lines).step_by(97).chain(near_the_joints(line.len())) {
        let mut text = line.repeat(lines);
        text.replace_range(at * line.len()..at * line.len(), &secret);
        let observation = observe(text.as_bytes());
        let found = secrets(&observation);
        assert_eq!(found.len(), 1, "at line {at}");
        assert_eq!(found[0].start_line as usize, at + 1);
    }
}

fn near_the_joints(line: usize) -> impl Iterator<Item = usize> {
    [PIECE + LOOK_BACK, PIECE + LOOK_BACK + SHARED, PIECE]
        .into_iter()
        .flat_map(move |joint| (joint / line - 30..joint / line + 30).step_by(2))
}

#[test]
fn hostile_files_are_told_in_bounds() {
    let mut random = Random(9);
    let one: String = (0..20_000).map(|_| fill("ghp_{w:36} ", &mut random).0).collect();
    let million = one.repeat(50);
    let minified = "password:\"\",token=a.b,secret=function(){},api_key:x://:@,".repeat(180_000);
    let started = std::time::Instant::now();
    for text in [&million, &minified] {
        let observation = observe(text.as_bytes());
        assert!(secrets(&observation).len() <= FILE_SECRETS_MAX);
        assert!(observation.problems.len() <= 2, "{:?}", observation.problems);
        assert!(observation.approximate_bytes() < 100_000);
        assert_eq!(observe(text.as_bytes()), observation);
    }
    let observation = observe(million.as_bytes());
    assert_eq!(secrets(&observation).len(), FILE_SECRETS_MAX);
    assert!(!observation.problems.is_empty());
    // Generous: unoptimised, beside other tests. Without the budget this takes minutes.
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}

#[test]
fn survives_hostile_bytes() {
    let texts: Vec<String> = ["private-key", "github-token", "assigned-secret", "url-password"]
        .into_iter()
        .map(|id| fill(&examples()[id].finds, &mut Random(4)).0)
        .collect();
    let seeds: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    hostile::check(observe, &seeds);
}

#[test]
fn binary_files_are_not_searched() {
    let (text, _) = fill("ghp_{w:36}", &mut Random(1));
    assert_eq!(secrets(&observe(text.as_bytes())).len(), 1);
    assert_eq!(observe(format!("\0{text}").as_bytes()), Observation::default());
    let late = format!("{}\0{text}", " ".repeat(SNIFF));
    assert_eq!(secrets(&observe(late.as_bytes())).len(), 1);
}

#[test]
fn wants_text_and_leaves_what_distributions_ship() {
    let wants = |path: &str, size| BundledSecretAnalyzer.wants(&Entry { size, ..entry(path) });
    assert_ne!(wants("app/.env", 10), Want::No);
    assert_ne!(wants("app/key.p12", 10), Want::No);
    assert_eq!(wants("usr/lib/libc.so.6", 10), Want::No);
    assert_eq!(wants("app/data.csv", FILE_MAX + 1), Want::No);
}

#[test]
fn the_configuration_is_searched_part_by_part() {
    let mut random = Random(8);
    let mut secret = |template: &str| fill(template, &mut random).0;
    let config = ImageConfig {
        env: vec!["PATH=/bin".into(), secret("API_TOKEN=7{w:24}"), secret("GH=ghp_{w:36}")],
        labels: [("note".to_owned(), secret("glpat-{w:20}"))].into(),
        cmd: vec!["app".into(), "--db".into(), secret("postgres://app:{w:12}@db.test/x")],
        healthcheck: vec!["CMD-SHELL".into(), secret("curl -H 'Authorization: Bearer 7{w:30}' localhost")],
        history: vec![
            HistoryLine { created_by: "/bin/sh -c #(nop) CMD [\"sh\"]".into(), ..HistoryLine::default() },
            HistoryLine { created_by: secret("RUN npm config set t npm_{w:36}"), ..HistoryLine::default() },
        ],
        ..ImageConfig::default()
    };
    let mut merged = Merged::default();
    BundledSecretAnalyzer.config_analyzer().unwrap().finish_config(&config, &mut merged);
    let mut found: Vec<String> =
        merged.secrets.iter().map(|s| format!("{}: {}", s.place.as_str(), s.rule)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "cmd: url-password",
            "env API_TOKEN: environment-secret",
            "env GH: github-token",
            "healthcheck: bearer-token",
            "history 2: npm-token",
            "label note: gitlab-token",
        ]
    );
    assert!(merged.secrets.iter().all(|s| s.layer.is_none() && !s.deleted && s.start_line == 1));
}

#[test]
fn an_image_tells_a_bounded_number() {
    let text = (0..100).map(|n| fill("ghp_{w:36}\n", &mut Random(n + 1)).0).collect::<String>();
    let observation = observe(text.as_bytes());
    let paths: Vec<String> = (0..60).map(|n| format!("f{n}")).collect();
    let views = paths.iter().map(|path| FileView { path, observation: &observation, layer: None }).collect();
    let mut merged = Merged::default();
    BundledSecretAnalyzer.finish(&Files::new(views), &mut merged);
    assert_eq!(merged.secrets.len(), IMAGE_SECRETS_MAX);
    assert_eq!(merged.problems[0].code, ProblemCode::TooManyItems);
}

fn own(rules: &str) -> SecretAnalyzer {
    SecretAnalyzer::new(Rules::parse(rules).unwrap())
}

fn found_by(analyzer: &SecretAnalyzer, path: &str, text: &str) -> usize {
    secrets(&observe_at(analyzer, path, text.as_bytes())).len()
}

#[test]
fn rules_of_a_user_mean_what_gitleaks_says() {
    let check = |rules: &str, path: &str, text: &str, expected: usize| {
        assert_eq!(found_by(&own(rules), path, text), expected, "{rules}\n{path}: {text}");
    };
    let rule = "[[rules]]\nid = 'r'\ndescription = 'd'\nregex = '''key-(\\w+)-(\\w+)'''\n";
    let with = |more: &str| format!("{rule}{more}");
    check(rule, "a", "x key-abc-def y", 1);
    // A keyword need only stand somewhere in the file.
    let keyword = with("keywords = ['ACME']");
    check(&keyword, "a", "key-abc-def", 0);
    check(&keyword, "a", &format!("acme {} key-abc-def", " ".repeat(5000)), 1);
    check(&with("entropy = 2"), "a", "key-abc-aaaa", 0);
    check(&with("entropy = 2\nsecretGroup = 2"), "a", "key-aaa-abcdefgh", 1);
    check(&with("path = '''\\.env$'''"), "a/.env", "key-abc-def", 1);
    check(&with("path = '''\\.env$'''"), "a/env", "key-abc-def", 0);
    let allow = |list: &str| with(&format!("[[rules.allowlists]]\n{list}"));
    check(&allow("regexes = ['^abc$']"), "a", "key-abc-def", 0);
    check(&allow("regexes = ['^def$']"), "a", "key-abc-def", 1);
    check(&allow("regexes = ['def$']\nregexTarget = 'match'"), "a", "key-abc-def", 0);
    check(&allow("regexes = ['fine']\nregexTarget = 'line'"), "a", "fine key-abc-def", 0);
    check(&allow("regexes = ['fine']\nregexTarget = 'line'"), "a", "fine\nkey-abc-def", 1);
    check(&allow("stopwords = ['BC']"), "a", "key-abc-def", 0);
    check(&allow("paths = ['^a/']\ncommits = ['1234567']"), "a/b", "key-abc-def", 0);
    check(&allow("paths = ['^a/']\nregexes = ['^abc$']\ncondition = 'AND'"), "a/b", "key-xyz-def", 1);
    check(&allow("paths = ['^a/']\nregexes = ['^abc$']\ncondition = 'AND'"), "a/b", "key-abc-def", 0);
    check(&with("[rules.allowlist]\nregexes = ['^abc$']"), "a", "key-abc-def", 0);
    check(&with("[allowlist]\nstopwords = ['abc']"), "a", "key-abc-def", 0);
    check(&with("[[allowlists]]\ntargetRules = ['other']\nstopwords = ['abc']"), "a", "key-abc-def", 1);
    check("[[rules]]\nid = 'p'\npath = 'secret$'", "a/secret", "anything", 1);
}

#[test]
fn the_bundled_rules_can_be_extended_and_left_out() {
    let (text, _) = fill("ghp_{w:36}\nACME-12\n", &mut Random(2));
    let rule = "[[rules]]\nid = 'acme'\nregex = 'ACME-\\d+'\n";
    assert_eq!(found_by(&own(rule), "a", &text), 1);
    assert_eq!(found_by(&own(&format!("{rule}[extend]\nuseDefault = true")), "a", &text), 2);
    let less = "[extend]\nuseDefault = true\ndisabledRules = ['github-token']";
    assert_eq!(found_by(&own(less), "a", &text), 0);
    assert_ne!(own(rule).fingerprint(), own(less).fingerprint());
    assert_ne!(own(less).fingerprint(), BundledSecretAnalyzer.fingerprint());
    let analyzer = own(&format!("{rule}[allowlist]\npaths = ['^vendor/']"));
    assert_eq!(analyzer.wants(&entry("vendor/x")), Want::No);
    assert_ne!(analyzer.wants(&entry("src/x")), Want::No);
}

#[test]
fn what_is_wrong_with_rules_is_said() {
    let check = |rules: &str, expected: &str| {
        let error = Rules::parse(rules).map(|_| ()).unwrap_err();
        let text = model::problem::explain(&error);
        assert!(text.contains(expected), "{rules}: {text}");
    };
    check("rules = 1", "not the TOML expected");
    check("[[rules]\n", "not the TOML expected");
    check("[[rules]]\nregex = 'a'", "rule 1 (counted from 1) has no id");
    check("[[rules]]\nid = 'a'", "neither regex nor path");
    check(
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules]]\nid = 'a'\nregex = 'b'",
        "two rules have the id \"a\"",
    );
    check("[[rules]]\nid = 'a'\nregex = '(a'", "rule \"a\": regex is no regular expression");
    check("[[rules]]\nid = 'a'\nregex = '\\pL'", "rule \"a\": regex");
    check("[[rules]]\nid = 'a'\nregex = '(?:[a-z]{1000}){1000}'", "size limit");
    check("[[rules]]\nid = 'a'\nregex = 'a'\npath = '['", "path is no regular expression");
    check("[[rules]]\nid = 'a'\nregex = '(a)'\nsecretGroup = 2", "secretGroup must be");
    check("[[rules]]\nid = 'a'\nregex = 'a'\nentropy = 9", "entropy must be");
    check("[[rules]]\nid = 'a'\nregex = 'a'\nseverity = 'awful'", "severity must be");
    check("[[rules]]\nid = 'a'\nregex = 'a'\nwindow = 5", "window must be absent");
    check("[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.required]]\nid = 'b'", "not supported");
    check(
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexes = ['(']",
        "regexes of an allow list",
    );
    check(
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexTarget = 'file'",
        "regexTarget must be",
    );
    check("[extend]\nurl = 'https://x.test'", "not supported");
    check(&"[[rules]]\nid = 'a'\nregex = 'a'\n".repeat(RULES_MAX_TESTED), "more than 2000 rules");
    check(&" ".repeat(rules::FILE_BYTES_MAX + 1), "which is more than");
}

const RULES_MAX_TESTED: usize = rules::RULES_MAX + 1;
