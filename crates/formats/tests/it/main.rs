//! Tests of the formats from outside, some with the tools that others read them with.

mod sbom;
mod validators;
