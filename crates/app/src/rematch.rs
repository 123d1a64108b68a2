//! Findings follow the advisories: watches the database's shards, and moves the stored findings when one changed.
//!
//! No image is pulled and no inventory opened: changed names lead to components, components to images. The shard that
//! the findings stand at is kept beside the new one, so that only what they say differently is looked up; without it,
//! every component of the shard is.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use advisory::{
    database::{DatabaseError, Entry},
    diff::changed_names,
    ecosystem::ShardName,
    matcher::{ShardSet, match_component},
    shard::Shard,
};
use store::{ComponentChange, Rematched, ShardVersion, StoreError};
use tokio::sync::watch;

use crate::{
    clock,
    service::{Service, stopped},
};

/// Components that are matched and stored in one step.
const CHUNK: u32 = 200;
/// Components whose findings change in one transaction.
const CHANGES: usize = 20;

/// Why findings could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum RematchError {
    /// The store.
    #[error("the store could not be changed")]
    Store(#[from] StoreError),
    /// The advisory database.
    #[error("the advisory database could not be read")]
    Database(#[from] DatabaseError),
    /// The program is ending.
    #[error("the program is shutting down")]
    Stopped,
}

/// What moving one shard came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The shard.
    pub shard: String,
    /// Names that are spoken of differently; `None` when all components were matched.
    pub names: Option<usize>,
    /// Components that were matched.
    pub components: usize,
    /// Numbers of findings that came.
    pub opened: Vec<i64>,
    /// Numbers of findings that went.
    pub closed: Vec<i64>,
    /// Images whose counts were renewed; one with several changed layers counts several times.
    pub images: u64,
    /// How long it took.
    pub took: Duration,
}

