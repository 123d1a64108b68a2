//! The outbox and its log: messages for webhooks, claimed by one sender at a time, tried again, kept for a while.
//!
//! A claim moves the time of the next attempt to its own end, so that a message whose sender was lost is due again by
//! itself, and raises the row's `fence`, so that a sender that was given up marks nothing. A message arrives at least
//! once; its number is the same at every attempt.

use model::MessageKind;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read, read_maybe, read_row, read_rows, row},
    error::StoreError,
    event::{self, NewEvent},
    pack::id_list,
};

/// A message in the hands of a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// The row.
    pub id: i64,
    /// Which claim this is.
    pub fence: i64,
    /// The message, for the receiver: the same at every attempt.
    pub message: Uuid,
    /// What it tells of.
    pub kind: MessageKind,
    /// What it says: JSON.
    pub facts: String,
    /// When that happened.
    pub created_at: Micros,
    /// This attempt, from 1.
    pub attempt: u32,
    /// Who is told.
    pub webhook_id: i64,
    /// Where.
    pub url: String,
    /// What signs it, sealed.
    pub secret: Vec<u8>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The begin of the answer, or why there was none.
    pub answer: &'a str,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// When the next attempt follows; `None` when there is none.
    pub next_at: Option<Micros>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for an attempt, or is being tried.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// Nothing more is tried.
    GivenUp,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number; grows.
    pub id: i64,
    /// Who is told.
    pub webhook_id: i64,
    /// The message, as the receiver knows it.
    pub message: Uuid,
    /// What it tells of.
    pub kind: MessageKind,
    /// What it says: JSON.
    pub facts: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// When what it tells of happened.
    pub created_at: Micros,
    /// When it is tried next.
    pub next_at: Option<Micros>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was last tried.
    pub tried_at: Option<Micros>,
    /// When the receiver took it.
    pub delivered_at: Option<Micros>,
    /// The HTTP status of the last answer.
    pub status: Option<u16>,
    /// The begin of the last answer, or why there was none.
    pub answer: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub took_ms: Option<u32>,
}

#[derive(FromRow)]
struct DeliveryRecord {
    id: i64,
    webhook_id: i64,
    message: Uuid,
    kind: i16,
    facts: String,
    created_at: i64,
    next_at: Option<i64>,
    attempts: i32,
    tried_at: Option<i64>,
    delivered_at: Option<i64>,
    status: Option<i16>,
    answer: Option<String>,
    took_ms: Option<i32>,
}

impl DeliveryRecord {
    fn into_delivery(self) -> Result<Delivery, StoreError> {
        let state = match (self.delivered_at, self.next_at) {
            (_, Some(_)) => DeliveryState::Waiting,
            (Some(_), None) => DeliveryState::Delivered,
            (None, None) => DeliveryState::GivenUp,
        };
        Ok(Delivery {
            id: self.id,
            webhook_id: self.webhook_id,
            message: self.message,
            kind: MessageKind::from_code(self.kind).ok_or(StoreError::Value("kind of message"))?,
            facts: self.facts,
            state,
            created_at: self.created_at,
            next_at: self.next_at,
            attempts: u32::try_from(self.attempts).unwrap_or(0),
            tried_at: self.tried_at,
            delivered_at: self.delivered_at,
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            answer: self.answer,
            took_ms: self.took_ms.and_then(|took| u32::try_from(took).ok()),
        })
    }
}

/// A message that was claimed just now.
#[derive(FromRow)]
struct Taken {
    id: i64,
    fence: i64,
    webhook_id: i64,
    message: Uuid,
    kind: i16,
    facts: String,
    created_at: i64,
    attempts: i32,
}

impl Taken {
    /// With where it goes; `None` when its webhook is turned off and must not be.
    async fn with_receiver(self, tx: &mut Tx, enabled: bool) -> Result<Option<ClaimedDelivery>, StoreError> {
        let sql = "select url, secret from webhook where id = $1 and (enabled or not $2)";
        let receiver: Option<(String, Vec<u8>)> = maybe!(tx, sql, self.webhook_id, enabled)?;
        let Some((url, secret)) = receiver else { return Ok(None) };
        Ok(Some(ClaimedDelivery {
            id: self.id,
            fence: self.fence,
            message: self.message,
            kind: MessageKind::from_code(self.kind).ok_or(StoreError::Value("kind of message"))?,
            facts: self.facts,
            created_at: self.created_at,
            attempt: u32::try_from(self.attempts).unwrap_or(0),
            webhook_id: self.webhook_id,
            url,
            secret,
        }))
    }
}

