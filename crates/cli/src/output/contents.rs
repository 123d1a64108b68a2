//! The parts of the report for people that are not vulnerabilities: secrets, licences, findings about files.
//!
//! A part is there only when it was looked for; then also when there is nothing to show, because that is an answer.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write as _};

use anstyle::Style;
use model::{Place, Report, ScanType};

use super::{
    columns::{Cell, layout},
    report::{plural, style},
};

/// Most names of packages that stand behind a licence.
const NAMES: usize = 4;

/// One line for each part, for the head of the report: its name, and what came of it.
pub(super) fn lines(report: &Report) -> Vec<(&'static str, String)> {
    let inventory = &report.inventory;
    let count = |count: usize, noun: &str, none: &str| {
        if count == 0 { none.to_owned() } else { plural(count, noun) }
    };
    let mut lines = Vec::new();
    if looked(report, ScanType::Secret) {
        let mut text = count(inventory.secrets.len(), "secret", "none found");
        let deleted = inventory.secrets.iter().filter(|secret| secret.deleted).count();
        if deleted > 0 {
            let _ = write!(text, ", {deleted} of them in files that a later layer removed");
        }
        lines.push(("secrets", text));
    }
    if looked(report, ScanType::License) {
        lines.push(("licences", count(by_licence(report).len(), "licence", "none found")));
    }
    if looked(report, ScanType::Filesystem) {
        lines.push(("files", count(inventory.files.len(), "finding", "nothing found against them")));
    }
    lines
}

/// The tables of all parts that have rows, each with an empty line before it.
pub(super) fn tables(report: &Report, width: Option<usize>) -> String {
    let mut out = String::new();
    for (kind, table) in [
        (ScanType::Secret, secrets as fn(&Report, Option<usize>) -> String),
        (ScanType::License, licences),
        (ScanType::Filesystem, files),
    ] {
        let table = if looked(report, kind) { table(report, width) } else { String::new() };
        if !table.is_empty() {
            out.push('\n');
            out.push_str(&table);
        }
    }
    out
}

fn looked(report: &Report, kind: ScanType) -> bool {
    report.inventory.looked_for.contains(&kind)
}

fn secrets(report: &Report, width: Option<usize>) -> String {
    let mut sorted: Vec<_> = report.inventory.secrets.iter().collect();
    sorted.sort_by_key(|secret| Reverse(secret.severity));
    let rows: Vec<Vec<Cell>> = sorted
        .into_iter()
        .map(|secret| {
            let place = match &secret.place {
                Place::File(path) => format!("{path}:{}", secret.start_line),
                Place::Config(part) => format!("image configuration, {part}"),
            };
            let deleted = if secret.deleted { " (removed by a later layer)" } else { "" };
            vec![
                Cell::styled(secret.severity.as_str(), style(secret.severity)),
                secret.rule.as_str().into(),
                format!("{place}{deleted}").into(),
                layer(secret.layer),
                secret.title.as_str().into(),
            ]
        })
        .collect();
    table(&["SEVERITY", "SECRET", "PLACE", "LAYER", "TITLE"], &rows, width)
}

fn files(report: &Report, width: Option<usize>) -> String {
    let mut sorted: Vec<_> = report.inventory.files.iter().collect();
    sorted.sort_by_key(|file| Reverse(file.severity));
    let rows: Vec<Vec<Cell>> = sorted
        .into_iter()
        .map(|file| {
            let owner = match (file.uid, file.gid) {
                (Some(uid), Some(gid)) => format!("{uid}:{gid}"),
                (Some(uid), None) => uid.to_string(),
                _ => String::new(),
            };
            let path = if file.path.is_empty() { "(the image)" } else { file.path.as_str() };
            vec![
                Cell::styled(file.severity.as_str(), style(file.severity)),
                file.check.as_str().into(),
                path.into(),
                file.mode.map_or_else(String::new, |mode| format!("{mode:04o}")).into(),
                owner.into(),
                layer(file.layer),
                file.message.as_str().into(),
            ]
        })
        .collect();
    table(&["SEVERITY", "CHECK", "PATH", "MODE", "OWNER", "LAYER", "WHAT"], &rows, width)
}

/// Who has a licence: names of packages, and how many files hold its text.
#[derive(Default)]
struct Users<'a> {
    packages: Vec<&'a str>,
    files: usize,
}

/// The expression of a package where it could be understood, else what it records.
fn by_licence(report: &Report) -> BTreeMap<&str, Users<'_>> {
    let mut licences: BTreeMap<&str, Users<'_>> = BTreeMap::new();
    for package in &report.inventory.packages {
        let recorded = package.licences.iter().filter(|_| package.licence.is_none());
        for licence in package.licence.iter().chain(recorded) {
            licences.entry(licence).or_default().packages.push(&package.name);
        }
    }
    for file in &report.inventory.licence_files {
        licences.entry(&file.licence).or_default().files += 1;
    }
    licences
}

fn licences(report: &Report, width: Option<usize>) -> String {
    let mut sorted: Vec<_> = by_licence(report).into_iter().collect();
    sorted.sort_by_key(|(_, users)| Reverse(users.packages.len()));
    let mut rows: Vec<Vec<Cell>> = sorted
        .into_iter()
        .map(|(licence, users)| {
            let mut names = users.packages.clone();
            names.dedup();
            let more = names.len().saturating_sub(NAMES);
            names.truncate(NAMES);
            let mut text = names.join(", ");
            if more > 0 {
                let _ = write!(text, " and {more} more");
            }
            vec![licence.into(), number(users.packages.len()), number(users.files), text.into()]
        })
        .collect();
    let silent = |package: &&model::Package| package.licence.is_none() && package.licences.is_empty();
    let silent = report.inventory.packages.iter().filter(silent).count();
    if silent > 0 && !rows.is_empty() {
        let dimmed = Style::new().dimmed();
        rows.push(vec![Cell::styled("none recorded", dimmed), number(silent), number(0), "".into()]);
    }
    table(&["LICENCE", "PACKAGES", "FILES", "OF"], &rows, width)
}

fn table(header: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> String {
    if rows.is_empty() { String::new() } else { layout(header, rows, width) }
}

fn number(count: usize) -> Cell {
    if count == 0 { "".into() } else { count.to_string().into() }
}

fn layer(layer: Option<u32>) -> Cell {
    layer.map_or_else(String::new, |layer| layer.to_string()).into()
}
