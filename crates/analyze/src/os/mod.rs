//! Package managers of operating systems, and the distribution itself.

pub mod alpm;
pub mod apk;
pub mod debian_copyright;
pub mod distro;
pub mod dpkg;
pub mod rpm;

/// Most packages that are kept of one database; what comes after is told as
/// [`model::ProblemCode::TooManyItems`].
pub(crate) const PACKAGES_MAX: usize = model::Limits::standard().file_packages;

/// What the paths of language packages may cost in memory, in bytes, for one database or file list.
pub(crate) const OWNED_BYTES_MAX: usize = 16 << 20;

/// The paths that one package or list of files owns, within [`OWNED_BYTES_MAX`].
#[derive(Default)]
pub(crate) struct OwnedPaths {
    /// What is left of the allowance is the maximum less this.
    bytes_used: usize,
    /// True when a path was left out.
    pub(crate) too_many: bool,
}

impl OwnedPaths {
    /// Adds `path` to `paths` if a language analyzer may want it and there is room for it.
    pub(crate) fn keep(&mut self, path: &[u8], paths: &mut Vec<String>) {
        if !crate::lang::may_be_package_file(path) {
            return;
        }
        let cost = path.len() + size_of::<String>();
        if cost > OWNED_BYTES_MAX - self.bytes_used {
            self.too_many = true;
            return;
        }
        self.bytes_used += cost;
        paths.push(String::from_utf8_lossy(path).into_owned());
    }
}
