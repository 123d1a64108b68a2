//! Logging in, staying logged in, logging out.

use std::time::Duration;

use model::Role;
use serde_json::json;
use store::{Account, ApiToken, LoginAttempt, Micros, NewSession, Session, StoredPassword};

use super::{
    Accounts,
    caller::{Caller, CallerKind, Origin, Rights},
    error::AccountError,
    limit::network_of,
    name_of,
    password::{self, PasswordFault, Verdict},
    secret::{Secret, hash, is_token},
    user_object,
};
use crate::clock::micros;

/// How often it is written down that a session or a token is in use.
const TOUCH: Duration = Duration::from_secs(60);
/// How long that may take: a request does not wait for a store that is busy writing.
const TOUCH_TIME: Duration = Duration::from_millis(250);

/// A session that has begun.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// What the cookie holds: 43 characters of `A-Za-z0-9_-`.
    pub cookie: Secret,
    /// When the session ends at the latest.
    pub expires_at: Micros,
    /// Who logged in. With [`Caller::must_change`], nothing but [`Accounts::change_password`] is open to them.
    pub caller: Caller,
}

impl Accounts {
    /// Logs somebody in by name and password.
    ///
    /// # Errors
    /// [`AccountError::Login`] for an unknown name, a wrong password or an account that is shut;
    /// [`AccountError::Locked`] after too many of these; [`AccountError::Busy`] in a storm of logins.
    pub async fn log_in(
        &self,
        name: &str,
        password: &Secret,
        origin: &Origin,
        now: Micros,
    ) -> Result<LoggedIn, AccountError> {
        let turn = self.hasher.turn()?;
        let network = origin.address.map(network_of);
        if let Some(network) = &network {
            self.addresses.take(network, now).map_err(|wait| AccountError::Locked { wait })?;
        }
        let known = name_of(name, "an account");
        let attempt = match &known {
            Ok(name) => {
                let lock = |failures| self.config.backoff.until(failures, now);
                self.store.begin_login(name, &lock, now).await?
            }
            Err(_) => LoginAttempt::Unknown,
        };
        let (account, stored) = match attempt {
            LoginAttempt::Locked { until, .. } => return Err(locked(until, now)),
            LoginAttempt::Open { account, password } => (Some(account), password),
            LoginAttempt::Unknown => {
                let key = hash(name.trim().to_lowercase().as_str());
                self.strangers.fail(key, &self.config.backoff, now).map_err(|until| locked(until, now))?;
                (None, None)
            }
        };
        let verdict = turn.verify(password, stored.as_ref()).await?;
        match (account, verdict) {
            (Some(account), Verdict::Right(newer)) if !account.disabled => {
                let logged_in = self.begin_session(&account, newer.as_ref(), "password", origin, now).await?;
                if let Some(network) = &network {
                    self.addresses.give_back(network, now);
                }
                Ok(logged_in)
            }
            (account, verdict) => {
                self.note_failure(account.as_ref(), matches!(verdict, Verdict::Right(_)), origin, now)
                    .await?;
                Err(AccountError::Login)
            }
        }
    }

    /// Writes down a login that failed. What was typed as an unknown name may be a password, so it is not kept.
    async fn note_failure(
        &self,
        account: Option<&Account>,
        fits: bool,
        origin: &Origin,
        now: Micros,
    ) -> Result<(), AccountError> {
        let (name, detail) = match account {
            None => ("", json!({ "why": "unknown name" })),
            Some(account) if fits => (account.name.as_str(), json!({ "why": "account disabled" })),
            Some(account) => {
                let wait = account.locked_until.map(|until| until.saturating_sub(now) / 1_000_000);
                (account.name.as_str(), json!({ "why": "wrong password", "locked_seconds": wait }))
            }
        };
        let caller = Caller { origin: origin.clone(), ..Caller::system("anonymous") };
        let note = caller.note("login.failed", user_object(name), None, detail);
        self.store.record(&note.event(), now).await?;
        Ok(())
    }

