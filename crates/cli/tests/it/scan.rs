//! The report of one image: as a table, as JSON, filtered, and what it means for the exit code.

use std::fs;

use serde_json::Value;
use testkit::{image::Published, write};

use crate::{
    binary::{Home, list, project},
    sample::{self, FINDINGS},
};

/// A home with a database and the sample image as `oci:image:1.0`.
fn home() -> Home {
    let home = Home::with_database();
    put_layout(&home, &sample::image().into_published());
    home
}

trait IntoPublished {
    fn into_published(self) -> Published;
}

impl IntoPublished for testkit::image::Image {
    fn into_published(self) -> Published {
        Published::from(&self)
    }
}

fn put_layout(home: &Home, image: &Published) {
    fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", image)]).unwrap();
}

#[test]
fn a_table_in_a_pipe_is_plain_text() {
    let home = home();
    let run = home.run(["scan", "--offline", "oci:image:1.0"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    assert!(!run.out.contains('\x1b') && !run.out.contains('\r'), "{}", run.out);
    assert!(run.out.lines().all(|line| line == line.trim_end()), "{}", run.out);
    let digest = sample::image().manifest.digest;
    let today = jiff::Timestamp::now().to_string();
    let today = today.get(..10).unwrap();
    assert_eq!(
        run.out,
        format!(
            "\
image    oci:image:1.0
digest   {digest}
about    Debian 12, linux/amd64, 3 layers
checked  2 packages against debian-12 (3 advisories, built {today})
checked  1 package against npm (1 advisory, built {today})

SEVERITY  ID             PACKAGE   INSTALLED  FIXED IN   LAYER  TITLE
critical  CVE-2020-0004  minimist  1.2.5      1.2.6      2      a flaw of minimist
high      CVE-2020-0001  curl      7.88.1-10  7.88.1-11  1      a flaw of curl
medium    CVE-2020-0002  curl      7.88.1-10  7.88.1-12  1      a flaw of curl
low       CVE-2020-0003  apt       2.6.1      none yet   0      a flaw of apt

3 packages, 4 findings: 1 critical, 1 high, 1 medium, 1 low; 3 fixable
"
        )
    );
    let dash = home.run(["scan", "--offline", "--output", "-", "oci:image:1.0"]);
    assert_eq!((dash.code, &dash.out), (Some(0), &run.out));
    let written = home.run(["scan", "--offline", "--output", "report.txt", "oci:image:1.0"]);
    assert_eq!((written.code, written.out.as_str(), written.err.as_str()), (Some(0), "", ""));
    assert_eq!(fs::read_to_string(home.path("report.txt")).unwrap(), run.out);
}

#[test]
fn json_is_valid_and_the_same_every_time() {
    let home = home();
    let schema: Value =
        serde_json::from_slice(&fs::read(project().join("docs/report.schema.json")).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let cold = home.scan(&["oci:image:1.0"]);
    assert_eq!((cold.code, cold.err.as_str()), (Some(0), ""));
    let mut report = cold.json();
    let errors: Vec<String> =
        schema.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, [""; 0]);
    assert_eq!(cold.findings(), FINDINGS);
    for finding in list(&report, "findings") {
        let layer = match finding["package"]["name"].as_str() {
            Some("apt") => 0,
            Some("curl") => 1,
            _ => 2,
        };
        assert_eq!(finding["layer"], layer, "{finding}");
    }
    report["findings"][0]["severity"] = "bad".into();
    assert!(!schema.is_valid(&report), "the schema refuses nothing");

    let warm = home.scan(&["oci:image:1.0"]);
    let uncached = home.scan(&["--no-cache", "oci:image:1.0"]);
    let to_file = home.scan(&["-o", "report.json", "oci:image:1.0"]);
    assert_eq!(warm.out, cold.out);
    assert_eq!(uncached.out, cold.out);
    assert_eq!((to_file.code, to_file.out.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(home.path("report.json")).unwrap(), cold.out);
}

#[test]
fn filters_choose_what_is_shown_and_what_fails() {
    let home = home();
    let check = |args: &[&str], code: i32, shown: &[usize]| {
        let run = home.scan(&[args, &["oci:image:1.0"]].concat());
        let shown: Vec<&str> = shown.iter().map(|i| FINDINGS[*i]).collect();
        assert_eq!(
            (run.code, run.findings()),
            (Some(code), shown.iter().map(|s| (*s).to_owned()).collect()),
            "{args:?}"
        );
    };
    check(&["--severity", "low"], 0, &[0, 1, 2, 3]);
    check(&["--severity", "high"], 0, &[0, 3]);
    check(&["--severity", "important"], 0, &[0, 3]);
    check(&["--severity", "critical"], 0, &[3]);
    check(&["--ignore-unfixed"], 0, &[0, 1, 3]);
    check(&["--fail-on", "critical"], 1, &[0, 1, 2, 3]);
    check(&["--fail-on", "unknown"], 1, &[0, 1, 2, 3]);
    check(&["--fail-on", "low", "--severity", "critical"], 1, &[3]);

    let debian = Home::with_database();
    put_layout(&debian, &sample::of_layers(&sample::FILES[..1]).build().into_published());
    let check = |args: &[&str], code: i32| {
        let run = debian.scan(&[args, &["oci:image:1.0"]].concat());
        assert_eq!(run.code, Some(code), "{args:?}: {run:?}");
    };
    // Its only finding is low and has no fix.
    check(&["--fail-on", "low"], 1);
    check(&["--fail-on", "negligible"], 1);
    check(&["--fail-on", "moderate"], 0);
    check(&["--fail-on", "medium"], 0);
    check(&["--fail-on", "important"], 0);
    // A finding that is not shown fails nothing.
    check(&["--fail-on", "low", "--ignore-unfixed"], 0);
    check(&["--fail-on", "low", "--severity", "medium"], 0);
}

#[test]
fn aliases_fail_like_the_names_they_stand_for() {
    let home = Home::with_database();
    // Debian packages alone: high, medium and low.
    put_layout(&home, &sample::of_layers(&sample::FILES[..2]).build().into_published());
    for (severity, code) in [("critical", 0), ("high", 1), ("important", 1), ("moderate", 1)] {
        let run = home.scan(&["--fail-on", severity, "oci:image:1.0"]);
        assert_eq!(run.code, Some(code), "{severity}");
    }
    let refused = home.scan(&["--fail-on", "severe", "oci:image:1.0"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    assert!(refused.err.contains("medium (moderate), high (important)"), "{}", refused.err);
}

/// docs/exit-codes.md: 2, then 3, then 1, then 5, then 0.
#[test]
fn the_first_exit_code_that_holds_decides() {
    let home = Home::new();
    put_layout(&home, &sample::image().into_published());
    // Debian's advisories are there, npm's are not.
    let records = sample::records()[..3].join("\n");
    let records = home.write("debian.jsonl", records);
    let built = home.run(["db", "build", "--out", "db", "--from", records.to_str().unwrap()]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let exit = |args: &[&str]| home.scan(&[&["--db", "db"], args].concat()).code;
    assert_eq!(exit(&["--fail-on", "loud", "oci:missing:1.0"]), Some(2));
    assert_eq!(exit(&["--fail-on", "low", "oci:missing:1.0"]), Some(3));
    assert_eq!(exit(&["--fail-on", "high", "oci:image:1.0"]), Some(1));
    assert_eq!(exit(&["--fail-on", "critical", "oci:image:1.0"]), Some(5));
    assert_eq!(exit(&["oci:image:1.0"]), Some(5));
    let table = home.run(["scan", "--offline", "--db", "db", "oci:image:1.0"]);
    assert!(table.out.contains("1 package NOT CHECKED"), "{}", table.out);
}

#[test]
fn without_a_database_nothing_is_called_clean() {
    let home = Home::new();
    put_layout(&home, &sample::image().into_published());
    let run = home.run(["scan", "--offline", "oci:image:1.0"]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(!run.out.contains("no known vulnerabilities"), "{}", run.out);
    assert!(run.out.contains("no data  2 packages: no advisories for debian-12 here"), "{}", run.out);
    let end = "3 packages: nothing was checked; partial, see the problems above\n\
               next: lazaret db update debian-12 npm, or name another database with --db\n";
    assert!(run.out.ends_with(end), "{}", run.out);
}
