//! Registries that are stored with their credentials: of one project, or of all.
//!
//! A job opens an image with the credentials that came with it, else with its project's registry of that host, else
//! with that of all projects, else without any. The secret is sealed in the store, is sent to its own host and the
//! token service that this host names, and is never shown again. Which addresses may be reached is the service's
//! setting, whatever is stored here.

mod access;
mod error;

use model::{ImageReference, Role};
use serde_json::{Value, json};
use store::{Micros, NewRegistry, Registry, RegistryChange, Scope, StoreError};

pub(crate) use self::access::{ReachError, StoredRegistries, reach};
pub use self::error::RegistryError;
use crate::{
    accounts::{AccessError, Caller, Secret},
    service::Service,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;
/// Most characters of a name, and of a user name.
const MAX_NAME: usize = 100;
const MAX_USER: usize = 300;
/// Most bytes of a password or token: those of cloud registries are long.
const MAX_SECRET: usize = 16 << 10;
/// Most bytes of certificate authorities.
const MAX_CA: usize = 256 << 10;

/// A login at a registry.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLogin<'a> {
    /// User name; what the registry says for a token.
    pub username: &'a str,
    /// Password or token.
    pub secret: &'a Secret,
}

/// A registry to be.
#[derive(Clone, Copy, Debug)]
pub struct RegistryOrder<'a> {
    /// The only project that uses it; `None` for all, which takes an administrator.
    pub project: Option<i64>,
    /// What people call it: unique in its project.
    pub name: &'a str,
    /// `HOST` or `HOST:PORT`, as in references: one of a host in each project.
    pub host: &'a str,
    /// Who logs in; nobody is a reason too, for the sake of the rest.
    pub login: Option<RegistryLogin<'a>>,
    /// Certificate authorities beside the usual ones: PEM.
    pub ca: Option<&'a str>,
    /// Whether it may be spoken to without TLS.
    pub plain_http: bool,
}

/// What is to be changed of a registry; `None` leaves it. Host and project stay: a secret is for one place.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistryPatch<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// Who logs in; `Some(None)` for nobody.
    pub login: Option<Option<RegistryLogin<'a>>>,
    /// Certificate authorities; `Some(None)` for the usual ones only.
    pub ca: Option<Option<&'a str>>,
    /// Whether it may be spoken to without TLS.
    pub plain_http: Option<bool>,
}

impl Service {
    /// Stores a registry. Operators of the project may; for all projects it takes an administrator.
    ///
    /// # Errors
    /// When the caller may not, the order cannot be taken, or its name or host is taken.
    pub async fn create_registry(
        &self,
        caller: &Caller,
        order: &RegistryOrder<'_>,
        now: Micros,
    ) -> Result<Registry, RegistryError> {
        may_change(caller, order.project)?;
        let name = check_name(order.name)?;
        let host = host_of(order.host)?;
        order.login.map(check_login).transpose()?;
        order.ca.map(|ca| self.check_ca(ca)).transpose()?;
        let sealed = order.login.map(|login| self.key.seal(login.secret.reveal().as_bytes())).transpose()?;
        let new = NewRegistry {
            project: order.project,
            name,
            host: &host,
            username: order.login.map(|login| login.username),
            secret: sealed.as_deref(),
            ca: order.ca,
            plain_http: order.plain_http,
        };
        let detail = json!({
            "host": host, "username": new.username, "ca": new.ca.is_some(), "plain_http": new.plain_http,
        });
        let note = caller.note("registry.created", object(name), order.project, without_nulls(detail));
        let id = self.store.create_registry(&new, &note.event(), now).await?;
        Ok(self.store.registry(id).await?.ok_or(StoreError::NotFound("registry"))?)
    }

