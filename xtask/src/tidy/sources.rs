//! How sources look: length, names, lints, documentation, and words that do not belong.
//!
//! Lines are read with a small scanner that leaves out strings and comments; it need not be a Rust parser,
//! because rustfmt and clippy have the last word on everything else.

use super::{Violation, tree::Tree};

/// A file longer than this needs a place in [`LONG`].
const MAX_LINES: usize = 450;
/// No file is longer than this.
const HARD_LINES: usize = 1000;

/// Files that may be longer than [`MAX_LINES`], with the reason.
const LONG: &[(&str, &str)] = &[];

/// The files that may hold `unsafe` code, with the reason.
const UNSAFE: &[(&str, &str)] =
    &[("crates/advisory/src/shard/map.rs", "shards are memory-mapped to be shared between processes")];

/// Names that say nothing of what a module holds.
const NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc", "stuff"];

/// Marks of work left undone; `concat` keeps this file free of them.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Beginnings of absolute paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/work", "space/"),
    concat!("/Use", "rs/"),
    concat!("/home/", "runner/"),
];

/// Checks every text file.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.texts() {
        if path.contains("/testdata/") || path.ends_with(".snap") || path.ends_with(".lock") {
            continue;
        }
        if path == "LICENSE" {
            continue;
        }
        found.extend(machine_paths(path, text));
        found.extend(whitespace(path, text));
        if path.ends_with(".rs") {
            found.extend(length(path, text));
            found.extend(name(path));
            found.extend(code(path, text));
            if path.contains("src/") && path.starts_with("crates/") {
                found.extend(marks(path, text));
            }
            if path.contains("src/") {
                found.extend(module_doc(path, text));
            }
        }
    }
    for (path, _) in UNSAFE.iter().chain(LONG).filter(|(path, _)| !tree.exists(path)) {
        let text = format!("names {path}, which does not exist: remove the entry");
        found.push(Violation::new("xtask/src/tidy/sources.rs", 0, "stale-exception", text));
    }
    found
}

fn length(path: &str, text: &str) -> Option<Violation> {
    let n_lines = text.lines().count();
    let listed = LONG.iter().any(|(long, _)| *long == path);
    let say = if n_lines > HARD_LINES {
        format!("{n_lines} lines, never more than {HARD_LINES}: split it by subject")
    } else if n_lines > MAX_LINES && !listed {
        format!("{n_lines} lines, more than {MAX_LINES}: split it by subject, or list it in sources.rs")
    } else if n_lines <= MAX_LINES && listed {
        "is short again: remove it from the list in sources.rs".to_owned()
    } else {
        return None;
    };
    Some(Violation::new(path, 0, "file-length", say))
}

fn name(path: &str) -> Option<Violation> {
    let bad = path.split('/').map(|part| part.trim_end_matches(".rs")).find(|part| NAMES.contains(part))?;
    let say = format!("`{bad}` says nothing: name the module after what it holds");
    Some(Violation::new(path, 0, "module-name", say))
}

fn module_doc(path: &str, text: &str) -> Option<Violation> {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["))?;
    let say = "begin with `//!`: what the module is for and what it must not do";
    (!first.starts_with("//!")).then(|| Violation::new(path, 0, "module-doc", say))
}

fn whitespace(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        if line.trim_end().len() != line.len() {
            found.push(Violation::new(
                path,
                idx + 1,
                "whitespace",
                "remove the space at the end of the line",
            ));
        }
        if line.contains('\t') {
            found.push(Violation::new(
                path,
                idx + 1,
                "whitespace",
                "replace the tab by spaces (in a string: \\t)",
            ));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        found.push(Violation::new(path, text.lines().count(), "whitespace", "end the file with a newline"));
    }
    found
}

fn marks(path: &str, text: &str) -> Vec<Violation> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let has_mark = |line: &&str| line.split(|c: char| !is_word(c)).any(|word| MARKS.contains(&word));
    let lines = text.lines().enumerate().filter(|(_, line)| has_mark(line));
    let say = "do it, or open an issue and say here what holds today";
    lines.map(|(idx, _)| Violation::new(path, idx + 1, "unfinished", say)).collect()
}

fn machine_paths(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        for needle in MACHINE_PATHS {
            // `a/work/b` is relative and harmless.
            let absolute = |(at, _): (usize, &str)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '~'))
            };
            if line.match_indices(needle).any(absolute) {
                let say = format!("`{needle}` is a path of one machine: use a path within the project");
                found.push(Violation::new(path, idx + 1, "machine-path", say));
            }
        }
    }
    found
}

