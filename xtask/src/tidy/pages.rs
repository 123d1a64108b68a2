//! How the documentation hangs together: every page can be found, every relative link leads somewhere.
//!
//! Only Markdown's inline links are understood: `[text](target)`. Code blocks and code spans are left out.

use std::collections::BTreeSet;

use super::{Violation, tree::Tree};

/// The pages from which every other page must be reachable in one step.
const DOORS: &[&str] = &["README.md", "ARCHITECTURE.md", "docs/index.md"];

/// Checks every Markdown page.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut listed = BTreeSet::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_page(path)) {
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let Some(file) = resolve(path, file) else {
                found.push(Violation::new(path, line, "link", format!("`{target}` leaves the project")));
                continue;
            };
            if DOORS.contains(&path) {
                listed.insert(file.clone());
            }
            if !tree.exists(&file) {
                let say = format!("`{target}` leads nowhere: there is no {file}");
                found.push(Violation::new(path, line, "link", say));
            } else if !anchor.is_empty()
                && file.ends_with(".md")
                && !tree.text(&file).is_some_and(|text| headings(text).any(|heading| heading == anchor))
            {
                let say = format!("`{target}`: {file} has no heading of that name");
                found.push(Violation::new(path, line, "link", say));
            }
        }
    }
    for (path, _) in tree.texts().filter(|(path, _)| is_page(path) && path.starts_with("docs/")) {
        if !listed.contains(path) && !DOORS.contains(&path) {
            let say = format!("link this page from one of {}", DOORS.join(", "));
            found.push(Violation::new(path, 0, "unlisted-page", say));
        }
    }
    found
}

fn is_page(path: &str) -> bool {
    path.ends_with(".md") && !path.contains("/testdata/")
}

/// Lines outside fenced code blocks, from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(idx, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((idx + 1, line))
    })
}

/// Targets of inline links with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in prose(text) {
        // Odd pieces lie between backticks.
        for piece in text.split('`').step_by(2) {
            for after in piece.split("](").skip(1) {
                let target = after.split(')').next().unwrap_or_default();
                found.push((line, target.split(' ').next().unwrap_or_default()));
            }
        }
        // A link whose text is a code span is cut by the split above: its target begins the next piece.
        for after in text.split("`](").skip(1) {
            found.push((line, after.split(')').next().unwrap_or_default()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Names of headings as GitHub writes them: lower case, spaces as dashes, other punctuation dropped.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let keep = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c.to_ascii_lowercase()),
            _ => None,
        };
        line.trim_start_matches('#').trim().chars().filter_map(keep).collect()
    })
}

/// `target` as seen from `page`, relative to the root; `None` when it leaves the root.
fn resolve(page: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<String> {
        let shape = |v: Violation| format!("{}:{} {}", v.path, v.line, v.rule);
        check(&Tree::of(files)).into_iter().map(shape).collect()
    }

    #[test]
    fn every_page_is_listed() {
        let page = ("docs/how-to/a.md", "# A\n");
        assert_eq!(rules(&[("README.md", "no link\n"), page]), ["docs/how-to/a.md:0 unlisted-page"]);
        assert_eq!(rules(&[("README.md", "[a](docs/how-to/a.md)\n"), page]), [""; 0]);
        assert_eq!(rules(&[("docs/index.md", "[a](how-to/a.md#a)\n"), page]), [""; 0]);
    }

    #[test]
    fn links_lead_somewhere() {
        let check = |text: &str, expected: &[&str]| {
            let files = [("README.md", text), ("docs/index.md", "# An index, of `all`\n"), ("x/y.rs", "")];
            assert_eq!(rules(&files), expected, "{text}");
        };
        check("[a](docs/index.md) [b](x) [c](https://example.org/z) [d](#top)\n# Top\n", &[]);
        check("[a](docs/index.md#an-index-of-all)\n", &[]);
        check("[a](docs/index.md#another)\n", &["README.md:1 link"]);
        check("[a](nowhere.md)\n", &["README.md:1 link"]);
        check("[`a`](nowhere.md)\n", &["README.md:1 link"]);
        check("[a](../outside.md)\n", &["README.md:1 link"]);
        check("`[a](nowhere.md)`\n```\n[a](nowhere.md)\n```\n", &[]);
    }
}
