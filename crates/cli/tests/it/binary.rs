//! Runs the binary in a directory of its own, with nothing of this machine's environment.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::sample;

/// A home for one test: database, cache and whatever the test puts there.
pub(crate) struct Home {
    dir: TempDir,
}

/// What one run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// Empty: no database, no cache, no credentials.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With a database of the sample advisories.
    pub(crate) fn with_database() -> Self {
        let home = Self::new();
        let records = home.write("records.jsonl", sample::records().join("\n"));
        let db = home.path(".cache/lazaret/db");
        let built = home.run([
            OsStr::new("db"),
            "build".as_ref(),
            "--from".as_ref(),
            records.as_os_str(),
            "--out".as_ref(),
            db.as_os_str(),
        ]);
        assert_eq!(built.code, Some(0), "{built:?}");
        home
    }

    /// A path below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The binary, to be given more before it is run. It starts in this directory.
    pub(crate) fn command<I>(&self, args: I) -> Command
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret"));
        command.env_clear().env("HOME", self.dir.path()).env("TMPDIR", self.dir.path());
        command.current_dir(self.dir.path()).stdin(Stdio::null()).args(args);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run<I>(&self, args: I) -> Run
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        run(&mut self.command(args))
    }

    /// Scans with `--offline --format json` and these arguments.
    pub(crate) fn scan(&self, args: &[&str]) -> Run {
        self.run(["scan", "--offline", "--format", "json"].iter().chain(args))
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    ended(command.output().unwrap())
}

/// What a process that has ended left.
pub(crate) fn ended(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Run {
    /// The report on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `id package severity` of each finding, sorted.
    pub(crate) fn findings(&self) -> Vec<String> {
        let report = self.json();
        let mut findings: Vec<String> = list(&report, "findings")
            .iter()
            .map(|finding| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let package = text(&finding["package"]["name"]);
                format!("{} {package} {}", text(&finding["id"]), text(&finding["severity"]))
            })
            .collect();
        findings.sort_unstable();
        findings
    }

    /// Asserts that it failed with exit code 3 and this error, said in two lines and nothing else.
    pub(crate) fn failed_with(&self, code: &str, hint: &str) {
        assert_eq!(self.code, Some(3), "{self:?}");
        assert_eq!(self.out, "", "a failed scan has no report");
        let lines: Vec<&str> = self.err.lines().collect();
        let [error, next] = lines.as_slice() else { panic!("not two lines: {self:?}") };
        assert!(error.starts_with(&format!("error[{code}]: ")), "{code}: {self:?}");
        assert!(next.starts_with("  next: ") && next.contains(hint), "{hint}: {self:?}");
    }
}

/// A list of the report.
pub(crate) fn list<'a>(report: &'a Value, name: &str) -> &'a Vec<Value> {
    report[name].as_array().unwrap_or_else(|| panic!("{name} is no list in {report}"))
}

/// The root of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
