//! `gradle.lockfile` (Gradle user guide, "Locking dependency versions"): `GROUP:ARTIFACT:VERSION=CONFIGURATIONS`.

use model::PackageKind;

use super::{LockAnalyzer, Locked, utf8};
use crate::Observation;

/// Gradle's lock file.
pub static GRADLE: LockAnalyzer = LockAnalyzer {
    name: "lock/gradle",
    is_lock: |name| matches!(name, "gradle.lockfile" | "buildscript-gradle.lockfile"),
    parse,
};

/// Reads the artifacts that are on more than a class path of tests.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut locked = Locked::new(PackageKind::Maven);
    let text = utf8(bytes, &mut locked);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (artifact, configurations) = line.split_once('=').unwrap_or((line, ""));
        let is_test = |name: &str| name.starts_with("test");
        if artifact == "empty" || !configurations.is_empty() && configurations.split(',').all(is_test) {
            continue;
        }
        if let Some((name, version)) = artifact.rsplit_once(':').filter(|(name, _)| name.contains(':')) {
            locked.add(name, version);
        }
    }
    locked.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::check;

    #[test]
    fn artifacts_without_those_of_tests() {
        let file = "# This is a Gradle generated file for dependency locking.\norg.slf4j:slf4j-api:2.0.9=compileClasspath,runtimeClasspath\n\
                    junit:junit:4.13.2=testCompileClasspath,testRuntimeClasspath\nempty=annotationProcessor\n";
        check(parse, file, &[("org.slf4j:slf4j-api", "2.0.9")]);
    }
}
