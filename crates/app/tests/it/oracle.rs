//! What other programs list and find (`oracle.py`), beside a report.

use std::{collections::BTreeSet, path::Path, process::Command};

use model::{Finding, Package};

/// The kinds of packages that the oracle's tools know. Java's archives and bare programs are held by the reviewed
/// reports alone.
pub(crate) const KINDS: [&str; 5] = ["deb", "apk", "rpm", "pypi", "npm"];

/// The lines of the oracle in one of its modes; `None`, and a word about it, when the tools that it needs are
/// not here.
pub(crate) fn ask(mode: &str, what: &str, how: &str, data: &Path) -> Option<BTreeSet<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oracle.py");
    // Debian's own interpreter has Debian's modules; another python3 on PATH may not.
    for python in ["/usr/bin/python3", "python3"] {
        let mut command = Command::new(python);
        command.arg("-I").arg(&script).args([mode, what, how]).arg(data.join("advisories"));
        let Ok(output) = command.output() else { continue };
        match output.status.code() {
            Some(0) => {
                return Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect());
            }
            // Something that it needs is missing.
            Some(3) => {}
            _ => panic!("the oracle failed on {what}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    println!("skipped: the oracle needs umoci, zstd, dpkg, python3-rpm and python3-packaging");
    None
}

/// Packages and findings in the oracle's writing.
pub(crate) fn lines(packages: &[Package], findings: &[Finding]) -> BTreeSet<String> {
    let module = |package: &Package| package.module.clone().unwrap_or_default();
    let package_lines = packages.iter().map(|package| {
        let place = match &package.arch {
            Some(arch) if package.kind.is_os() => arch,
            _ => &package.path,
        };
        let owner = package.owner.as_deref().unwrap_or_default();
        let kind = package.kind.as_str();
        ["P", kind, &package.name, &package.version, place, owner, &module(package)].join("\t")
    });
    let finding_lines = findings.iter().flat_map(|finding| {
        let package = &packages[finding.package as usize];
        let kind = package.kind.as_str();
        let line = |advisory: &str| {
            ["F", kind, &package.name, &package.version, &module(package), advisory].join("\t")
        };
        finding.evidence.iter().map(|evidence| line(&evidence.advisory)).collect::<Vec<_>>()
    });
    package_lines.chain(finding_lines).collect()
}