/// Rules on code proper, without strings and comments.
fn code(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let may_be_unsafe = UNSAFE.iter().any(|(file, _)| *file == path);
    for (idx, line) in text.lines().enumerate() {
        let code = code_part(line);
        let code = code.trim();
        if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
            let say = "use `#[expect(lint, reason = \"...\")]`, which ends with its cause";
            found.push(Violation::new(path, idx + 1, "allow", say));
        }
        if !may_be_unsafe && has_unsafe(code) {
            let say = "`unsafe` lives in one file only (the list in sources.rs): find a safe way";
            found.push(Violation::new(path, idx + 1, "unsafe", say));
        }
    }
    found
}

/// True for an unsafe block or item; the lint's name and an attribute about it are something else.
fn has_unsafe(code: &str) -> bool {
    code.match_indices("unsafe").any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].trim_start();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && (after.is_empty()
                || after.starts_with('{')
                || ["fn ", "impl", "extern", "trait "].iter().any(|item| after.starts_with(item)))
    })
}

/// The line with the contents of string and character literals and a trailing `//` comment left out.
fn code_part(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => break,
            '"' => {
                out.push('"');
                while let Some(c) = rest.next() {
                    match c {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                out.push('"');
            }
            '\'' if rest.peek() == Some(&'"') => drop(rest.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules broken by one file.
    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let found = check(&Tree::of(&[(path, text), ("crates/advisory/src/shard/map.rs", "//! Maps.\n")]));
        found.into_iter().map(|violation| violation.rule).collect()
    }

    fn check_code(line: &str, expected: &[&str]) {
        assert_eq!(rules("crates/a/src/lib.rs", &format!("//! Doc.\n{line}\n")), expected, "{line}");
    }

    #[test]
    fn length_has_two_limits() {
        let file = |n: usize| "//! Doc.\n".repeat(n);
        assert_eq!(rules("crates/a/src/lib.rs", &file(450)), [""; 0]);
        assert_eq!(rules("crates/a/src/lib.rs", &file(451)), ["file-length"]);
        assert_eq!(rules("crates/a/src/testdata/lib.rs", &file(451)), [""; 0]);
        assert_eq!(rules("docs/a.md", &file(1001)), [""; 0]);
    }

    #[test]
    fn names_must_tell() {
        for path in ["crates/a/src/util.rs", "crates/a/src/common/mod.rs", "xtask/src/types.rs"] {
            assert_eq!(rules(path, "//! Doc.\n"), ["module-name"], "{path}");
        }
        assert_eq!(rules("crates/a/src/media_types.rs", "//! Doc.\n"), [""; 0]);
    }

    #[test]
    fn modules_are_documented() {
        assert_eq!(rules("crates/a/src/lib.rs", "use std::fmt;\n"), ["module-doc"]);
        assert_eq!(rules("crates/a/src/lib.rs", "#![no_main]\n//! Doc.\n"), [""; 0]);
        assert_eq!(rules("crates/a/tests/it/main.rs", "use std::fmt;\n"), [""; 0]);
    }

    #[test]
    fn whitespace_is_clean() {
        assert_eq!(rules("docs/a.md", "a \nb\n"), ["whitespace"]);
        assert_eq!(rules("docs/a.md", "a\tb\n"), ["whitespace"]);
        assert_eq!(rules("docs/a.md", "a"), ["whitespace"]);
    }

    #[test]
    fn allow_becomes_expect() {
        check_code("#[allow(dead_code)]", &["allow"]);
        check_code("    #![allow(dead_code)]", &["allow"]);
        check_code("// #[allow(dead_code)]", &[]);
        check_code("let text = \"#[allow(\";", &[]);
        check_code("#[expect(dead_code, reason = \"later\")]", &[]);
    }

    #[test]
    fn unsafe_has_one_home() {
        check_code("let x = unsafe { map() };", &["unsafe"]);
        check_code("unsafe fn a() {}", &["unsafe"]);
        check_code("let c = '\"'; unsafe impl Send for A {}", &["unsafe"]);
        check_code("#![forbid(unsafe_code)]", &[]);
        check_code("// unsafe { }", &[]);
        check_code("let text = \"a \\\" unsafe {\";", &[]);
        assert_eq!(
            rules("crates/advisory/src/shard/map.rs", "//! Doc.\nlet x = unsafe { map() };\n"),
            [""; 0]
        );
    }

    #[test]
    fn nothing_is_left_undone() {
        check_code(concat!("// TO", "DO: later"), &["unfinished"]);
        check_code(concat!("// FIX", "ME"), &["unfinished"]);
        check_code(concat!("let XX", "XL = 1;"), &[]);
        check_code(concat!("to", "do"), &[]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        check_code(concat!("// see /wo", "rk/x"), &["machine-path"]);
        check_code(concat!("let p = \"/Use", "rs/me\";"), &["machine-path"]);
        check_code(concat!("// target/wo", "rk/x"), &[]);
    }

    #[test]
    fn an_exception_without_a_file_is_stale() {
        let found = check(&Tree::of(&[("README.md", "a\n")]));
        assert!(found.iter().all(|violation| violation.rule == "stale-exception") && !found.is_empty());
    }
}
