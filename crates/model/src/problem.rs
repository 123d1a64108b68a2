//! What went less than well without stopping the work: every limit that was met and every part that
//! could not be read. A report with a problem that hides content is `partial`, never "clean".

use serde::{Deserialize, Serialize};

/// Stable kebab-case codes; new ones are added, none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// A layer ended before its archive did.
    LayerTruncated,
    /// A layer is no valid archive, or its compression is broken.
    LayerCorrupt,
    /// A layer is of a media type that cannot be read (encrypted, foreign, unknown).
    LayerUnsupported,
    /// A layer met a limit (decompressed size, ratio, entries, time).
    LayerLimit,
    /// A file of interest is larger than what is read of it.
    FileTooLarge,
    /// A package database or metadata file could not be parsed, wholly or in part.
    FileCorrupt,
    /// A path was longer or deeper than the limit, or left the image's root; the entry was left out.
    PathRefused,
    /// A path led out of the image's root and was taken as lying inside, as runtimes do.
    PathOutsideRoot,
    /// A link leads to content that could not be had within the budget.
    LinkUnresolved,
    /// A file of interest has a form that this version cannot read.
    FileUnsupported,
    /// More items than the limit; the rest was left out.
    TooManyItems,
    /// The operating system could not be told.
    UnknownOs,
    /// The distro is known but its package database is empty or missing.
    NoPackageDatabase,
    /// No package of any kind was found: nothing could be checked.
    NothingToCheck,
    /// No advisory shard for packages of this image.
    DatabaseMissing,
    /// A shard could not be refreshed; an older one was used.
    DatabaseStale,
    /// A shard is damaged or of an unknown version and was not used.
    DatabaseUnusable,
    /// Packages of a kind or distro for which no advisories are known to Lazaret at all.
    NotCovered,
    /// A version that its ecosystem's order does not define; it was compared by the generic order.
    VersionUnparsable,
    /// The layer cache could not be read or written; the scan went on without it.
    CacheUnusable,
}

impl ProblemCode {
    /// True when content of the image may have gone unseen or unchecked because of it.
    pub const fn hides_content(self) -> bool {
        !matches!(
            self,
            Self::DatabaseStale | Self::CacheUnusable | Self::VersionUnparsable | Self::PathOutsideRoot
        )
    }

    /// The stable code as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LayerTruncated => "layer-truncated",
            Self::LayerCorrupt => "layer-corrupt",
            Self::LayerUnsupported => "layer-unsupported",
            Self::LayerLimit => "layer-limit",
            Self::FileTooLarge => "file-too-large",
            Self::FileCorrupt => "file-corrupt",
            Self::PathRefused => "path-refused",
            Self::PathOutsideRoot => "path-outside-root",
            Self::LinkUnresolved => "link-unresolved",
            Self::FileUnsupported => "file-unsupported",
            Self::TooManyItems => "too-many-items",
            Self::UnknownOs => "unknown-os",
            Self::NoPackageDatabase => "no-package-database",
            Self::NothingToCheck => "nothing-to-check",
            Self::DatabaseMissing => "database-missing",
            Self::DatabaseStale => "database-stale",
            Self::DatabaseUnusable => "database-unusable",
            Self::NotCovered => "not-covered",
            Self::VersionUnparsable => "version-unparsable",
            Self::CacheUnusable => "cache-unusable",
        }
    }
}

/// One problem. Equal problems are reported once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The stable code.
    pub code: ProblemCode,
    /// What happened, as a sentence fragment fit for a person; never holds file content or secrets.
    pub message: String,
    /// The file concerned, relative to the image's root.
    pub path: Option<String>,
    /// Index of the layer concerned, 0 = lowest.
    pub layer: Option<u32>,
}

impl Problem {
    /// A problem of the image as a whole.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: None, layer: None }
    }

    /// The same problem, about one file.
    #[must_use]
    pub fn at_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same problem, about one layer.
    #[must_use]
    pub fn in_layer(mut self, layer: u32) -> Self {
        self.layer = Some(layer);
        self
    }
}

/// An error and its causes as one line, without saying a cause twice that the text above it ends with.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layered {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn explains_with_causes_said_once() {
        let layered = |text, source: Option<Layered>| Layered { text, source: source.map(Box::new) };
        let disk = layered("disk full", None);
        let write = layered("failed to write: disk full", Some(disk));
        let store = layered("failed to store", Some(write));
        assert_eq!(explain(&store), "failed to store: failed to write: disk full");
    }
}
