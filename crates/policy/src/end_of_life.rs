//! Until when distributions get security fixes from those who make them.
//!
//! A table of release and last day, read off endoflife.date (August 2026) and the pages of the vendors that are
//! named below. What is not in it is not known here, which is not the same as supported: rolling distributions
//! (Wolfi, Chainguard, Arch, Tumbleweed, Alpine's edge, Debian's unstable) have no end, and very old or very new
//! releases are left out. It must not decide anything: rules do.

use jiff::civil::{Date, date};
use model::Distro;

/// The end of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfLife {
    /// The last day on which all users get security fixes.
    pub date: Date,
    /// True when that day is over.
    pub ended: bool,
    /// The last day on which some do: with a subscription (RHEL, SLES, Ubuntu Pro, Oracle) or by other people and
    /// for fewer packages (Debian LTS). `None` where there is no such thing.
    pub extended: Option<Date>,
}

/// The end of a distribution's release, when it is known; `today` is the day on which this is asked.
///
/// Releases are taken from `VERSION_ID` as far as the distribution counts them: Debian 12.5 is 12, Alpine 3.20.3 is
/// 3.20. Derivatives that are not named in the table are not taken for their parents.
pub fn end_of_life(distro: &Distro, today: Date) -> Option<EndOfLife> {
    let version = distro.version_id.as_deref()?;
    let is_stream = || distro.pretty_name.as_deref().is_some_and(|name| name.contains("Stream"));
    let (table, parts) = match distro.id.as_str() {
        "almalinux" => (ALMALINUX, 1),
        "alpine" if distro.codename.as_deref() == Some("edge") || version.contains("_alpha") => return None,
        "alpine" => (ALPINE, 2),
        "amzn" => (AMAZON, 1),
        "centos" if is_stream() => (CENTOS_STREAM, 1),
        // There is no CentOS Linux after 8.
        "centos" if major(version)? > 8 => (CENTOS_STREAM, 1),
        "centos" => (CENTOS, 1),
        "debian" => (DEBIAN, 1),
        "fedora" => (FEDORA, 1),
        "mariner" => (MARINER, 2),
        "ol" => (ORACLE, 1),
        "opensuse-leap" => (LEAP, 2),
        "photon" => (PHOTON, 2),
        "rhel" => (RHEL, 1),
        "rocky" => (ROCKY, 1),
        "sles" | "sles_sap" | "sled" => (SLES, 2),
        "ubuntu" => (UBUNTU, 2),
        _ => return None,
    };
    let release = table.iter().find(|release| is_release(version, release.version, parts))?;
    Some(EndOfLife { date: release.end, ended: today > release.end, extended: release.extended })
}

