//! What others say of what is written: the schema of SARIF as Microsoft ships it, the constraints of GitLab's
//! schema, a reader of JUnit files, and a model of how Trivy's reports are read.

use std::{fs, process::Command};

use formats::{find, json};
use serde_json::{Value, json};
use testkit::tool;

/// The stored report, and one with nothing in it.
fn reports() -> [model::Report; 2] {
    let full = json::parse(include_bytes!("../../testdata/report.json")).unwrap().report;
    let mut empty = full.clone();
    empty.inventory = model::Inventory::default();
    empty.findings.clear();
    empty.coverage.clear();
    empty.problems.clear();
    empty.image.created = None;
    [full, empty]
}

fn written(format: &str, report: &model::Report) -> String {
    (find(format).unwrap().write)(report, "0.1.0")
}

fn errors(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema of the OASIS committee (2.1.0-rtm.5), from the package `@microsoft/jest-sarif` that `scripts/test`
/// fetches from npm.
#[test]
fn sarif_is_valid() {
    let Some(dir) = tool::npm_package("jest-sarif") else {
        return tool::skip(
            "SARIF against its schema: npm's @microsoft/jest-sarif is not there (scripts/test)",
        );
    };
    let schema = fs::read(dir.join("lib/schemas/sarif-2.1.0-rtm.5.json")).unwrap();
    let mut schema: Value = serde_json::from_slice(&schema).unwrap();
    // Its pattern of languages has a bracket too many, which is no regular expression; none is written.
    for object in ["run", "toolComponent"] {
        schema["definitions"][object]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
    }
    let schema = jsonschema::validator_for(&schema).unwrap();
    for report in reports() {
        let mut value: Value = serde_json::from_str(&written("sarif", &report)).unwrap();
        assert_eq!(errors(&schema, &value), Vec::<String>::new());
        value["runs"][0]["tool"]["driver"].as_object_mut().unwrap().remove("name");
        assert!(!errors(&schema, &value).is_empty(), "the schema must be able to refuse");
    }
}

/// What code scanning of GitHub asks for beside the schema.
#[test]
fn sarif_has_what_code_scanning_needs() {
    let [full, _] = reports();
    let value: Value = serde_json::from_str(&written("sarif", &full)).unwrap();
    let run = &value["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!((rules.len(), results.len()), (10, 11));
    let mut hashes = std::collections::BTreeSet::new();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let number: f64 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
        assert!((0.0..=10.0).contains(&number));
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains([' ', '<', '"']) && !uri.is_empty(), "{uri}");
        assert!(location["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(hashes.insert(result["partialFingerprints"]["primaryLocationLineHash"].to_string()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    let deleted = results.iter().find(|result| result["ruleId"] == "aws-access-key-id").unwrap();
    assert!(deleted["message"]["text"].as_str().unwrap().contains("later layer removed"));
}

/// The constraints of `container-scanning-report-format.json` 15.0, written down anew: no registry has the schema.
#[test]
fn gitlab_is_valid() {
    let text = |least: u32| json!({"type": "string", "minLength": least});
    let program = json!({
        "type": "object", "required": ["id", "name", "version", "vendor"],
        "properties": {"id": text(1), "name": text(1), "version": text(1), "vendor": {
            "type": "object", "required": ["name"], "properties": {"name": text(1)}}}});
    let time = json!({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"});
    let link = json!({"type": "string", "pattern": "^https?://.+"});
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object", "required": ["scan", "version", "vulnerabilities"],
        "properties": {
            "version": {"type": "string", "pattern": r"^15\.[0-9]+\.[0-9]+$"},
            "schema": link,
            "scan": {
                "type": "object",
                "required": ["analyzer", "end_time", "scanner", "start_time", "status", "type"],
                "properties": {
                    "analyzer": program, "scanner": program, "start_time": time, "end_time": time,
                    "status": {"enum": ["success", "failure"]}, "type": {"const": "container_scanning"},
                    "messages": {"type": "array", "items": {
                        "type": "object", "required": ["level", "value"],
                        "properties": {"level": {"enum": ["info", "warn", "fatal"]}, "value": text(1)}}}}},
            "vulnerabilities": {"type": "array", "items": {
                "type": "object", "required": ["id", "identifiers", "location"],
                "properties": {
                    "id": text(1),
                    "name": {"type": "string", "maxLength": 255},
                    "description": {"type": "string", "maxLength": 1_048_576},
                    "solution": {"type": "string", "maxLength": 7000},
                    "severity": {"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
                    "identifiers": {"type": "array", "minItems": 1, "items": {
                        "type": "object", "required": ["type", "name", "value"],
                        "properties": {"type": text(1), "name": text(1), "value": text(1), "url": link}}},
                    "links": {"type": "array", "items": {
                        "type": "object", "required": ["url"], "properties": {"url": link}}},
                    "details": {"type": "object", "additionalProperties": {
                        "type": "object", "required": ["name", "type", "value"],
                        "properties": {"name": text(1), "type": {"const": "text"}, "value": text(0)}}},
                    "location": {
                        "type": "object", "required": ["dependency", "operating_system", "image"],
                        "properties": {
                            "operating_system": text(1), "image": text(1),
                            "dependency": {
                                "type": "object", "required": ["package", "version"],
                                "properties": {
                                    "version": text(0),
                                    "package": {"type": "object", "required": ["name"],
                                                "properties": {"name": text(0)}}}}}}}}}}});
    let schema = jsonschema::validator_for(&schema).unwrap();
    let [full, empty] = reports();
    let mut nameless = full.clone();
    nameless.image.reference.clear();
    nameless.inventory.distro = None;
    for finding in &mut nameless.findings {
        finding.id.clear();
        finding.aliases.clear();
        finding.title = "x".repeat(2_000_000);
        finding.fixed_versions = vec!["9".repeat(10_000)];
    }
    for package in &mut nameless.inventory.packages {
        package.name = "n".repeat(1000);
    }
    for report in [full, empty, nameless] {
        let mut value: Value = serde_json::from_str(&written("gitlab", &report)).unwrap();
        assert_eq!(errors(&schema, &value), Vec::<String>::new());
        value["scan"]["start_time"] = json!("2024-01-01T00:00:00Z");
        assert!(!errors(&schema, &value).is_empty(), "the schema must be able to refuse");
    }
}

/// PyPI's junitparser reads what CI servers read.
#[test]
fn junit_is_read() {
    let Some(python) = tool::python_with("reports") else {
        return tool::skip("JUnit with a reader of it: PyPI's junitparser is not there (scripts/test)");
    };
    let script = "import sys\n\
        from junitparser import JUnitXml, Failure, Error, Skipped\n\
        xml = JUnitXml.fromfile(sys.argv[1])\n\
        for suite in xml:\n\
        \x20   cases = list(suite)\n\
        \x20   kinds = [type(r) for c in cases for r in c.result]\n\
        \x20   counted = (len(cases), kinds.count(Failure), kinds.count(Error), kinds.count(Skipped))\n\
        \x20   assert counted == (suite.tests, suite.failures, suite.errors, suite.skipped), suite.name\n\
        \x20   assert all(c.name and c.classname for c in cases)\n\
        \x20   print(suite.name, *counted)\n";
    let dir = tempfile::tempdir().unwrap();
    let read = |report: &model::Report| {
        let file = dir.path().join("report.xml");
        fs::write(&file, written("junit", report)).unwrap();
        let output = tool::run(Command::new(&python).args(["-c", script]).arg(&file)).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let [mut full, empty] = reports();
    assert_eq!(
        read(&full),
        "coverage 4 0 1 1\nvulnerabilities 9 6 0 3\nsecrets 3 3 0 0\nfiles 2 2 0 0\nproblems 2 0 0 2\n"
    );
    assert_eq!(read(&empty), "coverage 0 0 0 0\nvulnerabilities 0 0 0 0\n");
    full.findings[0].title = "\u{0}\u{8}\u{1b}]]>&\"<![CDATA[\u{fffe}".into();
    full.inventory.packages[0].name = "a\n\t\"b<".into();
    assert!(read(&full).contains("vulnerabilities 9 6 0 3"));
}

/// How those who read Trivy's reports go about it: every vulnerability of every result, by these names.
#[test]
fn trivy_has_what_its_readers_need() {
    let [full, _] = reports();
    let text = written("trivy", &full);
    assert!(!text.contains(['&', '<', '>', '\u{2028}']), "escaped as Go does it");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["SchemaVersion"], &value["ArtifactType"]), (&json!(2), &json!("container_image")));
    let results = value["Results"].as_array().unwrap();
    let targets: Vec<String> = results
        .iter()
        .map(|result| {
            let text = |key: &str| result[key].as_str().unwrap_or("-").to_owned();
            let count = |key: &str| result[key].as_array().map_or(0, Vec::len);
            format!(
                "{} {} {}: {} {} {} {} {}",
                text("Class"),
                text("Type"),
                text("Target"),
                count("Packages"),
                count("Vulnerabilities"),
                count("Misconfigurations"),
                count("Secrets"),
                count("Licenses")
            )
        })
        .collect();
    assert_eq!(
        targets,
        [
            "os-pkgs debian registry.example.com/team/app:1.0 (debian 12): 3 3 0 0 0",
            "lang-pkgs cargo app/Cargo.lock: 1 0 0 0 0",
            "lang-pkgs gobinary usr/local/bin/tool, \"new\": 1 1 0 0 0",
            "lang-pkgs jar Java: 1 0 0 0 0",
            "lang-pkgs node-pkg Node.js: 1 1 0 0 0",
            "lang-pkgs python-pkg Python: 2 1 0 0 0",
            "config filesystem registry.example.com/team/app:1.0: 0 0 1 0 0",
            "config filesystem /usr/bin/passwd: 0 0 1 0 0",
            "secret - /app/.env: 0 0 0 1 0",
            "secret - /app/key file.pem: 0 0 0 1 0",
            "secret - registry.example.com/team/app:1.0 (env API_TOKEN): 0 0 0 1 0",
            "license - OS Packages: 0 0 0 0 2",
            "license - Python: 0 0 0 0 2",
            "license-file - Loose File License(s): 0 0 0 0 1",
        ]
    );
    for vulnerability in
        results.iter().flat_map(|result| result["Vulnerabilities"].as_array().into_iter().flatten())
    {
        for key in ["VulnerabilityID", "PkgID", "PkgName", "InstalledVersion", "Severity", "Status"] {
            assert!(
                vulnerability[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key}: {vulnerability}"
            );
        }
        assert!(vulnerability["PkgIdentifier"]["PURL"].as_str().unwrap().starts_with("pkg:"));
        let severity = vulnerability["Severity"].as_str().unwrap();
        assert!(["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"].contains(&severity));
        let fixed = vulnerability.get("FixedVersion").is_some();
        assert_eq!(fixed, vulnerability["Status"] == "fixed", "{vulnerability}");
        assert!(vulnerability["Layer"].is_object());
    }
}
