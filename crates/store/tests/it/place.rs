//! Which images have a vulnerability or a package: pages without gaps and doubles, and only of the projects that
//! may be seen.

use std::collections::BTreeSet;

use store::Scope;

use crate::{
    bulk::load,
    rig::on_both,
    world::{DENSE, DENSE_CVE, Scale, World},
};

const SCALE: Scale = Scale {
    images: 150,
    projects: 5,
    bases: 8,
    base_packages: 10,
    app_components: 80,
    app_size: 12,
    vulnerabilities: 40,
};

#[test]
fn pages_hold_every_image_once() {
    let world = World::new(SCALE, 11);
    on_both(async |store| {
        let ids = load(store, &world, "p").await;
        let mut names: BTreeSet<String> = world.findings.iter().flatten().map(|f| f.id.clone()).collect();
        names.insert("CVE-none".to_owned());
        assert!(names.contains(DENSE_CVE));
        let mut packages: BTreeSet<String> =
            world.components.iter().map(|c| c.package.name.clone()).step_by(9).collect();
        packages.insert(DENSE.to_owned());
        let specs: Vec<_> = (0..SCALE.images).map(|number| (ids[number], world.image(number))).collect();
        for scope in [Scope::All, Scope::Projects(vec![4, 1]), Scope::Projects(vec![3])] {
            let visible = |project: usize| scope.contains(i64::try_from(project).unwrap() + 1);
            // Of every image its components, each once.
            let pairs = || {
                specs.iter().filter(|(_, spec)| visible(spec.project)).flat_map(|(id, spec)| {
                    let all: BTreeSet<usize> = spec.sets.iter().flatten().copied().collect();
                    all.into_iter().map(|component| (*id, component))
                })
            };
            for limit in [1, 4, 1000] {
                for name in names.iter().step_by(if limit == 1 { 7 } else { 1 }) {
                    let expected: BTreeSet<(i64, String, String)> = pairs()
                        .filter(|(_, c)| world.findings[*c].iter().any(|f| f.id == *name))
                        .map(|(id, c)| {
                            let package = &world.components[c].package;
                            (id, package.name.clone(), package.version.clone())
                        })
                        .collect();
                    let Some(row) = store.vulnerability(name).await.unwrap() else {
                        assert!(expected.is_empty());
                        continue;
                    };
                    let (mut seen, mut after) = (Vec::new(), None);
                    loop {
                        let (page, next) = store.affected_images(&scope, row.id, after, limit).await.unwrap();
                        seen.extend(page.into_iter().map(|i| (i.image_id, i.package, i.version)));
                        after = next;
                        if after.is_none() {
                            break;
                        }
                        assert!(seen.len() < 10_000);
                    }
                    let count = seen.len();
                    let seen: BTreeSet<_> = seen.into_iter().collect();
                    assert_eq!((count, &seen), (seen.len(), &expected), "{name} {scope:?} {limit}");
                }
                for name in &packages {
                    let (mut seen, mut after) = (Vec::new(), None);
                    loop {
                        let (page, next) =
                            store.images_with_package(&scope, name, None, after, limit).await.unwrap();
                        seen.extend(page.into_iter().map(|i| (i.image_id, i.version)));
                        after = next;
                        if after.is_none() {
                            break;
                        }
                    }
                    let expected: BTreeSet<(i64, String)> = pairs()
                        .map(|(id, c)| (id, &world.components[c].package))
                        .filter(|(_, package)| package.name == *name)
                        .map(|(id, package)| (id, package.version.clone()))
                        .collect();
                    let count = seen.len();
                    let seen: BTreeSet<_> = seen.into_iter().collect();
                    assert_eq!((count, &seen), (seen.len(), &expected), "{name} {scope:?} {limit}");
                }
            }
        }
        let some = "2.36-1";
        let (page, _) = store.images_with_package(&Scope::All, DENSE, Some(some), None, 1000).await.unwrap();
        assert!(!page.is_empty() && page.iter().all(|image| image.version == some));
    });
}

#[test]
fn vulnerabilities_and_packages_are_listed_by_name() {
    let world = World::new(SCALE, 12);
    on_both(async |store| {
        load(store, &world, "p").await;
        let names: BTreeSet<String> = world.findings.iter().flatten().map(|f| f.id.clone()).collect();
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().cloned();
            let page = store.vulnerabilities(Some("cve-"), None, after.as_deref(), 7).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|row| row.name));
        }
        assert!(seen.is_sorted_by(|a, b| a > b));
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), names);
        let severe = store.vulnerabilities(None, Some(model::Severity::Critical), None, 1000).await.unwrap();
        assert!(severe.iter().all(|row| row.severity == model::Severity::Critical));
        let packages = store.packages("LIB00", None, 100).await.unwrap();
        assert_eq!(packages.len(), 10);
        assert_eq!(store.packages("LIB00", Some("lib004"), 3).await.unwrap()[0].1, "lib005");
    });
}
