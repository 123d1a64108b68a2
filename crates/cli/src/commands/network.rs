//! How the commands reach the network: one client configuration, one runtime.

use egress::ClientConfig;

use crate::{args::NetworkArgs, exit::Failure};

/// The client of the command line with the extra certificate authorities.
pub(crate) fn client_config(args: &NetworkArgs) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::command_line();
    for file in &args.ca_file {
        let pem = std::fs::read(file).map_err(|error| {
            let message = format!("failed to read {}: {error}", file.display());
            Failure::usage("ca-file-unreadable", message, "Name a PEM file with --ca-file.")
        })?;
        config.extra_ca.push(pem);
    }
    Ok(config)
}

/// The runtime that network code runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
        Failure::new("runtime-failed", &error, "Check the limits on threads and open files.")
    })
}
