//! The store from the outside: every test on SQLite, and on PostgreSQL where it is installed.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod bulk;
mod delivery;
mod lists;
mod matching;
mod opening;
mod outbox;
mod place;
mod queue;
mod registries;
mod rig;
mod world;
