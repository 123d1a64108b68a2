//! Reading the audit log and the log of user errors: who may see what of them, pages and exports.

use model::Role;
use store::{
    Event, EventFilter, LogPosition, Micros, NewUserError, Scope, Store, StoreError, UserError,
    UserErrorFilter,
};

use super::{
    Accounts,
    caller::{Caller, CallerKind},
    error::AccountError,
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 1000;
/// Characters of a message that are kept.
const MAX_MESSAGE: usize = 2000;

/// The audit log from its beginning to where it ended when the export began, a part at a time.
#[derive(Debug)]
pub struct Export {
    store: Store,
    scope: Scope,
    filter: EventFilter,
    position: i64,
    last: i64,
}

impl Export {
    /// The next events, oldest first; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Event>, StoreError> {
        if self.position >= self.last {
            return Ok(Vec::new());
        }
        let position = LogPosition::After(self.position);
        let mut events = self.store.events(&self.scope, &self.filter, position, MAX_PAGE).await?;
        events.retain(|event| event.id <= self.last);
        self.position = events.last().map_or(self.last, |event| event.id);
        Ok(events)
    }
}

impl Accounts {
    /// A page of the audit log. Administrators see all of it, who administers projects the part of these, and
    /// everybody what they did themself.
    pub async fn events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        position: LogPosition,
        limit: u32,
    ) -> Result<Vec<Event>, AccountError> {
        let scope = events_scope(caller, filter)?;
        Ok(self.store.events(&scope, filter, position, limit.min(MAX_PAGE)).await?)
    }

    /// The audit log for a file, a part at a time; for whom it is like [`Self::events`].
    pub async fn export_events(&self, caller: &Caller, filter: EventFilter) -> Result<Export, AccountError> {
        let scope = events_scope(caller, &filter)?;
        let last = self.store.last_event().await?;
        Ok(Export { store: self.store.clone(), scope, filter, position: 0, last })
    }

    /// Writes down what did not work for a user. Never fails: the user has an error already, and hears of that.
    pub async fn note_error(
        &self,
        caller: &Caller,
        code: &str,
        message: &str,
        about: (Option<&str>, Option<uuid::Uuid>),
        now: Micros,
    ) {
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        let error = NewUserError {
            actor: &caller.name,
            image: about.0,
            code,
            message: &message,
            request: caller.origin.request.as_deref().unwrap_or(""),
            scan: about.1,
        };
        if let Err(error) = self.store.record_error(&error, now).await {
            tracing::warn!(%error, code, "a user's error was not stored");
        }
    }

    /// A page of the log of user errors: administrators see all, everybody their own.
    pub async fn user_errors(
        &self,
        caller: &Caller,
        filter: &UserErrorFilter,
        position: LogPosition,
        limit: u32,
    ) -> Result<Vec<UserError>, AccountError> {
        if !is_own(caller, filter.actor.as_deref()) {
            caller.may(Role::Admin, None)?;
        }
        Ok(self.store.user_errors(filter, position, limit.min(MAX_PAGE)).await?)
    }
}

/// Which projects' events a caller sees with that filter.
fn events_scope(caller: &Caller, filter: &EventFilter) -> Result<Scope, AccountError> {
    if is_own(caller, filter.actor.as_deref()) || caller.may(Role::Admin, None).is_ok() {
        return Ok(Scope::All);
    }
    match caller.scope_as(Role::Admin) {
        Scope::Projects(projects) if projects.is_empty() => {
            // Says why: nothing is left of the log.
            caller.may(Role::Admin, None)?;
            Ok(Scope::Projects(projects))
        }
        scope => Ok(scope),
    }
}

/// True when only what the caller did themself is asked for. A token limited to a project is not its owner.
fn is_own(caller: &Caller, actor: Option<&str>) -> bool {
    caller.kind == CallerKind::User && !caller.must_change && actor == Some(caller.name.as_str())
}
