//! Debian version order (deb-version(7)).

use std::cmp::Ordering;

use super::Scheme;

/// dpkg's order.
pub struct Deb;

impl Scheme for Deb {
    fn name(&self) -> &'static str {
        "deb"
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        a.cmp(b)
    }

    fn is_valid(&self, version: &str) -> bool {
        !version.is_empty()
    }
}
