//! A report as a short text that people can review: one line for each fact, no prose of advisories.
//!
//! | line | fields |
//! |---|---|
//! | package | kind, name, version, architecture, source and its version where they differ, module, layer, path, owner |
//! | finding | severity, id, package, version, `fixed` versions or the state, layer, advisories |

use std::fmt::Write as _;

use model::{Finding, Package, Problem, Report, advisory::FixState};

/// The whole report.
pub(crate) fn summary(report: &Report) -> String {
    let inventory = &report.inventory;
    let mut text = String::new();
    let distro = inventory
        .distro
        .as_ref()
        .map_or_else(|| "none".to_owned(), |distro| format!("{} ({})", distro.label(), distro.path));
    let platform = report.image.platform.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let _ = writeln!(text, "distro: {distro}\nplatform: {platform}");
    section(&mut text, "layers", inventory.layers.iter().map(|layer| layer.digest.to_string()));
    section(&mut text, "packages", inventory.packages.iter().map(package_line));
    section(&mut text, "findings", report.findings.iter().map(|finding| finding_line(report, finding)));
    section(
        &mut text,
        "coverage",
        report.coverage.iter().map(|coverage| {
            let (state, advisories) = (coverage.state, coverage.advisories);
            format!("{} {state:?}: {} packages, {advisories} advisories", coverage.shard, coverage.packages)
        }),
    );
    section(&mut text, "problems", report.all_problems().map(problem_line));
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    let _ = writeln!(text, "\n{title}: {}", lines.len());
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

fn layer(layer: Option<u32>) -> String {
    layer.map_or_else(|| "layer -".to_owned(), |layer| format!("layer {layer}"))
}

fn package_line(package: &Package) -> String {
    let mut line = format!("{} {} {}", package.kind.as_str(), package.name, package.version);
    if let Some(arch) = &package.arch {
        let _ = write!(line, " {arch}");
    }
    if let Some(source) = &package.source
        && (source.name != package.name || source.version != package.version)
    {
        let _ = write!(line, ", source {} {}", source.name, source.version);
    }
    if let Some(module) = &package.module {
        let _ = write!(line, ", module {module}");
    }
    let _ = write!(line, ", {}, {}", layer(package.layer), package.path);
    if let Some(owner) = &package.owner {
        let _ = write!(line, ", owned by {owner}");
    }
    line
}

fn finding_line(report: &Report, finding: &Finding) -> String {
    let package = package_of(report, finding);
    let fix = match finding.state {
        FixState::Fixed => format!("fixed {}", finding.fixed_versions.join(" | ")),
        state => format!("{state:?}"),
    };
    let mut advisories: Vec<&str> = finding.evidence.iter().map(|item| item.advisory.as_str()).collect();
    advisories.dedup();
    let (severity, id, layer) = (finding.severity, &finding.id, layer(package.layer));
    format!("{severity} {id} {} {}, {fix}, {layer}, {}", package.name, package.version, advisories.join(" "))
}

fn problem_line(problem: &Problem) -> String {
    let path = problem.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
    format!("{}: {}{path}, {}", problem.code.as_str(), problem.message, layer(problem.layer))
}

/// The package that a finding is about.
pub(crate) fn package_of<'r>(report: &'r Report, finding: &Finding) -> &'r Package {
    &report.inventory.packages[finding.package as usize]
}
