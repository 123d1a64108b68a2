//! The text files of the project, loaded once for all rules.
//!
//! Build output, version control and what fuzzers leave behind are no part of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Folders that are not looked into, at any depth.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", "corpus", "artifacts", "coverage"];

/// Every file of the project by its relative path; `None` for what is not text.
pub(super) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Loads all files below `root`.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut open: Vec<PathBuf> = vec![root.to_owned()];
        while let Some(dir) = open.pop() {
            let entries = fs::read_dir(&dir).with_context(|| format!("failed to list {}", dir.display()))?;
            for entry in entries {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                        open.push(path);
                    }
                    continue;
                }
                let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                // A file may vanish between listing and reading: an editor's or a test's temporary file.
                if let Ok(bytes) = fs::read(&path) {
                    files.insert(name, String::from_utf8(bytes).ok());
                }
            }
        }
        Ok(Self { files })
    }

    /// A project made of these files, for tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { files: files.collect() }
    }

    /// All text files: relative path and content, sorted by path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The content of one text file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// True for a file, or a folder that holds one.
    pub(super) fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(name, _)| name.starts_with(&folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_files_and_folders() {
        let tree = Tree::of(&[("docs/a.md", ""), ("docs-old/b.md", "")]);
        for (path, expected) in
            [("docs", true), ("docs/a.md", true), ("doc", false), ("docs/a", false), ("docs-old", true)]
        {
            assert_eq!(tree.exists(path), expected, "{path}");
        }
    }
}
