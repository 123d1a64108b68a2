//! The audit log: what was done, by whom, when and from where; and, apart from it, what went wrong for users.
//!
//! A row is written in the transaction of what it tells of, where that changes the store. Rows never change; the
//! old ones are trimmed. Neither log ever holds a password, a token or anything that was typed in place of one.

use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read, read_row, row},
    error::StoreError,
    image::{self, Scope},
};

/// Rows that one step of trimming takes away, so that nobody waits long for the writer.
const TRIM_STEP: i64 = 2000;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// Who did it: the name of an account, or of a part of the service.
    pub actor: &'a str,
    /// From where: the address of the client.
    pub address: Option<&'a str>,
    /// What was done: words of a family, `user.created`.
    pub action: &'a str,
    /// What it was done to: `user:alice`.
    pub object: &'a str,
    /// The project that it belongs to.
    pub project: Option<i64>,
    /// The request that asked for it, for the logs.
    pub request: Option<&'a str>,
    /// More about it: a JSON object.
    pub detail: &'a str,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Event {
    /// Grows from event to event.
    pub id: i64,
    /// When.
    pub at: Micros,
    /// Who did it.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The project that it belongs to.
    pub project_id: Option<i64>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// More about it: a JSON object.
    pub detail: String,
}

/// Which events; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Done by that one.
    pub actor: Option<String>,
    /// Exactly that action; with a dot at its end, all of a family: `user.`.
    pub action: Option<String>,
    /// Done to that.
    pub object: Option<String>,
    /// Of one project.
    pub project: Option<i64>,
    /// Not before that time.
    pub from: Option<Micros>,
    /// Before that time.
    pub until: Option<Micros>,
}

/// Something that did not work for a user.
#[derive(Clone, Copy, Debug)]
pub struct NewUserError<'a> {
    /// Whom it hit.
    pub actor: &'a str,
    /// The image that it was about.
    pub image: Option<&'a str>,
    /// The stable code.
    pub code: &'a str,
    /// What the user was told.
    pub message: &'a str,
    /// The request, for the logs.
    pub request: &'a str,
    /// The scan that it was about.
    pub scan: Option<Uuid>,
}

/// One line of the log of user errors.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct UserError {
    /// Grows from error to error.
    pub id: i64,
    /// When.
    pub at: Micros,
    /// Whom it hit.
    pub actor: String,
    /// The image that it was about.
    pub image: Option<String>,
    /// The stable code.
    pub code: String,
    /// What the user was told.
    pub message: String,
    /// The request.
    pub request_id: String,
    /// The scan that it was about.
    pub scan_id: Option<Uuid>,
}

/// Which user errors; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct UserErrorFilter {
    /// Of that user.
    pub actor: Option<String>,
    /// About that image.
    pub image: Option<String>,
    /// With that code.
    pub code: Option<String>,
    /// About that scan.
    pub scan: Option<Uuid>,
    /// Not before that time.
    pub from: Option<Micros>,
    /// Before that time.
    pub until: Option<Micros>,
}

/// Where a page of a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPosition {
    /// The newest first, from the end of the log.
    Newest,
    /// The newest first, those before this id: what the last page ended with.
    Before(i64),
    /// The oldest first, those after this id: for exports; 0 is the beginning.
    After(i64),
}

/// The end of a query for a page of a log.
macro_rules! push_page {
    ($query:ident, $filter:expr, $position:expr, $limit:expr) => {{
        if let Some(from) = $filter.from {
            $query.push(" and at >= ").push_bind(from);
        }
        if let Some(until) = $filter.until {
            $query.push(" and at < ").push_bind(until);
        }
        match $position {
            LogPosition::Newest => $query.push(" order by id desc"),
            LogPosition::Before(id) => {
                $query.push(" and id < ").push_bind(id);
                $query.push(" order by id desc")
            }
            LogPosition::After(id) => {
                $query.push(" and id > ").push_bind(id);
                $query.push(" order by id")
            }
        };
        $query.push(" limit ").push_bind(i64::from($limit));
    }};
}

/// Adds a condition on one text column, when there is one.
macro_rules! push_equal {
    ($query:ident, $column:literal, $value:expr) => {
        if let Some(value) = $value {
            $query.push(concat!(" and ", $column, " = ")).push_bind(value);
        }
    };
}

