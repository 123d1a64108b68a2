//! `var/lib/rpmmanifest/container-manifest-2`: what CBL-Mariner's and Azure Linux's distroless images have in
//! place of an rpm database.
//!
//! Format (microsoft/marinara, which writes it): a line for each package, tab-separated: name,
//! version-release, install time, build time, vendor, epoch, size, architecture, epoch as a number, file name
//! of the source package. A value that is not there is written `(none)`.

use model::{Package, PackageKind, Problem, ProblemCode};

use super::collect::{full_version, source_package};
use crate::{fact::Observation, os::PACKAGES_MAX, text};

/// Reads the whole file. Lines that name no package become one problem.
pub fn parse(bytes: &[u8]) -> Observation {
    let mut observation = Observation::default();
    let mut bad = 0u64;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if observation.facts.len() >= PACKAGES_MAX {
            let text = "rpm manifest: too many packages; the rest was left out";
            observation.problems.push(Problem::new(ProblemCode::TooManyItems, text));
            break;
        }
        match package(line) {
            Some(package) if package.name == "gpg-pubkey" => {}
            Some(package) => observation.facts.push(package.into()),
            None => bad += 1,
        }
    }
    if bad != 0 {
        observation.add_corrupt(format!("rpm manifest: {bad} lines name no package"));
    }
    observation
}

fn package(line: &[u8]) -> Option<Package> {
    let mut columns =
        line.split(|byte| *byte == b'\t').map(|column| Some(column).filter(|c| *c != b"(none)"));
    let mut next = || columns.next().flatten();
    let name = text::token(next()?)?;
    let version = text::token(next()?)?;
    let (version, release) = version.split_once('-')?;
    let (_installed, _built) = (next(), next());
    let vendor = next().and_then(text::line);
    let number =
        |column: Option<&[u8]>| -> Option<u32> { std::str::from_utf8(column?).ok()?.trim().parse().ok() };
    let epoch = number(next());
    let _size = next();
    let arch = next().and_then(text::token);
    let epoch_number = number(next());
    let source = next().and_then(text::token);
    // The second epoch is 0 also where the package has none.
    let epoch = epoch.or(epoch_number.filter(|epoch| *epoch != 0));
    let mut package = Package::new(PackageKind::Rpm, name, full_version(epoch, version, release));
    package.epoch = epoch;
    package.arch = arch;
    package.vendor = vendor;
    package.source = source.and_then(|file| source_package(&file));
    Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fact;

    #[test]
    fn lines_become_packages() {
        let text = "mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm\n\
            openssl-libs\t1.1.1k-15.cm2\t1\t2\tMicrosoft Corporation\t1\t3\tx86_64\t1\topenssl-1.1.1k-15.cm2.src.rpm\n\
            \n\
            short\t1-2\n\
            gpg-pubkey\t3135ce90-5e6fda74\t1\t2\t(none)\t(none)\t0\t(none)\t0\t(none)\n\
            nothing\n";
        let observation = parse(text.as_bytes());
        let packages: Vec<&Package> = observation
            .facts
            .iter()
            .map(|fact| if let Fact::Package(p) = fact { &**p } else { panic!("{fact:?}") })
            .collect();
        assert_eq!(packages.len(), 3);
        assert_eq!(packages[0].version, "2.0-12.cm2");
        assert_eq!((packages[0].epoch, packages[0].arch.as_deref()), (None, Some("noarch")));
        assert_eq!(packages[0].vendor.as_deref(), Some("Microsoft Corporation"));
        assert_eq!(packages[1].version, "1:1.1.1k-15.cm2");
        assert_eq!(packages[1].epoch, Some(1));
        let source = packages[1].source.as_ref().unwrap();
        assert_eq!((source.name.as_str(), source.version.as_str()), ("openssl", "1.1.1k-15.cm2"));
        assert_eq!((packages[2].name.as_str(), packages[2].arch.as_deref()), ("short", None));
        assert_eq!(observation.problems.len(), 1);
        assert_eq!(observation.problems[0].code, ProblemCode::FileCorrupt);
    }
}
