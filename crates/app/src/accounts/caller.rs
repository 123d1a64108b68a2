//! Who asks, and what they may do. Every use case that a stranger can reach takes a [`Caller`] and asks it.

use std::{collections::BTreeMap, net::IpAddr};

use model::Role;
use serde_json::Value;
use store::{NewEvent, Scope};

use super::error::AccessError;

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address of the client, behind proxies that are trusted.
    pub address: Option<IpAddr>,
    /// Id of the request, for the logs.
    pub request: Option<String>,
}

/// How a caller showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A person, by a session.
    User,
    /// A program, by an API token of that number.
    Token(i64),
    /// A part of Lazaret itself: a worker, a schedule, the command line on the service's own store.
    System,
}

/// What a caller may do in projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The same in all, also in those that will be made.
    All(Role),
    /// In these, by number; others are not seen.
    Some(BTreeMap<i64, Role>),
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Name of the account, or of the part of Lazaret: what stands in the audit log.
    pub name: String,
    /// How they showed who they are.
    pub kind: CallerKind,
    /// Number of the account; `None` for the system.
    pub account: Option<i64>,
    /// What they may do outside of projects: the service's own settings and state.
    pub role: Role,
    /// What they may do in projects.
    pub rights: Rights,
    /// Whether they must change their password before anything else.
    pub must_change: bool,
    /// Where the request comes from.
    pub origin: Origin,
    /// SHA-256 of what the cookie holds, in a session.
    pub(crate) session: Option<[u8; 32]>,
}

impl Caller {
    /// A part of Lazaret itself, which may do everything.
    pub fn system(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: CallerKind::System,
            account: None,
            role: Role::Admin,
            rights: Rights::All(Role::Admin),
            must_change: false,
            origin: Origin::default(),
            session: None,
        }
    }

    /// Which projects they may see: what every list is limited to.
    pub fn scope(&self) -> Scope {
        self.scope_as(Role::Viewer)
    }

    /// In which projects they have that role or a larger one: what a list is limited to that shows more than
    /// counts.
    pub fn scope_as(&self, needed: Role) -> Scope {
        match &self.rights {
            _ if self.must_change => Scope::Projects(Vec::new()),
            Rights::All(role) if *role >= needed => Scope::All,
            Rights::All(_) => Scope::Projects(Vec::new()),
            Rights::Some(roles) => Scope::Projects(
                roles.iter().filter(|(_, role)| **role >= needed).map(|(id, _)| *id).collect(),
            ),
        }
    }

    /// Their role in a project; `None` when they may not even see it.
    pub fn role_in(&self, project: i64) -> Option<Role> {
        match &self.rights {
            Rights::All(role) => Some(*role),
            Rights::Some(roles) => roles.get(&project).copied(),
        }
    }

    /// Whether they may do what needs that role, in a project or, with `None`, outside of all.
    ///
    /// # Errors
    /// Why not. A project that they may not see is answered like one that does not exist.
    pub fn may(&self, needed: Role, project: Option<i64>) -> Result<(), AccessError> {
        if self.must_change {
            return Err(AccessError::PasswordMustChange);
        }
        let role = match project {
            Some(project) => self.role_in(project).ok_or(AccessError::Project)?,
            None => self.role,
        };
        if role >= needed { Ok(()) } else { Err(AccessError::Role { needed, role }) }
    }

    /// Whether they are a person in a session, or the system: a token may not make tokens, lest it outlive itself.
    ///
    /// # Errors
    /// [`AccessError::Person`] for a token.
    pub fn must_be_person(&self) -> Result<(), AccessError> {
        match self.kind {
            CallerKind::Token(_) => Err(AccessError::Person),
            _ if self.must_change => Err(AccessError::PasswordMustChange),
            CallerKind::User | CallerKind::System => Ok(()),
        }
    }

    /// What the audit log is told of something that they do. `detail` is a JSON object without any secret.
    pub fn note(
        &self,
        action: &'static str,
        object: String,
        project: Option<i64>,
        mut detail: Value,
    ) -> Note {
        if let (CallerKind::Token(id), Value::Object(fields)) = (self.kind, &mut detail) {
            fields.insert("token".to_owned(), Value::from(id));
        }
        Note {
            actor: self.name.clone(),
            address: self.origin.address.map(|address| address.to_canonical().to_string()),
            action,
            object,
            project,
            request: self.origin.request.clone(),
            detail: detail.to_string(),
        }
    }
}

