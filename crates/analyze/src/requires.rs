//! The names of what a package needs, as its record lists them: bounded, each once, without conditions.
//!
//! How a format writes a requirement is the analyzer's matter; this module only cuts off what no format
//! writes as part of a name.

use crate::text;

/// Most names that are kept of one package; the rest is left out in silence, for they only tell how packages
/// hang together.
pub(crate) const REQUIRES_MAX: usize = 200;

/// A list of names in the making.
#[derive(Default)]
pub(crate) struct Requires(Vec<String>);

impl Requires {
    /// Adds what stands before the first blank or sign of a condition, if it is a name.
    pub(crate) fn add(&mut self, requirement: &[u8]) {
        let requirement = requirement.trim_ascii();
        let is_end = |byte: &u8| {
            byte.is_ascii_whitespace()
                || matches!(byte, b'<' | b'>' | b'=' | b'!' | b'~' | b'^' | b'(' | b'[' | b';' | b',' | b'@')
        };
        let end = requirement.iter().position(is_end).unwrap_or(requirement.len());
        self.add_whole(requirement.get(..end).unwrap_or_default());
    }

    /// Adds a name that stands alone.
    pub(crate) fn add_whole(&mut self, name: &[u8]) {
        if self.0.len() == REQUIRES_MAX {
            return;
        }
        if let Some(name) = text::token(name).filter(|name| !self.0.contains(name)) {
            self.0.push(name);
        }
    }

    /// The names, in the order of the record.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_names_without_conditions() {
        let mut requires = Requires::default();
        for requirement in [
            "a",
            " b >= 1",
            "c>=1",
            "d(>= 1)",
            "e[extra]>1",
            "f; os",
            "a (= 2)",
            "",
            ">= 1",
            "g\u{1b}",
            "h~=1",
            "i!=1",
        ] {
            requires.add(requirement.as_bytes());
        }
        assert_eq!(requires.into_names(), ["a", "b", "c", "d", "e", "f", "h", "i"]);
        let mut many = Requires::default();
        (0..=REQUIRES_MAX).for_each(|n| many.add(format!("n{n}").as_bytes()));
        assert_eq!(many.into_names().len(), REQUIRES_MAX);
    }
}
