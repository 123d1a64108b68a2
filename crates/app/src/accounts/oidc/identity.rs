//! From what the provider says to an account. One is found by issuer and subject alone: a name or a mail address
//! proves nothing, so an account that is there is never taken over.

use model::Role;
use serde_json::{Map, Value, json};
use store::{Account, AccountChange, Micros, NewAccount, StoreError};

use super::{OidcConfig, OidcError};
use crate::accounts::{AccountError, Accounts, Caller, LoggedIn, Origin, name_of, secret::hash, user_object};

/// Somebody, according to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `issuer subject`: what an account is found by.
    pub subject: String,
    /// Names for a new account, the best first.
    pub names: Vec<String>,
    /// Where they get mail.
    pub email: Option<String>,
    /// What they may do, where the provider decides that: also of an account that is there.
    pub role: Option<Role>,
    /// What a new account may do, where the provider does not decide that.
    pub default_role: Option<Role>,
}

/// A claim, by its name or by a path with dots.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

/// Whether the ID token leaves something out that the user information may hold.
pub(super) fn wants_more(config: &OidcConfig, claims: &Map<String, Value>) -> bool {
    let role = config.role_claim.as_deref();
    claim(claims, &config.name_claim).is_none() || role.is_some_and(|role| claim(claims, role).is_none())
}

