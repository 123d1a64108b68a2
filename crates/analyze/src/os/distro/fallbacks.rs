//! Release files from before os-release(5), and of images that dropped it. Versions are cut to what the
//! distro's own os-release says.

use model::Distro;

use super::{EDGE, names};
use crate::text;

/// One line in words, as Red Hat's kin, Photon, Mariner and old SUSE write: `NAME release VERSION (CODENAME)`,
/// or without `release`. Old SUSE adds `PATCHLEVEL = N`.
pub(super) fn parse_release_line(bytes: &[u8]) -> Option<Distro> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let first = lines.by_ref().map(<[u8]>::trim_ascii).find(|line| !line.is_empty())?;
    let id = names::id_by_name(first)?;
    let pretty_name = text::line(first)?;
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let mut version = pretty_name.split(' ').find(is_version).and_then(|word| text::token(word.as_bytes()));
    if id == "sles" {
        let level = lines.find_map(|line| {
            let level = line.strip_prefix(b"PATCHLEVEL")?.trim_ascii_start().strip_prefix(b"=")?;
            text::token(level).filter(|level| level != "0")
        });
        version = version.map(|version| level.map_or(version.clone(), |level| format!("{version}.{level}")));
    }
    let n_parts = match id.as_str() {
        "centos" => 1,
        "mariner" | "azurelinux" | "photon" => 2,
        // `2023.4.20240401`; the first one was named by year and month (`2018.03`).
        "amzn" if version.as_deref().is_some_and(|version| version.starts_with("202")) => 1,
        _ => usize::MAX,
    };
    version = version.map(|version| version.split('.').take(n_parts).collect::<Vec<_>>().join("."));
    Some(Distro { id, version_id: version, pretty_name: Some(pretty_name), ..Distro::default() })
}

/// `3.20.3`, as in Alpine's `VERSION_ID`; `3.21.0_alpha20240807` is edge.
pub(super) fn parse_alpine_release(bytes: &[u8]) -> Option<Distro> {
    let version = text::token(bytes).filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))?;
    let codename = version.contains("_alpha").then(|| EDGE.to_owned());
    Some(Distro { id: "alpine".to_owned(), version_id: Some(version), codename, ..Distro::default() })
}

/// `12.5` is Debian 12 (before 4.0 the second number counted too); `trixie/sid` is what will become trixie
/// and has no version yet. Ubuntu writes its Debian base here, which is why it comes last.
pub(super) fn parse_debian_version(bytes: &[u8]) -> Option<Distro> {
    let recorded = text::token(bytes)?;
    let mut distro = Distro { id: "debian".to_owned(), ..Distro::default() };
    if recorded.starts_with(|c: char| c.is_ascii_digit()) {
        let (major, _) = recorded.split_once('.').unwrap_or((&recorded, ""));
        let is_old = major.parse().is_ok_and(|major: u32| major < 4);
        distro.version_id = Some(if is_old { recorded.clone() } else { major.to_owned() });
    } else {
        let codename = recorded.split_once('/').map_or(recorded.as_str(), |(codename, _)| codename);
        distro.codename = Some(names::build_id(codename.as_bytes())?);
    }
    distro.pretty_name = Some(format!("Debian GNU/Linux {recorded}"));
    Some(distro)
}

/// True when all main repositories are of the edge branch. Single packages that are taken from elsewhere
/// (lines that begin with `@tag`, other repositories) change nothing.
pub(super) fn is_edge(repositories: &[u8]) -> bool {
    let mut mains = repositories
        .split(|&byte| byte == b'\n')
        .map(|line| line.trim_ascii().strip_suffix(b"/").unwrap_or(line.trim_ascii()))
        .filter_map(|line| line.strip_suffix(b"/main"))
        .filter(|line| !matches!(line.first(), Some(b'@' | b'#')))
        .peekable();
    mains.peek().is_some() && mains.all(|main| main.ends_with(b"/edge"))
}
