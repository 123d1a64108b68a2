//! The command-line reference is what the binary itself says.

use std::{fmt::Write as _, fs};

use crate::binary::{Home, project};

/// All commands, in the order of the page.
const COMMANDS: [&[&str]; 21] = [
    &[],
    &["scan"],
    &["convert"],
    &["db", "build"],
    &["db", "status"],
    &["db", "update"],
    &["versions", "compare"],
    &["serve"],
    &["user", "list"],
    &["user", "create"],
    &["user", "reset-password"],
    &["config", "show"],
    &["config", "docs"],
    &["demo"],
    &["login"],
    &["logout"],
    &["submit"],
    &["status"],
    &["report"],
    &["images"],
    &["where"],
];
const PAGE: &str = "docs/cli.md";

#[test]
fn the_page_is_up_to_date() {
    let home = Home::new();
    let mut page = "# Command line\n\nWhat `lazaret COMMAND --help` says, for every command. Written by \
                    `LAZARET_WRITE_DOCS=1 cargo test -p cli reference`.\n"
        .to_owned();
    for command in COMMANDS {
        let run = home.run(command.iter().chain(&["--help"]));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{command:?}");
        let name = ["lazaret"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        let help: Vec<&str> = run.out.lines().map(str::trim_end).collect();
        writeln!(page, "\n## {name}\n\n```text\n{}\n```", help.join("\n").trim_end()).unwrap();
    }
    let path = project().join(PAGE);
    if std::env::var_os("LAZARET_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "{PAGE} is out of date: LAZARET_WRITE_DOCS=1 cargo test -p cli reference");
}
