//! What images contain: inventories as documents, and their components, interned.

mod bulk;

use std::collections::{BTreeMap, HashMap};

use model::{Component, Finding, ScanStatus};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Micros,
    db::{Store, Tx, execute, maybe, read_maybe, row, rows},
    error::StoreError,
    findings::{self, NewFinding},
    pack::{compress, decompress, hex, id_list},
    queue::{self, Claimed, NewJob},
    rematch::ShardVersion,
};

/// An inventory to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewInventory<'a> {
    /// Digest of the platform's manifest, or of the archive where there is none.
    pub digest: &'a str,
    /// Versions of the analyzers, and the parameters, that it was made with.
    pub analyzers: &'a str,
    /// Stored bytes of the layers.
    pub size: u64,
    /// How many packages it has.
    pub packages: usize,
    /// The distribution, for people.
    pub distro: Option<&'a str>,
    /// The document: JSON.
    pub body: &'a [u8],
}

/// A stored inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInventory {
    /// Its number.
    pub id: i64,
    /// Digest of what it was read from.
    pub digest: String,
    /// Versions of the analyzers.
    pub analyzers: String,
    /// When it was read.
    pub created_at: Micros,
    /// The document: JSON.
    pub body: Vec<u8>,
}

/// What one match found of one inventory.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The inventory.
    pub inventory: i64,
    /// Its components, each once.
    pub components: &'a [Component],
    /// Which of them each layer brought: indexes into `components`, each in one set only.
    pub sets: &'a [Vec<usize>],
    /// What is wrong with them: index into `components`, finding.
    pub findings: &'a [(usize, Finding)],
    /// The advisories that were looked at.
    pub shards: &'a [ShardVersion],
}

#[derive(Serialize)]
struct ComponentParameter<'a> {
    key: String,
    kind: &'a str,
    name: &'a str,
    version: &'a str,
    shard: Option<&'a str>,
    body: String,
}

#[derive(Serialize)]
struct NameParameter<'a> {
    shard: &'a str,
    name: &'a str,
    id: i64,
}

impl Store {
    /// The inventory of a digest by those analyzers: its number, and whether it was matched.
    pub async fn find_inventory(&self, digest: &str, analyzers: &str) -> Result<Option<i64>, StoreError> {
        let sql = "select id from inventory where digest = $1 and analyzers = $2";
        let found: Option<(i64,)> = read_maybe!(self, sql, digest, analyzers)?;
        Ok(found.map(|(id,)| id))
    }

    /// One inventory.
    pub async fn inventory(&self, id: i64) -> Result<Option<StoredInventory>, StoreError> {
        let sql = "select digest, analyzers, created_at, body from inventory where id = $1";
        let found: Option<(String, String, i64, Vec<u8>)> = read_maybe!(self, sql, id)?;
        let Some((digest, analyzers, created_at, body)) = found else { return Ok(None) };
        Ok(Some(StoredInventory { id, digest, analyzers, created_at, body: decompress(&body)? }))
    }

    /// Ends the look-up of a reference: its digest is known, and so is what to do next.
    pub async fn finish_resolve(
        &self,
        job: &Claimed,
        digest: &str,
        inventory: Option<i64>,
        next: &NewJob<'_>,
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "update scan set digest = $1, inventory_id = $2 where job_id = $3";
        execute!(&mut tx, sql, digest, inventory, job.id)?;
        let sql = "update image set digest = $1 where id in (select image_id from scan where job_id = $2)";
        execute!(&mut tx, sql, digest, job.id)?;
        queue::hand_over(&mut tx, job, next, now).await?;
        tx.commit().await
    }

