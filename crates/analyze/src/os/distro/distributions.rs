//! What each distribution writes of itself, cut to the fields that matter, and what is read of it; for tests only.
//!
//! Which shard follows from that is tested where shards are chosen, with the same ids and versions.

use model::Distro;

use super::{DistroAnalyzer, parse};
use crate::{Analyzer as _, FileView, Files, Merged};

/// The distribution that an image with these files has.
fn found(files: &[(&str, &str)]) -> Option<Distro> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let observations: Vec<_> =
        files.iter().map(|(path, text)| (*path, parse(&name(path), text.as_bytes()))).collect();
    let views = observations.iter().map(|(path, observation)| FileView { path, observation, layer: None });
    let mut merged = Merged::default();
    DistroAnalyzer.finish(&Files::new(views.collect()), &mut merged);
    assert_eq!(merged.problems, []);
    merged.distro
}

/// `expected` is `id|version|codename|ids that it is like`.
fn check(files: &[(&str, &str)], expected: &str) {
    let found = found(files).map(|distro| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let like = if distro.id_like.is_empty() { "-".to_owned() } else { distro.id_like.join(" ") };
        format!("{}|{}|{}|{like}", distro.id, or_dash(&distro.version_id), or_dash(&distro.codename))
    });
    assert_eq!(found.as_deref(), Some(expected), "{files:?}");
}

#[test]
fn os_release_of_each_distribution() {
    for (os_release, expected) in [
        (
            "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n",
            "ubuntu|24.04|noble|debian",
        ),
        (
            "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            "debian|12|bookworm|-",
        ),
        (
            "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nVERSION_CODENAME=trixie\nID=debian\n",
            "debian|-|trixie|-",
        ),
        (
            "PRETTY_NAME=\"Distroless\"\nNAME=\"Debian GNU/Linux\"\nID=\"debian\"\nVERSION_ID=\"12\"\n",
            "debian|12|-|-",
        ),
        ("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.1\n", "alpine|3.22.1|-|-"),
        ("ID=wolfi\nNAME=\"Wolfi\"\nVERSION_ID=\"20230201\"\n", "wolfi|20230201|-|-"),
        ("ID=chainguard\nNAME=\"chainguard\"\nVERSION_ID=\"20230214\"\n", "chainguard|20230214|-|-"),
        (
            "NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n",
            "rhel|9.4|-|fedora",
        ),
        (
            "NAME=\"CentOS Stream\"\nVERSION=\"9\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\n",
            "centos|9|-|rhel fedora",
        ),
        (
            "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.5\"\n",
            "almalinux|9.5|-|rhel centos fedora",
        ),
        (
            "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\n",
            "rocky|9.3|-|rhel centos fedora",
        ),
        (
            "NAME=\"Oracle Linux Server\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.9\"\n",
            "ol|8.9|-|fedora",
        ),
        (
            "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n",
            "amzn|2023|-|fedora",
        ),
        (
            "NAME=\"Amazon Linux AMI\"\nID=\"amzn\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"2018.03\"\n",
            "amzn|2018.03|-|rhel fedora",
        ),
        ("NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=40\nVERSION_CODENAME=\"\"\n", "fedora|40|-|-"),
        ("NAME=\"SLES\"\nID=\"sles\"\nID_LIKE=\"suse\"\nVERSION_ID=\"15.6\"\n", "sles|15.6|-|suse"),
        ("NAME=\"SL-Micro\"\nID=\"sl-micro\"\nID_LIKE=\"suse\"\nVERSION_ID=\"6.0\"\n", "sl-micro|6.0|-|suse"),
        (
            "NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\n",
            "opensuse-leap|15.6|-|suse opensuse",
        ),
        (
            "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20240101\"\n",
            "opensuse-tumbleweed|20240101|-|-",
        ),
        ("NAME=\"Microsoft Azure Linux\"\nID=azurelinux\nVERSION_ID=\"3.0\"\n", "azurelinux|3.0|-|-"),
        ("NAME=\"Common Base Linux Mariner\"\nID=mariner\nVERSION_ID=\"2.0\"\n", "mariner|2.0|-|-"),
        ("NAME=\"VMware Photon OS\"\nID=photon\nVERSION_ID=5.0\n", "photon|5.0|-|-"),
        ("NAME=\"openEuler\"\nID=\"openEuler\"\nVERSION_ID=\"22.03\"\n", "openeuler|22.03|-|-"),
        ("NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n", "arch|-|-|-"),
        (
            "NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\nVERSION_ID=20250101.0.1\n",
            "arch|20250101.0.1|-|-",
        ),
        ("NAME=\"Wolfi\"\nVERSION_ID=\"20230201\"\n", "wolfi|20230201|-|-"),
    ] {
        check(&[("etc/os-release", os_release)], expected);
        check(&[("usr/lib/os-release", os_release)], expected);
    }
}

#[test]
fn fallbacks_of_each_distribution() {
    for (path, text, expected) in [
        (
            "etc/lsb-release",
            "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=16.04\nDISTRIB_CODENAME=xenial\n",
            "ubuntu|16.04|xenial|-",
        ),
        ("etc/debian_version", "10.13\n", "debian|10|-|-"),
        ("etc/alpine-release", "3.10.9\n", "alpine|3.10.9|-|-"),
        ("etc/redhat-release", "Red Hat Enterprise Linux release 8.10 (Ootpa)\n", "rhel|8.10|-|-"),
        ("etc/redhat-release", "CentOS Stream release 9\n", "centos|9|-|-"),
        ("etc/centos-release", "CentOS release 6.10 (Final)\n", "centos|6|-|-"),
        ("etc/almalinux-release", "AlmaLinux release 9.5 (Teal Serval)\n", "almalinux|9.5|-|-"),
        ("etc/rocky-release", "Rocky Linux release 8.9 (Green Obsidian)\n", "rocky|8.9|-|-"),
        ("etc/oracle-release", "Oracle Linux Server release 7.9\n", "ol|7.9|-|-"),
        ("etc/system-release", "Amazon Linux release 2023.4.20240401 (Amazon Linux)\n", "amzn|2023|-|-"),
        ("etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amzn|2|-|-"),
        ("etc/system-release", "Amazon Linux AMI release 2018.03\n", "amzn|2018.03|-|-"),
        ("etc/fedora-release", "Fedora release 40 (Forty)\n", "fedora|40|-|-"),
        (
            "etc/SuSE-release",
            "SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 5\n",
            "sles|12.5|-|-",
        ),
        ("etc/SuSE-release", "openSUSE 13.2 (x86_64)\nVERSION = 13.2\n", "opensuse|13.2|-|-"),
        ("etc/mariner-release", "CBL-Mariner 2.0.20240123\n", "mariner|2.0|-|-"),
        ("etc/photon-release", "VMware Photon OS 3.0\nPHOTON_BUILD_NUMBER=1\n", "photon|3.0|-|-"),
        ("etc/openEuler-release", "openEuler release 22.03 (LTS-SP3)\n", "openeuler|22.03|-|-"),
    ] {
        check(&[(path, text)], expected);
    }
}

#[test]
fn images_without_a_distribution_name_none() {
    // What busybox and a program alone on an empty image bring.
    assert_eq!(found(&[]), None);
    assert_eq!(found(&[("etc/os-release", ""), ("etc/debian_version", "\n")]), None);
}
