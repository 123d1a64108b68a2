//! Findings follow their advisories: from the names that a new shard speaks of otherwise to the components, and
//! from those to the counts of all images that have them. No image is pulled, and no step holds the writer long.

use std::collections::{BTreeMap, BTreeSet};

use model::{ChangeReason, Component, Finding};

use crate::{
    Micros,
    content::to_json,
    db::{Store, Tx, execute, maybe, read_maybe, read_rows, rows},
    error::StoreError,
    findings::{self, NewFinding},
    outbox,
    pack::id_list,
};

/// Images whose counts are renewed in one transaction.
const BATCH: i64 = 500;
/// Sets that are counted in one transaction.
const SETS: i64 = 100;

/// A shard as it was matched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardVersion {
    /// Its name.
    pub shard: String,
    /// Its digest.
    pub digest: String,
    /// When it was built: RFC 3339.
    pub built: String,
}

/// At which advisories the findings of a shard stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardState {
    /// Where they stand.
    pub at: ShardVersion,
    /// Digest of those that they are being moved to.
    pub target: Option<String>,
    /// When they last moved.
    pub changed_at: Micros,
}

/// What one component's findings are now.
#[derive(Clone, Debug)]
pub struct ComponentChange {
    /// The component.
    pub component: i64,
    /// All its findings, by the new advisories.
    pub findings: Vec<Finding>,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rematched {
    /// Findings that came, by their numbers.
    pub opened: Vec<i64>,
    /// Findings that went.
    pub closed: Vec<i64>,
}

/// Checks that what was matched with a shard may be stored beside what is stored already.
pub(crate) async fn agree(tx: &mut Tx, matched: &ShardVersion, now: Micros) -> Result<(), StoreError> {
    let sql = "insert into shard_state (shard, digest, built, changed_at) values ($1, $2, $3, $4) on conflict do nothing";
    execute!(tx, sql, matched.shard.as_str(), matched.digest.as_str(), matched.built.as_str(), now)?;
    let sql = tx.sql(
        "select digest, target from shard_state where shard = $1",
        "select digest, target from shard_state where shard = $1 for share",
    );
    let state: Option<(String, Option<String>)> = maybe!(tx, sql, matched.shard.as_str())?;
    match state {
        // While findings are moved, new ones are taken at the target only: the old would be moved by nobody.
        Some((digest, None)) if digest == matched.digest => Ok(()),
        Some((_, Some(target))) if target == matched.digest => Ok(()),
        _ => Err(StoreError::ShardMoved(matched.shard.clone())),
    }
}

impl Store {
    /// At which advisories the findings stand, by shard.
    pub async fn shard_states(&self) -> Result<Vec<ShardState>, StoreError> {
        let sql = "select shard, digest, built, target, changed_at from shard_state order by shard";
        let states: Vec<(String, String, String, Option<String>, i64)> = read_rows!(self, sql)?;
        Ok(states
            .into_iter()
            .map(|(shard, digest, built, target, changed_at)| ShardState {
                at: ShardVersion { shard, digest, built },
                target,
                changed_at,
            })
            .collect())
    }

    /// Begins to move the findings of a shard to other advisories. Scans that were matched with the old ones are
    /// refused from now on.
    pub async fn begin_rematch(&self, to: &ShardVersion, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update shard_state set target = $1, target_built = $2, changed_at = $3 where shard = $4";
        execute!(&mut tx, sql, to.digest.as_str(), to.built.as_str(), now, to.shard.as_str())?;
        tx.commit().await
    }

    /// Ends it: the findings stand at the target now.
    pub async fn finish_rematch(&self, to: &ShardVersion, now: Micros) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update shard_state set digest = $1, built = $2, target = null, target_built = null, changed_at = $3
                   where shard = $4 and target = $1";
        execute!(&mut tx, sql, to.digest.as_str(), to.built.as_str(), now, to.shard.as_str())?;
        tx.commit().await
    }

