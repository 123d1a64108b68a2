//! `lazaret status`: where an image's scan stands, and waiting for its end.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use clap::Args;
use egress::Method;
use model::{Facets, Severity};
use serde::Deserialize;

use super::{Answer, Connection, ServerArgs, parse_duration};
use crate::{
    commands::print,
    exit::{Exit, Failure},
    output::columns::printable,
};

/// One request waits so long at most; the next one follows at once.
const LONGEST_POLL: Duration = Duration::from_secs(55);
/// Pause before a service that is not there, or not ready, is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// `lazaret status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The image: a reference or a digest.
    pub(crate) image: String,
    /// Wait for the end of its scan, at most so long (90s, 10m, 2h).
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
    /// Exit with 1 when the completed scan has a finding of this severity or above.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<Severity>,
    /// Which image of an index.
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Print the whole answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// A status as the service tells it; fields that a status lacks are empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    status: String,
    text: String,
    detail: Option<String>,
    hint: Option<String>,
    missing: Option<Missing>,
    position: Option<u32>,
    partial: bool,
    last_completed: Option<Completed>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Missing {
    shards: Vec<String>,
    fetching: bool,
    why: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Completed {
    finished_at: String,
    facets: Facets,
}

impl Status {
    /// Nothing more happens by itself, or nothing that is worth waiting for.
    fn is_final(&self) -> bool {
        match self.status.as_str() {
            "completed" | "failed" | "cancelled" | "not_scanned" => true,
            "database_not_populated" => !self.missing.as_ref().is_some_and(|missing| missing.fetching),
            _ => false,
        }
    }

    /// What it means for a pipeline.
    fn exit(&self, fail_on: Option<Severity>) -> Exit {
        match self.status.as_str() {
            "completed" => {
                let worst = self.last_completed.as_ref().and_then(|completed| completed.facets.worst());
                let fails = fail_on.zip(worst).is_some_and(|(limit, worst)| worst >= limit);
                if fails { Exit::Policy } else { Exit::Pass }
            }
            "failed" | "cancelled" => Exit::Failed,
            "pending" | "running" | "retrying" => Exit::TimedOut,
            _ => Exit::NotReady,
        }
    }

    /// Lines for people.
    fn told(&self, image: &str) -> String {
        let mut out = format!("{}: {}\n", printable(image), printable(&self.text));
        let mut line = |name: &str, text: &str| {
            if !text.is_empty() {
                let _ = writeln!(out, "  {name:<9} {}", printable(text));
            }
        };
        line("detail", self.detail.as_deref().unwrap_or_default());
        if let Some(missing) = &self.missing {
            line("missing", &missing.shards.join(", "));
            line("why", if missing.fetching { "they are being fetched" } else { &missing.why });
        }
        if let Some(position) = self.position {
            line("queue", &format!("{position} before it"));
        }
        if let Some(completed) = &self.last_completed {
            let facets = completed.facets;
            let counts: Vec<String> = Severity::DESCENDING
                .into_iter()
                .filter(|severity| facets.get(*severity) > 0)
                .map(|severity| format!("{} {severity}", facets.get(severity)))
                .collect();
            let counts =
                if counts.is_empty() { "no known vulnerabilities".to_owned() } else { counts.join(", ") };
            let name = if self.status == "completed" { "findings" } else { "before" };
            line(name, &format!("{counts} ({})", completed.finished_at));
        }
        if self.partial && self.status == "completed" {
            line("partial", "something may have gone unseen; see the problems of the report");
        }
        line("next", self.hint.as_deref().unwrap_or_default());
        out
    }
}

/// Shows the status of an image's scan, and waits for its end when asked to.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let connection = Connection::open(&args.server)?;
    let mut query = vec![("image", args.image.as_str())];
    query.extend(args.platform.as_deref().map(|platform| ("platform", platform)));
    let answer = wait(&connection, "status", &query, args.wait)?;
    finish(&args.image, &answer, args.fail_on, args.json)
}

/// Prints an answer, and says what it means.
pub(super) fn finish(
    image: &str,
    answer: &Answer,
    fail_on: Option<Severity>,
    json: bool,
) -> Result<Exit, Failure> {
    let status: Status = read(answer)?;
    if json {
        print(&format!("{}\n", String::from_utf8_lossy(&answer.body).trim_end()))?;
    } else {
        print(&status.told(image))?;
    }
    Ok(status.exit(fail_on))
}

/// A status; one that is told with 503 (`not_ready`) is one as well.
fn read(answer: &Answer) -> Result<Status, Failure> {
    if answer.status == 503
        && let Ok(status) = serde_json::from_slice::<Status>(&answer.body)
        && status.status == "not_ready"
    {
        return Ok(status);
    }
    answer.value()
}

/// Asks until the status is final or the time is over. A service that goes away meanwhile is waited for: it may
/// be starting anew.
pub(super) fn wait(
    connection: &Connection,
    route: &str,
    query: &[(&str, &str)],
    wait: Option<Duration>,
) -> Result<Answer, Failure> {
    let Some(wait) = wait else { return connection.send(Method::GET, route, query, None, Duration::ZERO) };
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let poll = left.min(LONGEST_POLL);
        let seconds = format!("{}s", poll.as_secs());
        let mut query = query.to_vec();
        query.push(("wait", &seconds));
        let answered = connection.send(Method::GET, route, &query, None, poll);
        let settled = match &answered {
            Ok(answer) => match read(answer) {
                Ok(status) => status.is_final(),
                // What it says will not change by asking again.
                Err(failure) => failure.exit != Exit::NotReady,
            },
            Err(_) => false,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if settled || left.is_zero() {
            return answered;
        }
        let is_answer = matches!(&answered, Ok(answer) if answer.status == 200);
        if !is_answer || poll < PAUSE {
            std::thread::sleep(PAUSE.min(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Status {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_status_has_its_exit_code() {
        for (status, exit, is_final) in [
            ("database_not_populated", Exit::NotReady, true),
            ("not_scanned", Exit::NotReady, true),
            ("pending", Exit::TimedOut, false),
            ("running", Exit::TimedOut, false),
            ("retrying", Exit::TimedOut, false),
            ("completed", Exit::Pass, true),
            ("failed", Exit::Failed, true),
            ("cancelled", Exit::Failed, true),
            ("not_ready", Exit::NotReady, false),
        ] {
            let status = of(&format!(r#"{{"status":"{status}"}}"#));
            assert_eq!((status.exit(None), status.is_final()), (exit, is_final), "{status:?}");
        }
        let fetching =
            of(r#"{"status":"database_not_populated","missing":{"shards":["npm"],"fetching":true}}"#);
        assert!(!fetching.is_final());
    }

    #[test]
    fn a_completed_scan_fails_by_its_worst_finding() {
        let status = of(r#"{"status":"completed","last_completed":{"facets":
            {"critical":0,"high":2,"medium":0,"low":0,"negligible":0,"unknown":1,"fixable":1}}}"#);
        assert_eq!(status.exit(Some(Severity::Critical)), Exit::Pass);
        assert_eq!(status.exit(Some(Severity::High)), Exit::Policy);
        assert_eq!(status.exit(Some(Severity::Low)), Exit::Policy);
    }
}
