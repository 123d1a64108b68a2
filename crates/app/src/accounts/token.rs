//! API tokens: made by people for programs, shown once.

use std::time::Duration;

use model::Role;
use serde_json::json;
use store::{Account, ApiToken, Micros, NewToken, StoreError};

use super::{
    Accounts,
    caller::{Caller, Rights},
    error::{AccessError, AccountError},
    secret::Secret,
};
use crate::clock::micros;

/// Tokens that one account may have.
const MAX_TOKENS: u32 = 200;
/// The farthest end of a token.
const FARTHEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A token to be.
#[derive(Clone, Debug)]
pub struct TokenOrder<'a> {
    /// Whose it is; the caller's own without a name. Administrators make them for others: for robots.
    pub owner: Option<&'a str>,
    /// What it is called, unique among the owner's: 1 to 100 characters.
    pub name: &'a str,
    /// The most that it may do.
    pub role: Role,
    /// The only project that it may see.
    pub project: Option<i64>,
    /// When it ends; `None` for never.
    pub expires_at: Option<Micros>,
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct MadeToken {
    /// The token itself: shown now and never again.
    pub secret: Secret,
    /// What is kept of it.
    pub token: ApiToken,
}

impl Accounts {
    /// Makes a token.
    ///
    /// # Errors
    /// [`AccessError::Person`] for a caller that is a token itself; [`AccountError::TokenRole`] when the owner has
    /// no such role; [`StoreError::Exists`] when the owner has a token of that name.
    pub async fn create_token(
        &self,
        caller: &Caller,
        order: &TokenOrder<'_>,
        now: Micros,
    ) -> Result<MadeToken, AccountError> {
        caller.must_be_person()?;
        let owner = self.owner(caller, order.owner).await?;
        let name = order.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            let shown = name.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(AccountError::Name(shown, "a token"));
        }
        let latest = now.saturating_add(micros(FARTHEST));
        if order.expires_at.is_some_and(|end| end <= now || end > latest) {
            return Err(AccountError::Expiry);
        }
        let role = largest(&self.rights_of(&owner).await?, order.project, owner.role)
            .ok_or(AccountError::Access(AccessError::Project))?;
        if order.role > role {
            return Err(AccountError::TokenRole { asked: order.role, role });
        }
        let count = self.store.tokens(Some(owner.id), 0, MAX_TOKENS).await?.len();
        if u32::try_from(count).is_ok_and(|count| count >= MAX_TOKENS) {
            return Err(AccountError::TooManyTokens);
        }
        let secret = Secret::token()?;
        let token = NewToken {
            account: owner.id,
            name,
            token: &secret.hash(),
            role: order.role,
            project: order.project,
            expires_at: order.expires_at,
        };
        let detail = json!({ "role": order.role.as_str(), "expires_at": order.expires_at });
        let note = caller.note("token.created", token_object(&owner.name, name), order.project, detail);
        let id = self.store.create_token(&token, &note.event(), now).await?;
        let token = self.store.token(id).await?.ok_or(StoreError::NotFound("token"))?;
        Ok(MadeToken { secret, token })
    }

    /// Tokens of the caller, or of somebody else, by number, those after one.
    ///
    /// # Errors
    /// When the caller asks for somebody else's and is no administrator.
    pub async fn tokens(
        &self,
        caller: &Caller,
        owner: Option<&str>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ApiToken>, AccountError> {
        let owner = self.owner(caller, owner).await?;
        Ok(self.store.tokens(Some(owner.id), after, limit.min(500)).await?)
    }

    /// Revokes a token: one's own, or as an administrator anybody's. It stops working at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such token, or it is somebody else's.
    pub async fn revoke_token(&self, caller: &Caller, id: i64, now: Micros) -> Result<(), AccountError> {
        let token = self.store.token(id).await?.ok_or(StoreError::NotFound("token"))?;
        if caller.account != Some(token.account_id) && caller.may(Role::Admin, None).is_err() {
            return Err(StoreError::NotFound("token").into());
        }
        if caller.must_change {
            return Err(AccessError::PasswordMustChange.into());
        }
        let object = token_object(&token.account, &token.name);
        let note = caller.note("token.revoked", object, token.project_id, json!({}));
        Ok(self.store.delete_token(id, &note.event(), now).await?)
    }

    /// The account that is meant: the caller's own, or with an administrator's rights another.
    async fn owner(&self, caller: &Caller, owner: Option<&str>) -> Result<Account, AccountError> {
        match (owner, caller.account) {
            (Some(name), _) => self.user(caller, name).await,
            (None, Some(id)) => {
                Ok(self.store.account_by_id(id).await?.ok_or(StoreError::NotFound("account"))?)
            }
            (None, None) => Err(StoreError::NotFound("account").into()),
        }
    }
}

/// The largest role that an owner has in a project, or anywhere.
fn largest(rights: &Rights, project: Option<i64>, own: Role) -> Option<Role> {
    match (rights, project) {
        (Rights::All(role), _) => Some(*role),
        (Rights::Some(roles), Some(project)) => roles.get(&project).copied(),
        (Rights::Some(roles), None) => roles.values().copied().max().max(Some(own)),
    }
}

fn token_object(owner: &str, name: &str) -> String {
    format!("token:{owner}/{name}")
}
