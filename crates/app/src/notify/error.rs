//! Why something about a webhook was not done. No text here holds a secret, or a path that a receiver gave.

use egress::EgressError;
use store::StoreError;

use crate::{
    accounts::{AccessError, AccountError},
    seal::SealError,
};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is empty, too long, or of characters that cannot be shown.
    #[error("{0:?} is no name for a webhook")]
    Name(String),
    /// The URL cannot be sent to.
    #[error("the URL of the webhook {0}")]
    Url(&'static str),
    /// The secret is too short or too long.
    #[error("the secret of the webhook is not of {0} to {1} characters that can be typed")]
    Secret(usize, usize),
    /// Nothing would be told.
    #[error("the webhook wants no messages")]
    NoKinds,
    /// It is turned off: nothing would be sent.
    #[error("the webhook is turned off")]
    Off,
    /// There are as many as there may be.
    #[error("there are {0} webhooks already")]
    TooMany(usize),
    /// The secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The machine yields no random numbers.
    #[error("the machine yields no random numbers")]
    Random,
    /// No client can be built from the service's settings.
    #[error(transparent)]
    Client(#[from] EgressError),
    /// A stored message cannot be read.
    #[error("the message cannot be read")]
    Message,
}

impl From<AccountError> for NotifyError {
    fn from(_: AccountError) -> Self {
        Self::Random
    }
}

impl NotifyError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Name(_) => "name-invalid",
            Self::Url(_) => "webhook-url-invalid",
            Self::Secret(..) => "webhook-secret-invalid",
            Self::NoKinds => "webhook-kinds-empty",
            Self::Off => "webhook-off",
            Self::TooMany(_) => "too-many-webhooks",
            Self::Client(error) => error.code(),
            Self::Seal(_) | Self::Random | Self::Message => "internal",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Access(error) => error.hint(),
            Self::Store(StoreError::NotFound(_)) => "Check the number.",
            Self::Store(StoreError::Exists(_)) => "Choose another name.",
            Self::Name(_) => "Use 1 to 100 characters that can be shown.",
            Self::Url(_) => "Give a URL like https://host/path that this service may reach.",
            Self::Secret(..) => "Leave it out, and one is made.",
            Self::NoKinds => {
                "Name at least one of scan.completed, scan.failed, scan.cancelled, findings.new."
            }
            Self::Off => "Turn it on first.",
            Self::TooMany(_) => "Delete those that are not in use.",
            Self::Store(_) | Self::Seal(_) | Self::Random | Self::Client(_) | Self::Message => {
                "Try again; if it stays, look at the service's log."
            }
        }
    }
}
