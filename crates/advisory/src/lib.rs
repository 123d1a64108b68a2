//! Advisories: version orders, the compiled database and the matcher.
//!
//! This crate touches no network and parses no upstream format: feeds do, and hand over
//! [`model::Advisory`] values.

pub mod component;
pub mod database;
pub mod diff;
pub mod ecosystem;
pub mod enrichment;
pub mod matcher;
pub mod need;
pub mod shard;
mod upstream;
pub mod version;
