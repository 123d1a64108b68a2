//! Stored registries: whose credentials open an image, who may store them, and that nobody sees them again.

use app::{
    accounts::{Caller, CallerKind, Rights, Secret},
    clock,
    registries::{RegistryLogin, RegistryOrder, RegistryPatch},
    submit::{PullSecret, Requester, ScanOrder, Target},
};
use egress::AddressPolicy;
use model::{FailureReason, JobClass, Role, ScanStatus};
use store::{EventFilter, LogPosition, Scan, Scope};
use testkit::docker_registry::{Certificate, DockerRegistry, PASSWORD, Setup, USER};

use crate::{
    docker::{push, remote},
    world::{Running, World, debian, kinds, record},
};

pub(crate) fn root() -> Caller {
    Caller::system("root")
}

/// Somebody with a role in one project only.
pub(crate) fn member(role: Role, project: i64) -> Caller {
    let mut member = Caller::system("bob");
    (member.kind, member.role) = (CallerKind::User, Role::Viewer);
    member.rights = Rights::Some([(project, role)].into());
    member
}

fn order<'a>(project: Option<i64>, host: &'a str, secret: &'a Secret) -> RegistryOrder<'a> {
    let login = Some(RegistryLogin { username: USER, secret });
    RegistryOrder { project, name: "ours", host, login, ca: None, plain_http: false }
}

/// What becomes of a scan of an image for a project.
async fn scan(running: &Running, project: i64, image: &str, secret: Option<&str>) -> Scan {
    let secret =
        secret.map(|password| PullSecret { username: USER.to_owned(), password: password.to_owned() });
    let order = ScanOrder { target: Target::parse(image).unwrap(), platform: None, secret };
    let requester =
        Requester { project, name: "bob", request_id: "r1", class: JobClass::Interactive, source: "submit" };
    let submitted = running.service.submit(&[order], requester).await.unwrap();
    running.ended(submitted[0].scan).await
}

