//! The use cases from the outside: real images, where they are at hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail, and say what was skipped"
)]

mod accounts;
mod buckets;
mod data;
mod docker;
mod kill;
mod matching;
mod notify;
mod oidc;
mod oracle;
mod real;
mod receiver;
mod refused;
mod registries;
mod schedules;
mod service;
mod summary;
mod upkeep;
mod watches;
mod world;
