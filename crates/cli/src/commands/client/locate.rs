//! `lazaret where`: which images have a vulnerability.

use clap::Args;
use serde::Deserialize;

use super::{Connection, ServerArgs};
use crate::{
    commands::{print, screen_width},
    exit::{Exit, Failure},
    output::columns::{Cell, layout},
};

/// What a service says of a vulnerability that no image ever had: here the same as one that no image has.
const UNKNOWN: &str = "vulnerability_not_known";

/// `lazaret where`.
#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    /// The CVE, or an advisory's id.
    pub(crate) vulnerability: String,
    /// Print the answers as JSON, one page a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The service.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Row>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    reference: String,
    package: String,
    version: String,
    severity: String,
    #[serde(default)]
    fixable: bool,
}

/// Lists the images that have a vulnerability: all of them, page by page.
pub(crate) fn locate(args: &WhereArgs) -> Result<Exit, Failure> {
    let connection = Connection::open(&args.server)?;
    let route = format!("vulnerabilities/{}/images", args.vulnerability);
    let mut cursor = String::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    loop {
        let mut query = vec![("limit", "200")];
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let answer = connection.send(egress::Method::GET, &route, &query, None, std::time::Duration::ZERO)?;
        if answer.status == 404 && answer.failure().code == UNKNOWN {
            break;
        }
        let page: Page = answer.value()?;
        if args.json {
            print(&format!("{}\n", String::from_utf8_lossy(&answer.body).trim_end()))?;
        }
        rows.extend(page.items.iter().map(|row| {
            let fix = if row.fixable { "yes" } else { "no" };
            [&row.reference, &row.package, &row.version, &row.severity, fix].map(Into::into).into()
        }));
        match page.next {
            Some(next) if next != cursor => cursor = next,
            _ => break,
        }
    }
    if args.json {
        return Ok(Exit::Pass);
    }
    if rows.is_empty() {
        print(&format!("No image that is known here has {}.\n", args.vulnerability))?;
        return Ok(Exit::Pass);
    }
    print(&layout(&["IMAGE", "PACKAGE", "VERSION", "SEVERITY", "FIXABLE"], &rows, screen_width()))?;
    Ok(Exit::Pass)
}
