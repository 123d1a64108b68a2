//! x
pub mod cache;
pub mod index;
pub mod merge;
pub mod pass;
pub mod record;
pub mod tar;
pub mod tree;
