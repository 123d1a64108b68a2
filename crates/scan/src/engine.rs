//! From an opened image to its inventory: all layers at once, from the cache where they were read before.

use std::{
    collections::BTreeSet,
    io::Read,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use analyze::Analyzer;
use model::{Inventory, Limits, Problem, ProblemCode};
use oci::LayerStore;

use crate::{
    acquire::{AcquireError, read_layer, read_layer_again},
    cache::{CacheKey, LayerCache},
    merge::{MergeInput, SecondPass, merge},
    pass::{Budget, FileFacts, PassContext},
    record::LayerRecord,
};

/// Told how far a scan is. Called from several threads, often; must be quick.
pub trait Progress: Send + Sync {
    /// A layer begins to be read, of that many stored bytes.
    fn layer_started(&self, index: usize, bytes: u64) {
        let _ = (index, bytes);
    }

    /// More stored bytes of a layer were read.
    fn layer_advanced(&self, index: usize, bytes: u64) {
        let _ = (index, bytes);
    }

    /// Asked while layers are read: whether nobody wants the result any more. The scan then ends as if its time
    /// were over.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// A layer is done; `cached` when it was not read at all.
    fn layer_finished(&self, index: usize, cached: bool) {
        let _ = (index, cached);
    }
}

/// Nobody looks.
impl Progress for () {}

/// How to scan.
pub struct EngineConfig<'a> {
    /// What is looked for.
    pub analyzers: &'a [&'a dyn Analyzer],
    /// Bounds of the whole scan.
    pub limits: &'a Limits,
    /// Where records of layers are kept; `None` reads every layer anew.
    pub cache: Option<&'a LayerCache>,
    /// Layers read at once.
    pub threads: usize,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// Reads all layers and merges them. Fails only when a layer could not be had or was not what its digest
/// says; what a layer's own content is to blame for are problems of the inventory.
pub fn build_inventory(store: &dyn LayerStore, config: &EngineConfig<'_>) -> Result<Inventory, AcquireError> {
    let budget = Budget::new(config.limits);
    let context = PassContext {
        analyzers: config.analyzers,
        limits: config.limits,
        deadline: Instant::now() + config.limits.time,
        budget: &budget,
    };
    let mut problems = Vec::new();
    let records = read_layers(store, config, &context, &mut problems)?;
    if let Some(cache) = config.cache
        && let Err(error) = cache.evict()
    {
        problems.push(Problem::new(ProblemCode::CacheUnusable, error.to_string()));
    }
    let layers = store.layers().iter().map(|layer| layer.facts.clone()).collect();
    let image = store.config();
    let input = MergeInput {
        records: &records,
        layers,
        analyzers: config.analyzers,
        config: image.as_ref(),
        limits: config.limits,
    };
    let mut inventory = merge(input, &mut Reread { store, context: &context });
    inventory.problems.append(&mut problems);
    Ok(inventory)
}

fn read_layers(
    store: &dyn LayerStore,
    config: &EngineConfig<'_>,
    context: &PassContext<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<LayerRecord>, AcquireError> {
    let layers = store.layers();
    // The largest first, so that no thread is left with it at the end.
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(layers.get(index).map_or(0, |layer| layer.facts.size)));
    let slots: Vec<Mutex<Option<LayerRecord>>> = layers.iter().map(|_| Mutex::new(None)).collect();
    let shared_problems = Mutex::new(Vec::new());
    let first_error = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            match read_or_load(store, index, config, context, &shared_problems) {
                Ok(record) => *lock(&slots[index]) = Some(record),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    lock(&first_error).get_or_insert(error);
                }
            }
        }
    };
    let threads = config.threads.clamp(1, layers.len().max(1));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if let Some(error) = lock(&first_error).take() {
        return Err(error);
    }
    problems.append(&mut lock(&shared_problems));
    Ok(slots.into_iter().map(|slot| lock(&slot).take().unwrap_or_default()).collect())
}

fn read_or_load(
    store: &dyn LayerStore,
    index: usize,
    config: &EngineConfig<'_>,
    context: &PassContext<'_>,
    problems: &Mutex<Vec<Problem>>,
) -> Result<LayerRecord, AcquireError> {
    let layer = store.layers().get(index);
    let key = layer.map(|layer| CacheKey::new(&layer.expected.digest, config.analyzers, config.limits));
    if let Some((cache, key)) = config.cache.zip(key.as_ref())
        && let Some(record) = cache.load(key)
    {
        config.progress.layer_finished(index, true);
        return Ok(record);
    }
    config.progress.layer_started(index, layer.map_or(0, |layer| layer.facts.size));
    let advance = |bytes| {
        config.progress.layer_advanced(index, bytes);
        if config.progress.is_cancelled() {
            context.budget.cancel();
        }
    };
    let record = read_layer(store, index, context, &advance)?;
    config.progress.layer_finished(index, false);
    // A limit that all layers share, or a layer that could not be read at all, may end otherwise next time.
    let final_word = !record
        .problems
        .iter()
        .any(|problem| matches!(problem.code, ProblemCode::LayerLimit | ProblemCode::LayerUnsupported));
    if let Some((cache, key)) = config.cache.zip(key.as_ref()).filter(|_| final_word)
        && let Err(error) = cache.store(key, &record)
    {
        lock(problems).push(Problem::new(ProblemCode::CacheUnusable, error.to_string()));
    }
    Ok(record)
}

struct Reread<'a> {
    store: &'a dyn LayerStore,
    context: &'a PassContext<'a>,
}

impl SecondPass for Reread<'_> {
    fn read_again(
        &mut self,
        layer: u16,
        ordinals: &BTreeSet<u32>,
        visit: &mut dyn FnMut(u32, FileFacts, &mut dyn Read),
    ) -> u64 {
        read_layer_again(self.store, layer.into(), self.context, ordinals, visit)
    }
}

/// A poisoned lock only means that another thread panicked; what it protects here is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
