//! Licences: what packages say of theirs, as SPDX expressions, and files that hold the text of one.
//!
//! Nothing is judged here: which licence is welcome is a matter of policy.

mod expression;
mod gnu;
mod index;
mod names;
pub mod normalise;
pub mod text;

pub use normalise::{normalise, normalise_all};
