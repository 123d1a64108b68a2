//! Comma-separated values (RFC 4180) for spreadsheets: one row for each vulnerability, secret, licence and finding
//! about a file, under one header.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula, and names in
//! images can begin with anything: such a cell gets an apostrophe before it, which spreadsheets do not show. Who
//! reads the file by program takes one leading apostrophe away. Other control characters become U+FFFD.

use model::{Place, Report, ScanType, Severity, purl};

use crate::Format;

/// The columns. New ones are added at the end.
const HEADER: [&str; 20] = [
    "image",
    "digest",
    "type",
    "severity",
    "id",
    "aliases",
    "kind",
    "package",
    "installed",
    "fixed",
    "state",
    "score",
    "vector",
    "path",
    "line",
    "layer",
    "purl",
    "title",
    "reason",
    "owner",
];

/// Its place in the list of formats.
pub const FORMAT: Format = Format {
    name: "csv",
    title: "comma-separated values (RFC 4180), for spreadsheets",
    media_type: "text/csv",
    extension: "csv",
    write,
};

/// One row; what does not apply is empty.
#[derive(Default)]
struct Row<'a> {
    r#type: &'static str,
    severity: &'static str,
    id: &'a str,
    aliases: String,
    kind: &'a str,
    package: &'a str,
    installed: &'a str,
    fixed: String,
    state: &'static str,
    score: String,
    vector: &'a str,
    path: &'a str,
    line: String,
    layer: String,
    purl: String,
    title: &'a str,
    reason: String,
    owner: &'a str,
}

/// Writes all findings of a report.
pub fn write(report: &Report, _scanner_version: &str) -> String {
    let mut out = String::new();
    line(&mut out, &HEADER);
    let digest = report.image.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    for row in rows(report) {
        let cells = [
            report.image.reference.as_str(),
            &digest,
            row.r#type,
            row.severity,
            row.id,
            &row.aliases,
            row.kind,
            row.package,
            row.installed,
            &row.fixed,
            row.state,
            &row.score,
            row.vector,
            row.path,
            &row.line,
            &row.layer,
            &row.purl,
            row.title,
            &row.reason,
            row.owner,
        ];
        line(&mut out, &cells);
    }
    out
}

fn rows(report: &Report) -> impl Iterator<Item = Row<'_>> {
    let inventory = &report.inventory;
    let vulnerabilities = report.findings.iter().filter_map(|finding| {
        let package = inventory.packages.get(finding.package as usize)?;
        Some(Row {
            r#type: "vulnerability",
            severity: finding.severity.as_str(),
            id: &finding.id,
            aliases: finding.aliases.join(" "),
            fixed: finding.fixed_versions.join(" "),
            state: state(finding),
            score: finding.score_tenths.map(|s| format!("{:.1}", f64::from(s) / 10.0)).unwrap_or_default(),
            vector: finding.vector.as_deref().unwrap_or_default(),
            title: &finding.title,
            reason: finding.evidence.first().map(model::finding::Evidence::reason).unwrap_or_default(),
            ..of_package(report, package)
        })
    });
    let secrets = inventory.secrets.iter().map(|secret| Row {
        r#type: "secret",
        severity: secret.severity.as_str(),
        id: &secret.rule,
        kind: &secret.category,
        state: if secret.deleted { "deleted" } else { "" },
        path: secret.place.as_str(),
        line: match secret.place {
            Place::File(_) => secret.start_line.to_string(),
            Place::Config(_) => String::new(),
        },
        layer: number(secret.layer),
        title: &secret.title,
        reason: secret.excerpt.clone(),
        ..Row::default()
    });
    let asked = report.covers(ScanType::License);
    let recorded = inventory.packages.iter().filter(move |_| asked).flat_map(move |package| {
        let expression = package.licence.as_ref();
        let verbatim = package.licences.iter().filter(move |_| expression.is_none());
        expression.into_iter().chain(verbatim).map(move |licence| Row {
            r#type: "license",
            severity: Severity::Unknown.as_str(),
            id: licence,
            ..of_package(report, package)
        })
    });
    let texts = inventory.licence_files.iter().map(|file| Row {
        r#type: "license",
        severity: Severity::Unknown.as_str(),
        id: &file.licence,
        kind: "file",
        score: format!("{}%", file.confidence),
        path: &file.path,
        layer: number(file.layer),
        ..Row::default()
    });
    let files = inventory.files.iter().map(|file| Row {
        r#type: "filesystem",
        severity: file.severity.as_str(),
        id: &file.check,
        path: &file.path,
        layer: number(file.layer),
        title: &file.message,
        reason: file.mode.map(|mode| format!("mode {mode:04o}")).unwrap_or_default(),
        ..Row::default()
    });
    vulnerabilities.chain(secrets).chain(recorded).chain(texts).chain(files)
}

