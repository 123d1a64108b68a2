//! Every shape that others read or write, one file each. Conversions only: no I/O, no templates, no clock.
//!
//! [`FORMATS`] is the one list of what a report can be written as: the command line, the service and the
//! documentation read it. What is written depends on nothing but the report and the version of the scanner; times
//! are those that the report holds.

pub mod json;
#[cfg(test)]
mod sample;

use model::Report;

/// A form of a report.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// How it is asked for: `--format NAME`, `?format=NAME`.
    pub name: &'static str,
    /// What it is, one line for people.
    pub title: &'static str,
    /// Its media type, without parameters; no two formats share one.
    pub media_type: &'static str,
    /// What names of its files end in, without the dot.
    pub extension: &'static str,
    /// Writes a report, given the version of the scanner that made it. The text ends with a newline.
    pub write: fn(&Report, &str) -> String,
}

/// Every format, the one of choice first.
pub const FORMATS: &[Format] = &[json::FORMAT];

/// The format of that name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
