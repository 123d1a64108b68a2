//! Image records: what the service knows by name. A list shows nothing but columns of this table.

mod list;

use std::collections::BTreeMap;

use model::{Facets, ScanStatus};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::{
    Micros,
    db::{Store, Tx, execute, read, read_maybe, read_rows, row, rows},
    error::StoreError,
    pack::id_list,
};

pub use self::list::{ImageFilter, ImageOrder, Page};
pub(crate) use self::list::{like_anywhere, push_in};

/// Labels of an image record.
pub type Labels = BTreeMap<String, String>;

/// Which projects somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// These.
    Projects(Vec<i64>),
}

impl Scope {
    /// The list, unless it is all.
    pub fn projects(&self) -> Option<&[i64]> {
        match self {
            Self::All => None,
            Self::Projects(projects) => Some(projects),
        }
    }

    /// Whether that project may be seen.
    pub fn contains(&self, project: i64) -> bool {
        self.projects().is_none_or(|projects| projects.contains(&project))
    }
}

/// An image record to be.
#[derive(Clone, Copy, Debug)]
pub struct NewImage<'a> {
    /// Its project.
    pub project: i64,
    /// How people call it: the whole reference.
    pub reference: &'a str,
    /// The registry's host; empty for uploads.
    pub registry: &'a str,
    /// The repository with its registry: whose turn a scan takes.
    pub repository: &'a str,
    /// The tag.
    pub tag: Option<&'a str>,
    /// `os/architecture[/variant]`; empty for the default.
    pub platform: &'a str,
    /// Where the record comes from: submit, upload, watch, bucket, cluster.
    pub source: &'a str,
    /// Whose it is.
    pub owner: Option<&'a str>,
}

/// An image record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its number.
    pub id: i64,
    /// Its project.
    pub project_id: i64,
    /// The whole reference.
    pub reference: String,
    /// The registry's host.
    pub registry: String,
    /// The repository with its registry.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// Digest of the platform's manifest, as last seen.
    pub digest: Option<String>,
    /// The platform; empty for the default.
    pub platform: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// Where the record comes from.
    pub source: String,
    /// When it was made.
    pub created_at: Micros,
    /// When anything of it changed.
    pub changed_at: Micros,
    /// The newest scan.
    pub scan_id: Option<Uuid>,
    /// Status of the newest scan.
    pub status: ScanStatus,
    /// The newest report.
    pub report_id: Option<i64>,
    /// The inventory of the newest report.
    pub inventory_id: Option<i64>,
    /// When the newest report was made.
    pub scanned_at: Option<Micros>,
    /// Open findings.
    pub facets: Facets,
    /// Whether the newest report is partial.
    pub partial: bool,
}

/// What may be changed of an image record; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ImageChange {
    /// Whose it is.
    pub owner: Option<Option<String>>,
    /// All labels.
    pub labels: Option<Labels>,
    /// Names of all environments.
    pub environments: Option<Vec<String>>,
}

#[derive(FromRow)]
struct ImageRecord {
    id: i64,
    project_id: i64,
    reference: String,
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
    platform: String,
    owner: Option<String>,
    labels: String,
    source: String,
    created_at: i64,
    changed_at: i64,
    scan_id: Option<Uuid>,
    status: i16,
    report_id: Option<i64>,
    inventory_id: Option<i64>,
    scanned_at: i64,
    critical: i32,
    high: i32,
    medium: i32,
    low: i32,
    negligible: i32,
    unknown: i32,
    fixable: i32,
    risk: i64,
    partial: bool,
}

const COLUMNS: &str =
    "select i.id, i.project_id, i.reference, i.registry, i.repository, i.tag, i.digest, i.platform,
    i.owner, i.labels, i.source, i.created_at, i.changed_at, i.scan_id, i.status, i.report_id, i.inventory_id,
    i.scanned_at, i.critical, i.high, i.medium, i.low, i.negligible, i.unknown, i.fixable, i.risk, i.partial
    from image i ";

impl ImageRecord {
    fn into_image(self) -> Result<Image, StoreError> {
        let counts =
            [self.critical, self.high, self.medium, self.low, self.negligible, self.unknown, self.fixable];
        Ok(Image {
            facets: facets(counts),
            id: self.id,
            project_id: self.project_id,
            reference: self.reference,
            registry: self.registry,
            repository: self.repository,
            tag: self.tag,
            digest: self.digest,
            platform: self.platform,
            owner: self.owner,
            labels: serde_json::from_str(&self.labels).map_err(|_| StoreError::Value("list of labels"))?,
            source: self.source,
            created_at: self.created_at,
            changed_at: self.changed_at,
            scan_id: self.scan_id,
            status: ScanStatus::from_code(self.status).ok_or(StoreError::Value("scan status"))?,
            report_id: self.report_id,
            inventory_id: self.inventory_id,
            scanned_at: (self.scanned_at != 0).then_some(self.scanned_at),
            partial: self.partial,
        })
    }
}

