//! Fills an empty store with many images at once: for load tests, which would spend hours on scanning. What it
//! leaves is what as many finished scans leave, which a test checks, but for the log of changes and old turns.

use std::collections::{BTreeMap, HashMap};

use model::{Component, Facets, Finding, JobClass, ScanStatus, Severity};
use serde_json::json;
use uuid::Uuid;

use super::{insert_components, insert_names, parameter, set_key, to_json};
use crate::{
    Micros, NewImage, ShardVersion,
    db::{Store, execute, read_rows, row, rows},
    error::StoreError,
    findings::{self, NewFinding},
    pack::{compress, hex, pack_ids},
    rematch,
};

/// Rows of a statement.
const CHUNK: usize = 1000;

/// A store that is being filled. Nothing else may write to it meanwhile.
#[derive(Debug)]
pub struct Bulk {
    store: Store,
    now: Micros,
    components: Vec<Known>,
    sets: HashMap<[u8; 16], (i64, Facets)>,
    inventories: HashMap<String, (i64, Facets, Vec<u8>)>,
    environments: BTreeMap<String, i64>,
    images: i64,
    reports: i64,
    rows: Rows,
}

#[derive(Debug)]
struct Known {
    id: i64,
    key: [u8; 16],
    facets: Facets,
    findings: Vec<i64>,
}

#[derive(Debug, Default)]
struct Rows {
    sets: Vec<serde_json::Value>,
    inventories: Vec<serde_json::Value>,
    inventory_sets: Vec<(i64, i64)>,
    images: Vec<serde_json::Value>,
    image_environments: Vec<(i64, i64)>,
    image_sets: Vec<(i64, i64, i64)>,
    scans: Vec<serde_json::Value>,
    reports: Vec<serde_json::Value>,
}

fn add(sum: &mut Facets, more: &Facets) {
    sum.critical += more.critical;
    sum.high += more.high;
    sum.medium += more.medium;
    sum.low += more.low;
    sum.negligible += more.negligible;
    sum.unknown += more.unknown;
    sum.fixable += more.fixable;
}

fn counts(facets: &Facets) -> [u32; 7] {
    let of = |severity| facets.get(severity);
    let [a, b, c, d, e, f] = Severity::DESCENDING.map(of);
    [a, b, c, d, e, f, facets.fixable]
}

impl Store {
    /// Begins to fill an empty store: with all components, and what is wrong with each.
    #[doc(hidden)]
    pub async fn bulk(
        &self,
        components: &[Component],
        found: &[Vec<Finding>],
        shards: &[ShardVersion],
        now: Micros,
    ) -> Result<Bulk, StoreError> {
        let mut known = HashMap::new();
        for (at, chunk) in components.chunks(CHUNK).enumerate() {
            let mut tx = self.begin().await?;
            if at == 0 {
                for shard in shards {
                    rematch::agree(&mut tx, shard, now).await?;
                }
            }
            let new: Vec<_> = chunk
                .iter()
                .enumerate()
                .map(|(idx, c)| Ok((idx, parameter(c)?)))
                .collect::<Result<_, StoreError>>()?;
            let by_key: HashMap<&[u8], usize> =
                chunk.iter().enumerate().map(|(idx, c)| (c.key.as_slice(), idx)).collect();
            let mut ids = BTreeMap::new();
            for (id, key) in insert_components(&mut tx, &new).await? {
                if let Some(idx) = by_key.get(key.as_slice()) {
                    ids.insert(id, *idx);
                    known.insert(at * CHUNK + idx, id);
                }
            }
            insert_names(&mut tx, chunk, &ids).await?;
            let new: Vec<NewFinding<'_>> = ids
                .iter()
                .flat_map(|(id, idx)| {
                    let all = found.get(at * CHUNK + idx).into_iter().flatten();
                    all.map(|finding| NewFinding {
                        component: *id,
                        finding,
                        reason: model::ChangeReason::ComponentNew,
                    })
                })
                .collect();
            findings::open(&mut tx, &new, now).await?;
            tx.commit().await?;
        }
        let mut by_component: HashMap<i64, Vec<i64>> = HashMap::new();
        let numbers: Vec<(i64, i64)> = read_rows!(self, "select component_id, id from finding order by id")?;
        for (component, id) in numbers {
            by_component.entry(component).or_default().push(id);
        }
        let components = components.iter().enumerate().map(|(idx, component)| {
            let id = known.get(&idx).copied().ok_or(StoreError::NotFound("component"))?;
            Ok(Known {
                id,
                key: component.key,
                facets: Facets::of(found.get(idx).into_iter().flatten()),
                findings: by_component.remove(&id).unwrap_or_default(),
            })
        });
        Ok(Bulk {
            store: self.clone(),
            now,
            components: components.collect::<Result<_, StoreError>>()?,
            sets: HashMap::new(),
            inventories: HashMap::new(),
            environments: BTreeMap::new(),
            images: 0,
            reports: 0,
            rows: Rows::default(),
        })
    }
}

