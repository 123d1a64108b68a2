//! Where in some bytes the rules find something.
//!
//! One automaton finds the keywords of all rules in one run. Around each keyword a rule has a window; windows of
//! one rule that touch are joined, and only there its expression is searched. So a rule reads no byte twice, and
//! text without keywords costs one look at every byte. Bytes searched by expressions are counted against a budget:
//! a file made of nothing but keywords must not take minutes.

use std::ops::Range;

use super::{
    compile::{Rule, Rules, Suspect},
    entropy::shannon,
};

/// Most bytes of a line that an allow list sees.
const LINE_MAX: usize = 1000;
/// Most that the end of a window is put off, for a match that reaches it.
const GROWTH_MAX: usize = 64 << 10;

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Number of the rule.
    pub(super) rule: u16,
    /// Where the match begins.
    pub(super) start: usize,
    /// Where the secret lies.
    pub(super) secret: Range<usize>,
}

/// What is left of the limits of one file.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// Bytes that expressions may search.
    pub(super) bytes: usize,
    /// Finds that are kept.
    pub(super) hits: usize,
}

impl Budget {
    /// Whether a limit was met.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.bytes == 0 || self.hits == 0
    }
}

/// Finds what the rules look for in `bytes`, of a file at `path`, sorted by position. `active` tells for each rule
/// whether it is for this path.
pub(super) fn find(
    rules: &Rules,
    path: &str,
    active: &[bool],
    bytes: &[u8],
    budget: &mut Budget,
) -> Vec<Hit> {
    let mut search = Search { rules, path, bytes, budget, hits: Vec::new() };
    let list = rules.list();
    let is_active = |number: usize| active.get(number).copied().unwrap_or(false);
    // The window of each rule that is not searched yet; empty: none.
    let mut open: Vec<Range<usize>> = vec![0..0; list.len()];
    let mut whole: Vec<bool> =
        list.iter().enumerate().map(|(n, rule)| is_active(n) && !rule.has_keywords).collect();
    let mut overlapping = aho_corasick::automaton::OverlappingState::start();
    let input = aho_corasick::Input::new(bytes);
    loop {
        rules.keywords().find_overlapping(input.clone(), &mut overlapping);
        let Some(found) = overlapping.get_match() else { break };
        for &number in rules.of_keyword(found.pattern().as_usize()) {
            let at = usize::from(number);
            let (Some(rule), Some(window)) = (list.get(at), open.get_mut(at)) else { continue };
            let Some(reach) = rule.window else {
                if let Some(whole) = whole.get_mut(at) {
                    *whole = is_active(at);
                }
                continue;
            };
            let start = found.start().saturating_sub(reach);
            let end = found.end().saturating_add(reach).min(bytes.len());
            if window.start >= window.end {
                if is_active(at) {
                    *window = start..end;
                }
            } else if start <= window.end {
                window.end = end.max(window.end);
            } else {
                let full = std::mem::replace(window, start..end);
                search.window(number, rule, full);
            }
        }
        if search.budget.is_exhausted() {
            break;
        }
    }
    for ((number, rule), (window, whole)) in (0u16..).zip(list).zip(open.into_iter().zip(whole)) {
        if whole {
            search.window(number, rule, 0..bytes.len());
        } else if !window.is_empty() {
            search.window(number, rule, window);
        }
    }
    let mut hits = search.hits;
    hits.sort_by_key(|hit| (hit.secret.start, hit.rule, hit.secret.end));
    hits
}

struct Search<'a> {
    rules: &'a Rules,
    path: &'a str,
    bytes: &'a [u8],
    budget: &'a mut Budget,
    hits: Vec<Hit>,
}

impl Search<'_> {
    /// Searches one window with the expression of one rule.
    fn window(&mut self, number: u16, rule: &Rule, window: Range<usize>) {
        let Some(regex) = rule.regex.as_ref() else { return };
        let bytes = self.bytes;
        if let Some(near) = &rule.near
            && near.find(bytes.get(window.clone()).unwrap_or_default()).is_none()
        {
            return;
        }
        let Some(regex) = regex.get() else { return };
        let Range { start: mut at, mut end } = window;
        let mut growth = rule.window.unwrap_or(0).max(64);
        while at < end {
            if self.budget.is_exhausted() {
                return;
            }
            let Some(seen) = bytes.get(..end) else { return };
            let Some(captures) = regex.captures_at(seen, at) else {
                self.spend(end - at);
                return;
            };
            let Some(matched) = captures.get(0) else { return };
            self.spend(matched.end().saturating_sub(at).max(1));
            // What reaches the end of the window may be longer, or no match at all, when more is seen of it.
            if matched.end() == end && end < bytes.len() && growth <= GROWTH_MAX {
                end = (end + growth).min(bytes.len());
                growth *= 2;
                continue;
            }
            let secret = match rule.group {
                0 => captures.iter().skip(1).flatten().find(|group| !group.is_empty()).unwrap_or(matched),
                group => captures.get(group).unwrap_or(matched),
            };
            at = matched.end().max(at + 1);
            if !secret.is_empty()
                && matched.start() < window.end
                && self.is_secret(rule, matched.range(), secret.range())
            {
                self.hits.push(Hit { rule: number, start: matched.start(), secret: secret.range() });
                self.budget.hits = self.budget.hits.saturating_sub(1);
            }
            // Two secrets may share the byte between them.
            if secret.end() < at && secret.end() > matched.start() {
                at = secret.end();
            }
        }
    }

    fn spend(&mut self, bytes: usize) {
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
    }

    fn is_secret(&self, rule: &Rule, matched: Range<usize>, secret: Range<usize>) -> bool {
        let part = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        let line = line_around(self.bytes, &matched);
        let suspect = Suspect {
            path: self.path,
            secret: part(secret.clone()),
            matched: part(matched),
            line: part(line),
        };
        rule.entropy.is_none_or(|least| shannon(part(secret)) > least) && !self.rules.allows(rule, &suspect)
    }
}

/// The line or lines that hold a range, at most [`LINE_MAX`] bytes on either side.
fn line_around(bytes: &[u8], range: &Range<usize>) -> Range<usize> {
    let low = range.start.saturating_sub(LINE_MAX);
    let high = range.end.saturating_add(LINE_MAX).min(bytes.len());
    let before = bytes.get(low..range.start).and_then(|part| memchr::memrchr(b'\n', part));
    let after = bytes.get(range.end..high).and_then(|part| memchr::memchr(b'\n', part));
    before.map_or(low, |at| low + at + 1)..after.map_or(high, |at| range.end + at)
}
