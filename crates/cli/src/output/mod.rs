//! What people see on the terminal.

pub(crate) mod columns;
pub(crate) mod progress;
pub(crate) mod report;