    /// Begins a session of somebody who has shown who they are.
    pub(crate) async fn begin_session(
        &self,
        account: &Account,
        newer: Option<&StoredPassword>,
        by: &str,
        origin: &Origin,
        now: Micros,
    ) -> Result<LoggedIn, AccountError> {
        let cookie = Secret::random()?;
        let token = cookie.hash();
        let expires_at = now.saturating_add(micros(self.config.session));
        let caller = self.caller_of(account, CallerKind::User, origin, Some(token)).await?;
        let note = caller.note("login.succeeded", user_object(&account.name), None, json!({ "by": by }));
        let event = note.event();
        let session = NewSession { token: &token, expires_at, address: event.address };
        self.store.log_in(account.id, newer, &session, &event, now).await.map_err(|error| match error {
            store::StoreError::NotFound(_) => AccountError::Login,
            error => error.into(),
        })?;
        Ok(LoggedIn { cookie, expires_at, caller })
    }

    /// Who a session belongs to, by what its cookie holds.
    ///
    /// # Errors
    /// [`AccountError::Session`] when there is none, it is over, or its account is shut.
    pub async fn session(
        &self,
        cookie: &Secret,
        origin: &Origin,
        now: Micros,
    ) -> Result<Caller, AccountError> {
        let token = cookie.hash();
        let found = self.store.session(&token).await?;
        let Some((session, account)) = found else { return Err(AccountError::Session) };
        let idle = now.saturating_sub(session.seen_at);
        if account.disabled || now >= session.expires_at || idle >= micros(self.config.idle) {
            return Err(AccountError::Session);
        }
        if idle >= micros(TOUCH) {
            touched(self.store.touch_session(&token, now)).await;
        }
        self.caller_of(&account, CallerKind::User, origin, Some(token)).await
    }

    /// Who an API token belongs to, and what it may do.
    ///
    /// # Errors
    /// [`AccountError::Token`] when there is none, it has ended, or its owner is shut.
    pub async fn token(&self, token: &str, origin: &Origin, now: Micros) -> Result<Caller, AccountError> {
        // Most of what is no token ends here, without asking the store.
        if !is_token(token) {
            return Err(AccountError::Token);
        }
        let found = self.store.token_by_hash(&hash(token)).await?;
        let Some((token, account)) = found else { return Err(AccountError::Token) };
        if account.disabled || token.expires_at.is_some_and(|end| now >= end) {
            return Err(AccountError::Token);
        }
        if token.seen_at.is_none_or(|seen| now.saturating_sub(seen) >= micros(TOUCH)) {
            touched(self.store.touch_token(token.id, now)).await;
        }
        let mut caller = self.caller_of(&account, CallerKind::Token(token.id), origin, None).await?;
        // A password that must be changed concerns the person; their programs go on.
        caller.must_change = false;
        limit_to(&mut caller, &token);
        Ok(caller)
    }

    /// Ends a session.
    pub async fn log_out(&self, caller: &Caller, now: Micros) -> Result<(), AccountError> {
        let Some(token) = caller.session else { return Ok(()) };
        let note = caller.note("logout", user_object(&caller.name), None, json!({}));
        self.store.end_session(&token, &note.event(), now).await?;
        Ok(())
    }

    /// Ends all sessions of the caller, this one too: how many.
    pub async fn log_out_everywhere(&self, caller: &Caller, now: Micros) -> Result<u64, AccountError> {
        let Some(account) = caller.account else { return Ok(0) };
        caller.must_be_person()?;
        let note = caller.note("logout.everywhere", user_object(&caller.name), None, json!({}));
        Ok(self.store.end_sessions(account, &note.event(), now).await?)
    }

    /// The caller's sessions that are not over, the newest first.
    pub async fn sessions(&self, caller: &Caller, now: Micros) -> Result<Vec<Session>, AccountError> {
        let Some(account) = caller.account else { return Ok(Vec::new()) };
        let mut sessions = self.store.sessions(account).await?;
        let idle_since = now.saturating_sub(micros(self.config.idle));
        sessions.retain(|session| session.expires_at > now && session.seen_at > idle_since);
        Ok(sessions)
    }

