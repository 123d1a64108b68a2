//! A record of the layer cache with a right checksum and anything inside, loaded and merged as two layers.
#![no_main]

use std::{cell::OnceCell, collections::BTreeSet, fs, io::Read, path::PathBuf};

use analyze::ANALYZERS;
use model::{Digest, Limits, inventory::Layer};
use scan::{
    LayerCache,
    cache::CacheKey,
    merge::{MergeInput, SecondPass, merge},
    pass::FileFacts,
    record::LayerRecord,
};
use xxhash_rust::xxh3::xxh3_64;

/// A cache with one record, and where that lies.
struct Place {
    cache: LayerCache,
    key: CacheKey,
    file: PathBuf,
    magic: Vec<u8>,
}

thread_local!(static PLACE: OnceCell<Place> = const { OnceCell::new() });

impl Place {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("lazaret-fuzz-cache-{}", std::process::id()));
        let cache = LayerCache::open(&dir, 1 << 30).expect("a cache");
        let key = CacheKey::new(&digest(), ANALYZERS, &Limits::standard());
        cache.store(&key, &LayerRecord::default()).expect("a stored record");
        let entry = fs::read_dir(&dir).expect("the cache").next().expect("a record").expect("a record");
        let magic = fs::read(entry.path()).expect("the record")[..8].to_vec();
        Self { cache, key, file: entry.path(), magic }
    }
}

fn digest() -> Digest {
    format!("sha256:{}", "5a".repeat(32)).parse().expect("a digest")
}

/// Shows nine bytes for every content that is asked for.
struct Nothing;

impl SecondPass for Nothing {
    fn read_again(
        &mut self,
        _layer: u16,
        ordinals: &BTreeSet<u32>,
        visit: &mut dyn FnMut(u32, FileFacts, &mut dyn Read),
    ) -> u64 {
        for ordinal in ordinals {
            visit(*ordinal, FileFacts { size: 9, ..FileFacts::default() }, &mut &b"ID=debian"[..]);
        }
        9
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    PLACE.with(|place| {
        let place = place.get_or_init(Place::new);
        let bytes = [&place.magic, &xxh3_64(data).to_le_bytes()[..], data].concat();
        fs::write(&place.file, bytes).expect("the record");
        let Some(record) = place.cache.load(&place.key) else { return };
        let records = [record.clone(), record];
        let layer = Layer { digest: digest(), diff_id: None, size: 0, created_by: None };
        for layers in [Vec::new(), vec![layer.clone(), layer]] {
            let limits = Limits::standard();
            let input = MergeInput { records: &records, layers, analyzers: ANALYZERS, config: None, limits: &limits };
            let _ = merge(input, &mut Nothing);
        }
    });
});
