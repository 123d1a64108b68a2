//! Lists of image records: filters, orders, pages and bounded counts.

use model::{Facets, ScanStatus, Severity};
use sqlx::QueryBuilder;

use super::{COLUMNS, Image, ImageRecord, Scope};
use crate::{
    db::{Pools, Store, read},
    error::StoreError,
};

/// A search that finds up to so many images is sorted afterwards; one that finds more is a filter on the way
/// through the order.
const FEW: i64 = 2000;
/// Counts stop here.
const MAX_COUNT: i64 = 1000;

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
            // Most images are completed: SQLite must not gather and sort all of these, but follow the order.
            let most = $lite && status == ScanStatus::Completed;
            $query.push(if most { " and +i.status = " } else { " and i.status = " }).push_bind(status.code());
        }
        if let Some(severity) = $filter.min_severity {
            $query.push(" and i.risk >= ").push_bind(least_risk(severity));
        }
        if $filter.fixable {
            $query.push(" and i.fixable > 0");
        }
        if let Some(environment) = &$filter.environment {
            // Where few projects are seen, SQLite begins with their images, not with all of the environment.
            $query.push(if $lite && $scope.projects().is_some() {
                " and exists (select 1 from image_environment m join environment e on e.id = m.environment_id where m.image_id = i.id and e.name = "
            } else {
                " and i.id in (select m.image_id from image_environment m join environment e on e.id = m.environment_id where e.name = "
            });
            $query.push_bind(environment.as_str()).push(")");
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
                $query.push(match ($lite, text.chars().count() < 3) {
                    (true, _) => " and i.reference like ",
                    // No index finds so short a text: every reference is looked at, by its bytes, which is several
                    // times as fast. References are ASCII.
                    (false, true) => " and i.reference collate \"C\" ilike ",
                    (false, false) => " and i.reference ilike ",
                });
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
}

/// A cursor whose value is a number.
fn number(after: &Option<(String, i64)>) -> Option<(i64, i64)> {
    after.as_ref().and_then(|(value, id)| Some((value.parse().ok()?, *id)))
}
