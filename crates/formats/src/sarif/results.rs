//! From a report to rules and results.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use model::{FileFinding, Finding, Package, Place, Report, Secret, Severity, purl};

use super::{
    level,
    shape::{
        ArtifactLocation, BaseLocation, Configuration, Descriptor, Driver, Help, Invocation, Location, Log,
        LogicalLocation, Message, Notification, PhysicalLocation, Region, ResultOut, Rule, RuleProperties,
        Run, RunProperties, Tool,
    },
    typical_score,
};
use crate::{identity, link, moment};

/// Where the schema is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The root of the image.
const ROOT: &str = "ROOTPATH";

pub(super) fn log<'a>(report: &'a Report, scanner_version: &'a str) -> Log<'a> {
    let mut run = Results {
        report,
        rules: Vec::new(),
        index: HashMap::new(),
        results: Vec::new(),
        seen: HashMap::new(),
    };
    for finding in &report.findings {
        if let Some(package) = report.inventory.packages.get(finding.package as usize) {
            run.vulnerability(finding, package);
        }
    }
    for secret in &report.inventory.secrets {
        run.secret(secret);
    }
    for file in &report.inventory.files {
        run.file(file);
    }
    let image = &report.image;
    let properties = RunProperties {
        image: &image.reference,
        digest: image.digest.as_ref().map(ToString::to_string),
        platform: image.platform.as_ref().map(ToString::to_string),
        distro: report.inventory.distro.as_ref().map(model::Distro::label),
        time: moment::of(report),
        status: if report.is_partial() { "partial" } else { "complete" },
    };
    let invocation = Invocation {
        execution_successful: true,
        tool_execution_notifications: report.all_problems().map(|problem| notification(problem)).collect(),
    };
    Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: Driver { name: "Lazaret", version: scanner_version, rules: run.rules } },
            invocations: [invocation],
            original_uri_base_ids: BTreeMap::from([(ROOT, BaseLocation { uri: "file:///" })]),
            results: run.results,
            column_kind: "utf16CodeUnits",
            properties,
        }],
    }
}

/// A part of the image could not be read, or was not checked.
fn notification(problem: &model::Problem) -> Notification<'_> {
    let location = |path: &String| Location {
        physical_location: PhysicalLocation { artifact_location: artifact(path), region: None },
        logical_locations: Vec::new(),
        message: None,
    };
    Notification {
        descriptor: Descriptor { id: problem.code.as_str() },
        level: if problem.code.hides_content() { "warning" } else { "note" },
        message: Message { text: problem.message.clone() },
        locations: problem.path.iter().map(location).collect(),
    }
}

/// What one rule is made of.
struct About {
    id: String,
    name: &'static str,
    tag: &'static str,
    title: String,
    text: String,
    markdown: String,
    link: Option<String>,
    severity: Severity,
    score: Option<u8>,
    precision: &'static str,
}

struct Results<'a> {
    report: &'a Report,
    rules: Vec<Rule>,
    /// Rules by id.
    index: HashMap<String, usize>,
    results: Vec<ResultOut>,
    /// How often a fingerprint was given out.
    seen: HashMap<String, u32>,
}

