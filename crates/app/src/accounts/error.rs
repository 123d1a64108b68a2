//! Why somebody was not let in, or not let do it. No text here holds a secret, or tells a stranger whether an
//! account exists.

use std::time::Duration;

use model::Role;
use store::StoreError;

use super::password::PasswordFault;

/// Why a caller may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The password was given by somebody else: nothing may be done before it is changed.
    #[error("the password must be changed first")]
    PasswordMustChange,
    /// The role is too small.
    #[error("this needs the role {needed}, and the caller's is {role}")]
    Role {
        /// What it takes.
        needed: Role,
        /// What the caller has.
        role: Role,
    },
    /// There is no such project, or the caller is no member of it; which of them is not told.
    #[error("there is no such project")]
    Project,
    /// A token may not do it, whatever its role.
    #[error("a token may not do this")]
    Person,
}

impl AccessError {
    /// A stable kebab-case code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PasswordMustChange => "password-must-change",
            Self::Role { .. } => "role-too-small",
            Self::Project => "project-not-known",
            Self::Person => "person-needed",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::PasswordMustChange => "Choose a password of your own.",
            Self::Role { .. } => {
                "Ask an administrator for a larger role, or use a token that was made with one."
            }
            Self::Project => "Check the name of the project; its members see it, and administrators.",
            Self::Person => "Log in with name and password, or through the login provider.",
        }
    }
}

/// What went wrong with accounts, sessions, tokens and projects.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Unknown name, wrong password, shut account: which of them is not told.
    #[error("name or password is wrong")]
    Login,
    /// Too many logins failed in a row, for this name or from this address.
    #[error("too many logins failed; the next may be tried in {} seconds", wait.as_secs().max(1))]
    Locked {
        /// How long.
        wait: Duration,
    },
    /// Too many logins are being looked at.
    #[error("too many people log in at this moment")]
    Busy,
    /// There is no such session, or it is over.
    #[error("the session is over")]
    Session,
    /// There is no such token, it has ended, or its owner may not log in.
    #[error("the token is not valid")]
    Token,
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The password cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The old password that came with the new one is wrong.
    #[error("the present password is wrong")]
    PasswordWrong,
    /// A name is empty, too long or of other characters.
    #[error("{0:?} is no name for {1}")]
    Name(String, &'static str),
    /// A time of expiry lies in the past, or too far in the future.
    #[error("the token would end in the past, or too late")]
    Expiry,
    /// A token would have more rights than its owner.
    #[error("the token would have the role {asked}, and its owner's is {role}")]
    TokenRole {
        /// What was asked for.
        asked: Role,
        /// What the owner has.
        role: Role,
    },
    /// The owner has as many tokens as anybody may have.
    #[error("the account has too many tokens")]
    TooManyTokens,
    /// Nobody could administer any more.
    #[error("this is the last administrator")]
    LastAdmin,
    /// The project still has image records.
    #[error("the project still has images")]
    ProjectInUse,
    /// It is needed by Lazaret itself.
    #[error("the project {0} always stays")]
    ProjectFixed(&'static str),
    /// The account's rights come from the login provider.
    #[error("the account logs in through the provider and has no password here")]
    NoPassword,
    /// Somebody comes from the login provider for the first time, and nothing gives them a role.
    #[error("the login provider gives this account no role in Lazaret")]
    NoRole,
    /// The machine yields no random numbers.
    #[error("the machine yields no random numbers")]
    Random,
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AccountError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Login => "login-failed",
            Self::Locked { .. } => "login-locked",
            Self::Busy => "login-busy",
            Self::Session => "session-over",
            Self::Token => "token-invalid",
            Self::Access(error) => error.code(),
            Self::Password(fault) => fault.code(),
            Self::PasswordWrong => "password-wrong",
            Self::Name(..) => "name-invalid",
            Self::Expiry => "expiry-invalid",
            Self::TokenRole { .. } => "token-role-too-large",
            Self::TooManyTokens => "too-many-tokens",
            Self::LastAdmin => "last-admin",
            Self::ProjectInUse => "project-in-use",
            Self::ProjectFixed(_) => "project-fixed",
            Self::NoPassword => "no-password",
            Self::NoRole => "oidc-no-role",
            Self::Random => "internal",
            Self::Store(error) => error.code(),
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Login => {
                "Check both; an administrator can give you another password (`lazaret user reset-password NAME`)."
            }
            Self::Locked { .. } => "Wait, then try again; an administrator can unlock the account at once.",
            Self::Busy => "Try again in some seconds.",
            Self::Session => "Log in again.",
            Self::Token => "Make another token under your account.",
            Self::Access(error) => error.hint(),
            Self::Password(fault) => fault.hint(),
            Self::PasswordWrong => "Type the password that you logged in with.",
            Self::Name(..) => {
                "Use up to 64 letters, digits and . _ - @ +, beginning with a letter or a digit."
            }
            Self::Expiry => "Choose an end within the next ten years, or none.",
            Self::TokenRole { .. } => "Choose a role that the owner has.",
            Self::TooManyTokens => "Revoke those that are not in use.",
            Self::LastAdmin => "Make somebody else an administrator first.",
            Self::ProjectInUse => "Delete its images first.",
            Self::ProjectFixed(_) => "Make another project and leave this one alone.",
            Self::NoPassword => "Change the password at the login provider.",
            Self::NoRole => "Ask an administrator for a role.",
            Self::Random => "Check the machine's random number source.",
            Self::Store(StoreError::NotFound(_)) => "Check the name.",
            Self::Store(StoreError::Exists(_)) => "Choose another name.",
            Self::Store(_) => "Try again; if it stays, look at the service's log.",
        }
    }

    /// How long to wait before the same is tried again.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Locked { wait } => Some(*wait),
            Self::Busy => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}
