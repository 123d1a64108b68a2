//! Accounts: people and robots that may log in, and how often they failed to.
//!
//! Passwords stand here as hashes only, and what is made of a count of failures is the caller's to say. The last
//! administrator who may log in can be neither taken away nor made less.

use std::fmt;

use model::Role;
use sqlx::FromRow;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read_maybe, read_row, read_rows, row, rows},
    error::StoreError,
    event::{self, NewEvent},
    session::{self, NewSession},
};

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: i64,
    /// Its name, unique.
    pub name: String,
    /// Where its owner gets mail.
    pub email: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Whether it is shut: no login, no session, no token.
    pub disabled: bool,
    /// Whether its password was given by somebody else, and must be changed before anything else.
    pub must_change: bool,
    /// Whether it has a password at all.
    pub has_password: bool,
    /// `issuer subject` at the OIDC provider that it belongs to.
    pub subject: Option<String>,
    /// Until when no login is tried, after too many that failed.
    pub locked_until: Option<Micros>,
    /// When it was made.
    pub created_at: Micros,
    /// Its last login.
    pub seen_at: Option<Micros>,
}

/// A stored hash of a password; hidden in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword(pub String);

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(hidden)")
    }
}

/// An account to be.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its owner gets mail.
    pub email: Option<&'a str>,
    /// The hash of its password; none for robots, and for who comes from an OIDC provider.
    pub password: Option<&'a StoredPassword>,
    /// `issuer subject` at the OIDC provider.
    pub subject: Option<&'a str>,
    /// What it may do.
    pub role: Role,
    /// Whether the password must be changed at the first login.
    pub must_change: bool,
}

/// What may be changed of an account; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountChange<'a> {
    /// Where its owner gets mail.
    pub email: Option<Option<&'a str>>,
    /// What it may do.
    pub role: Option<Role>,
    /// Whether it is shut. Shutting it ends its sessions.
    pub disabled: Option<bool>,
}

/// What a login by password finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginAttempt {
    /// There is no such account.
    Unknown,
    /// Too many logins failed: the password is not looked at before that time.
    Locked {
        /// The account.
        account: Account,
        /// When it may be tried again.
        until: Micros,
    },
    /// The password may be looked at. The attempt counts as failed until [`Store::log_in`] says otherwise.
    Open {
        /// The account.
        account: Account,
        /// Its password.
        password: Option<StoredPassword>,
    },
}

#[derive(FromRow)]
pub(crate) struct AccountRecord {
    id: i64,
    name: String,
    email: Option<String>,
    password: Option<String>,
    subject: Option<String>,
    role: i16,
    disabled: bool,
    must_change: bool,
    failures: i32,
    locked_until: Option<i64>,
    created_at: i64,
    seen_at: Option<i64>,
}

impl AccountRecord {
    pub(crate) fn into_account(self) -> Result<Account, StoreError> {
        Ok(Account {
            id: self.id,
            name: self.name,
            email: self.email,
            role: Role::from_code(self.role).ok_or(StoreError::Value("role"))?,
            disabled: self.disabled,
            must_change: self.must_change,
            has_password: self.password.is_some(),
            subject: self.subject,
            locked_until: self.locked_until,
            created_at: self.created_at,
            seen_at: self.seen_at,
        })
    }
}

