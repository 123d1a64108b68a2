//! `requirements.txt` and its kin (pip documentation, "Requirements File Format"): only requirements that are pinned by
//! `==` say what will be installed; options, ranges and URLs are left out.

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// pip's list of requirements.
pub static REQUIREMENTS: LockAnalyzer = LockAnalyzer { name: "lock/requirements", is_lock, parse };

fn is_lock(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".txt") else { return false };
    let of_development = ["dev", "test", "lint", "docs"].iter().any(|word| stem.contains(word));
    stem.starts_with("requirements") && !of_development
}

/// Reads the pinned requirements.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Pypi);
    let text = utf8(bytes, &mut locked);
    for line in text.lines() {
        // A comment begins at the start of a line or after a blank.
        let line = match line.find('#') {
            Some(0) => "",
            Some(at) if line[..at].ends_with([' ', '\t']) => &line[..at],
            _ => line,
        };
        // Conditions and hashes follow the requirement.
        let requirement = line.split(';').next().unwrap_or(line).split(" --").next().unwrap_or_default();
        let requirement = requirement.trim().trim_end_matches('\\').trim_end();
        if requirement.starts_with('-') || requirement.contains("://") {
            continue;
        }
        let Some((name, version)) = requirement.split_once("==") else { continue };
        let version = version.trim_start_matches('=').trim();
        if version.contains([',', '*']) {
            continue;
        }
        let name = name.split('[').next().unwrap_or(name).trim();
        locked.add(name, version);
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn pinned_requirements() {
        let file = "# all of it\n-r base.txt\n--hash=sha256:00\nDjango==4.2.1\nrequests[socks] == 2.31.0 ; python_version > '3'  # web\n\
                    urllib3===1.26.0 --hash=sha256:ab \\\n    --hash=sha256:cd\nflask>=2\nx==1.*\ny==1.0,<2\ngit+https://example.com/a#egg=z==1\n";
        check(parse, file, &[("Django", "4.2.1"), ("requests", "2.31.0"), ("urllib3", "1.26.0")]);
    }
}
