//! One number for what to fix first: how bad a finding would be, times how likely it is to be used.
//!
//! `docs/severity.md` explains the formula and its choices. The number orders findings; it is no probability and no
//! measure of an image (for that see [`crate::facets::Facets::risk`]).

use crate::{
    enrichment::{Enrichment, Epss},
    finding::Finding,
    severity::Severity,
};

/// The likelihood that is left when exploitation is as good as ruled out: predictions are wrong at times.
const LEAST_LIKELIHOOD: f64 = 0.15;
/// The probability that stands in for an unknown one: the mean of all EPSS scores, rounded.
const USUAL_EPSS: f64 = 0.03;
/// The likelihood of what is known to be exploited, and where ransomware uses it.
const EXPLOITED: f64 = 0.9;
/// The risk below which nothing falls that is known to be exploited.
const EXPLOITED_FLOOR: f64 = 60.0;

/// The risk of a finding, 0 to 100. Rises, or stays, with its severity, its score, its EPSS score, and with being
/// known to be exploited.
pub fn of(finding: &Finding) -> u8 {
    risk(finding.severity, finding.score_tenths, &finding.enrichment)
}

/// The same from its parts.
pub fn risk(severity: Severity, score_tenths: Option<u8>, enrichment: &Enrichment) -> u8 {
    let impact = impact(severity, score_tenths) / 10.0;
    let predicted = likelihood(enrichment.epss.map_or(USUAL_EPSS, Epss::score));
    let risk = match &enrichment.kev {
        None => 100.0 * impact * predicted,
        Some(kev) => {
            let likelihood = if kev.ransomware { 1.0 } else { predicted.max(EXPLOITED) };
            EXPLOITED_FLOOR + (100.0 - EXPLOITED_FLOOR) * impact * likelihood
        }
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    {
        risk.round().clamp(0.0, 100.0) as u8
    }
}

/// How bad it would be, 0 to 10: the CVSS score, kept within what the chosen word allows, so that a vendor's `low`
/// is not undone by the general score beside it.
fn impact(severity: Severity, score_tenths: Option<u8>) -> f64 {
    let (least, usual, most) = match severity {
        Severity::Critical => (9.0, 9.5, 10.0),
        Severity::High => (7.0, 8.0, 8.9),
        Severity::Medium => (4.0, 5.5, 6.9),
        Severity::Low => (0.1, 2.0, 3.9),
        Severity::Negligible => (0.0, 0.05, 0.1),
        // Nobody has said: neither harmless nor urgent.
        Severity::Unknown => (0.0, 5.0, 10.0),
    };
    score_tenths.map_or(usual, |tenths| (f64::from(tenths) / 10.0).clamp(least, most))
}

/// From a probability within 30 days to a weight. Most probabilities are far below one in a hundred; the root keeps
/// them apart and does not let a severe finding vanish.
fn likelihood(probability: f64) -> f64 {
    LEAST_LIKELIHOOD + (1.0 - LEAST_LIKELIHOOD) * probability.clamp(0.0, 1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrichment::KnownExploited;

    fn enrichment(epss: Option<u32>, kev: Option<bool>) -> Enrichment {
        Enrichment {
            epss: epss.map(|score_millionths| Epss { score_millionths, percentile_millionths: 0 }),
            kev: kev.map(|ransomware| KnownExploited { ransomware, ..KnownExploited::default() }),
        }
    }

    #[test]
    fn is_as_documented() {
        use Severity::{Critical, High, Low, Medium, Negligible, Unknown};
        for (severity, score, epss, kev, expected) in [
            (Critical, Some(98), None, None, 29),
            (Critical, Some(98), Some(1_000), None, 17),
            (Critical, Some(98), Some(100_000), None, 41),
            (Critical, Some(98), Some(970_000), None, 97),
            (Critical, Some(100), Some(1_000_000), Some(true), 100),
            (Critical, Some(98), Some(970_000), Some(false), 99),
            (High, Some(75), Some(1_000), None, 13),
            (High, Some(75), Some(500_000), None, 56),
            (High, Some(75), Some(1_000), Some(false), 87),
            (Medium, None, None, None, 16),
            (Medium, None, Some(400), Some(true), 82),
            // The vendor's word keeps a general score within its bounds.
            (Low, Some(98), Some(1_000), None, 7),
            (Low, None, Some(0), None, 3),
            (Negligible, None, Some(900_000), None, 0),
            (Unknown, None, None, None, 15),
        ] {
            let risk = risk(severity, score, &enrichment(epss, kev));
            assert_eq!(risk, expected, "{severity} {score:?} {epss:?} {kev:?}");
        }
    }

    #[test]
    fn rises_with_each_of_its_parts() {
        let words =
            [Severity::Negligible, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        let epss = [0, 1, 100, 1_000, 10_000, 50_000, 300_000, 999_999, 1_000_000, u32::MAX].map(Some);
        let kev = [None, Some(false), Some(true)];
        let scores = || [None].into_iter().chain((0..=100).map(Some));
        for score in scores() {
            for epss_at in epss {
                for kev_at in kev {
                    let at = |word| risk(word, score, &enrichment(epss_at, kev_at));
                    assert!(words.windows(2).all(|w| at(w[0]) <= at(w[1])), "{score:?} {epss_at:?}");
                }
                for word in words {
                    let at = |kev| risk(word, score, &enrichment(epss_at, kev));
                    assert!(kev.windows(2).all(|k| at(k[0]) <= at(k[1])));
                    assert!(at(Some(false)) >= 60);
                }
            }
            for (word, kev_at) in words.into_iter().flat_map(|w| kev.map(|k| (w, k))) {
                let at = |epss| risk(word, score, &enrichment(epss, kev_at));
                assert!(epss.windows(2).all(|e| at(e[0]) <= at(e[1])));
            }
        }
        for word in words {
            let at = |score| risk(word, Some(score), &enrichment(Some(500_000), None));
            assert!((0..100_u8).all(|score| at(score) <= at(score + 1)));
        }
    }
}
