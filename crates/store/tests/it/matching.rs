//! Reports, counts, and findings that follow their advisories.

use std::collections::{BTreeMap, BTreeSet};

use model::{ChangeReason, Component, Facets, Finding, JobKind, Package, PackageKind, ScanStatus, Severity};
use store::{ComponentChange, ShardVersion, Store, StoreError};

use crate::{
    rig::{
        Contents, REPORT, SECOND, T0, claim, claim_kinds, complete, inventory, job, key, on_both, statuses,
        submit, to_match,
    },
    world::{OS_SHARD, Rng, finding},
};

fn component(name: &str) -> Component {
    Component {
        key: key(name),
        shard: Some(OS_SHARD.to_owned()),
        names: vec![name.to_owned(), format!("{name}-src")],
        package: Package::new(PackageKind::Deb, name, "1.0"),
        distro: None,
        channels: Vec::new(),
    }
}

fn version(number: usize) -> ShardVersion {
    ShardVersion {
        shard: OS_SHARD.to_owned(),
        digest: format!("d{number}"),
        built: "2026-01-01T00:00:00Z".to_owned(),
    }
}

fn found(name: &str, severity: Severity) -> Finding {
    finding(name, severity, &mut Rng::new(name.len() as u64))
}

/// An image whose layers brought these packages, each with a finding of its own name.
fn contents(digest: &str, sets: &[&[&str]]) -> Contents {
    let mut contents =
        Contents { digest: digest.to_owned(), shards: vec![version(1)], ..Contents::default() };
    for names in sets {
        let mut set = Vec::new();
        for name in *names {
            let index = contents.components.len();
            set.push(index);
            contents.components.push(component(name));
            contents.findings.push((index, found(&format!("CVE-{name}"), Severity::High)));
        }
        contents.sets.push(set);
    }
    contents
}

async fn recount(store: &Store, now: i64) {
    while store.mark_sets().await.unwrap() {}
    while store.recount_set(now).await.unwrap().is_some() {}
}

#[test]
fn all_who_wait_for_a_match_get_one_report_each() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let one = submit(store, project, "r.example/a:1", T0).await;
        let two = submit(store, project, "r.example/a:latest", T0).await;
        for _ in 0..2 {
            let look = claim_kinds(store, "w", &[JobKind::Resolve], T0).await.unwrap();
            let next = job(JobKind::Index, key("index"), &look);
            store.finish_resolve(&look, "sha256:1", None, &next, T0).await.unwrap();
        }
        let read = claim(store, "w", T0).await.unwrap();
        let next = |_| ("{}".to_owned(), key("match"));
        let id = store.finish_index(&read, &inventory("sha256:1"), next, T0).await.unwrap();
        let matching = claim(store, "w", T0).await.unwrap();
        let contents = contents("sha256:1", &[&["a", "b"], &["c"]]);
        let mut done = store.finish_match(&matching, &contents.content(id), &REPORT, T0).await.unwrap();
        done.sort_unstable();
        assert_eq!(done, [one.scan, two.scan]);
        for scan in done {
            assert_eq!(statuses(store, scan).await, (ScanStatus::Completed, ScanStatus::Completed));
            let scan = store.scan(scan).await.unwrap().unwrap();
            let report = store.report(scan.report_id.unwrap()).await.unwrap().unwrap();
            assert_eq!((report.facets.high, report.findings.len()), (3, 3));
            assert_eq!(store.findings_by_id(&report.findings).await.unwrap().len(), 3);
            let image = store.image(scan.image_id).await.unwrap().unwrap();
            assert_eq!(image.facets, report.facets);
            assert_eq!(image.scanned_at, Some(T0));
            let now = store.findings_of(image.inventory_id.unwrap()).await.unwrap();
            assert_eq!(now.iter().map(|f| f.package.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        }
        let stored = store.vulnerability("CVE-a").await.unwrap().unwrap();
        assert_eq!(stored.images, 2);
    });
}