    /// Stores an inventory outside any job: of a file that a failed job left.
    pub async fn import_inventory(
        &self,
        inventory: &NewInventory<'_>,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = insert_inventory(&mut tx, inventory, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Ends the reading of an image: stores its inventory, and lets those who wait for it wait for its match.
    /// `next` is told the inventory's number.
    pub async fn finish_index(
        &self,
        job: &Claimed,
        inventory: &NewInventory<'_>,
        next: impl FnOnce(i64) -> (String, [u8; 16]) + Send,
        now: Micros,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let id = insert_inventory(&mut tx, inventory, now).await?;
        let (payload, key) = next(id);
        let next = NewJob {
            kind: model::JobKind::Match,
            key,
            class: job.class,
            repository: &job.repository,
            weight: 0,
            max_attempts: job.max_attempts,
            payload: &payload,
            sealed: None,
        };
        execute!(&mut tx, "update scan set inventory_id = $1 where job_id = $2", id, job.id)?;
        queue::hand_over(&mut tx, job, &next, now).await?;
        // The work goes on: nobody is put back into the queue for the second half of it.
        let sql = "update scan set status = $1 where inventory_id = $2 and status = $3
                   and job_id = (select id from job where key = $4)";
        let (running, pending) = (ScanStatus::Running.code(), ScanStatus::Pending.code());
        execute!(&mut tx, sql, running, id, pending, key.as_slice())?;
        tx.commit().await?;
        Ok(id)
    }
}

async fn insert_inventory(tx: &mut Tx, inventory: &NewInventory<'_>, now: Micros) -> Result<i64, StoreError> {
    let sql = "insert into inventory (digest, analyzers, created_at, size, packages, distro, body)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (digest, analyzers) do update set digest = excluded.digest returning id";
    let (id,): (i64,) = row!(
        tx,
        sql,
        inventory.digest,
        inventory.analyzers,
        now,
        i64::try_from(inventory.size).unwrap_or(i64::MAX),
        i32::try_from(inventory.packages).unwrap_or(i32::MAX),
        inventory.distro,
        compress(inventory.body)?,
    )?;
    Ok(id)
}

/// Stores the components of an inventory that was never matched, with what is wrong with those that are new.
pub(crate) async fn intern(tx: &mut Tx, content: &Content<'_>, now: Micros) -> Result<(), StoreError> {
    let (ids, new) = intern_components(tx, content.components).await?;
    let found: Vec<NewFinding<'_>> = content
        .findings
        .iter()
        .filter_map(|(component, finding)| {
            let id = *ids.get(*component)?;
            let reason = model::ChangeReason::ComponentNew;
            new.contains_key(&id).then_some(NewFinding { component: id, finding, reason })
        })
        .collect();
    findings::open(tx, &found, now).await?;
    intern_sets(tx, content, &ids).await?;
    execute!(tx, "update inventory set matched = true where id = $1", content.inventory)?;
    Ok(())
}

/// Numbers of components in their order, and those that were not there before with their index.
async fn intern_components(
    tx: &mut Tx,
    components: &[Component],
) -> Result<(Vec<i64>, BTreeMap<i64, usize>), StoreError> {
    let keys: Vec<String> = components.iter().map(|component| hex(&component.key)).collect();
    let mut known = known_components(tx, &keys).await?;
    let mut new = BTreeMap::new();
    let mut missing: Vec<(usize, ComponentParameter<'_>)> = Vec::new();
    for (idx, component) in components.iter().enumerate() {
        if !known.contains_key(component.key.as_slice()) {
            missing.push((idx, parameter(component)?));
        }
    }
    if !missing.is_empty() {
        // In one order everywhere, so that two writers wait for each other at most once.
        missing.sort_by(|a, b| a.1.key.cmp(&b.1.key));
        let inserted = insert_components(tx, &missing).await?;
        let by_key: HashMap<&str, usize> = missing.iter().map(|(idx, p)| (p.key.as_str(), *idx)).collect();
        for (id, key) in inserted {
            if let Some(idx) = by_key.get(hex(&key).as_str()) {
                new.insert(id, *idx);
            }
            known.insert(key, id);
        }
        if missing.iter().any(|(idx, _)| !known.contains_key(components[*idx].key.as_slice())) {
            known = known_components(tx, &keys).await?;
        }
        insert_names(tx, components, &new).await?;
    }
    let ids = components
        .iter()
        .map(|component| {
            known.get(component.key.as_slice()).copied().ok_or(StoreError::NotFound("component"))
        })
        .collect::<Result<_, _>>()?;
    Ok((ids, new))
}

fn parameter(component: &Component) -> Result<ComponentParameter<'_>, StoreError> {
    Ok(ComponentParameter {
        key: hex(&component.key),
        kind: component.package.kind.as_str(),
        name: &component.package.name,
        version: &component.package.version,
        shard: component.shard.as_deref(),
        body: serde_json::to_string(component).map_err(|_| StoreError::Value("component"))?,
    })
}

async fn known_components(tx: &mut Tx, keys: &[String]) -> Result<HashMap<Vec<u8>, i64>, StoreError> {
    let sql = tx.sql(
        "select id, key from component where key in (select unhex(value) from json_each($1))",
        "select id, key from component where key in (select decode(value, 'hex') from json_array_elements_text($1::json))",
    );
    let known: Vec<(i64, Vec<u8>)> = rows!(tx, sql, to_json(&keys)?)?;
    Ok(known.into_iter().map(|(id, key)| (key, id)).collect())
}

async fn insert_components(
    tx: &mut Tx,
    missing: &[(usize, ComponentParameter<'_>)],
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let list: Vec<&ComponentParameter<'_>> = missing.iter().map(|(_, parameter)| parameter).collect();
    let list = to_json(&list)?;
    let sql = tx.sql(
        "insert into package (kind, name) select distinct value ->> 'kind', value ->> 'name' from json_each($1)
         where true on conflict do nothing",
        "insert into package (kind, name) select distinct kind, name
         from json_to_recordset($1::json) as c (kind text, name text) order by name, kind on conflict do nothing",
    );
    execute!(tx, sql, list.as_str())?;
    let sql = tx.sql(
        "insert into component (key, package_id, version, shard, body)
         select unhex(c.value ->> 'key'), p.id, c.value ->> 'version', c.value ->> 'shard', c.value ->> 'body'
         from json_each($1) c join package p on p.name = c.value ->> 'name' and p.kind = c.value ->> 'kind'
         where true on conflict do nothing returning id, key",
        "insert into component (key, package_id, version, shard, body)
         select decode(c.key, 'hex'), p.id, c.version, c.shard, c.body
         from json_to_recordset($1::json) as c (key text, kind text, name text, version text, shard text, body text)
         join package p on p.name = c.name and p.kind = c.kind order by c.key
         on conflict do nothing returning id, key",
    );
    rows!(tx, sql, list.as_str())
}

async fn insert_names(
    tx: &mut Tx,
    components: &[Component],
    new: &BTreeMap<i64, usize>,
) -> Result<(), StoreError> {
    let mut list = Vec::new();
    for (id, idx) in new {
        let Some(component) = components.get(*idx) else { continue };
        let Some(shard) = component.shard.as_deref() else { continue };
        list.extend(component.names.iter().map(|name| NameParameter { shard, name, id: *id }));
    }
    let sql = tx.sql(
        "insert into component_name (shard, name, component_id)
         select value ->> 'shard', value ->> 'name', value ->> 'id' from json_each($1) where true on conflict do nothing",
        "insert into component_name (shard, name, component_id) select shard, name, id
         from json_to_recordset($1::json) as c (shard text, name text, id bigint) on conflict do nothing",
    );
    execute!(tx, sql, to_json(&list)?)?;
    Ok(())
}

/// What identifies a set: a hash of its components' keys, each once, in ascending order.
pub(crate) fn set_key<'a>(sorted: impl IntoIterator<Item = &'a [u8; 16]>) -> [u8; 16] {
    let mut hash = Xxh3::new();
    for key in sorted {
        hash.update(key.as_slice());
    }
    hash.digest128().to_be_bytes()
}

/// The sets of an inventory; new ones with the counts of what is wrong with them.
async fn intern_sets(tx: &mut Tx, content: &Content<'_>, ids: &[i64]) -> Result<(), StoreError> {
    let mut sets: BTreeMap<[u8; 16], Vec<i64>> = BTreeMap::new();
    for set in content.sets.iter().filter(|set| !set.is_empty()) {
        let mut members: Vec<(&[u8; 16], i64)> = set
            .iter()
            .filter_map(|idx| Some((&content.components.get(*idx)?.key, *ids.get(*idx)?)))
            .collect();
        members.sort_unstable();
        members.dedup();
        let key = set_key(members.iter().map(|(key, _)| *key));
        sets.insert(key, members.into_iter().map(|(_, id)| id).collect());
    }
    let mut new = Vec::new();
    // By key, so that two writers wait for each other at most once.
    for (key, members) in &sets {
        let sql = "insert into component_set (key) values ($1) on conflict do nothing returning id";
        let inserted: Option<(i64,)> = maybe!(tx, sql, key.as_slice())?;
        if let Some((id,)) = inserted {
            let sql = tx.sql(
                "insert into set_component (set_id, component_id) select $1, value from json_each($2)",
                "insert into set_component (set_id, component_id)
                 select $1, value::bigint from json_array_elements_text($2::json)",
            );
            execute!(tx, sql, id, id_list(members.iter().copied()))?;
            new.push(id);
        }
        let sql =
            "insert into inventory_set (inventory_id, set_id) select $1, id from component_set where key = $2
                   on conflict do nothing";
        execute!(tx, sql, content.inventory, key.as_slice())?;
    }
    findings::count_sets(tx, &new).await
}

/// A list as both databases take it in one parameter.
pub(crate) fn to_json<T: Serialize + ?Sized>(list: &T) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|_| StoreError::Value("parameter"))
}
