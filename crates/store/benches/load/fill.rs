//! Loads a world.

use std::time::{Duration, Instant};

use store::{NewImage, ShardVersion, Store};

use crate::world::{ENVIRONMENTS, OS_SHARD, Scale, World};

/// The time of the first scan, in microseconds since 1970.
pub(crate) const T0: i64 = 1_760_000_000_000_000;

/// What was loaded.
pub(crate) struct Filled {
    pub(crate) projects: Vec<i64>,
    pub(crate) ids: Vec<i64>,
    /// Sum over the images.
    pub(crate) findings: usize,
    pub(crate) took: Duration,
}

/// A world of about 100 findings in an image.
pub(crate) fn scale(images: usize) -> Scale {
    Scale {
        images,
        projects: 40,
        bases: 50,
        base_packages: 65,
        app_components: (images * 3 / 5).clamp(200, 60_000),
        app_size: 30,
        vulnerabilities: (images / 4).clamp(100, 25_000),
    }
}

/// The advisories that everything was matched with.
pub(crate) fn shards(digest: &str) -> Vec<ShardVersion> {
    [OS_SHARD, "npm", "pypi"]
        .map(|shard| ShardVersion {
            shard: shard.to_owned(),
            digest: digest.to_owned(),
            built: String::new(),
        })
        .to_vec()
}

/// Loads all images.
pub(crate) async fn fill(store: &Store, world: &World) -> Filled {
    let begun = Instant::now();
    let mut projects = Vec::new();
    for number in 0..world.scale.projects {
        projects.push(store.ensure_project(&format!("project-{number}"), T0).await.unwrap());
    }
    let mut bulk = store.bulk(&world.components, &world.findings, &shards("d1"), T0).await.unwrap();
    let document = vec![b'x'; 2000];
    let (mut ids, mut findings) = (Vec::new(), 0);
    for number in 0..world.scale.images {
        let spec = world.image(number);
        findings +=
            spec.sets.iter().flatten().map(|component| world.findings[*component].len()).sum::<usize>();
        let image = NewImage {
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
        let at = T0 + i64::try_from(number).unwrap() * 1000;
        let times = [at, at + 500];
        let times = if number % 2 == 0 { &times[..1] } else { &times[..] };
        let id =
            bulk.image(&image, &spec.digest, "a1", environment, &spec.sets, &document, times).await.unwrap();
        ids.push(id);
    }
    bulk.finish().await.unwrap();
    store.analyze().await.unwrap();
    Filled { projects, ids, findings, took: begun.elapsed() }
}