#[test]
fn an_image_that_fails_later_keeps_its_report() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let image = complete(store, project, "r.example/a:1", &contents("sha256:1", &[&["a"]]), T0).await;
        submit(store, project, "r.example/a:1", T0 + SECOND).await;
        let look = claim(store, "w", T0 + SECOND).await.unwrap();
        store.fail(&look, model::FailureReason::ImageNotFound, "gone", T0 + SECOND).await.unwrap();
        let seen = store.image(image).await.unwrap().unwrap();
        assert_eq!((seen.status, seen.facets.high), (ScanStatus::Failed, 1));
        assert!(seen.report_id.is_some());
    });
}

#[test]
fn advisories_that_moved_on_refuse_older_matches() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        complete(store, project, "r.example/a:1", &contents("sha256:1", &[&["a"]]), T0).await;
        submit(store, project, "r.example/b:1", T0).await;
        let old = contents("sha256:2", &[&["b"]]);
        let (id, matching) = to_match(store, &old, T0).await;
        store.begin_rematch(&version(2), T0).await.unwrap();
        let refused = store.finish_match(&matching, &old.content(id), &REPORT, T0).await.unwrap_err();
        assert!(matches!(refused, StoreError::ShardMoved(_)) && refused.is_transient());
        let new = Contents { shards: vec![version(2)], ..old.clone() };
        store.finish_match(&matching, &new.content(id), &REPORT, T0).await.unwrap();
        let elsewhere = store.change_findings(OS_SHARD, "d3", &[], T0).await;
        assert!(matches!(elsewhere, Err(StoreError::ShardMoved(_))));
        store.finish_rematch(&version(2), T0).await.unwrap();
        let states = store.shard_states().await.unwrap();
        assert_eq!((states[0].at.clone(), states[0].target.clone()), (version(2), None));
    });
}

#[test]
fn findings_come_change_and_go_with_their_reasons() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        let image =
            complete(store, project, "r.example/a:1", &contents("sha256:1", &[&["a"], &["b"]]), T0).await;
        store.begin_rematch(&version(2), T0 + 1).await.unwrap();
        let names = ["b-src".to_owned(), "a".to_owned()];
        let both = store.components_to_match(OS_SHARD, Some(&names), 0, 10).await.unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(both, store.components_to_match(OS_SHARD, None, 0, 10).await.unwrap());
        assert_eq!(store.components_to_match(OS_SHARD, None, both[0].0, 10).await.unwrap(), both[1..]);
        assert!(store.components_to_match("npm", None, 0, 10).await.unwrap().is_empty());
        let id_of = |name: &str| both.iter().find(|(_, c)| c.package.name == name).unwrap().0;
        let changes = [
            ComponentChange {
                component: id_of("a"),
                findings: vec![
                    Finding { package: 7, ..found("CVE-a", Severity::Low) },
                    found("CVE-new", Severity::Critical),
                ],
            },
            ComponentChange { component: id_of("b"), findings: Vec::new() },
        ];
        let done = store.change_findings(OS_SHARD, "d2", &changes, T0 + 2).await.unwrap();
        assert_eq!((done.opened.len(), done.closed.len()), (2, 2));
        let again = store.change_findings(OS_SHARD, "d2", &changes, T0 + 3).await.unwrap();
        assert_eq!(again, store::Rematched::default());
        recount(store, T0 + 4).await;
        let seen = store.image(image).await.unwrap().unwrap();
        let expected = Facets { critical: 1, low: 1, ..Facets::default() };
        assert_eq!(Facets { fixable: 0, ..seen.facets }, expected);
        assert_eq!(seen.changed_at, T0 + 4);
        let inventory = seen.inventory_id.unwrap();
        let mut history: Vec<_> = store
            .finding_changes(inventory, T0, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|f| (f.finding.id, f.finding.severity, f.opened_for, f.closed_for))
            .collect();
        history.sort();
        let component_new = ChangeReason::ComponentNew;
        let changed = ChangeReason::AdvisoryChanged;
        assert_eq!(
            history,
            [
                ("CVE-a".to_owned(), Severity::Low, changed, None),
                ("CVE-a".to_owned(), Severity::High, component_new, Some(changed)),
                ("CVE-b".to_owned(), Severity::High, component_new, Some(ChangeReason::AdvisoryGone)),
                ("CVE-new".to_owned(), Severity::Critical, ChangeReason::AdvisoryNew, None),
            ]
        );
        assert_eq!(store.finding_changes(inventory, T0 + 2, 100).await.unwrap(), []);
        // A vulnerability is as severe as its worst finding is now.
        assert_eq!(store.vulnerability("CVE-a").await.unwrap().unwrap().severity, Severity::Low);
        let report = store.report(seen.report_id.unwrap()).await.unwrap().unwrap();
        let then = store.findings_by_id(&report.findings).await.unwrap();
        assert_eq!(then.iter().filter(|f| f.finding.severity == Severity::High).count(), 2);
    });
}

