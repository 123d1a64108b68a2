//! Severities as OSV records carry them: CVSS vectors, and words in many places.

use model::{Severity, advisory::Rating};

use super::record;
use crate::score::base_tenths;

/// The rating of a list of severities and a word from elsewhere. The word of `Ubuntu` entries goes first, then
/// the given one, then the score. Of several vectors the newest CVSS version's counts.
pub(super) fn rating(entries: &[record::Severity], word: Option<Severity>) -> Rating {
    let mut rating = Rating::default();
    let mut newest = 0;
    let mut own_word = None;
    for entry in entries {
        let version = match entry.kind.as_str() {
            "CVSS_V2" => 2,
            "CVSS_V3" => 3,
            "CVSS_V4" => 4,
            // Sources with a scale of their own write the word as the score.
            _ => {
                own_word = own_word.or_else(|| self::word(&entry.score));
                continue;
            }
        };
        if version <= newest {
            continue;
        }
        if let Some(tenths) = base_tenths(&entry.score) {
            newest = version;
            rating.vector = Some(entry.score.clone());
            rating.score_tenths = Some(tenths);
        }
    }
    let scored = || rating.score_tenths.map(|tenths| Severity::from_score(f64::from(tenths) / 10.0));
    rating.severity = own_word.or(word).or_else(scored).unwrap_or_default();
    rating
}

/// A word that is a severity; anything else (`not yet assigned`, `end-of-life`) is none.
pub(super) fn word(text: &str) -> Option<Severity> {
    text.trim().parse().ok().filter(|severity| *severity != Severity::Unknown)
}

/// `Important: mysql:8.0 security update`, as Red Hat's rebuilds write.
pub(super) fn word_of_summary(summary: &str) -> Option<Severity> {
    word(summary.split_once(": ")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[(&str, &str)], given: Option<Severity>, severity: Severity, tenths: Option<u8>) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(kind, score)| record::Severity { kind: (*kind).into(), score: (*score).into() })
            .collect();
        let rating = rating(&entries, given);
        assert_eq!((rating.severity, rating.score_tenths), (severity, tenths), "{entries:?}");
    }

    #[test]
    fn scores_and_words() {
        const V2: (&str, &str) = ("CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P");
        const V3: (&str, &str) = ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
        const V4: (&str, &str) =
            ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N");
        check(&[], None, Severity::Unknown, None);
        check(&[V2], None, Severity::High, Some(75));
        check(&[("CVSS_V2", "(AV:N/AC:L/Au:N/C:P/I:P/A:P)")], None, Severity::High, Some(75));
        check(&[V3, V2], None, Severity::Critical, Some(98));
        check(&[V4, V3], None, Severity::Critical, Some(93));
        check(&[V3], Some(Severity::Medium), Severity::Medium, Some(98));
        check(&[V3, ("Ubuntu", "negligible")], Some(Severity::High), Severity::Negligible, Some(98));
        check(&[("CVSS_V3", "nonsense"), V2], None, Severity::High, Some(75));
        check(
            &[("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N")],
            None,
            Severity::Negligible,
            Some(0),
        );
        check(&[("", ""), ("Ubuntu", "untriaged")], None, Severity::Unknown, None);
    }

    #[test]
    fn words_of_summaries() {
        assert_eq!(word_of_summary("Important: mysql:8.0 security update"), Some(Severity::High));
        assert_eq!(word_of_summary("container-tools: a fix"), None);
        assert_eq!(word_of_summary("Important"), None);
    }
}
