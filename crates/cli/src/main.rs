//! `lazaret`: the command line. Maps words to use cases and results to text and exit codes; it decides
//! nothing about images.

mod args;
mod commands;
mod exit;
mod output;
mod settings;

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::{
    args::{Cli, Command, ConfigCommand, DbCommand, VersionsCommand},
    exit::{Exit, Failure},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Pass.into() };
        }
    };
    // The service has a log of its own, which its settings tell about.
    if !matches!(cli.command, Command::Serve(_)) {
        start_log(cli.verbose);
    }
    match run(cli.command, cli.verbose) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let _ = anstream::stderr().write_all(failure.text().as_bytes());
            failure.exit.into()
        }
    }
}

fn run(command: Command, verbose: u8) -> Result<Exit, Failure> {
    match command {
        Command::Scan(args) => commands::scan::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Db(DbCommand::Build(args)) => commands::db::build(&args),
        Command::Db(DbCommand::Status(args)) => commands::db::status(&args),
        Command::Db(DbCommand::Update(args)) => commands::db::update(&args),
        Command::Versions(VersionsCommand::Compare(args)) => commands::versions::compare(&args),
        Command::Config(ConfigCommand::Show(args)) => commands::config::show(&args),
        Command::Config(ConfigCommand::Docs) => commands::config::docs(),
        Command::User(command) => commands::user::run(&command),
        Command::Serve(flags) => commands::serve::run(&flags, verbose),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Login(args) => commands::client::login(&args),
        Command::Logout(args) => commands::client::logout(&args),
        Command::Submit(args) => commands::client::submit(&args),
        Command::Status(args) => commands::client::status(&args),
        Command::Report(args) => commands::client::report(&args),
        Command::Images(args) => commands::client::images(&args),
        Command::Where(args) => commands::client::locate(&args),
    }
}

/// Logs to standard error: warnings only, unless asked for more by -v or LAZARET_LOG.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("LAZARET_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_target(false).with_ansi(colour).init();
}