/// Writes an event in the transaction of what it tells of.
pub(crate) async fn append(tx: &mut Tx, event: &NewEvent<'_>, now: Micros) -> Result<i64, StoreError> {
    let sql = "insert into event (at, actor, address, action, object, project_id, request_id, detail)
               values ($1, $2, $3, $4, $5, $6, $7, $8) returning id";
    let (id,): (i64,) = row!(
        tx,
        sql,
        now,
        event.actor,
        event.address,
        event.action,
        event.object,
        event.project,
        event.request,
        event.detail,
    )?;
    Ok(id)
}

impl Store {
    /// Writes an event of its own: of something that changed nothing in the store.
    pub async fn record(&self, event: &NewEvent<'_>, now: Micros) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A page of the audit log. Who may not see all projects sees the events of theirs, and none that belongs to
    /// no project.
    pub async fn events(
        &self,
        scope: &Scope,
        filter: &EventFilter,
        position: LogPosition,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let events = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select id, at, actor, address, action, object, project_id, request_id, detail from event where 1 = 1",
            );
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and project_id in (", projects);
            }
            push_equal!(query, "actor", filter.actor.as_deref());
            push_equal!(query, "object", filter.object.as_deref());
            push_equal!(query, "project_id", filter.project);
            match filter.action.as_deref() {
                Some(family) if family.ends_with('.') => {
                    query.push(" and action like ").push_bind(family_pattern(family)).push(" escape '\\'");
                }
                action => push_equal!(query, "action", action),
            }
            push_page!(query, filter, position, limit);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(events)
    }

    /// Number of the newest event; 0 when there is none.
    pub async fn last_event(&self) -> Result<i64, StoreError> {
        let (last,): (i64,) = read_row!(self, "select coalesce(max(id), 0) from event")?;
        Ok(last)
    }

    /// Writes down what did not work for a user.
    pub async fn record_error(&self, error: &NewUserError<'_>, now: Micros) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "insert into user_error (at, actor, image, code, message, request_id, scan_id)
                   values ($1, $2, $3, $4, $5, $6, $7) returning id";
        let (id,): (i64,) = row!(
            &mut tx,
            sql,
            now,
            error.actor,
            error.image,
            error.code,
            error.message,
            error.request,
            error.scan,
        )?;
        tx.commit().await?;
        Ok(id)
    }

    /// A page of the log of user errors.
    pub async fn user_errors(
        &self,
        filter: &UserErrorFilter,
        position: LogPosition,
        limit: u32,
    ) -> Result<Vec<UserError>, StoreError> {
        let errors = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select id, at, actor, image, code, message, request_id, scan_id from user_error where 1 = 1",
            );
            push_equal!(query, "actor", filter.actor.as_deref());
            push_equal!(query, "image", filter.image.as_deref());
            push_equal!(query, "code", filter.code.as_deref());
            push_equal!(query, "scan_id", filter.scan);
            push_page!(query, filter, position, limit);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(errors)
    }

    /// Forgets events and user errors from before that time, a bounded number in one transaction: how many are
    /// gone. Call it again until it returns 0.
    pub async fn trim_logs(&self, events_before: Micros, errors_before: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // Ids grow with time but for transactions that overlap, so the time decides and the id only bounds.
        let find = "select max(id) from (select id from event where at < $1 order by at limit $2) old";
        let old: Option<(Option<i64>,)> = maybe!(&mut tx, find, events_before, TRIM_STEP)?;
        let mut gone = 0;
        if let Some((Some(last),)) = old {
            gone += execute!(&mut tx, "delete from event where at < $1 and id <= $2", events_before, last)?;
        }
        let find = "select max(id) from (select id from user_error where at < $1 order by at limit $2) old";
        let old: Option<(Option<i64>,)> = maybe!(&mut tx, find, errors_before, TRIM_STEP)?;
        if let Some((Some(last),)) = old {
            let sql = "delete from user_error where at < $1 and id <= $2";
            gone += execute!(&mut tx, sql, errors_before, last)?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}

/// A pattern for `like` that finds all actions of a family.
fn family_pattern(family: &str) -> String {
    let mut pattern = String::with_capacity(family.len() + 1);
    for character in family.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_hold_no_wild_cards() {
        assert_eq!(family_pattern("user."), "user.%");
        assert_eq!(family_pattern("a_b%\\."), "a\\_b\\%\\\\.%");
    }
}
