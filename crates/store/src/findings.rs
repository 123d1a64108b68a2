//! What is wrong: findings of components, asked by image, by vulnerability and by package.
//!
//! Pages of "which images" follow the order in which the tables lie (component, set, image), so that a page costs
//! the same whether a package stands in ten images or in sixty thousand.

use model::{ChangeReason, Facets, Finding, Severity};
use serde::Serialize;
use sqlx::QueryBuilder;

use crate::{
    Micros,
    content::to_json,
    db::{Store, Tx, execute, read, read_maybe, read_rows, row},
    error::StoreError,
    image::{Scope, facets, like_anywhere, push_in},
};

/// A finding to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFinding<'a> {
    pub(crate) component: i64,
    pub(crate) finding: &'a Finding,
}

#[derive(Serialize)]
struct Parameter<'a> {
    component: i64,
    name: &'a str,
    title: &'a str,
    severity: i16,
    fixable: bool,
    body: String,
}

/// One finding of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFinding {
    /// Its number; of another number, it says something else.
    pub id: i64,
    /// The component.
    pub component_id: i64,
    /// Its key: `model::Component::key`.
    pub component_key: Vec<u8>,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// The finding; its `package` means nothing.
    pub finding: Finding,
    /// When it was first seen.
    pub opened_at: Micros,
    /// Why it came.
    pub opened_for: ChangeReason,
    /// When it went, if it did.
    pub closed_at: Option<Micros>,
    /// Why it went.
    pub closed_for: Option<ChangeReason>,
}

/// A vulnerability that something has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VulnerabilityRow {
    /// Its number.
    pub id: i64,
    /// The CVE, or an advisory's id.
    pub name: String,
    /// One line.
    pub title: String,
    /// The highest severity that it has anywhere.
    pub severity: Severity,
    /// How many images have it; an image with two layers that do counts twice.
    pub images: u64,
}

/// An image that has a vulnerability, by one of its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedImage {
    /// The image record.
    pub image_id: i64,
    /// Its reference.
    pub reference: String,
    /// Its digest.
    pub digest: Option<String>,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Severity of the finding.
    pub severity: Severity,
    /// Whether a newer version fixes it.
    pub fixable: bool,
}

/// An image that contains a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageImage {
    /// The image record.
    pub image_id: i64,
    /// Its reference.
    pub reference: String,
    /// Its digest.
    pub digest: Option<String>,
    /// Kind of the package.
    pub kind: String,
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
}

