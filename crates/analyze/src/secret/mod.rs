//! Passwords, keys and tokens in files and in the configuration of an image.
//!
//! Rules are gitleaks' TOML ([`rules`]), a set of our own is bundled (`rules.toml`). Text files of any length are
//! read in pieces; a file with a NUL byte in its first kilobyte is binary and not searched, nor is what
//! [`skip`] names. What is found is masked at once ([`mask`]): no secret leaves this module, goes into the layer
//! cache or into a message. Whether a secret is still valid is never tried.

pub mod compile;
mod config;
mod entropy;
mod mask;
mod matcher;
pub mod rules;
mod skip;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Read as _},
    ops::Range,
    sync::LazyLock,
};

use model::{Place, Problem, ProblemCode, ScanType, Secret};

use self::matcher::{Budget, Hit};
pub use self::{compile::Rules, rules::RulesError};
use crate::{
    Analyzer, ConfigAnalyzer, Content, Entry, EntryKind, Fact, FileView, Files, Merged, Observation, Want,
};

/// The rules that are used when no others are given.
pub const BUNDLED_TEXT: &str = include_str!("rules.toml");

/// Files above this size are data, not settings, and are left alone.
const FILE_MAX: u64 = 256 << 20;
/// Bytes looked at to tell text from binary.
const SNIFF: usize = 1024;
/// Bytes searched at once.
const PIECE: usize = 1 << 20;
/// What two pieces share: what begins in the first half is found in this piece, else in the next.
const SHARED: usize = 32 << 10;
/// How far a match may look back, in bytes.
const LOOK_BACK: usize = 1 << 10;
/// Most secrets told of one file.
const FILE_SECRETS_MAX: usize = 100;
/// Most secrets of one file that are found, so that they can be masked, though not all are told.
const FILE_HITS_MAX: usize = 5_000;
/// Most secrets told of one image.
const IMAGE_SECRETS_MAX: usize = 5_000;
/// Bytes that expressions may search, for each byte of a file, beyond the first megabyte.
const WORK_FACTOR: usize = 8;

/// Looks for secrets by some rules.
#[derive(Debug)]
pub struct SecretAnalyzer {
    rules: Rules,
}

/// Looks for secrets by the bundled rules.
#[derive(Debug)]
pub struct BundledSecretAnalyzer;

static BUNDLED: LazyLock<SecretAnalyzer> = LazyLock::new(|| {
    // The bundled rules are tested; without any, a scan would still say so by finding nothing in those tests.
    SecretAnalyzer::new(Rules::bundled().unwrap_or_else(|error| {
        #[expect(clippy::panic, reason = "the bundled text is part of this program, and a test reads it")]
        {
            panic!("bundled secret rules: {error}")
        }
    }))
});

/// One find in bytes, masked.
pub(crate) struct Found<'a> {
    rule: &'a compile::Rule,
    lines: Range<u32>,
    excerpt: String,
}

impl SecretAnalyzer {
    /// Looks for secrets by these rules.
    pub const fn new(rules: Rules) -> Self {
        Self { rules }
    }

    fn active(&self, path: &str) -> Vec<bool> {
        self.rules.list().iter().map(|rule| rule.is_for_path(path)).collect()
    }

    fn search(&self, entry: &Entry<'_>, mut content: Content<'_>) -> io::Result<Observation> {
        let mut out = Observation::default();
        let active = self.active(entry.path);
        for (rule, _) in
            self.rules.list().iter().zip(&active).filter(|(rule, on)| **on && rule.regex.is_none())
        {
            out.facts.push(fact(&Found { rule, lines: 1..1, excerpt: "the file itself".into() }));
        }
        let size = usize::try_from(content.size()).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size.min(PIECE) + 1);
        (&mut content).take(SNIFF as u64).read_to_end(&mut bytes)?;
        if memchr::memchr(0, &bytes).is_some() {
            return Ok(out);
        }
        let mut budget =
            Budget { bytes: size.saturating_mul(WORK_FACTOR).saturating_add(1 << 20), hits: FILE_HITS_MAX };
        // Bytes at the front that were searched with the piece before, and the lines before them.
        let (mut known, mut line, mut beyond) = (0, 1u32, 0usize);
        loop {
            let room = (PIECE + SHARED + LOOK_BACK).saturating_sub(bytes.len());
            let n_read = (&mut content).take(room as u64).read_to_end(&mut bytes)?;
            let is_last = n_read < room;
            let until = if is_last { usize::MAX } else { bytes.len().saturating_sub(SHARED) };
            for found in self.find(entry.path, &active, &bytes, known..until, line, &mut budget) {
                if out.facts.len() < FILE_SECRETS_MAX {
                    out.facts.push(fact(&found));
                } else {
                    beyond += 1;
                }
            }
            if is_last || budget.is_exhausted() {
                break;
            }
            let keep_from = until.saturating_sub(LOOK_BACK);
            line = line.saturating_add(count_lines(bytes.get(..keep_from).unwrap_or_default()));
            bytes.drain(..keep_from);
            known = until - keep_from;
        }
        if beyond > 0 {
            let text =
                format!("at least {beyond} secrets beyond {FILE_SECRETS_MAX} of this file are not told");
            out.problems.push(Problem::new(ProblemCode::TooManyItems, text));
        }
        if budget.is_exhausted() {
            let text = "so much of it looks like secrets that the rest was not searched";
            out.problems.push(Problem::new(ProblemCode::TooManyItems, text));
        }
        Ok(out)
    }

    /// What is found in `bytes` by matches that begin within `range`; `line` is the number of the first.
    fn find(
        &self,
        path: &str,
        active: &[bool],
        bytes: &[u8],
        range: Range<usize>,
        line: u32,
        budget: &mut Budget,
    ) -> Vec<Found<'_>> {
        let hits = matcher::find(&self.rules, path, active, bytes, budget);
        let secrets: Vec<Range<usize>> = hits.iter().map(|hit| hit.secret.clone()).collect();
        let (mut at, mut line) = (0, line);
        let mut found = Vec::new();
        for hit in most_special(&hits).into_iter().filter(|hit| range.contains(&hit.start)) {
            let Some(rule) = self.rules.list().get(usize::from(hit.rule)) else { continue };
            line = line.saturating_add(count_lines(bytes.get(at..hit.secret.start).unwrap_or_default()));
            at = hit.secret.start;
            let inside = bytes.get(hit.secret.clone()).unwrap_or_default();
            let last = line.saturating_add(count_lines(inside));
            let near = neighbours(&secrets, &hit.secret);
            found.push(Found { rule, lines: line..last, excerpt: mask::excerpt(bytes, &hit.secret, near) });
        }
        found
    }

    /// What is found in one short text.
    pub(crate) fn find_in_text(&self, text: &str) -> Vec<Found<'_>> {
        let active: Vec<bool> = self.rules.list().iter().map(|rule| rule.path.is_none()).collect();
        let bytes = text.as_bytes();
        let mut budget =
            Budget { bytes: (bytes.len() * WORK_FACTOR).saturating_add(1 << 20), hits: FILE_SECRETS_MAX };
        self.find("", &active, bytes, 0..usize::MAX, 1, &mut budget)
    }
}

