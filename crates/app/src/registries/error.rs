//! Why something about a stored registry was not done. No text here holds a secret.

use oci::OciError;
use store::StoreError;

use super::access::ReachError;
use crate::{accounts::AccessError, seal::SealError};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is empty, too long, or of characters that cannot be shown.
    #[error("{0:?} is no name for a registry")]
    Name(String),
    /// The host is none, or more than a host.
    #[error("{0:?} is not the HOST or HOST:PORT of a registry")]
    Host(String),
    /// The user name or the secret is empty, too long, or of characters that cannot be sent.
    #[error("the user name or the password of the registry cannot be sent")]
    Login,
    /// The certificate authorities cannot be read.
    #[error("the certificate authorities of the registry are not PEM that can be read")]
    Authority,
    /// What should be looked into is no repository.
    #[error("{0:?} is no repository")]
    Reference(String),
    /// The secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The registry.
    #[error(transparent)]
    Oci(#[from] OciError),
}

impl From<ReachError> for RegistryError {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Store(error) => Self::Store(error),
            ReachError::Seal(error) => Self::Seal(error),
        }
    }
}

impl RegistryError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Name(_) => "name-invalid",
            Self::Host(_) => "registry-host-invalid",
            Self::Login => "registry-login-invalid",
            Self::Authority => "registry-ca-invalid",
            Self::Reference(_) => "reference-invalid",
            Self::Seal(_) => "internal",
            Self::Oci(error) => error.code(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Access(error) => error.hint(),
            Self::Store(StoreError::NotFound(_)) => "Check the number.",
            Self::Store(StoreError::Exists(_)) => {
                "Choose another name, or change the registry that is there for this host."
            }
            Self::Store(_) => "Try again; if it stays, look at the service's log.",
            Self::Name(_) => "Use 1 to 100 characters.",
            Self::Host(_) => {
                "Write it as in references, without https:// and without a path: registry.example.com:5000."
            }
            Self::Login => "Give both; neither may hold line breaks, nor the user name a colon.",
            Self::Authority => "Give one or more certificates that begin with -----BEGIN CERTIFICATE-----.",
            Self::Reference(_) => "Name a repository without the registry and without a tag: team/app.",
            Self::Seal(_) => "Restore the key that the service had, or store the credentials again.",
            Self::Oci(error) => error.hint(),
        }
    }
}