/// True when the first `parts` numbers of a version are those of a release; a number that is missing is 0.
fn is_release(version: &str, release: &str, parts: usize) -> bool {
    let mut numbers = version.split('.');
    let mut wanted = release.split('.');
    (0..parts).all(|_| numbers.next().unwrap_or("0") == wanted.next().unwrap_or("0"))
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// One row.
struct Release {
    version: &'static str,
    end: Date,
    extended: Option<Date>,
}

impl Release {
    const fn extended(mut self, end: Date) -> Self {
        self.extended = Some(end);
        self
    }
}

const fn till(version: &'static str, end: Date) -> Release {
    Release { version, end, extended: None }
}

/// Amazon Linux: aws.amazon.com/amazon-linux-2/faqs and /linux/amazon-linux-2023/faqs; the first one by its dates of
/// release.
const AMAZON: &[Release] = &[
    till("2023", date(2029, 6, 30)),
    till("2", date(2026, 6, 30)),
    till("2018", date(2023, 12, 31)),
    till("2017", date(2023, 12, 31)),
    till("2016", date(2023, 12, 31)),
];

/// CBL-Mariner: learn.microsoft.com, Azure Linux support cycle.
const MARINER: &[Release] = &[till("2.0", date(2025, 7, 31))];

/// AlmaLinux: wiki.almalinux.org, "Release Notes".
const ALMALINUX: &[Release] =
    &[till("10", date(2035, 5, 31)), till("9", date(2032, 5, 31)), till("8", date(2029, 5, 31))];

/// alpinelinux.org/releases.
const ALPINE: &[Release] = &[
    till("3.24", date(2028, 6, 1)),
    till("3.23", date(2027, 11, 1)),
    till("3.22", date(2027, 5, 1)),
    till("3.21", date(2026, 11, 1)),
    till("3.20", date(2026, 4, 1)),
    till("3.19", date(2025, 11, 1)),
    till("3.18", date(2025, 5, 9)),
    till("3.17", date(2024, 11, 22)),
    till("3.16", date(2024, 5, 23)),
    till("3.15", date(2023, 11, 1)),
    till("3.14", date(2023, 5, 1)),
    till("3.13", date(2022, 11, 1)),
    till("3.12", date(2022, 5, 1)),
    till("3.11", date(2021, 11, 1)),
    till("3.10", date(2021, 5, 1)),
    till("3.9", date(2020, 11, 1)),
    till("3.8", date(2020, 5, 1)),
    till("3.7", date(2019, 11, 1)),
    till("3.6", date(2019, 5, 1)),
    till("3.5", date(2018, 11, 1)),
    till("3.4", date(2018, 5, 1)),
    till("3.3", date(2017, 11, 1)),
];

/// CentOS Linux: wiki.centos.org, "About/Product".
const CENTOS: &[Release] =
    &[till("8", date(2021, 12, 31)), till("7", date(2024, 6, 30)), till("6", date(2020, 11, 30))];

/// centos.org/cl-vs-cs.
const CENTOS_STREAM: &[Release] =
    &[till("10", date(2030, 5, 31)), till("9", date(2027, 5, 31)), till("8", date(2024, 5, 31))];

/// Security support, then LTS: wiki.debian.org/LTS.
const DEBIAN: &[Release] = &[
    till("13", date(2028, 8, 9)).extended(date(2030, 6, 30)),
    till("12", date(2026, 7, 11)).extended(date(2028, 6, 30)),
    till("11", date(2024, 8, 14)).extended(date(2026, 8, 31)),
    till("10", date(2022, 9, 10)).extended(date(2024, 6, 30)),
    till("9", date(2020, 7, 18)).extended(date(2022, 6, 30)),
    till("8", date(2018, 6, 17)).extended(date(2020, 6, 30)),
    till("7", date(2016, 4, 25)).extended(date(2018, 5, 31)),
];

/// fedorapeople.org/groups/schedule.
const FEDORA: &[Release] = &[
    till("44", date(2027, 6, 2)),
    till("43", date(2026, 12, 9)),
    till("42", date(2026, 5, 27)),
    till("41", date(2025, 12, 15)),
    till("40", date(2025, 5, 13)),
    till("39", date(2024, 11, 26)),
    till("38", date(2024, 5, 21)),
    till("37", date(2023, 12, 5)),
    till("36", date(2023, 5, 16)),
    till("35", date(2022, 12, 13)),
    till("34", date(2022, 6, 7)),
    till("33", date(2021, 11, 30)),
    till("32", date(2021, 5, 25)),
    till("31", date(2020, 11, 24)),
    till("30", date(2020, 5, 26)),
    till("29", date(2019, 11, 26)),
    till("28", date(2019, 5, 28)),
];

/// en.opensuse.org/Lifetime.
const LEAP: &[Release] = &[
    till("16.0", date(2027, 10, 31)),
    till("15.6", date(2026, 4, 30)),
    till("15.5", date(2024, 12, 31)),
    till("15.4", date(2023, 12, 7)),
    till("15.3", date(2022, 12, 31)),
    till("15.2", date(2022, 1, 4)),
    till("15.1", date(2021, 2, 2)),
    till("15.0", date(2019, 12, 3)),
    till("42.3", date(2019, 7, 1)),
    till("42.2", date(2018, 1, 26)),
    till("42.1", date(2017, 5, 17)),
];

/// Premier, then Extended Support: Oracle Open Source Support Policies.
const ORACLE: &[Release] = &[
    till("9", date(2032, 6, 30)).extended(date(2035, 6, 30)),
    till("8", date(2029, 7, 31)).extended(date(2032, 7, 31)),
    till("7", date(2024, 12, 31)).extended(date(2028, 6, 30)),
    till("6", date(2021, 3, 31)).extended(date(2024, 12, 31)),
];

/// Photon OS: blogs.vmware.com and vmware.github.io/photon.
const PHOTON: &[Release] = &[
    till("4.0", date(2027, 10, 11)),
    till("3.0", date(2025, 10, 2)),
    till("2.0", date(2022, 12, 1)),
    till("1.0", date(2022, 2, 28)),
];

/// Maintenance, then Extended Life Cycle Support: access.redhat.com/support/policy/updates/errata.
const RHEL: &[Release] = &[
    till("10", date(2035, 5, 31)).extended(date(2039, 5, 31)),
    till("9", date(2032, 5, 31)).extended(date(2036, 5, 31)),
    till("8", date(2029, 5, 31)).extended(date(2033, 5, 31)),
    till("7", date(2024, 6, 30)).extended(date(2029, 5, 31)),
    till("6", date(2020, 11, 30)).extended(date(2024, 6, 30)),
    till("5", date(2017, 3, 31)).extended(date(2020, 11, 30)),
];

/// wiki.rockylinux.org/rocky/version.
const ROCKY: &[Release] =
    &[till("10", date(2035, 5, 31)), till("9", date(2032, 5, 31)), till("8", date(2029, 5, 31))];

/// General support, then LTSS: suse.com/lifecycle.
const SLES: &[Release] = &[
    till("16.0", date(2027, 11, 30)).extended(date(2030, 11, 30)),
    till("15.7", date(2031, 7, 31)).extended(date(2034, 7, 31)),
    till("15.6", date(2025, 12, 31)).extended(date(2028, 12, 31)),
    till("15.5", date(2024, 12, 31)).extended(date(2027, 12, 31)),
    till("15.4", date(2023, 12, 31)).extended(date(2026, 12, 31)),
    till("15.3", date(2022, 12, 31)).extended(date(2025, 12, 31)),
    till("15.2", date(2021, 12, 31)).extended(date(2024, 12, 31)),
    till("12.5", date(2024, 10, 31)).extended(date(2027, 10, 31)),
    till("15.1", date(2021, 1, 31)).extended(date(2024, 1, 31)),
    till("12.4", date(2020, 6, 30)).extended(date(2023, 6, 30)),
    till("15.0", date(2019, 12, 31)).extended(date(2022, 12, 31)),
    till("12.3", date(2019, 6, 30)).extended(date(2022, 6, 30)),
    till("12.2", date(2018, 3, 31)).extended(date(2021, 3, 31)),
    till("12.1", date(2017, 5, 31)).extended(date(2020, 5, 31)),
    till("11.4", date(2019, 3, 31)).extended(date(2022, 3, 31)),
    till("12.0", date(2016, 6, 30)).extended(date(2019, 7, 1)),
    till("11.3", date(2016, 1, 31)).extended(date(2019, 1, 30)),
];

/// Standard, then Expanded Security Maintenance: ubuntu.com/about/release-cycle.
const UBUNTU: &[Release] = &[
    till("26.04", date(2031, 4, 30)).extended(date(2036, 4, 30)),
    till("25.10", date(2026, 7, 1)),
    till("25.04", date(2026, 1, 17)),
    till("24.10", date(2025, 7, 10)),
    till("24.04", date(2029, 5, 31)).extended(date(2034, 4, 25)),
    till("23.10", date(2024, 7, 12)),
    till("23.04", date(2024, 1, 20)),
    till("22.10", date(2023, 7, 20)),
    till("22.04", date(2027, 4, 1)).extended(date(2032, 4, 9)),
    till("21.10", date(2022, 7, 14)),
    till("21.04", date(2022, 1, 20)),
    till("20.10", date(2021, 7, 22)),
    till("20.04", date(2025, 5, 31)).extended(date(2030, 4, 2)),
    till("19.10", date(2020, 7, 6)),
    till("19.04", date(2020, 1, 23)),
    till("18.10", date(2019, 7, 18)),
    till("18.04", date(2023, 5, 31)).extended(date(2028, 4, 1)),
    till("17.10", date(2018, 7, 19)),
    till("17.04", date(2018, 1, 13)),
    till("16.10", date(2017, 7, 20)),
    till("16.04", date(2021, 4, 2)).extended(date(2026, 4, 2)),
    till("15.10", date(2016, 7, 28)),
    till("15.04", date(2016, 2, 4)),
    till("14.10", date(2015, 7, 23)),
    till("14.04", date(2019, 4, 2)).extended(date(2024, 4, 2)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(id: &str, version: &str) -> Distro {
        Distro { id: id.into(), version_id: Some(version.into()), ..Distro::default() }
    }

    /// `DATE` or `DATE DATE`, `-` where nothing is known.
    fn check(distro: &Distro, expected: &str) {
        let found = end_of_life(distro, date(2025, 1, 1)).map_or_else(
            || "-".to_owned(),
            |end| {
                let extended = end.extended.map_or(String::new(), |date| format!(" {date}"));
                format!("{}{extended}", end.date)
            },
        );
        assert_eq!(found, expected, "{}", distro.label());
    }

    #[test]
    fn knows_the_release_of_each_distribution() {
        for (id, version, expected) in [
            ("debian", "12", "2026-07-11 2028-06-30"),
            ("debian", "11.7", "2024-08-14 2026-08-31"),
            ("debian", "14", "-"),
            ("ubuntu", "22.04", "2027-04-01 2032-04-09"),
            ("ubuntu", "23.10", "2024-07-12"),
            ("ubuntu", "22", "-"),
            ("alpine", "3.20.3", "2026-04-01"),
            ("alpine", "3.2", "-"),
            ("alpine", "3.21.0_alpha20240923", "-"),
            ("rhel", "9.4", "2032-05-31 2036-05-31"),
            ("rhel", "7.9", "2024-06-30 2029-05-31"),
            ("centos", "7", "2024-06-30"),
            ("centos", "8", "2021-12-31"),
            ("centos", "9", "2027-05-31"),
            ("almalinux", "8.10", "2029-05-31"),
            ("rocky", "9.3", "2032-05-31"),
            ("ol", "8.9", "2029-07-31 2032-07-31"),
            ("amzn", "2023", "2029-06-30"),
            ("amzn", "2", "2026-06-30"),
            ("amzn", "2018.03", "2023-12-31"),
            ("fedora", "40", "2025-05-13"),
            ("sles", "15.4", "2023-12-31 2026-12-31"),
            ("sles", "15", "2019-12-31 2022-12-31"),
            ("sled", "12.5", "2024-10-31 2027-10-31"),
            ("opensuse-leap", "15.5", "2024-12-31"),
            ("opensuse-tumbleweed", "20240101", "-"),
            ("photon", "4.0", "2027-10-11"),
            ("photon", "5.0", "-"),
            ("mariner", "2.0", "2025-07-31"),
            ("azurelinux", "3.0", "-"),
            ("wolfi", "20230201", "-"),
            ("chainguard", "20230214", "-"),
            ("arch", "20250101", "-"),
            ("linuxmint", "21", "-"),
            ("", "12", "-"),
            ("centos", "x", "-"),
        ] {
            check(&distro(id, version), expected);
        }
        check(&Distro { version_id: None, ..distro("debian", "") }, "-");
        let stream = Distro { pretty_name: Some("CentOS Stream 8".into()), ..distro("centos", "8") };
        check(&stream, "2024-05-31");
        check(&Distro { codename: Some("edge".into()), ..distro("alpine", "3.20.3") }, "-");
    }

    #[test]
    fn the_last_day_is_a_day_of_support() {
        for (today, ended) in [
            (date(2024, 8, 13), false),
            (date(2024, 8, 14), false),
            (date(2024, 8, 15), true),
            (date(2026, 9, 1), true),
        ] {
            let end = end_of_life(&distro("debian", "11"), today).unwrap();
            assert_eq!((end.date, end.ended), (date(2024, 8, 14), ended), "{today}");
        }
    }

    #[test]
    fn the_table_is_plausible() {
        let tables = [
            ALMALINUX,
            ALPINE,
            AMAZON,
            CENTOS,
            CENTOS_STREAM,
            DEBIAN,
            FEDORA,
            LEAP,
            MARINER,
            ORACLE,
            PHOTON,
            RHEL,
            ROCKY,
            SLES,
            UBUNTU,
        ];
        for table in tables {
            for (at, release) in table.iter().enumerate() {
                assert!(
                    release.extended.is_none_or(|extended| extended > release.end),
                    "{}",
                    release.version
                );
                assert!(
                    !table[..at].iter().any(|other| other.version == release.version),
                    "{}",
                    release.version
                );
            }
        }
    }
}
