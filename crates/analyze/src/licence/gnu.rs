//! The names of the GNU licences, in every spelling: `GPLv2+`, `GPL-2`, `GNU Lesser General Public License v2.1
//! or later`, `LGPL`.
//!
//! A name without a version means any version, as the licences themselves say ("If the Program does not specify
//! a version number ... you may choose any version ever published": GPL-2.0 section 9, GPL-3.0 section 14,
//! LGPL-2.1 section 13, AGPL-3.0 section 14, GFDL-1.3 section 10). A version without `+` or `or later` means that
//! version alone, as in Debian's and Fedora's short names.

/// A family: how it is written in one word, its full names, its SPDX stem and its versions, oldest first.
struct Family {
    short: &'static str,
    long: &'static [&'static str],
    stem: &'static str,
    versions: &'static [&'static str],
}

/// Of names that begin alike, the longer stands first.
const FAMILIES: &[Family] = &[
    Family {
        short: "agpl",
        long: &["affero general public", "affero gpl", "affero public"],
        stem: "AGPL",
        versions: &["3.0", "1.0"],
    },
    Family {
        short: "lgpl",
        long: &[
            "library or lesser general public",
            "lesser or library general public",
            "library lesser general public",
            "lesser general public",
            "library general public",
            "lesser gpl",
            "library gpl",
            "lesser public",
            "library public",
        ],
        stem: "LGPL",
        versions: &["2.0", "2.1", "3.0"],
    },
    Family {
        short: "gfdl",
        long: &["free documentation", "fdl"],
        stem: "GFDL",
        versions: &["1.1", "1.2", "1.3"],
    },
    Family {
        short: "gpl",
        long: &["general public", "public"],
        stem: "GPL",
        versions: &["1.0", "2.0", "3.0"],
    },
];

/// The SPDX id of a GNU licence, from its name in the form of [`super::names::key`].
pub(super) fn id(key: &str) -> Option<String> {
    FAMILIES.iter().find_map(|family| family.id(key))
}

impl Family {
    fn id(&self, key: &str) -> Option<String> {
        let (glued, rest) = self.after_name(key)?;
        let words = std::iter::once(glued).chain(rest.split(' ')).filter(|word| !word.is_empty());
        let (mut version, mut later, mut only) = (None, false, false);
        let mut infix = "";
        for word in words {
            let digits = word.trim_end_matches('+');
            later |= digits.len() < word.len();
            match digits {
                "" => {}
                "only" => only = true,
                "later" | "newer" | "above" | "greater" | "higher" | "upwards" => later = true,
                "or" | "and" | "any" | "at" | "your" | "option" => {}
                "no" | "niv" if self.stem == "GFDL" => infix = "-no-invariants",
                "invariant" | "invariants" if self.stem == "GFDL" && infix.is_empty() => {
                    infix = "-invariants";
                }
                "invariant" | "invariants" if self.stem == "GFDL" => {}
                _ if version.is_none() && digits.starts_with(|c: char| c.is_ascii_digit()) => {
                    version = Some(self.versions.iter().find(|known| same_version(known, digits))?);
                }
                _ => return None,
            }
        }
        if only && later {
            return None;
        }
        // Without a version, any will do.
        let later = later || version.is_none();
        let version = version.or(self.versions.first())?;
        let suffix = if later { "or-later" } else { "only" };
        Some(format!("{}-{version}{infix}-{suffix}", self.stem))
    }

    /// What is glued to the family's name (`2+` of `gplv2+`), and the words behind it; `None` when it is
    /// another name.
    fn after_name<'a>(&self, key: &'a str) -> Option<(&'a str, &'a str)> {
        let (is_gnu, name) = key.strip_prefix("gnu ").map_or((false, key), |name| (true, name));
        if let Some(rest) = name.strip_prefix(self.short) {
            let (glued, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let glued = glued.strip_prefix('v').unwrap_or(glued);
            let is_version = glued.is_empty() || glued.starts_with(|c: char| c.is_ascii_digit() || c == '+');
            return is_version.then_some((glued, rest));
        }
        let (long, rest) = self.long.iter().find_map(|long| Some((long, name.strip_prefix(long)?)))?;
        // `public 2` or `lesser public` name a GNU licence only where the word stands in front.
        let is_distinct = is_gnu || long.contains("general public") || *long == "free documentation";
        (is_distinct && (rest.is_empty() || rest.starts_with(' '))).then(|| ("", rest.trim_start()))
    }
}

/// `2` and `2.0.0` are `2.0`.
fn same_version(known: &str, written: &str) -> bool {
    fn short(mut version: &str) -> &str {
        while let Some(rest) = version.strip_suffix(".0") {
            version = rest;
        }
        version
    }
    short(known) == short(written)
}

#[cfg(test)]
mod tests {
    use crate::licence::names;

    #[test]
    fn reads_every_spelling() {
        for (written, expected) in [
            ("GPLv2+", "GPL-2.0-or-later"),
            ("GPLv2", "GPL-2.0-only"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPL2", "GPL-2.0-only"),
            ("GPL 2.0.0", "GPL-2.0-only"),
            ("GPL-3+", "GPL-3.0-or-later"),
            ("GPL+", "GPL-1.0-or-later"),
            ("GPL", "GPL-1.0-or-later"),
            ("GNU GPL", "GPL-1.0-or-later"),
            ("GNU GPL v3", "GPL-3.0-only"),
            ("GNU General Public License, version 2", "GPL-2.0-only"),
            ("GNU General Public License v2 or later", "GPL-2.0-or-later"),
            ("GNU General Public License version 2.0 or any later version", "GPL-2.0-or-later"),
            ("The GNU General Public License, v3.0 only", "GPL-3.0-only"),
            ("GPLv2 only and later", ""),
            ("GNU Public License", "GPL-1.0-or-later"),
            ("Sleepy Public License", ""),
            ("LGPL", "LGPL-2.0-or-later"),
            ("LGPLv2.1+", "LGPL-2.1-or-later"),
            ("LGPL-2", "LGPL-2.0-only"),
            ("GNU Library or Lesser General Public License", "LGPL-2.0-or-later"),
            ("GNU Lesser General Public License v3 or later", "LGPL-3.0-or-later"),
            ("Lesser General Public License, version 3 or greater", "LGPL-3.0-or-later"),
            ("AGPLv3+", "AGPL-3.0-or-later"),
            ("GNU Affero General Public License v3", "AGPL-3.0-only"),
            ("GFDL-1.3+", "GFDL-1.3-or-later"),
            ("GFDL-1.3+-no-invariant", "GFDL-1.3-no-invariants-or-later"),
            ("GFDL-NIV-1.2", "GFDL-1.2-no-invariants-only"),
            ("GPLv4", ""),
            ("GPLX", ""),
            ("gplv2 with exceptions", ""),
            ("", ""),
        ] {
            let found = super::id(&names::key(written)).unwrap_or_default();
            assert_eq!(found, expected, "{written}");
            assert!(found.is_empty() || spdx::license_id(&found).is_some(), "{found}");
        }
    }
}
