//! Logs of the service: text or JSON on standard error, each line of a request with its id.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::typed::Log;

/// Parts of others that tell more than anybody asked for.
const QUIET: &str = ",sqlx=warn,hyper=warn,hyper_util=warn,rustls=warn,h2=warn";

/// Starts the log as the settings say; `-v` tells more, and `LAZARET_LOG` has the last word.
pub(super) fn start(log: &Log, verbose: u8) {
    let level = match verbose {
        0 => log.level.as_str(),
        1 => "debug",
        _ => "trace",
    };
    let filter =
        EnvFilter::try_from_env("LAZARET_LOG").unwrap_or_else(|_| EnvFilter::new(format!("{level}{QUIET}")));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if log.format == "json" {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
        return;
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    lines.with_ansi(colour).init();
}
