//! `lazaret scan`.

use std::{io::IsTerminal as _, path::Path, sync::Arc, thread::available_parallelism};

use analyze::secret::{Rules, SecretAnalyzer};
use app::{ScanError, ScanRequest, scan_image};
use egress::{ClientConfig, EgressError};
use model::{ImageReference, Limits, Report};
use oci::{
    Daemons, OciError, OpenOptions,
    bucket::{BucketError, BucketOptions, Buckets},
    registry::{ConfigFiles, CredentialSource, Credentials, Registries, RegistryOptions},
};
use policy::threshold::{Filter, fails};
use scan::LayerCache;

use super::{db, home, network, warn};
use crate::{
    args::ScanArgs,
    exit::{Exit, Failure},
    output::{progress::Bars, report::View},
};

/// The layer cache is kept below this many bytes: thousands of images.
const CACHE_BYTES: u64 = 2 << 30;

/// Scans an image and writes its report.
pub(crate) fn run(args: &ScanArgs) -> Result<Exit, Failure> {
    let outputs = args.output.check()?;
    let runtime = network::runtime()?;
    let client = network::client_config(&args.network)?;
    let registries = Registries::new(RegistryOptions {
        client: client.clone(),
        credentials: credentials(args)?,
        plain_http: args.network.plain_http.clone(),
    });
    let mut open = OpenOptions::with_network(runtime.handle().clone(), registries);
    open = open.with_daemons(Daemons::from_environment());
    if args.image.starts_with("s3://") {
        open = open.with_buckets(buckets(args, &client).map_err(|error| bucket_failure(&error))?);
    }
    open.platform.clone_from(&args.platform);
    let limits = Limits::standard();
    open.limits = limits.clone();
    let cache = open_cache(args);
    let database = db::open(args.database.db.as_deref())?;
    let secrets = args.secret_rules.as_deref().map(load_rules).transpose()?;
    let quiet = args.quiet || !std::io::stderr().is_terminal();
    let bars = Bars::new(quiet);
    let request = ScanRequest {
        image: &args.image,
        types: &args.types.0,
        secrets: secrets.as_ref(),
        open: &open,
        limits: &limits,
        cache: cache.as_ref(),
        threads: available_parallelism().map_or(2, usize::from).max(2),
        progress: &bars,
    };
    let mut provide = |needs: &advisory::need::Needs| {
        db::provide(&runtime, &database, &args.database, &client, needs, &bars)
    };
    bars.wait(&format!("reading {}", args.image));
    let scanned = scan_image(&request, &database, &mut provide);
    bars.clear();
    let mut report = scanned.map_err(|error| failure(&error))?;
    let filter = Filter { min_severity: args.severity, ignore_unfixed: args.ignore_unfixed };
    let hidden = filter.apply(&mut report);
    let view = View { packages: args.list_packages, hidden, ..View::default() };
    outputs.write(&report, env!("CARGO_PKG_VERSION"), view)?;
    Ok(exit(&report, args.fail_on))
}

/// What a report means for the exit code. A finding that is too severe is certain, whatever else was not
/// looked at; without advisories nothing may be called clean.
fn exit(report: &Report, fail_on: Option<model::Severity>) -> Exit {
    if fail_on.is_some_and(|severity| fails(report, severity)) {
        Exit::Policy
    } else if report.covers(model::ScanType::Vulnerability) && report.lacks_database() {
        Exit::NotReady
    } else {
        Exit::Pass
    }
}

/// As the error says it; where an option helps, the hint names it.
fn failure(error: &ScanError) -> Failure {
    let hint = match error {
        ScanError::Open(OciError::Network(EgressError::Tls { .. })) => {
            "Name the registry's certificate authority with --ca-file; if it speaks plain HTTP, name it as in the image with --plain-http."
        }
        ScanError::Open(OciError::Bucket(error)) => return bucket_failure(error),
        ScanError::Open(OciError::Unauthorized { with_credentials: false, .. }) => {
            "Check the name, since some registries answer like this for what does not exist; else log in (docker login, podman login or skopeo login), or use --username with LAZARET_PASSWORD."
        }
        _ => error.hint(),
    };
    Failure::new(error.code(), error, hint)
}

/// The same of a bucket.
fn bucket_failure(error: &BucketError) -> Failure {
    let hint = match error {
        BucketError::Network(EgressError::Tls { .. }) => {
            "Name the server's certificate authority with --ca-file; if it speaks plain HTTP, say so in AWS_ENDPOINT_URL_S3 and with --plain-http."
        }
        BucketError::Config { what: "the endpoint", .. } => {
            "Correct AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; if it speaks plain HTTP, name it as HOST or HOST:PORT with --plain-http."
        }
        _ => error.hint(),
    };
    Failure::new(error.code(), error, hint)
}

/// The user's own rules for secrets.
fn load_rules(file: &Path) -> Result<SecretAnalyzer, Failure> {
    let failed = |why: String| {
        let message = format!("failed to use the rules of {}: {why}", file.display());
        let hint = "Name a file of rules in gitleaks' format; docs/secrets.md tells what is understood.";
        Failure::usage("secret-rules", message, hint)
    };
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let rules = Rules::parse(&text).map_err(|error| failed(model::problem::explain(&error)))?;
    Ok(SecretAnalyzer::new(rules))
}

/// Buckets as the environment says.
fn buckets(args: &ScanArgs, client: &ClientConfig) -> Result<Arc<Buckets>, BucketError> {
    let plain_http = args.network.plain_http.clone();
    let options = BucketOptions { plain_http, ..BucketOptions::from_environment()? };
    Buckets::new(&options, client.clone())
}

fn credentials(args: &ScanArgs) -> Result<CredentialSource, Failure> {
    let Some(username) = &args.username else {
        return Ok(CredentialSource::ConfigFiles(ConfigFiles::from_environment()));
    };
    let Ok(password) = std::env::var("LAZARET_PASSWORD") else {
        let hint = "Put the password into the environment variable LAZARET_PASSWORD.";
        return Err(Failure::usage("password-missing", "a user name was given, but no password", hint));
    };
    // They belong to the registry of this image and to no other.
    let name = args.image.strip_prefix("docker://").unwrap_or(&args.image);
    let Ok(reference) = name.parse::<ImageReference>() else {
        return Ok(CredentialSource::Anonymous);
    };
    Ok(CredentialSource::Explicit {
        registry: reference.registry,
        credentials: Credentials::basic(username.clone(), password),
    })
}

fn open_cache(args: &ScanArgs) -> Option<LayerCache> {
    if args.no_cache {
        return None;
    }
    let directory = args.cache.clone().or_else(|| home("layers").ok())?;
    match LayerCache::open(&directory, CACHE_BYTES) {
        Ok(cache) => Some(cache),
        Err(error) => {
            warn(&format!("going on without the layer cache: {}", model::problem::explain(&error)));
            None
        }
    }
}
