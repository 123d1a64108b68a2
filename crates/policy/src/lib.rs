//! Rules over reports, as pure functions: no I/O, no clock.

pub mod threshold;