const COLUMNS: &str = "select id, webhook_id, message, kind, facts, created_at, next_at, attempts, tried_at,
    delivered_at, status, answer, took_ms from delivery where ";

/// Puts a message into the outbox: its number in the log.
pub(crate) async fn append(
    tx: &mut Tx,
    webhook: i64,
    kind: MessageKind,
    facts: &str,
    now: Micros,
) -> Result<i64, StoreError> {
    let sql = "insert into delivery (webhook_id, message, kind, facts, created_at, next_at)
               values ($1, $2, $3, $4, $5, $5) returning id";
    let (id,): (i64,) = row!(tx, sql, webhook, Uuid::now_v7(), kind.code(), facts, now)?;
    Ok(id)
}

impl Store {
    /// Webhooks for which a message is due, without those that are busy.
    pub async fn due_webhooks(&self, busy: &[i64], now: Micros, limit: u32) -> Result<Vec<i64>, StoreError> {
        let sql = self.sql(
            "select w.id from webhook w where w.enabled and w.id not in (select value from json_each($1))
             and exists (select 1 from delivery d where d.webhook_id = w.id and d.next_at <= $2)
             order by w.id limit $3",
            "select w.id from webhook w where w.enabled
             and w.id not in (select value::bigint from json_array_elements_text($1::json))
             and exists (select 1 from delivery d where d.webhook_id = w.id and d.next_at <= $2)
             order by w.id limit $3",
        );
        let due: Vec<(i64,)> = read_rows!(self, sql, id_list(busy.iter().copied()), now, i64::from(limit))?;
        Ok(due.into_iter().map(|(id,)| id).collect())
    }

