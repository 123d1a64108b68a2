//! The login that is kept on this machine: one file that only its owner can read.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A login.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::commands) struct Saved {
    /// The service.
    pub(super) server: String,
    /// The token.
    pub(super) token: String,
    /// Its number at the service.
    pub(super) id: i64,
    /// Its name there.
    pub(super) name: String,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").field("server", &self.server).finish_non_exhaustive()
    }
}

/// `$XDG_CONFIG_HOME/lazaret/login.json`, else `~/.config/lazaret/login.json`; none without a home.
fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("lazaret").join("login.json"))
}

/// The login that is kept, if any.
pub(super) fn load() -> Result<Option<Saved>, Failure> {
    let Some(file) = file() else { return Ok(None) };
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| unusable(&error))
}

/// Keeps a login: the file that it is in.
pub(super) fn save(login: &Saved) -> Result<PathBuf, Failure> {
    let file = file().ok_or_else(|| {
        Failure::usage(
            "no-home",
            "there is no home directory to keep the login in",
            "Set HOME, or use --print.",
        )
    })?;
    let write = || -> io::Result<()> {
        let dir = file.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
        fs::create_dir_all(&dir)?;
        let beside = dir.join(format!(".login.{}", std::process::id()));
        let mut out =
            fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        out.write_all(&serde_json::to_vec_pretty(login)?)?;
        out.sync_all()?;
        fs::rename(&beside, &file)
    };
    write().map_err(|error| unusable(&error))?;
    Ok(file)
}

/// Forgets it.
pub(super) fn remove() -> Result<(), Failure> {
    match file().map_or(Ok(()), fs::remove_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&error)),
        _ => Ok(()),
    }
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    let hint = "Check lazaret/login.json below XDG_CONFIG_HOME or ~/.config, or remove it and log in again.";
    Failure::new("login-unusable", error, hint)
}
