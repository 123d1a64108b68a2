//! Advisories: version orders, the compiled database and the matcher.
//!
//! This crate touches no network and parses no upstream format: feeds do, and hand over
//! [`model::Advisory`] values.

pub mod version;
