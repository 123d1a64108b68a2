//! Bills of materials: what both formats share.
//!
//! [`crate::cyclonedx`] and [`crate::spdx`] write them. What a standard has no field for goes into properties whose
//! names begin with `lazaret:` (the list is in [`property`]), so that a document written here can be read back
//! without loss.

pub(crate) mod annotation;
pub(crate) mod image;
pub(crate) mod property;
pub(crate) mod purl;
pub(crate) mod relation;
pub(crate) mod time;

/// What goes into a document beside the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether findings are written too; a document without them says what is there, and nothing of what is
    /// wrong with it.
    pub vulnerabilities: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { vulnerabilities: true }
    }
}