    /// Changes the caller's own password. All their other sessions end; their tokens stay.
    ///
    /// # Errors
    /// [`AccountError::PasswordWrong`] when `old` is not the present one, which counts like a login that failed;
    /// [`AccountError::Password`] when `new` cannot be one.
    pub async fn change_password(
        &self,
        caller: &Caller,
        old: &Secret,
        new: &Secret,
        now: Micros,
    ) -> Result<(), AccountError> {
        // Not `must_be_person`: who must change a password comes here to do just that.
        let (CallerKind::User, Some(_)) = (caller.kind, caller.account) else {
            return Err(super::AccessError::Person.into());
        };
        password::check(new.reveal(), &caller.name)?;
        if old == new {
            return Err(PasswordFault::Same.into());
        }
        let turn = self.hasher.turn()?;
        let lock = |failures| self.config.backoff.until(failures, now);
        let (account, stored) = match self.store.begin_login(&caller.name, &lock, now).await? {
            LoginAttempt::Unknown => return Err(AccountError::Session),
            LoginAttempt::Locked { until, .. } => return Err(locked(until, now)),
            LoginAttempt::Open { account, password: Some(stored) } => (account, stored),
            LoginAttempt::Open { .. } => return Err(AccountError::NoPassword),
        };
        if let Verdict::Wrong = turn.verify(old, Some(&stored)).await? {
            self.note_failure(Some(&account), false, &caller.origin, now).await?;
            return Err(AccountError::PasswordWrong);
        }
        let stored = self.hasher.turn()?.hash(new).await?;
        let note = caller.note("user.password_changed", user_object(&account.name), None, json!({}));
        self.store
            .set_password(account.id, &stored, false, caller.session.as_ref(), &note.event(), now)
            .await?;
        Ok(())
    }

    /// What somebody may do at this moment.
    async fn caller_of(
        &self,
        account: &Account,
        kind: CallerKind,
        origin: &Origin,
        session: Option<[u8; 32]>,
    ) -> Result<Caller, AccountError> {
        Ok(Caller {
            name: account.name.clone(),
            kind,
            account: Some(account.id),
            role: account.role,
            rights: self.rights_of(account).await?,
            must_change: account.must_change,
            origin: origin.clone(),
            session,
        })
    }

    /// What an account may do in projects.
    pub(crate) async fn rights_of(&self, account: &Account) -> Result<Rights, AccountError> {
        if account.role == Role::Admin {
            return Ok(Rights::All(Role::Admin));
        }
        let memberships = self.store.memberships(account.id).await?;
        let mut roles: std::collections::BTreeMap<i64, Role> =
            memberships.into_iter().map(|(project, _, role)| (project, role)).collect();
        roles.entry(self.default_project).or_insert(account.role);
        Ok(Rights::Some(roles))
    }
}

/// Takes from a caller what their token may not do.
fn limit_to(caller: &mut Caller, token: &ApiToken) {
    caller.role = caller.role.min(token.role);
    match (&mut caller.rights, token.project_id) {
        (Rights::All(role), None) => *role = (*role).min(token.role),
        (Rights::Some(roles), None) => roles.values_mut().for_each(|role| *role = (*role).min(token.role)),
        (_, Some(project)) => {
            let role = caller.role_in(project).map(|role| (project, role.min(token.role)));
            caller.rights = Rights::Some(role.into_iter().collect());
            // Outside of its project it only sees what everybody sees.
            caller.role = Role::Viewer;
        }
    }
}

fn locked(until: Micros, now: Micros) -> AccountError {
    let wait = u64::try_from(until.saturating_sub(now)).unwrap_or(0);
    AccountError::Locked { wait: Duration::from_micros(wait) }
}

/// Waits a moment for something that matters less than the request.
async fn touched(write: impl Future<Output = Result<(), store::StoreError>>) {
    match tokio::time::timeout(TOUCH_TIME, write).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the time of last use was not stored"),
        Err(_) => tracing::debug!("the time of last use was not stored: the store is busy"),
    }
}
