//! Something about a file or directory that should be looked at before an image is rolled out.

use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// One finding of the filesystem report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileFinding {
    /// Relative to the image's root; empty for the image itself (its user).
    pub path: String,
    /// Stable kebab-case name of the check, for example `setuid`, `world-writable`, `changed-after-install`.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, one line for people; never holds secrets.
    pub message: String,
    /// Permission bits with setuid, setgid and sticky, where the check is of a file.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u64>,
    /// Numeric group.
    pub gid: Option<u64>,
    /// Index of the layer concerned, 0 = lowest.
    pub layer: Option<u32>,
}
