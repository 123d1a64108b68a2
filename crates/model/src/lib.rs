//! The vocabulary of Lazaret: what an image is, what it contains, what is known to be wrong with it,
//! and what was found.
//!
//! Every other crate speaks in these types. This crate must do no I/O, know no wire format and read no
//! clock; a type that only one other crate needs does not belong here.

pub mod advisory;
pub mod component;
pub mod digest;
pub mod distro;
pub mod enrichment;
pub mod facets;
pub mod file_finding;
pub mod finding;
pub mod image_config;
pub mod inventory;
pub mod licence;
pub mod limits;
pub mod package;
pub mod platform;
pub mod problem;
pub mod purl;
pub mod reference;
pub mod report;
pub mod risk;
pub mod scan;
pub mod scan_type;
pub mod secret;
pub mod severity;

pub use advisory::Advisory;
pub use component::Component;
pub use digest::Digest;
pub use distro::Distro;
pub use enrichment::{Enrichment, EnrichmentUsed, Epss, KnownExploited};
pub use facets::Facets;
pub use file_finding::FileFinding;
pub use finding::{Finding, SourceRating};
pub use image_config::ImageConfig;
pub use inventory::{Inventory, Layer};
pub use licence::{LicenceCategory, LicenceFile, LicenceFinding};
pub use limits::Limits;
pub use package::{Package, PackageKind};
pub use platform::Platform;
pub use problem::{Problem, ProblemCode};
pub use reference::ImageReference;
pub use report::Report;
pub use scan::{
    ChangeReason, FailureReason, JobClass, JobKind, MessageKind, Phase, Role, ScanProgress, ScanStatus,
};
pub use scan_type::ScanType;
pub use secret::{Place, Secret};
pub use severity::Severity;
