//! `lazaret images`: the image records of a service.

use clap::Args;
use model::Facets;
use serde::Deserialize;

use super::{Connection, ServerArgs};
use crate::{
    commands::{print, screen_width},
    exit::{Exit, Failure},
    output::columns::{Cell, layout},
};

/// `lazaret images`.
#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// Only those whose reference holds this text.
    pub(crate) text: Option<String>,
    /// Only those with a finding of this severity or above.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: Option<model::Severity>,
    /// Only those in this status.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<model::ScanStatus>,
    /// Only those of this environment.
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// name, risk or scanned.
    #[arg(long, default_value = "risk")]
    pub(crate) order: String,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
    /// Print the answer as JSON.
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
    text: String,
    facets: Facets,
    #[serde(default)]
    scanned_at: Option<String>,
}

/// Lists image records.
pub(crate) fn images(args: &ImagesArgs) -> Result<Exit, Failure> {
    let connection = Connection::open(&args.server)?;
    let limit = args.limit.to_string();
    let mut query = vec![("order", args.order.as_str()), ("limit", &limit)];
    query.extend(args.text.as_deref().map(|text| ("q", text)));
    query.extend(args.severity.map(|severity| ("severity", severity.as_str())));
    query.extend(args.status.map(|status| ("status", status.as_str())));
    query.extend(args.environment.as_deref().map(|name| ("environment", name)));
    let answer = connection.send(egress::Method::GET, "images", &query, None, std::time::Duration::ZERO)?;
    let page: Page = answer.value()?;
    if args.json {
        print(&format!("{}\n", String::from_utf8_lossy(&answer.body).trim_end()))?;
        return Ok(Exit::Pass);
    }
    if page.items.is_empty() {
        print("No image is known here that fits. `lazaret submit IMAGE` brings one.\n")?;
        return Ok(Exit::Pass);
    }
    let header = ["IMAGE", "STATUS", "CRITICAL", "HIGH", "MEDIUM", "LOW", "FIXABLE", "SCANNED"];
    let rows: Vec<Vec<Cell>> = page
        .items
        .iter()
        .map(|row| {
            let facets = row.facets;
            let mut cells: Vec<Cell> = vec![row.reference.as_str().into(), row.text.as_str().into()];
            let counts = [facets.critical, facets.high, facets.medium, facets.low, facets.fixable];
            let shown = row.scanned_at.is_some();
            cells.extend(counts.map(|count| if shown { count.to_string() } else { "-".to_owned() }.into()));
            cells.push(row.scanned_at.as_deref().map_or("never", |at| at.get(..16).unwrap_or(at)).into());
            cells
        })
        .collect();
    print(&layout(&header, &rows, screen_width()))?;
    if page.next.is_some() {
        print(&format!("\nmore than {}; --limit shows more\n", page.items.len()))?;
    }
    Ok(Exit::Pass)
}
