//! The API as its clients meet it: over a real listener, on every database that is at hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends when something is wrong"
)]

mod accounts;
mod api;
mod edges;
mod lifecycle;
mod many;
mod oidc;
mod receiver;
mod registries;
mod rig;
mod statuses;
mod watches;
mod webhooks;
