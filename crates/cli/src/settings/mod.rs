//! What `lazaret serve` can be told: a file, then the environment, then flags; the later one wins.
//!
//! [`list`] is the one list of settings; the page of documentation, `lazaret config show` and the names of
//! variables all come from it. [`resolve`] says which value is in force and where it came from, [`typed`] is
//! what the service is given. Nothing here starts anything, and no secret is ever shown.

mod convert;
pub(crate) mod docs;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod list;
pub(crate) mod resolve;
pub(crate) mod show;
pub(crate) mod typed;
pub(crate) mod value;

use std::path::PathBuf;

use crate::exit::Failure;

/// Why there are no settings. Never holds the value of a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A file of settings, or of one secret, cannot be read.
    #[error("failed to read {} ({named_by}): {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who names it.
        named_by: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is larger than settings can be.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes at most.
        limit: u64,
    },
    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, without the text of the line.
        message: String,
    },
    /// No setting has that name.
    #[error("{origin}: there is no setting {key:?}{}", nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        origin: String,
        /// The name that was given.
        key: String,
        /// The most similar name.
        nearest: Option<&'static str>,
    },
    /// A value that the setting cannot take.
    #[error("{origin}: {key} {message}")]
    Value {
        /// Where it stands.
        origin: String,
        /// The setting.
        key: &'static str,
        /// What it must be.
        message: String,
    },
    /// A secret is given as a value and as a file in the same place.
    #[error("{origin}: {key} is given twice, as a value and as a file")]
    Twice {
        /// Where.
        origin: String,
        /// The setting.
        key: &'static str,
    },
    /// `--set` without an equals sign.
    #[error("--set takes KEY=VALUE")]
    SetForm,
    /// Values that are fine each, and make no sense together.
    #[error("{0}")]
    Together(String),
    /// The list and the code that reads it disagree.
    #[error("setting {0} is not in the list with this type")]
    Mismatch(&'static str),
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let hint = "lazaret config docs explains every setting, lazaret config show what is in force.";
        Self::usage("settings-invalid", error.to_string(), hint)
    }
}
