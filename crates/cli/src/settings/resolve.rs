//! Which value is in force, and where it came from.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use super::{
    SettingsError,
    file::{self, Given, Said},
    flags::ServeFlags,
    list::{Default, SETTINGS, Setting},
    value::{Kind, Value},
};

/// The file of the whole machine.
const SYSTEM_FILE: &str = "/etc/lazaret/lazaret.toml";
/// Its name in the data directory.
const FILE: &str = "lazaret.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the file.
    File(PathBuf, usize),
    /// This variable.
    Variable(String),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One setting as it is in force.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) setting: &'static Setting,
    /// `None` when it is not set.
    pub(crate) value: Option<Value>,
    /// From where.
    pub(crate) origin: Origin,
}

/// All settings, in the order of the list.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// One for each of [`SETTINGS`].
    pub(crate) entries: Vec<Entry>,
}

/// Reads a variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Resolved {
    /// From the file, the environment and the flags; the later one wins.
    ///
    /// # Errors
    /// When one of them is wrong, also where a later one wins.
    pub(crate) fn load(flags: &ServeFlags, environment: Environment<'_>) -> Result<Self, SettingsError> {
        flags.check()?;
        let variables = Variables(environment);
        let data = SETTINGS.iter().find(|setting| setting.key == "data.dir");
        let early = data.map(|setting| given(setting, flags, &variables)).transpose()?.flatten();
        let early = match early {
            Some((Value::Path(path), _)) => path,
            _ => variables.data_home(),
        };
        let mut file = match variables.config_file(flags, &early)? {
            Some((path, named_by)) => {
                let found = file::parse(&path, &file::load_text(&path, &named_by)?)?;
                Some((path, found))
            }
            None => None,
        };
        let mut entries = Vec::with_capacity(SETTINGS.len());
        let mut data_dir = early;
        for setting in SETTINGS {
            let in_file =
                file.as_mut().map(|(path, found)| from_file(setting, path, found)).transpose()?.flatten();
            let later = given(setting, flags, &variables)?;
            let (value, origin) = match later.or(in_file) {
                Some((value, origin)) => (Some(value), origin),
                None => (default(setting, &data_dir, &variables)?, Origin::Default),
            };
            if let ("data.dir", Some(Value::Path(path))) = (setting.key, &value) {
                data_dir.clone_from(path);
            }
            entries.push(Entry { setting, value, origin });
        }
        Ok(Self { entries })
    }
}

type Found = Option<(Value, Origin)>;

fn read(setting: &'static Setting, text: &str, origin: Origin) -> Result<Found, SettingsError> {
    match setting.kind.parse(text) {
        Ok(value) => Ok(Some((value, origin))),
        Err(message) => Err(SettingsError::Value { origin: origin.to_string(), key: setting.key, message }),
    }
}

/// What flags, or else the environment, say.
fn given(
    setting: &'static Setting,
    flags: &ServeFlags,
    variables: &Variables<'_>,
) -> Result<Found, SettingsError> {
    let name = setting.variable();
    let variable = match variables.text(&name, setting.key)? {
        Some(text) => read(setting, &text, Origin::Variable(name.clone()))?,
        None => None,
    };
    let twin = format!("{name}_FILE");
    let in_file = match variables.text(&twin, setting.key)?.filter(|_| setting.secret) {
        Some(_) if variable.is_some() => {
            return Err(SettingsError::Twice { origin: format!("{name} and {twin}"), key: setting.key });
        }
        Some(path) => {
            let text = file::load_text(path.as_ref(), &twin)?;
            read(setting, text.trim_end(), Origin::Variable(twin))?
        }
        None => None,
    };
    match flags.get(setting.key) {
        Some((text, flag)) => read(setting, text, Origin::Flag(flag)),
        None => Ok(variable.or(in_file)),
    }
}

fn from_file(
    setting: &'static Setting,
    path: &std::path::Path,
    found: &mut BTreeMap<&'static str, Given>,
) -> Result<Found, SettingsError> {
    let Some(given) = found.remove(setting.key) else { return Ok(None) };
    let origin = Origin::File(path.to_owned(), given.line);
    match given.value {
        Said::Value(value) => Ok(Some((value, origin))),
        Said::InFile(secret) => {
            let text = file::load_text(&secret, &origin.to_string())?;
            read(setting, text.trim_end(), origin)
        }
    }
}

fn default(
    setting: &'static Setting,
    data: &std::path::Path,
    variables: &Variables<'_>,
) -> Result<Option<Value>, SettingsError> {
    Ok(match setting.default {
        Default::Is(text) => read(setting, text, Origin::Default)?.map(|(value, _)| value),
        Default::InData(name) => Some(Value::Path(data.join(name))),
        Default::DataHome => Some(Value::Path(variables.data_home())),
        Default::Processors => {
            let processors = std::thread::available_parallelism().map_or(2, usize::from).max(2);
            Some(Value::Number(processors as u64))
        }
        Default::Unset(_) => None,
    })
}

