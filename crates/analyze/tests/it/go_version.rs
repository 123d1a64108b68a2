//! `go version -m` reads the same build information: the version of Go and every module must agree, replaced ones
//! by what replaced them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use analyze::{Analyzer as _, Content, Entry, EntryKind, Fact, lang::binary::BinaryAnalyzer};

/// The go command, on PATH or where its own archive is unpacked.
fn go() -> Option<PathBuf> {
    let mut places = ["go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go"].into_iter();
    let works = |place: &&str| Command::new(place).arg("version").output().is_ok_and(|o| o.status.success());
    let found = places.find(works).map(PathBuf::from);
    if found.is_none() {
        println!("skipped: there is no go command here");
    }
    found
}

/// `name version` of all modules, in Go's writing; no version is `(devel)`.
fn ask_go(go: &Path, program: &Path) -> Option<BTreeSet<String>> {
    let output = Command::new(go).args(["version", "-m"]).arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let version = lines.next()?.rsplit_once(": ")?.1.to_owned();
    let mut modules: Vec<(String, String)> = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.trim_start_matches('\t').split('\t').collect();
        let version = fields.get(2).copied().filter(|version| !version.is_empty()).unwrap_or("(devel)");
        match fields.first() {
            Some(&("mod" | "dep")) => modules.push((fields[1].to_owned(), version.to_owned())),
            Some(&"=>") if !fields[1].starts_with(['.', '/']) => {
                *modules.last_mut().unwrap() = (fields[1].to_owned(), version.to_owned());
            }
            Some(&"=>") => modules.last_mut().unwrap().1 = "(devel)".to_owned(),
            _ => {}
        }
    }
    let number = version.strip_prefix("go")?.split([' ', '-']).next()?.to_owned();
    let stdlib = format!("stdlib {number}");
    Some(modules.into_iter().map(|(name, version)| format!("{name} {version}")).chain([stdlib]).collect())
}

/// The same by the analyzer, from memory when `spill_above` is large, else from disk.
fn observe(program: &Path, spill_above: u64) -> BTreeSet<String> {
    let mut file = File::open(program).unwrap();
    let size = file.metadata().unwrap().len();
    let entry =
        Entry { path: "usr/bin/x", kind: EntryKind::File, size, mode: 0o755, uid: 0, gid: 0, link: None };
    let observation = BinaryAnalyzer.observe(&entry, Content::new(&mut file, size, spill_above));
    assert_eq!(observation.problems, [], "{}", program.display());
    let line = |fact: &Fact| match fact {
        Fact::Package(package) => format!("{} {}", package.name, package.version),
        other => panic!("{other:?}"),
    };
    observation.facts.iter().map(line).collect()
}

/// Builds a program of two modules, one of them replaced by a directory.
fn build(go: &Path, scratch: &Path, name: &str, settings: &[(&str, &str)], flags: &[&str]) -> PathBuf {
    let write = |path: &str, text: &str| {
        let path = scratch.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let module = "module example.org/harbour\n\ngo 1.18\n\nrequire example.org/quay v1.2.3\n\n\
                  replace example.org/quay => ./quay\n";
    write("go.mod", module);
    write(
        "main.go",
        "package main\n\nimport \"example.org/quay\"\n\nvar version = \"\"\n\nfunc main() { println(quay.Name, version) }\n",
    );
    write("quay/go.mod", "module example.org/quay\n\ngo 1.18\n");
    write("quay/quay.go", "package quay\n\nconst Name = \"quay\"\n");
    let program = scratch.join(name);
    let output = Command::new(go)
        .current_dir(scratch)
        .arg("build")
        .args(flags)
        .arg("-o")
        .arg(&program)
        .env("GOCACHE", scratch.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

#[test]
fn agrees_with_go_on_programs_built_now() {
    let Some(go) = go() else { return };
    let scratch = tempfile::tempdir().unwrap();
    for (name, settings, flags) in [
        ("plain", &[][..], &[][..]),
        ("stripped", &[], &["-ldflags=-s -w -buildid="]),
        ("program.exe", &[("GOOS", "windows"), ("GOARCH", "amd64")], &["-ldflags=-s -w"]),
    ] {
        let program = build(&go, scratch.path(), name, settings, flags);
        let expected = ask_go(&go, &program).unwrap();
        assert!(expected.contains("example.org/quay (devel)"), "{expected:?}");
        for spill_above in [u64::MAX, 1] {
            assert_eq!(observe(&program, spill_above), expected, "{name}");
        }
    }
    let flags = ["-ldflags=-X main.version=4.5.6"];
    let program = build(&go, scratch.path(), "versioned", &[], &flags);
    let found = observe(&program, u64::MAX);
    assert!(found.contains("example.org/harbour v4.5.6"), "{found:?}");
}

#[test]
fn agrees_with_go_on_installed_programs() {
    let Some(go) = go() else { return };
    let mut seen = 0;
    for program in [
        "/usr/bin/skopeo",
        "/usr/bin/umoci",
        "/usr/bin/docker-registry",
        "/usr/bin/docker",
        "/usr/bin/podman",
    ] {
        let program = Path::new(program);
        if let Some(expected) = program.exists().then(|| ask_go(&go, program)).flatten() {
            assert_eq!(observe(program, 16 << 20), expected, "{}", program.display());
            seen += 1;
        }
    }
    if seen == 0 {
        println!("skipped: none of the programs is installed");
    }
}
