//! The merged view of an image that an analyzer finishes on, and what it yields.

use std::collections::{BTreeMap, HashSet};

use model::{Distro, FileFinding, LicenceFile, Package, Problem, Secret};

use crate::fact::{Fact, Observation};

/// One visible file that the analyzer had observed.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    /// Where it is visible, relative to the root.
    pub path: &'a str,
    /// What was observed.
    pub observation: &'a Observation,
    /// Index of the layer that its content lies in, 0 = lowest; `None` without layers.
    pub layer: Option<u32>,
}

/// The visible files of one analyzer, sorted by path.
#[derive(Debug, Default)]
pub struct Files<'a> {
    files: Vec<FileView<'a>>,
    hidden: Vec<FileView<'a>>,
    raw: BTreeMap<String, Vec<u8>>,
}

impl<'a> Files<'a> {
    /// Sorts the files by path.
    pub fn new(mut files: Vec<FileView<'a>>) -> Self {
        files.sort_by(|a, b| a.path.cmp(b.path));
        Self { files, hidden: Vec::new(), raw: BTreeMap::new() }
    }

    /// Adds the raw bytes that [`crate::Analyzer::revisit`] asked for.
    #[must_use]
    pub fn with_raw(mut self, raw: BTreeMap<String, Vec<u8>>) -> Self {
        self.raw = raw;
        self
    }

    /// Adds what later layers hide, for an analyzer that [`crate::Analyzer::sees_hidden`].
    #[must_use]
    pub fn with_hidden(mut self, mut hidden: Vec<FileView<'a>>) -> Self {
        hidden.sort_by(|a, b| (a.path, a.layer).cmp(&(b.path, b.layer)));
        self.hidden = hidden;
        self
    }

    /// Contents that a layer holds and a later one removed or replaced, by the path that they had there, sorted.
    pub fn hidden(&self) -> impl Iterator<Item = FileView<'a>> + '_ {
        self.hidden.iter().copied()
    }

    /// All, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = FileView<'a>> + '_ {
        self.files.iter().copied()
    }

    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<FileView<'a>> {
        self.files.binary_search_by(|file| file.path.cmp(path)).ok().map(|index| self.files[index])
    }

    /// The packages of all files, each with its `path` set to the file that records it, and to the place in that
    /// file where it has one: `shop.war!/WEB-INF/lib/a.jar`.
    pub fn packages(&self) -> impl Iterator<Item = Package> + '_ {
        self.facts().filter_map(|(path, fact)| match fact {
            Fact::Package(package) => {
                let mut package = (**package).clone();
                package.path = match package.path.as_str() {
                    "" => path.to_owned(),
                    inner => format!("{path}!/{inner}"),
                };
                Some(package)
            }
            _ => None,
        })
    }

    /// All facts with the path of the file that told them, sorted by path, then in file order.
    pub fn facts(&self) -> impl Iterator<Item = (&'a str, &'a Fact)> + '_ {
        self.iter().flat_map(|file| file.observation.facts.iter().map(move |fact| (file.path, fact)))
    }

    /// Raw bytes of a path that was asked for by `revisit`; `None` when they could not be had.
    pub fn raw(&self, path: &str) -> Option<&[u8]> {
        self.raw.get(path).map(Vec::as_slice)
    }
}

/// What the analyzers make of the merged image, filled in turn in the order of [`crate::ANALYZERS`].
#[derive(Debug, Default)]
pub struct Merged {
    /// The distribution.
    pub distro: Option<Distro>,
    /// Packages with `path` set to the file that records them.
    pub packages: Vec<Package>,
    /// Path of a file (no leading slash) to the operating system package that owns it.
    pub owned: BTreeMap<String, String>,
    /// Passwords, keys and tokens.
    pub secrets: Vec<Secret>,
    /// Files that hold the text of a licence.
    pub licence_files: Vec<LicenceFile>,
    /// What is to be said of files and directories.
    pub files: Vec<FileFinding>,
    /// Problems of the merge, beyond those of single files.
    pub problems: Vec<Problem>,
}

impl Merged {
    /// Adds the packages of an operating system's database and who owns which file.
    ///
    /// The same package (name, version, architecture) recorded by several files is one package, recorded by
    /// the first: one database may be visible under two paths. A file that several packages list belongs to
    /// the first of them.
    pub fn add_database(&mut self, files: &Files<'_>) {
        let mut seen = HashSet::new();
        for (path, fact) in files.facts() {
            match fact {
                Fact::Package(package) if seen.insert((&package.name, &package.version, &package.arch)) => {
                    self.packages.push(Package { path: path.to_owned(), ..(**package).clone() });
                }
                Fact::Owns { package, paths } => {
                    for path in paths {
                        self.owned.entry(path.clone()).or_insert_with(|| package.clone());
                    }
                }
                _ => {}
            }
        }
    }
}
