//! `lazaret demo`: the main job on a bare machine, without any network beyond loopback.
//!
//! Sample images and a few real advisories (facts from the Debian security tracker, Alpine's secdb and the
//! GitHub Advisory Database) are inside the binary; everything else is what any service does: this one has a
//! temporary directory and the sample images in it.

mod images;

use std::{
    fmt::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use app::{
    accounts::{Caller, FIRST_ADMIN, Secret, TokenOrder},
    clock,
    status::{ImageStatus, Subject},
    submit::{Requester, ScanOrder, Target},
};
use feeds::{BuildOptions, FEEDS};
use model::{JobClass, Report, Role, ScanStatus};
use store::Scope;
use testkit::registry::{Auth, TestRegistry};

use super::{network, print, screen_width, serve::Running};
use crate::{
    args::DemoArgs,
    exit::{Exit, Failure},
    output::report::{self, View},
    settings::{flags::ServeFlags, typed::Settings},
};

/// Real advisories for the packages of the sample images, as OSV records.
const ADVISORIES: &str = include_str!("advisories.jsonl");
/// How long a scan of a sample may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes images, serves them, builds a database, starts a service, scans, prints, and waits to be ended.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let temporary = tempfile::tempdir().map_err(|error| failed(&error))?;
    let directory = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    build_database(&directory)?;
    let runtime = network::runtime()?;
    let shown = runtime.block_on(show(args, &directory));
    runtime.shutdown_background();
    shown.map(|()| Exit::Pass)
}

async fn show(args: &DemoArgs, directory: &Path) -> Result<(), Failure> {
    let registry = TestRegistry::start(Auth::None).await.map_err(|error| failed(&error))?;
    let samples = images::build().map_err(|error| failed(&error))?;
    for sample in &samples {
        let (repository, tag) = sample.name.split_once(':').unwrap_or((sample.name, "latest"));
        registry.add(repository, tag, &sample.image);
    }
    let settings = Settings::load(&flags(args, directory))?;
    let running = Running::start(&settings).await?;
    print(&format!(
        "Three images are in a registry at {}, {} advisories in a database, and a service is up.\n\
         Each image is scanned as `lazaret submit --wait IMAGE` would ask for it.\n",
        registry.host(),
        ADVISORIES.lines().count()
    ))?;
    let (mut first, mut again) = (Duration::ZERO, Duration::ZERO);
    for sample in &samples {
        let start = Instant::now();
        let (status, report) = scan(&running, &registry, sample.name).await?;
        first += start.elapsed();
        print(&format!("\n── {}: {}\n   {}\n\n", sample.name, sample.about, status.text))?;
        print(&report::write(&report, View { width: screen_width(), packages: false, hidden: 0 }))?;
    }
    for sample in &samples {
        let start = Instant::now();
        scan(&running, &registry, sample.name).await?;
        again += start.elapsed();
    }
    let kept = args.keep.as_deref();
    print(&format!(
        "\n── All three took {:.1} ms; scanned again, with their layers remembered, {:.1} ms.\n{}",
        first.as_secs_f64() * 1000.0,
        again.as_secs_f64() * 1000.0,
        kept.map(|dir| format!("Database, store and layer cache are in {}.\n", dir.display()))
            .unwrap_or_default(),
    ))?;
    if args.exit {
        print(NEXT)?;
        return running.end().await;
    }
    let image = format!("{}/{}", registry.host(), samples.first().map_or("", |sample| sample.name));
    print(&invitation(&running, &image).await?)?;
    running.until_told().await
}

/// Settings of the service, on the first free port from 8080 on.
fn flags(args: &DemoArgs, directory: &Path) -> ServeFlags {
    let free = |address: &&str| TcpListener::bind(address).is_ok();
    let listen = args.listen.clone().unwrap_or_else(|| {
        let address = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"].iter().copied().find(free);
        address.unwrap_or("127.0.0.1:0").to_owned()
    });
    let set = [
        ("advisories.dir", directory.join("db").display().to_string()),
        ("advisories.offline", "true".to_owned()),
        ("images.allow", "127.0.0.1".to_owned()),
        ("log.level", "error".to_owned()),
    ];
    ServeFlags {
        data: Some(directory.join("service").display().to_string()),
        listen: Some(listen),
        set: set.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        ..ServeFlags::default()
    }
}

