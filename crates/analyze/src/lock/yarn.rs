//! `yarn.lock`: Yarn 1 writes a format of its own, Yarn 2 and later YAML of the same outline: a line of patterns
//! (`"a@^1.0.0", a@~1.1.0:`), then, two columns in, `version "1.1.0"` or `version: 1.1.0`. Neither tells packages of
//! development apart.

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Yarn's lock file.
pub static YARN: LockAnalyzer =
    LockAnalyzer { name: "lock/yarn", is_lock: |name| name == "yarn.lock", parse };

/// Reads the packages of registries.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Npm);
    let text = utf8(bytes, &mut locked);
    let mut name = None;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            name = line
                .strip_suffix(':')
                .and_then(|patterns| name_of(patterns.split(',').next().unwrap_or(patterns)));
            continue;
        }
        let Some(value) = line.strip_prefix("  version").and_then(|rest| rest.strip_prefix([' ', ':']))
        else {
            continue;
        };
        if let Some(name) = name.take() {
            locked.add(name, value.trim().trim_matches('"'));
        }
    }
    locked.finish()
}

/// The name in a pattern `"@scope/a@npm:^1.0.0"`: of an alias (`a@npm:b@1.0.0`) the name of what is installed; `None`
/// for parts of the project.
fn name_of(pattern: &str) -> Option<&str> {
    let pattern = pattern.trim().trim_matches('"');
    let split = |text| -> Option<(usize, usize)> {
        let text: &str = text;
        text.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| (at, at + 1))
    };
    let (end, start) = split(pattern)?;
    let range = pattern.get(start..)?;
    let local = ["workspace:", "link:", "portal:", "file:"];
    if local.iter().any(|prefix| range.starts_with(prefix)) {
        return None;
    }
    if let Some(alias) = range.strip_prefix("npm:")
        && let Some((end, _)) = split(alias)
    {
        return alias.get(..end);
    }
    pattern.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn version_1() {
        let file = "# yarn lockfile v1\n\n\n\"@babel/core@^7.0.0\", \"@babel/core@^7.1.0\":\n  version \"7.22.5\"\n  resolved \"https://x\"\n  dependencies:\n    \
                    version \"9\"\n\nalias@npm:real@^1.0.0:\n  version \"1.2.0\"\n\nms@2.1.2:\n  version \"2.1.2\"\n";
        check(parse, file, &[("@babel/core", "7.22.5"), ("real", "1.2.0"), ("ms", "2.1.2")]);
    }

    #[test]
    fn later_versions() {
        let file = "__metadata:\n  version: 6\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n\n\"ms@npm:2.1.2, ms@npm:^2.1.1\":\n  version: 2.1.2\n  \
                    resolution: \"ms@npm:2.1.2\"\n";
        check(parse, file, &[("ms", "2.1.2")]);
    }
}