/// The secrets that may stand in the excerpt of one: all that touch some 2,000 bytes around it. They are sorted by
/// start; a very long one far before it is of no line that is shown.
fn neighbours<'a>(secrets: &'a [Range<usize>], own: &Range<usize>) -> &'a [Range<usize>] {
    let low = own.start.saturating_sub(10_000);
    let from = secrets.partition_point(|secret| secret.start < low);
    let to = secrets.partition_point(|secret| secret.start < own.end.saturating_add(2_000));
    secrets.get(from..to).unwrap_or_default()
}

/// Of finds that overlap, the one whose rule comes first.
fn most_special(hits: &[Hit]) -> Vec<&Hit> {
    let mut kept: Vec<&Hit> = Vec::new();
    for hit in hits {
        match kept.last_mut() {
            Some(last) if hit.secret.start < last.secret.end => {
                if hit.rule < last.rule {
                    *last = hit;
                }
            }
            _ => kept.push(hit),
        }
    }
    kept
}

fn count_lines(bytes: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX)
}

fn fact(found: &Found<'_>) -> Fact {
    Fact::Secret(Box::new(secret(found, Place::File(String::new()))))
}

pub(crate) fn secret(found: &Found<'_>, place: Place) -> Secret {
    Secret {
        place,
        start_line: found.lines.start,
        end_line: found.lines.end,
        rule: found.rule.id.clone(),
        title: found.rule.title.clone(),
        category: found.rule.category.clone(),
        severity: found.rule.severity,
        excerpt: found.excerpt.clone(),
        layer: None,
        deleted: false,
    }
}

fn add(merged: &mut Merged, view: FileView<'_>, deleted: bool) {
    for fact in &view.observation.facts {
        let Fact::Secret(secret) = fact else { continue };
        let place = Place::File(view.path.to_owned());
        merged.secrets.push(Secret { place, layer: view.layer, deleted, ..(**secret).clone() });
    }
}

impl Analyzer for SecretAnalyzer {
    fn name(&self) -> &'static str {
        "secret"
    }

    fn version(&self) -> u32 {
        1
    }

    fn scan_type(&self) -> ScanType {
        ScanType::Secret
    }

    fn fingerprint(&self) -> u64 {
        self.rules.fingerprint()
    }

    fn goes_by_content(&self) -> bool {
        true
    }

    fn sees_hidden(&self) -> bool {
        true
    }

    fn config_analyzer(&self) -> Option<&dyn ConfigAnalyzer> {
        Some(self)
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let is_of_interest =
            entry.kind == EntryKind::File && entry.size <= FILE_MAX && !skip::is_skipped(entry.path);
        if is_of_interest && !self.rules.allows_path(entry.path) {
            Want::Content { max: FILE_MAX }
        } else {
            Want::No
        }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        self.search(entry, content).unwrap_or_else(|error| Observation::unreadable(&error))
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        files.iter().for_each(|view| add(merged, view, false));
        files.hidden().for_each(|view| add(merged, view, true));
        let n_secrets = merged.secrets.len();
        if n_secrets > IMAGE_SECRETS_MAX {
            merged.secrets.truncate(IMAGE_SECRETS_MAX);
            let text = format!("{n_secrets} secrets, of which {IMAGE_SECRETS_MAX} are told");
            merged.problems.push(Problem::new(ProblemCode::TooManyItems, text));
        }
    }
}

impl Analyzer for BundledSecretAnalyzer {
    fn name(&self) -> &'static str {
        BUNDLED.name()
    }

    fn version(&self) -> u32 {
        BUNDLED.version()
    }

    fn scan_type(&self) -> ScanType {
        ScanType::Secret
    }

    fn fingerprint(&self) -> u64 {
        BUNDLED.fingerprint()
    }

    fn goes_by_content(&self) -> bool {
        true
    }

    fn sees_hidden(&self) -> bool {
        true
    }

    fn config_analyzer(&self) -> Option<&dyn ConfigAnalyzer> {
        BUNDLED.config_analyzer()
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        BUNDLED.wants(entry)
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        BUNDLED.observe(entry, content)
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        BUNDLED.finish(files, merged);
    }
}