fn outcome(scan: &Scan) -> Result<(), FailureReason> {
    match (scan.status, scan.reason) {
        (ScanStatus::Completed, _) => Ok(()),
        (_, reason) => Err(reason.unwrap_or(FailureReason::Internal)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nearest_credentials_open_an_image() {
    let setup = Setup { password: true, tls: None };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let host = registry.host();
    let there = remote(&host, None);
    push(&there, "team/app", "1", &debian("curl", "7.88.1-10")).await;
    let image = format!("{host}/team/app:1");
    let (good, bad) = (Secret::new(PASSWORD.to_owned()), Secret::new("wrong".to_owned()));
    const REFUSED: Result<(), FailureReason> = Err(FailureReason::RegistryUnauthorized);
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        let running = world.start().await;
        let (service, now) = (&running.service, clock::now());
        let ours = running.project;
        let theirs = service.store.ensure_project("theirs", now).await.unwrap();
        let of = async |project: i64, secret: Option<&str>| {
            outcome(&scan(&running, project, &image, secret).await)
        };

        assert_eq!(of(ours, None).await, REFUSED);
        assert_eq!(of(ours, Some(PASSWORD)).await, Ok(()));
        // What one could pull is no reason to tell another.
        assert_eq!(of(ours, None).await, REFUSED);

        service.create_registry(&root(), &order(None, &host, &bad), now).await.unwrap();
        assert_eq!(of(ours, None).await, REFUSED);
        let operator = member(Role::Operator, ours);
        let own = service.create_registry(&operator, &order(Some(ours), &host, &good), now).await.unwrap();
        assert_eq!(of(ours, None).await, Ok(()));
        assert_eq!(of(theirs, None).await, REFUSED);
        // What comes with the request goes before all that is stored.
        assert_eq!(of(ours, Some("wrong")).await, REFUSED);

        // A change counts from the next job on.
        let login = Some(Some(RegistryLogin { username: USER, secret: &bad }));
        let patch = RegistryPatch { login, ..RegistryPatch::default() };
        service.change_registry(&operator, own.id, &patch, now).await.unwrap();
        assert_eq!(of(ours, None).await, REFUSED);
        let login = Some(Some(RegistryLogin { username: USER, secret: &good }));
        let patch = RegistryPatch { login, ..RegistryPatch::default() };
        let changed = service.change_registry(&operator, own.id, &patch, now).await.unwrap();
        assert_eq!(of(ours, None).await, Ok(()));
        assert_eq!(service.try_registry(&operator, own.id, "team/app").await.unwrap(), 1);
        let missing = service.try_registry(&operator, own.id, "team/app:1").await.unwrap_err();
        assert_eq!(missing.code(), "reference-invalid");
        service.delete_registry(&operator, own.id, now).await.unwrap();
        assert_eq!(of(ours, None).await, REFUSED);

        // Neither what is shown nor what is logged holds the secret.
        let filter = EventFilter::default();
        let events = service.store.events(&Scope::All, &filter, LogPosition::After(0), 100).await.unwrap();
        let actions: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
        let expected = [
            "registry.created",
            "registry.created",
            "registry.changed",
            "registry.changed",
            "registry.deleted",
        ];
        assert_eq!(actions, expected);
        let told = format!("{events:?} {changed:?}");
        assert!(!told.contains(PASSWORD) && !told.contains("wrong"), "{told}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_keep_their_project_and_administrators_the_rest() {
    for kind in kinds() {
        let world = World::new(kind).await;
        let running = world.idle().await;
        let (service, now) = (&running.service, clock::now());
        let (ours, theirs) = (running.project, service.store.ensure_project("theirs", now).await.unwrap());
        let secret = Secret::new("x".to_owned());
        let global = order(None, "r.example", &secret);
        let own = order(Some(ours), "r.example", &secret);
        let code = |result: Result<store::Registry, app::registries::RegistryError>| {
            result.map_or_else(|error| error.code(), |_| "fine")
        };
        let operator = member(Role::Operator, ours);
        let stranger = member(Role::Operator, theirs);
        let viewer = member(Role::Analyst, ours);
        assert_eq!(code(service.create_registry(&operator, &global, now).await), "role-too-small");
        assert_eq!(code(service.create_registry(&viewer, &own, now).await), "role-too-small");
        assert_eq!(code(service.create_registry(&stranger, &own, now).await), "project-not-known");
        let own = service.create_registry(&operator, &own, now).await.unwrap();
        let global = service.create_registry(&root(), &global, now).await.unwrap();

        let ids = async |caller: &Caller| {
            let listed = service.registries(caller, 0, 10).await.unwrap();
            listed.into_iter().map(|registry| registry.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&root()).await, [own.id, global.id]);
        assert_eq!(ids(&operator).await, [own.id, global.id]);
        assert_eq!(ids(&stranger).await, [global.id]);
        assert_eq!(ids(&viewer).await, [0; 0]);
        assert_eq!(code(service.registry(&stranger, own.id).await), "not-found");
        assert_eq!(code(service.registry(&viewer, own.id).await), "role-too-small");
        assert_eq!(code(service.registry(&operator, global.id).await), "fine");
        let patch = RegistryPatch { name: Some("new"), ..RegistryPatch::default() };
        assert_eq!(code(service.change_registry(&operator, global.id, &patch, now).await), "role-too-small");
        assert_eq!(code(service.change_registry(&stranger, own.id, &patch, now).await), "not-found");
        let refused = service.delete_registry(&stranger, own.id, now).await.unwrap_err();
        assert_eq!(refused.code(), "not-found");

        // What cannot be used is not stored.
        let try_one = async |change: &dyn Fn(&mut RegistryOrder<'_>)| {
            let mut order = order(Some(ours), "other.example", &secret);
            order.name = "other";
            change(&mut order);
            code(service.create_registry(&operator, &order, now).await)
        };
        assert_eq!(try_one(&|order| order.host = "https://r.example").await, "registry-host-invalid");
        assert_eq!(try_one(&|order| order.host = "r.example").await, "exists");
        assert_eq!(try_one(&|order| order.name = "ours").await, "exists");
        assert_eq!(try_one(&|order| order.name = " ").await, "name-invalid");
        assert_eq!(try_one(&|order| order.ca = Some("none")).await, "registry-ca-invalid");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(try_one(&|order| order.ca = Some(broken)).await, "registry-ca-invalid");
        assert_eq!(try_one(&|order| order.login = None).await, "fine");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_is_trusted_for_its_registry_and_addresses_stay_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let Some(certificate) = Certificate::create(dir.path()).unwrap() else { return };
    let authority = std::fs::read_to_string(&certificate.authority).unwrap();
    let setup = Setup { password: true, tls: Some(certificate) };
    let Some(registry) = DockerRegistry::start(&setup).unwrap() else { return };
    let host = registry.host();
    push(&remote(&host, Some(&authority)), "app", "1", &debian("curl", "7.88.1-10")).await;
    let image = format!("{host}/app:1");
    let good = Secret::new(PASSWORD.to_owned());
    for kind in kinds() {
        let world = World::new(kind).await;
        world.advise(&[record("CVE-2026-0001", "Debian:12", "curl", "7.88.1-11", 'H')]);
        let running = world.start().await;
        let (service, now) = (&running.service, clock::now());
        let plain = order(Some(running.project), &host, &good);
        let stored = service.create_registry(&root(), &plain, now).await.unwrap();
        let outcome_of = async |secret| outcome(&scan(&running, running.project, &image, secret).await);
        assert_eq!(outcome_of(None).await, Err(FailureReason::RegistryUnavailable));
        let patch = RegistryPatch { ca: Some(Some(&authority)), ..RegistryPatch::default() };
        service.change_registry(&root(), stored.id, &patch, now).await.unwrap();
        assert_eq!(outcome_of(None).await, Ok(()));
        // The authority also counts for who brings other credentials.
        assert_eq!(outcome_of(Some("wrong")).await, Err(FailureReason::RegistryUnauthorized));
        assert_eq!(outcome_of(Some(PASSWORD)).await, Ok(()));
        running.stop().await;

        let mut config = world.config();
        config.client.addresses = AddressPolicy::Guarded { allow: Vec::new() };
        let mut guarded = world.idle_with(config).await;
        guarded.work();
        let refused = scan(&guarded, guarded.project, &image, None).await;
        assert_eq!(outcome(&refused), Err(FailureReason::RegistryUnavailable));
        assert!(refused.detail.as_ref().is_some_and(|text| text.contains("127.0.0.1")), "{refused:?}");
        guarded.stop().await;
    }
}
