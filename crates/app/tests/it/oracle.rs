//! What other programs list and find in the same image (`oracle.py`), beside the report.

use std::{collections::BTreeSet, path::Path, process::Command};

use model::Report;

use crate::summary::package_of;

/// The lines of the oracle; `None` when the tools that it needs are not here.
pub(crate) fn ask(image: &str, platform: &str, advisories: &Path) -> Option<BTreeSet<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oracle.py");
    // Debian's own interpreter has Debian's modules; another python3 on PATH may not.
    for python in ["/usr/bin/python3", "python3"] {
        let mut command = Command::new(python);
        let Ok(output) = command.arg("-I").arg(&script).args([image, platform]).arg(advisories).output()
        else {
            continue;
        };
        match output.status.code() {
            Some(0) => {
                return Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect());
            }
            // Something that it needs is missing.
            Some(3) => {}
            _ => panic!("the oracle failed on {image}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    None
}

/// The report in the oracle's writing.
pub(crate) fn lines(report: &Report) -> BTreeSet<String> {
    let packages = report.inventory.packages.iter().map(|package| {
        let place = match &package.arch {
            Some(arch) if package.kind.is_os() => arch,
            _ => &package.path,
        };
        let owner = package.owner.as_deref().unwrap_or_default();
        ["P", package.kind.as_str(), &package.name, &package.version, place, owner].join("\t")
    });
    let findings = report.findings.iter().flat_map(|finding| {
        let package = package_of(report, finding);
        let line = |advisory: &str| ["F", &package.name, &package.version, advisory].join("\t");
        finding.evidence.iter().map(move |evidence| line(&evidence.advisory))
    });
    packages.chain(findings).collect()
}
