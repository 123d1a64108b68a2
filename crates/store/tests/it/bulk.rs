//! What is loaded at once is what as many scans would have left.

use std::collections::{BTreeMap, BTreeSet};

use store::{Scope, ShardVersion, Store};

use crate::{
    rig::{Contents, T0, complete, on_both},
    world::{ENVIRONMENTS, OS_SHARD, Scale, World},
};

pub(crate) fn shards() -> Vec<ShardVersion> {
    [OS_SHARD, "npm", "pypi"]
        .map(|shard| ShardVersion { shard: shard.to_owned(), digest: "d1".to_owned(), built: String::new() })
        .to_vec()
}

/// Loads all images of a world; their numbers, in order.
pub(crate) async fn load(store: &Store, world: &World, prefix: &str) -> Vec<i64> {
    let mut projects = Vec::new();
    for number in 0..world.scale.projects {
        projects.push(store.ensure_project(&format!("{prefix}{number}"), T0).await.unwrap());
    }
    let mut bulk = store.bulk(&world.components, &world.findings, &shards(), T0).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..world.scale.images {
        let spec = world.image(number);
        let image = store::NewImage {
            project: projects[spec.project],
            reference: &spec.reference,
            registry: &spec.registry,
            repository: &spec.repository,
            tag: Some(&spec.tag),
            platform: "",
            source: "push",
            owner: None,
        };
        let environment = spec.environment.map(|index| ENVIRONMENTS[index]);
        let at = T0 + i64::try_from(number).unwrap();
        let id = bulk.image(&image, &spec.digest, "a1", environment, &spec.sets, b"{}", &[at]).await.unwrap();
        ids.push(id);
    }
    bulk.finish().await.unwrap();
    ids
}

/// Everything that the store says of its images, without numbers that depend on the order of things.
async fn told(store: &Store, ids: &[i64]) -> Vec<String> {
    let mut told = Vec::new();
    let mut names = BTreeSet::new();
    let mut packages = BTreeSet::new();
    for id in ids {
        let image = store.image(*id).await.unwrap().unwrap();
        told.push(format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {}",
            image.reference,
            image.project_id,
            image.digest,
            image.status,
            image.facets,
            image.scanned_at,
            image.tag,
            image.partial
        ));
        let found = store.findings_of(image.inventory_id.unwrap()).await.unwrap();
        let mut lines: Vec<String> = found
            .iter()
            .map(|f| {
                format!(
                    "{} {} {} {:?} {:?} {:?}",
                    f.kind, f.package, f.version, f.finding, f.opened_for, f.component_key
                )
            })
            .collect();
        lines.sort();
        told.extend(lines);
        names.extend(found.iter().map(|f| f.finding.id.clone()));
        packages.extend(found.iter().map(|f| f.package.clone()));
        for report in store.reports_of(*id, None, 9).await.unwrap() {
            told.push(format!("{:?} {} {}", report.facets, report.findings.len(), report.body));
            let now: BTreeSet<i64> = found.iter().map(|f| f.id).collect();
            assert_eq!(report.findings, now.into_iter().collect::<Vec<_>>());
        }
        let scan = store.scan(image.scan_id.unwrap()).await.unwrap().unwrap();
        told.push(format!("{:?} {:?} {:?} {:?}", scan.status, scan.digest, scan.phase, scan.finished_at));
    }
    for name in names {
        let row = store.vulnerability(&name).await.unwrap().unwrap();
        // Its severity may come from a component that was loaded, but stands in no image.
        told.push(format!("{name} {}", row.images));
        let (images, _) = store.affected_images(&Scope::All, row.id, None, 10_000).await.unwrap();
        let mut lines: Vec<String> = images
            .iter()
            .map(|i| format!("{} {} {} {:?}", i.reference, i.package, i.version, i.severity))
            .collect();
        lines.sort();
        told.extend(lines);
    }
    for name in packages {
        let (images, _) = store.images_with_package(&Scope::All, &name, None, None, 10_000).await.unwrap();
        let mut lines: Vec<String> =
            images.iter().map(|i| format!("{} {}", i.reference, i.version)).collect();
        lines.sort();
        told.extend(lines);
    }
    told
}

#[test]
fn loading_leaves_what_scanning_leaves() {
    let scale = Scale {
        images: 40,
        projects: 3,
        bases: 5,
        base_packages: 8,
        app_components: 60,
        app_size: 6,
        vulnerabilities: 30,
    };
    let world = World::new(scale, 7);
    let loaded = std::sync::Mutex::new(Vec::new());
    on_both(async |store| {
        let ids = load(store, &world, "p").await;
        let now = told(store, &ids).await;
        loaded.lock().unwrap().push(now);
        // Numbers go on where the load ended.
        let project = store.ensure_project("p0", T0).await.unwrap();
        let contents = Contents { digest: "sha256:new".to_owned(), ..Contents::default() };
        assert!(!ids.contains(&complete(store, project, "new.example/x:1", &contents, T0).await));
    });
    let scanned = std::sync::Mutex::new(Vec::new());
    on_both(async |store| {
        let mut projects = Vec::new();
        for number in 0..scale.projects {
            projects.push(store.ensure_project(&format!("p{number}"), T0).await.unwrap());
        }
        let mut ids = Vec::new();
        for number in 0..scale.images {
            let spec = world.image(number);
            let mut contents =
                Contents { digest: spec.digest.clone(), shards: shards(), ..Contents::default() };
            let mut at: BTreeMap<usize, usize> = BTreeMap::new();
            for set in &spec.sets {
                let mut indexes = Vec::new();
                for component in set {
                    let index = *at.entry(*component).or_insert_with(|| {
                        contents.components.push(world.components[*component].clone());
                        contents.components.len() - 1
                    });
                    indexes.push(index);
                    let all = world.findings[*component].iter().map(|finding| (index, finding.clone()));
                    contents.findings.extend(all);
                }
                contents.sets.push(indexes);
            }
            let at = T0 + i64::try_from(number).unwrap();
            let id = scan_one(store, projects[spec.project], &spec, &contents, at).await;
            ids.push(id);
        }
        let now = told(store, &ids).await;
        scanned.lock().unwrap().push(now);
    });
    let (loaded, scanned) = (loaded.into_inner().unwrap(), scanned.into_inner().unwrap());
    for (one, other) in loaded.iter().zip(&scanned) {
        for (a, b) in one.iter().zip(other) {
            assert_eq!(a, b);
        }
        assert_eq!(one.len(), other.len());
    }
}

async fn scan_one(
    store: &Store,
    project: i64,
    spec: &crate::world::ImageSpec,
    contents: &Contents,
    at: i64,
) -> i64 {
    let image = store::NewImage {
        project,
        reference: &spec.reference,
        registry: &spec.registry,
        repository: &spec.repository,
        tag: Some(&spec.tag),
        platform: "",
        source: "push",
        owner: None,
    };
    store.add_image(&image, at).await.unwrap();
    complete(store, project, &spec.reference, contents, at).await
}
