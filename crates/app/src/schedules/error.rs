//! Why a schedule was not kept, or many images not scanned.

use store::StoreError;

use crate::accounts::AccessError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is empty, too long, or of characters that cannot be shown.
    #[error("{0:?} is no name for a schedule")]
    Name(String),
    /// The interval or the time of the day makes no sense.
    #[error("a schedule runs every 5 minutes to 366 days, or at a time of the day")]
    Timing,
    /// What selects the images is too long, or makes no sense.
    #[error("the images cannot be selected by this {0}")]
    Selection(&'static str),
    /// There are as many as there may be.
    #[error("there are {0} schedules already")]
    TooMany(usize),
    /// Nothing is left to stop.
    #[error("the scan of many images is over")]
    Over,
    /// Nothing is selected.
    #[error("no image is selected")]
    Nothing,
    /// What is stored cannot be read.
    #[error("a stored selection of images cannot be read")]
    Damaged,
}

impl ScheduleError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Name(_) => "name-invalid",
            Self::Timing => "schedule-time-invalid",
            Self::Selection(_) => "selection-invalid",
            Self::TooMany(_) => "too-many-schedules",
            Self::Over => "scan-all-over",
            Self::Nothing => "no-image-selected",
            Self::Damaged => "internal",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Access(error) => error.hint(),
            Self::Store(StoreError::NotFound(_)) => "Check the number.",
            Self::Store(StoreError::Exists(_)) => "Choose another name.",
            Self::Name(_) => "Use 1 to 100 characters that can be shown.",
            Self::Timing => "Give an interval, or a time between 00:00 and 23:59 UTC.",
            Self::Selection(_) => "Give at most 200 characters, and an age of at least one second.",
            Self::TooMany(_) => "Delete those that are not in use.",
            Self::Over => "Nothing needs to be done.",
            Self::Nothing => "Select other images, or add some first.",
            Self::Store(_) | Self::Damaged => "Try again; if it stays, look at the service's log.",
        }
    }
}