struct Variables<'a>(Environment<'a>);

impl Variables<'_> {
    /// An empty variable says nothing.
    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    fn text(&self, name: &str, key: &'static str) -> Result<Option<String>, SettingsError> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value.map(OsString::into_string).transpose().map_err(|_| SettingsError::Value {
            origin: name.to_owned(),
            key,
            message: format!("{}, in UTF-8", Kind::Text.wants()),
        })
    }

    fn data_home(&self) -> PathBuf {
        let base = self.path("XDG_DATA_HOME");
        let base = base.or_else(|| self.path("HOME").map(|home| home.join(".local/share")));
        base.unwrap_or_else(|| "/var/lib".into()).join("lazaret")
    }

    fn config_file(
        &self,
        flags: &ServeFlags,
        data: &std::path::Path,
    ) -> Result<Option<(PathBuf, String)>, SettingsError> {
        if let Some(path) = &flags.config {
            return Ok(Some((path.clone(), "--config".to_owned())));
        }
        if let Some(path) = self.path("LAZARET_CONFIG") {
            return Ok(Some((path, "LAZARET_CONFIG".to_owned())));
        }
        for path in [data.join(FILE), SYSTEM_FILE.into()] {
            let there = path.try_exists().map_err(|source| SettingsError::Unreadable {
                path: path.clone(),
                named_by: "looked for by default".to_owned(),
                source,
            })?;
            if there {
                return Ok(Some((path, "found by default".to_owned())));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        std::fs::write(&file, "[queue]\nlease = '1m'\nheartbeat = '3s'\nmax_attempts = 7\n").unwrap();
        let data = dir.path().to_str().unwrap().to_owned();
        let secret = dir.path().join("url");
        std::fs::write(&secret, "postgres://u:hunter2@h/d\n").unwrap();
        let environment = |name: &str| match name {
            "LAZARET_QUEUE_LEASE" => Some("2m".into()),
            "LAZARET_QUEUE_HEARTBEAT" => Some("4s".into()),
            "LAZARET_LOG_LEVEL" => Some("".into()),
            "LAZARET_DATABASE_URL_FILE" => Some(secret.clone().into_os_string()),
            _ => None,
        };
        let set = vec!["queue.lease=3m".to_owned(), "queue.lease=5m".to_owned()];
        let flags = ServeFlags { data: Some(data), set, ..ServeFlags::default() };
        let resolved = Resolved::load(&flags, &environment).unwrap();
        let at = |key: &str| {
            let entry = resolved.entries.iter().find(|entry| entry.setting.key == key).unwrap();
            (entry.value.as_ref().unwrap().shown(), entry.origin.to_string())
        };
        for (key, value, origin) in [
            ("queue.lease", "5m", "--set".to_owned()),
            ("queue.heartbeat", "4s", "LAZARET_QUEUE_HEARTBEAT".to_owned()),
            ("queue.max_attempts", "7", format!("{}:4", file.display())),
            ("log.level", "info", "default".to_owned()),
            ("advisories.dir", dir.path().join("db").to_str().unwrap(), "default".to_owned()),
            ("database.url", "postgres://u:********@h/d", "LAZARET_DATABASE_URL_FILE".to_owned()),
        ] {
            assert_eq!(at(key), (value.to_owned(), origin), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let flags = |set: &str| ServeFlags { set: vec![set.to_owned()], ..ServeFlags::default() };
        for (set, variable, expected) in [
            ("queue.lease=x", ("", ""), "--set: queue.lease must be a time span"),
            (
                "queue.leas=1s",
                ("", ""),
                "--set: there is no setting \"queue.leas\"; did you mean queue.lease?",
            ),
            ("queue.lease", ("", ""), "--set takes KEY=VALUE"),
            // Also where it would not be in force.
            ("queue.lease=1s", ("LAZARET_QUEUE_LEASE", "x"), "LAZARET_QUEUE_LEASE: queue.lease must be"),
            (
                "queue.lease=1s",
                ("LAZARET_CONFIG", "/nonexistent/f"),
                "failed to read /nonexistent/f (LAZARET_CONFIG)",
            ),
            (
                "queue.lease=1s",
                ("LAZARET_SECRETS_KEY_FILE", "/nonexistent/k"),
                "failed to read /nonexistent/k (LAZARET_SECRETS_KEY_FILE)",
            ),
        ] {
            let environment = |name: &str| (name == variable.0).then(|| variable.1.into());
            let error = Resolved::load(&flags(set), &environment).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
