//! Logs of the service: text or JSON on standard error, each line of a request with its id; and traces, when told to.

use std::io::IsTerminal as _;

use tokio::runtime::Handle;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::telemetry::Telemetry;
use crate::{
    exit::Failure,
    settings::typed::{Log, Settings},
};

/// Parts of others that tell more than anybody asked for.
const QUIET: &str = ",sqlx=warn,hyper=warn,hyper_util=warn,rustls=warn,h2=warn";
/// What becomes traces: the spans of Lazaret itself.
const TRACED: &str = "warn,server=info,app=info,lazaret=info";

/// Starts the log as the settings say; `-v` tells more, and `LAZARET_LOG` has the last word. What is returned must be
/// kept until the end, so that the last traces are sent.
///
/// # Errors
/// When traces are wanted and cannot be sent.
pub(super) fn start(
    settings: &Settings,
    verbose: u8,
    runtime: &Handle,
) -> Result<Option<Telemetry>, Failure> {
    let log: &Log = &settings.log;
    let level = match verbose {
        0 => log.level.as_str(),
        1 => "debug",
        _ => "trace",
    };
    let filter =
        EnvFilter::try_from_env("LAZARET_LOG").unwrap_or_else(|_| EnvFilter::new(format!("{level}{QUIET}")));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let lines = if log.format == "json" {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed()
    } else {
        lines.with_ansi(colour).with_filter(filter).boxed()
    };
    let endpoint = settings.telemetry.endpoint.as_ref();
    let telemetry = endpoint.map(|endpoint| Telemetry::start(endpoint, runtime.clone())).transpose()?;
    let traces = telemetry.as_ref().map(|telemetry| {
        let layer = tracing_opentelemetry::layer().with_tracer(telemetry.tracer());
        layer.with_location(false).with_threads(false).with_target(false).with_filter(EnvFilter::new(TRACED))
    });
    tracing_subscriber::registry().with(lines).with(traces).init();
    Ok(telemetry)
}
