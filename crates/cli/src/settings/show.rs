//! What is in force, for people and for programs, with every secret masked.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{
    resolve::{Entry, Resolved},
    value::{Kind, MASK, Value},
};

fn shown(entry: &Entry) -> Option<String> {
    entry.value.as_ref().map(|value| match (entry.setting.secret, entry.setting.kind) {
        // Of a URL, who, where and which is worth seeing; its password is masked.
        (true, Kind::Url(_)) | (false, _) => value.shown(),
        (true, _) => MASK.to_owned(),
    })
}

/// `key = value  # origin`, one line each.
pub(crate) fn text(resolved: &Resolved) -> String {
    let mut out = String::new();
    for entry in &resolved.entries {
        let value = shown(entry).unwrap_or_else(|| "(not set)".to_owned());
        let _ = writeln!(out, "{} = {value}  # {}", entry.setting.key, entry.origin);
    }
    out
}

/// A list of `{key, value, origin}`; time spans as text, sizes in bytes, `null` where nothing is set.
pub(crate) fn json(resolved: &Resolved) -> String {
    let list: Vec<Json> = resolved
        .entries
        .iter()
        .map(|entry| {
            let value = match &entry.value {
                Some(Value::Bool(yes)) => json!(yes),
                Some(Value::Number(number)) => json!(number),
                Some(Value::List(items)) => json!(items),
                _ => json!(shown(entry)),
            };
            json!({"key": entry.setting.key, "value": value, "origin": entry.origin.to_string()})
        })
        .collect();
    format!("{:#}\n", Json::Array(list))
}
