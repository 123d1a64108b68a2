//! Watches: repositories whose tags are looked at now and then, and what the tags led to. One process at a time looks
//! into a registry; who holds its turn has a fence, as in the queue.

mod look;

use sqlx::FromRow;

use crate::{
    Micros,
    db::{Store, execute, maybe, read, read_maybe},
    error::StoreError,
    event::{self, NewEvent},
    image::{self, Scope},
    project,
};

pub use self::look::{LookOutcome, WatchTurn};

/// A watch to be.
#[derive(Clone, Copy, Debug)]
pub struct NewWatch<'a> {
    /// The project of the images that it finds.
    pub project: i64,
    /// What people call it; unique in its project.
    pub name: &'a str,
    /// What it looks at.
    pub what: &'a WatchPatterns,
    /// Microseconds between two looks.
    pub every: Micros,
    /// Whether it looks.
    pub enabled: bool,
    /// SHA-256 of what senders of notifications present.
    pub secret: &'a [u8; 32],
    /// Whose it is.
    pub owner: &'a str,
}

/// What a watch looks at, and where the images that it finds run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchPatterns {
    /// `HOST` or `HOST:PORT`.
    pub registry: String,
    /// Repositories by pattern.
    pub repository: String,
    /// Patterns of tags; none means all.
    pub include: Vec<String>,
    /// Patterns of tags that are left out all the same.
    pub exclude: Vec<String>,
    /// Environments of the images.
    pub environments: Vec<String>,
}

/// A watch, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Its number.
    pub id: i64,
    /// The project of the images that it finds.
    pub project_id: i64,
    /// What people call it.
    pub name: String,
    /// What it looks at.
    pub what: WatchPatterns,
    /// Microseconds between two looks.
    pub every: Micros,
    /// Whether it looks.
    pub enabled: bool,
    /// Whose it is.
    pub owner: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it looks next.
    pub next_at: Micros,
    /// Where the last look stopped: `REPOSITORY:TAG`; `None` when it came to its end.
    pub position: Option<String>,
    /// When it looked last.
    pub looked_at: Option<Micros>,
    /// Tags that the last look looked at.
    pub found: u32,
    /// Scans that it asked for.
    pub submitted: u32,
    /// Whether it left tags for the next look.
    pub cut: bool,
    /// Looks in a row that failed.
    pub failures: u32,
    /// Why the last look failed: a stable code.
    pub error_code: Option<String>,
    /// Why the last look failed.
    pub error: Option<String>,
}

/// What changes of a watch; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchChange<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// What it looks at. All that its tags led to is forgotten, so that they count as new.
    pub what: Option<&'a WatchPatterns>,
    /// Microseconds between two looks.
    pub every: Option<Micros>,
    /// Whether it looks.
    pub enabled: Option<bool>,
    /// SHA-256 of what senders of notifications present.
    pub secret: Option<&'a [u8; 32]>,
}

#[derive(FromRow)]
struct WatchRecord {
    id: i64,
    project_id: i64,
    name: String,
    registry: String,
    repository: String,
    include: String,
    exclude: String,
    environments: String,
    every: i64,
    enabled: bool,
    owner: String,
    created_at: i64,
    next_at: i64,
    position: Option<String>,
    looked_at: Option<i64>,
    found: i32,
    submitted: i32,
    cut: bool,
    failures: i32,
    error_code: Option<String>,
    error: Option<String>,
}

macro_rules! select_watch {
    ($rest:literal) => {
        concat!(
            "select id, project_id, name, registry, repository, include, exclude, environments, every, enabled, owner,
             created_at, next_at, position, looked_at, found, submitted, cut, failures, error_code, error from watch ",
            $rest
        )
    };
}
use select_watch;

impl WatchRecord {
    fn into_watch(self) -> Result<Watch, StoreError> {
        let list = |text: &str| serde_json::from_str(text).map_err(|_| StoreError::Value("list of a watch"));
        let count = |value: i32| u32::try_from(value).unwrap_or(0);
        Ok(Watch {
            what: WatchPatterns {
                registry: self.registry,
                repository: self.repository,
                include: list(&self.include)?,
                exclude: list(&self.exclude)?,
                environments: list(&self.environments)?,
            },
            id: self.id,
            project_id: self.project_id,
            name: self.name,
            every: self.every,
            enabled: self.enabled,
            owner: self.owner,
            created_at: self.created_at,
            next_at: self.next_at,
            position: self.position,
            looked_at: self.looked_at,
            found: count(self.found),
            submitted: count(self.submitted),
            cut: self.cut,
            failures: count(self.failures),
            error_code: self.error_code,
            error: self.error,
        })
    }
}

/// The lists of a watch as they are stored.
fn lists(what: &WatchPatterns) -> Result<[String; 3], StoreError> {
    let text =
        |list: &[String]| serde_json::to_string(list).map_err(|_| StoreError::Value("list of a watch"));
    Ok([text(&what.include)?, text(&what.exclude)?, text(&what.environments)?])
}