/// Counts as they stand in tables, in their order there.
pub(crate) fn facets(counts: [i32; 7]) -> Facets {
    let [critical, high, medium, low, negligible, unknown, fixable] =
        counts.map(|count| u32::try_from(count).unwrap_or(0));
    Facets { critical, high, medium, low, negligible, unknown, fixable }
}

/// Makes an image record, or finds it.
pub(crate) async fn ensure(tx: &mut Tx, image: &NewImage<'_>, now: Micros) -> Result<i64, StoreError> {
    let sql = "insert into image (project_id, reference, registry, repository, tag, platform, owner, source, status,
               created_at, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
               on conflict (project_id, reference, platform) do update set owner = coalesce(image.owner, excluded.owner)
               returning id";
    let (id,): (i64,) = row!(
        tx,
        sql,
        image.project,
        image.reference,
        image.registry,
        image.repository,
        image.tag,
        image.platform,
        image.owner,
        image.source,
        ScanStatus::NotScanned.code(),
        now,
    )?;
    Ok(id)
}

impl Store {
    /// One image record.
    pub async fn image(&self, id: i64) -> Result<Option<Image>, StoreError> {
        let record: Option<ImageRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push("where i.id = ").push_bind(id);
            query.build_query_as().fetch_optional(c).await
        })?;
        record.map(ImageRecord::into_image).transpose()
    }

    /// Names of the environments of an image.
    pub async fn environments_of(&self, image: i64) -> Result<Vec<String>, StoreError> {
        let sql = "select e.name from environment e join image_environment m on m.environment_id = e.id
                   where m.image_id = $1 order by e.position, e.name";
        let names: Vec<(String,)> = read_rows!(self, sql, image)?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Makes an image record without any scan, or finds it.
    pub async fn add_image(&self, image: &NewImage<'_>, now: Micros) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = ensure(&mut tx, image, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Changes an image record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such image.
    pub async fn change_image(&self, id: i64, change: &ImageChange, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "update image set changed_at = $1 where id = $2", now, id)? == 0 {
            return Err(StoreError::NotFound("image"));
        }
        if let Some(owner) = &change.owner {
            execute!(&mut tx, "update image set owner = $1 where id = $2", owner.as_deref(), id)?;
        }
        if let Some(labels) = &change.labels {
            let labels = serde_json::to_string(labels).map_err(|_| StoreError::Value("list of labels"))?;
            execute!(&mut tx, "update image set labels = $1 where id = $2", labels.as_str(), id)?;
        }
        if let Some(environments) = &change.environments {
            execute!(&mut tx, "delete from image_environment where image_id = $1", id)?;
            for name in environments {
                let sql = "insert into environment (name) values ($1) on conflict (name) do update set name = excluded.name
                           returning id";
                let (environment,): (i64,) = row!(&mut tx, sql, name.as_str())?;
                let sql = "insert into image_environment (environment_id, image_id) values ($1, $2) on conflict do nothing";
                execute!(&mut tx, sql, environment, id)?;
            }
        }
        tx.commit().await
    }

    /// Forgets an image record with its scans and reports. What it contains stays for others that share it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such image.
    pub async fn delete_image(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = tx.sql(
            "select set_id from image_set where image_id = $1",
            "select id from component_set where id in (select set_id from image_set where image_id = $1)
             order by id for update",
        );
        let sets: Vec<(i64,)> = rows!(&mut tx, sql, id)?;
        let sql = tx.sql(
            "update component_set set images = images - 1 where id in (select value from json_each($1))",
            "update component_set set images = images - 1
             where id in (select value::bigint from json_array_elements_text($1::json))",
        );
        execute!(&mut tx, sql, id_list(sets.into_iter().map(|(set,)| set)))?;
        if execute!(&mut tx, "delete from image where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("image"));
        }
        let sql = "update job set cancelled = true where state = 1 and not exists (select 1 from scan where job_id = job.id)";
        execute!(&mut tx, sql)?;
        execute!(
            &mut tx,
            "delete from job where state <> 1 and not exists (select 1 from scan where job_id = job.id)"
        )?;
        tx.commit().await
    }

    /// The project of that name, made when it is not there.
    pub async fn ensure_project(&self, name: &str, now: Micros) -> Result<i64, StoreError> {
        let there: Option<(i64,)> = read_maybe!(self, "select id from project where name = $1", name)?;
        if let Some((id,)) = there {
            return Ok(id);
        }
        let mut tx = self.begin().await?;
        let sql = "insert into project (name, created_at) values ($1, $2)
                   on conflict (name) do update set name = excluded.name returning id";
        let (id,): (i64,) = row!(&mut tx, sql, name, now)?;
        tx.commit().await?;
        Ok(id)
    }
}
