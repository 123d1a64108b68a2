//! API tokens of programs. They are shown once; what is kept is their SHA-256.

use model::Role;
use sqlx::FromRow;

use crate::{
    Micros,
    account::{self, Account, AccountRecord, select_account},
    db::{Store, execute, maybe, read_maybe, read_rows},
    error::StoreError,
    event::{self, NewEvent},
};

/// A token to be.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whose it is.
    pub account: i64,
    /// What its owner calls it; unique among theirs.
    pub name: &'a str,
    /// SHA-256 of the token.
    pub token: &'a [u8; 32],
    /// The most that it may do.
    pub role: Role,
    /// The only project that it may see.
    pub project: Option<i64>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Micros>,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub account_id: i64,
    /// The owner's name.
    pub account: String,
    /// What its owner calls it.
    pub name: String,
    /// The most that it may do.
    pub role: Role,
    /// The only project that it may see.
    pub project_id: Option<i64>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends.
    pub expires_at: Option<Micros>,
    /// When it was last used, within a minute.
    pub seen_at: Option<Micros>,
}

#[derive(FromRow)]
struct TokenRecord {
    id: i64,
    account_id: i64,
    account: String,
    name: String,
    role: i16,
    project_id: Option<i64>,
    created_at: i64,
    expires_at: Option<i64>,
    seen_at: Option<i64>,
}

impl TokenRecord {
    fn into_token(self) -> Result<ApiToken, StoreError> {
        Ok(ApiToken {
            id: self.id,
            account_id: self.account_id,
            account: self.account,
            name: self.name,
            role: Role::from_code(self.role).ok_or(StoreError::Value("role"))?,
            project_id: self.project_id,
            created_at: self.created_at,
            expires_at: self.expires_at,
            seen_at: self.seen_at,
        })
    }
}

macro_rules! select_token {
    ($rest:literal) => {
        concat!(
            "select t.id, t.account_id, a.name as account, t.name, t.role, t.project_id, t.created_at, t.expires_at,
             t.seen_at from api_token t join account a on a.id = t.account_id ",
            $rest
        )
    };
}

impl Store {
    /// Makes a token: its number.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its owner has one of that name; [`StoreError::NotFound`] when there is no such
    /// owner or project.
    pub async fn create_token(
        &self,
        token: &NewToken<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        account::require(&mut tx, token.account).await?;
        if let Some(project) = token.project {
            let there: Option<(i64,)> = maybe!(&mut tx, "select id from project where id = $1", project)?;
            there.ok_or(StoreError::NotFound("project"))?;
        }
        let sql = "insert into api_token (account_id, name, token, role, project_id, created_at, expires_at)
                   values ($1, $2, $3, $4, $5, $6, $7) on conflict (account_id, name) do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            token.account,
            token.name,
            token.token.as_slice(),
            token.role.code(),
            token.project,
            now,
            token.expires_at,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a token")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The token with that hash and its owner; whether both still count is the caller's to judge.
    pub async fn token_by_hash(&self, token: &[u8; 32]) -> Result<Option<(ApiToken, Account)>, StoreError> {
        let sql = select_token!("where t.token = $1");
        let record: Option<TokenRecord> = read_maybe!(self, sql, token.as_slice())?;
        let Some(record) = record else { return Ok(None) };
        let sql = select_account!("where a.id = $1");
        let account: Option<AccountRecord> = read_maybe!(self, sql, record.account_id)?;
        account.map(|account| Ok((record.into_token()?, account.into_account()?))).transpose()
    }

    /// One token.
    pub async fn token(&self, id: i64) -> Result<Option<ApiToken>, StoreError> {
        let record: Option<TokenRecord> = read_maybe!(self, select_token!("where t.id = $1"), id)?;
        record.map(TokenRecord::into_token).transpose()
    }

    /// Tokens by number, those after one; of one account, or of all.
    pub async fn tokens(
        &self,
        account: Option<i64>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let sql =
            select_token!("where t.id > $1 and ($2 is null or t.account_id = $2) order by t.id limit $3");
        let records: Vec<TokenRecord> = read_rows!(self, sql, after, account, i64::from(limit))?;
        records.into_iter().map(TokenRecord::into_token).collect()
    }

    /// Writes down that a token was used.
    pub async fn touch_token(&self, id: i64, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update api_token set seen_at = $1 where id = $2 and (seen_at is null or seen_at < $1)";
        execute!(&mut tx, sql, now, id)?;
        tx.commit().await
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such token.
    pub async fn delete_token(&self, id: i64, event: &NewEvent<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from api_token where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("token"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Forgets tokens that ended before that time.
    pub async fn trim_tokens(&self, before: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let gone = execute!(&mut tx, "delete from api_token where expires_at < $1", before)?;
        tx.commit().await?;
        Ok(gone)
    }
}
