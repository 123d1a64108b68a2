//! `lazaret submit`: asks a service for a scan.

use std::time::Duration;

use clap::Args;
use egress::Method;
use model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Connection, ServerArgs, parse_duration, status, upload};
use crate::{
    commands::print,
    exit::{Exit, Failure},
    output::columns::printable,
};

/// How long is waited when nothing is said.
const PATIENCE: Duration = Duration::from_secs(600);

/// `lazaret submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// Images to scan: references, s3://BUCKET/KEY, or docker-archive:FILE and oci-archive:FILE, which are uploaded.
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
    /// Wait for the end, at most so long (90s, 10m, 2h; 10 minutes when no time is given).
    #[arg(long, value_name = "TIME", num_args = 0..=1, value_parser = parse_duration, require_equals = true)]
    pub(crate) wait: Option<Option<Duration>>,
    /// Exit with 1 when the completed scan has a finding of this severity or above; waits.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<Severity>,
    /// Which image of an index.
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Project of the image records; without it, the service's default.
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Print the answers as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Serialize, Deserialize)]
struct Submission {
    scans: Vec<Submitted>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Submitted {
    id: String,
    image: String,
    #[serde(default)]
    joined: bool,
}

/// Asks for scans; waits for their ends when asked to.
pub(crate) fn submit(args: &SubmitArgs) -> Result<Exit, Failure> {
    let connection = Connection::open(&args.server)?;
    let submission = ask(&connection, args)?;
    let wait = match (args.wait, args.fail_on) {
        (Some(wait), _) => Some(wait.unwrap_or(PATIENCE)),
        (None, Some(_)) => Some(PATIENCE),
        (None, None) => None,
    };
    let Some(wait) = wait else {
        if args.json {
            print(&format!("{}\n", json!(submission)))?;
        } else {
            for scan in &submission.scans {
                let how = if scan.joined { "joins a scan under way" } else { "accepted" };
                print(&format!("{}: {how}, scan {}\n", printable(&scan.image), scan.id))?;
            }
        }
        return Ok(Exit::Pass);
    };
    let deadline = std::time::Instant::now() + wait;
    let mut worst = Exit::Pass;
    for scan in &submission.scans {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let query = [("scan", scan.id.as_str())];
        let answer = status::wait(&connection, "status", &query, Some(left))?;
        let exit = status::finish(&scan.image, &answer, args.fail_on, args.json)?;
        worst = graver(worst, exit);
    }
    Ok(worst)
}

/// Uploads the archives, and asks for all scans, in the order in which they were named.
fn ask(connection: &Connection, args: &SubmitArgs) -> Result<Submission, Failure> {
    let (mut asked, mut sent) = (Vec::new(), Vec::new());
    let named: Vec<&String> = args.images.iter().filter(|image| upload::file_of(image).is_none()).collect();
    let platform = args.platform.as_deref().map(|platform| ("platform", platform));
    let project = args.project.as_deref().map(|project| ("project", project));
    if !named.is_empty() {
        let mut body = json!({ "images": named, "class": "pipeline" });
        for (name, value) in platform.into_iter().chain(project) {
            body[name] = json!(value);
        }
        let answer = connection.send(Method::POST, "scans", &[], Some(body.to_string()), Duration::ZERO)?;
        asked = answer.value::<Submission>()?.scans;
    }
    let query: Vec<(&str, &str)> =
        [("class", "pipeline")].into_iter().chain(platform).chain(project).collect();
    for file in args.images.iter().filter_map(|image| upload::file_of(image)) {
        sent.extend(upload::send(connection, file, &query)?.value::<Submission>()?.scans);
    }
    let (mut asked, mut sent) = (asked.into_iter(), sent.into_iter());
    let scans = args
        .images
        .iter()
        .filter_map(|image| if upload::file_of(image).is_some() { sent.next() } else { asked.next() });
    Ok(Submission { scans: scans.collect() })
}

/// Of several images, the one that speaks most against going on: see docs/exit-codes.md.
fn graver(a: Exit, b: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Pass => 0,
        Exit::NotReady => 1,
        Exit::TimedOut => 2,
        Exit::Policy => 3,
        Exit::Failed => 4,
        Exit::Usage => 5,
    };
    if rank(b) > rank(a) { b } else { a }
}
