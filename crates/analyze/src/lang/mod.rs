//! Packages of programming languages, as they are installed in images.

pub mod node;
pub mod python;
