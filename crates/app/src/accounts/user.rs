//! Accounts of users: made, changed and taken away by administrators.

use model::Role;
use serde_json::{Map, Value, json};
use store::{Account, AccountChange, Micros, NewAccount, StoreError};

use super::{
    Accounts, FIRST_ADMIN, caller::Caller, error::AccountError, name_of, password, secret::Secret,
    user_object,
};

/// Users that one page holds at most.
const MAX_PAGE: u32 = 500;

/// A user to be.
#[derive(Clone, Debug)]
pub struct UserOrder<'a> {
    /// How they are called; see [`super::AccountError::Name`].
    pub name: &'a str,
    /// Where they get mail.
    pub email: Option<&'a str>,
    /// What they may do.
    pub role: Role,
    /// Whether they log in with a password; a robot that only has tokens does not.
    pub password: bool,
}

/// What may be changed of a user; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserChange<'a> {
    /// Where they get mail; an empty text takes it away.
    pub email: Option<&'a str>,
    /// What they may do.
    pub role: Option<Role>,
    /// Whether the account is shut. Shutting it ends its sessions; opening it also unlocks it.
    pub disabled: Option<bool>,
}

impl Accounts {
    /// Makes the account [`FIRST_ADMIN`] in a store that has none: its password for one login, which whoever
    /// started the service must be shown. `None` when there are accounts.
    pub async fn create_first_admin(&self, now: Micros) -> Result<Option<Secret>, AccountError> {
        if self.store.count_accounts().await? > 0 {
            return Ok(None);
        }
        let secret = Secret::one_time_password()?;
        let password = self.hasher.turn()?.hash(&secret).await?;
        let account = NewAccount {
            name: FIRST_ADMIN,
            email: None,
            password: Some(&password),
            subject: None,
            role: Role::Admin,
            must_change: true,
        };
        let detail = json!({ "role": Role::Admin.as_str(), "first": true });
        let note = Caller::system("system").note("user.created", user_object(FIRST_ADMIN), None, detail);
        Ok(self.store.create_first_account(&account, &note.event(), now).await?.map(|_| secret))
    }

    /// Makes a user. Their password for one login comes with them, and is shown once.
    ///
    /// # Errors
    /// When the caller is no administrator, or the name is taken or none.
    pub async fn create_user(
        &self,
        caller: &Caller,
        order: &UserOrder<'_>,
        now: Micros,
    ) -> Result<(Account, Option<Secret>), AccountError> {
        caller.may(Role::Admin, None)?;
        let name = name_of(order.name, "an account")?;
        let email = order.email.filter(|email| !email.is_empty()).map(email_of).transpose()?;
        let secret = if order.password { Some(Secret::one_time_password()?) } else { None };
        let password = match &secret {
            Some(secret) => Some(self.hasher.turn()?.hash(secret).await?),
            None => None,
        };
        let account = NewAccount {
            name: &name,
            email,
            password: password.as_ref(),
            subject: None,
            role: order.role,
            must_change: order.password,
        };
        let detail = json!({ "role": order.role.as_str(), "password": order.password });
        let note = caller.note("user.created", user_object(&name), None, detail);
        let id = self.store.create_account(&account, &note.event(), now).await?;
        let account = self.store.account_by_id(id).await?.ok_or(StoreError::NotFound("account"))?;
        Ok((account, secret))
    }