impl Results<'_> {
    fn vulnerability(&mut self, finding: &Finding, package: &Package) {
        let purl = purl::build(package, self.report.inventory.distro.as_ref());
        let fixed = match finding.fixed_versions.as_slice() {
            [] => "no fixed version is known".to_owned(),
            versions => format!("fixed in {}", versions.join(", ")),
        };
        let reason = finding.evidence.first().map(model::finding::Evidence::reason).unwrap_or_default();
        let kind = identity::kind_label(package.kind);
        let title = if finding.title.is_empty() { &finding.id } else { &finding.title };
        let mut text = format!("{}: {title}.", finding.id);
        let mut markdown = format!("**{}**: {}\n", escaped(&finding.id), escaped(title));
        if !finding.aliases.is_empty() {
            let _ = write!(text, " Also known as {}.", finding.aliases.join(", "));
            let _ = writeln!(markdown, "\nAlso known as {}.", escaped(&finding.aliases.join(", ")));
        }
        if !reason.is_empty() {
            let _ = write!(text, " It is reported because {reason}.");
            let _ = writeln!(markdown, "\nIt is reported because {}.", escaped(&reason));
        }
        let rule = self.rule(About {
            id: finding.id.clone(),
            name: if package.kind.is_os() {
                "OsPackageVulnerability"
            } else {
                "LanguagePackageVulnerability"
            },
            tag: "vulnerability",
            title: title.clone(),
            text,
            markdown,
            link: link::of(&finding.id),
            severity: finding.severity,
            score: finding.score_tenths,
            precision: "very-high",
        });
        let message = format!(
            "{kind} package {} {} has {} ({}): {fixed}. {reason}",
            package.name, package.version, finding.id, finding.severity
        );
        let logical = LogicalLocation { fully_qualified_name: purl, kind: "package" };
        let mut location =
            self.location(&package.path, (1, 1), format!("{} {}", package.name, package.version));
        location.logical_locations.push(logical);
        let fingerprint = identity::vulnerability(&finding.id, package);
        self.push(&finding.id, rule, finding.severity, message.trim_end().to_owned(), location, &fingerprint);
    }

    fn secret(&mut self, secret: &Secret) {
        let rule = self.rule(About {
            id: secret.rule.clone(),
            name: "Secret",
            tag: "secret",
            title: secret.title.clone(),
            text: format!(
                "{}: whoever has the image can read it. Revoke it, then build the image without it.",
                secret.title
            ),
            markdown: format!(
                "{}: whoever has the image can read it. Revoke it, then build the image without it.",
                escaped(&secret.title)
            ),
            link: None,
            severity: secret.severity,
            score: None,
            precision: "medium",
        });
        let deleted = if secret.deleted {
            " (a later layer removed the file, but not what is in the image)"
        } else {
            ""
        };
        let message = format!("{} in {}{deleted}: {}", secret.title, secret.place.as_str(), secret.excerpt);
        let location = match &secret.place {
            Place::File(path) => {
                self.location(path, (secret.start_line, secret.end_line), secret.title.clone())
            }
            Place::Config(part) => self.location("", (1, 1), part.clone()),
        };
        self.push(&secret.rule, rule, secret.severity, message, location, &identity::secret(secret));
    }

    fn file(&mut self, file: &FileFinding) {
        let rule = self.rule(About {
            id: file.check.clone(),
            name: "FileCheck",
            tag: "filesystem",
            title: file.check.clone(),
            text: format!("The check {} of files and directories: {}.", file.check, file.message),
            markdown: format!("The check `{}` of files and directories.", escaped(&file.check)),
            link: None,
            severity: file.severity,
            score: None,
            precision: "high",
        });
        let place = if file.path.is_empty() { "the image" } else { file.path.as_str() };
        let mode = file.mode.map(|mode| format!(" (mode {mode:04o})")).unwrap_or_default();
        let message = format!("{place}: {}{mode}", file.message);
        let location = self.location(&file.path, (1, 1), file.message.clone());
        self.push(&file.check, rule, file.severity, message, location, &identity::file(file));
    }

    /// The index of a rule. Its level and number are those of its worst result.
    fn rule(&mut self, about: About) -> usize {
        let key = format!("{}\0{}", about.tag, about.id);
        let score = about.score.map(|tenths| format!("{:.1}", f64::from(tenths) / 10.0));
        let score = score.unwrap_or_else(|| typical_score(about.severity).to_owned());
        if let Some(index) = self.index.get(&key) {
            if let Some(rule) = self.rules.get_mut(*index) {
                let number = |text: &str| text.parse::<f64>().unwrap_or_default();
                if number(&score) > number(&rule.properties.security_severity) {
                    rule.properties.security_severity = score;
                    rule.default_configuration.level = level(about.severity);
                }
            }
            return *index;
        }
        let index = self.rules.len();
        self.index.insert(key, index);
        self.rules.push(Rule {
            id: about.id,
            name: about.name,
            short_description: Message { text: about.title.clone() },
            full_description: Message { text: about.text.clone() },
            default_configuration: Configuration { level: level(about.severity) },
            help_uri: about.link,
            help: Help { text: about.text, markdown: about.markdown },
            properties: RuleProperties {
                precision: about.precision,
                security_severity: score,
                tags: vec!["security", about.tag],
            },
        });
        index
    }

    /// A file of the image; the image itself where no file is named.
    fn location(&self, path: &str, lines: (u32, u32), message: String) -> Location {
        let path = if path.is_empty() { self.report.image.reference.as_str() } else { path };
        let start_line = lines.0.max(1);
        let region = Region { start_line, end_line: lines.1.max(start_line) };
        Location {
            physical_location: PhysicalLocation { artifact_location: artifact(path), region: Some(region) },
            logical_locations: Vec::new(),
            message: Some(Message { text: message }),
        }
    }

    fn push(
        &mut self,
        rule: &str,
        index: usize,
        severity: Severity,
        text: String,
        location: Location,
        fingerprint: &str,
    ) {
        // Equal findings in one place (two versions of a package, say) are told apart by their number.
        let count = self.seen.entry(fingerprint.to_owned()).or_default();
        *count += 1;
        let line_hash = format!("{}:{count}", fingerprint.get(..16).unwrap_or_default());
        let fingerprints =
            [("lazaretFinding/v1", format!("{fingerprint}:{count}")), ("primaryLocationLineHash", line_hash)];
        self.results.push(ResultOut {
            rule_id: rule.to_owned(),
            rule_index: index,
            level: level(severity),
            message: Message { text },
            locations: vec![location],
            partial_fingerprints: fingerprints.into(),
        });
    }
}

fn artifact(path: &str) -> ArtifactLocation {
    ArtifactLocation { uri: relative_uri(path), uri_base_id: ROOT }
}

/// A path as a relative URI reference (RFC 3986 section 4.2): its first part must not look like a scheme.
fn relative_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@!$&'()*+,;=".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Text as Markdown that shows it and does nothing else: images and advisories wrote it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '#' | '|' | '~' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (path, expected) in [
            ("usr/bin/a", "usr/bin/a"),
            ("/a b/ü%?#", "a%20b/%C3%BC%25%3F%23"),
            ("oci:dir:1.0", "oci%3Adir%3A1.0"),
            ("//host/x", "host/x"),
        ] {
            assert_eq!(relative_uri(path), expected);
        }
    }

    #[test]
    fn markdown_of_others_does_nothing() {
        assert_eq!(escaped("![x](http://y) <b>\n# a"), "\\!\\[x\\](http://y) \\<b\\> \\# a");
    }
}
