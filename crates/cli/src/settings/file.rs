//! The file of settings: TOML 1.0, tables by group, values with the line they stand on.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    SettingsError,
    list::{self, Setting},
    value::{Kind, Value},
};

/// Bytes of a file of settings, or of one secret, at most.
const MAX_BYTES: u64 = 1 << 20;

/// What a file says of one setting.
#[derive(Debug)]
pub(crate) struct Given {
    /// From 1.
    pub(crate) line: usize,
    /// What it says.
    pub(crate) value: Said,
}

/// A value, or the file that holds it.
#[derive(Debug)]
pub(crate) enum Said {
    /// The value itself.
    Value(Value),
    /// `KEY_file`: a file with the secret; relative to the file of settings.
    InFile(PathBuf),
}

/// Reads a whole small file.
///
/// # Errors
/// When it cannot be read, or is too large to be what it is meant to be.
pub(crate) fn load_text(path: &Path, named_by: &str) -> Result<String, SettingsError> {
    let unreadable =
        |source| SettingsError::Unreadable { path: path.to_owned(), named_by: named_by.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(SettingsError::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    Ok(text)
}

/// What a file says, by key.
///
/// # Errors
/// When it is no TOML, names a setting that there is none of, or gives one a value that it cannot take.
pub(crate) fn parse(path: &Path, text: &str) -> Result<BTreeMap<&'static str, Given>, SettingsError> {
    let document = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut reader = Reader { path, text, found: BTreeMap::new() };
    reader.table("", document.get_ref())?;
    Ok(reader.found)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    found: BTreeMap<&'static str, Given>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), SettingsError> {
        for (name, value) in table {
            let line = line_of(self.text, name.span().start);
            let origin = format!("{}:{line}", self.path.display());
            let name: &str = name.get_ref();
            let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let is_group = list::SETTINGS.iter().any(|setting| setting.group() == key);
            if let (true, DeValue::Table(inner)) = (is_group, value.get_ref()) {
                self.table(&key, inner)?;
                continue;
            }
            let twin = key.strip_suffix("_file").and_then(list::find).filter(|setting| setting.secret);
            let (setting, said) = match (list::find(&key), twin) {
                (Some(setting), _) => (setting, convert(setting, value.get_ref()).map(Said::Value)),
                (None, Some(setting)) => (setting, self.secret_file(value.get_ref())),
                (None, None) => {
                    let nearest = list::nearest(&key);
                    return Err(SettingsError::Unknown { origin, key, nearest });
                }
            };
            let value = said.map_err(|message| SettingsError::Value {
                origin: origin.clone(),
                key: setting.key,
                message,
            })?;
            if self.found.insert(setting.key, Given { line, value }).is_some() {
                return Err(SettingsError::Twice { origin, key: setting.key });
            }
        }
        Ok(())
    }

    fn secret_file(&self, value: &DeValue<'_>) -> Result<Said, String> {
        let file = value.as_str().filter(|file| !file.is_empty()).ok_or("must name a file")?;
        Ok(Said::InFile(self.path.parent().unwrap_or(Path::new("")).join(file)))
    }
}

fn convert(setting: &Setting, value: &DeValue<'_>) -> Result<Value, String> {
    match (setting.kind, value) {
        // A text is no number and no truth value: a quoted one is a mistake worth telling.
        (Kind::Bool | Kind::Number(..), DeValue::String(_)) => {
            Err(format!("{}, unquoted", setting.kind.wants()))
        }
        (kind, DeValue::String(text)) => kind.parse(text),
        (Kind::Bool, DeValue::Boolean(yes)) => Ok(Value::Bool(*yes)),
        (kind @ (Kind::Number(..) | Kind::Size), DeValue::Integer(number)) if number.radix() == 10 => {
            kind.parse(number.as_str())
        }
        (kind @ Kind::List(_), DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            kind.list(texts.collect::<Option<_>>().ok_or_else(|| kind.wants())?)
        }
        (kind, _) => Err(kind.wants()),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_line_and_never_with_their_text() {
        for (text, expected) in [
            (
                "[server]\nlisen = 'x'",
                "f.toml:2: there is no setting \"server.lisen\"; did you mean server.listen?",
            ),
            ("[sever]\nlisten = 'x'", "f.toml:1: there is no setting \"sever\""),
            ("server = 1", "f.toml:1: there is no setting \"server\""),
            ("[server]\nlisten = 'hunter2'", "f.toml:2: server.listen must be ADDRESS:PORT"),
            ("queue.lease = 30", "f.toml:1: queue.lease must be a time span such as 30s, 15m or 1h30m"),
            (
                "\nqueue.max_attempts = '3'",
                "f.toml:2: queue.max_attempts must be a number from 1 to 100, unquoted",
            ),
            ("queue.max_attempts = 1.5", "f.toml:1: queue.max_attempts must be a number from 1 to 100"),
            ("images.allow = [1]", "f.toml:1: images.allow must be a list of hosts"),
            ("database = {url = 'hunter2'}", "f.toml:1: database.url must be a URL with postgres"),
            ("secrets.key = 'a'\nsecrets.key_file = 'b'", "f.toml:2: secrets.key is given twice"),
            (
                "queue.lease_file = 'b'",
                "f.toml:1: there is no setting \"queue.lease_file\"; did you mean queue.lease?",
            ),
            ("a = 'b", "f.toml:1: "),
        ] {
            let error = parse(Path::new("f.toml"), text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn values_know_their_line() {
        let found = parse(
            Path::new("/etc/f.toml"),
            "# a comment\n[queue]\nmax_attempts = 7\n[images]\nplain_http = ['a', 'b']\nmax_upload = 9\n[database]\nurl_file = 'pw'\n",
        )
        .unwrap();
        let told: Vec<String> =
            found.iter().map(|(key, given)| format!("{key} {} {:?}", given.line, given.value)).collect();
        assert_eq!(
            told,
            [
                "database.url 8 InFile(\"/etc/pw\")",
                "images.max_upload 6 Value(Number(9))",
                "images.plain_http 5 Value(List([\"a\", \"b\"]))",
                "queue.max_attempts 3 Value(Number(7))",
            ]
        );
    }
}
