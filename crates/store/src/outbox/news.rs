//! Findings that come with new advisories: noted in the transaction that stores them, and told of when all findings of
//! the shard have moved, so that an image has one message however many of its components are concerned. A package that
//! stands in every image would make more messages than one transaction should hold: they are made a few at a time,
//! and the position moves with them, so that no crash and no second process makes one twice or not at all.

use std::collections::BTreeMap;

use model::{ChangeReason, Facets, MessageKind};

use super::{FindingsMessage, Listeners, MessageFinding, MessageImage, tell_of_findings};
use crate::{
    Micros,
    db::{Store, Tx, execute, read_maybe, read_rows},
    error::StoreError,
    findings::severity_of,
    pack::id_list,
};

/// Pairs of an image and a component that are read at once.
const PAGE: i64 = 20_000;
/// Images that have their messages in one transaction.
const BATCH: usize = 50;

/// Notes which of the findings that were stored just now are new, and not only said otherwise.
pub(crate) async fn note(tx: &mut Tx, shard: &str, step: &str, opened: &[i64]) -> Result<(), StoreError> {
    if opened.is_empty() || !Listeners::read(tx).await?.want(MessageKind::FindingsNew) {
        return Ok(());
    }
    let sql = tx.sql(
        "insert into news (shard, step, component_id, finding_id) select $1, $2, component_id, id from finding
         where id in (select value from json_each($3)) and opened_for = $4 on conflict do nothing",
        "insert into news (shard, step, component_id, finding_id) select $1, $2, component_id, id from finding
         where id in (select value::bigint from json_array_elements_text($3::json)) and opened_for = $4
         on conflict do nothing",
    );
    execute!(tx, sql, shard, step, id_list(opened.iter().copied()), ChangeReason::AdvisoryNew.code())?;
    Ok(())
}

/// One image and what is new in it.
struct Told {
    image: i64,
    components: Vec<i64>,
}

type NewsTuple = (i64, i64, String, i16, bool, String, String, String);

impl Store {
    /// Moves of findings that are over and that not everybody was told of: shard and digest of the advisories.
    pub async fn untold_news(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "select distinct n.shard, n.step from news n
                   where not exists (select 1 from shard_state t where t.shard = n.shard and t.target = n.step)";
        read_rows!(self, sql)
    }

    /// Makes messages of the findings that came with a move, which must be over: how many images have some. Several
    /// processes may do so at once.
    pub async fn tell_news(&self, shard: &str, step: &str, now: Micros) -> Result<u64, StoreError> {
        let mut told = 0;
        loop {
            let sql = "select image_id from news_position where shard = $1 and step = $2";
            let position: Option<(i64,)> = read_maybe!(self, sql, shard, step)?;
            let mut position = match position {
                Some((position,)) => position,
                None => match self.begin_news(shard, step).await? {
                    true => 0,
                    false => return Ok(told),
                },
            };
            let images = self.news_page(shard, step, position).await?;
            if images.is_empty() {
                return self.end_news(shard, step).await.map(|()| told);
            }
            for batch in images.chunks(BATCH) {
                let Some(last) = batch.last() else { break };
                if !self.tell_batch(shard, step, (position, last.image), batch, now).await? {
                    // Another process is ahead: look where it is.
                    break;
                }
                told += u64::try_from(batch.len()).unwrap_or(0);
                position = last.image;
            }
        }
    }

