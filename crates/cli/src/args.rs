//! What may be typed. Nothing here reads a file or the network; [`crate::commands`] gives it meaning.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use egress::Url;
use model::{Platform, ScanType, Severity, scan_type::ScanTypeError};

use crate::{
    commands::{client, convert::ConvertArgs, user::UserCommand},
    output::form::OutputArgs,
    settings::flags::ServeFlags,
};

/// Knows what is in every container image, and what is wrong with it.
#[derive(Debug, Parser)]
#[command(name = "lazaret", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    /// Say more on standard error (-v: what is done, -vv: how).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Scan an image: its packages, and the advisories that apply to them.
    Scan(Box<ScanArgs>),
    /// Write a stored JSON report in another form, without the image and without advisories.
    Convert(ConvertArgs),
    /// Build, refresh and look at the advisory database.
    #[command(subcommand)]
    Db(DbCommand),
    /// Ask how versions are ordered, which is how ranges are matched.
    #[command(subcommand)]
    Versions(VersionsCommand),
    /// Run the service: API and workers, on one data directory or on PostgreSQL.
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeFlags>),
    /// Accounts of a service, on its own store: for when nobody can log in.
    #[command(subcommand)]
    User(UserCommand),
    /// Look at the settings of the service.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Start a service with sample images in it and show what it finds, without any network.
    Demo(DemoArgs),
    /// Log in to a service; a token is made and kept on this machine.
    Login(client::LoginArgs),
    /// Revoke the token that is kept on this machine, and forget it.
    Logout(client::LogoutArgs),
    /// Ask a service for scans.
    Submit(client::SubmitArgs),
    /// Tell where the scan of an image stands; wait for its end.
    Status(client::StatusArgs),
    /// Fetch the report of an image's last completed scan.
    Report(client::ReportArgs),
    /// List the images that a service knows.
    Images(client::ImagesArgs),
    /// List the images that have a vulnerability.
    Where(client::WhereArgs),
}

/// What `lazaret serve --help` ends with.
const SERVE_HELP: &str = "\
The first start makes the account admin and prints a password for one login. SIGTERM and SIGINT end
the service gracefully: scans that are running return to the queue; a second signal ends it at once.
Logs go to standard error. docs/settings.md explains every setting.

Exit codes:
  0  ended when told to
  2  the settings make no sense
  3  the address is taken, another process has the data directory, or a part failed
  5  the database cannot be reached: try again";

/// `lazaret scan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Images:
  [REGISTRY/]REPOSITORY[:TAG][@DIGEST]  in a registry
  oci:DIR[:TAG]                         an OCI image layout
  oci-archive:FILE[:TAG]                the same in one file
  docker-archive:FILE[:NAME]            what docker save writes
  docker:IMAGE, podman:IMAGE            of the engine on this machine (DOCKER_HOST, CONTAINER_HOST)
  dir:PATH                              an unpacked root file system, or source code with lock files
  sbom:FILE                             a bill of materials: CycloneDX, SPDX or Syft JSON; - is standard input
  s3://BUCKET/KEY[#NAME]                either archive in an S3-compatible bucket
  PATH                                  one of these, told by what it holds

Exit codes:
  0  done
  1  --fail-on is met
  2  wrong usage
  3  the scan failed
  5  there are no advisories for this image

