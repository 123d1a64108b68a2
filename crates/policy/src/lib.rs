//! Rules over reports, as pure functions: no I/O, no clock.

pub mod end_of_life;
pub mod licence;
pub mod threshold;
