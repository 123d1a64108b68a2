//! Tests of the formats from outside, some with the tools that others read them with.

#[cfg(test)]
mod sbom;
#[cfg(test)]
mod validators;
