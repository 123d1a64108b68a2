//! A change of 500 advisories that touches 20 pairs of component and vulnerability, the one of 60 % among them.

use std::{fmt::Write as _, time::Instant};

use model::Severity;
use store::{ComponentChange, Scope, Store};

use crate::{
    fill::{T0, shards},
    world::{DENSE, DENSE_CVE, OS_SHARD, Rng, World, finding},
};

const NOW: i64 = T0 + 7_200_000_000_000;
/// Advisories that changed.
const ADVISORIES: usize = 500;
/// Pairs whose findings changed by that.
const PAIRS: usize = 20;

/// Does it, and says how long it took until the counts of all images were right.
pub(crate) async fn measure(store: &Store) -> String {
    let mut report = String::new();
    let all = shards("d2");
    let begun = Instant::now();
    store.longest_write();
    let mut rng = Rng::new(5);
    let mut pairs = 0;
    for to in &all {
        store.begin_rematch(to, NOW).await.unwrap();
        // 500 names are looked up; most components are found to be what they were.
        let mut names: Vec<String> = (0..ADVISORIES)
            .map(|n| match to.shard.as_str() {
                OS_SHARD => format!("lib{:03}", n % 240),
                _ => format!("data-{}", n * 7),
            })
            .collect();
        if to.shard == OS_SHARD {
            names.push(DENSE.to_owned());
        }
        let components = store.components_to_match(&to.shard, Some(&names), 0, 10_000).await.unwrap();
        let ids: Vec<i64> = components.iter().map(|(id, _)| *id).collect();
        let mut open = store.open_findings(&ids).await.unwrap();
        open.sort_by_key(|(component, id, _)| (*component, *id));
        let is_dense = |id: i64| components.iter().any(|(c, k)| *c == id && k.package.name == DENSE);
        let mut changes = Vec::new();
        for id in ids {
            let dense = is_dense(id);
            let quota = if to.shard == OS_SHARD { 14 } else { PAIRS };
            if pairs >= quota && !dense {
                continue;
            }
            let mut findings: Vec<_> =
                open.iter().filter(|(component, ..)| *component == id).map(|(.., f)| f.clone()).collect();
            if dense {
                findings.retain(|f| f.id != DENSE_CVE);
                findings.push(finding(DENSE_CVE, Severity::Critical, &mut rng));
            } else {
                findings.push(finding("CVE-2026-9999", Severity::Critical, &mut rng));
            }
            pairs += 1;
            changes.push(ComponentChange { component: id, findings });
        }
        store.change_findings(&to.shard, &to.digest, &changes, NOW).await.unwrap();
    }
    let looked = begun.elapsed();
    while store.mark_sets().await.unwrap() {}
    let marked = begun.elapsed();
    let (mut images, mut steps) = (0, 0);
    while let Some(counted) = store.recount_set(NOW).await.unwrap() {
        images += counted;
        steps += 1;
    }
    for to in &all {
        store.finish_rematch(to, NOW).await.unwrap();
    }
    let took = begun.elapsed().as_secs_f64();
    let _ = write!(
        report,
        "{pairs} pairs, counts of {images} images in {took:.1} s (target 10 s; look-up {:.1} s, marks {:.1} s, {steps} \
         steps); longest transaction {:?} (target 50 ms)",
        looked.as_secs_f64(),
        (marked - looked).as_secs_f64(),
        store.longest_write(),
    );
    report
}

/// Looks whether the counts of some images are those of their findings.
pub(crate) async fn check(store: &Store, world: &World, images: usize) {
    for number in (0..images).step_by(images / 300 + 1) {
        let id = i64::try_from(number).unwrap() + 1;
        let image = store.image(id).await.unwrap().unwrap();
        assert_eq!(image.reference, world.image(number).reference);
        let found = store.findings_of(image.inventory_id.unwrap()).await.unwrap();
        assert_eq!(image.facets, model::Facets::of(found.iter().map(|f| &f.finding)), "{}", image.reference);
    }
    let row = store.vulnerability(DENSE_CVE).await.unwrap().unwrap();
    assert_eq!(row.severity, Severity::Critical);
    let (page, _) = store.affected_images(&Scope::All, row.id, None, 10).await.unwrap();
    assert!(page.iter().all(|image| image.severity == Severity::Critical));
}
