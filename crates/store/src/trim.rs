//! What is forgotten: in small transactions, so that nobody waits long for the writer. The time is always given.

use std::collections::BTreeSet;

use model::ScanStatus;
use uuid::Uuid;

use crate::{
    Micros,
    content::to_json,
    db::{Store, execute, read_maybe, read_rows, rows},
    error::StoreError,
};

/// Changes that one step takes away.
const TRIM_STEP: i64 = 2000;

impl Store {
    /// Forgets scans that ended before that time, with their reports; the newest scan and the newest report of every
    /// image stay. Looks at `limit` scans after one: how many are gone, and after which the next step begins; `None`
    /// at the end.
    pub async fn trim_scans(
        &self,
        before: Micros,
        after: Uuid,
        limit: u32,
    ) -> Result<(u64, Option<Uuid>), StoreError> {
        let sql = "select id, requested_at from scan where id > $1 order by id limit $2";
        let page: Vec<(Uuid, i64)> = read_rows!(self, sql, after, i64::from(limit))?;
        let Some((last, at)) = page.last().copied() else { return Ok((0, None)) };
        let full = u32::try_from(page.len()).is_ok_and(|count| count >= limit);
        // Ids grow with time: those after are younger.
        let next = (full && at < before).then_some(last);
        let [completed, failed, cancelled] =
            [ScanStatus::Completed, ScanStatus::Failed, ScanStatus::Cancelled].map(ScanStatus::code);
        let mut tx = self.begin().await?;
        let sql = "select s.id from scan s join image i on i.id = s.image_id
                   where s.id > $1 and s.id <= $2 and s.status in ($3, $4, $5) and s.finished_at < $6
                   and (i.scan_id is null or i.scan_id <> s.id)
                   and (s.report_id is null or i.report_id is null or i.report_id <> s.report_id) order by s.id";
        let over: Vec<(Uuid,)> = rows!(&mut tx, sql, after, last, completed, failed, cancelled, before)?;
        for (id,) in &over {
            execute!(&mut tx, "delete from report where scan_id = $1", *id)?;
            execute!(&mut tx, "delete from scan where id = $1", *id)?;
        }
        tx.commit().await?;
        Ok((u64::try_from(over.len()).unwrap_or(0), next))
    }

    /// Forgets changes from before that time, a bounded number in one transaction: how many are gone. Call it again
    /// until it returns 0.
    pub async fn trim_changes(&self, before: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // The newest stays, so that numbers never begin anew.
        let sql = "delete from scan_change where seq in (
                       select seq from scan_change where at < $1 and seq < (select max(seq) from scan_change)
                       order by at limit $2)";
        let gone = execute!(&mut tx, sql, before, TRIM_STEP)?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Forgets scans of many images that ended before that time: how many are gone. Their scans stay.
    pub async fn trim_scan_alls(&self, before: Micros, limit: u32) -> Result<u64, StoreError> {
        let sql = "select id from scan_all where state > 0 and finished_at < $1 limit 1";
        let there: Option<(i64,)> = read_maybe!(self, sql, before)?;
        if there.is_none() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        // What belongs to them first, so that no single row takes a hundred thousand with it.
        let sql = "delete from scan_all_scan where (scan_all_id, scan_id) in (
                       select x.scan_all_id, x.scan_id from scan_all_scan x join scan_all a on a.id = x.scan_all_id
                       where a.state > 0 and a.finished_at < $1 limit $2)";
        let gone = execute!(&mut tx, sql, before, i64::from(limit))?;
        let gone = if gone > 0 {
            gone
        } else {
            execute!(&mut tx, "delete from scan_all where state > 0 and finished_at < $1", before)?
        };
        tx.commit().await?;
        Ok(gone)
    }

    /// Forgets answers to requests whose time is over.
    pub async fn trim_requests(&self, now: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let gone = execute!(&mut tx, "delete from idempotency where expires_at <= $1", now)?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Which of these sources a scan of an uploaded image still names.
    pub async fn uploads_in_use(&self, sources: &[String]) -> Result<BTreeSet<String>, StoreError> {
        let sql = self.sql(
            "select distinct s.source from image i join scan s on s.image_id = i.id
             where i.registry = '' and s.source in (select value from json_each($1))",
            "select distinct s.source from image i join scan s on s.image_id = i.id
             where i.registry = '' and s.source in (select value from json_array_elements_text($1::json))",
        );
        let used: Vec<(String,)> = read_rows!(self, sql, to_json(sources)?)?;
        Ok(used.into_iter().map(|(source,)| source).collect())
    }
}
