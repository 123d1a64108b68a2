//! Why something about a watch was not done.

use store::StoreError;

use crate::{
    accounts::{AccessError, AccountError},
    registries::RegistryError,
};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is empty, too long, or of characters that cannot be shown.
    #[error("{0:?} is no name for a watch")]
    Name(String),
    /// The host is none, or more than a host.
    #[error("{0:?} is not the HOST or HOST:PORT of a registry")]
    Host(String),
    /// What should be looked at is no pattern of repositories or tags.
    #[error("{0:?} is no pattern of {1}")]
    Pattern(String, &'static str),
    /// There are more patterns or environments than there may be.
    #[error("the watch names more than {1} {0}")]
    TooManyParts(&'static str, usize),
    /// An environment has no name that can be shown.
    #[error("{0:?} is no name for an environment")]
    Environment(String),
    /// It would look too often, or never.
    #[error("a watch looks every {0} seconds at most, and once a year at least")]
    Interval(u64),
    /// There are as many as there may be.
    #[error("there are {0} watches already")]
    TooMany(usize),
    /// The machine yields no random numbers.
    #[error("the machine yields no random numbers")]
    Random,
}

impl From<AccountError> for WatchError {
    fn from(_: AccountError) -> Self {
        Self::Random
    }
}

impl From<RegistryError> for WatchError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Name(name) => Self::Name(name),
            RegistryError::Host(host) => Self::Host(host),
            // Nothing else is asked there.
            other => Self::Host(other.to_string()),
        }
    }
}

impl WatchError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Name(_) => "name-invalid",
            Self::Host(_) => "registry-host-invalid",
            Self::Pattern(..) => "pattern-invalid",
            Self::TooManyParts(..) => "watch-too-large",
            Self::Environment(_) => "environment-invalid",
            Self::Interval(_) => "interval-invalid",
            Self::TooMany(_) => "too-many-watches",
            Self::Random => "internal",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Access(error) => error.hint(),
            Self::Store(StoreError::NotFound(_)) => "Check the number.",
            Self::Store(StoreError::Exists(_)) => "Choose another name.",
            Self::Store(_) => "Try again; if it stays, look at the service's log.",
            Self::Name(_) | Self::Environment(_) => "Use 1 to 100 characters.",
            Self::Host(_) => {
                "Write it as in references, without https:// and without a path: registry.example.com:5000."
            }
            Self::Pattern(..) => {
                "Use the characters of names, ? for one of them, * for any number and ** for any number with slashes."
            }
            Self::TooManyParts(..) => "Make a second watch.",
            Self::Interval(_) => "Choose another interval; a webhook of the registry tells sooner.",
            Self::TooMany(_) => "Delete those that are not needed, or use patterns.",
            Self::Random => "Check the machine's random number source.",
        }
    }
}
