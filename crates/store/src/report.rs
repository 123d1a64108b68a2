//! Reports: what a scan answered, kept as the numbers of its findings.

use model::{Facets, MessageKind, ScanStatus};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    Micros,
    content::{self, Content},
    db::{Store, Tx, execute, maybe, read_maybe, read_rows, row, rows},
    error::StoreError,
    findings::count_inventory,
    image::facets,
    outbox::{self, Listeners},
    pack::{id_list, pack_ids, unpack_ids},
    queue::{self, Claimed},
    rematch,
    scan::note_all,
};

/// What a match says beside its findings.
#[derive(Clone, Copy, Debug)]
pub struct NewReport<'a> {
    /// Whether something may have gone unseen.
    pub partial: bool,
    /// Coverage and problems: JSON.
    pub body: &'a str,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its number.
    pub id: i64,
    /// The scan that it answers.
    pub scan_id: Uuid,
    /// The image record.
    pub image_id: i64,
    /// What the image contained.
    pub inventory_id: i64,
    /// When it was made.
    pub created_at: Micros,
    /// Numbers of its findings, ascending.
    pub findings: Vec<i64>,
    /// Counts of its findings.
    pub facets: Facets,
    /// Whether something may have gone unseen.
    pub partial: bool,
    /// Coverage and problems: JSON.
    pub body: String,
}

#[derive(FromRow)]
struct ReportRecord {
    id: i64,
    scan_id: Uuid,
    image_id: i64,
    inventory_id: i64,
    created_at: i64,
    findings: Vec<u8>,
    critical: i32,
    high: i32,
    medium: i32,
    low: i32,
    negligible: i32,
    unknown: i32,
    fixable: i32,
    partial: bool,
    body: String,
}

impl ReportRecord {
    fn into_report(self) -> Result<Report, StoreError> {
        let counts =
            [self.critical, self.high, self.medium, self.low, self.negligible, self.unknown, self.fixable];
        Ok(Report {
            id: self.id,
            scan_id: self.scan_id,
            image_id: self.image_id,
            inventory_id: self.inventory_id,
            created_at: self.created_at,
            findings: unpack_ids(&self.findings)?,
            facets: facets(counts),
            partial: self.partial,
            body: self.body,
        })
    }
}

macro_rules! select_report {
    ($rest:literal) => {
        concat!(
            "select id, scan_id, image_id, inventory_id, created_at, findings, critical, high, medium, low, negligible,
             unknown, fixable, partial, body from report ",
            $rest
        )
    };
}

impl Store {
    /// Ends a match: stores what is new of its components, and a report for every scan that waits for it. All of
    /// it or nothing.
    ///
    /// # Errors
    /// [`StoreError::ShardMoved`] when the findings of the store stand at other advisories than those matched with.
    pub async fn finish_match(
        &self,
        job: &Claimed,
        content: &Content<'_>,
        report: &NewReport<'_>,
        now: Micros,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut tx = self.begin().await?;
        queue::hold(&mut tx, job).await?;
        for shard in content.shards {
            rematch::agree(&mut tx, shard, now).await?;
        }
        let sql = "select matched from inventory where id = $1";
        let sql = tx.sql(sql, "select matched from inventory where id = $1 for update");
        let matched: Option<(bool,)> = maybe!(&mut tx, sql, content.inventory)?;
        let Some((matched,)) = matched else { return Err(StoreError::NotFound("inventory")) };
        if !matched {
            content::intern(&mut tx, content, now).await?;
        }
        let waiting: Vec<(Uuid, i64)> =
            rows!(&mut tx, "select id, image_id from scan where job_id = $1 order by id", job.id)?;
        hold_sets(&mut tx, content.inventory, &waiting).await?;
        let sql = "select f.id from inventory_set i join set_component s on s.set_id = i.set_id
                   join finding f on f.component_id = s.component_id
                   where i.inventory_id = $1 and f.closed_at is null order by f.id";
        let ids: Vec<(i64,)> = rows!(&mut tx, sql, content.inventory)?;
        let findings = pack_ids(&ids.into_iter().map(|(id,)| id).collect::<Vec<_>>());
        let facets = count_inventory(&mut tx, content.inventory).await?;
        let listeners = Listeners::read(&mut tx).await?;
        for (scan, image) in &waiting {
            let stored = Stored {
                scan: *scan,
                image: *image,
                inventory: content.inventory,
                findings: &findings,
                facets,
            };
            complete_one(&mut tx, &stored, report, &listeners, now).await?;
        }
        note_all(&mut tx, job.id, now).await?;
        outbox::scans_ended(&mut tx, &listeners, job.id, MessageKind::ScanCompleted, now).await?;
        execute!(&mut tx, "update scan set job_id = null where job_id = $1", job.id)?;
        queue::finish(&mut tx, job).await?;
        tx.commit().await?;
        Ok(waiting.into_iter().map(|(scan, _)| scan).collect())
    }