/// Asks the service for a scan of a sample, and waits for it.
async fn scan(
    running: &Running,
    registry: &TestRegistry,
    name: &str,
) -> Result<(ImageStatus, Report), Failure> {
    let service = &running.service;
    let target = Target::parse(&format!("{}/{name}", registry.host())).map_err(|error| failed(&error))?;
    let order = ScanOrder { target, platform: None, secret: None };
    let requester = Requester {
        project: running.accounts.default_project(),
        name: FIRST_ADMIN,
        request_id: "demo",
        class: JobClass::Interactive,
        source: "submit",
    };
    let submitted = service.submit(&[order], requester).await.map_err(|error| failed(&error))?;
    let Some(submitted) = submitted.first() else { return Err(came_to_nothing(name, "it was not accepted")) };
    let subject = Subject::Scan(submitted.scan);
    let status =
        service.wait_status(&Scope::All, &subject, PATIENCE).await.map_err(|error| failed(&error))?;
    if status.status != ScanStatus::Completed {
        return Err(came_to_nothing(name, &status.text));
    }
    let stored = service.store.scan(submitted.scan).await.map_err(|error| failed(&error))?;
    let Some(stored) = stored else { return Err(came_to_nothing(name, "it is gone")) };
    let report = service.report_of_scan(&stored).await.map_err(|error| failed(&error))?;
    Ok((status, report))
}

fn came_to_nothing(name: &str, why: &str) -> Failure {
    Failure {
        code: "demo-failed",
        message: format!("the scan of {name} came to nothing: {why}"),
        hint: "Run it once more with -v; if it stays, please report it.".to_owned(),
        exit: Exit::Failed,
    }
}

/// What can be done with the service while it is up.
async fn invitation(running: &Running, image: &str) -> Result<String, Failure> {
    let Some(address) = running.address else { return Ok(String::new()) };
    let (accounts, demo) = (&running.accounts, Caller::system("demo"));
    let mut who = format!("  address   http://{address}\n");
    // A directory that was kept has its administrator already.
    if let Some(password) = &running.first {
        // Nobody has to choose another password for a demo.
        let set = accounts.set_password(&demo, FIRST_ADMIN, password, clock::now()).await;
        set.map_err(|error| Failure::new(error.code(), &error, error.hint()))?;
        // Writing to a String cannot fail.
        let _ = writeln!(who, "  name      {FIRST_ADMIN}\n  password  {}", password.reveal());
    }
    let name = format!("demo {}", clock::rfc3339(clock::now()));
    let order = TokenOrder {
        owner: Some(FIRST_ADMIN),
        name: &name,
        role: Role::Admin,
        project: None,
        expires_at: None,
    };
    let made = accounts.create_token(&demo, &order, clock::now()).await;
    let made = made.map_err(|error| Failure::new(error.code(), &error, error.hint()))?;
    let token: &Secret = &made.secret;
    Ok(format!(
        "\n── The service stays up until Ctrl-C.\n{who}\n\
         In another terminal:\n  \
         export LAZARET_SERVER=http://{address}\n  \
         export LAZARET_TOKEN={token}\n  \
         lazaret images                          what it knows, the worst first\n  \
         lazaret where CVE-2023-38545            which images have a vulnerability\n  \
         lazaret submit --wait {image}    a scan, awaited\n\n\
         Its API: http://{address}/api/portal/v1/openapi.json\n",
        token = token.reveal(),
    ))
}

/// What to try after a demo that has ended.
const NEXT: &str = "
Next: lazaret scan alpine:3.20            an image of your own (fetches its advisories once)
      lazaret scan --help                 archives, directories, filters, exit codes
      lazaret serve                       the service, for a team and its pipelines
      lazaret versions compare deb 1.0~rc1 1.0   why something matched
";

fn build_database(directory: &Path) -> Result<(), Failure> {
    let source = directory.join("advisories.jsonl");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&source, ADVISORIES));
    written.map_err(|error| failed(&error))?;
    let out: PathBuf = directory.join("db");
    let options =
        BuildOptions { only: None, built: feeds::now(), source: "the demo's own advisories".into() };
    feeds::build(&[source], &out, FEEDS[0], &options).map_err(|error| failed(&error))?;
    Ok(())
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        "demo-failed",
        error,
        "Check that the temporary directory can be written to and loopback ports be had.",
    )
}