    /// One registry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see its project.
    pub async fn registry(&self, caller: &Caller, id: i64) -> Result<Registry, RegistryError> {
        let registry = self.store.registry(id).await?.ok_or(StoreError::NotFound("registry"))?;
        let may = match registry.project_id {
            Some(project) => caller.may(Role::Operator, Some(project)),
            None if is_operator(caller) => Ok(()),
            None => caller.may(Role::Operator, None),
        };
        match may {
            // Whether there is one is not told.
            Err(AccessError::Project) => Err(StoreError::NotFound("registry").into()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(registry),
        }
    }

    /// Registries of the projects in which the caller is an operator, and those of all projects, by number, those
    /// after one. For who is an operator nowhere there are none.
    pub async fn registries(
        &self,
        caller: &Caller,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Registry>, RegistryError> {
        let scope = caller.scope_as(Role::Operator);
        Ok(self.store.registries(&scope, is_operator(caller), after, limit.min(MAX_PAGE)).await?)
    }

    /// Changes a registry. What is under way goes on with what it began with.
    ///
    /// # Errors
    /// As for [`Self::create_registry`] and [`Self::registry`].
    pub async fn change_registry(
        &self,
        caller: &Caller,
        id: i64,
        patch: &RegistryPatch<'_>,
        now: Micros,
    ) -> Result<Registry, RegistryError> {
        let before = self.registry(caller, id).await?;
        may_change(caller, before.project_id)?;
        let name = patch.name.map(check_name).transpose()?;
        patch.login.flatten().map(check_login).transpose()?;
        patch.ca.flatten().map(|ca| self.check_ca(ca)).transpose()?;
        let seal = |login: RegistryLogin<'_>| self.key.seal(login.secret.reveal().as_bytes());
        let sealed = patch.login.flatten().map(seal).transpose()?;
        let login = patch.login.map(|login| login.map(|login| login.username).zip(sealed.as_deref()));
        let change = RegistryChange { name, login, ca: patch.ca, plain_http: patch.plain_http };
        let detail = json!({
            "name": name, "username": login.flatten().map(|(user, _)| user), "login_changed": login.map(|_| true),
            "ca_changed": patch.ca.map(|_| true), "plain_http": patch.plain_http,
        });
        let note =
            caller.note("registry.changed", object(&before.name), before.project_id, without_nulls(detail));
        self.store.change_registry(id, &change, &note.event(), now).await?;
        Ok(self.store.registry(id).await?.ok_or(StoreError::NotFound("registry"))?)
    }

    /// Takes a registry away, with its secret.
    ///
    /// # Errors
    /// As for [`Self::registry`].
    pub async fn delete_registry(&self, caller: &Caller, id: i64, now: Micros) -> Result<(), RegistryError> {
        let registry = self.registry(caller, id).await?;
        may_change(caller, registry.project_id)?;
        let detail = json!({ "host": registry.host });
        let note = caller.note("registry.deleted", object(&registry.name), registry.project_id, detail);
        Ok(self.store.delete_registry(id, &note.event(), now).await?)
    }

    /// Looks into a repository with the stored credentials, to see whether they are good: how many tags it has, up
    /// to a hundred.
    ///
    /// # Errors
    /// As for [`Self::registry`]; [`RegistryError::Reference`] for what is no repository; [`RegistryError::Oci`] when
    /// the registry does not give it.
    pub async fn try_registry(
        &self,
        caller: &Caller,
        id: i64,
        repository: &str,
    ) -> Result<usize, RegistryError> {
        let registry = self.registry(caller, id).await?;
        may_change(caller, registry.project_id)?;
        let reference: ImageReference = format!("{}/{repository}", registry.host)
            .parse()
            .map_err(|_| RegistryError::Reference(shown(repository)))?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(RegistryError::Reference(shown(repository)));
        }
        let registries = reach(self, registry.project_id, &registry.host, None).await?;
        let listed = registries.registry(&registry.host).fetch_tags_up_to(&reference.repository, 100).await?;
        Ok(listed.names.len())
    }

    /// Whether certificate authorities can be used.
    fn check_ca(&self, ca: &str) -> Result<(), RegistryError> {
        if ca.len() > MAX_CA || !ca.contains("-----BEGIN CERTIFICATE-----") {
            return Err(RegistryError::Authority);
        }
        let mut client = self.config.client.clone();
        client.extra_ca.push(ca.as_bytes().to_vec());
        egress::Client::build(&client).map(|_| ()).map_err(|_| RegistryError::Authority)
    }
}

/// Operators of a project keep its registries; those of all projects are kept by administrators.
fn may_change(caller: &Caller, project: Option<i64>) -> Result<(), RegistryError> {
    let role = if project.is_some() { Role::Operator } else { Role::Admin };
    Ok(caller.may(role, project)?)
}

/// Whether they scan anything at all.
fn is_operator(caller: &Caller) -> bool {
    match caller.scope_as(Role::Operator) {
        Scope::All => true,
        Scope::Projects(projects) => !projects.is_empty(),
    }
}

/// The form in which hosts stand in references.
pub(crate) fn host_of(text: &str) -> Result<String, RegistryError> {
    let wrong = || RegistryError::Host(shown(text));
    let text = text.trim();
    if text.contains(['/', '@']) {
        return Err(wrong());
    }
    // A host without dot and port would be read as a part of the repository.
    let reference: ImageReference = format!("{text}/x/y").parse().map_err(|_| wrong())?;
    if reference.repository != "x/y" {
        return Err(wrong());
    }
    Ok(reference.registry)
}

pub(crate) fn check_name(name: &str) -> Result<&str, RegistryError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(RegistryError::Name(shown(name)));
    }
    Ok(name)
}

fn check_login(login: RegistryLogin<'_>) -> Result<(), RegistryError> {
    let (user, secret) = (login.username, login.secret.reveal());
    // A colon would end the name in an Authorization header (RFC 7617, section 2).
    let user_ok = !user.is_empty() && user.len() <= MAX_USER && !user.contains([':', '\r', '\n', '\0']);
    let secret_ok = !secret.is_empty() && secret.len() <= MAX_SECRET && !secret.contains(['\r', '\n', '\0']);
    if user_ok && secret_ok { Ok(()) } else { Err(RegistryError::Login) }
}

/// What a stranger wrote, short and harmless.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// What events call a registry.
fn object(name: &str) -> String {
    format!("registry:{name}")
}

/// Leaves out what is not said.
pub(crate) fn without_nulls(mut detail: Value) -> Value {
    if let Value::Object(fields) = &mut detail {
        fields.retain(|_, value| !value.is_null());
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_references() {
        for (text, expected) in [
            ("registry.example.com", Some("registry.example.com")),
            (" registry.example.com:5000 ", Some("registry.example.com:5000")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("[::1]:5000", Some("[::1]:5000")),
            ("localhost", Some("localhost")),
            ("index.docker.io", Some("docker.io")),
            ("registry", None),
            ("", None),
            ("https://registry.example.com", None),
            ("registry.example.com/team", None),
            ("user@registry.example.com", None),
            ("registry.example.com:http", None),
            ("..", None),
        ] {
            assert_eq!(host_of(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn logins_that_cannot_be_sent_are_refused() {
        for (username, secret, fine) in [
            ("robot$team", "p:a ss", true),
            ("", "x", false),
            ("a:b", "x", false),
            ("a", "", false),
            ("a", "x\ny", false),
        ] {
            let secret = Secret::new(secret.to_owned());
            assert_eq!(check_login(RegistryLogin { username, secret: &secret }).is_ok(), fine, "{username}");
        }
    }
}