    /// Components of a shard that are looked up by these names, or all of them; by number, those after one.
    pub async fn components_to_match(
        &self,
        shard: &str,
        names: Option<&[String]>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Component)>, StoreError> {
        let limit = i64::from(limit);
        let found: Vec<(i64, String)> = match names {
            None => {
                let sql = "select id, body from component where id in (
                               select distinct component_id from component_name where shard = $1 and component_id > $2
                               order by component_id limit $3) order by id";
                read_rows!(self, sql, shard, after, limit)?
            }
            Some(names) => {
                let sql = self.sql(
                    "select id, body from component where id in (
                         select component_id from component_name
                         where shard = $1 and name in (select value from json_each($2)))
                     and id > $3 order by id limit $4",
                    "select id, body from component where id in (
                         select component_id from component_name
                         where shard = $1 and name in (select value from json_array_elements_text($2::json)))
                     and id > $3 order by id limit $4",
                );
                read_rows!(self, sql, shard, to_json(names)?, after, limit)?
            }
        };
        found
            .into_iter()
            .map(|(id, body)| {
                let component = serde_json::from_str(&body).map_err(|_| StoreError::Value("component"))?;
                Ok((id, component))
            })
            .collect()
    }

    /// The open findings of components: component, number, finding.
    pub async fn open_findings(&self, components: &[i64]) -> Result<Vec<(i64, i64, Finding)>, StoreError> {
        let sql = self.sql(
            "select component_id, id, body from finding where closed_at is null
             and component_id in (select value from json_each($1))",
            "select component_id, id, body from finding where closed_at is null
             and component_id in (select value::bigint from json_array_elements_text($1::json))",
        );
        let open: Vec<(i64, i64, String)> = read_rows!(self, sql, id_list(components.iter().copied()))?;
        open.into_iter()
            .map(|(component, id, body)| {
                let finding = serde_json::from_str(&body).map_err(|_| StoreError::Value("finding"))?;
                Ok((component, id, finding))
            })
            .collect()
    }

    /// Puts the findings of some components in the place of those that are open, where they differ. Counts follow
    /// with [`Self::mark_sets`] and [`Self::recount_set`], also after a crash between. Each component stands in
    /// `changes` once at most.
    pub async fn change_findings(
        &self,
        shard: &str,
        target: &str,
        changes: &[ComponentChange],
        now: Micros,
    ) -> Result<Rematched, StoreError> {
        let mut tx = self.begin().await?;
        // Taken so that no scan stores components of this shard meanwhile, and only while this is the target.
        let sql = "update shard_state set changed_at = $1 where shard = $2 and target = $3";
        if execute!(&mut tx, sql, now, shard, target)? == 0 {
            return Err(StoreError::ShardMoved(shard.to_owned()));
        }
        let done = replace_findings(&mut tx, changes, now).await?;
        outbox::note_news(&mut tx, shard, target, &done.opened).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Marks the sets of changed components as dirty, a batch at a time. False when nothing was left to mark.
    pub async fn mark_sets(&self) -> Result<bool, StoreError> {
        let next: Option<(i64,)> =
            read_maybe!(self, "select component_id from recount order by component_id limit 1")?;
        let Some((component,)) = next else { return Ok(false) };
        let mut after = 0;
        loop {
            let sql = "select set_id from set_component where component_id = $1 and set_id > $2 order by set_id limit $3";
            let sets: Vec<(i64,)> = read_rows!(self, sql, component, after, BATCH)?;
            let mut tx = self.begin().await?;
            let Some((last,)) = sets.last().copied() else {
                execute!(&mut tx, "delete from recount where component_id = $1", component)?;
                tx.commit().await?;
                return Ok(true);
            };
            after = last;
            let sql = tx.sql(
                "update component_set set dirty = dirty + 1 where id in (select value from json_each($1))",
                "update component_set set dirty = dirty + 1 where id in (
                     select id from component_set
                     where id in (select value::bigint from json_array_elements_text($1::json)) order by id for update)",
            );
            execute!(&mut tx, sql, id_list(sets.into_iter().map(|(id,)| id)))?;
            tx.commit().await?;
        }
    }

    /// Counts the next dirty sets and their images anew, a batch at a time. `None` when no set is dirty; else how many
    /// images it concerned.
    pub async fn recount_set(&self, now: Micros) -> Result<Option<u64>, StoreError> {
        let sql = "select id, dirty, images from component_set where dirty > 0 order by id limit $1";
        let mut dirty: Vec<(i64, i32, i32)> = read_rows!(self, sql, SETS)?;
        let mut sum = 0;
        let few = dirty.iter().take_while(|(_, _, images)| {
            sum += i64::from(*images);
            sum <= BATCH
        });
        let few = few.count();
        dirty.truncate(few.max(1));
        let seen: Vec<(i64, i32)> = dirty.iter().map(|(id, dirty, _)| (*id, *dirty)).collect();
        let sets: Vec<i64> = seen.iter().map(|(id, _)| *id).collect();
        match (few, sets.as_slice()) {
            (_, []) => Ok(None),
            (0, [set, ..]) => self.recount_large(*set, &seen, now).await.map(Some),
            _ => self.recount_small(&sets, &seen, now).await.map(Some),
        }
    }

    /// Counts sets that few images have.
    async fn recount_small(&self, sets: &[i64], seen: &[(i64, i32)], now: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        hold_sets(&mut tx, sets).await?;
        findings::count_sets(&mut tx, sets).await?;
        let sql = tx.sql(
            "select distinct image_id from image_set where set_id in (select value from json_each($1)) order by image_id",
            "select distinct image_id from image_set
             where set_id in (select value::bigint from json_array_elements_text($1::json)) order by image_id",
        );
        let images: Vec<(i64,)> = rows!(&mut tx, sql, id_list(sets.iter().copied()))?;
        let counted = u64::try_from(images.len()).unwrap_or(0);
        recount_images(&mut tx, &id_list(images.into_iter().map(|(id,)| id)), now).await?;
        clean(&mut tx, seen).await?;
        tx.commit().await?;
        Ok(counted)
    }

    /// Counts a set that many images have, in several transactions: it stays dirty until the last.
    async fn recount_large(&self, set: i64, seen: &[(i64, i32)], now: Micros) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        findings::count_sets(&mut tx, &[set]).await?;
        tx.commit().await?;
        let (mut project, mut image, mut counted) = (0, 0, 0);
        loop {
            let sql = "select project_id, image_id from image_set where set_id = $1 and (project_id, image_id) > ($2, $3)
                       order by project_id, image_id limit $4";
            let images: Vec<(i64, i64)> = read_rows!(self, sql, set, project, image, BATCH)?;
            let mut tx = self.begin().await?;
            let Some(last) = images.last().copied() else {
                clean(&mut tx, seen).await?;
                tx.commit().await?;
                return Ok(counted);
            };
            (project, image) = last;
            counted += u64::try_from(images.len()).unwrap_or(0);
            recount_images(&mut tx, &id_list(images.into_iter().map(|(_, id)| id)), now).await?;
            tx.commit().await?;
        }
    }

    /// The reference and project of an image that has a component, for the text of a notification.
    pub async fn first_image_with(&self, component: i64) -> Result<Option<(i64, String)>, StoreError> {
        let sql = "select i.id, i.reference from set_component s join image_set m on m.set_id = s.set_id
                   join image i on i.id = m.image_id where s.component_id = $1 limit 1";
        read_maybe!(self, sql, component)
    }
}

