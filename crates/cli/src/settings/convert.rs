//! From values to the types of fields.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use egress::{AllowEntry, Url};

use super::{
    SettingsError,
    resolve::Resolved,
    typed::{Role, Secret},
    value::Value,
};

/// The value of a setting, as the type of a field.
///
/// # Errors
/// When the list and the field disagree.
pub(super) fn get<T: FromValue>(resolved: &Resolved, key: &'static str) -> Result<T, SettingsError> {
    let entry = resolved.entries.iter().find(|entry| entry.setting.key == key);
    let entry = entry.ok_or(SettingsError::Mismatch(key))?;
    T::from_value(entry.value.as_ref()).ok_or(SettingsError::Mismatch(key))
}

/// What can be a field of the settings; `None` when the value has another type.
pub(super) trait FromValue: Sized {
    fn from_value(value: Option<&Value>) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty: $pattern:pat => $result:expr,)*) => {
        $(impl FromValue for $type {
            fn from_value(value: Option<&Value>) -> Option<Self> {
                match value? {
                    $pattern => $result,
                    _ => None,
                }
            }
        })*
    };
}

from_value! {
    String: Value::Text(text) => Some(text.clone()),
    bool: Value::Bool(yes) => Some(*yes),
    u64: Value::Number(number) => Some(*number),
    u32: Value::Number(number) => (*number).try_into().ok(),
    usize: Value::Number(number) => (*number).try_into().ok(),
    Duration: Value::Duration(span) => Some(*span),
    PathBuf: Value::Path(path) => Some(path.clone()),
    Url: Value::Url(url) => Some(url.clone()),
    SocketAddr: Value::Socket(address) => Some(*address),
    Vec<String>: Value::List(items) => Some(items.clone()),
    Vec<PathBuf>: Value::List(items) => Some(items.iter().map(PathBuf::from).collect()),
    Vec<IpAddr>: Value::List(items) => items.iter().map(|item| item.parse().ok()).collect(),
    model::Role: Value::Text(text) => text.parse().ok(),
    Vec<(String, model::Role)>: Value::List(items) => {
        let pair = |item: &String| {
            let (group, role) = item.rsplit_once('=')?;
            Some((group.to_owned(), role.parse().ok()?))
        };
        items.iter().map(pair).collect()
    },
    Vec<AllowEntry>: Value::List(items) => items.iter().map(|item| item.parse().ok()).collect(),
}

impl FromValue for Secret {
    fn from_value(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::Text(text) => Some(Self(text.clone())),
            Value::Url(url) => Some(Self(url.as_str().to_owned())),
            _ => None,
        }
    }
}

impl FromValue for Role {
    fn from_value(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::Text(text) if text == "all" => Some(Self::All),
            Value::Text(text) if text == "api" => Some(Self::Api),
            Value::Text(text) if text == "worker" => Some(Self::Worker),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Option<&Value>) -> Option<Self> {
        match value {
            None => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
