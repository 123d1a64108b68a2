//! Lists of image records: filters, orders, pages and search, against the same done by hand.

use std::collections::BTreeMap;

use model::{ScanStatus, Severity};
use store::{Image, ImageChange, ImageFilter, ImageOrder, Scope, Store, StoreError};

use crate::{
    bulk::load,
    rig::{SECOND, T0, claim, image, on_both, submit},
    world::{ENVIRONMENTS, Scale, World},
};

const SCALE: Scale = Scale {
    images: 230,
    projects: 6,
    bases: 10,
    base_packages: 6,
    app_components: 200,
    app_size: 4,
    vulnerabilities: 60,
};

async fn all_pages(store: &Store, scope: &Scope, filter: &ImageFilter) -> Vec<Image> {
    let mut filter = filter.clone();
    let mut all = Vec::new();
    loop {
        let page = store.images(scope, &filter).await.unwrap();
        assert!(page.items.len() <= usize::try_from(filter.limit).unwrap());
        all.extend(page.items);
        assert!(all.len() < 10_000);
        filter.after = page.next;
        if filter.after.is_none() {
            return all;
        }
    }
}

fn sort(images: &mut [Image], order: ImageOrder) {
    images.sort_by(|a, b| match order {
        ImageOrder::Name => (&a.reference, a.id).cmp(&(&b.reference, b.id)),
        ImageOrder::Risk => (b.facets.risk(), b.id).cmp(&(a.facets.risk(), a.id)),
        ImageOrder::Scanned => (b.scanned_at, b.id).cmp(&(a.scanned_at, a.id)),
    });
}

/// Some images that were never scanned, or failed, and labels, beside those of a world.
async fn fill(store: &Store) -> (World, BTreeMap<i64, Option<usize>>) {
    let world = World::new(SCALE, 3);
    let ids = load(store, &world, "p").await;
    let mut environments: BTreeMap<i64, Option<usize>> =
        ids.iter().enumerate().map(|(number, id)| (*id, world.image(number).environment)).collect();
    for number in 0..20 {
        let reference = format!("never.example/Team_{number}/x%y:1");
        let id = store.add_image(&image(1 + number % 3, &reference), T0).await.unwrap();
        environments.insert(id, None);
        let labels = [("team".to_owned(), format!("t{}", number % 2))].into();
        let change = ImageChange { labels: Some(labels), ..ImageChange::default() };
        store.change_image(id, &change, T0).await.unwrap();
    }
    for number in 0..5 {
        let reference = format!("failed.example/f{number}:1");
        let scan = submit(store, 1, &reference, T0).await;
        let job = claim(store, "w", T0).await.unwrap();
        store.fail(&job, model::FailureReason::UnknownOs, "", T0 + SECOND).await.unwrap();
        environments.insert(store.scan(scan.scan).await.unwrap().unwrap().image_id, None);
    }
    (world, environments)
}

