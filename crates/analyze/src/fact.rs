//! What one file told one analyzer. Facts are what the layer cache keeps, so they must not name a path or a
//! layer, and a change of their shape must raise the analyzers' versions.

use std::io;

use model::{Distro, Package, Problem, ProblemCode, Secret};
use serde::{Deserialize, Serialize};

/// One fact of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The file names the distribution.
    Distro(Distro),
    /// The file records an installed package. `layer` and `owner` are unset, and so is `path`, unless the package
    /// lies in an archive inside the file: then it is the path of that archive within the file.
    Package(Box<Package>),
    /// The named package owns these files (relative to the root): only paths that language analyzers want.
    Owns {
        /// Package name.
        package: String,
        /// Paths without leading slash.
        paths: Vec<String>,
    },
    /// Something small that only the analyzer itself understands at `finish`.
    Text(String),
    /// Bytes that only the analyzer itself understands at `finish`.
    Bytes(Vec<u8>),
    /// A password, key or token, masked. Path, layer and `deleted` are unset.
    Secret(Box<Secret>),
}

impl From<Package> for Fact {
    fn from(package: Package) -> Self {
        Self::Package(Box::new(package))
    }
}

impl Fact {
    fn heap_bytes(&self) -> usize {
        let texts = |list: &[String]| list.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Distro(distro) => distro.id.len() + texts(&distro.id_like) + text(&distro.pretty_name),
            Self::Package(package) => {
                let source =
                    package.source.as_ref().map_or(0, |source| source.name.len() + source.version.len());
                let texts = texts(&package.licences) + texts(&package.requires);
                let more = [&package.arch, &package.os, &package.module, &package.vendor, &package.digest]
                    .into_iter()
                    .map(text)
                    .sum::<usize>();
                package.name.len() + package.version.len() + package.path.len() + source + texts + more
            }
            Self::Owns { package, paths } => package.len() + texts(paths),
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Secret(secret) => {
                size_of::<Secret>()
                    + secret.rule.len()
                    + secret.title.len()
                    + secret.category.len()
                    + secret.excerpt.len()
            }
        }
    }
}

/// Everything that one file told one analyzer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// In file order.
    pub facts: Vec<Fact>,
    /// What could not be read; without path and layer, which the engine adds.
    pub problems: Vec<Problem>,
}

impl Observation {
    /// About how many bytes of memory it takes: for budgets, not for accounts.
    pub fn approximate_bytes(&self) -> usize {
        let facts: usize = self.facts.iter().map(|fact| size_of::<Fact>() + fact.heap_bytes()).sum();
        facts
            + self.problems.iter().map(|problem| size_of::<Problem>() + problem.message.len()).sum::<usize>()
    }

    /// Nothing but one problem.
    pub fn problem(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { facts: Vec::new(), problems: vec![Problem::new(code, message)] }
    }

    /// Nothing, because the content could not be read.
    pub fn unreadable(error: &io::Error) -> Self {
        Self::problem(ProblemCode::FileCorrupt, format!("the content could not be read: {error}"))
    }

    /// Adds a [`ProblemCode::FileCorrupt`].
    pub fn add_corrupt(&mut self, message: impl Into<String>) {
        self.problems.push(Problem::new(ProblemCode::FileCorrupt, message));
    }
}
