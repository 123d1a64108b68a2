//! CVSS base scores out of vectors, of every version alike.

use cvss::Cvss;

/// The base metrics of each version (CVSS v2 section 3.2.1, v3.1 section 2, v4.0 section 2). The rest of a vector says
/// how things are at some time or place, and is left out before scoring.
const BASE_V2: &[&str] = &["AV", "AC", "Au", "C", "I", "A"];
const BASE_V3: &[&str] = &["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const BASE_V4: &[&str] = &["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"];
/// Longest vector that is looked at, in bytes; a whole one of version 4 has about 200.
const MAX_VECTOR: usize = 500;

/// The base score of a vector in tenths, 0 to 100; `None` when it is none of a version that is known.
pub(crate) fn base_tenths(vector: &str) -> Option<u8> {
    fn name(part: &str) -> &str {
        part.split(':').next().unwrap_or_default()
    }
    // Old v2 vectors come in parentheses.
    let vector = vector.trim().trim_start_matches('(').trim_end_matches(')');
    if vector.len() > MAX_VECTOR {
        return None;
    }
    let base = match vector.split_once('/') {
        Some((version, _)) if version.starts_with("CVSS:4") => BASE_V4,
        Some((version, _)) if version.starts_with("CVSS:") => BASE_V3,
        _ => BASE_V2,
    };
    let kept: Vec<&str> =
        vector.split('/').filter(|part| name(part) == "CVSS" || base.contains(&name(part))).collect();
    // A vector that lacks some is scored as though nothing were at stake.
    if !base.iter().all(|wanted| kept.iter().any(|part| name(part) == *wanted)) {
        return None;
    }
    let tenths = (kept.join("/").parse::<Cvss>().ok()?.score() * 10.0).round();
    // In range, or no score.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..=100.0).contains(&tenths).then_some(tenths as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_the_base_of_every_version() {
        for (vector, tenths) in [
            // The examples of CVSS v2, section 3.3.
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C", Some(78)),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", Some(100)),
            ("AV:L/AC:H/Au:N/C:C/I:C/A:C", Some(62)),
            ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", Some(75)),
            // Temporal and environmental metrics change nothing.
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C", Some(78)),
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C/CDP:H/TD:H/CR:M/IR:M/AR:H", Some(78)),
            // CVSS v3: scope changed or not, and nothing at stake.
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(61)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(100)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U", Some(98)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MAV:P/MC:N/CR:L", Some(98)),
            // CVSS v4.0; its threat and environmental metrics would lower the score.
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some(93)),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", Some(100)),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U/MAV:P", Some(93)),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", Some(0)),
            ("CVSS:5.0/AV:N/AC:L", None),
            ("CVSS:3.1/AV:N", None),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", None),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H", None),
            ("AV:N", None),
            ("9.8", None),
            ("", None),
        ] {
            assert_eq!(base_tenths(vector), tenths, "{vector}");
        }
        assert_eq!(base_tenths(&"AV:N/".repeat(1000)), None);
    }
}
