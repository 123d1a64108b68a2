//! The report for people: what was looked at, what was found, what was not seen.

use std::{cmp::Reverse, fmt::Write as _};

use anstyle::{AnsiColor, Color, Style};
use model::{Finding, Report, ScanType, Severity, report::CoverageState};

use super::{
    columns::{Cell, layout, printable},
    contents,
};

/// The label of what was not looked at.
const UNCHECKED: &str = "no data";
/// How a warning looks.
const WARNING: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));

/// How to show it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    /// Columns of the screen; `None` when it is none.
    pub(crate) width: Option<usize>,
    /// List all packages too.
    pub(crate) packages: bool,
    /// How many findings a filter left out.
    pub(crate) hidden: usize,
}

/// Writes the whole report, with colours as escape sequences.
pub(crate) fn write(report: &Report, view: View) -> String {
    let mut out = head(report);
    if view.packages {
        out.push('\n');
        out.push_str(&packages(report, view.width));
    }
    if !report.findings.is_empty() {
        out.push('\n');
        out.push_str(&findings(report, view.width));
    }
    out.push_str(&contents::tables(report, view.width));
    let problems = problems(report);
    if !problems.is_empty() {
        out.push('\n');
        out.push_str(&problems);
    }
    out.push('\n');
    out.push_str(&summary(report, view.hidden));
    out.push_str(&next(report));
    out
}

fn head(report: &Report) -> String {
    let image = &report.image;
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let style = if name == UNCHECKED { WARNING } else { Style::new().dimmed() };
        let _ = writeln!(out, "{}{name:<9}{}{}", style.render(), style.render_reset(), printable(&text));
    };
    line("image", image.reference.clone());
    if let Some(digest) = &image.digest {
        line("digest", digest.to_string());
    }
    let platform = image.platform.as_ref().map(ToString::to_string);
    let layers = report.inventory.layers.len();
    let about = [
        report.inventory.distro.as_ref().map(|d| d.pretty_name.clone().unwrap_or_else(|| d.label())),
        platform,
        (layers > 0).then(|| plural(layers, "layer")),
    ];
    let about: Vec<String> = about.into_iter().flatten().collect();
    if !about.is_empty() {
        line("about", about.join(", "));
    }
    for coverage in &report.coverage {
        let packages = plural(coverage.packages, "package");
        let shard = &coverage.shard;
        match coverage.state {
            CoverageState::Checked => {
                let built = coverage.built.as_deref().and_then(|b| b.get(..10)).unwrap_or("unknown date");
                let advisories = plural_u64(coverage.advisories, "advisory", "advisories");
                line("checked", format!("{packages} against {shard} ({advisories}, built {built})"));
            }
            CoverageState::Missing => {
                line(UNCHECKED, format!("{packages}: no advisories for {shard} here"));
            }
            CoverageState::NotCovered => {
                line(UNCHECKED, format!("{packages}: no known source of advisories for {shard}"));
            }
        }
    }
    for (name, text) in contents::lines(report) {
        line(name, text);
    }
    out
}

fn findings(report: &Report, width: Option<usize>) -> String {
    let package = |finding: &Finding| report.inventory.packages.get(finding.package as usize);
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    sorted.sort_by_key(|finding| {
        let name = package(finding).map(|p| (&p.name, &p.version, p.layer));
        (Reverse(finding.severity), finding.fixed_versions.is_empty(), name, &finding.id)
    });
    let has_layers = !report.inventory.layers.is_empty();
    let rows: Vec<Vec<Cell>> = sorted
        .into_iter()
        .filter_map(|finding| {
            let package = package(finding)?;
            let fixed = if finding.fixed_versions.is_empty() {
                Cell::styled(state(finding), Style::new().dimmed())
            } else {
                finding.fixed_versions.join(", ").into()
            };
            let mut row = vec![
                Cell::styled(finding.severity.as_str(), style(finding.severity)),
                finding.id.as_str().into(),
                package.name.as_str().into(),
                package.version.as_str().into(),
                fixed,
            ];
            if has_layers {
                row.push(package.layer.map_or_else(String::new, |layer| layer.to_string()).into());
            }
            row.push(finding.title.as_str().into());
            Some(row)
        })
        .collect();
    let mut header = vec!["SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN"];
    if has_layers {
        header.push("LAYER");
    }
    header.push("TITLE");
    layout(&header, &rows, width)
}

