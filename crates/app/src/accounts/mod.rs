//! Accounts: who may do what, and how they show who they are.
//!
//! [`Accounts`] is the one door. [`Accounts::log_in`] turns a name and a password into a session,
//! [`Accounts::session`] and [`Accounts::token`] turn what a request carries into a [`Caller`], and every use case
//! asks the caller: [`Caller::may`] before it acts, [`Caller::scope`] before it lists.
//!
//! The rules:
//! - Roles include one another: viewer, analyst, operator, admin. A viewer sees that an image has three high
//!   findings, an analyst sees which.
//! - An administrator may do everything everywhere. For all others, their own role counts in the project
//!   [`DEFAULT_PROJECT`] and outside of projects; in every other project, what they were given there counts. A
//!   membership of the default project replaces their own role in it.
//! - A token never does more than its owner may at that moment, nor more than it was made for.
//! - Who logs in with a password that somebody else gave them can do nothing but change it.
//! - Everything that changes something writes an event, in the same transaction where the store changes too.
//!
//! Nothing here knows HTTP: cookies, headers and status codes are the server's.

mod audit;
mod caller;
mod error;
mod limit;
mod login;
pub mod oidc;
mod password;
mod project;
mod secret;
mod token;
mod user;

use std::{net::IpAddr, time::Duration};

use store::{Micros, Store};

pub use self::{
    audit::Export,
    caller::{Caller, CallerKind, Note, Origin, Rights},
    error::{AccessError, AccountError},
    limit::{Backoff, RateLimiter, network_of},
    login::LoggedIn,
    password::{HashCost, MAX_BYTES, MIN_CHARS, PasswordFault, check as check_password},
    secret::{Secret, TOKEN_PREFIX, is_token},
    token::{MadeToken, TokenOrder},
    user::{UserChange, UserOrder},
};
use self::{limit::Strangers, password::Hasher};
use crate::clock::micros;

/// The project that everybody belongs to with their own role, and that images go to unless another is named.
pub const DEFAULT_PROJECT: &str = "default";
/// Name of the account that is made with an empty store.
pub const FIRST_ADMIN: &str = "admin";

/// Names that stand for no account in the audit log.
const RESERVED: &[&str] = &["system", "anonymous", "lazaret"];
/// Most characters of a name.
const MAX_NAME: usize = 64;

/// How accounts are kept.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// A session ends when nothing is done in it for so long.
    pub idle: Duration,
    /// A session ends after so long, whatever is done in it.
    pub session: Duration,
    /// How long an account waits after logins that failed in a row.
    pub backoff: Backoff,
    /// Logins from one address that may fail at once.
    pub address_burst: u32,
    /// Time after which one more may.
    pub address_every: Duration,
    /// What a hash of a password costs.
    pub cost: HashCost,
    /// How long events are kept.
    pub keep_events: Duration,
    /// How long errors of users are kept.
    pub keep_errors: Duration,
}

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(12 * 3600),
            session: DAY * 7,
            backoff: Backoff::default(),
            address_burst: 20,
            address_every: Duration::from_secs(10),
            cost: HashCost::default(),
            keep_events: DAY * 400,
            keep_errors: DAY * 90,
        }
    }
}

/// The accounts of one service.
pub struct Accounts {
    store: Store,
    config: AccountsConfig,
    hasher: Hasher,
    addresses: RateLimiter<IpAddr>,
    strangers: Strangers,
    default_project: i64,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("default_project", &self.default_project).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Opens the accounts of a store, and makes the default project when it is not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open(store: Store, config: AccountsConfig, now: Micros) -> Result<Self, AccountError> {
        let default_project = store.ensure_project(DEFAULT_PROJECT, now).await?;
        Ok(Self {
            hasher: Hasher::new(config.cost)?,
            addresses: RateLimiter::new(config.address_burst, config.address_every),
            strangers: Strangers::default(),
            default_project,
            store,
            config,
        })
    }

    /// Number of [`DEFAULT_PROJECT`].
    pub const fn default_project(&self) -> i64 {
        self.default_project
    }

    /// Forgets what is over: sessions, tokens that ended a month ago, events and errors past their time. To be
    /// called now and then, by one process or all.
    pub async fn trim(&self, now: Micros) -> Result<(), AccountError> {
        let ago = |time: Duration| now.saturating_sub(micros(time));
        self.store.trim_sessions(ago(self.config.idle), now).await?;
        self.store.trim_tokens(ago(DAY * 30)).await?;
        while self.store.trim_logs(ago(self.config.keep_events), ago(self.config.keep_errors)).await? > 0 {}
        Ok(())
    }
}

/// The form in which names are kept and compared.
///
/// # Errors
/// [`AccountError::Name`] for what is none.
fn name_of(text: &str, what: &'static str) -> Result<String, AccountError> {
    let name = text.trim().to_lowercase();
    let mut characters = name.bytes();
    let first = characters.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = characters.all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte));
    if first && rest && name.len() <= MAX_NAME && !RESERVED.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(AccountError::Name(text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect(), what))
}

/// What events call an account.
fn user_object(name: &str) -> String {
    format!("user:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("bob", Some("bob")),
            (" Bob.Smith@Example.com ", Some("bob.smith@example.com")),
            ("7of9", Some("7of9")),
            ("", None),
            ("-bob", None),
            ("bob smith", None),
            ("b\u{f6}b", None),
            ("bob\n", Some("bob")),
            ("bo\nb", None),
            ("System", None),
        ] {
            assert_eq!(name_of(text, "an account").ok().as_deref(), expected, "{text:?}");
        }
        assert!(name_of(&"a".repeat(64), "an account").is_ok());
        let error = name_of(&"a".repeat(65), "an account").unwrap_err();
        assert_eq!(error.code(), "name-invalid");
    }
}