fn of_package<'a>(report: &Report, package: &'a model::Package) -> Row<'a> {
    Row {
        kind: package.kind.as_str(),
        package: &package.name,
        installed: &package.version,
        path: &package.path,
        layer: number(package.layer),
        purl: purl::build(package, report.inventory.distro.as_ref()),
        owner: package.owner.as_deref().unwrap_or_default(),
        ..Row::default()
    }
}

fn number(layer: Option<u32>) -> String {
    layer.map(|layer| layer.to_string()).unwrap_or_default()
}

const fn state(finding: &model::Finding) -> &'static str {
    use model::advisory::FixState;
    match finding.state {
        FixState::Unstated if finding.fixed_versions.is_empty() => "affected",
        FixState::Unstated | FixState::Fixed => "fixed",
        FixState::Affected => "affected",
        FixState::WillNotFix => "will_not_fix",
        FixState::FixDeferred => "fix_deferred",
        FixState::EndOfLife => "end_of_life",
        FixState::UnderInvestigation => "under_investigation",
        FixState::NotAffected => "not_affected",
    }
}

fn line(out: &mut String, cells: &[&str]) {
    for (n, text) in cells.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        cell(out, text);
    }
    out.push_str("\r\n");
}

/// One cell, harmless to spreadsheets, in quotes where RFC 4180 section 2 wants them.
fn cell(out: &mut String, text: &str) {
    let formula = text
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let quoted = text.contains([',', '"', '\r', '\n']);
    if quoted {
        out.push('"');
    }
    if formula {
        out.push('\'');
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\"\""),
            '\t' | '\r' | '\n' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    if quoted {
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn cells_do_nothing() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@scope/a", "'@scope/a"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("=1,2", "\"'=1,2\""),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a=1", "a=1"),
            ("\u{0}\u{1b}[31m", "\u{fffd}\u{fffd}[31m"),
        ] {
            let mut out = String::new();
            cell(&mut out, text);
            assert_eq!(out, expected, "{text:?}");
        }
    }

    /// A reader by the grammar of RFC 4180, which knows nothing of the writer.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if inside && chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => inside = !inside,
                ',' if !inside => row.push(std::mem::take(&mut cell)),
                '\r' if !inside => {
                    assert_eq!(chars.next(), Some('\n'));
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                c => cell.push(c),
            }
        }
        assert!(!inside && row.is_empty() && cell.is_empty(), "it ends with a line break");
        rows
    }

    #[test]
    fn every_finding_has_its_row() {
        let rows = read(&write(&sample::report(), "0.1.0"));
        assert!(rows.iter().all(|row| row.len() == HEADER.len()));
        let count = |kind: &str| rows.iter().filter(|row| row[2] == kind).count();
        let counts = ["vulnerability", "secret", "license", "filesystem"].map(count);
        assert_eq!(counts, [6, 3, 5, 2], "{rows:?}");
        let column = |name: &str| HEADER.iter().position(|column| *column == name).unwrap();
        assert_eq!(rows[3][column("package")], "'@scope/left<pad>&co");
        assert_eq!(rows[1][column("score")], "7.5");
        assert!(rows[5][column("title")].contains("say \"people\""));
    }
}
