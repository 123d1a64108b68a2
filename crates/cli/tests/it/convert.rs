//! Stored reports in other forms, and several forms of one scan.

use std::{fs, io::Write as _, process::Stdio};

use crate::binary::{Home, ended, project};

fn stored(home: &Home) -> String {
    let from = project().join("crates/formats/testdata/report.json");
    fs::copy(from, home.path("report.json")).unwrap();
    fs::read_to_string(home.path("report.json")).unwrap()
}

#[test]
fn a_stored_report_becomes_every_format() {
    let home = Home::new();
    let text = stored(&home);
    for format in formats::FORMATS {
        let run = home.run(["convert", "--format", format.name, "report.json"]);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}", format.name);
        let agreed = format!("crates/formats/testdata/report.{}", format.extension);
        assert!(run.out == fs::read_to_string(project().join(&agreed)).unwrap(), "{agreed}");
    }
    let run =
        home.run(["convert", "--format", "csv=a.csv", "--format", "json", "-o", "b.json", "report.json"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
    assert_eq!(fs::read_to_string(home.path("b.json")).unwrap(), text);
    assert!(fs::read_to_string(home.path("a.csv")).unwrap().starts_with("image,digest,type,"));
}

#[test]
fn tables_show_all_that_was_looked_for() {
    let home = Home::new();
    stored(&home);
    let table = home.run(["convert", "report.json"]).out;
    for expected in [
        "secrets  3 secrets, 1 of them in files that a later layer removed",
        "critical  aws-access-key-id  app/.env:3 (removed by a later layer)  1      AWS access key",
        "medium    generic-token      image configuration, env API_TOKEN            Token",
        "MIT               1         1      PyYAML",
        "none recorded     5",
        "low       setuid     usr/bin/passwd  4755  0:0    0      runs as its owner, root",
    ] {
        assert!(table.contains(expected), "{expected}\n{table}");
    }
    assert!(table.lines().all(|line| line == line.trim_end()), "{table}");
    // What was not looked for is not spoken of; what was and is not there, is.
    let mut report: serde_json::Value =
        serde_json::from_slice(&fs::read(home.path("report.json")).unwrap()).unwrap();
    report["looked_for"] = serde_json::json!(["secret"]);
    report["secrets"] = serde_json::json!([]);
    home.write("report.json", report.to_string());
    let table = home.run(["convert", "report.json"]).out;
    assert!(table.contains("secrets  none found") && !table.contains("setuid"), "{table}");
    assert!(!table.contains("licences"), "{table}");
}

#[test]
fn filters_and_exit_codes_are_those_of_a_scan() {
    let home = Home::new();
    stored(&home);
    for (args, code) in [
        (&[][..], 0),
        (&["--fail-on", "critical"], 1),
        (&["--severity", "high", "--ignore-unfixed", "--fail-on", "critical"], 5),
        (&["--format", "word"], 2),
        (&["--format", "json", "--format", "csv"], 2),
        (&["--format", "json=a", "--format", "csv=a"], 2),
        (&["--format", "json=a", "--output", "b"], 2),
        (&["--format", "json=absent/a"], 3),
        (&["--format", "json="], 3),
    ] {
        let run = home.run(["convert", "report.json"].iter().chain(args));
        assert_eq!(run.code, Some(code), "{args:?}: {run:?}");
    }
    let kept = home.run(["convert", "--format", "json", "--severity", "high", "report.json"]);
    assert_eq!(kept.findings().len(), 3);
}

#[test]
fn what_is_no_report_is_told() {
    let home = Home::new();
    home.write("other.json", "{\"SchemaVersion\": 2}");
    home.run(["convert", "other.json"]).failed_with("report-invalid", "lazaret scan --format json wrote");
    home.run(["convert", "absent.json"]).failed_with("report-unreadable", "standard input");
    let mut child =
        home.command(["convert", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = stored(&home);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let run = ended(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0));
    assert!(run.out.starts_with("image    registry.example.com/team/app:1.0\n"), "{}", run.out);
}
