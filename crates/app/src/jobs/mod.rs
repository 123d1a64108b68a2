//! Jobs: what workers do for scans, one file a kind.
//!
//! A scan is looked up (`resolve`: from a tag to a digest), read (`index`: from a digest to an inventory, once for all
//! who ask) and matched (`matching`: from an inventory to findings). Each ends in one transaction that also names the
//! next, so that a worker may die at any moment.

pub mod identity;
mod index;
mod matching;
mod open;
mod resolve;
mod run;
pub mod spool;
pub mod worker;

use model::FailureReason;
use store::StoreError;

pub(crate) use self::run::backoff;
pub use self::{
    index::InventoryDocument,
    matching::{Missing, ReportBody},
};

/// How a job ended, when it did not come to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It can never succeed.
    Failed(FailureReason, String),
    /// It may succeed later.
    Aborted(FailureReason, String),
    /// Advisories are missing: what to tell those who ask (JSON).
    Parked(String),
    /// The advisories changed while it ran: do it again at once.
    Again,
    /// It is somebody else's by now, or nobody's.
    Dropped,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Lost | StoreError::Stopped => Self::Dropped,
            StoreError::ShardMoved(_) => Self::Again,
            error => Self::Aborted(FailureReason::StoreError, model::problem::explain(&error)),
        }
    }
}
