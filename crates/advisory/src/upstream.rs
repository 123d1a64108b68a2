//! Under which name the Bitnami vulnerability database (github.com/bitnami/vulndb, OSV ecosystem `Bitnami`) speaks
//! of a program that no package manager installed.
//!
//! Its records name upstream software by Bitnami's own names, and its ranges are upstream versions: whoever built
//! the program, the version that it tells of itself can be compared with them. Programs that it does not speak of
//! are not covered, and that is said. `mysql` is left out: there, `mysql-client` is of MariaDB.

/// Name of the program -> name in the records. Sorted.
const NAMES: &[(&str, &str)] = &[
    ("go", "golang"),
    ("haproxy", "haproxy"),
    ("httpd", "apache"),
    ("mariadb", "mariadb"),
    ("memcached", "memcached"),
    ("nginx", "nginx"),
    ("node", "node"),
    ("openjdk", "java"),
    ("openresty", "openresty"),
    ("php", "php"),
    ("postgresql", "postgresql"),
    ("python", "python"),
    ("redis", "redis"),
    ("ruby", "ruby"),
    ("sqlite", "sqlite"),
    ("valkey", "valkey"),
];

/// The name in Bitnami's records; `None` when they do not speak of the program.
pub(crate) fn bitnami_name(program: &str) -> Option<&'static str> {
    NAMES.binary_search_by_key(&program, |(name, _)| name).ok().and_then(|at| NAMES.get(at)).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found() {
        for (program, name) in NAMES {
            assert_eq!(bitnami_name(program), Some(*name));
        }
        assert_eq!(bitnami_name("busybox"), None);
        assert_eq!(bitnami_name(""), None);
    }
}
