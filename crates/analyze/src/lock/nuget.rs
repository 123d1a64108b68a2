//! `packages.lock.json` and `packages.config` (NuGet documentation): .NET packages.

use std::collections::BTreeMap;

use model::PackageKind;
use quick_xml::{Reader, events::Event};
use serde::Deserialize;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// NuGet's lock file, and the list that came before it.
pub static NUGET: LockAnalyzer = LockAnalyzer {
    name: "lock/nuget",
    is_lock: |name| matches!(name, "packages.lock.json" | "packages.config"),
    parse,
};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    dependencies: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    r#type: String,
    resolved: Option<String>,
}

/// Told apart by the first character: one is JSON, the other XML.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Nuget);
    let text = utf8(bytes, &mut locked).trim_start();
    if text.starts_with('<') {
        config(text, &mut locked);
    } else if let Ok(document) = serde_json::from_str::<Document>(text) {
        for (name, entry) in document.dependencies.into_values().flatten() {
            if entry.r#type != "Project" {
                locked.add(&name, entry.resolved.as_deref().unwrap_or_default());
            }
        }
    } else {
        locked.corrupt("the file is neither a lock file nor a list of packages");
    }
    locked.finish()
}

fn config(text: &str, locked: &mut Locked) {
    let mut reader = Reader::from_str(text);
    loop {
        let element = match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => element,
            Ok(Event::Eof) => return,
            Ok(_) => continue,
            Err(_) => return locked.corrupt("the file is no XML"),
        };
        if element.name().as_ref() != "package" {
            continue;
        }
        let field = |name: &str| {
            let attribute = element.try_get_attribute(name).ok().flatten();
            attribute.map(|attribute| attribute.value.into_owned()).unwrap_or_default()
        };
        if field("developmentDependency") != "true" {
            locked.add(&field("id"), &field("version"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn lock_files_by_framework() {
        let file = r#"{"version": 1, "dependencies": {"net8.0": {"Newtonsoft.Json": {"type": "Direct", "requested": "[13.0.1, )", "resolved": "13.0.1"},
            "own": {"type": "Project"}}, "net6.0": {"Newtonsoft.Json": {"type": "Direct", "resolved": "13.0.1"}}}}"#;
        check(parse, file, &[("Newtonsoft.Json", "13.0.1")]);
    }

    #[test]
    fn lists_in_xml() {
        let file = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<packages>\n  <package id=\"jQuery\" version=\"3.1.1\" targetFramework=\"net46\" />\n  \
                    <package id=\"Cop\" version=\"1.0\" developmentDependency=\"true\" />\n</packages>\n";
        check(parse, file, &[("jQuery", "3.1.1")]);
    }
}
