//! What an image says of itself: the parts of its configuration that checks look at (OCI image-spec v1.1, config.md).

use std::collections::BTreeMap;

/// The configuration of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// User that the command runs as, `USER[:GROUP]`; empty means root.
    pub user: String,
    /// Environment, each `NAME=value`.
    pub env: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Start command, fixed part.
    pub entrypoint: Vec<String>,
    /// Start command, default arguments.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Ports such as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Directories that are mounted from outside.
    pub volumes: Vec<String>,
    /// The command that tells whether the container is well, with its kind first (`CMD`, `CMD-SHELL`, `NONE`).
    pub healthcheck: Vec<String>,
    /// How it was made, oldest first.
    pub history: Vec<HistoryLine>,
}

/// One line of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryLine {
    /// The command.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// True when no layer came of it.
    pub empty_layer: bool,
}
