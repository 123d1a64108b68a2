//! One look of a watch: whose turn it is, what it knew of the tags, and what came of it.

use std::collections::HashSet;

use super::{Watch, WatchRecord, select_watch};
use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read_maybe, read_rows, row, rows},
    error::StoreError,
};

/// Watches that are tried for a turn at once.
const CANDIDATES: i64 = 50;

/// The right to look into a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchTurn {
    /// Who looks.
    pub watch: Watch,
    /// Which claim this is.
    fence: i64,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, Default)]
pub struct LookOutcome<'a> {
    /// When the watch looks next.
    pub next_at: Micros,
    /// Tags that were looked at.
    pub found: u32,
    /// Scans that were asked for.
    pub submitted: u32,
    /// Where it stopped: `REPOSITORY:TAG`; `None` when it came to its end.
    pub position: Option<&'a str>,
    /// Whether it left tags for the next look.
    pub cut: bool,
    /// Whether it came to nothing, or was broken off.
    pub failed: bool,
    /// What went wrong, also with a part of it only: a stable code, and a text.
    pub error: Option<(&'a str, &'a str)>,
}

impl Store {
    /// Takes the turn of the watch that should have looked first, into a registry that nobody looks into; of one
    /// watch alone, whenever it looks next.
    pub async fn claim_watch(
        &self,
        only: Option<i64>,
        until: Micros,
        now: Micros,
    ) -> Result<Option<WatchTurn>, StoreError> {
        if only.is_none() {
            // Most of the time nothing is due, and nobody need wait for the writer to learn that.
            let sql = "select id from watch where enabled and next_at <= $1 order by next_at limit 1";
            let due: Option<(i64,)> = read_maybe!(self, sql, now)?;
            if due.is_none() {
                return Ok(None);
            }
        }
        let mut tx = self.begin().await?;
        let sql = select_watch!(
            "where ((enabled and next_at <= $1 and $2 is null) or id = $2)
             and not exists (select 1 from watch_turn t where t.registry = watch.registry and t.until > $1)
             order by next_at, id limit $3"
        );
        let records: Vec<WatchRecord> = rows!(&mut tx, sql, now, only, CANDIDATES)?;
        for record in records {
            // Two who try at once wait here for one another, and the second finds it taken.
            let sql = "insert into watch_turn (registry, fence, until) values ($1, 1, $2)
                       on conflict (registry) do update set fence = watch_turn.fence + 1, until = excluded.until
                       where watch_turn.until <= $3 returning fence";
            let taken: Option<(i64,)> = maybe!(&mut tx, sql, record.registry.as_str(), until, now)?;
            let Some((fence,)) = taken else { continue };
            tx.commit().await?;
            return Ok(Some(WatchTurn { watch: record.into_watch()?, fence }));
        }
        Ok(None)
    }

