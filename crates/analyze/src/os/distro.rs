//! The distribution: os-release(5), and for images without it the release files of the distros themselves.
//!
//! The first file of [`SOURCES`] that names a distribution wins, and nothing is mixed from two files
//! (os-release(5) asks for this), with one exception: Alpine says in `etc/apk/repositories` whether its
//! packages come from `edge`. Where a fallback writes a version in more detail than the distro's own
//! os-release would (`12.5` for Debian 12), it is cut to what os-release says, so that advisories are found.
//! No file, no distribution: this module does not guess.

mod assignments;
mod fallbacks;
mod names;

#[cfg(test)]
mod distributions;

use model::{Distro, Problem, ProblemCode};

use crate::{Analyzer, Content, Entry, Fact, FileView, Files, Merged, Observation, Want};

/// Largest release file that is read, in bytes; real ones are below 2 KiB.
const FILE_MAX: u64 = 64 << 10;

/// Alpine's list of package repositories, one address a line (apk-repositories(5)).
const REPOSITORIES: &str = "etc/apk/repositories";

/// The mark of a release file that is not empty and names no distribution. A problem only when no other file
/// does better, for some are allowed to name none (`LSB_VERSION` alone in lsb-release).
const UNNAMED: &str = "unnamed";

/// The mark of Alpine's rolling branch.
const EDGE: &str = "edge";

/// All files that are read. The order is the order of trust, best first: os-release, a distro's own file
/// before one that derivatives keep for compatibility (`redhat-release`, `debian_version`).
const SOURCES: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "etc/lsb-release",
    "etc/alpine-release",
    "etc/almalinux-release",
    "etc/rocky-release",
    "etc/oracle-release",
    "etc/fedora-release",
    "etc/centos-release",
    "etc/azurelinux-release",
    "etc/mariner-release",
    "etc/photon-release",
    "etc/SuSE-release",
    "etc/openEuler-release",
    "etc/system-release",
    "etc/redhat-release",
    "etc/debian_version",
    REPOSITORIES,
];

/// os-release(5) and its fallbacks.
pub struct DistroAnalyzer;

impl Analyzer for DistroAnalyzer {
    fn name(&self) -> &'static str {
        "os/distro"
    }

    fn version(&self) -> u32 {
        2
    }

    fn anchors(&self) -> &'static [&'static str] {
        SOURCES
    }

    fn wants(&self, entry: &Entry<'_>) -> Want {
        let near = entry.path.starts_with("etc/") || entry.path.starts_with("usr/lib/os");
        if near && SOURCES.contains(&entry.path) { Want::Content { max: FILE_MAX } } else { Want::No }
    }

    fn observe(&self, entry: &Entry<'_>, content: Content<'_>) -> Observation {
        match content.into_bytes() {
            Ok(bytes) => parse(entry.path.rsplit_once('/').map_or(entry.path, |(_, name)| name), &bytes),
            Err(error) => Observation::unreadable(&error),
        }
    }

    fn finish(&self, files: &Files<'_>, merged: &mut Merged) {
        let named = |path| {
            files.get(path)?.observation.facts.iter().find_map(|fact| match fact {
                Fact::Distro(distro) => Some(Distro { path: path.to_owned(), ..distro.clone() }),
                _ => None,
            })
        };
        let marked = |path: &str, mark: &str| {
            let has = |file: FileView<'_>| file.observation.facts.contains(&Fact::Text(mark.to_owned()));
            files.get(path).is_some_and(has)
        };
        let Some(mut distro) = SOURCES.iter().copied().find_map(named) else {
            let unnamed = SOURCES.iter().filter(|path| marked(path, UNNAMED));
            merged.problems.extend(unnamed.take(1).map(|path| {
                Problem::new(ProblemCode::FileCorrupt, "the release file names no distribution")
                    .at_path(*path)
            }));
            return;
        };
        if distro.id == "alpine" && marked(REPOSITORIES, EDGE) {
            distro.codename = Some(EDGE.to_owned());
        }
        merged.distro = Some(distro);
    }
}

