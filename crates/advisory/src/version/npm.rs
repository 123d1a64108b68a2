//! npm's order: Semantic Versioning with the prefixes that node's `semver` tolerates (`=v1.2.3`).

use std::cmp::Ordering;

use super::{Scheme, compare_parsed, semver::Version};

/// The order of node's `semver` in its loose mode, and of [`Semver`](super::semver::Semver) for what even
/// that refuses (`1.2`, `1.2.3.4`, numbers above 2^53). Where loose mode takes a third number apart to make
/// sense of a fourth (`1.2.34.5` as `1.2.3-4.5`), four numbers are four numbers here.
pub struct Npm;

impl Scheme for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        compare_parsed(a, b, parse, Version::order)
    }

    fn is_valid(&self, version: &str) -> bool {
        parse(version).is_some()
    }
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text =
        text.trim_ascii().trim_start_matches(|c: char| matches!(c, 'v' | '=') || c.is_ascii_whitespace());
    Version::parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerates_what_node_tolerates() {
        for good in
            ["1.2.3", "=1.2.3", "v1.2.3", "=v1.2.3", "v 1.2.3", " = 1.2.3 ", "1.2.3beta", "1.2.3-01", "1"]
        {
            assert!(Npm.is_valid(good), "{good:?}");
        }
        for bad in [
            "",
            "=",
            "V1.2.3",
            ">1.2.3",
            "~1.2.3",
            "1.2.x",
            "1.2.3 - 2",
            "git+https://x",
            "1.2.3-.",
            "latest",
        ] {
            assert!(!Npm.is_valid(bad), "{bad:?}");
            assert_eq!(Npm.compare(bad, "0-0"), Ordering::Less, "{bad:?}");
        }
    }
}