/// Severities as they are stored: the order of their words.
pub(crate) const fn severity_code(severity: Severity) -> i16 {
    match severity {
        Severity::Unknown => 0,
        Severity::Negligible => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// What [`severity_code`] stored.
pub(crate) const fn severity_of(code: i16) -> Severity {
    match code {
        1 => Severity::Negligible,
        2 => Severity::Low,
        3 => Severity::Medium,
        4 => Severity::High,
        5 => Severity::Critical,
        _ => Severity::Unknown,
    }
}

/// Stores findings of components that have none open under these names.
pub(crate) async fn open(
    tx: &mut Tx,
    found: &[NewFinding<'_>],
    reason: ChangeReason,
    now: Micros,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let mut list = Vec::with_capacity(found.len());
    for NewFinding { component, finding } in found {
        list.push(Parameter {
            component: *component,
            name: &finding.id,
            title: &finding.title,
            severity: severity_code(finding.severity),
            fixable: !finding.fixed_versions.is_empty(),
            body: serde_json::to_string(finding).map_err(|_| StoreError::Value("finding"))?,
        });
    }
    list.sort_by(|a, b| (a.name, a.component).cmp(&(b.name, b.component)));
    let list = to_json(&list)?;
    let sql = tx.sql(
        "insert into vulnerability (name, title, severity)
         select value ->> 'name', max(value ->> 'title'), max(value ->> 'severity') from json_each($1)
         where true group by 1
         on conflict (name) do update set severity = excluded.severity where excluded.severity > vulnerability.severity",
        "insert into vulnerability (name, title, severity)
         select name, max(title), max(severity) from json_to_recordset($1::json) as f (name text, title text, severity smallint)
         group by name order by name
         on conflict (name) do update set severity = excluded.severity where excluded.severity > vulnerability.severity",
    );
    execute!(tx, sql, list.as_str())?;
    let sql = tx.sql(
        "insert into finding (component_id, vulnerability_id, severity, fixable, body, opened_at, opened_for)
         select f.value ->> 'component', v.id, f.value ->> 'severity', f.value ->> 'fixable', f.value ->> 'body', $2, $3
         from json_each($1) f join vulnerability v on v.name = f.value ->> 'name' where true on conflict do nothing",
        "insert into finding (component_id, vulnerability_id, severity, fixable, body, opened_at, opened_for)
         select f.component, v.id, f.severity, f.fixable, f.body, $2, $3
         from json_to_recordset($1::json) as f (component bigint, name text, severity smallint, fixable boolean, body text)
         join vulnerability v on v.name = f.name order by f.component, v.id on conflict do nothing",
    );
    execute!(tx, sql, list.as_str(), now, reason.code())?;
    Ok(())
}

/// Counts what is wrong with a set anew.
pub(crate) async fn count_set(tx: &mut Tx, set: i64) -> Result<(), StoreError> {
    let sql = "select f.severity, f.fixable, count(*) from set_component s join finding f on f.component_id = s.component_id
               where s.set_id = $1 and f.closed_at is null group by f.severity, f.fixable";
    let counts: Vec<(i16, bool, i64)> = crate::db::rows!(tx, sql, set)?;
    let mut sums = [0_i32; 7];
    for (severity, fixable, count) in counts {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        // Critical is 5 and stands first.
        let slot = usize::try_from(5 - severity).unwrap_or(5).min(5);
        sums[slot] = sums[slot].saturating_add(count);
        sums[6] = sums[6].saturating_add(if fixable { count } else { 0 });
    }
    let sql = "update component_set set critical = $1, high = $2, medium = $3, low = $4, negligible = $5,
               unknown = $6, fixable = $7 where id = $8";
    let [critical, high, medium, low, negligible, unknown, fixable] = sums;
    execute!(tx, sql, critical, high, medium, low, negligible, unknown, fixable, set)?;
    Ok(())
}

/// Adds up the counts of an inventory's sets.
pub(crate) async fn count_inventory(tx: &mut Tx, inventory: i64) -> Result<Facets, StoreError> {
    let sql = "select cast(coalesce(sum(critical), 0) as integer), cast(coalesce(sum(high), 0) as integer),
               cast(coalesce(sum(medium), 0) as integer), cast(coalesce(sum(low), 0) as integer),
               cast(coalesce(sum(negligible), 0) as integer), cast(coalesce(sum(unknown), 0) as integer),
               cast(coalesce(sum(fixable), 0) as integer)
               from component_set where id in (select set_id from inventory_set where inventory_id = $1)";
    let (a, b, c, d, e, f, g): (i32, i32, i32, i32, i32, i32, i32) = row!(tx, sql, inventory)?;
    Ok(facets([a, b, c, d, e, f, g]))
}

type FindingTuple = (i64, i64, Vec<u8>, String, String, String, String, i64, i16, Option<i64>, Option<i16>);

macro_rules! select_finding {
    ($rest:literal) => {
        concat!(
            "select f.id, f.component_id, c.key, p.kind, p.name, c.version, f.body, f.opened_at, f.opened_for, f.closed_at,
             f.closed_for from finding f join component c on c.id = f.component_id join package p on p.id = c.package_id ",
            $rest
        )
    };
}

fn image_finding(tuple: FindingTuple) -> Result<ImageFinding, StoreError> {
    let (
        id,
        component_id,
        component_key,
        kind,
        package,
        version,
        body,
        opened_at,
        opened_for,
        closed_at,
        closed_for,
    ) = tuple;
    let reason = |code| ChangeReason::from_code(code).ok_or(StoreError::Value("reason of a change"));
    Ok(ImageFinding {
        id,
        component_id,
        component_key,
        kind,
        package,
        version,
        finding: serde_json::from_str(&body).map_err(|_| StoreError::Value("finding"))?,
        opened_at,
        opened_for: reason(opened_for)?,
        closed_at,
        closed_for: closed_for.map(reason).transpose()?,
    })
}

impl Store {
    /// What is wrong with an inventory now, worst first.
    pub async fn findings_of(&self, inventory: i64) -> Result<Vec<ImageFinding>, StoreError> {
        let sql = select_finding!(
            "join set_component s on s.component_id = f.component_id
             join inventory_set i on i.set_id = s.set_id
             where i.inventory_id = $1 and f.closed_at is null order by f.severity desc, p.name, f.id"
        );
        let tuples: Vec<FindingTuple> = read_rows!(self, sql, inventory)?;
        tuples.into_iter().map(image_finding).collect()
    }

    /// Findings by their numbers.
    pub async fn findings_by_id(&self, ids: &[i64]) -> Result<Vec<ImageFinding>, StoreError> {
        let sql = self.sql(
            select_finding!(
                "where f.id in (select value from json_each($1)) order by f.severity desc, p.name, f.id"
            ),
            select_finding!(
                "where f.id in (select value::bigint from json_array_elements_text($1::json))
                 order by f.severity desc, p.name, f.id"
            ),
        );
        let tuples: Vec<FindingTuple> = read_rows!(self, sql, crate::pack::id_list(ids.iter().copied()))?;
        tuples.into_iter().map(image_finding).collect()
    }

    /// What came and went of an inventory's components since then, newest first.
    pub async fn finding_changes(
        &self,
        inventory: i64,
        since: Micros,
        limit: u32,
    ) -> Result<Vec<ImageFinding>, StoreError> {
        let sql = select_finding!(
            "join set_component s on s.component_id = f.component_id
             join inventory_set i on i.set_id = s.set_id
             where i.inventory_id = $1 and (f.opened_at > $2 or f.closed_at > $2)
             order by coalesce(f.closed_at, f.opened_at) desc, f.id desc limit $3"
        );
        let tuples: Vec<FindingTuple> = read_rows!(self, sql, inventory, since, i64::from(limit))?;
        tuples.into_iter().map(image_finding).collect()
    }

    /// A vulnerability by name.
    pub async fn vulnerability(&self, name: &str) -> Result<Option<VulnerabilityRow>, StoreError> {
        let sql = "select id, name, title, severity from vulnerability where name = $1";
        let found: Option<(i64, String, String, i16)> = read_maybe!(self, sql, name)?;
        let Some((id, name, title, severity)) = found else { return Ok(None) };
        let sql = "select cast(coalesce(sum(t.images), 0) as bigint) from component_set t where t.id in (
                       select s.set_id from finding f join set_component s on s.component_id = f.component_id
                       where f.vulnerability_id = $1 and f.closed_at is null)";
        let images: Option<(i64,)> = read_maybe!(self, sql, id)?;
        let images = images.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or(0);
        Ok(Some(VulnerabilityRow { id, name, title, severity: severity_of(severity), images }))
    }

    /// Vulnerabilities whose names begin so, or of a least severity, by name; at most `limit` after one of them.
    pub async fn vulnerabilities(
        &self,
        text: Option<&str>,
        min_severity: Option<Severity>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<VulnerabilityRow>, StoreError> {
        let found: Vec<(i64, String, String, i16)> = read!(self, c => {
            let mut query = QueryBuilder::new("select v.id, v.name, v.title, v.severity from vulnerability v where 1 = 1");
            if let Some(text) = text {
                query.push(" and v.name like ").push_bind(like_anywhere(text)).push(" escape '\\'");
            }
            if let Some(severity) = min_severity {
                query.push(" and v.severity >= ").push_bind(severity_code(severity));
            }
            if let Some(after) = after {
                query.push(" and v.name < ").push_bind(after);
            }
            query.push(" and exists (select 1 from finding f where f.vulnerability_id = v.id and f.closed_at is null)");
            query.push(" order by v.name desc limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(found
            .into_iter()
            .map(|(id, name, title, severity)| VulnerabilityRow {
                id,
                name,
                title,
                severity: severity_of(severity),
                images: 0,
            })
            .collect())
    }

    /// Images that have a vulnerability. The cursor is (component, set, image).
    pub async fn affected_images(
        &self,
        scope: &Scope,
        vulnerability: i64,
        after: Option<[i64; 3]>,
        limit: u32,
    ) -> Result<(Vec<AffectedImage>, Option<[i64; 3]>), StoreError> {
        type Tuple = (i64, String, Option<String>, String, String, String, i16, bool, i64, i64);
        let mut found: Vec<Tuple> = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select i.id, i.reference, i.digest, p.kind, p.name, c.version, f.severity, f.fixable, f.component_id, s.set_id
                 from finding f join set_component s on s.component_id = f.component_id
                 join image_set m on m.set_id = s.set_id join image i on i.id = m.image_id
                 join component c on c.id = f.component_id join package p on p.id = c.package_id
                 where f.closed_at is null and f.vulnerability_id = ");
            query.push_bind(vulnerability);
            if let Some(projects) = scope.projects() {
                push_in(&mut query, " and m.project_id in (", projects);
            }
            push_after(&mut query, "f.component_id", after);
            query.push(" order by f.component_id, s.set_id, m.project_id, m.image_id limit ");
            query.push_bind(i64::from(limit) + 1);
            query.build_query_as().fetch_all(c).await
        })?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| [last.8, last.9, last.0]);
        let images = found
            .into_iter()
            .map(|(image_id, reference, digest, kind, package, version, severity, fixable, ..)| {
                let severity = severity_of(severity);
                AffectedImage { image_id, reference, digest, kind, package, version, severity, fixable }
            })
            .collect();
        Ok((images, next))
    }

    /// Images that contain a package, of one version or any. The cursor is (component, set, image).
    pub async fn images_with_package(
        &self,
        scope: &Scope,
        name: &str,
        version: Option<&str>,
        after: Option<[i64; 3]>,
        limit: u32,
    ) -> Result<(Vec<PackageImage>, Option<[i64; 3]>), StoreError> {
        type Tuple = (i64, String, Option<String>, String, String, String, i64, i64);
        let mut found: Vec<Tuple> = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select i.id, i.reference, i.digest, p.kind, p.name, c.version, c.id, s.set_id
                 from package p join component c on c.package_id = p.id join set_component s on s.component_id = c.id
                 join image_set m on m.set_id = s.set_id join image i on i.id = m.image_id where p.name = ");
            query.push_bind(name);
            if let Some(version) = version {
                query.push(" and c.version = ").push_bind(version);
            }
            if let Some(projects) = scope.projects() {
                push_in(&mut query, " and m.project_id in (", projects);
            }
            push_after(&mut query, "c.id", after);
            query.push(" order by c.id, s.set_id, m.project_id, m.image_id limit ").push_bind(i64::from(limit) + 1);
            query.build_query_as().fetch_all(c).await
        })?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| [last.6, last.7, last.0]);
        let images = found
            .into_iter()
            .map(|(image_id, reference, digest, kind, package, version, ..)| PackageImage {
                image_id,
                reference,
                digest,
                kind,
                package,
                version,
            })
            .collect();
        Ok((images, next))
    }

    /// Packages whose names hold a text: kind and name, by name.
    pub async fn packages(
        &self,
        text: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "select kind, name from package where name like $1 escape '\\' and name > $2 order by name, kind limit $3";
        read_rows!(self, sql, like_anywhere(text), after.unwrap_or(""), i64::from(limit))
    }
}

/// The rest of the order after one place in it.
fn push_after<'q, DB: sqlx::Database>(query: &mut QueryBuilder<DB>, component: &str, after: Option<[i64; 3]>)
where
    i64: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
{
    let Some([at_component, at_set, at_image]) = after else { return };
    query.push(" and (").push(component).push(", s.set_id, m.image_id) > (").push_bind(at_component);
    query.push(", ").push_bind(at_set).push(", ").push_bind(at_image).push(")");
}
