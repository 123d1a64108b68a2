//! Image records: what the service knows by name. A list shows nothing but columns of this table.

use std::collections::BTreeMap;

use model::{Facets, ScanStatus, Severity};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::{
    Micros,
    db::{Pools, Store, Tx, execute, read, read_maybe, read_rows, row, rows},
    error::StoreError,
    pack::id_list,
};

/// Labels of an image record.
pub type Labels = BTreeMap<String, String>;

/// A search that finds up to so many images is sorted afterwards; one that finds more is a filter on the way
/// through the order.
const FEW: i64 = 2000;
/// Counts stop here.
pub(crate) const MAX_COUNT: i64 = 1000;

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

/// In what order to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageOrder {
    /// By reference.
    #[default]
    Name,
    /// The worst first.
    Risk,
    /// The one that was scanned last first; those that never were at the end.
    Scanned,
}

/// Which images to list.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// Part of the reference, whatever the case of its letters.
    pub text: Option<String>,
    /// Exactly that reference.
    pub reference: Option<String>,
    /// Digest of the platform's manifest.
    pub digest: Option<String>,
    /// In one environment, by name.
    pub environment: Option<String>,
    /// In one status.
    pub status: Option<ScanStatus>,
    /// With a finding of that severity or a higher one.
    pub min_severity: Option<Severity>,
    /// With a finding that a newer version fixes.
    pub fixable: bool,
    /// With that label.
    pub label: Option<(String, String)>,
    /// Of one project.
    pub project: Option<i64>,
    /// Of one registry.
    pub registry: Option<String>,
    /// The order.
    pub order: ImageOrder,
    /// What the last page ended with.
    pub after: Option<(String, i64)>,
    /// At most so many.
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// What the next page begins after; `None` at the end.
    pub next: Option<(String, i64)>,
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

/// The lowest rank of images with a finding of that severity or a higher one.
fn least_risk(severity: Severity) -> i64 {
    let mut facets = Facets::default();
    facets.add(severity, false);
    facets.risk()
}

/// Adds `(values...)` to a query, after an opening parenthesis; of an empty list, what nothing equals.
pub(crate) fn push_in<'q, DB: sqlx::Database>(query: &mut QueryBuilder<DB>, before: &str, values: &'q [i64])
where
    i64: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
{
    query.push(before);
    if values.is_empty() {
        query.push("null");
    }
    for (idx, value) in values.iter().enumerate() {
        if idx > 0 {
            query.push(", ");
        }
        query.push_bind(*value);
    }
    query.push(")");
}

/// A pattern for `like` that finds a text anywhere.
pub(crate) fn like_anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
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

macro_rules! push_filter {
    ($query:ident, $scope:expr, $filter:expr, $few:expr, $lite:expr) => {{
        $query.push(" where 1 = 1");
        if let Some(projects) = $scope.projects() {
            push_in(&mut $query, " and i.project_id in (", projects);
        }
        if let Some(project) = $filter.project {
            $query.push(" and i.project_id = ").push_bind(project);
        }
        if let Some(reference) = &$filter.reference {
            $query.push(" and i.reference = ").push_bind(reference.as_str());
        }
        if let Some(digest) = &$filter.digest {
            $query.push(" and i.digest = ").push_bind(digest.as_str());
        }
        if let Some(registry) = &$filter.registry {
            $query.push(" and i.registry = ").push_bind(registry.as_str());
        }
        if let Some(status) = $filter.status {
            $query.push(" and i.status = ").push_bind(status.code());
        }
        if let Some(severity) = $filter.min_severity {
            $query.push(" and i.risk >= ").push_bind(least_risk(severity));
        }
        if $filter.fixable {
            $query.push(" and i.fixable > 0");
        }
        if let Some(environment) = &$filter.environment {
            $query
                .push(" and i.id in (select m.image_id from image_environment m join environment e on e.id = m.environment_id where e.name = ")
                .push_bind(environment.as_str())
                .push(")");
        }
        if let Some((name, value)) = &$filter.label {
            if $lite {
                $query.push(" and exists (select 1 from json_each(i.labels) l where l.key = ");
                $query.push_bind(name.as_str()).push(" and l.value = ").push_bind(value.as_str()).push(")");
            } else {
                $query.push(" and i.labels::jsonb ->> ").push_bind(name.as_str());
                $query.push(" = ").push_bind(value.as_str());
            }
        }
        match ($few, &$filter.text) {
            (Some(ids), _) => push_in(&mut $query, " and i.id in (", ids),
            // No stored text has it; one database refuses it, the other's search would end there.
            (None, Some(text)) if text.contains('\0') => {
                $query.push(" and 1 = 0");
            }
            (None, Some(text)) if !text.is_empty() => {
                $query.push(if $lite { " and i.reference like " } else { " and i.reference ilike " });
                $query.push_bind(like_anywhere(text)).push(" escape '\\'");
            }
            _ => {}
        }
    }};
}

