//! Which rpm modules an advisory is about. OSV has no field for it; AlmaLinux and Rocky Linux name the
//! streams in the summary: `Moderate: python39:3.9 and python39-devel:3.9 security update`.

/// The `name:stream` words of a summary.
pub(super) fn modules(summary: &str) -> Vec<String> {
    let text = summary.split_once(": ").map_or(summary, |(_, rest)| rest);
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-'))
    };
    let words = text
        .split([' ', ',', ';', '/'])
        .filter(|word| word.split_once(':').is_some_and(|(name, stream)| is_part(name) && is_part(stream)));
    words.map(str::to_owned).collect()
}

/// True for a build of a module: `.module_el8.5.0+119+9a9ec082`, `.module+el9.4.0+20787+4c237fd3`.
pub(super) fn is_build(version: &str) -> bool {
    version.contains(".module_") || version.contains(".module+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_streams() {
        for (summary, expected) in [
            ("Important: mysql:8.0 security update", &["mysql:8.0"][..]),
            ("Low: 389-ds:1.4 security and bug fix update", &["389-ds:1.4"]),
            (
                "Moderate: virt:rhel and virt-devel:rhel security, bug fix, and enhancement update",
                &["virt:rhel", "virt-devel:rhel"],
            ),
            ("Important: httpd:2.4/mod_http2 security update", &["httpd:2.4"]),
            ("Moderate: go-toolset security update", &[]),
            ("Important: perl:5.26", &["perl:5.26"]),
            ("", &[]),
            ("a : b :c d:", &[]),
        ] {
            assert_eq!(modules(summary), expected, "{summary}");
        }
    }
}
