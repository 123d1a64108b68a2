//! Where the public statement behind an id can be read.

/// The page of a vulnerability or an advisory, where its publisher has one that the id leads to; else OSV's. None for
/// what has not the form of an id: ids come from files, and what is made of them is shown as a link.
pub(crate) fn of(id: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.');
    let shaped = id.len() <= 100 && id.contains('-') && id.bytes().all(plain) && !id.contains("..");
    if !shaped || !id.as_bytes()[0].is_ascii_alphabetic() {
        return None;
    }
    let prefix = id.split('-').next().unwrap_or_default();
    Some(match prefix {
        "CVE" => format!("https://nvd.nist.gov/vuln/detail/{id}"),
        "GHSA" => format!("https://github.com/advisories/{id}"),
        "RUSTSEC" => format!("https://rustsec.org/advisories/{id}.html"),
        "GO" => format!("https://pkg.go.dev/vuln/{id}"),
        "DSA" | "DLA" | "TEMP" => format!("https://security-tracker.debian.org/tracker/{id}"),
        "USN" => format!("https://ubuntu.com/security/notices/{id}"),
        "RHSA" | "RHBA" | "RHEA" => format!("https://access.redhat.com/errata/{id}"),
        _ => format!("https://osv.dev/vulnerability/{id}"),
    })
}

/// Links of a finding, sorted: its id, its other names and its advisories.
pub(crate) fn all(finding: &model::Finding) -> Vec<String> {
    let advisories = finding.evidence.iter().map(|evidence| &evidence.advisory);
    let ids = std::iter::once(&finding.id).chain(&finding.aliases).chain(advisories);
    let links: std::collections::BTreeSet<String> = ids.filter_map(|id| of(id)).collect();
    links.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_their_publishers() {
        for (id, expected) in [
            ("CVE-2023-5363", Some("https://nvd.nist.gov/vuln/detail/CVE-2023-5363")),
            ("GHSA-x84v-xcm2-53pg", Some("https://github.com/advisories/GHSA-x84v-xcm2-53pg")),
            ("RUSTSEC-2021-0001", Some("https://rustsec.org/advisories/RUSTSEC-2021-0001.html")),
            ("ALSA-2022:1234", Some("https://osv.dev/vulnerability/ALSA-2022:1234")),
            ("DSA-5532-1", Some("https://security-tracker.debian.org/tracker/DSA-5532-1")),
            ("", None),
            ("x", None),
            ("-x", None),
            ("CVE-1\" onclick=", None),
            ("CVE-../../x", None),
            ("javascript:alert(1)", None),
        ] {
            assert_eq!(of(id).as_deref(), expected, "{id}");
        }
    }
}
