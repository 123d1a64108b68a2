//! `lazaret demo`: the main job on a bare machine, without any network beyond loopback.
//!
//! Sample images and a few real advisories (facts from the Debian security tracker, Alpine's secdb and the
//! GitHub Advisory Database) are inside the binary; everything else is what any scan does.

mod images;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use advisory::database::Database;
use app::{ScanRequest, scan_image};
use egress::ClientConfig;
use feeds::{BuildOptions, FEEDS};
use model::{Limits, Report};
use oci::{
    OpenOptions,
    registry::{CredentialSource, Registries, RegistryOptions},
};
use testkit::registry::{Auth, TestRegistry};

use super::{network, print, screen_width};
use crate::{
    args::DemoArgs,
    exit::{Exit, Failure},
    output::report::{self, View},
};

/// Real advisories for the packages of the sample images, as OSV records.
const ADVISORIES: &str = include_str!("advisories.jsonl");

/// Makes images, serves them, builds a database, scans, prints.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let temporary = tempfile::tempdir().map_err(|error| failed(&error))?;
    let directory = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let runtime = network::runtime()?;
    let registry = runtime.block_on(TestRegistry::start(Auth::None)).map_err(|error| failed(&error))?;
    let samples = images::build().map_err(|error| failed(&error))?;
    for sample in &samples {
        let (repository, tag) = sample.name.split_once(':').unwrap_or((sample.name, "latest"));
        registry.add(repository, tag, &sample.image);
    }
    let database = build_database(&directory)?;
    print(&format!(
        "Three images are in a registry at {}, {} advisories in a database.\nEach is scanned as `lazaret scan IMAGE` \
         would scan it.\n",
        registry.host(),
        ADVISORIES.lines().count()
    ))?;
    let cache = ::scan::LayerCache::open(&directory.join("layers"), 1 << 30)
        .map_err(|error| Failure::new("cache-unusable", &error, "Name another directory with --keep."))?;
    let registries = Registries::new(RegistryOptions {
        client: ClientConfig::command_line(),
        credentials: CredentialSource::Anonymous,
        plain_http: Vec::new(),
    });
    let open = OpenOptions::with_network(runtime.handle().clone(), registries);
    let limits = Limits::standard();
    let scan = |name: &str| -> Result<(Report, Duration), Failure> {
        let image = format!("{}/{name}", registry.host());
        let request = ScanRequest {
            image: &image,
            open: &open,
            limits: &limits,
            cache: Some(&cache),
            threads: 2,
            progress: &(),
        };
        let start = Instant::now();
        let report = scan_image(&request, &database, &mut |_| Vec::new())
            .map_err(|error| Failure::new(error.code(), &error, error.hint()))?;
        Ok((report, start.elapsed()))
    };
    let (mut first, mut again) = (Duration::ZERO, Duration::ZERO);
    for sample in &samples {
        let (report, took) = scan(sample.name)?;
        first += took;
        print(&format!("\n── {}: {}\n\n", sample.name, sample.about))?;
        print(&report::write(&report, View { width: screen_width(), packages: false, hidden: 0 }))?;
    }
    for sample in &samples {
        again += scan(sample.name)?.1;
    }
    print(&closing(args, &directory, first, again))?;
    Ok(Exit::Pass)
}

fn build_database(directory: &Path) -> Result<Database, Failure> {
    let source = directory.join("advisories.jsonl");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&source, ADVISORIES));
    written.map_err(|error| failed(&error))?;
    let out: PathBuf = directory.join("db");
    let options =
        BuildOptions { only: None, built: feeds::now(), source: "the demo's own advisories".into() };
    feeds::build(&[source], &out, FEEDS[0], &options).map_err(|error| failed(&error))?;
    super::db::open(Some(&out))
}

fn closing(args: &DemoArgs, directory: &Path, first: Duration, again: Duration) -> String {
    let kept = if args.keep.is_some() {
        format!("Database and layer cache are in {}.\n", directory.display())
    } else {
        String::new()
    };
    format!(
        "\n── All three took {:.1} ms; scanned again, with their layers remembered, {:.1} ms.\n{kept}\n\
         Next: lazaret scan alpine:3.20            an image of your own (fetches its advisories once)\n      \
         lazaret scan --help                 archives, directories, filters, exit codes\n      \
         lazaret versions compare deb 1.0~rc1 1.0   why something matched\n",
        first.as_secs_f64() * 1000.0,
        again.as_secs_f64() * 1000.0,
    )
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        "demo-failed",
        error,
        "Check that the temporary directory can be written to and loopback ports be had.",
    )
}