#[test]
fn a_set_that_changes_while_it_is_counted_is_counted_again() {
    on_both(async |store| {
        let project = store.ensure_project("p", T0).await.unwrap();
        complete(store, project, "r.example/a:1", &contents("sha256:1", &[&["a"]]), T0).await;
        store.begin_rematch(&version(2), T0).await.unwrap();
        let (id, _) = store.components_to_match(OS_SHARD, None, 0, 1).await.unwrap().remove(0);
        for round in 0..3 {
            let findings = (0..round).map(|n| found(&format!("CVE-{n}"), Severity::Low)).collect();
            let change = ComponentChange { component: id, findings };
            store.change_findings(OS_SHARD, "d2", &[change], T0 + round).await.unwrap();
            let mut both = tokio::task::JoinSet::new();
            for _ in 0..2 {
                let store = store.clone();
                both.spawn(async move { recount(&store, T0).await });
            }
            both.join_all().await;
            recount(store, T0).await;
            let seen = store.image(1).await.unwrap().unwrap();
            assert_eq!(i64::from(seen.facets.low), round);
        }
    });
}

/// What the store should say, the simple way.
#[derive(Default)]
struct Naive {
    findings: BTreeMap<usize, Vec<Finding>>,
    /// By reference: its record, and the packages of its layers.
    images: BTreeMap<String, (i64, Vec<Vec<usize>>)>,
    shard: usize,
}

const PACKAGES: usize = 14;

impl Naive {
    fn random_findings(rng: &mut Rng) -> Vec<Finding> {
        let mut found: BTreeMap<usize, Finding> = BTreeMap::new();
        for _ in 0..rng.below(4) {
            let number = rng.below(9);
            let severity = Severity::DESCENDING[rng.below(6)];
            found.insert(number, finding(&format!("CVE-2026-{number}"), severity, rng));
        }
        found.into_values().collect()
    }

    fn contents(&self, digest: String, sets: &[Vec<usize>]) -> Contents {
        let mut contents = Contents { digest, shards: vec![version(self.shard)], ..Contents::default() };
        for set in sets {
            let mut indexes = Vec::new();
            for package in set {
                let index = contents.components.len();
                indexes.push(index);
                contents.components.push(component(&format!("p{package}")));
                let all = self.findings[package].iter().map(|finding| (index, finding.clone()));
                contents.findings.extend(all);
            }
            contents.sets.push(indexes);
        }
        contents
    }

