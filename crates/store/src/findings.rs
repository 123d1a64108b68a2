//! What is wrong: findings of components, asked by image and by vulnerability.

mod places;

pub use places::{AffectedImage, PackageImage, Place};

use model::{ChangeReason, Facets, Finding, Severity};
use serde::Serialize;
use sqlx::QueryBuilder;

use crate::{
    Micros,
    content::to_json,
    db::{Pools, Store, Tx, execute, read, read_maybe, read_rows, row, rows},
    error::StoreError,
    image::{facets, like_anywhere},
    pack::id_list,
};

/// A finding to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFinding<'a> {
    pub(crate) component: i64,
    pub(crate) finding: &'a Finding,
    pub(crate) reason: ChangeReason,
}

#[derive(Serialize)]
struct Parameter<'a> {
    component: i64,
    name: &'a str,
    title: &'a str,
    severity: i16,
    fixable: bool,
    reason: i16,
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

/// Stores findings of components that have none open under these names: the numbers of those that were stored.
pub(crate) async fn open(tx: &mut Tx, found: &[NewFinding<'_>], now: Micros) -> Result<Vec<i64>, StoreError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = Vec::with_capacity(found.len());
    for NewFinding { component, finding, reason } in found {
        list.push(Parameter {
            component: *component,
            name: &finding.id,
            title: &finding.title,
            severity: severity_code(finding.severity),
            fixable: !finding.fixed_versions.is_empty(),
            reason: reason.code(),
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
         select f.value ->> 'component', v.id, f.value ->> 'severity', f.value ->> 'fixable', f.value ->> 'body', $2,
             f.value ->> 'reason'
         from json_each($1) f join vulnerability v on v.name = f.value ->> 'name' where true
         on conflict do nothing returning id",
        "insert into finding (component_id, vulnerability_id, severity, fixable, body, opened_at, opened_for)
         select f.component, v.id, f.severity, f.fixable, f.body, $2, f.reason
         from json_to_recordset($1::json)
             as f (component bigint, name text, severity smallint, fixable boolean, body text, reason smallint)
         join vulnerability v on v.name = f.name order by f.component, v.id on conflict do nothing returning id",
    );
    let ids: Vec<(i64,)> = rows!(tx, sql, list.as_str(), now)?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// Ends findings: number, reason.
pub(crate) async fn close(tx: &mut Tx, gone: &[(i64, ChangeReason)], now: Micros) -> Result<(), StoreError> {
    let list = to_json(&gone.iter().map(|(id, reason)| (*id, reason.code())).collect::<Vec<_>>())?;
    let sql = tx.sql(
        "update finding set closed_at = $1, closed_for = g.value ->> 1 from json_each($2) g
         where finding.id = g.value ->> 0",
        "update finding set closed_at = $1, closed_for = (g.value ->> 1)::smallint from json_array_elements($2::json) g
         where finding.id = (g.value ->> 0)::bigint",
    );
    execute!(tx, sql, now, list)?;
    Ok(())
}

/// Lets vulnerabilities be as severe as their worst open finding, after some ended; of unknown severity without any.
pub(crate) async fn rate(tx: &mut Tx, vulnerabilities: &[i64]) -> Result<(), StoreError> {
    let sql = tx.sql(
        "update vulnerability set severity = t.severity from (
             select j.value as id, coalesce(max(f.severity), 0) as severity from json_each($1) j
             left join finding f on f.vulnerability_id = j.value and f.closed_at is null group by 1) t
         where vulnerability.id = t.id and vulnerability.severity <> t.severity",
        "update vulnerability set severity = t.severity from (
             select j.id, coalesce(max(f.severity), 0) as severity
             from (select value::bigint as id from json_array_elements_text($1::json)) j
             left join finding f on f.vulnerability_id = j.id and f.closed_at is null group by 1) t
         where vulnerability.id = t.id and vulnerability.severity <> t.severity",
    );
    execute!(tx, sql, id_list(vulnerabilities.iter().copied()))?;
    Ok(())
}

/// Takes the rows of vulnerabilities in the order in which others take them.
pub(crate) async fn hold_vulnerabilities(tx: &mut Tx, names: &[&str]) -> Result<(), StoreError> {
    if !tx.is_alone() {
        let sql = "select count(*) from (select id from vulnerability
                   where name in (select value from json_array_elements_text($1::json)) order by name for update) held";
        let _: (i64,) = row!(tx, sql, to_json(names)?)?;
    }
    Ok(())
}

/// Counts what is wrong with sets anew.
pub(crate) async fn count_sets(tx: &mut Tx, sets: &[i64]) -> Result<(), StoreError> {
    if sets.is_empty() {
        return Ok(());
    }
    let sql = tx.sql(
        "update component_set set critical = t.critical, high = t.high, medium = t.medium, low = t.low,
             negligible = t.negligible, unknown = t.unknown, fixable = t.fixable
         from (select j.value as id, count(*) filter (where f.severity = 5) as critical,
                   count(*) filter (where f.severity = 4) as high, count(*) filter (where f.severity = 3) as medium,
                   count(*) filter (where f.severity = 2) as low, count(*) filter (where f.severity = 1) as negligible,
                   count(*) filter (where f.severity = 0) as unknown, count(*) filter (where f.fixable) as fixable
               from json_each($1) j left join set_component s on s.set_id = j.value
               left join finding f on f.component_id = s.component_id and f.closed_at is null group by j.value) t
         where component_set.id = t.id",
        "update component_set set critical = t.critical, high = t.high, medium = t.medium, low = t.low,
             negligible = t.negligible, unknown = t.unknown, fixable = t.fixable
         from (select j.id, count(*) filter (where f.severity = 5) as critical,
                   count(*) filter (where f.severity = 4) as high, count(*) filter (where f.severity = 3) as medium,
                   count(*) filter (where f.severity = 2) as low, count(*) filter (where f.severity = 1) as negligible,
                   count(*) filter (where f.severity = 0) as unknown, count(*) filter (where f.fixable) as fixable
               from (select value::bigint as id from json_array_elements_text($1::json)) j
               left join set_component s on s.set_id = j.id
               left join finding f on f.component_id = s.component_id and f.closed_at is null group by j.id) t
         where component_set.id = t.id",
    );
    execute!(tx, sql, id_list(sets.iter().copied()))?;
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
        let tuples: Vec<FindingTuple> = read_rows!(self, sql, id_list(ids.iter().copied()))?;
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
        let lite = matches!(&*self.pools, Pools::Lite { .. });
        let found: Vec<(i64, String, String, i16)> = read!(self, c => {
            let mut query = QueryBuilder::new("select v.id, v.name, v.title, v.severity from vulnerability v where 1 = 1");
            if let Some(text) = text {
                query.push(if lite { " and v.name like " } else { " and v.name collate \"C\" ilike " }).push_bind(like_anywhere(text)).push(" escape '\\'");
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

    /// Packages whose names hold a text: kind and name, by name.
    pub async fn packages(
        &self,
        text: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = self.sql(
            "select kind, name from package where name like $1 escape '\\' and name > $2 order by name, kind limit $3",
            // By its bytes, which is several times as fast; names of packages differ in case by ASCII letters only.
            "select kind, name from package where name collate \"C\" ilike $1 escape '\\' and name > $2 order by name, kind limit $3",
        );
        read_rows!(self, sql, like_anywhere(text), after.unwrap_or(""), i64::from(limit))
    }
}
