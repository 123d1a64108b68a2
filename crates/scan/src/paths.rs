//! Paths as archives write them, made comparable.

use std::borrow::Cow;

/// The last component of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The text of a path, with replacement characters where it is no UTF-8.
pub fn lossy(path: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(path)
}

/// Writes `path` without leading slash, empty parts, `.` and `..` into `clean`. True when a `..` would have
/// led out of the root, where it is ignored.
pub fn clean_path(path: &[u8], clean: &mut Vec<u8>) -> bool {
    clean.clear();
    let mut outside = false;
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if clean.is_empty() {
                    outside = true;
                }
                let end = clean.iter().rposition(|&b| b == b'/').unwrap_or(0);
                clean.truncate(end);
            }
            part => {
                if !clean.is_empty() {
                    clean.push(b'/');
                }
                clean.extend_from_slice(part);
            }
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_paths_as_runtimes_do() {
        for (path, expected, outside) in [
            ("./usr/bin/", "usr/bin", false),
            ("/etc/passwd", "etc/passwd", false),
            ("../../etc/passwd", "etc/passwd", true),
            ("a/../../b", "b", true),
            ("a/./b//c/..", "a/b", false),
            ("./", "", false),
            ("..", "", true),
        ] {
            let mut clean = Vec::new();
            assert_eq!(clean_path(path.as_bytes(), &mut clean), outside, "{path}");
            assert_eq!(clean, expected.as_bytes(), "{path}");
        }
    }
}
