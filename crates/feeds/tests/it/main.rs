//! Feeds from the outside: updates from a server on loopback, and the real data where it is at hand.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may fail, and say what was skipped"
)]

mod enrichment;
mod export;
mod real;
mod real_orders;
mod update;
