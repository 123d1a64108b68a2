//! `lazaret report`: the report of an image's last completed scan, as the service has it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use egress::Method;
use serde::Deserialize;

use super::{Connection, ServerArgs};
use crate::{
    commands::print,
    exit::{Exit, Failure},
};

/// `lazaret report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The image: a reference or a digest.
    pub(crate) image: String,
    /// In which format; the service tells which it has.
    #[arg(long, default_value = "json")]
    pub(crate) format: String,
    /// Write it to a file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Deserialize)]
struct Found {
    last_completed: Option<Completed>,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Completed {
    scan: String,
}

/// Fetches a report.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let connection = Connection::open(&args.server)?;
    let found: Found = connection.get("status", &[("image", &args.image)])?;
    let Some(completed) = found.last_completed else {
        return Err(Failure {
            code: "report_not_ready",
            message: format!("{} has no report: {}", args.image, found.text),
            hint: "Ask for a scan with lazaret submit --wait.".to_owned(),
            exit: Exit::NotReady,
        });
    };
    let route = format!("scans/{}/report", completed.scan);
    let query = [("format", args.format.as_str())];
    let answer = connection.send_for(Method::GET, &route, &query, None, Duration::ZERO, "*/*")?;
    if !(200..300).contains(&answer.status) {
        return Err(answer.failure());
    }
    match &args.output {
        None => print(&String::from_utf8_lossy(&answer.body))?,
        Some(file) => std::fs::write(file, &answer.body).map_err(|error| {
            let hint = "Check the directory and the space on its disk.";
            let message = format!("failed to write {}: {error}", file.display());
            Failure { code: "output-failed", message, hint: hint.to_owned(), exit: Exit::Failed }
        })?,
    }
    Ok(Exit::Pass)
}