/// Reads accounts; what follows narrows it.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "select a.id, a.name, a.email, a.password, a.subject, a.role, a.disabled, a.must_change, a.failures,
             a.locked_until, a.created_at, a.seen_at from account a ",
            $rest
        )
    };
}
pub(crate) use select_account;

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its name or its subject is taken.
    pub async fn create_account(
        &self,
        account: &NewAccount<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "insert into account (name, email, password, subject, role, must_change, created_at)
                   values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            account.name,
            account.email,
            account.password.map(|password| password.0.as_str()),
            account.subject,
            account.role.code(),
            account.must_change,
            now,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("an account")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Makes the first account; `None` when there is one already, also when another process made it just now.
    pub async fn create_first_account(
        &self,
        account: &NewAccount<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<Option<i64>, StoreError> {
        if self.count_accounts().await? > 0 {
            return Ok(None);
        }
        // The name is always the same, so of two processes one meets the other's row.
        match self.create_account(account, event, now).await {
            Ok(id) => Ok(Some(id)),
            Err(StoreError::Exists(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many accounts there are.
    pub async fn count_accounts(&self) -> Result<u64, StoreError> {
        let (count,): (i64,) = read_row!(self, "select count(*) from account")?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The account of that name.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let record: Option<AccountRecord> = read_maybe!(self, select_account!("where a.name = $1"), name)?;
        record.map(AccountRecord::into_account).transpose()
    }

    /// The account of that number.
    pub async fn account_by_id(&self, id: i64) -> Result<Option<Account>, StoreError> {
        let record: Option<AccountRecord> = read_maybe!(self, select_account!("where a.id = $1"), id)?;
        record.map(AccountRecord::into_account).transpose()
    }

    /// The account that belongs to `issuer subject` of an OIDC provider.
    pub async fn account_by_subject(&self, subject: &str) -> Result<Option<Account>, StoreError> {
        let record: Option<AccountRecord> =
            read_maybe!(self, select_account!("where a.subject = $1"), subject)?;
        record.map(AccountRecord::into_account).transpose()
    }

    /// Accounts by name, those after one.
    pub async fn accounts(&self, after: &str, limit: u32) -> Result<Vec<Account>, StoreError> {
        let sql = select_account!("where a.name > $1 order by a.name limit $2");
        let records: Vec<AccountRecord> = read_rows!(self, sql, after, i64::from(limit))?;
        records.into_iter().map(AccountRecord::into_account).collect()
    }

    /// Changes an account. False when that would leave no administrator who may log in: then nothing changes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such account.
    pub async fn change_account(
        &self,
        id: i64,
        change: &AccountChange<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let lessens = change.role.is_some_and(|role| role < Role::Admin) || change.disabled == Some(true);
        if lessens && is_last_admin(&mut tx, id).await? {
            return Ok(false);
        }
        let sql =
            "update account set role = coalesce($1, role), disabled = coalesce($2, disabled) where id = $3";
        if execute!(&mut tx, sql, change.role.map(Role::code), change.disabled, id)? == 0 {
            return Err(StoreError::NotFound("account"));
        }
        if let Some(email) = change.email {
            execute!(&mut tx, "update account set email = $1 where id = $2", email, id)?;
        }
        if change.disabled == Some(true) {
            session::end_all(&mut tx, id, None).await?;
        }
        if change.disabled == Some(false) {
            let sql = "update account set failures = 0, locked_until = null where id = $1";
            execute!(&mut tx, sql, id)?;
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes an account away, with its sessions, tokens and memberships. False when it is the last administrator
    /// who may log in: then it stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such account.
    pub async fn delete_account(
        &self,
        id: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if is_last_admin(&mut tx, id).await? {
            return Ok(false);
        }
        if execute!(&mut tx, "delete from account where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("account"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an account another password, which ends its sessions, but for the one with that hash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such account.
    pub async fn set_password(
        &self,
        id: i64,
        password: &StoredPassword,
        must_change: bool,
        keep: Option<&[u8; 32]>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update account set password = $1, must_change = $2, failures = 0, locked_until = null
                   where id = $3";
        if execute!(&mut tx, sql, password.0.as_str(), must_change, id)? == 0 {
            return Err(StoreError::NotFound("account"));
        }
        session::end_all(&mut tx, id, keep).await?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Begins a login by password. It is counted as failed before the password is looked at, so that many at once
    /// are no more guesses than one after another; `lock` says until when an account is locked after so many
    /// failures in a row.
    pub async fn begin_login(
        &self,
        name: &str,
        lock: &(dyn Fn(u32) -> Option<Micros> + Send + Sync),
        now: Micros,
    ) -> Result<LoginAttempt, StoreError> {
        let mut tx = self.begin().await?;
        let find =
            tx.sql(select_account!("where a.name = $1"), select_account!("where a.name = $1 for update"));
        let record: Option<AccountRecord> = maybe!(&mut tx, find, name)?;
        let Some(mut record) = record else { return Ok(LoginAttempt::Unknown) };
        if let Some(until) = record.locked_until.filter(|until| *until > now) {
            return Ok(LoginAttempt::Locked { account: record.into_account()?, until });
        }
        let failures = u32::try_from(record.failures).unwrap_or(0).saturating_add(1);
        let until = lock(failures);
        let sql = "update account set failures = $1, locked_until = $2 where id = $3";
        execute!(&mut tx, sql, i32::try_from(failures).unwrap_or(i32::MAX), until, record.id)?;
        tx.commit().await?;
        record.locked_until = until;
        let password = record.password.clone().map(StoredPassword);
        Ok(LoginAttempt::Open { account: record.into_account()?, password })
    }

    /// Ends a login that succeeded: failures are forgotten, and a session begins. `password` is a newer hash of
    /// the same password.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the account was taken away or shut meanwhile.
    pub async fn log_in(
        &self,
        id: i64,
        password: Option<&StoredPassword>,
        session: &NewSession<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update account set failures = 0, locked_until = null, seen_at = $1,
                   password = coalesce($2, password) where id = $3 and not disabled";
        if execute!(&mut tx, sql, now, password.map(|password| password.0.as_str()), id)? == 0 {
            return Err(StoreError::NotFound("account"));
        }
        session::begin(&mut tx, id, session, now).await?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }
}

/// Whether that account is the only administrator who may log in. Those are locked, so that two changes at once
/// do not take away two.
async fn is_last_admin(tx: &mut Tx, id: i64) -> Result<bool, StoreError> {
    let sql = tx.sql(
        "select id from account where role = $1 and not disabled
         and (password is not null or subject is not null) order by id",
        "select id from account where role = $1 and not disabled
         and (password is not null or subject is not null) order by id for update",
    );
    let admins: Vec<(i64,)> = rows!(tx, sql, Role::Admin.code())?;
    Ok(admins == [(id,)])
}

/// The number of an account, in a transaction.
pub(crate) async fn require(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    let (there,): (i64,) = row!(tx, "select count(*) from account where id = $1", id)?;
    if there == 0 { Err(StoreError::NotFound("account")) } else { Ok(()) }
}
