//! Sessions of people who logged in. What their cookie holds is known here by its SHA-256 only.

use model::Role;
use sqlx::FromRow;

use crate::{
    Micros,
    account::{Account, AccountRecord, select_account},
    db::{Store, Tx, execute, read_maybe, read_rows},
    error::StoreError,
    event::{self, NewEvent},
};

/// A session to be.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// SHA-256 of what the cookie holds.
    pub token: &'a [u8; 32],
    /// When it ends, whatever is done in it.
    pub expires_at: Micros,
    /// Where it was begun.
    pub address: Option<&'a str>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Session {
    /// Whose it is.
    pub account_id: i64,
    /// When it began.
    pub created_at: Micros,
    /// When something was last done in it, within a minute.
    pub seen_at: Micros,
    /// When it ends, whatever is done in it.
    pub expires_at: Micros,
    /// Where it was begun.
    pub address: Option<String>,
}

pub(crate) async fn begin(
    tx: &mut Tx,
    account: i64,
    session: &NewSession<'_>,
    now: Micros,
) -> Result<(), StoreError> {
    let sql = "insert into session (token, account_id, created_at, seen_at, expires_at, address)
               values ($1, $2, $3, $3, $4, $5)";
    execute!(tx, sql, session.token.as_slice(), account, now, session.expires_at, session.address)?;
    Ok(())
}

/// Ends all sessions of an account, but for one.
pub(crate) async fn end_all(tx: &mut Tx, account: i64, keep: Option<&[u8; 32]>) -> Result<u64, StoreError> {
    let keep = keep.map_or(&[][..], <[u8; 32]>::as_slice);
    execute!(tx, "delete from session where account_id = $1 and token <> $2", account, keep)
}

impl Store {
    /// The session with that hash and its account; whether both still count is the caller's to judge.
    pub async fn session(&self, token: &[u8; 32]) -> Result<Option<(Session, Account)>, StoreError> {
        let sql = "select account_id, created_at, seen_at, expires_at, address from session where token = $1";
        let session: Option<Session> = read_maybe!(self, sql, token.as_slice())?;
        let Some(session) = session else { return Ok(None) };
        let sql = select_account!("where a.id = $1");
        let account: Option<AccountRecord> = read_maybe!(self, sql, session.account_id)?;
        account.map(|account| Ok((session, account.into_account()?))).transpose()
    }

    /// Writes down that something was done in a session.
    pub async fn touch_session(&self, token: &[u8; 32], now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update session set seen_at = $1 where token = $2 and seen_at < $1";
        execute!(&mut tx, sql, now, token.as_slice())?;
        tx.commit().await
    }

    /// Sessions of an account, the newest first.
    pub async fn sessions(&self, account: i64) -> Result<Vec<Session>, StoreError> {
        let sql = "select account_id, created_at, seen_at, expires_at, address from session
                   where account_id = $1 order by created_at desc limit 200";
        read_rows!(self, sql, account)
    }

    /// Ends a session. False when there is none of that hash; then no event is written.
    pub async fn end_session(
        &self,
        token: &[u8; 32],
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from session where token = $1", token.as_slice())? == 0 {
            return Ok(false);
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends all sessions of an account: how many.
    pub async fn end_sessions(
        &self,
        account: i64,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let ended = end_all(&mut tx, account, None).await?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Forgets sessions that are over, and those in which nothing was done since `idle_since`.
    pub async fn trim_sessions(&self, idle_since: Micros, now: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "delete from session where expires_at <= $1 or seen_at <= $2";
        let gone = execute!(&mut tx, sql, now, idle_since)?;
        tx.commit().await?;
        Ok(gone)
    }

    /// What an account may do in projects: number, name, role.
    pub async fn memberships(&self, account: i64) -> Result<Vec<(i64, String, Role)>, StoreError> {
        let sql =
            "select m.project_id, p.name, m.role from membership m join project p on p.id = m.project_id
                   where m.account_id = $1 order by p.name";
        let rows: Vec<(i64, String, i16)> = read_rows!(self, sql, account)?;
        rows.into_iter()
            .map(|(id, name, role)| Ok((id, name, Role::from_code(role).ok_or(StoreError::Value("role"))?)))
            .collect()
    }
}