    /// False when there is nothing to tell.
    async fn begin_news(&self, shard: &str, step: &str) -> Result<bool, StoreError> {
        let sql = "select finding_id from news where shard = $1 and step = $2 limit 1";
        let there: Option<(i64,)> = read_maybe!(self, sql, shard, step)?;
        if there.is_none() {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        let sql =
            "insert into news_position (shard, step, image_id) values ($1, $2, 0) on conflict do nothing";
        execute!(&mut tx, sql, shard, step)?;
        tx.commit().await?;
        Ok(true)
    }

    async fn end_news(&self, shard: &str, step: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        execute!(&mut tx, "delete from news where shard = $1 and step = $2", shard, step)?;
        execute!(&mut tx, "delete from news_position where shard = $1 and step = $2", shard, step)?;
        tx.commit().await
    }

    /// The next images that have new findings, with the components that brought them.
    async fn news_page(&self, shard: &str, step: &str, after: i64) -> Result<Vec<Told>, StoreError> {
        let sql = "select distinct m.image_id, n.component_id
                   from (select distinct component_id from news where shard = $1 and step = $2) n
                   join set_component s on s.component_id = n.component_id
                   join image_set m on m.set_id = s.set_id
                   where m.image_id > $3 order by m.image_id, n.component_id limit $4";
        let pairs: Vec<(i64, i64)> = read_rows!(self, sql, shard, step, after, PAGE)?;
        let full = i64::try_from(pairs.len()).is_ok_and(|count| count >= PAGE);
        let mut images: Vec<Told> = Vec::new();
        for (image, component) in pairs {
            match images.last_mut() {
                Some(last) if last.image == image => last.components.push(component),
                _ => images.push(Told { image, components: vec![component] }),
            }
        }
        // The page may end within an image, which is read whole with the next.
        if full && images.len() > 1 {
            images.pop();
        }
        Ok(images)
    }

    /// Messages of some images. False, and none, when the position is not `from` any more.
    async fn tell_batch(
        &self,
        shard: &str,
        step: &str,
        (from, to): (i64, i64),
        batch: &[Told],
        now: Micros,
    ) -> Result<bool, StoreError> {
        let findings = self.news_findings(shard, step, batch).await?;
        let images = self.news_images(batch).await?;
        let mut tx = self.begin().await?;
        let sql = "update news_position set image_id = $1 where shard = $2 and step = $3 and image_id = $4";
        if execute!(&mut tx, sql, to, shard, step, from)? == 0 {
            return Ok(false);
        }
        let listeners = Listeners::read(&mut tx).await?;
        for told in batch {
            let Some(image) = images.get(&told.image) else { continue };
            let found: Vec<MessageFinding> =
                told.components.iter().filter_map(|id| findings.get(id)).flatten().cloned().collect();
            let base = FindingsMessage {
                image: image.clone(),
                cause: ChangeReason::AdvisoryNew,
                scan: None,
                shard: Some(shard.to_owned()),
                counts: Facets::default(),
                findings: Vec::new(),
            };
            tell_of_findings(&mut tx, &listeners, &base, &found, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The new findings of components, by component.
    async fn news_findings(
        &self,
        shard: &str,
        step: &str,
        batch: &[Told],
    ) -> Result<BTreeMap<i64, Vec<MessageFinding>>, StoreError> {
        let mut components: Vec<i64> =
            batch.iter().flat_map(|told| told.components.iter().copied()).collect();
        components.sort_unstable();
        components.dedup();
        let sql = self.sql(
            "select n.component_id, f.id, v.name, f.severity, f.fixable, k.kind, k.name, c.version from news n
             join finding f on f.id = n.finding_id join vulnerability v on v.id = f.vulnerability_id
             join component c on c.id = n.component_id join package k on k.id = c.package_id
             where n.shard = $1 and n.step = $2 and f.closed_at is null
             and n.component_id in (select value from json_each($3)) order by f.id",
            "select n.component_id, f.id, v.name, f.severity, f.fixable, k.kind, k.name, c.version from news n
             join finding f on f.id = n.finding_id join vulnerability v on v.id = f.vulnerability_id
             join component c on c.id = n.component_id join package k on k.id = c.package_id
             where n.shard = $1 and n.step = $2 and f.closed_at is null
             and n.component_id in (select value::bigint from json_array_elements_text($3::json)) order by f.id",
        );
        let tuples: Vec<NewsTuple> = read_rows!(self, sql, shard, step, id_list(components))?;
        let mut findings: BTreeMap<i64, Vec<MessageFinding>> = BTreeMap::new();
        for (component, id, name, severity, fixable, kind, package, version) in tuples {
            let severity = severity_of(severity);
            let finding = MessageFinding { id, name, severity, fixable, kind, package, version };
            findings.entry(component).or_default().push(finding);
        }
        Ok(findings)
    }

    async fn news_images(&self, batch: &[Told]) -> Result<BTreeMap<i64, MessageImage>, StoreError> {
        let sql = self.sql(
            "select i.id, i.reference, i.platform, i.digest, i.project_id, p.name from image i
             join project p on p.id = i.project_id where i.id in (select value from json_each($1))",
            "select i.id, i.reference, i.platform, i.digest, i.project_id, p.name from image i
             join project p on p.id = i.project_id
             where i.id in (select value::bigint from json_array_elements_text($1::json))",
        );
        let images: Vec<(i64, String, String, Option<String>, i64, String)> =
            read_rows!(self, sql, id_list(batch.iter().map(|told| told.image)))?;
        let image = |(id, reference, platform, digest, project_id, project)| {
            (id, MessageImage { id, reference, platform, digest, project_id, project })
        };
        Ok(images.into_iter().map(image).collect())
    }
}
