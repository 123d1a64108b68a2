//! The use cases of Lazaret: what a user can ask for, without any HTTP server or terminal.

pub mod scan_image;

pub use scan_image::{ScanError, ScanRequest, scan_image};
