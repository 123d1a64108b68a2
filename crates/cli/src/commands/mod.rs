//! One file a command.

pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod network;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod user;
pub(crate) mod versions;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use crate::{exit::Failure, output::columns::printable};

/// Columns of the terminal on standard output; `None` when it is none.
pub(crate) fn screen_width() -> Option<usize> {
    let is_terminal = io::stdout().is_terminal();
    is_terminal.then(|| terminal_size::terminal_size().map_or(100, |(width, _)| width.0.into()))
}

/// Writes to standard output, with colours only where they are wanted. A reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The same without any change: what programs read must arrive as it was made.
pub(crate) fn print_raw(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("output-failed", &error, "Check the disk behind standard output."))
        }
        _ => Ok(()),
    }
}

/// Says on standard error what is not as it should be, and yet no reason to stop.
pub(crate) fn warn(text: &str) {
    // Nowhere left to say that this failed.
    let _ = anstream::stderr().write_all(format!("warning: {}\n", printable(text)).as_bytes());
}

/// Where databases and caches are kept by default: `$XDG_CACHE_HOME/lazaret` or `~/.cache/lazaret`.
pub(crate) fn home(sub: &str) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.map(|base| base.join("lazaret").join(sub)).ok_or_else(|| {
        let hint = "Set HOME, or name the directories with --db and --cache.";
        Failure::usage("no-home", "there is no home directory to keep data in", hint)
    })
}
