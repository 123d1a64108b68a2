//! `go.mod` (Go Modules Reference, "go.mod files"): the modules that a Go project requires, replaced ones under the
//! name that they are replaced by. Since Go 1.17 the file names all modules that the build needs.

use std::collections::HashMap;

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Go's module file.
pub static GO: LockAnalyzer = LockAnalyzer { name: "lock/go", is_lock: |name| name == "go.mod", parse };

/// Which version is replaced, if not all, and by which module at which version, if not by a directory.
type Replacement<'a> = (Option<&'a str>, Option<(&'a str, &'a str)>);

/// Reads `require` and `replace`; a replacement by a directory has no version and is left out.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Golang);
    let text = utf8(bytes, &mut locked);
    let mut required: Vec<(&str, &str)> = Vec::new();
    let mut replaced: HashMap<&str, Replacement<'_>> = HashMap::new();
    let mut block = "";
    for line in text.lines() {
        let line = line.split_once("//").map_or(line, |(code, _)| code).trim();
        let mut words = line.split_ascii_whitespace().map(|word| word.trim_matches(['"', '`']));
        let Some(first) = words.next() else { continue };
        if line == ")" {
            block = "";
            continue;
        }
        let (verb, first) = match (block, first) {
            ("", verb) => match words.next() {
                Some("(") => {
                    block = verb;
                    continue;
                }
                Some(next) => (verb, next),
                None => continue,
            },
            (verb, first) => (verb, first),
        };
        let rest: Vec<&str> = words.take(4).collect();
        match (verb, rest.as_slice()) {
            ("require", [version, ..]) => required.push((first, version)),
            ("replace", ["=>", path, version]) => drop(replaced.insert(first, (None, Some((path, version))))),
            ("replace", ["=>", _]) => drop(replaced.insert(first, (None, None))),
            ("replace", [old, "=>", path, version]) => {
                replaced.insert(first, (Some(old), Some((path, version))));
            }
            ("replace", [old, "=>", _]) => drop(replaced.insert(first, (Some(old), None))),
            _ => {}
        }
    }
    for (path, version) in required {
        match replaced.get(path) {
            Some((only, by)) if only.is_none_or(|only| only == version) => {
                if let Some((path, version)) = by {
                    locked.add(path, version);
                }
            }
            _ => locked.add(path, version),
        }
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn required_and_replaced_modules() {
        let file = "module example.com/app\n\ngo 1.22\n\nrequire golang.org/x/net v0.17.0\n\nrequire (\n\tgithub.com/a/b v1.2.3 // indirect\n\t\
                    github.com/old/c v1.0.0\n\tgithub.com/local/d v1.0.0\n\tgithub.com/e/f v2.0.0+incompatible\n)\n\n\
                    replace github.com/old/c => github.com/new/c v1.1.0\nreplace (\n\tgithub.com/local/d => ../d\n\tgithub.com/e/f v1.0.0 => x v1.0.0\n)\n";
        check(
            parse,
            file,
            &[
                ("golang.org/x/net", "v0.17.0"),
                ("github.com/a/b", "v1.2.3"),
                ("github.com/new/c", "v1.1.0"),
                ("github.com/e/f", "v2.0.0+incompatible"),
            ],
        );
    }
}
