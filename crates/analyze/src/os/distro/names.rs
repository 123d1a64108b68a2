//! The ids of distributions (os-release(5), `ID`), and how to tell them from names.

use crate::text;

/// Distributions by what their `NAME` or release line begins with, in lower case. More specific ones first.
const IDS_BY_NAME: &[(&str, &str)] = &[
    ("red hat enterprise linux", "rhel"),
    ("redhatenterprise", "rhel"),
    ("centos", "centos"),
    ("almalinux", "almalinux"),
    ("rocky linux", "rocky"),
    ("oracle linux", "ol"),
    ("enterprise linux enterprise linux server", "ol"),
    ("fedora", "fedora"),
    ("amazon linux", "amzn"),
    ("vmware photon", "photon"),
    ("photon", "photon"),
    ("cbl-mariner", "mariner"),
    ("common base linux mariner", "mariner"),
    ("mariner", "mariner"),
    ("microsoft azure linux", "azurelinux"),
    ("azure linux", "azurelinux"),
    ("suse linux enterprise", "sles"),
    ("opensuse tumbleweed", "opensuse-tumbleweed"),
    ("opensuse leap", "opensuse-leap"),
    ("opensuse", "opensuse"),
    ("scientific linux", "scientific"),
    ("openeuler", "openeuler"),
    ("arch linux", "arch"),
    ("wolfi", "wolfi"),
    ("chainguard", "chainguard"),
    ("alpine", "alpine"),
    ("debian", "debian"),
    ("ubuntu", "ubuntu"),
];

/// A distro id: lower-case letters, digits, `.`, `_` and `-` (os-release(5), `ID`). Some write capitals.
pub(super) fn build_id(bytes: &[u8]) -> Option<String> {
    let id = text::token(bytes)?.to_ascii_lowercase();
    let plain =
        id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    plain.then_some(id)
}

/// The id of the distribution whose name, or release line, begins as in the table above.
pub(super) fn id_by_name(name: &[u8]) -> Option<String> {
    let name = text::line(name)?.to_ascii_lowercase();
    IDS_BY_NAME.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, id)| (*id).to_owned())
}