/// Reads one release file. `name` is its file name; one that holds os-release assignments is read as such
/// whatever its name, since links lead to files of other names.
pub fn parse(name: &str, bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return observation;
    }
    if name == "repositories" {
        observation.facts.extend(fallbacks::is_edge(bytes).then(|| Fact::Text(EDGE.to_owned())));
        return observation;
    }
    let found = match name {
        "alpine-release" => fallbacks::parse_alpine_release(bytes),
        "debian_version" => fallbacks::parse_debian_version(bytes),
        _ => assignments::parse(bytes).or_else(|| fallbacks::parse_release_line(bytes)),
    };
    observation.facts.push(found.map_or_else(|| Fact::Text(UNNAMED.to_owned()), Fact::Distro));
    observation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile;

    const OS_RELEASE: &[u8] = include_bytes!("../../testdata/distro/os-release");
    const LSB_RELEASE: &[u8] = include_bytes!("../../testdata/distro/lsb-release");

    /// `id|version|codename|pretty name`, `-` for what is not known.
    fn summary(distro: &Distro) -> String {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (version, codename) = (or_dash(&distro.version_id), or_dash(&distro.codename));
        format!("{}|{version}|{codename}|{}", distro.id, or_dash(&distro.pretty_name))
    }

    fn check(name: &str, content: &str, expected: &str) {
        let observation = parse(name, content.as_bytes());
        let [Fact::Distro(distro)] = &observation.facts[..] else {
            panic!("{name} {content:?}: {observation:?}");
        };
        assert_eq!(summary(distro), expected, "{name} {content:?}");
        assert_eq!(observation.problems, []);
    }

    #[test]
    fn wants_release_files_only() {
        let wants = |path| DistroAnalyzer.wants(&hostile::entry(path)) != Want::No;
        assert!(SOURCES.iter().all(|path| wants(path)));
        for path in
            ["os-release", "etc/os-release.d/x", "srv/etc/os-release", "usr/lib/os-release.orig", "etc/"]
        {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn reads_os_release() {
        check(
            "os-release",
            std::str::from_utf8(OS_RELEASE).unwrap(),
            "lazaretto|4.2|high-tide|Lazaretto OS \"4\" $tide",
        );
        let Fact::Distro(distro) = &parse("os-release", OS_RELEASE).facts[0] else { panic!() };
        assert_eq!(distro.id_like, ["debian", "ubuntu"]);
        for (content, expected) in [
            ("ID=alpine\nVERSION_ID=3.20.3\n", "alpine|3.20.3|-|-"),
            ("ID=alpine\nVERSION_ID=3.21.0_alpha20240923\n", "alpine|3.21.0_alpha20240923|edge|-"),
            ("ID=\"almalinux\"\r\nVERSION_ID=\"8.10\"\r\n", "almalinux|8.10|-|-"),
            ("ID='sles'\nVERSION_ID='15.6'", "sles|15.6|-|-"),
            (
                "ID=debian\nVERSION_CODENAME=trixie\nNAME=\"Debian GNU/Linux\"",
                "debian|-|trixie|Debian GNU/Linux",
            ),
            ("ID=a\nID=b\nVERSION_ID=1\nVERSION_ID=\n", "b|-|-|-"),
            ("# ID=x\n\n  ID=a # comment\nVERSION_ID=\"\"", "a|-|-|-"),
            ("ID=Ubuntu\nVERSION_ID=22.04", "ubuntu|22.04|-|-"),
            ("NAME=\"Oracle Linux Server\"\nVERSION_ID=7.9", "ol|7.9|-|Oracle Linux Server"),
            ("\u{feff}ID=a", "a|-|-|-"),
            ("ID=a\nVERSION_ID=1\u{1b}[2J\nPRETTY_NAME=\"a\tb\u{1b}[2J\"", "a|-|-|a b [2J"),
            ("ID=\"a", "a|-|-|-"),
        ] {
            check("os-release", content, expected);
        }
        check("os-release-of-another-name", "ID=a\nVERSION_ID=1", "a|1|-|-");
    }

    #[test]
    fn reads_the_fallbacks() {
        check(
            "lsb-release",
            std::str::from_utf8(LSB_RELEASE).unwrap(),
            "ubuntu|22.04|jammy|Ubuntu 22.04.4 LTS",
        );
        for (name, content, expected) in [
            ("lsb-release", "DISTRIB_ID=\"VMware Photon OS\"\nDISTRIB_RELEASE=\"4.0\"\n", "photon|4.0|-|-"),
            ("alpine-release", "3.9.0\n", "alpine|3.9.0|-|-"),
            ("alpine-release", "3.21.0_alpha20240807\n", "alpine|3.21.0_alpha20240807|edge|-"),
            ("debian_version", "12.5\n", "debian|12|-|Debian GNU/Linux 12.5"),
            ("debian_version", "3.1\n", "debian|3.1|-|Debian GNU/Linux 3.1"),
            ("debian_version", "bookworm/sid\n", "debian|-|bookworm|Debian GNU/Linux bookworm/sid"),
            ("redhat-release", "CentOS release 6.10 (Final)\n", "centos|6|-|CentOS release 6.10 (Final)"),
            (
                "redhat-release",
                "Red Hat Enterprise Linux Server release 7.9 (Maipo)\n",
                "rhel|7.9|-|Red Hat Enterprise Linux Server release 7.9 (Maipo)",
            ),
            (
                "centos-release",
                "CentOS Linux release 7.9.2009 (Core)\n",
                "centos|7|-|CentOS Linux release 7.9.2009 (Core)",
            ),
            ("centos-release", "CentOS Stream release 8\n", "centos|8|-|CentOS Stream release 8"),
            (
                "almalinux-release",
                "AlmaLinux release 8.0 (Purple Manul)\n",
                "almalinux|8.0|-|AlmaLinux release 8.0 (Purple Manul)",
            ),
            (
                "redhat-release",
                "Rocky Linux release 9.3 (Blue Onyx)\n",
                "rocky|9.3|-|Rocky Linux release 9.3 (Blue Onyx)",
            ),
            (
                "oracle-release",
                "Oracle Linux Server release 8.9\n",
                "ol|8.9|-|Oracle Linux Server release 8.9",
            ),
            (
                "system-release",
                "Amazon Linux AMI release 2018.03\n",
                "amzn|2018.03|-|Amazon Linux AMI release 2018.03",
            ),
            ("system-release", "Amazon Linux release 2 (Karoo)\n", "amzn|2|-|Amazon Linux release 2 (Karoo)"),
            (
                "fedora-release",
                "Fedora release 34 (Thirty Four)",
                "fedora|34|-|Fedora release 34 (Thirty Four)",
            ),
            ("mariner-release", "CBL-Mariner 2.0.20240123\n", "mariner|2.0|-|CBL-Mariner 2.0.20240123"),
            (
                "photon-release",
                "VMware Photon OS 4.0\nPHOTON_BUILD_NUMBER=1\n",
                "photon|4.0|-|VMware Photon OS 4.0",
            ),
            (
                "SuSE-release",
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                "sles|11.4|-|SUSE Linux Enterprise Server 11 (x86_64)",
            ),
        ] {
            check(name, content, expected);
        }
    }

    fn finish(files: &[(&str, &str)]) -> Merged {
        let observations: Vec<_> = files
            .iter()
            .map(|(path, content)| {
                let mut bytes = content.as_bytes();
                let content = Content::new(&mut bytes, content.len() as u64, 1 << 20);
                (*path, DistroAnalyzer.observe(&hostile::entry(path), content))
            })
            .collect();
        let views = observations
            .iter()
            .map(|(path, observation)| FileView { path, observation, layer: None })
            .collect();
        let mut merged = Merged::default();
        DistroAnalyzer.finish(&Files::new(views), &mut merged);
        merged
    }

    #[test]
    fn takes_the_best_file_alone() {
        for (files, expected) in [
            (&[][..], None),
            (
                &[("etc/os-release", "ID=a"), ("usr/lib/os-release", "ID=b\nVERSION_ID=1")][..],
                Some("a|- etc/os-release"),
            ),
            (
                &[("usr/lib/os-release", "ID=b"), ("etc/debian_version", "12.1")],
                Some("b|- usr/lib/os-release"),
            ),
            (
                &[("etc/os-release", "garbage"), ("etc/debian_version", "12.1")],
                Some("debian|12 etc/debian_version"),
            ),
            (
                &[("etc/os-release", ""), ("etc/alpine-release", "3.9.0")],
                Some("alpine|3.9.0 etc/alpine-release"),
            ),
            (
                &[
                    ("etc/debian_version", "bookworm/sid"),
                    ("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04"),
                ],
                Some("ubuntu|22.04 etc/lsb-release"),
            ),
            (
                &[
                    ("etc/redhat-release", "AlmaLinux release 8.10 (X)"),
                    ("etc/almalinux-release", "AlmaLinux release 8.10 (X)"),
                ],
                Some("almalinux|8.10 etc/almalinux-release"),
            ),
            (&[(REPOSITORIES, "https://example.org/edge/main")], None),
        ] {
            let merged = finish(files);
            assert_eq!(merged.problems, []);
            let found = merged
                .distro
                .map(|d| format!("{}|{} {}", d.id, d.version_id.as_deref().unwrap_or("-"), d.path));
            assert_eq!(found.as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn knows_alpines_edge_by_its_repositories() {
        let codename = |repositories: &str| {
            let alpine = ("etc/os-release", "ID=alpine\nVERSION_ID=3.20.3");
            finish(&[alpine, (REPOSITORIES, repositories)]).distro.and_then(|distro| distro.codename)
        };
        let edge = Some("edge".to_owned());
        assert_eq!(
            codename("https://example.org/alpine/edge/main\nhttps://example.org/alpine/edge/community\n"),
            edge
        );
        assert_eq!(codename("https://example.org/alpine/edge/main/\r\n"), edge);
        let stable = "https://example.org/alpine/v3.20/main\n";
        assert_eq!(codename(stable), None);
        assert_eq!(codename(&format!("{stable}@edge https://example.org/alpine/edge/main\n")), None);
        assert_eq!(codename(&format!("{stable}https://example.org/alpine/edge/main\n")), None);
        assert_eq!(codename(&format!("#{stable}https://example.org/alpine/edge/testing\n")), None);
    }

    #[test]
    fn says_what_it_cannot_read() {
        for (name, content) in [
            ("os-release", "garbage"),
            ("os-release", "ID=../../x\n"),
            ("os-release", "ID=\nVERSION_ID=1\n"),
            ("os-release", "\0\0\0"),
            ("lsb-release", "LSB_VERSION=1.4\n"),
            ("alpine-release", "edge\u{1b}[2J"),
            ("debian_version", "a b/c\n"),
            ("redhat-release", "release 7\n"),
        ] {
            let observation = parse(name, content.as_bytes());
            assert_eq!(observation.facts, [Fact::Text(UNNAMED.to_owned())], "{name} {content:?}");
            let path = format!("etc/{name}");
            let merged = finish(&[(&path, content)]);
            assert_eq!(merged.distro, None);
            let problems: Vec<_> = merged.problems.iter().map(|p| (p.code, p.path.as_deref())).collect();
            assert_eq!(problems, [(ProblemCode::FileCorrupt, Some(path.as_str()))]);
        }
        let long = format!("ID={}\n", "a".repeat(60_000));
        assert_eq!(parse("os-release", long.as_bytes()).facts, [Fact::Text(UNNAMED.to_owned())]);
    }

    #[test]
    fn never_panics() {
        hostile::check(|bytes| parse("os-release", bytes), &[OS_RELEASE, LSB_RELEASE]);
        hostile::check(|bytes| parse("repositories", bytes), &[b"https://example.org/alpine/edge/main\n"]);
        hostile::check(|bytes| parse("alpine-release", bytes), &[b"3.20.3\n"]);
        hostile::check(|bytes| parse("debian_version", bytes), &[b"12.5\n", b"bookworm/sid\n"]);
        let lines: &[&[u8]] = &[
            b"CentOS Linux release 7.9.2009 (Core)\n",
            b"SUSE Linux Enterprise Server 11\nPATCHLEVEL = 4\n",
        ];
        hostile::check(|bytes| parse("redhat-release", bytes), lines);
    }
}
