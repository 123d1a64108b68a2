//! The flags of everything that reads the settings of the service.

use std::path::PathBuf;

use clap::Args;

use super::{SettingsError, list};

/// Flags of `lazaret serve`; what they do not say is taken from the environment, then from the file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeFlags {
    /// Directory of everything that the service keeps. Default: lazaret in $XDG_DATA_HOME or ~/.local/share.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// File of settings. Default: LAZARET_CONFIG, else lazaret.toml in the data directory or in /etc/lazaret.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the service answers. Default: 127.0.0.1:8080; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// The PostgreSQL database. Better given as LAZARET_DATABASE_URL, which other users cannot see.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// What this process does: all, which is the default, api or worker.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// PEM file of the certificate chain.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// PEM file of the certificate's key.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// How to log: text, which is the default, or json.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Any setting, for example queue.lease=1m. Repeatable; a flag of its own wins over this one.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl ServeFlags {
    /// What was typed for a setting, and with which flag.
    pub(crate) fn get(&self, key: &str) -> Option<(&str, &'static str)> {
        let own = match key {
            "data.dir" => &self.data,
            "server.listen" => &self.listen,
            "server.role" => &self.role,
            "tls.cert" => &self.tls_cert,
            "tls.key" => &self.tls_key,
            "database.url" => &self.database_url,
            "log.format" => &self.log_format,
            _ => &None,
        };
        let flag = list::find(key).and_then(|setting| setting.flag);
        own.as_deref().zip(flag).or_else(|| {
            let mut pairs = self.set.iter().rev().filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| (value, "--set"))
        })
    }

    /// That every `--set` names a setting.
    ///
    /// # Errors
    /// When one does not.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for pair in &self.set {
            let (key, _) = pair.split_once('=').ok_or(SettingsError::SetForm)?;
            if list::find(key).is_none() {
                let (key, nearest) = (key.to_owned(), list::nearest(key));
                return Err(SettingsError::Unknown { origin: "--set".to_owned(), key, nearest });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_list_is_read() {
        let text = || Some("x".to_owned());
        let flags = ServeFlags {
            data: text(),
            config: None,
            listen: text(),
            database_url: text(),
            role: text(),
            tls_cert: text(),
            tls_key: text(),
            log_format: text(),
            set: Vec::new(),
        };
        for setting in list::SETTINGS {
            assert_eq!(flags.get(setting.key), Some("x").zip(setting.flag), "{}", setting.key);
        }
    }
}