impl Store {
    /// Makes a watch, which looks at once: its number.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when its project has one of that name; [`StoreError::NotFound`] when there is no such
    /// project.
    pub async fn create_watch(
        &self,
        watch: &NewWatch<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let [include, exclude, environments] = lists(watch.what)?;
        let mut tx = self.begin().await?;
        project::require(&mut tx, watch.project).await?;
        let sql = "insert into watch (project_id, name, registry, repository, include, exclude, environments, every,
                   enabled, secret, owner, created_at, next_at)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
                   on conflict (project_id, name) do nothing returning id";
        let made: Option<(i64,)> = maybe!(
            &mut tx,
            sql,
            watch.project,
            watch.name,
            watch.what.registry.as_str(),
            watch.what.repository.as_str(),
            include.as_str(),
            exclude.as_str(),
            environments.as_str(),
            watch.every,
            watch.enabled,
            watch.secret.as_slice(),
            watch.owner,
            now,
        )?;
        let Some((id,)) = made else { return Err(StoreError::Exists("a watch")) };
        event::append(&mut tx, event, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Changes a watch; it looks at once afterwards, unless only its name or its secret changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such watch; [`StoreError::Exists`] when another has the name.
    pub async fn change_watch(
        &self,
        id: i64,
        change: &WatchChange<'_>,
        event: &NewEvent<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // On PostgreSQL this also takes the row.
        if execute!(&mut tx, "update watch set name = name where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("watch"));
        }
        if let Some(name) = change.name {
            let renamed = execute!(&mut tx, "update watch set name = $1 where id = $2", name, id);
            renamed.map_err(|error| match error {
                error if error.is_duplicate() => StoreError::Exists("a watch"),
                error => error,
            })?;
        }
        if let Some(what) = change.what {
            let [include, exclude, environments] = lists(what)?;
            let sql = "update watch set registry = $1, repository = $2, include = $3, exclude = $4,
                       environments = $5, position = null where id = $6";
            let (registry, repository) = (what.registry.as_str(), what.repository.as_str());
            let lists = (include.as_str(), exclude.as_str(), environments.as_str());
            execute!(&mut tx, sql, registry, repository, lists.0, lists.1, lists.2, id)?;
            execute!(&mut tx, "delete from watch_tag where watch_id = $1", id)?;
        }
        if let Some(every) = change.every {
            execute!(&mut tx, "update watch set every = $1 where id = $2", every, id)?;
        }
        if let Some(enabled) = change.enabled {
            execute!(&mut tx, "update watch set enabled = $1 where id = $2", enabled, id)?;
        }
        if let Some(secret) = change.secret {
            execute!(&mut tx, "update watch set secret = $1 where id = $2", secret.as_slice(), id)?;
        }
        if change.what.is_some() || change.every.is_some() || change.enabled == Some(true) {
            let sql =
                "update watch set next_at = $1, failures = 0, error_code = null, error = null where id = $2";
            execute!(&mut tx, sql, now, id)?;
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Lets a watch look at the next opportunity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such watch.
    pub async fn hasten_watch(&self, id: i64, event: &NewEvent<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "update watch set next_at = $1 where id = $2", now, id)? == 0 {
            return Err(StoreError::NotFound("watch"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// Takes a watch away; the images that it found stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such watch.
    pub async fn delete_watch(&self, id: i64, event: &NewEvent<'_>, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if execute!(&mut tx, "delete from watch where id = $1", id)? == 0 {
            return Err(StoreError::NotFound("watch"));
        }
        event::append(&mut tx, event, now).await?;
        tx.commit().await
    }

    /// One watch.
    pub async fn watch(&self, id: i64) -> Result<Option<Watch>, StoreError> {
        let record: Option<WatchRecord> = read_maybe!(self, select_watch!("where id = $1"), id)?;
        record.map(WatchRecord::into_watch).transpose()
    }

    /// SHA-256 of what senders of notifications present to a watch.
    pub async fn watch_secret(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let secret: Option<(Vec<u8>,)> = read_maybe!(self, "select secret from watch where id = $1", id)?;
        Ok(secret.map(|(secret,)| secret))
    }

    /// Watches by number, those after one.
    pub async fn watches(&self, scope: &Scope, after: i64, limit: u32) -> Result<Vec<Watch>, StoreError> {
        let records: Vec<WatchRecord> = read!(self, c => {
            let mut query = sqlx::QueryBuilder::new(select_watch!("where id > "));
            query.push_bind(after);
            if let Some(projects) = scope.projects() {
                image::push_in(&mut query, " and project_id in (", projects);
            }
            query.push(" order by id limit ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(c).await
        })?;
        records.into_iter().map(WatchRecord::into_watch).collect()
    }
}
