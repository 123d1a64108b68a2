//! The smaller commands: versions, demo, and how all of them treat a reader that goes away.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use testkit::{image::Published, write};

use crate::{
    binary::{Home, ended},
    sample,
};

#[test]
fn versions_are_compared() {
    let home = Home::new();
    let compare = |args: &[&str]| home.run(["versions", "compare"].iter().chain(args));
    for (args, sign) in [
        (["deb", "1.0~rc1", "1.0"], "<\n"),
        (["rpm", "1:0-1", "2-1"], ">\n"),
        (["pypi", "1.0", "1.0.0"], "=\n"),
        (["deb", "-1", "1"], "<\n"),
    ] {
        let run = compare(&args);
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), sign, ""), "{args:?}");
    }
    let unknown = compare(&["calver", "1", "2"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""));
    assert!(
        unknown.err.starts_with("error[scheme-unknown]") && unknown.err.contains("semver"),
        "{}",
        unknown.err
    );

    let pairs = |text: &str| {
        let mut command = home.command(["versions", "compare", "apk"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        ended(child.wait_with_output().unwrap())
    };
    let good = pairs("1.0-r0\t1.0-r1\n1.0\t1.0\n2\t1");
    assert_eq!((good.code, good.out.as_str(), good.err.as_str()), (Some(0), "<\n=\n>\n", ""));
    let bad = pairs("1\t2\n1 2\n2\t1\n");
    assert_eq!((bad.code, bad.out.as_str()), (Some(2), "<\n"));
    assert!(bad.err.contains("line 2"), "{}", bad.err);
}

#[test]
fn the_demo_needs_nothing_of_the_machine() {
    let home = Home::new();
    // A proxy that nobody answers at: whatever left loopback would fail.
    let mut command = home.command(["demo", "--exit", "--keep", "kept"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let run = crate::binary::run(&mut command);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    for text in ["CVE-2023-38545", "CVE-2021-44906", "PyYAML", "3 packages: no known vulnerabilities"] {
        assert!(run.out.contains(text), "{text}: {}", run.out);
    }
    assert!(!run.out.contains('\x1b'), "{}", run.out);
    let status = home.run(["db", "status", "--db", "kept/db"]);
    assert!(status.out.contains("debian-12") && status.out.contains("alpine-3.20"), "{}", status.out);
}

#[test]
fn logs_in_a_pipe_are_plain_text() {
    let home = Home::new();
    std::fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
    let run = home.run(["-vv", "scan", "--offline", "oci:image:1.0"]);
    assert!(run.err.contains(" INFO image opened "), "{run:?}");
    assert!(!run.err.contains('\x1b'), "{}", run.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut command = home.command(["demo", "--exit"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(!first.is_empty());
    let run = ended(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
}
