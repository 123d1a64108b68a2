//! Which operating system distribution an image is built on.

use serde::{Deserialize, Serialize};

/// What the image says of its distribution, mostly os-release(5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Distro {
    /// `ID`: lower-case, for example `debian`, `alpine`, `almalinux`.
    pub id: String,
    /// `VERSION_ID`, verbatim, for example `12`, `3.20.3`, `22.04`.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`, for example `bookworm`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: Option<String>,
    /// `ID_LIKE`, in order.
    pub id_like: Vec<String>,
    /// The file that said so, relative to the image's root.
    pub path: String,
}

impl Distro {
    /// `id version`, for people and for log lines.
    pub fn label(&self) -> String {
        self.version_id.as_ref().map_or_else(|| self.id.clone(), |version| format!("{} {version}", self.id))
    }
}