/// Takes the rows of sets in the order in which others take them.
pub(crate) async fn hold_sets(tx: &mut Tx, sets: &[i64]) -> Result<(), StoreError> {
    if tx.is_alone() {
        return Ok(());
    }
    let sql = "select count(*) from (select id from component_set
               where id in (select value::bigint from json_array_elements_text($1::json)) order by id for update) held";
    let _: Option<(i64,)> = maybe!(tx, sql, id_list(sets.iter().copied()))?;
    Ok(())
}

/// Counts of sets are right, unless they were marked again since they were seen.
async fn clean(tx: &mut Tx, seen: &[(i64, i32)]) -> Result<(), StoreError> {
    let sql = tx.sql(
        "update component_set set dirty = 0 from json_each($1) j
         where component_set.id = j.value ->> 0 and component_set.dirty = j.value ->> 1",
        "update component_set set dirty = 0 from json_array_elements($1::json) j
         where component_set.id = (j.value ->> 0)::bigint and component_set.dirty = (j.value ->> 1)::integer",
    );
    execute!(tx, sql, to_json(seen)?)?;
    Ok(())
}

/// Adds the counts of their sets up for some images, and writes those that changed. The rank is `Facets::risk`, in
/// SQL.
async fn recount_images(tx: &mut Tx, images: &str, now: Micros) -> Result<(), StoreError> {
    if !tx.is_alone() {
        // Taken before their sets are read: who waits for another that counts the same images then sees what it saw.
        let sql = "select count(*) from (select id from image
                   where id in (select value::bigint from json_array_elements_text($1::json)) order by id for update) held";
        let _: Option<(i64,)> = maybe!(tx, sql, images)?;
    }
    let sql = tx.sql(
        "update image set critical = t.critical, high = t.high, medium = t.medium, low = t.low,
             negligible = t.negligible, unknown = t.unknown, fixable = t.fixable, changed_at = $2,
             risk = min(t.critical, 4095) * 2251799813685248 + min(t.high, 8191) * 274877906944
                  + min(t.medium, 8191) * 33554432 + min(t.low, 8191) * 4096 + min(t.negligible + t.unknown, 4095)
         from (select m.image_id, sum(s.critical) as critical, sum(s.high) as high, sum(s.medium) as medium,
                   sum(s.low) as low, sum(s.negligible) as negligible, sum(s.unknown) as unknown, sum(s.fixable) as fixable
               from image_set m join component_set s on s.id = m.set_id
               where m.image_id in (select value from json_each($1)) group by m.image_id) t
         where image.id = t.image_id and (image.critical, image.high, image.medium, image.low, image.negligible,
             image.unknown, image.fixable) <> (t.critical, t.high, t.medium, t.low, t.negligible, t.unknown, t.fixable)",
        "update image set critical = t.critical, high = t.high, medium = t.medium, low = t.low,
             negligible = t.negligible, unknown = t.unknown, fixable = t.fixable, changed_at = $2,
             risk = least(t.critical, 4095) * 2251799813685248 + least(t.high, 8191) * 274877906944
                  + least(t.medium, 8191) * 33554432 + least(t.low, 8191) * 4096 + least(t.negligible + t.unknown, 4095)
         from (select m.image_id, sum(s.critical) as critical, sum(s.high) as high, sum(s.medium) as medium,
                   sum(s.low) as low, sum(s.negligible) as negligible, sum(s.unknown) as unknown, sum(s.fixable) as fixable
               from image_set m join component_set s on s.id = m.set_id
               where m.image_id in (select value::bigint from json_array_elements_text($1::json)) group by m.image_id) t
         where image.id = t.image_id and (image.critical, image.high, image.medium, image.low, image.negligible,
             image.unknown, image.fixable) <> (t.critical, t.high, t.medium, t.low, t.negligible, t.unknown, t.fixable)",
    );
    execute!(tx, sql, images, now)?;
    Ok(())
}

