//! The binary from outside: what is typed, what is printed, what it asks of the network, how it ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests share fails by panicking")]

mod binary;
mod bucket;
mod cache;
mod convert;
mod credentials;
mod database;
mod errors;
mod kill;
mod login;
mod network;
mod reference;
mod sample;
mod scan;
mod serve;
mod server;
mod service;
mod settings;
mod small;
mod sources;
mod terminal;
mod traces;
