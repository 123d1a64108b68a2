//! Licences as expressions (SPDX 2.3 annex D): of listed licences where they could be understood, of licences of the
//! document's own (`LicenseRef-`) with what the package records as their text where not.

use std::collections::BTreeMap;

use model::Package;
use serde::Serialize;
use spdx::{Expression, ParseMode};

use crate::identity;

/// A licence that is not on the list (clause 10).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extracted {
    license_id: String,
    name: String,
    extracted_text: String,
}

/// The licences of a document.
#[derive(Default)]
pub(super) struct Licences {
    /// By their id.
    own: BTreeMap<String, String>,
}

impl Licences {
    /// The expression of a package, where there is a valid one.
    pub(super) fn understood(&mut self, package: &Package) -> Option<String> {
        let text = package.licence.as_deref()?;
        let refs = references(text)?;
        for id in refs {
            self.own.entry(id.clone()).or_insert(id);
        }
        Some(text.trim().to_owned())
    }

    /// What the package itself says, as an expression.
    pub(super) fn declared(&mut self, package: &Package) -> Option<String> {
        if let Some(understood) = self.understood(package) {
            return Some(understood);
        }
        let mut ids: Vec<String> = Vec::new();
        // An expression that is none is still what somebody said.
        let recorded = if package.licences.is_empty() {
            package.licence.as_slice()
        } else {
            package.licences.as_slice()
        };
        for text in recorded.iter().filter(|text| !text.trim().is_empty()) {
            let id = id_of(text);
            self.own.entry(id.clone()).or_insert_with(|| text.clone());
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        (!ids.is_empty()).then(|| ids.join(" AND "))
    }

    /// The licences that are not on the list, by id.
    pub(super) fn into_extracted(self) -> Vec<Extracted> {
        let extracted = |(license_id, text): (String, String)| Extracted {
            name: text.lines().next().unwrap_or_default().chars().take(200).collect(),
            license_id,
            extracted_text: text,
        };
        self.own.into_iter().map(extracted).collect()
    }
}

/// The `LicenseRef-`s of an expression; `None` when it is no valid one, or refers to other documents.
pub(super) fn references(text: &str) -> Option<Vec<String>> {
    // Longer ones are not looked into: they are kept as texts.
    if text.len() > 4096 {
        return None;
    }
    let expression = Expression::parse_mode(text, ParseMode::STRICT).ok()?;
    let mut refs = Vec::new();
    for requirement in expression.requirements() {
        let shown = requirement.req.to_string();
        // Words for what is not known are no licences, though a list may hold them.
        if shown.split_whitespace().any(|word| matches!(word, "NOASSERTION" | "NONE")) {
            return None;
        }
        if shown.contains("DocumentRef-") || shown.contains("AdditionRef-") {
            return None;
        }
        refs.extend(
            shown.split_whitespace().filter(|word| word.starts_with("LicenseRef-")).map(str::to_owned),
        );
    }
    // Letters, digits, dots and dashes, also where a parser takes more.
    let plain = |id: &String| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    refs.iter().all(plain).then_some(refs)
}

/// An id that tells apart what is told apart only by letters that ids may not have.
fn id_of(text: &str) -> String {
    let mut slug: String =
        text.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    while slug.contains("--") {
        slug = slug.replace("--", "-");
    }
    let slug = slug.trim_matches('-');
    let hash: String = identity::sha256(text).chars().take(8).collect();
    if slug.is_empty() { format!("LicenseRef-{hash}") } else { format!("LicenseRef-{slug}-{hash}") }
}

#[cfg(test)]
mod tests {
    use model::PackageKind;

    use super::*;

    fn short(text: &str) -> String {
        identity::sha256(text).chars().take(8).collect()
    }

    #[test]
    fn what_is_no_expression_becomes_a_reference() {
        let check = |licence: Option<&str>, recorded: &[&str], declared: Option<&str>, own: usize| {
            let mut package = Package::new(PackageKind::Npm, "a", "1");
            package.licence = licence.map(str::to_owned);
            package.licences = recorded.iter().map(|text| (*text).to_owned()).collect();
            let mut licences = Licences::default();
            assert_eq!(licences.declared(&package).as_deref(), declared, "{licence:?} {recorded:?}");
            assert_eq!(licences.into_extracted().len(), own, "{licence:?} {recorded:?}");
        };
        check(Some("MIT OR Apache-2.0"), &["MIT/Apache"], Some("MIT OR Apache-2.0"), 0);
        check(
            Some("GPL-2.0-only WITH Classpath-exception-2.0"),
            &[],
            Some("GPL-2.0-only WITH Classpath-exception-2.0"),
            0,
        );
        check(Some("MIT AND LicenseRef-mine"), &[], Some("MIT AND LicenseRef-mine"), 1);
        let own = format!("LicenseRef-See-LICENSE-{}", short("See LICENSE!"));
        check(None, &["See LICENSE!", "See LICENSE!"], Some(&own), 1);
        let own = format!("LicenseRef-{}", short("許諾"));
        check(None, &["許諾"], Some(&own), 1);
        let own = format!("LicenseRef-MIT-AND-{}", short("MIT AND"));
        check(Some("MIT AND"), &[], Some(&own), 1);
        check(None, &[], None, 0);
        check(None, &["", " "], None, 0);
    }
}