/// Two findings that say the same of the same component.
fn same(a: &Finding, b: &Finding) -> bool {
    let strip = |finding: &Finding| Finding { package: 0, ..finding.clone() };
    strip(a) == strip(b)
}

/// All changes at once, so that rows are taken in one order.
async fn replace_findings(
    tx: &mut Tx,
    changes: &[ComponentChange],
    now: Micros,
) -> Result<Rematched, StoreError> {
    let sql = tx.sql(
        "select f.component_id, f.id, f.vulnerability_id, v.name, f.body from finding f
         join vulnerability v on v.id = f.vulnerability_id
         where f.closed_at is null and f.component_id in (select value from json_each($1))",
        "select f.component_id, f.id, f.vulnerability_id, v.name, f.body from finding f
         join vulnerability v on v.id = f.vulnerability_id
         where f.closed_at is null and f.component_id in (select value::bigint from json_array_elements_text($1::json))",
    );
    let open: Vec<(i64, i64, i64, String, String)> =
        rows!(tx, sql, id_list(changes.iter().map(|change| change.component)))?;
    let mut fresh: BTreeMap<(i64, &str), (&Finding, ChangeReason)> = BTreeMap::new();
    for change in changes {
        for finding in &change.findings {
            fresh.entry((change.component, &finding.id)).or_insert((finding, ChangeReason::AdvisoryNew));
        }
    }
    let (mut closed, mut ended, mut touched) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (component, id, vulnerability, name, body) in &open {
        let stored: Finding = serde_json::from_str(body).map_err(|_| StoreError::Value("finding"))?;
        let key = (*component, name.as_str());
        let reason = match fresh.get_mut(&key) {
            Some((finding, _)) if same(finding, &stored) => {
                fresh.remove(&key);
                continue;
            }
            Some((_, reason)) => {
                *reason = ChangeReason::AdvisoryChanged;
                ChangeReason::AdvisoryChanged
            }
            None => ChangeReason::AdvisoryGone,
        };
        closed.push((*id, reason));
        ended.push((*vulnerability, name.as_str()));
        touched.insert(*component);
    }
    let names: BTreeSet<&str> =
        ended.iter().map(|(_, name)| *name).chain(fresh.keys().map(|(_, name)| *name)).collect();
    if names.is_empty() {
        return Ok(Rematched::default());
    }
    findings::hold_vulnerabilities(tx, &names.into_iter().collect::<Vec<_>>()).await?;
    findings::close(tx, &closed, now).await?;
    let new: Vec<NewFinding<'_>> = fresh
        .iter()
        .map(|((component, _), (finding, reason))| NewFinding {
            component: *component,
            finding,
            reason: *reason,
        })
        .collect();
    let opened = findings::open(tx, &new, now).await?;
    let ended: BTreeSet<i64> = ended.into_iter().map(|(id, _)| id).collect();
    findings::rate(tx, &ended.into_iter().collect::<Vec<_>>()).await?;
    touched.extend(fresh.keys().map(|(component, _)| *component));
    let sql = tx.sql(
        "insert into recount (component_id) select value from json_each($1) where true on conflict do nothing",
        "insert into recount (component_id) select value::bigint from json_array_elements_text($1::json)
         on conflict do nothing",
    );
    execute!(tx, sql, id_list(touched))?;
    Ok(Rematched { opened, closed: closed.into_iter().map(|(id, _)| id).collect() })
}
