//! Which licences of the SPDX License List a text holds.
//!
//! Texts are compared as sets of runs of three words, without copyright lines, marks and case, in the spirit of SPDX's
//! matching guidelines (2.3, annex B). An index leads from each run to the licences that have it, so that one text
//! costs one look-up for each of its runs, whatever the number of licences.

use std::{collections::HashMap, sync::OnceLock};

/// Words of one run.
const RUN: usize = 3;

/// Least share of a licence's runs that a text must hold, in percent: names of holders and other wording take
/// up the rest.
const LEAST: usize = 85;

/// Least share of a licence's runs that no licence found before explains, in percent: many share sentences.
const OWN: usize = 30;

/// A licence of fewer runs cannot be told from common words.
const RUNS_MIN: usize = 14;

/// Most licences of one text.
const FOUND_MAX: usize = 64;

/// A licence that a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// SPDX id.
    pub(super) id: &'static str,
    /// How much of the licence's text is there, in percent.
    pub(super) confidence: u8,
}

/// The runs of a text, each once, sorted: what the text is compared by.
pub(super) fn runs(text: &str) -> Vec<u64> {
    let mut words: Vec<u64> = Vec::new();
    for line in text.lines() {
        if !is_copyright(line) {
            let parts = without_number(line).split(|c: char| !c.is_alphanumeric());
            words.extend(parts.filter(|word| !word.is_empty()).map(hash));
        }
    }
    let mix = |run: &[u64]| {
        run.iter().fold(0u64, |mixed, word| mixed.rotate_left(21).wrapping_mul(MULTIPLIER) ^ word)
    };
    let mut runs: Vec<u64> = words.windows(RUN).map(mix).collect();
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// A line without the mark of its list: `1.`, `(a)`, `ii)` are written in every way (matching guideline 7).
fn without_number(line: &str) -> &str {
    let start = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = start.find(|c: char| !c.is_alphanumeric()).unwrap_or(start.len());
    let is_mark = end <= 2 && start.get(end..).is_some_and(|rest| rest.starts_with(['.', ')']));
    if is_mark { start.get(end..).unwrap_or(start) } else { start }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a of the lower-case word. A collision makes two words alike, in a text that its own image brought.
fn hash(word: &str) -> u64 {
    let bytes = word.bytes().map(|byte| byte.to_ascii_lowercase());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Lines that differ from copy to copy.
fn is_copyright(line: &str) -> bool {
    let start = line.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(' && c != '\u{a9}');
    let head: String = start.chars().take(24).flat_map(char::to_lowercase).collect();
    // A sentence may begin with the word: "Copyright notice and this permission notice shall ...".
    let holder = head.strip_prefix("copyright").is_some_and(|rest| {
        let rest = rest.trim_start();
        rest.is_empty()
            || rest.starts_with(|c: char| {
                c.is_ascii_digit() || matches!(c, '(' | '\u{a9}' | '<' | '[' | ':' | '{')
            })
    });
    holder || head.starts_with("(c)") || head.starts_with('\u{a9}') || head.starts_with("all rights reserved")
}

/// One licence of the index.
struct Licence {
    id: &'static str,
    n_runs: usize,
}

struct Index {
    licences: Vec<Licence>,
    /// Runs and the licences that have them, sorted.
    by_run: Vec<(u64, u16)>,
}

impl Index {
    fn new() -> Self {
        let mut index = Self { licences: Vec::new(), by_run: Vec::new() };
        let mut twins: HashMap<Vec<u64>, &'static str> = HashMap::new();
        for (id, text) in texts() {
            let runs = runs(own_text(id, text));
            if runs.len() < RUNS_MIN {
                continue;
            }
            // Of licences with the same text the first is told.
            if twins.contains_key(&runs) {
                continue;
            }
            let Ok(number) = u16::try_from(index.licences.len()) else { break };
            index.by_run.extend(runs.iter().map(|run| (*run, number)));
            index.licences.push(Licence { id, n_runs: runs.len() });
            twins.insert(runs, id);
        }
        index.by_run.sort_unstable();
        index
    }

    fn with_run(&self, run: u64) -> impl Iterator<Item = usize> + '_ {
        let start = self.by_run.partition_point(|(known, _)| *known < run);
        let rest = self.by_run.get(start..).unwrap_or_default();
        rest.iter().take_while(move |(known, _)| *known == run).map(|(_, licence)| usize::from(*licence))
    }

    /// The licences that a text holds, the largest part of it first.
    ///
    /// Many licences hold others (MIT is a part of JSON's): the one that explains most of the text is taken with its
    /// runs, then the next of what is left.
    fn find(&self, runs: &[u64]) -> Vec<Found> {
        let mut held: HashMap<usize, Vec<u64>> = HashMap::new();
        for run in runs {
            for licence in self.with_run(*run) {
                held.entry(licence).or_default().push(*run);
            }
        }
        let share = |licence: usize, n: usize| self.licences.get(licence).map_or(0, |l| n * 100 / l.n_runs);
        held.retain(|licence, runs| share(*licence, runs.len()) >= LEAST);
        let totals: HashMap<usize, usize> =
            held.iter().map(|(licence, runs)| (*licence, runs.len())).collect();
        let mut found = Vec::new();
        while found.len() < FOUND_MAX {
            // What a licence explains, less a part of what it has beyond the text; then the order of the list.
            let worth = |(licence, runs): &(&usize, &Vec<u64>)| {
                let n_runs = self.licences.get(**licence).map_or(0, |l| l.n_runs);
                let missing = n_runs.saturating_sub(totals.get(*licence).copied().unwrap_or(0));
                ((runs.len() * 4).saturating_sub(missing), std::cmp::Reverse(**licence))
            };
            let Some(licence) = held.iter().max_by_key(worth).map(|(licence, _)| *licence) else { break };
            let Some(taken) = held.remove(&licence) else { break };
            let total = totals.get(&licence).copied().unwrap_or(0);
            let confidence = u8::try_from(share(licence, total).min(100)).unwrap_or(100);
            found.extend(self.licences.get(licence).map(|l| Found { id: l.id, confidence }));
            held.retain(|other, runs| {
                runs.retain(|run| taken.binary_search(run).is_err());
                share(*other, runs.len()) >= OWN
            });
        }
        found
    }
}

/// The ids that are told, with their texts, best first: current ids before old ones, `-only` for a GNU licence, whose
/// text is the same whether later versions may be used or not, and OSI's before others of the same text.
fn texts() -> Vec<(&'static str, &'static str)> {
    let mut texts = Vec::with_capacity(spdx::text::LICENSE_TEXTS.len());
    for (id, text) in spdx::text::LICENSE_TEXTS {
        let Some(licence) = spdx::license_id(id) else { continue };
        let is_bare_gnu = licence.is_gnu() && !id.ends_with("-only");
        if !licence.is_deprecated() && !is_bare_gnu && *id != "NOASSERTION" && *id != "NONE" {
            texts.push((!licence.is_osi_approved(), id.len(), *id, *text));
        }
    }
    texts.sort_unstable();
    texts.into_iter().map(|(_, _, id, text)| (id, text)).collect()
}

/// SPDX's text of LGPL-3.0 goes on with that of the GPL, which it refers to and which lies in a file of its own.
fn own_text<'a>(id: &str, text: &'a str) -> &'a str {
    let end =
        if id.starts_with("LGPL-3.0") { text.find("GNU GENERAL PUBLIC LICENSE\nVersion 3") } else { None };
    let end = end.or_else(|| {
        // However the heading is broken into lines.
        let second = text.match_indices("GNU GENERAL PUBLIC LICENSE").map(|(at, _)| at).find(|at| *at > 1000);
        second.filter(|_| id.starts_with("LGPL-3.0"))
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(Index::new)
}

/// The licences that a text with these runs holds.
pub(super) fn find(runs: &[u64]) -> Vec<Found> {
    index().find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<&'static str> {
        find(&runs(text)).into_iter().map(|found| found.id).collect()
    }

    fn text_of(id: &str) -> &'static str {
        spdx::text::LICENSE_TEXTS.iter().find(|(name, _)| *name == id).unwrap().1
    }

    #[test]
    fn every_text_of_the_list_is_found() {
        let mut wrong = Vec::new();
        for (id, text) in texts() {
            let own = runs(own_text(id, text));
            if own.len() < RUNS_MIN {
                continue;
            }
            let found = find(&own);
            let twin = found.first().is_some_and(|first| runs(own_text(first.id, text_of(first.id))) == own);
            if !twin || found[0].confidence != 100 {
                wrong.push(format!("{id}: {found:?}"));
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn usual_licences_keep_their_names() {
        for id in [
            "MIT",
            "ISC",
            "Apache-2.0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "BSD-4-Clause",
            "GPL-2.0-only",
            "GPL-3.0-only",
            "LGPL-2.1-only",
            "LGPL-3.0-only",
            "AGPL-3.0-only",
            "MPL-2.0",
            "EPL-2.0",
            "Unlicense",
            "CC0-1.0",
            "Zlib",
            "0BSD",
            "BSL-1.0",
            "Artistic-2.0",
            "PSF-2.0",
            "OpenSSL",
            "JSON",
            "MIT-0",
            "X11",
            "Pixar",
        ] {
            assert_eq!(ids(own_text(id, text_of(id))), [id]);
        }
    }

    #[test]
    fn names_of_holders_do_not_matter() {
        let mit = text_of("MIT")
            .replace("<year> <copyright holders>", "2020-2024 Keeper & Sons, all rights reserved");
        assert_eq!(ids(&mit), ["MIT"]);
        assert_eq!(ids(&mit.to_uppercase().replace('\n', "\r\n * ")), ["MIT"]);
        let bsd = text_of("BSD-3-Clause").replace(
            "the copyright holder nor the names of its contributors",
            "Keeper Inc. nor the names of its staff",
        );
        assert_eq!(ids(&bsd), ["BSD-3-Clause"]);
        assert_eq!(
            ids(&bsd.replace("1. ", "  * ").replace("2. ", "(b) ").replace("3. ", "")),
            ["BSD-3-Clause"]
        );
        // Most copies of Apache's licence lack the appendix.
        let apache = text_of("Apache-2.0");
        let end = apache.find("END OF TERMS").unwrap();
        assert_eq!(ids(&apache[..end]), ["Apache-2.0"]);
    }

    #[test]
    fn several_licences_of_one_text_are_found() {
        let both = format!("Either of these:\n\n{}\n\n----\n\n{}", text_of("MIT"), text_of("Apache-2.0"));
        assert_eq!(ids(&both), ["Apache-2.0", "MIT"]);
        assert_eq!(ids("This program is proprietary. All rights reserved. Do not copy it."), [""; 0]);
        assert_eq!(ids(""), [""; 0]);
        assert_eq!(ids(&text_of("MIT")[..300]), [""; 0]);
    }
}
