//! `lazaret convert`: a stored JSON report in another form, without the image and without advisories.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use formats::json::{self, MAX_BYTES};
use model::Severity;
use policy::threshold::{Filter, fails};

use crate::{
    exit::{Exit, Failure},
    output::{form::OutputArgs, report::View},
};

/// `lazaret convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done
  1  --fail-on is met
  2  wrong usage
  3  the report could not be read or written
  5  --fail-on was asked, and there were no advisories for the image")]
pub(crate) struct ConvertArgs {
    /// A report that lazaret scan --format json wrote; - is standard input.
    pub(crate) report: PathBuf,
    /// Where it goes.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Keep only findings of this severity and above.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: Option<Severity>,
    /// Keep only findings that a newer version fixes.
    #[arg(long)]
    pub(crate) ignore_unfixed: bool,
    /// Exit with 1 when a kept finding is of this severity or above.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<Severity>,
    /// List all packages too, in a table.
    #[arg(long)]
    pub(crate) list_packages: bool,
}

/// Reads a report and writes it again.
pub(crate) fn run(args: &ConvertArgs) -> Result<Exit, Failure> {
    let outputs = args.output.check()?;
    let bytes = read(&args.report).map_err(|error| {
        let message = format!("failed to read {}: {}", args.report.display(), error.kind());
        let hint = "Name a file that lazaret scan --format json wrote, or - for standard input.";
        Failure { code: "report-unreadable", message, hint: hint.into(), exit: Exit::Failed }
    })?;
    let parsed = json::parse(&bytes).map_err(|error| {
        let message = format!("{}: {error}", args.report.display());
        let hint = "Only what lazaret scan --format json wrote can be converted.";
        Failure { code: "report-invalid", message, hint: hint.into(), exit: Exit::Failed }
    })?;
    let mut report = parsed.report;
    let filter = Filter { min_severity: args.severity, ignore_unfixed: args.ignore_unfixed };
    let hidden = filter.apply(&mut report);
    let view = View { packages: args.list_packages, hidden, ..View::default() };
    outputs.write(&report, &parsed.scanner_version, view)?;
    // What is converted was scanned before, so only who asks for a judgement gets one.
    Ok(match args.fail_on {
        Some(severity) if fails(&report, severity) => Exit::Policy,
        Some(_) if report.lacks_database() => Exit::NotReady,
        _ => Exit::Pass,
    })
}

/// One byte more than is parsed at most: enough to tell that there is more.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let limit = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