impl Store {
    /// Images, a page at a time.
    pub async fn images(&self, scope: &Scope, filter: &ImageFilter) -> Result<Page<Image>, StoreError> {
        let few = self.few(filter).await?;
        let few = few.as_deref();
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let mut records: Vec<ImageRecord> = read!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            push_filter!(query, scope, filter, few, lite);
            match filter.order {
                ImageOrder::Name => {
                    if let Some((reference, id)) = &filter.after {
                        query.push(" and (i.reference, i.id) > (").push_bind(reference.as_str());
                        query.push(", ").push_bind(*id).push(")");
                    }
                    query.push(" order by i.reference, i.id");
                }
                ImageOrder::Risk => {
                    if let Some((risk, id)) = number(&filter.after) {
                        query.push(" and (i.risk, i.id) < (").push_bind(risk).push(", ").push_bind(id).push(")");
                    }
                    query.push(" order by i.risk desc, i.id desc");
                }
                ImageOrder::Scanned => {
                    if let Some((at, id)) = number(&filter.after) {
                        query.push(" and (i.scanned_at, i.id) < (").push_bind(at).push(", ").push_bind(id).push(")");
                    }
                    query.push(" order by i.scanned_at desc, i.id desc");
                }
            }
            query.push(" limit ").push_bind(i64::from(filter.limit) + 1);
            query.build_query_as().fetch_all(c).await
        })?;
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| more).map(|last| {
            let value = match filter.order {
                ImageOrder::Name => last.reference.clone(),
                ImageOrder::Risk => last.risk.to_string(),
                ImageOrder::Scanned => last.scanned_at.to_string(),
            };
            (value, last.id)
        });
        let items = records.into_iter().map(ImageRecord::into_image).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// How many images a list has, up to [`MAX_COUNT`] and one.
    pub async fn count_images(&self, scope: &Scope, filter: &ImageFilter) -> Result<u32, StoreError> {
        let few = self.few(filter).await?;
        let few = few.as_deref();
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let count: i64 = read!(self, c => {
            let mut query = QueryBuilder::new("select count(*) from (select 1 from image i");
            push_filter!(query, scope, filter, few, lite);
            query.push(" limit ").push_bind(MAX_COUNT + 1).push(") found");
            query.build_query_scalar().fetch_one(c).await
        })?;
        Ok(u32::try_from(count).unwrap_or(0))
    }

    /// The ids that a search finds, when they are few. PostgreSQL decides by its statistics.
    async fn few(&self, filter: &ImageFilter) -> Result<Option<Vec<i64>>, StoreError> {
        let (Pools::Lite { read, .. }, Some(text)) = (&*self.pools, &filter.text) else { return Ok(None) };
        if text.chars().count() < 3 || text.contains('\0') {
            return Ok(None);
        }
        let phrase = format!("\"{}\"", text.replace('"', "\"\""));
        let sql = "select rowid from image_text where reference match $1 limit $2";
        let ids: Vec<(i64,)> = sqlx::query_as(sql).bind(phrase).bind(FEW + 1).fetch_all(read).await?;
        let few = i64::try_from(ids.len()).is_ok_and(|count| count <= FEW);
        Ok(few.then(|| ids.into_iter().map(|(id,)| id).collect()))
    }

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

/// A cursor whose value is a number.
fn number(after: &Option<(String, i64)>) -> Option<(i64, i64)> {
    after.as_ref().and_then(|(value, id)| Some((value.parse().ok()?, *id)))
}