    /// Takes the message of a webhook that is due longest. `None` when there is none, or another took it.
    pub async fn claim_delivery(
        &self,
        webhook: i64,
        lease_until: Micros,
        now: Micros,
    ) -> Result<Option<ClaimedDelivery>, StoreError> {
        let mut tx = self.begin().await?;
        let sql = tx.sql(
            "update delivery set next_at = $1, fence = fence + 1, attempts = attempts + 1, tried_at = $2 where id = (
                 select id from delivery where webhook_id = $3 and next_at <= $2 order by next_at, id limit 1)
             returning id, fence, webhook_id, message, kind, facts, created_at, attempts",
            "update delivery set next_at = $1, fence = fence + 1, attempts = attempts + 1, tried_at = $2 where id = (
                 select id from delivery where webhook_id = $3 and next_at <= $2 order by next_at, id limit 1
                 for update skip locked)
             returning id, fence, webhook_id, message, kind, facts, created_at, attempts",
        );
        let taken: Option<Taken> = maybe!(&mut tx, sql, lease_until, now, webhook)?;
        let Some(taken) = taken else { return Ok(None) };
        let claimed = taken.with_receiver(&mut tx, true).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Takes a message that nobody tried yet, also of a webhook that is turned off.
    pub async fn claim_new_delivery(
        &self,
        id: i64,
        lease_until: Micros,
        now: Micros,
    ) -> Result<Option<ClaimedDelivery>, StoreError> {
        let mut tx = self.begin().await?;
        let sql =
            "update delivery set next_at = $1, fence = fence + 1, attempts = attempts + 1, tried_at = $2
                   where id = $3 and fence = 0
                   returning id, fence, webhook_id, message, kind, facts, created_at, attempts";
        let taken: Option<Taken> = maybe!(&mut tx, sql, lease_until, now, id)?;
        let Some(taken) = taken else { return Ok(None) };
        let claimed = taken.with_receiver(&mut tx, false).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Writes down what came of an attempt.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the claim had run out and another sender took the message: then nothing is written.
    pub async fn finish_delivery(
        &self,
        claimed: &ClaimedDelivery,
        attempt: &Attempt<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql =
            "update delivery set next_at = $1, delivered_at = $2, status = $3, answer = $4, took_ms = $5
                   where id = $6 and fence = $7";
        let marked = execute!(
            &mut tx,
            sql,
            attempt.next_at.filter(|_| !attempt.delivered),
            attempt.delivered.then_some(now),
            attempt.status.and_then(|status| i16::try_from(status).ok()),
            attempt.answer,
            i32::try_from(attempt.took_ms).unwrap_or(i32::MAX),
            claimed.id,
            claimed.fence,
        )?;
        if marked == 0 {
            return Err(StoreError::Lost);
        }
        tx.commit().await
    }

    /// The log of a webhook, newest first: those before a number.
    pub async fn deliveries(
        &self,
        webhook: i64,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let records: Vec<DeliveryRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("webhook_id = ").push_bind(webhook);
            query.push(" and id < ").push_bind(before.unwrap_or(i64::MAX));
            query.push(match state {
                None => "",
                Some(DeliveryState::Waiting) => " and next_at is not null",
                Some(DeliveryState::Delivered) => " and next_at is null and delivered_at is not null",
                Some(DeliveryState::GivenUp) => " and next_at is null and delivered_at is null",
            });
            query.push(" order by id desc limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        records.into_iter().map(DeliveryRecord::into_delivery).collect()
    }

    /// One line of the log.
    pub async fn delivery(&self, id: i64) -> Result<Option<Delivery>, StoreError> {
        let record: Option<DeliveryRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("id = ").push_bind(id);
            query.build_query_as().fetch_optional(c).await
        })?;
        record.map(DeliveryRecord::into_delivery).transpose()
    }

    /// Sends a message again, with all its attempts, whatever became of it. The receiver sees the same number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such delivery.
    pub async fn redeliver(&self, id: i64, event: &NewEvent<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update delivery set next_at = $1, delivered_at = null, attempts = 0, fence = fence + 1 where id = $2";
        if execute!(&mut tx, sql, now, id)? == 0 {
            return Err(StoreError::NotFound("delivery"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Puts a message for one webhook into the outbox, whatever that wants: its number in the log. It is due at
    /// `due_at`; who sends it themself claims it before with [`Self::claim_new_delivery`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such webhook.
    pub async fn add_delivery(
        &self,
        webhook: i64,
        kind: MessageKind,
        facts: &str,
        due_at: Micros,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let sql = tx.sql(
            "select id from webhook where id = $1",
            "select id from webhook where id = $1 for key share",
        );
        let there: Option<(i64,)> = maybe!(&mut tx, sql, webhook)?;
        there.ok_or(StoreError::NotFound("webhook"))?;
        let id = append(&mut tx, webhook, kind, facts, now).await?;
        execute!(&mut tx, "update delivery set next_at = $1 where id = $2", due_at, id)?;
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// How many messages wait, up to a bound, and since when the oldest does.
    pub async fn waiting_deliveries(&self) -> Result<(u64, Option<Micros>), StoreError> {
        let sql = "select count(*), min(created_at) from (
                       select created_at from delivery where next_at is not null limit 10000) waiting";
        let (count, oldest): (i64, Option<i64>) = read_row!(self, sql)?;
        Ok((u64::try_from(count).unwrap_or(0), oldest))
    }

    /// Forgets deliveries of before that time that are over, a bounded number in one transaction: how many are gone.
    /// Call it again until it returns 0.
    pub async fn trim_deliveries(&self, before: Micros, limit: u32) -> Result<u64, StoreError> {
        let sql = "select id from delivery where next_at is null and created_at < $1 limit 1";
        let there: Option<(i64,)> = read_maybe!(self, sql, before)?;
        if there.is_none() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let sql = "delete from delivery where id in (
                       select id from delivery where next_at is null and created_at < $1 order by created_at limit $2)";
        let gone = execute!(&mut tx, sql, before, i64::from(limit))?;
        tx.commit().await?;
        Ok(gone)
    }
}