    /// A report by its number.
    pub async fn report(&self, id: i64) -> Result<Option<Report>, StoreError> {
        let record: Option<ReportRecord> = read_maybe!(self, select_report!("where id = $1"), id)?;
        record.map(ReportRecord::into_report).transpose()
    }

    /// Reports of an image, newest first, those before a number.
    pub async fn reports_of(
        &self,
        image: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let sql = select_report!("where image_id = $1 and id < $2 order by id desc limit $3");
        let records: Vec<ReportRecord> =
            read_rows!(self, sql, image, before.unwrap_or(i64::MAX), i64::from(limit))?;
        records.into_iter().map(ReportRecord::into_report).collect()
    }
}

struct Stored<'a> {
    scan: Uuid,
    image: i64,
    inventory: i64,
    findings: &'a [u8],
    facets: Facets,
}

async fn complete_one(
    tx: &mut Tx,
    stored: &Stored<'_>,
    report: &NewReport<'_>,
    listeners: &Listeners,
    now: Micros,
) -> Result<(), StoreError> {
    let facets = stored.facets;
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let sql = "insert into report (scan_id, image_id, inventory_id, created_at, findings, critical, high, medium, low,
               negligible, unknown, fixable, partial, body)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning id";
    let (report_id,): (i64,) = row!(
        tx,
        sql,
        stored.scan,
        stored.image,
        stored.inventory,
        now,
        stored.findings,
        count(facets.critical),
        count(facets.high),
        count(facets.medium),
        count(facets.low),
        count(facets.negligible),
        count(facets.unknown),
        count(facets.fixable),
        report.partial,
        report.body,
    )?;
    let sql =
        "update scan set status = $1, report_id = $2, partial = $3, finished_at = $4, active_key = null,
               next_at = null, detail = null, missing = null, version = version + 1 where id = $5";
    execute!(tx, sql, ScanStatus::Completed.code(), report_id, report.partial, now, stored.scan)?;
    let (before, newest): (Option<i64>, Option<Uuid>) =
        row!(tx, "select inventory_id, scan_id from image where id = $1", stored.image)?;
    // An older scan that ends late does not take the place of a newer one.
    if newest.is_some_and(|newest| newest > stored.scan)
        && let Some((shown,)) = maybe!(
            tx,
            "select s.id from image i join report r on r.id = i.report_id join scan s on s.id = r.scan_id where i.id = $1",
            stored.image
        )?
        && stored.scan < shown
    {
        let _: Uuid = shown;
        return Ok(());
    }
    if before != Some(stored.inventory) {
        replace_sets(tx, stored.image, stored.inventory).await?;
    }
    if let Some(before) = before.filter(|before| *before != stored.inventory) {
        outbox::scan_found(tx, listeners, stored.scan, (before, stored.inventory), now).await?;
    }
    let sql = "update image set report_id = $1, inventory_id = $2, scanned_at = $3, critical = $4, high = $5, medium = $6,
               low = $7, negligible = $8, unknown = $9, fixable = $10, risk = $11, partial = $12 where id = $13";
    execute!(
        tx,
        sql,
        report_id,
        stored.inventory,
        now,
        count(facets.critical),
        count(facets.high),
        count(facets.medium),
        count(facets.low),
        count(facets.negligible),
        count(facets.unknown),
        count(facets.fixable),
        facets.risk(),
        report.partial,
        stored.image,
    )?;
    Ok(())
}

/// Lets an image stand for the sets of another inventory.
async fn replace_sets(tx: &mut Tx, image: i64, inventory: i64) -> Result<(), StoreError> {
    let sql = "update component_set set images = images - 1
               where id in (select set_id from image_set where image_id = $1)";
    execute!(tx, sql, image)?;
    execute!(tx, "delete from image_set where image_id = $1", image)?;
    let sql = "insert into image_set (set_id, project_id, image_id)
               select s.set_id, i.project_id, i.id from inventory_set s, image i
               where s.inventory_id = $1 and i.id = $2";
    execute!(tx, sql, inventory, image)?;
    let sql = "update component_set set images = images + 1
               where id in (select set_id from inventory_set where inventory_id = $1)";
    execute!(tx, sql, inventory)?;
    Ok(())
}

/// Takes the rows of all sets that images have or will have: in one order, so that no two writers wait for each
/// other, and before they are read, so that whoever counts them anew meanwhile either was read or sees the images.
async fn hold_sets(tx: &mut Tx, inventory: i64, waiting: &[(Uuid, i64)]) -> Result<(), StoreError> {
    if tx.is_alone() {
        return Ok(());
    }
    let images = id_list(waiting.iter().map(|(_, image)| *image));
    let sql = "select count(*) from (select id from component_set where id in (
                   select set_id from inventory_set where inventory_id = $1
                   union select set_id from image_set
                   where image_id in (select value::bigint from json_array_elements_text($2::json)))
               order by id for update) held";
    let _: Option<(i64,)> = maybe!(tx, sql, inventory, images)?;
    Ok(())
}