impl Bulk {
    /// Adds an image that was scanned some times. `sets` are indexes of components.
    #[expect(clippy::too_many_arguments, reason = "its types need no name outside, as nobody else uses them")]
    pub async fn image(
        &mut self,
        image: &NewImage<'_>,
        digest: &str,
        analyzers: &str,
        environment: Option<&str>,
        sets: &[Vec<usize>],
        document: &[u8],
        scanned_at: &[Micros],
    ) -> Result<i64, StoreError> {
        self.images += 1;
        let id = self.images;
        let (inventory, facets, findings) = match self.inventories.get(digest) {
            Some(known) => known.clone(),
            None => self.inventory(digest, analyzers, sets, document)?,
        };
        let numbers = counts(&facets);
        let mut newest = (Uuid::nil(), 0, 0);
        for at in scanned_at {
            let scan = Uuid::now_v7();
            self.reports += 1;
            newest = (scan, self.reports, *at);
            self.rows.scans.push(json!([
                hex(scan.as_bytes()),
                id,
                image.project,
                image.reference,
                JobClass::Push.code(),
                ScanStatus::Completed.code(),
                digest,
                inventory,
                self.reports,
                at
            ]));
            self.rows.reports.push(json!([
                self.reports,
                hex(scan.as_bytes()),
                id,
                inventory,
                at,
                hex(&findings),
                numbers[0],
                numbers[1],
                numbers[2],
                numbers[3],
                numbers[4],
                numbers[5],
                numbers[6]
            ]));
        }
        self.rows.images.push(json!([
            id,
            image.project,
            image.reference,
            image.registry,
            image.repository,
            image.tag,
            digest,
            image.platform,
            image.owner,
            image.source,
            newest.2,
            hex(newest.0.as_bytes()),
            ScanStatus::Completed.code(),
            newest.1,
            inventory,
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3],
            numbers[4],
            numbers[5],
            numbers[6],
            facets.risk()
        ]));
        let mut of_image: Vec<i64> = sets.iter().filter_map(|set| self.known_set(set)).collect();
        of_image.dedup();
        self.rows.image_sets.extend(of_image.into_iter().map(|set| (set, image.project, id)));
        if let Some(name) = environment {
            let environment = self.environment(name).await?;
            self.rows.image_environments.push((environment, id));
        }
        if self.rows.images.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(id)
    }

    async fn environment(&mut self, name: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.environments.get(name) {
            return Ok(*id);
        }
        let mut tx = self.store.begin().await?;
        let (id,): (i64,) = row!(&mut tx, "insert into environment (name) values ($1) returning id", name)?;
        tx.commit().await?;
        self.environments.insert(name.to_owned(), id);
        Ok(id)
    }

    fn key_of(&self, set: &[usize]) -> [u8; 16] {
        let mut keys: Vec<&[u8; 16]> =
            set.iter().filter_map(|idx| Some(&self.components.get(*idx)?.key)).collect();
        keys.sort_unstable();
        keys.dedup();
        set_key(keys)
    }

    fn known_set(&self, set: &[usize]) -> Option<i64> {
        self.sets.get(&self.key_of(set)).map(|(id, _)| *id)
    }

    fn inventory(
        &mut self,
        digest: &str,
        analyzers: &str,
        sets: &[Vec<usize>],
        document: &[u8],
    ) -> Result<(i64, Facets, Vec<u8>), StoreError> {
        let id = i64::try_from(self.inventories.len()).unwrap_or(i64::MAX) + 1;
        let (mut sum, mut findings) = (Facets::default(), Vec::new());
        for set in sets.iter().filter(|set| !set.is_empty()) {
            let key = self.key_of(set);
            let next = i64::try_from(self.sets.len()).unwrap_or(i64::MAX) + 1;
            let members: Vec<&Known> = set.iter().filter_map(|idx| self.components.get(*idx)).collect();
            findings.extend(members.iter().flat_map(|known| known.findings.iter().copied()));
            let (set_id, facets) = match self.sets.get(&key) {
                Some(known) => *known,
                None => {
                    let mut facets = Facets::default();
                    members.iter().for_each(|known| add(&mut facets, &known.facets));
                    let mut ids: Vec<i64> = members.iter().map(|known| known.id).collect();
                    ids.sort_unstable();
                    let counts = counts(&facets);
                    self.rows.sets.push(json!([next, hex(&key), ids, counts]));
                    self.sets.insert(key, (next, facets));
                    (next, facets)
                }
            };
            add(&mut sum, &facets);
            self.rows.inventory_sets.push((id, set_id));
        }
        findings.sort_unstable();
        findings.dedup();
        let packages: usize = sets.iter().map(Vec::len).sum();
        self.rows.inventories.push(json!([id, digest, analyzers, packages, hex(&compress(document)?)]));
        let known = (id, sum, pack_ids(&findings));
        self.inventories.insert(digest.to_owned(), known.clone());
        Ok(known)
    }

    /// Writes what is left, and what only the whole shows.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        self.flush().await?;
        let mut tx = self.store.begin().await?;
        let sql = "update component_set set images = (select count(*) from image_set where set_id = component_set.id)";
        execute!(&mut tx, sql)?;
        if !tx.is_alone() {
            for (table, column) in
                [("component_set", "id"), ("inventory", "id"), ("image", "id"), ("report", "id")]
            {
                let sql = "select setval(pg_get_serial_sequence($1, $2), (select max(n) from (
                               select max(id) as n from component_set where $1 = 'component_set'
                               union all select max(id) from inventory where $1 = 'inventory'
                               union all select max(id) from image where $1 = 'image'
                               union all select max(id) from report where $1 = 'report') ids))";
                let _: Vec<(i64,)> = rows!(&mut tx, sql, table, column)?;
            }
        }
        tx.commit().await
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let all = std::mem::take(&mut self.rows);
        let mut tx = self.store.begin().await?;
        if !tx.is_alone() {
            // Checking every reference takes longer than all the rest.
            execute!(&mut tx, "set local session_replication_role = replica")?;
        }
        for chunk in all.sets.chunks(CHUNK) {
            let chunk = to_json(chunk)?;
            let sql = tx.sql(
                "insert into component_set (id, key, critical, high, medium, low, negligible, unknown, fixable)
                 select value ->> 0, unhex(value ->> 1), value ->> '$[3][0]', value ->> '$[3][1]', value ->> '$[3][2]',
                 value ->> '$[3][3]', value ->> '$[3][4]', value ->> '$[3][5]', value ->> '$[3][6]' from json_each($1)",
                "insert into component_set (id, key, critical, high, medium, low, negligible, unknown, fixable)
                 select (v ->> 0)::bigint, decode(v ->> 1, 'hex'), (v -> 3 ->> 0)::int, (v -> 3 ->> 1)::int,
                 (v -> 3 ->> 2)::int, (v -> 3 ->> 3)::int, (v -> 3 ->> 4)::int, (v -> 3 ->> 5)::int, (v -> 3 ->> 6)::int
                 from json_array_elements($1::json) v",
            );
            execute!(&mut tx, sql, chunk.as_str())?;
            let sql = tx.sql(
                "insert into set_component (set_id, component_id)
                 select s.value ->> 0, m.value from json_each($1) s, json_each(s.value, '$[2]') m",
                "insert into set_component (set_id, component_id)
                 select (s ->> 0)::bigint, m::text::bigint from json_array_elements($1::json) s,
                 json_array_elements(s -> 2) m",
            );
            execute!(&mut tx, sql, chunk.as_str())?;
        }
        let now = self.now;
        let sql = tx.sql(
            "insert into inventory (id, digest, analyzers, created_at, size, packages, body, matched)
             select value ->> 0, value ->> 1, value ->> 2, $2, 1000, value ->> 3, unhex(value ->> 4), true from json_each($1)",
            "insert into inventory (id, digest, analyzers, created_at, size, packages, body, matched)
             select (v ->> 0)::bigint, v ->> 1, v ->> 2, $2, 1000, (v ->> 3)::int, decode(v ->> 4, 'hex'), true
             from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.inventories)?, now)?;
        let sql = tx.sql(
            "insert into inventory_set (inventory_id, set_id) select distinct value ->> 0, value ->> 1 from json_each($1)",
            "insert into inventory_set (inventory_id, set_id) select distinct (v ->> 0)::bigint, (v ->> 1)::bigint
             from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.inventory_sets)?)?;
        let sql = tx.sql(
            "insert into image (id, project_id, reference, registry, repository, tag, digest, platform, owner, source,
                 created_at, changed_at, scanned_at, scan_id, status, report_id, inventory_id, critical, high, medium, low,
                 negligible, unknown, fixable, risk)
             select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
                 value ->> 8, value ->> 9, $2, value ->> 10, value ->> 10, unhex(value ->> 11), value ->> 12, value ->> 13,
                 value ->> 14, value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20,
                 value ->> 21, value ->> 22 from json_each($1)",
            "insert into image (id, project_id, reference, registry, repository, tag, digest, platform, owner, source,
                 created_at, changed_at, scanned_at, scan_id, status, report_id, inventory_id, critical, high, medium, low,
                 negligible, unknown, fixable, risk)
             select (v ->> 0)::bigint, (v ->> 1)::bigint, v ->> 2, v ->> 3, v ->> 4, v ->> 5, v ->> 6, v ->> 7,
                 v ->> 8, v ->> 9, $2, (v ->> 10)::bigint, (v ->> 10)::bigint, (v ->> 11)::uuid, (v ->> 12)::smallint,
                 (v ->> 13)::bigint, (v ->> 14)::bigint, (v ->> 15)::int, (v ->> 16)::int, (v ->> 17)::int,
                 (v ->> 18)::int, (v ->> 19)::int, (v ->> 20)::int, (v ->> 21)::int, (v ->> 22)::bigint
             from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.images)?, now)?;
        let sql = tx.sql(
            "insert into image_environment (environment_id, image_id) select value ->> 0, value ->> 1 from json_each($1)",
            "insert into image_environment (environment_id, image_id) select (v ->> 0)::bigint, (v ->> 1)::bigint
             from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.image_environments)?)?;
        let sql = tx.sql(
            "insert into image_set (set_id, project_id, image_id) select value ->> 0, value ->> 1, value ->> 2 from json_each($1)",
            "insert into image_set (set_id, project_id, image_id)
             select (v ->> 0)::bigint, (v ->> 1)::bigint, (v ->> 2)::bigint from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.image_sets)?)?;
        let sql = tx.sql(
            "insert into scan (id, image_id, project_id, source, class, status, max_attempts, digest, inventory_id, report_id,
                 requested_by, request_id, requested_at, started_at, finished_at, version)
             select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 5, value ->> 6,
                 value ->> 7, value ->> 8, 'bulk', '', value ->> 9, value ->> 9, value ->> 9, 4 from json_each($1)",
            "insert into scan (id, image_id, project_id, source, class, status, max_attempts, digest, inventory_id, report_id,
                 requested_by, request_id, requested_at, started_at, finished_at, version)
             select (v ->> 0)::uuid, (v ->> 1)::bigint, (v ->> 2)::bigint, v ->> 3, (v ->> 4)::smallint,
                 (v ->> 5)::smallint, 5, v ->> 6, (v ->> 7)::bigint, (v ->> 8)::bigint, 'bulk', '', (v ->> 9)::bigint,
                 (v ->> 9)::bigint, (v ->> 9)::bigint, 4 from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.scans)?)?;
        let sql = tx.sql(
            "insert into report (id, scan_id, image_id, inventory_id, created_at, findings, critical, high, medium, low,
                 negligible, unknown, fixable, partial, body)
             select value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5),
                 value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, false, '{}'
             from json_each($1)",
            "insert into report (id, scan_id, image_id, inventory_id, created_at, findings, critical, high, medium, low,
                 negligible, unknown, fixable, partial, body)
             select (v ->> 0)::bigint, (v ->> 1)::uuid, (v ->> 2)::bigint, (v ->> 3)::bigint, (v ->> 4)::bigint,
                 decode(v ->> 5, 'hex'), (v ->> 6)::int, (v ->> 7)::int, (v ->> 8)::int, (v ->> 9)::int, (v ->> 10)::int,
                 (v ->> 11)::int, (v ->> 12)::int, false, '{}' from json_array_elements($1::json) v",
        );
        execute!(&mut tx, sql, to_json(&all.reports)?)?;
        tx.commit().await
    }
}