    /// Keeps a turn. False when it was given to another.
    pub async fn keep_watch_turn(&self, turn: &WatchTurn, until: Micros) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update watch_turn set until = $1 where registry = $2 and fence = $3";
        let kept = execute!(&mut tx, sql, until, turn.watch.what.registry.as_str(), turn.fence)?;
        tx.commit().await?;
        Ok(kept > 0)
    }

    /// Gives all turns back: for the only process of a store, when it begins.
    pub async fn free_watch_turns(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, "update watch_turn set until = 0")?;
        tx.commit().await
    }

    /// Forgets the tags of all repositories but these, which must be all that there are.
    ///
    /// # Errors
    /// As of [`Self::remember_tags`].
    pub async fn forget_repositories_but(
        &self,
        turn: &WatchTurn,
        there: &[String],
    ) -> Result<(), StoreError> {
        let sql = "select distinct repository from watch_tag where watch_id = $1";
        let known: Vec<(String,)> = read_rows!(self, sql, turn.watch.id)?;
        let there: HashSet<&str> = there.iter().map(String::as_str).collect();
        let gone: Vec<String> =
            known.into_iter().map(|(name,)| name).filter(|name| !there.contains(name.as_str())).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        hold(&mut tx, turn).await?;
        for repository in &gone {
            let sql = "delete from watch_tag where watch_id = $1 and repository = $2";
            execute!(&mut tx, sql, turn.watch.id, repository.as_str())?;
        }
        tx.commit().await
    }

    /// What the tags of a repository led to, by tag.
    pub async fn watched_tags(
        &self,
        watch: i64,
        repository: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "select tag, digest from watch_tag where watch_id = $1 and repository = $2 order by tag";
        read_rows!(self, sql, watch, repository)
    }

    /// What a tag led to when a look asked last.
    pub async fn watched_tag(
        &self,
        watch: i64,
        repository: &str,
        tag: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = "select digest from watch_tag where watch_id = $1 and repository = $2 and tag = $3";
        let digest: Option<(String,)> = read_maybe!(self, sql, watch, repository, tag)?;
        Ok(digest.map(|(digest,)| digest))
    }

    /// Writes down what tags lead to now.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the turn was given to another, or the watch looks at something else by now.
    pub async fn remember_tags(
        &self,
        turn: &WatchTurn,
        repository: &str,
        tags: &[(String, String)],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, turn).await?;
        for (tag, digest) in tags {
            let sql = "insert into watch_tag (watch_id, repository, tag, digest) values ($1, $2, $3, $4)
                       on conflict (watch_id, repository, tag) do update set digest = excluded.digest";
            execute!(&mut tx, sql, turn.watch.id, repository, tag.as_str(), digest.as_str())?;
        }
        tx.commit().await
    }

    /// Forgets tags that are gone.
    ///
    /// # Errors
    /// As of [`Self::remember_tags`].
    pub async fn forget_tags(
        &self,
        turn: &WatchTurn,
        repository: &str,
        tags: &[String],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, turn).await?;
        for tag in tags {
            let sql = "delete from watch_tag where watch_id = $1 and repository = $2 and tag = $3";
            execute!(&mut tx, sql, turn.watch.id, repository, tag.as_str())?;
        }
        tx.commit().await
    }

    /// Ends a look and gives the turn back. What a person changed meanwhile stays: then it looks again at once.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the turn was given to another.
    pub async fn finish_look(
        &self,
        turn: &WatchTurn,
        outcome: &LookOutcome<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let free = "update watch_turn set until = 0 where registry = $1 and fence = $2";
        if execute!(&mut tx, free, turn.watch.what.registry.as_str(), turn.fence)? == 0 {
            return Err(StoreError::Lost);
        }
        let count = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let sql = "update watch set next_at = $1, looked_at = $2, found = $3, submitted = $4, position = $5, cut = $6,
                   failures = case when $7 then failures + 1 else 0 end, error_code = $8, error = $9
                   where id = $10 and next_at = $11";
        execute!(
            &mut tx,
            sql,
            outcome.next_at,
            now,
            count(outcome.found),
            count(outcome.submitted),
            outcome.position,
            outcome.cut,
            outcome.failed,
            outcome.error.map(|(code, _)| code),
            outcome.error.map(|(_, text)| text),
            turn.watch.id,
            turn.watch.next_at,
        )?;
        tx.commit().await
    }

    /// Adds environments to the images of scans; those that are there stay.
    pub async fn add_environments(
        &self,
        scans: &[uuid::Uuid],
        environments: &[String],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for name in environments {
            let sql = "insert into environment (name) values ($1) on conflict (name) do update set name = excluded.name
                       returning id";
            let (environment,): (i64,) = row!(&mut tx, sql, name.as_str())?;
            for scan in scans {
                let sql = "insert into image_environment (environment_id, image_id)
                           select $1, image_id from scan where id = $2 on conflict do nothing";
                execute!(&mut tx, sql, environment, *scan)?;
            }
        }
        tx.commit().await
    }
}

/// Whether the turn still counts, and the watch still looks at what it did when the turn was taken.
async fn hold(tx: &mut Tx, turn: &WatchTurn) -> Result<(), StoreError> {
    let sql = tx.sql(
        "select 1 from watch_turn where registry = $1 and fence = $2",
        "select 1 from watch_turn where registry = $1 and fence = $2 for update",
    );
    let held: Option<(i32,)> = maybe!(tx, sql, turn.watch.what.registry.as_str(), turn.fence)?;
    held.ok_or(StoreError::Lost)?;
    let sql = tx.sql(select_watch!("where id = $1"), select_watch!("where id = $1 for update"));
    let record: Option<WatchRecord> = maybe!(tx, sql, turn.watch.id)?;
    let now = record.map(WatchRecord::into_watch).transpose()?;
    if now.is_some_and(|now| now.what == turn.watch.what) { Ok(()) } else { Err(StoreError::Lost) }
}