/// Who the claims speak of.
pub(super) fn build(config: &OidcConfig, claims: &Map<String, Value>) -> Result<Identity, OidcError> {
    let text = |name: &str| claim(claims, name).and_then(Value::as_str);
    let sub = text("sub").ok_or(OidcError::IdToken("names nobody"))?;
    let subject = format!("{} {sub}", config.issuer_text());
    let verified = claims.get("email_verified") != Some(&Value::Bool(false));
    let email = text("email").filter(|_| verified).map(str::to_owned);
    let role = match &config.role_claim {
        None => None,
        Some(name) => {
            let values: Vec<&str> = match claim(claims, name) {
                Some(Value::String(one)) => vec![one],
                Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let given = config.roles.iter().filter(|(value, _)| values.contains(&value.as_str()));
            let largest = given.map(|(_, role)| *role).max().or(config.default_role);
            Some(largest.ok_or(OidcError::NoRole)?)
        }
    };
    let mut names: Vec<String> = [text(&config.name_claim), email.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(|name| name_of(name, "an account").ok())
        .collect();
    // Says whose word the name is, where somebody else has it already.
    if let (Some(first), Some(host)) = (names.first(), config.issuer.host_str())
        && let Ok(name) = name_of(&format!("{first}@{host}"), "an account")
    {
        names.push(name);
    }
    let [a, b, c, d, e, f, ..] = hash(&subject);
    names.push(format!("oidc-{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}"));
    names.dedup();
    Ok(Identity { subject, names, email, role, default_role: config.default_role })
}

impl Accounts {
    /// Logs somebody in whom the provider knows; at their first login an account is made.
    ///
    /// # Errors
    /// [`AccountError::Login`] when the account is shut here; [`AccountError::NoRole`] when a new one would have no
    /// role.
    pub async fn log_in_with(
        &self,
        identity: &Identity,
        origin: &Origin,
        now: Micros,
    ) -> Result<LoggedIn, AccountError> {
        let provider = Caller { origin: origin.clone(), ..Caller::system("oidc") };
        let account = match self.store.account_by_subject(&identity.subject).await? {
            Some(account) => self.follow(&provider, account, identity, now).await?,
            None => self.welcome(&provider, identity, now).await?,
        };
        if account.disabled {
            let detail = json!({ "why": "account disabled", "by": "oidc" });
            let note = provider.note("login.failed", user_object(&account.name), None, detail);
            self.store.record(&note.event(), now).await?;
            return Err(AccountError::Login);
        }
        self.begin_session(&account, None, "oidc", origin, now).await
    }

    /// Gives an account the role that the provider says.
    async fn follow(
        &self,
        provider: &Caller,
        mut account: Account,
        identity: &Identity,
        now: Micros,
    ) -> Result<Account, AccountError> {
        let Some(role) = identity.role.filter(|role| *role != account.role) else { return Ok(account) };
        let detail = json!({ "role": { "from": account.role.as_str(), "to": role.as_str() } });
        let note = provider.note("user.changed", user_object(&account.name), None, detail);
        let change = AccountChange { role: Some(role), ..AccountChange::default() };
        if self.store.change_account(account.id, &change, &note.event(), now).await? {
            account.role = role;
        } else {
            tracing::warn!(
                account = account.name,
                "the last administrator keeps the role that the provider took away"
            );
        }
        Ok(account)
    }

    /// Makes an account for somebody who comes for the first time.
    async fn welcome(
        &self,
        provider: &Caller,
        identity: &Identity,
        now: Micros,
    ) -> Result<Account, AccountError> {
        let role = identity.role.or(identity.default_role).ok_or(AccountError::NoRole)?;
        for name in &identity.names {
            let account = NewAccount {
                name,
                email: identity.email.as_deref(),
                password: None,
                subject: Some(&identity.subject),
                role,
                must_change: false,
            };
            let detail = json!({ "role": role.as_str(), "by": "oidc" });
            let note = provider.note("user.created", user_object(name), None, detail);
            match self.store.create_account(&account, &note.event(), now).await {
                Ok(_) | Err(StoreError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
            // Also when the same person logged in twice at once.
            if let Some(account) = self.store.account_by_subject(&identity.subject).await? {
                return Ok(account);
            }
        }
        Err(StoreError::Exists("an account").into())
    }
}

#[cfg(test)]
mod tests {
    use egress::Url;

    use super::*;

    fn config() -> OidcConfig {
        let url = |text| Url::parse(text).unwrap();
        OidcConfig {
            role_claim: Some("groups".to_owned()),
            roles: vec![("sec".to_owned(), Role::Analyst), ("ops".to_owned(), Role::Operator)],
            ..OidcConfig::new(
                url("https://id.example/realm"),
                "lazaret".to_owned(),
                url("https://l.example/"),
            )
        }
    }

    fn of(config: &OidcConfig, claims: &Value) -> Result<Identity, OidcError> {
        build(config, claims.as_object().unwrap())
    }

    #[test]
    fn groups_give_roles() {
        let mut config = config();
        let role =
            |config: &OidcConfig, claims: Value| of(config, &claims).map(|identity| identity.role).ok();
        assert_eq!(
            role(&config, json!({ "sub": "1", "groups": ["sec", "ops", "x"] })),
            Some(Some(Role::Operator))
        );
        assert_eq!(role(&config, json!({ "sub": "1", "groups": "sec" })), Some(Some(Role::Analyst)));
        assert_eq!(role(&config, json!({ "sub": "1", "groups": ["SEC", 7] })), Some(Some(Role::Viewer)));
        assert_eq!(role(&config, json!({ "sub": "1" })), Some(Some(Role::Viewer)));
        config.default_role = None;
        assert_eq!(role(&config, json!({ "sub": "1", "groups": ["x"] })), None);
        config.role_claim = Some("realm_access.roles".to_owned());
        let nested = json!({ "sub": "1", "realm_access": { "roles": ["ops"] } });
        assert_eq!(role(&config, nested), Some(Some(Role::Operator)));
        config.role_claim = Some("https://l.example/roles".to_owned());
        assert_eq!(
            role(&config, json!({ "sub": "1", "https://l.example/roles": ["sec"] })),
            Some(Some(Role::Analyst))
        );
        config.role_claim = None;
        assert_eq!(role(&config, json!({ "sub": "1", "groups": ["ops"] })), Some(None));
    }

    #[test]
    fn names_are_tried_in_turn() {
        let names = |claims: Value| {
            let names = of(&config(), &claims).unwrap().names;
            let (last, others) = names.split_last().unwrap();
            assert!(last.starts_with("oidc-") && last.len() == 17, "{last}");
            others.to_vec()
        };
        let full = json!({ "sub": "1", "preferred_username": "Alice", "email": "a@b.example" });
        assert_eq!(names(full), ["alice", "a@b.example", "alice@id.example"]);
        let unverified = json!({ "sub": "1", "email": "a@b.example", "email_verified": false });
        assert_eq!(names(unverified), [""; 0]);
        assert_eq!(names(json!({ "sub": "1", "preferred_username": "system" })), [""; 0]);
        assert_eq!(names(json!({ "sub": "1", "preferred_username": "Al ice" })), [""; 0]);
    }

    #[test]
    fn subjects_hold_their_issuer() {
        let identity = of(&config(), &json!({ "sub": "1" })).unwrap();
        assert_eq!(identity.subject, "https://id.example/realm 1");
        assert!(wants_more(&config(), &Map::new()));
        let enough = json!({ "preferred_username": "a", "groups": [] });
        assert!(!wants_more(&config(), enough.as_object().unwrap()));
    }
}
