//! The use cases of Lazaret: what a user can ask for, without any HTTP server or terminal.

pub mod accounts;
pub mod advisories;
pub mod background;
pub mod clock;
pub mod config;
pub mod history;
pub mod jobs;
pub mod notify;
pub mod registries;
pub mod rematch;
pub mod report;
pub mod scan_image;
pub mod schedules;
pub mod seal;
pub mod service;
pub mod status;
pub mod submit;
pub mod upkeep;
pub mod watches;

pub use config::Config;
pub use scan_image::{ScanError, ScanRequest, scan_image};
pub use service::{Service, StartError};