/// Watches the database until `stop` says so: moves findings, and wakes the jobs that wait for new shards.
pub async fn watch(service: Service, mut stop: watch::Receiver<bool>, told: impl Fn(&Moved) + Send + Sync) {
    let mut seen: Option<BTreeMap<String, String>> = None;
    loop {
        match service.advisories.database.status() {
            Ok(there) => {
                let digests: BTreeMap<String, String> =
                    there.iter().map(|(name, entry)| (name.clone(), entry.digest.clone())).collect();
                if seen.as_ref() != Some(&digests) {
                    match move_all(&service, &there, &told).await {
                        Ok(()) => seen = Some(digests),
                        Err(error) => {
                            tracing::error!(error = %model::problem::explain(&error), "findings could not be moved to new advisories");
                        }
                    }
                    match service.store.unpark(true, clock::now()).await {
                        Ok(_) => service.touch(),
                        Err(error) => {
                            tracing::error!(error = %model::problem::explain(&error), "waiting jobs could not be woken");
                        }
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = %model::problem::explain(&error), "the advisory database cannot be read");
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(service.config.advisories.watch) => {}
        }
    }
}

/// Moves the findings of every shard that changed.
async fn move_all(
    service: &Service,
    there: &BTreeMap<String, Entry>,
    told: &(impl Fn(&Moved) + Send + Sync),
) -> Result<(), RematchError> {
    // What an earlier process left undone.
    recount(service).await?;
    for (shard, step) in service.store.untold_news().await? {
        service.store.tell_news(&shard, &step, clock::now()).await?;
    }
    for state in service.store.shard_states().await? {
        let Some(entry) = there.get(&state.at.shard) else { continue };
        if entry.digest == state.at.digest && state.target.is_none() {
            keep(service, &state.at, entry);
            continue;
        }
        let to = ShardVersion {
            shard: state.at.shard.clone(),
            digest: entry.digest.clone(),
            built: entry.built.clone(),
        };
        // A move that was broken off went from somewhere between: everything is looked at again.
        let from = state.target.is_none().then_some(&state.at);
        let moved = move_shard(service, from, &to).await?;
        keep(service, &to, entry);
        tracing::info!(
            shard = %moved.shard,
            names = moved.names,
            components = moved.components,
            opened = moved.opened.len(),
            closed = moved.closed.len(),
            images = moved.images,
            took_ms = moved.took.as_millis(),
            "findings follow new advisories"
        );
        told(&moved);
        service.touch();
    }
    Ok(())
}

/// Moves the findings of one shard from where they stand.
pub async fn move_shard(
    service: &Service,
    from: Option<&ShardVersion>,
    to: &ShardVersion,
) -> Result<Moved, RematchError> {
    let begun = Instant::now();
    let mut moved = Moved { shard: to.shard.clone(), ..Moved::default() };
    let Some(name) = ShardName::new(&to.shard) else { return Ok(moved) };
    let Some(new) = service.advisories.database.shard(&name)? else { return Ok(moved) };
    if new.digest() != to.digest {
        // Replaced again meanwhile: the next look finds it.
        return Ok(moved);
    }
    service.store.begin_rematch(to, clock::now()).await?;
    let old = from.and_then(|from| Shard::open(&kept_file(service, from)).ok());
    let (names, shards) = blocking(move || {
        let names = old.map(|old| changed_names(&old, &new));
        let mut shards = ShardSet::default();
        shards.insert(name, new);
        (names, std::sync::Arc::new(shards))
    })
    .await?;
    moved.names = names.as_ref().map(Vec::len);
    let mut after = 0;
    loop {
        let components = service.store.components_to_match(&to.shard, names.as_deref(), after, CHUNK).await?;
        let Some((last, _)) = components.last() else { break };
        after = *last;
        moved.components += components.len();
        let shards = std::sync::Arc::clone(&shards);
        let changes = blocking(move || {
            components
                .into_iter()
                .filter_map(|(id, component)| {
                    Some(ComponentChange { component: id, findings: match_component(&component, &shards)? })
                })
                .collect::<Vec<_>>()
        })
        .await?;
        let differing = differing(service, changes).await?;
        for chunk in differing.chunks(CHANGES) {
            let Rematched { opened, closed } =
                service.store.change_findings(&to.shard, &to.digest, chunk, clock::now()).await?;
            moved.opened.extend(opened);
            moved.closed.extend(closed);
        }
    }
    moved.images = recount(service).await?;
    service.store.finish_rematch(to, clock::now()).await?;
    // Only now: while the findings move, more may come for the same image.
    service.store.tell_news(&to.shard, &to.digest, clock::now()).await?;
    moved.took = begun.elapsed();
    Ok(moved)
}

/// Leaves out the components whose findings are what they were: the writer is not asked for those.
async fn differing(
    service: &Service,
    changes: Vec<ComponentChange>,
) -> Result<Vec<ComponentChange>, RematchError> {
    let ids: Vec<i64> = changes.iter().map(|change| change.component).collect();
    let mut open: BTreeMap<i64, Vec<model::Finding>> = BTreeMap::new();
    for (component, _, finding) in service.store.open_findings(&ids).await? {
        open.entry(component).or_default().push(finding);
    }
    let is_other = |change: &ComponentChange| {
        let mut stored = open.get(&change.component).cloned().unwrap_or_default();
        let mut fresh = change.findings.clone();
        for list in [&mut stored, &mut fresh] {
            list.iter_mut().for_each(|finding| finding.package = 0);
            list.sort_by(|a, b| a.id.cmp(&b.id));
        }
        stored != fresh
    };
    Ok(changes.into_iter().filter(is_other).collect())
}

async fn recount(service: &Service) -> Result<u64, RematchError> {
    while service.store.mark_sets().await? {}
    let mut images = 0;
    while let Some(counted) = service.store.recount_set(clock::now()).await? {
        images += counted;
    }
    Ok(images)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RematchError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RematchError::Stopped)
}

fn kept_file(service: &Service, at: &ShardVersion) -> PathBuf {
    let digest: String = at.digest.chars().filter(char::is_ascii_alphanumeric).collect();
    service.config.data.join("matched").join(format!("{}-{digest}.shard", at.shard))
}

/// Keeps the file that findings stand at, since the database forgets it with the next version. Only a help: without
/// it, the next move takes longer.
fn keep(service: &Service, at: &ShardVersion, entry: &Entry) {
    let kept = kept_file(service, at);
    if kept.exists() || entry.digest != at.digest {
        return;
    }
    let file = service.advisories.database.dir().join(&entry.file);
    if fs::hard_link(&file, &kept).is_err() && fs::copy(&file, &kept).is_err() {
        tracing::warn!(shard = %at.shard, "the shard could not be kept; its next change is matched in full");
    }
    let Ok(others) = fs::read_dir(service.config.data.join("matched")) else { return };
    let prefix = format!("{}-xxh3", at.shard);
    for other in others.flatten().filter(|other| other.path() != kept) {
        if other.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(other.path());
        }
    }
}
