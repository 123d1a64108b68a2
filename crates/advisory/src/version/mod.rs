//! Version orders, one file per scheme, in ONE list ([`SCHEMES`]).

use std::cmp::Ordering;

pub mod deb;

/// The order of versions of one ecosystem: total over all texts, never panics.
pub trait Scheme: Send + Sync {
    /// Stable name, for example `deb`.
    fn name(&self) -> &'static str;

    /// Compares two versions; allocates nothing where that is possible.
    fn compare(&self, a: &str, b: &str) -> Ordering;

    /// False when the scheme does not define this text; it is then compared by the generic order and the
    /// match is reported as less certain.
    fn is_valid(&self, version: &str) -> bool;
}

/// Every scheme.
pub static SCHEMES: &[&dyn Scheme] = &[&deb::Deb];

/// The scheme of that name.
pub fn scheme(name: &str) -> Option<&'static dyn Scheme> {
    SCHEMES.iter().copied().find(|scheme| scheme.name() == name)
}
