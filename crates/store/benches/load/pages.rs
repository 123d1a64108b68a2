//! What the pages of the portal ask, by four clients at once.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use model::{ScanStatus, Severity};
use store::{ImageFilter, ImageOrder, Scope, Store};

use crate::{
    figures::Figure,
    fill::Filled,
    world::{DENSE, DENSE_CVE, Rng, World},
};

const CLIENTS: usize = 4;
const LIMIT: u32 = 50;

type Answer<'a> = Pin<Box<dyn Future<Output = usize> + Send + 'a>>;
type Ask = for<'a> fn(&'a Known, Rng) -> Answer<'a>;

/// What the questions are about.
struct Known {
    store: Store,
    images: Vec<i64>,
    projects: Vec<i64>,
    /// References, by name.
    references: Vec<String>,
    rare_texts: Vec<String>,
    dense: i64,
    dense_places: Vec<store::Place>,
    rare: Vec<i64>,
    packages: Vec<String>,
    risks: Vec<(String, i64)>,
}

fn filter(order: ImageOrder) -> ImageFilter {
    ImageFilter { order, limit: LIMIT, ..ImageFilter::default() }
}

fn pick<'a, T>(list: &'a [T], rng: &mut Rng) -> &'a T {
    &list[rng.below(list.len())]
}

async fn list(known: &Known, scope: &Scope, filter: ImageFilter) -> usize {
    known.store.images(scope, &filter).await.unwrap().items.len()
}

fn some_projects(known: &Known, rng: &mut Rng) -> Scope {
    Scope::Projects((0..3).map(|_| *pick(&known.projects, rng)).collect())
}

macro_rules! asks {
    ($($name:literal, |$known:ident, $rng:pat_param| $body:expr;)+) => {
        const ASKS: &[(&str, Ask)] = &[$(($name, |$known, $rng| Box::pin(async move { $body }))),+];
    };
}

const ALL: Scope = Scope::All;