#[test]
fn every_list_is_what_filtering_and_sorting_by_hand_gives() {
    on_both(async |store| {
        let (_, environments) = fill(store).await;
        let mut everything = Vec::new();
        for id in environments.keys() {
            everything.push(store.image(*id).await.unwrap().unwrap());
        }
        let text = |text: &str| ImageFilter { text: Some(text.to_owned()), ..ImageFilter::default() };
        let digest = everything[0].digest.clone();
        let filters = vec![
            ImageFilter::default(),
            text("BILLING"),
            text("example.com/"),
            text("a"),
            text("g-"),
            text("team_1"),
            text("%"),
            text("x%y"),
            text("\""),
            text("nothing has this"),
            text(""),
            text("a\0b"),
            ImageFilter { reference: Some(everything[5].reference.clone()), ..ImageFilter::default() },
            ImageFilter { digest, ..ImageFilter::default() },
            ImageFilter { environment: Some("prod".to_owned()), ..ImageFilter::default() },
            ImageFilter { environment: Some("none".to_owned()), ..ImageFilter::default() },
            ImageFilter { status: Some(ScanStatus::Failed), ..ImageFilter::default() },
            ImageFilter { status: Some(ScanStatus::NotScanned), ..ImageFilter::default() },
            ImageFilter { min_severity: Some(Severity::Critical), ..ImageFilter::default() },
            ImageFilter { min_severity: Some(Severity::Low), ..ImageFilter::default() },
            ImageFilter { min_severity: Some(Severity::Unknown), ..ImageFilter::default() },
            ImageFilter { fixable: true, ..ImageFilter::default() },
            ImageFilter { label: Some(("team".to_owned(), "t1".to_owned())), ..ImageFilter::default() },
            ImageFilter { project: Some(2), ..ImageFilter::default() },
            ImageFilter { registry: Some("docker.io".to_owned()), ..ImageFilter::default() },
            ImageFilter {
                environment: Some("dev".to_owned()),
                min_severity: Some(Severity::High),
                ..text("service")
            },
        ];
        let scopes = [
            Scope::All,
            Scope::Projects(vec![2]),
            Scope::Projects(vec![1, 3, 99]),
            Scope::Projects(Vec::new()),
        ];
        for (number, filter) in filters.iter().enumerate() {
            for scope in &scopes {
                for order in [ImageOrder::Name, ImageOrder::Risk, ImageOrder::Scanned] {
                    let filter = ImageFilter { order, limit: 7, ..filter.clone() };
                    let mut expected: Vec<Image> = everything
                        .iter()
                        .filter(|image| {
                            scope.contains(image.project_id) && fits(image, &filter, &environments)
                        })
                        .cloned()
                        .collect();
                    sort(&mut expected, order);
                    let seen = all_pages(store, scope, &filter).await;
                    let names =
                        |images: &[Image]| images.iter().map(|i| i.reference.clone()).collect::<Vec<_>>();
                    assert_eq!(names(&seen), names(&expected), "filter {number}, {scope:?}, {order:?}");
                    let count = store.count_images(scope, &filter).await.unwrap();
                    assert_eq!(usize::try_from(count).unwrap(), expected.len(), "filter {number}");
                }
            }
        }
    });
}

fn fits(image: &Image, filter: &ImageFilter, environments: &BTreeMap<i64, Option<usize>>) -> bool {
    let equal = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
    let text =
        filter.text.as_ref().is_none_or(|text| image.reference.to_lowercase().contains(&text.to_lowercase()));
    let environment = environments[&image.id].map_or("", |index| ENVIRONMENTS[index]);
    let severe = filter.min_severity.is_none_or(|severity| {
        Severity::DESCENDING.iter().any(|s| *s >= severity && image.facets.get(*s) > 0)
    });
    text && equal(&filter.reference, &image.reference)
        && filter.digest.as_ref().is_none_or(|digest| image.digest.as_ref() == Some(digest))
        && equal(&filter.registry, &image.registry)
        && equal(&filter.environment, environment)
        && filter.status.is_none_or(|status| image.status == status)
        && severe
        && (!filter.fixable || image.facets.fixable > 0)
        && filter.project.is_none_or(|project| image.project_id == project)
        && filter.label.as_ref().is_none_or(|(name, value)| image.labels.get(name) == Some(value))
}

#[test]
fn an_image_record_can_be_changed() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let id = store.add_image(&image(project, "r.example/a:1"), T0).await.unwrap();
        assert_eq!(store.add_image(&image(project, "r.example/a:1"), T0).await.unwrap(), id);
        let change = ImageChange {
            owner: Some(Some("team".to_owned())),
            environments: Some(vec!["prod".to_owned(), "dev".to_owned()]),
            ..ImageChange::default()
        };
        store.change_image(id, &change, T0 + 1).await.unwrap();
        let seen = store.image(id).await.unwrap().unwrap();
        assert_eq!((seen.owner.as_deref(), seen.changed_at), (Some("team"), T0 + 1));
        assert_eq!(store.environments_of(id).await.unwrap(), ["dev", "prod"]);
        let change = ImageChange { environments: Some(Vec::new()), ..ImageChange::default() };
        store.change_image(id, &change, T0 + 2).await.unwrap();
        assert!(store.environments_of(id).await.unwrap().is_empty());
        assert_eq!(store.image(id).await.unwrap().unwrap().owner.as_deref(), Some("team"));
        let none = store.change_image(id + 1, &change, T0).await;
        assert!(matches!(none, Err(StoreError::NotFound("image"))));
    });
}
