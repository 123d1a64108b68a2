//! Webhooks: who is told of what happens. Their secrets are sealed before they come here.

use model::{MessageKind, Severity};
use sqlx::{FromRow, QueryBuilder};

use crate::{
    Micros,
    db::{Store, execute, maybe, read, read_maybe},
    error::StoreError,
    event::{self, NewEvent},
    findings::{severity_code, severity_of},
    image::{self, Scope},
};

/// A webhook to be.
#[derive(Clone, Copy, Debug)]
pub struct NewWebhook<'a> {
    /// The project whose messages it gets; `None` for all.
    pub project: Option<i64>,
    /// What it is called, unique in its project.
    pub name: &'a str,
    /// Where messages are sent.
    pub url: &'a str,
    /// What signs them, sealed.
    pub secret: &'a [u8],
    /// What it is told of.
    pub kinds: &'a [MessageKind],
    /// New findings that are less severe are left out.
    pub min_severity: Severity,
    /// Whether it is told.
    pub enabled: bool,
    /// Who made it.
    pub owner: &'a str,
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// The project whose messages it gets; `None` for all.
    pub project_id: Option<i64>,
    /// What it is called.
    pub name: String,
    /// Where messages are sent. May hold a token of the receiver: not for everybody's eyes.
    pub url: String,
    /// What it is told of.
    pub kinds: Vec<MessageKind>,
    /// New findings that are less severe are left out.
    pub min_severity: Severity,
    /// Whether it is told.
    pub enabled: bool,
    /// Who made it.
    pub owner: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub changed_at: Micros,
}

/// What may be changed of a webhook; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookChange<'a> {
    /// What it is called.
    pub name: Option<&'a str>,
    /// Where messages are sent.
    pub url: Option<&'a str>,
    /// What signs them, sealed.
    pub secret: Option<&'a [u8]>,
    /// What it is told of.
    pub kinds: Option<&'a [MessageKind]>,
    /// New findings that are less severe are left out.
    pub min_severity: Option<Severity>,
    /// Whether it is told. Messages that wait for a webhook that is turned off are given up.
    pub enabled: Option<bool>,
}

#[derive(FromRow)]
struct WebhookRecord {
    id: i64,
    project_id: Option<i64>,
    name: String,
    url: String,
    kinds: i32,
    min_severity: i16,
    enabled: bool,
    owner: String,
    created_at: i64,
    changed_at: i64,
}

const COLUMNS: &str =
    "select id, project_id, name, url, kinds, min_severity, enabled, owner, created_at, changed_at
    from webhook where ";

impl WebhookRecord {
    fn into_webhook(self) -> Webhook {
        Webhook {
            id: self.id,
            project_id: self.project_id,
            name: self.name,
            url: self.url,
            kinds: kinds_of(self.kinds),
            min_severity: severity_of(self.min_severity),
            enabled: self.enabled,
            owner: self.owner,
            created_at: self.created_at,
            changed_at: self.changed_at,
        }
    }
}

/// The bit of a kind in the column of kinds.
pub(crate) fn kind_bit(kind: MessageKind) -> i32 {
    1 << kind.code().clamp(0, 30)
}

fn bits_of(kinds: &[MessageKind]) -> i32 {
    kinds.iter().fold(0, |bits, kind| bits | kind_bit(*kind))
}

fn kinds_of(bits: i32) -> Vec<MessageKind> {
    MessageKind::ALL.iter().copied().filter(|kind| bits & kind_bit(*kind) != 0).collect()
}

impl Store {
    /// Makes a webhook: its number.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its project has one of that name; [`StoreError::NotFound`] when there is no such
    /// project.
    pub async fn create_webhook(
        &self,
        new: &NewWebhook<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(project) = new.project {
            let there: Option<(i64,)> = maybe!(&mut tx, "select id from project where id = $1", project)?;
            there.ok_or(StoreError::NotFound("project"))?;
        }
        let sql = "insert into webhook (project_id, name, url, secret, kinds, min_severity, enabled, owner,
                   created_at, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
                   on conflict do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            new.project,
            new.name,
            new.url,
            new.secret,
            bits_of(new.kinds),
            severity_code(new.min_severity),
            new.enabled,
            new.owner,
            now,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a webhook")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// One webhook.
    pub async fn webhook(&self, id: i64) -> Result<Option<Webhook>, StoreError> {
        let record: Option<WebhookRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id = ").push_bind(id);
            query.build_query_as().fetch_optional(c).await
        })?;
        Ok(record.map(WebhookRecord::into_webhook))
    }

    /// What signs the messages of a webhook, sealed.
    pub async fn webhook_secret(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let secret: Option<(Vec<u8>,)> = read_maybe!(self, "select secret from webhook where id = $1", id)?;
        Ok(secret.map(|(secret,)| secret))
    }

    /// Webhooks of the projects in scope by number, those after one; with those of all projects where `global`.
    pub async fn webhooks(
        &self,
        scope: &Scope,
        global: bool,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        let records: Vec<WebhookRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id > ").push_bind(after);
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and (project_id in (", projects);
                query.push(" or project_id is null)");
            }
            if !global {
                query.push(" and project_id is not null");
            }
            query.push(" order by id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(records.into_iter().map(WebhookRecord::into_webhook).collect())
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such webhook; [`StoreError::Exists`] when the new name is taken.
    pub async fn change_webhook(
        &self,
        id: i64,
        change: &WebhookChange<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update webhook set name = coalesce($1, name), url = coalesce($2, url), secret = coalesce($3, secret),
                   kinds = coalesce($4, kinds), min_severity = coalesce($5, min_severity),
                   enabled = coalesce($6, enabled), changed_at = $7 where id = $8";
        let changed = execute!(
            &mut tx,
            sql,
            change.name,
            change.url,
            change.secret,
            change.kinds.map(bits_of),
            change.min_severity.map(severity_code),
            change.enabled,
            now,
            id,
        );
        match changed {
            Ok(0) => return Err(StoreError::NotFound("webhook")),
            Ok(_) => {}
            Err(error) if error.is_duplicate() => return Err(StoreError::Exists("a webhook")),
            Err(error) => return Err(error),
        }
        if change.enabled == Some(false) {
            let sql =
                "update delivery set next_at = null, answer = 'the webhook was turned off', fence = fence + 1
                       where webhook_id = $1 and next_at is not null";
            execute!(&mut tx, sql, id)?;
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Takes a webhook away, with the log of its deliveries.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such webhook.
    pub async fn delete_webhook(&self, id: i64, event: &NewEvent<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from webhook where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("webhook"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_bit_of_its_own() {
        assert_eq!(kinds_of(bits_of(MessageKind::ALL)), MessageKind::ALL);
        for kind in MessageKind::ALL {
            assert_eq!(kinds_of(kind_bit(*kind)), [*kind]);
        }
    }
}
