//! What people see on the terminal.

pub(crate) mod columns;
pub(crate) mod contents;
pub(crate) mod form;
pub(crate) mod progress;
pub(crate) mod report;