asks! {
    "list by name, first", |known, _rng| list(known, &ALL, filter(ImageOrder::Name)).await;
    "list by name, deep", |known, mut rng| {
        let after = Some((pick(&known.references, &mut rng).clone(), 0));
        list(known, &ALL, ImageFilter { after, ..filter(ImageOrder::Name) }).await
    };
    "list by risk, first", |known, _rng| list(known, &ALL, filter(ImageOrder::Risk)).await;
    "list by risk, deep", |known, mut rng| {
        let after = Some(pick(&known.risks, &mut rng).clone());
        list(known, &ALL, ImageFilter { after, ..filter(ImageOrder::Risk) }).await
    };
    "list by time of scan, first", |known, _rng| list(known, &ALL, filter(ImageOrder::Scanned)).await;
    "filter critical, by name", |known, _rng| {
        let min_severity = Some(Severity::Critical);
        list(known, &ALL, ImageFilter { min_severity, ..filter(ImageOrder::Name) }).await
    };
    "filter prod, by risk", |known, _rng| {
        let environment = Some("prod".to_owned());
        list(known, &ALL, ImageFilter { environment, ..filter(ImageOrder::Risk) }).await
    };
    "filter prod, by name, deep", |known, mut rng| {
        let after = Some((pick(&known.references, &mut rng).clone(), 0));
        let environment = Some("prod".to_owned());
        list(known, &ALL, ImageFilter { environment, after, ..filter(ImageOrder::Name) }).await
    };
    "filter failed, by name", |known, _rng| {
        let status = Some(ScanStatus::Failed);
        list(known, &ALL, ImageFilter { status, ..filter(ImageOrder::Name) }).await
    };
    "filter completed, by risk", |known, _rng| {
        let status = Some(ScanStatus::Completed);
        list(known, &ALL, ImageFilter { status, ..filter(ImageOrder::Risk) }).await
    };
    "three projects, by name", |known, mut rng| {
        list(known, &some_projects(known, &mut rng), filter(ImageOrder::Name)).await
    };
    "three projects, by risk, deep", |known, mut rng| {
        let after = Some(pick(&known.risks, &mut rng).clone());
        let scope = some_projects(known, &mut rng);
        list(known, &scope, ImageFilter { after, ..filter(ImageOrder::Risk) }).await
    };
    "three projects, dev, high, by scan", |known, mut rng| {
        let filter = ImageFilter {
            environment: Some("dev".to_owned()),
            min_severity: Some(Severity::High),
            ..filter(ImageOrder::Scanned)
        };
        list(known, &some_projects(known, &mut rng), filter).await
    };
    "search, rare text", |known, mut rng| {
        let text = Some(pick(&known.rare_texts, &mut rng).clone());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Name) }).await
    };
    "search, rare text, by risk", |known, mut rng| {
        let text = Some(pick(&known.rare_texts, &mut rng).clone());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Risk) }).await
    };
    "search, text of one in sixteen", |known, _rng| {
        let text = Some("billing-service".to_owned());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Risk) }).await
    };
    "search, text of all", |known, _rng| {
        let text = Some("-service-".to_owned());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Name) }).await
    };
    "search, text of none", |known, _rng| {
        let text = Some("no-such-service".to_owned());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Name) }).await
    };
    "search, two letters", |known, _rng| {
        let text = Some("ck".to_owned());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Name) }).await
    };
    "search, two letters of none", |known, _rng| {
        let text = Some("zz".to_owned());
        list(known, &ALL, ImageFilter { text, ..filter(ImageOrder::Name) }).await
    };
    "count, all", |known, _rng| known.store.count_images(&ALL, &filter(ImageOrder::Name)).await.unwrap() as usize;
    "count, prod and critical", |known, _rng| {
        let filter = ImageFilter {
            environment: Some("prod".to_owned()),
            min_severity: Some(Severity::Critical),
            ..filter(ImageOrder::Name)
        };
        known.store.count_images(&ALL, &filter).await.unwrap() as usize
    };
    "count, text", |known, mut rng| {
        let text = Some(pick(&known.rare_texts, &mut rng).clone());
        let filter = ImageFilter { text, ..filter(ImageOrder::Name) };
        known.store.count_images(&ALL, &filter).await.unwrap() as usize
    };
    "image with its findings", |known, mut rng| {
        let image = known.store.image(*pick(&known.images, &mut rng)).await.unwrap().unwrap();
        known.store.findings_of(image.inventory_id.unwrap()).await.unwrap().len()
    };
    "CVE of 60 %, first", |known, _rng| {
        let row = known.store.vulnerability(DENSE_CVE).await.unwrap().unwrap();
        assert!(row.images > 0);
        known.store.affected_images(&ALL, row.id, None, LIMIT).await.unwrap().0.len()
    };
    "CVE of 60 %, deep", |known, mut rng| {
        let after = Some(*pick(&known.dense_places, &mut rng));
        known.store.affected_images(&ALL, known.dense, after, LIMIT).await.unwrap().0.len()
    };
    "CVE of 60 %, three projects", |known, mut rng| {
        let scope = some_projects(known, &mut rng);
        known.store.affected_images(&scope, known.dense, None, LIMIT).await.unwrap().0.len()
    };
    "CVE of an application package", |known, mut rng| {
        let id = *pick(&known.rare, &mut rng);
        known.store.affected_images(&ALL, id, None, LIMIT).await.unwrap().0.len()
    };
    "CVE by name with its count", |known, mut rng| {
        let name = format!("CVE-{}-{:04}", 2020 + rng.below(7), rng.below(5000));
        known.store.vulnerability(&name).await.unwrap().map_or(0, |row| row.images as usize)
    };
    "package of 60 %, first", |known, _rng| {
        known.store.images_with_package(&ALL, DENSE, None, None, LIMIT).await.unwrap().0.len()
    };
    "package of 60 %, deep", |known, mut rng| {
        let after = Some(*pick(&known.dense_places, &mut rng));
        known.store.images_with_package(&ALL, DENSE, None, after, LIMIT).await.unwrap().0.len()
    };
    "package of an application", |known, mut rng| {
        let name = pick(&known.packages, &mut rng);
        known.store.images_with_package(&ALL, name, None, None, LIMIT).await.unwrap().0.len()
    };
    "packages by text", |known, _rng| known.store.packages("ledger-77", None, LIMIT).await.unwrap().len();
    "vulnerabilities, first", |known, _rng| {
        known.store.vulnerabilities(None, None, None, LIMIT).await.unwrap().len()
    };
    "vulnerabilities, critical, text", |known, mut rng| {
        let text = format!("-{}", rng.below(999));
        let found = known.store.vulnerabilities(Some(&text), Some(Severity::Critical), None, LIMIT).await;
        found.unwrap().len()
    };
    "reports of an image", |known, mut rng| {
        known.store.reports_of(*pick(&known.images, &mut rng), None, LIMIT).await.unwrap().len()
    };
    "changes of an image", |known, mut rng| {
        let image = known.store.image(*pick(&known.images, &mut rng)).await.unwrap().unwrap();
        known.store.finding_changes(image.inventory_id.unwrap(), 0, LIMIT).await.unwrap().len()
    };
}