    async fn check(&self, store: &Store) {
        let mut affected: BTreeMap<&str, BTreeSet<(i64, String)>> = BTreeMap::new();
        for (reference, (id, sets)) in &self.images {
            let all = || sets.iter().flatten().flat_map(|package| &self.findings[package]);
            let seen = store.image(*id).await.unwrap().unwrap();
            assert_eq!(seen.facets, Facets::of(all()), "{reference}");
            let mut expected: Vec<(String, &Finding)> = Vec::new();
            for package in sets.iter().flatten() {
                expected.extend(self.findings[package].iter().map(|f| (format!("p{package}"), f)));
                for finding in &self.findings[package] {
                    affected.entry(&finding.id).or_default().insert((*id, format!("p{package}")));
                }
            }
            expected.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
            let mut shown = store.findings_of(seen.inventory_id.unwrap()).await.unwrap();
            assert!(shown.is_sorted_by(|a, b| a.finding.severity >= b.finding.severity));
            shown.sort_by(|a, b| (&a.package, &a.finding.id).cmp(&(&b.package, &b.finding.id)));
            let shown: Vec<_> = shown.iter().map(|f| (f.package.clone(), &f.finding)).collect();
            assert_eq!(shown, expected, "{reference}");
        }
        for number in 0..9 {
            let name = format!("CVE-2026-{number}");
            let Some(row) = store.vulnerability(&name).await.unwrap() else {
                assert!(!affected.contains_key(name.as_str()));
                continue;
            };
            let open = || self.findings.values().flatten().filter(|finding| finding.id == name);
            let stored = open().map(|finding| finding.severity).max();
            let (mut after, mut shown, mut shown_severities) = (None, Vec::new(), Vec::new());
            loop {
                let (page, next) = store.affected_images(&store::Scope::All, row.id, after, 3).await.unwrap();
                shown_severities.extend(page.iter().map(|image| image.severity));
                shown.extend(page.into_iter().map(|image| (image.image_id, image.package)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            let count = shown.len();
            let shown: BTreeSet<_> = shown.into_iter().collect();
            assert_eq!(count, shown.len(), "{name} has doubles");
            assert_eq!(shown, affected.remove(name.as_str()).unwrap_or_default(), "{name}");
            // Of packages that no image ever had the store knows nothing.
            assert!(row.severity <= stored.unwrap_or_default(), "{name}");
            let worst = shown_severities.into_iter().max();
            assert!(Some(row.severity) >= worst, "{name}");
        }
    }
}

#[test]
fn counts_are_what_a_simple_model_says_whatever_happens() {
    on_both(async |store| {
        let projects =
            [store.ensure_project("one", T0).await.unwrap(), store.ensure_project("two", T0).await.unwrap()];
        let mut rng = Rng::new(42);
        let mut naive = Naive { shard: 1, ..Naive::default() };
        for package in 0..PACKAGES {
            naive.findings.insert(package, Naive::random_findings(&mut rng));
        }
        let mut digests = 0;
        for step in 0..60_i64 {
            let now = T0 + step * SECOND;
            match rng.below(10) {
                // A new image, or another content of a known one.
                0..6 => {
                    let reference = format!("r.example/app{}:1", rng.below(12));
                    let project = projects[reference.len() % 2];
                    let mut packages: Vec<usize> = (0..PACKAGES).filter(|_| rng.percent(40)).collect();
                    let second = packages.split_off(packages.len() / 2);
                    let sets = vec![packages, Vec::new(), second];
                    digests += 1;
                    let contents = naive.contents(format!("sha256:{digests}"), &sets);
                    let id = complete(store, project, &reference, &contents, now).await;
                    naive.images.insert(reference, (id, sets));
                }
                // Other advisories.
                6..9 => {
                    naive.shard += 1;
                    let to = version(naive.shard);
                    store.begin_rematch(&to, now).await.unwrap();
                    let all = store.components_to_match(OS_SHARD, None, 0, 100).await.unwrap();
                    let mut changes = Vec::new();
                    for package in 0..PACKAGES {
                        if rng.percent(50) {
                            naive.findings.insert(package, Naive::random_findings(&mut rng));
                        }
                        let name = format!("p{package}");
                        let known = all.iter().find(|(_, component)| component.package.name == name);
                        if let Some((id, _)) = known {
                            let findings = naive.findings[&package].clone();
                            changes.push(ComponentChange { component: *id, findings });
                        }
                    }
                    store.change_findings(OS_SHARD, &to.digest, &changes, now).await.unwrap();
                    recount(store, now).await;
                    store.finish_rematch(&to, now).await.unwrap();
                }
                _ => {
                    if let Some((reference, (id, _))) = naive.images.pop_first() {
                        store.delete_image(id).await.unwrap();
                        assert_eq!(store.image(id).await.unwrap(), None, "{reference}");
                        assert!(matches!(store.delete_image(id).await, Err(StoreError::NotFound("image"))));
                    }
                }
            }
            naive.check(store).await;
        }
        assert!(naive.images.len() > 3);
    });
}