/// A line of the audit log to be. Holds the texts that a [`NewEvent`] borrows.
#[derive(Clone, Debug)]
pub struct Note {
    actor: String,
    address: Option<String>,
    action: &'static str,
    object: String,
    project: Option<i64>,
    request: Option<String>,
    detail: String,
}

impl Note {
    /// As the store takes it.
    pub fn event(&self) -> NewEvent<'_> {
        NewEvent {
            actor: &self.actor,
            address: self.address.as_deref(),
            action: self.action,
            object: &self.object,
            project: self.project,
            request: self.request.as_deref(),
            detail: &self.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, rights: Rights) -> Caller {
        Caller { kind: CallerKind::User, role, rights, ..Caller::system("bob") }
    }

    #[test]
    fn a_larger_role_does_all_that_smaller_ones_do() {
        for has in Role::ALL {
            let one = caller(*has, Rights::Some([(7, *has)].into()));
            for needed in Role::ALL {
                let expected = if has >= needed {
                    Ok(())
                } else {
                    Err(AccessError::Role { needed: *needed, role: *has })
                };
                assert_eq!(one.may(*needed, Some(7)), expected, "{has} {needed}");
                assert_eq!(one.may(*needed, None), expected);
                assert_eq!(one.may(*needed, Some(8)), Err(AccessError::Project));
            }
        }
    }

    #[test]
    fn lists_hold_what_the_role_reaches() {
        let one = caller(Role::Viewer, Rights::Some([(1, Role::Viewer), (2, Role::Operator)].into()));
        assert_eq!(one.scope(), Scope::Projects(vec![1, 2]));
        assert_eq!(one.scope_as(Role::Analyst), Scope::Projects(vec![2]));
        assert_eq!(one.scope_as(Role::Admin), Scope::Projects(vec![]));
        assert_eq!(Caller::system("x").scope_as(Role::Admin), Scope::All);
        let capped = caller(Role::Viewer, Rights::All(Role::Viewer));
        assert_eq!(capped.scope(), Scope::All);
        assert_eq!(capped.scope_as(Role::Analyst), Scope::Projects(vec![]));
    }

    #[test]
    fn a_given_password_opens_nothing() {
        let mut one = Caller::system("admin");
        one.must_change = true;
        assert_eq!(one.may(Role::Viewer, None), Err(AccessError::PasswordMustChange));
        assert_eq!(one.may(Role::Viewer, Some(1)), Err(AccessError::PasswordMustChange));
        assert_eq!(one.scope(), Scope::Projects(vec![]));
        assert_eq!(one.must_be_person(), Err(AccessError::PasswordMustChange));
    }

    #[test]
    fn the_log_names_the_token() {
        let mut one = Caller::system("ci");
        one.kind = CallerKind::Token(7);
        one.origin =
            Origin { address: Some("::ffff:192.0.2.1".parse().unwrap()), request: Some("r1".to_owned()) };
        let note = one.note("scan.initiated", "image:x".to_owned(), Some(3), serde_json::json!({ "a": 1 }));
        let event = note.event();
        assert_eq!((event.actor, event.address, event.request), ("ci", Some("192.0.2.1"), Some("r1")));
        assert_eq!(event.detail, "{\"a\":1,\"token\":7}");
        assert_eq!(one.must_be_person(), Err(AccessError::Person));
    }
}