    /// Users by name, those after one; at most 500 at once.
    ///
    /// # Errors
    /// When the caller is no administrator.
    pub async fn users(
        &self,
        caller: &Caller,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Account>, AccountError> {
        caller.may(Role::Admin, None)?;
        Ok(self.store.accounts(after, limit.min(MAX_PAGE)).await?)
    }

    /// One user, by name: administrators see all, everybody sees themself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn user(&self, caller: &Caller, name: &str) -> Result<Account, AccountError> {
        let name = name_of(name, "an account")?;
        if caller.account.is_none() || name != caller.name {
            caller.may(Role::Admin, None)?;
        }
        Ok(self.store.account(&name).await?.ok_or(StoreError::NotFound("account"))?)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`AccountError::LastAdmin`] when nobody could administer any more.
    pub async fn change_user(
        &self,
        caller: &Caller,
        name: &str,
        change: &UserChange<'_>,
        now: Micros,
    ) -> Result<Account, AccountError> {
        caller.may(Role::Admin, None)?;
        let account = self.user(caller, name).await?;
        let mut detail = Map::new();
        let email = match change.email {
            None => None,
            Some("") => Some(None),
            Some(text) => Some(Some(email_of(text)?)),
        };
        if let Some(email) = email {
            detail.insert("email".to_owned(), Value::from(email));
        }
        if let Some(role) = change.role {
            let changed = json!({ "from": account.role.as_str(), "to": role.as_str() });
            detail.insert("role".to_owned(), changed);
        }
        let action = match change.disabled {
            Some(true) => "user.disabled",
            Some(false) => "user.enabled",
            None => "user.changed",
        };
        let note = caller.note(action, user_object(&account.name), None, Value::Object(detail));
        let change = AccountChange { email, role: change.role, disabled: change.disabled };
        if !self.store.change_account(account.id, &change, &note.event(), now).await? {
            return Err(AccountError::LastAdmin);
        }
        Ok(self.store.account_by_id(account.id).await?.ok_or(StoreError::NotFound("account"))?)
    }

    /// Takes a user away, with sessions, tokens and memberships. One that came from the login provider comes back
    /// with the next login there; shut it instead.
    ///
    /// # Errors
    /// [`AccountError::LastAdmin`] when nobody could administer any more.
    pub async fn delete_user(&self, caller: &Caller, name: &str, now: Micros) -> Result<(), AccountError> {
        caller.may(Role::Admin, None)?;
        let account = self.user(caller, name).await?;
        let detail = json!({ "role": account.role.as_str() });
        let note = caller.note("user.deleted", user_object(&account.name), None, detail);
        if self.store.delete_account(account.id, &note.event(), now).await? {
            return Ok(());
        }
        Err(AccountError::LastAdmin)
    }

    /// Gives a user another password for one login, which is shown once. It unlocks the account and ends its
    /// sessions; `lazaret user reset-password NAME` does this when no administrator can log in any more.
    ///
    /// # Errors
    /// [`AccountError::NoPassword`] for who logs in through the provider.
    pub async fn reset_password(
        &self,
        caller: &Caller,
        name: &str,
        now: Micros,
    ) -> Result<Secret, AccountError> {
        caller.may(Role::Admin, None)?;
        let account = self.user(caller, name).await?;
        if account.subject.is_some() {
            return Err(AccountError::NoPassword);
        }
        let secret = Secret::one_time_password()?;
        let stored = self.hasher.turn()?.hash(&secret).await?;
        let note = caller.note("user.password_reset", user_object(&account.name), None, json!({}));
        self.store.set_password(account.id, &stored, true, None, &note.event(), now).await?;
        Ok(secret)
    }

    /// Gives a user a password of the administrator's choice, which they need not change: for installations that
    /// are set up by a program.
    ///
    /// # Errors
    /// [`AccountError::Password`] when it cannot be one.
    pub async fn set_password(
        &self,
        caller: &Caller,
        name: &str,
        new: &Secret,
        now: Micros,
    ) -> Result<(), AccountError> {
        caller.may(Role::Admin, None)?;
        let account = self.user(caller, name).await?;
        if account.subject.is_some() {
            return Err(AccountError::NoPassword);
        }
        password::check(new.reveal(), &account.name)?;
        let stored = self.hasher.turn()?.hash(new).await?;
        let note = caller.note("user.password_set", user_object(&account.name), None, json!({}));
        self.store.set_password(account.id, &stored, false, None, &note.event(), now).await?;
        Ok(())
    }
}

/// A mail address, as far as it must be one to be shown and written to.
fn email_of(text: &str) -> Result<&str, AccountError> {
    let text = text.trim();
    let parts = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let plain = text.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>\"".contains(c));
    if parts && plain && text.len() <= 254 {
        return Ok(text);
    }
    Err(AccountError::Name(text.chars().filter(|c| !c.is_control()).take(100).collect(), "a mail address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses() {
        for (text, fine) in [
            ("bob@example.com", true),
            (" bob@example.com ", true),
            ("bob", false),
            ("@example.com", false),
            ("bob@", false),
            ("bob@exa mple.com", false),
            ("bob@example.com\nBcc: x@y", false),
            ("<b>@example.com", false),
        ] {
            assert_eq!(email_of(text).is_ok(), fine, "{text:?}");
        }
    }
}