fn packages(report: &Report, width: Option<usize>) -> String {
    let rows: Vec<Vec<Cell>> = report
        .inventory
        .packages
        .iter()
        .map(|package| {
            let owner =
                package.owner.as_ref().map_or_else(String::new, |owner| format!("  (part of {owner})"));
            vec![
                package.kind.as_str().into(),
                package.name.as_str().into(),
                package.version.as_str().into(),
                package.layer.map_or_else(String::new, |layer| layer.to_string()).into(),
                format!("{}{owner}", package.path).into(),
            ]
        })
        .collect();
    layout(&["KIND", "PACKAGE", "VERSION", "LAYER", "RECORDED IN"], &rows, width)
}

/// Never cut: what is wrong often stands at the end.
fn problems(report: &Report) -> String {
    let rows: Vec<Vec<Cell>> = report
        .all_problems()
        .map(|problem| {
            let place = match (&problem.path, problem.layer) {
                (Some(path), Some(layer)) => format!("layer {layer}: {path}"),
                (Some(path), None) => path.clone(),
                (None, Some(layer)) => format!("layer {layer}"),
                (None, None) => String::new(),
            };
            let text = if place.is_empty() {
                problem.message.clone()
            } else {
                format!("{place}: {}", problem.message)
            };
            vec![Cell::styled(problem.code.as_str(), WARNING), text.into()]
        })
        .collect();
    if rows.is_empty() { String::new() } else { layout(&["PROBLEM", ""], &rows, None) }
}

/// One line that never says more than was looked at.
fn summary(report: &Report, hidden: usize) -> String {
    let packages = report.inventory.packages.len();
    let unchecked: usize =
        report.coverage.iter().filter(|c| c.state != CoverageState::Checked).map(|c| c.packages).sum();
    let checked = report.coverage.iter().any(|c| c.state == CoverageState::Checked && c.packages > 0);
    let mut out = plural(packages, "package");
    if report.findings.is_empty() {
        out.push_str(match (hidden, checked) {
            _ if !report.covers(ScanType::Vulnerability) => "; vulnerabilities were not asked for",
            (0, true) => ": no known vulnerabilities",
            (0, false) => ": nothing was checked",
            _ => ": no findings left to show",
        });
    } else {
        let counts: Vec<String> = Severity::DESCENDING
            .into_iter()
            .filter_map(|severity| {
                let count = report.findings.iter().filter(|f| f.severity == severity).count();
                (count > 0).then(|| {
                    let style = style(severity);
                    format!("{}{count} {severity}{}", style.render(), style.render_reset())
                })
            })
            .collect();
        let fixable = report.findings.iter().filter(|f| !f.fixed_versions.is_empty()).count();
        let _ = write!(
            out,
            ", {}: {}; {fixable} fixable",
            plural(report.findings.len(), "finding"),
            counts.join(", ")
        );
    }
    if hidden > 0 {
        let _ = write!(out, "; {hidden} hidden by the filters");
    }
    // Where nothing was checked, that is said already.
    if unchecked > 0 && (checked || !report.findings.is_empty()) {
        let _ = write!(out, "; {} NOT CHECKED", plural(unchecked, "package"));
    }
    if report.is_partial() {
        out.push_str("; partial, see the problems above");
    }
    out.push('\n');
    out
}

/// What to do about advisories that are not here; empty when there is nothing to be done.
fn next(report: &Report) -> String {
    let missing = report.coverage.iter().filter(|c| c.state == CoverageState::Missing && c.packages > 0);
    let names: Vec<String> = missing.map(|coverage| printable(&coverage.shard)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("next: lazaret db update {}, or name another database with --db\n", names.join(" "))
}

const fn state(finding: &Finding) -> &'static str {
    use model::advisory::FixState;
    match finding.state {
        FixState::WillNotFix => "will not fix",
        FixState::FixDeferred => "deferred",
        FixState::EndOfLife => "end of life",
        FixState::UnderInvestigation => "investigated",
        FixState::Unstated | FixState::Fixed | FixState::Affected | FixState::NotAffected => "none yet",
    }
}

/// How a severity looks.
pub(super) const fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical => {
            return Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
        }
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Negligible | Severity::Unknown => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// `1 noun`, `2 nouns`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    plural_u64(count as u64, noun, &format!("{noun}s"))
}

fn plural_u64(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