Buckets are reached as the usual variables say: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3.")]
pub(crate) struct ScanArgs {
    /// The image; see below for its forms.
    pub(crate) image: String,
    /// Which image of an index: os/architecture[/variant]. Default: linux on this machine's architecture.
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// What to look for, separated by commas: vulnerability (vuln), sbom, secret, license, all.
    #[arg(long, value_name = "TYPES", value_parser = parse_types, default_value = "vulnerability")]
    pub(crate) types: ScanTypes,
    /// Look for secrets by the rules of this file, in gitleaks' format, in place of the bundled ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_rules: Option<PathBuf>,
    /// Where the report goes.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Show only findings of this severity and above.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: Option<Severity>,
    /// Show only findings that a newer version fixes.
    #[arg(long)]
    pub(crate) ignore_unfixed: bool,
    /// Exit with 1 when a shown finding is of this severity or above: unknown, negligible, low, medium
    /// (moderate), high (important), critical.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<Severity>,
    /// List all packages too.
    #[arg(long)]
    pub(crate) list_packages: bool,
    /// The advisory database.
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where layers that were read are remembered.
    #[arg(long, value_name = "DIR", env = "LAZARET_CACHE")]
    pub(crate) cache: Option<PathBuf>,
    /// Read every layer anew and remember none, whatever --cache and LAZARET_CACHE say.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Reach the image.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// User name for the registry; the password is read from LAZARET_PASSWORD.
    #[arg(long, value_name = "NAME", env = "LAZARET_USERNAME")]
    pub(crate) username: Option<String>,
    /// No progress bars.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The scan types of one scan.
#[derive(Clone, Debug)]
pub(crate) struct ScanTypes(pub(crate) BTreeSet<ScanType>);

/// `vuln,secret`; `all` stands for all of them.
fn parse_types(text: &str) -> Result<ScanTypes, String> {
    let mut types = BTreeSet::new();
    for word in text.split(',').map(str::trim) {
        if word.eq_ignore_ascii_case("all") {
            types.extend(ScanType::ALL.into_iter().filter(|kind| is_built(*kind)));
            continue;
        }
        let kind: ScanType = word.parse().map_err(|error: ScanTypeError| error.to_string())?;
        if !is_built(kind) {
            return Err(format!("scans for {kind} are not built yet"));
        }
        types.insert(kind);
    }
    Ok(ScanTypes(types))
}

/// What is asked for and cannot be looked for must be refused, not answered with nothing.
fn is_built(kind: ScanType) -> bool {
    kind != ScanType::Filesystem
}

/// Where the advisory database is, and where it comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// Directory of the advisory database.
    #[arg(long, value_name = "DIR", env = "LAZARET_DB")]
    pub(crate) db: Option<PathBuf>,
    /// Where missing advisories are fetched from: a URL laid out as OSV's exports.
    #[arg(long, value_name = "URL", env = "LAZARET_DB_URL", default_value = feeds::DEFAULT_BASE)]
    pub(crate) db_url: Url,
    /// Fetch no advisories; use what is there.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// How outbound connections are made.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NetworkArgs {
    /// Speak plain HTTP to this registry or S3 endpoint (HOST or HOST:PORT); loopback addresses need no naming.
    /// Repeatable.
    #[arg(long, value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
    /// Trust the certificate authorities of this PEM file too. Repeatable.
    #[arg(long, value_name = "FILE", env = "LAZARET_CA_FILE")]
    pub(crate) ca_file: Vec<PathBuf>,
}

/// `lazaret db`.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Build a database from OSV records: .json, .jsonl (also .zst, .gz), .zip, or directories of these.
    Build(DbBuildArgs),
    /// Show which shards are there, from where, and how old.
    Status(DbStatusArgs),
    /// Refresh the shards that are there, or fetch the named ones.
    Update(DbUpdateArgs),
}

/// `lazaret db build`.
#[derive(Debug, Args)]
pub(crate) struct DbBuildArgs {
    /// Files or directories. Repeatable.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE_OR_DIR")]
    pub(crate) from: Vec<PathBuf>,
    /// Directory of the database; shards of the same name are replaced.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// `lazaret db status`.
#[derive(Debug, Args)]
pub(crate) struct DbStatusArgs {
    /// Directory of the advisory database.
    #[arg(long, value_name = "DIR", env = "LAZARET_DB")]
    pub(crate) db: Option<PathBuf>,
    /// Check every byte of every shard against its checksums.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// `lazaret db update`.
#[derive(Debug, Args)]
pub(crate) struct DbUpdateArgs {
    /// Shards to fetch, for example debian-12 or pypi. Default: all that are there.
    pub(crate) shards: Vec<String>,
    /// The advisory database.
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// How to reach it.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// `lazaret versions`.
#[derive(Debug, Subcommand)]
pub(crate) enum VersionsCommand {
    /// Print <, = or > for A and B, or for every tab-separated pair on standard input.
    Compare(CompareArgs),
}

/// `lazaret versions compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// deb, apk, rpm, pypi, npm, maven, nuget, gem, packagist, bitnami or semver.
    pub(crate) scheme: String,
    /// One version.
    #[arg(requires = "b", allow_hyphen_values = true)]
    pub(crate) a: Option<String>,
    /// The other version.
    #[arg(allow_hyphen_values = true)]
    pub(crate) b: Option<String>,
}

/// `lazaret config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print what is in force, and where it came from; secrets are masked.
    Show(Box<ConfigShowArgs>),
    /// Print the page that documents every setting, in Markdown.
    Docs,
}

/// `lazaret config show`.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ConfigFormat::Text)]
    pub(crate) format: ConfigFormat,
    /// The same flags as for the service itself.
    #[command(flatten)]
    pub(crate) settings: ServeFlags,
}

/// How settings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `lazaret demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the sample database, the store and the cache in this directory, to look at them afterwards.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Where its service answers; without it, on the first free one of 8080 to 8082.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// End after the scans, instead of leaving the service up until Ctrl-C.
    #[arg(long)]
    pub(crate) exit: bool,
}