async fn known(store: &Store, world: &World, filled: &Filled) -> Known {
    let mut rng = Rng::new(9);
    let mut numbers: Vec<usize> = (0..2000).map(|_| rng.below(world.scale.images)).collect();
    numbers.sort_unstable();
    let references: Vec<String> = numbers.iter().map(|n| world.image(*n).reference).collect();
    let rare_texts = numbers.iter().take(300).map(|n| format!("service-{}:1.{}", n / 10, n % 10)).collect();
    let dense = store.vulnerability(DENSE_CVE).await.unwrap().unwrap().id;
    let (mut dense_places, mut after) = (Vec::new(), None);
    loop {
        let (_, next) = store.affected_images(&Scope::All, dense, after, 2000).await.unwrap();
        let Some(place) = next else { break };
        dense_places.push(place);
        after = next;
    }
    if dense_places.is_empty() {
        dense_places.push([0; 4]);
    }
    let mut rare = Vec::new();
    for row in store.vulnerabilities(Some("CVE-2023"), None, None, 300).await.unwrap() {
        rare.push(row.id);
    }
    let mut risks = Vec::new();
    for id in filled.ids.iter().step_by(filled.ids.len() / 200 + 1) {
        let image = store.image(*id).await.unwrap().unwrap();
        risks.push((image.facets.risk().to_string(), *id));
    }
    let packages = world.components.iter().rev().step_by(97).map(|c| c.package.name.clone()).collect();
    Known {
        store: store.clone(),
        images: filled.ids.clone(),
        projects: filled.projects.clone(),
        references,
        rare_texts,
        dense,
        dense_places,
        rare,
        packages,
        risks,
    }
}

/// Every kind of page, so many requests of each. Kinds are mixed, as people mix them.
pub(crate) async fn measure(store: &Store, world: &World, filled: &Filled, requests: usize) -> Vec<Figure> {
    let known = Arc::new(known(store, world, filled).await);
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (known, next) = (Arc::clone(&known), Arc::clone(&next));
        clients.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests * ASKS.len() {
                    return times;
                }
                let kind = number % ASKS.len();
                let begun = Instant::now();
                ASKS[kind].1(&known, Rng::new(number as u64)).await;
                times.push((kind, begun.elapsed()));
            }
        });
    }
    let times: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    ASKS.iter()
        .enumerate()
        .map(|(kind, (name, _))| {
            let mut times: Vec<_> = times.iter().filter(|(k, _)| *k == kind).map(|(_, time)| *time).collect();
            times.sort_unstable();
            Figure { name, times }
        })
        .collect()
}
