//! Daily counts: how many images and findings a project had, one row for each day.

use sqlx::{FromRow, QueryBuilder};

use crate::{
    Micros,
    db::{Store, execute, read, read_rows},
    error::StoreError,
    image::{self, Scope},
};

/// Microseconds of a day.
const DAY: Micros = 24 * 3600 * 1_000_000;

/// What a project had at the end of a day, or has now.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DailyCount {
    /// Days since 1970-01-01 UTC.
    pub day: i32,
    /// The project.
    pub project_id: i64,
    /// Image records.
    pub images: i32,
    /// Those that have a report.
    pub scanned: i32,
    /// Those whose newest scan failed.
    pub failed: i32,
    /// Findings of severity critical, each counted once for every image that has it; so are the others.
    pub critical: i64,
    /// Of severity high.
    pub high: i64,
    /// Of severity medium.
    pub medium: i64,
    /// Of severity low.
    pub low: i64,
    /// Of severity negligible.
    pub negligible: i64,
    /// Of no known severity.
    pub unknown: i64,
    /// Those, of any severity, that a newer version fixes.
    pub fixable: i64,
}

/// The day of a time.
pub fn day_of(at: Micros) -> i32 {
    i32::try_from(at.div_euclid(DAY)).unwrap_or(i32::MAX)
}

impl Store {
    /// Counts what every project has now, as the row of that day: how many projects. Counted again, the row is
    /// replaced.
    pub async fn count_day(&self, now: Micros) -> Result<u64, StoreError> {
        let sql = "select $1 as day, p.id as project_id, cast(count(i.id) as integer) as images,
                       cast(count(case when i.scanned_at > 0 then 1 end) as integer) as scanned,
                       cast(count(case when i.status = $2 then 1 end) as integer) as failed,
                       cast(coalesce(sum(i.critical), 0) as bigint) as critical,
                       cast(coalesce(sum(i.high), 0) as bigint) as high,
                       cast(coalesce(sum(i.medium), 0) as bigint) as medium,
                       cast(coalesce(sum(i.low), 0) as bigint) as low,
                       cast(coalesce(sum(i.negligible), 0) as bigint) as negligible,
                       cast(coalesce(sum(i.unknown), 0) as bigint) as unknown,
                       cast(coalesce(sum(i.fixable), 0) as bigint) as fixable
                   from project p left join image i on i.project_id = p.id group by p.id order by p.id";
        // Read before the writer is asked for: it takes as long as there are images.
        let counts: Vec<DailyCount> = read_rows!(self, sql, day_of(now), model::ScanStatus::Failed.code())?;
        for chunk in counts.chunks(200) {
            let mut tx = self.begin().await?;
            for count in chunk {
                let sql = "insert into daily_count (day, project_id, images, scanned, failed, critical, high, medium,
                           low, negligible, unknown, fixable)
                           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                           on conflict (day, project_id) do update set images = excluded.images,
                           scanned = excluded.scanned, failed = excluded.failed, critical = excluded.critical,
                           high = excluded.high, medium = excluded.medium, low = excluded.low,
                           negligible = excluded.negligible, unknown = excluded.unknown,
                           fixable = excluded.fixable";
                execute!(
                    &mut tx,
                    sql,
                    count.day,
                    count.project_id,
                    count.images,
                    count.scanned,
                    count.failed,
                    count.critical,
                    count.high,
                    count.medium,
                    count.low,
                    count.negligible,
                    count.unknown,
                    count.fixable,
                )?;
            }
            tx.commit().await?;
        }
        Ok(u64::try_from(counts.len()).unwrap_or(0))
    }

    /// The rows of some days, by day and project; of one project, or of all in scope.
    pub async fn daily_counts(
        &self,
        scope: &Scope,
        project: Option<i64>,
        (from, until): (i32, i32),
        limit: u32,
    ) -> Result<Vec<DailyCount>, StoreError> {
        let counts = read!(self, c => {
            let mut query = QueryBuilder::new(
                "select day, project_id, images, scanned, failed, critical, high, medium, low, negligible, unknown,
                 fixable from daily_count where day >= ",
            );
            query.push_bind(from).push(" and day <= ").push_bind(until);
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and project_id in (", projects);
            }
            if let Some(project) = project {
                query.push(" and project_id = ").push_bind(project);
            }
            query.push(" order by day, project_id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(counts)
    }

    /// Forgets the rows of days before that one.
    pub async fn trim_daily_counts(&self, before: i32) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let gone = execute!(&mut tx, "delete from daily_count where day < $1", before)?;
        tx.commit().await?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight() {
        for (at, day) in [(0, 0), (DAY - 1, 0), (DAY, 1), (-1, -1), (1_760_000_000_000_000, 20_370)] {
            assert_eq!(day_of(at), day, "{at}");
        }
    }
}
