//! How Cargo manifests look: one place for versions, a reason for every dependency, the workspace's lints.
//!
//! Works on the text, because `cargo metadata` no longer knows what was inherited and shows no comments.

use super::{Violation, tree::Tree};

/// Checks every manifest of the workspace.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(root) = tree.text("Cargo.toml") else {
        return vec![Violation::new("Cargo.toml", 0, "manifest", "is missing")];
    };
    found.extend(reasons(root));
    let mut members = String::new();
    for (path, text) in tree.texts() {
        if path.ends_with("/Cargo.toml") && (path.starts_with("crates/") || path.starts_with("xtask/")) {
            found.extend(member(path, text));
            members.push_str(text);
        }
    }
    found.extend(unused(root, &members));
    found
}

/// Lines of a manifest with their section: (line from 1, section, text without surrounding space).
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    text.lines().enumerate().map(move |(idx, line)| {
        let line = line.trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        (idx + 1, section, line)
    })
}

fn is_entry(line: &str) -> bool {
    !(line.is_empty() || line.starts_with('#') || line.starts_with('['))
}

/// The name before `=` or `.workspace`.
fn entry_name(line: &str) -> &str {
    line.split(['=', '.', ' ']).next().unwrap_or_default()
}

/// Every third-party dependency of the workspace says why, on its line.
fn reasons(root: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (line, section, text) in lines(root) {
        if section.starts_with("workspace.dependencies.") && text.starts_with('[') {
            let say = "write the dependency on one line of [workspace.dependencies], with its reason";
            found.push(Violation::new("Cargo.toml", line, "dependency-reason", say));
        }
        if section != "workspace.dependencies" || !is_entry(text) || text.contains("path = ") {
            continue;
        }
        let reason = text.rsplit_once(" # ").map_or("", |(_, reason)| reason);
        if reason.split_whitespace().count() < 2 {
            let say = format!("`{}` needs a `# reason` at the end of its line", entry_name(text));
            found.push(Violation::new("Cargo.toml", line, "dependency-reason", say));
        }
    }
    found
}

/// Every dependency of the workspace is used by a member; `members` is the text of all their manifests.
fn unused(root: &str, members: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (line, section, text) in lines(root) {
        if section != "workspace.dependencies" || !is_entry(text) {
            continue;
        }
        let name = entry_name(text);
        let used = lines(members)
            .any(|(_, section, text)| section.ends_with("dependencies") && entry_name(text) == name);
        if !used {
            let say = format!("no crate uses `{name}`: remove the line");
            found.push(Violation::new("Cargo.toml", line, "unused-dependency", say));
        }
    }
    found
}

/// A member takes versions and lints from the workspace.
fn member(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (line, section, text) in lines(text) {
        if section.ends_with("dependencies") && is_entry(text) && !text.contains("workspace = true") {
            let say =
                format!("`{}` must be `workspace = true`: versions stand in one place", entry_name(text));
            found.push(Violation::new(path, line, "workspace-dependency", say));
        }
        if section.contains("dependencies.") && text.starts_with('[') {
            let say = "write the dependency as `name.workspace = true`";
            found.push(Violation::new(path, line, "workspace-dependency", say));
        }
    }
    if !lines(text).any(|(_, section, text)| section == "lints" && text == "workspace = true") {
        found.push(Violation::new(path, 0, "workspace-lints", "add `[lints] workspace = true`"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(violations: &[Violation]) -> Vec<(usize, &'static str)> {
        violations.iter().map(|violation| (violation.line, violation.rule)).collect()
    }

    #[test]
    fn a_dependency_needs_a_reason() {
        let text = "[workspace.dependencies]\nmodel = { path = \"crates/model\" }\nurl = \"2\" # URL parsing\n\
                    bytes = \"1\"\nserde = \"1\" # wire\n[workspace.lints.rust]\nx = \"deny\"\n\
                    [workspace.dependencies.tokio]\nversion = \"1\"\n";
        let expected = [(4, "dependency-reason"), (5, "dependency-reason"), (8, "dependency-reason")];
        assert_eq!(rules(&reasons(text)), expected);
    }

    #[test]
    fn a_dependency_that_nobody_uses_is_reported() {
        let root = "[workspace.dependencies]\nurl = \"2\"\nurl-extra = \"1\"\n";
        assert_eq!(
            rules(&unused(root, "[dependencies]\nurl.workspace = true\n")),
            [(3, "unused-dependency")]
        );
        assert_eq!(rules(&unused(root, "[dev-dependencies]\nurl-extra = { workspace = true }\n")).len(), 1);
    }

    #[test]
    fn a_member_names_no_version() {
        let good = "[package]\nversion.workspace = true\n[lints]\nworkspace = true\n[dependencies]\n\
                    model.workspace = true\nserde = { workspace = true, features = [\"rc\"] }\n";
        assert_eq!(rules(&member("crates/a/Cargo.toml", good)), []);
        let bad = "[lints]\nworkspace = true\n[dev-dependencies]\nserde = \"1\"\n[dependencies.url]\nversion = \"2\"\n";
        let expected = [(4, "workspace-dependency"), (5, "workspace-dependency")];
        assert_eq!(rules(&member("crates/a/Cargo.toml", bad)), expected);
    }

    #[test]
    fn a_member_takes_the_lints() {
        assert_eq!(rules(&member("crates/a/Cargo.toml", "[package]\n")), [(0, "workspace-lints")]);
    }
}
