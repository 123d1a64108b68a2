//! JUnit XML, which test views of CI servers read (the schema of Jenkins' xUnit plugin, `junit-10.xsd`).
//!
//! Suites are what was looked for: `vulnerabilities`, `secrets`, `files`, and `coverage` for the advisories. A finding
//! is a case that failed. A package without any is a case that passed; where not all packages could be checked, a
//! case that was skipped, because the report does not tell which of them were.

use model::{Finding, Package, Place, Report, ScanType, report::CoverageState};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use crate::{Format, moment};

/// Its place in the list of formats. `application/xml` would be what browsers ask for before anything else.
pub const FORMAT: Format = Format {
    name: "junit",
    title: "JUnit XML, for test views of CI servers",
    media_type: "application/vnd.lazaret.junit+xml",
    extension: "junit.xml",
    write,
};

/// How one case ended.
enum Outcome {
    Passed,
    Failed { kind: String, message: String, text: String },
    Error { message: String },
    Skipped { message: String },
}

struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

struct Suite {
    name: &'static str,
    cases: Vec<Case>,
}

/// Writes a report as test suites.
pub fn write(report: &Report, _scanner_version: &str) -> String {
    let suites = suites(report);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory cannot fail.
    let _ = document(&mut writer, report, &suites);
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

fn suites(report: &Report) -> Vec<Suite> {
    let mut suites = Vec::new();
    let inventory = &report.inventory;
    if report.covers(ScanType::Vulnerability) {
        suites.push(Suite { name: "coverage", cases: coverage(report) });
        suites.push(Suite { name: "vulnerabilities", cases: vulnerabilities(report) });
    }
    if inventory.looked_for.contains(&ScanType::Secret) {
        suites.push(Suite { name: "secrets", cases: inventory.secrets.iter().map(secret).collect() });
    }
    if inventory.looked_for.contains(&ScanType::Filesystem) {
        suites.push(Suite { name: "files", cases: inventory.files.iter().map(file).collect() });
    }
    let problems: Vec<Case> = report.all_problems().map(problem).collect();
    if !problems.is_empty() {
        suites.push(Suite { name: "problems", cases: problems });
    }
    suites
}

fn coverage(report: &Report) -> Vec<Case> {
    let case = |coverage: &model::report::Coverage| {
        let packages = coverage.packages;
        let outcome = match coverage.state {
            CoverageState::Checked => Outcome::Passed,
            CoverageState::Missing => {
                Outcome::Error { message: format!("no advisories for {packages} packages") }
            }
            CoverageState::NotCovered => {
                Outcome::Skipped { message: format!("no known source of advisories for {packages} packages") }
            }
        };
        Case { class: "advisories".into(), name: coverage.shard.clone(), outcome }
    };
    report.coverage.iter().map(case).collect()
}

fn vulnerabilities(report: &Report) -> Vec<Case> {
    let packages = &report.inventory.packages;
    let checked = report.coverage.iter().all(|coverage| coverage.state == CoverageState::Checked);
    let mut by_package: Vec<Vec<&Finding>> = vec![Vec::new(); packages.len()];
    for finding in &report.findings {
        if let Some(list) = by_package.get_mut(finding.package as usize) {
            list.push(finding);
        }
    }
    let mut cases = Vec::new();
    for (package, findings) in packages.iter().zip(by_package) {
        let name = format!("{} {}", package.name, package.version);
        if findings.is_empty() {
            let message = "not all packages of the image could be checked, see the suite coverage".to_owned();
            let outcome = if checked { Outcome::Passed } else { Outcome::Skipped { message } };
            cases.push(Case { class: package.kind.as_str().into(), name, outcome });
            continue;
        }
        cases.extend(findings.into_iter().map(|finding| vulnerability(finding, package, &name)));
    }
    cases
}

fn vulnerability(finding: &Finding, package: &Package, name: &str) -> Case {
    let fixed = match finding.fixed_versions.as_slice() {
        [] => "no fixed version is known".to_owned(),
        versions => format!("fixed in {}", versions.join(", ")),
    };
    let mut lines = vec![finding.title.clone(), format!("recorded in {}", package.path)];
    lines.extend(finding.evidence.iter().map(model::finding::Evidence::reason));
    lines.retain(|line| !line.is_empty());
    Case {
        class: format!("{}.{}", package.kind.as_str(), package.name),
        name: format!("{} in {name}", finding.id),
        outcome: Outcome::Failed {
            kind: finding.severity.to_string(),
            message: format!("{} in {name} ({}): {fixed}", finding.id, finding.severity),
            text: lines.join("\n"),
        },
    }
}

fn secret(secret: &model::Secret) -> Case {
    let line = match secret.place {
        Place::File(_) => format!(":{}", secret.start_line),
        Place::Config(_) => String::new(),
    };
    let deleted = if secret.deleted { ", removed by a later layer" } else { "" };
    Case {
        class: secret.rule.clone(),
        name: format!("{}{line}", secret.place.as_str()),
        outcome: Outcome::Failed {
            kind: secret.severity.to_string(),
            message: format!("{} ({}{deleted})", secret.title, secret.severity),
            text: secret.excerpt.clone(),
        },
    }
}

fn file(file: &model::FileFinding) -> Case {
    let place = if file.path.is_empty() { "the image" } else { &file.path };
    Case {
        class: file.check.clone(),
        name: place.to_owned(),
        outcome: Outcome::Failed {
            kind: file.severity.to_string(),
            message: format!("{} ({})", file.message, file.severity),
            text: file.mode.map(|mode| format!("mode {mode:04o}")).unwrap_or_default(),
        },
    }
}

fn problem(problem: &model::Problem) -> Case {
    Case {
        class: problem.code.as_str().into(),
        name: problem.path.clone().unwrap_or_else(|| "the image".to_owned()),
        outcome: Outcome::Skipped { message: problem.message.clone() },
    }
}

impl Suite {
    fn count(&self, what: fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|case| what(&case.outcome)).count()
    }
}

fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { .. })
}

fn is_error(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error { .. })
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Skipped { .. })
}

type Out = Writer<Vec<u8>>;

fn document(writer: &mut Out, report: &Report, suites: &[Suite]) -> std::io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let total = |what: fn(&Outcome) -> bool| suites.iter().map(|suite| suite.count(what)).sum::<usize>();
    let mut root = BytesStart::new("testsuites");
    attribute(&mut root, "name", &report.image.reference);
    attribute(&mut root, "tests", &total(|_| true).to_string());
    attribute(&mut root, "failures", &total(is_failure).to_string());
    attribute(&mut root, "errors", &total(is_error).to_string());
    writer.write_event(Event::Start(root))?;
    let time = moment::of(report);
    for suite in suites {
        let mut start = BytesStart::new("testsuite");
        attribute(&mut start, "name", suite.name);
        attribute(&mut start, "tests", &suite.cases.len().to_string());
        attribute(&mut start, "failures", &suite.count(is_failure).to_string());
        attribute(&mut start, "errors", &suite.count(is_error).to_string());
        attribute(&mut start, "skipped", &suite.count(is_skipped).to_string());
        if let Some(time) = &time {
            attribute(&mut start, "timestamp", time.trim_end_matches('Z'));
        }
        writer.write_event(Event::Start(start))?;
        for case in &suite.cases {
            self::case(writer, case)?;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuites")))
}

fn case(writer: &mut Out, case: &Case) -> std::io::Result<()> {
    let mut start = BytesStart::new("testcase");
    attribute(&mut start, "name", &case.name);
    attribute(&mut start, "classname", &case.class);
    if matches!(case.outcome, Outcome::Passed) {
        return writer.write_event(Event::Empty(start));
    }
    writer.write_event(Event::Start(start))?;
    match &case.outcome {
        Outcome::Passed => {}
        Outcome::Failed { kind, message, text } => {
            let mut failure = BytesStart::new("failure");
            attribute(&mut failure, "type", kind);
            attribute(&mut failure, "message", message);
            writer.write_event(Event::Start(failure))?;
            writer.write_event(Event::Text(BytesText::new(&allowed(text))))?;
            writer.write_event(Event::End(BytesEnd::new("failure")))?;
        }
        Outcome::Error { message } => empty(writer, "error", message)?,
        Outcome::Skipped { message } => empty(writer, "skipped", message)?,
    }
    writer.write_event(Event::End(BytesEnd::new("testcase")))
}

fn empty(writer: &mut Out, name: &str, message: &str) -> std::io::Result<()> {
    let mut element = BytesStart::new(name);
    attribute(&mut element, "message", message);
    writer.write_event(Event::Empty(element))
}

fn attribute(element: &mut BytesStart<'_>, name: &str, value: &str) {
    element.push_attribute((name, allowed(value).as_str()));
}

/// Without the characters that XML 1.0 cannot hold, in whatever writing (section 2.2, "Char").
fn allowed(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn findings_fail_and_doubt_is_said() {
        let mut report = sample::report();
        let text = write(&report, "0.1.0");
        for expected in [
            r#"<testsuite name="coverage" tests="4" failures="0" errors="1" skipped="1" timestamp="2026-11-21T04:00:00">"#,
            r#"<testsuite name="vulnerabilities" tests="9" failures="6" errors="0" skipped="3""#,
            r#"<testcase name="CVE-2023-5363 in libssl3 3.0.11-1~deb12u1" classname="deb.libssl3">"#,
            "recorded in var/lib/dpkg/status\nopenssl 3.0.11-1~deb12u1 is in the affected range &gt;= 0, &lt; 3",
            "Prototype &lt;b&gt;pollution&lt;/b&gt; &amp; more",
            r#"<testcase name="app/.env:3" classname="aws-access-key-id">"#,
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        report.coverage.truncate(2);
        let text = write(&report, "0.1.0");
        assert!(
            text.contains(r#"name="PyYAML 5.3" classname="pypi"/>"#),
            "all was checked: it passed\n{text}"
        );
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(allowed("a\u{0}\u{1b}\u{fffe}\tb\u{10ffff}"), "a\u{fffd}\u{fffd}\u{fffd}\tb\u{10ffff}");
    }
}
