//! `Gemfile.lock` (Bundler): Ruby gems. `specs:` of every source lists `    NAME (VERSION[-PLATFORM])`; lines that are
//! indented further are what a gem needs. The file does not tell gems of development apart.

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Bundler's lock file.
pub static GEM: LockAnalyzer =
    LockAnalyzer { name: "lock/gem", is_lock: |name| matches!(name, "Gemfile.lock" | "gems.locked"), parse };

/// Reads the gems of all sources but the project's own directory.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Gem);
    let text = utf8(bytes, &mut locked);
    let mut is_source = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            is_source = matches!(line.trim_end(), "GEM" | "GIT");
        }
        let Some(rest) = line.strip_prefix("    ").filter(|rest| is_source && !rest.starts_with(' ')) else {
            continue;
        };
        let Some((name, version)) = rest.trim_end().split_once(" (") else { continue };
        let Some(version) = version.strip_suffix(')') else { continue };
        // A platform follows the version after a dash; versions of gems hold none.
        locked.add(name, version.split('-').next().unwrap_or(version));
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn gems_of_all_sources() {
        let file = "GIT\n  remote: https://example.com/x.git\n  specs:\n    x (0.1)\n\nPATH\n  remote: .\n  specs:\n    own (1.0)\n\n\
                    GEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.15.4-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.1)\n\n\
                    PLATFORMS\n  x86_64-linux\n\nDEPENDENCIES\n  nokogiri\n";
        check(parse, file, &[("x", "0.1"), ("nokogiri", "1.15.4"), ("racc", "1.7.1")]);
    }
}
