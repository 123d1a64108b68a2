//! From what packages record of their licences to one SPDX expression (SPDX 2.3, annex D).
//!
//! The expression is set only where every part was understood; what the package recorded stays beside it word
//! for word, whatever becomes of it. Two `LicenseRef-` ids stand for what SPDX has no id for:
//! `LicenseRef-Public-Domain`, and `LicenseRef-BSD` where nothing says which of the BSD licences is meant.

use std::collections::HashMap;

use model::{Package, PackageKind};

use super::expression::{self, Expression};

/// Longest expression that is set, in bytes.
const EXPRESSION_MAX: usize = 4096;

/// Most different lists of licences that are remembered in one pass.
const REMEMBERED_MAX: usize = 10_000;

/// Sets the expression of every package that has none yet.
///
/// Packages of one image share few licences, so each list is understood once.
pub fn normalise_all(packages: &mut [Package]) {
    let mut remembered: HashMap<(bool, Vec<String>), Option<String>> = HashMap::new();
    for package in packages {
        if package.licence.is_some() || package.licences.is_empty() {
            continue;
        }
        let key = (is_choice(package.kind), package.licences.clone());
        package.licence = match remembered.get(&key) {
            Some(found) => found.clone(),
            None => {
                let found = normalise(package.kind, &package.licences);
                if remembered.len() < REMEMBERED_MAX {
                    remembered.insert(key, found.clone());
                }
                found
            }
        };
    }
}

/// The expression that a list of recorded licences means; `None` when any of them is not understood.
pub fn normalise(kind: PackageKind, licences: &[String]) -> Option<String> {
    let mut parts = Vec::with_capacity(licences.len());
    for text in licences {
        parts.push(parse_recorded(text)?);
    }
    drop_vague(&mut parts);
    let found = expression::join(parts, is_choice(kind))?;
    let mut written = String::new();
    found.write(&mut written);
    // What is set can be read again, and means the same: joined parts may nest deeper than any of them.
    let is_sound = written.len() <= EXPRESSION_MAX && expression::parse(&written) == Some(found);
    is_sound.then_some(written)
}

/// Whether several licences are a choice: so say npm ("package.json", `license`, on the old `licenses`), the POM
/// reference ("the user can select any of them") and composer's schema ("disjunctive"). Elsewhere all apply.
const fn is_choice(kind: PackageKind) -> bool {
    matches!(kind, PackageKind::Npm | PackageKind::Maven | PackageKind::Composer)
}

/// A text, or a classifier of PyPI (`License :: OSI Approved :: MIT License`), whose last part is the name.
fn parse_recorded(text: &str) -> Option<Expression> {
    let name = match text.rsplit_once(" :: ") {
        Some((above, name)) if above.starts_with("License") => name,
        _ => text,
    };
    expression::parse(name)
}

/// Classifiers and free text tell one licence twice: `BSD License` beside `BSD-3-Clause`.
fn drop_vague(parts: &mut Vec<Expression>) {
    let vague = Expression::Licence(super::names::SOME_BSD.to_owned());
    let exact = |part: &Expression| matches!(part, Expression::Licence(id) if id.starts_with("BSD-"));
    if parts.iter().any(exact) {
        parts.retain(|part| *part != vague);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PackageKind, recorded: &[&str], expected: &str) {
        let recorded: Vec<String> = recorded.iter().map(|text| (*text).to_owned()).collect();
        let found = normalise(kind, &recorded);
        assert_eq!(found.as_deref().unwrap_or_default(), expected, "{kind:?} {recorded:?}");
        if let Some(found) = found {
            spdx::Expression::parse(&found).unwrap();
            assert_eq!(normalise(kind, std::slice::from_ref(&found)).as_ref(), Some(&found), "not stable");
        }
    }

    #[test]
    fn understands_rpm() {
        use PackageKind::Rpm;
        check(Rpm, &["GPLv2+ and LGPLv2+"], "GPL-2.0-or-later AND LGPL-2.0-or-later");
        check(Rpm, &["GPL+ or Artistic"], "GPL-1.0-or-later OR Artistic-1.0-Perl");
        check(
            Rpm,
            &["(GPL+ or Artistic) and BSD"],
            "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND LicenseRef-BSD",
        );
        check(Rpm, &["ASL 2.0"], "Apache-2.0");
        check(Rpm, &["MIT"], "MIT");
        check(Rpm, &["Public Domain"], "LicenseRef-Public-Domain");
        check(
            Rpm,
            &["GPLv3+ and GPLv3+ with exceptions and GPLv2+ with exceptions and LGPLv2+ and BSD"],
            "GPL-3.0-or-later AND GPL-2.0-or-later AND LGPL-2.0-or-later AND LicenseRef-BSD",
        );
        check(Rpm, &["BSD with advertising"], "BSD-4-Clause");
        check(Rpm, &["BSD or GPLv2+"], "LicenseRef-BSD OR GPL-2.0-or-later");
        check(Rpm, &["zlib and Boost"], "Zlib AND BSL-1.0");
        check(
            Rpm,
            &["LGPL-2.1-or-later AND LicenseRef-Fedora-Public-Domain"],
            "LGPL-2.1-or-later AND LicenseRef-Fedora-Public-Domain",
        );
        check(Rpm, &["pubkey"], "");
        check(Rpm, &["Redistributable, no modification permitted"], "");
    }

    #[test]
    fn understands_apk_and_alpm() {
        use PackageKind::{Alpm, Apk};
        check(Apk, &["GPL-2.0-only AND MIT"], "GPL-2.0-only AND MIT");
        check(Apk, &["GPL-2.0"], "GPL-2.0-only");
        check(Apk, &["MPL-2.0 GPL-2.0-or-later"], "");
        check(Apk, &["MIT BSD GPL2+"], "");
        check(Apk, &["BSD-3-Clause OR GPL-2.0-or-later"], "BSD-3-Clause OR GPL-2.0-or-later");
        check(Alpm, &["GPL3", "LGPL"], "GPL-3.0-only AND LGPL-2.0-or-later");
        check(Alpm, &["custom"], "");
    }

    #[test]
    fn understands_debian() {
        use PackageKind::Deb;
        check(Deb, &["GPL-2+", "Expat"], "GPL-2.0-or-later AND MIT");
        check(Deb, &["GPL-3+ with Autoconf exception"], "GPL-3.0-or-later WITH Autoconf-exception-generic");
        check(Deb, &["GPL-2+-autoconf-exception"], "GPL-2.0-or-later WITH Autoconf-exception-generic");
        check(
            Deb,
            &["GPL-1+ or Artistic, and BSD-4-clause-POWERDOG"],
            "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND BSD-4-Clause",
        );
        check(
            Deb,
            &["BSD-3-clause-Regents", "public-domain-md5"],
            "BSD-3-Clause AND LicenseRef-Public-Domain",
        );
        check(Deb, &["MIT/X11"], "MIT");
        check(Deb, &["Expat/MIT"], "MIT");
        check(Deb, &["GFDL-1.3+-no-invariant"], "GFDL-1.3-no-invariants-or-later");
        check(Deb, &["GPL-2+", "PERMISSIVE"], "");
    }

    #[test]
    fn understands_pypi() {
        use PackageKind::Pypi;
        check(Pypi, &["License :: OSI Approved :: MIT License"], "MIT");
        check(Pypi, &["License :: OSI Approved :: Apache Software License"], "Apache-2.0");
        check(Pypi, &["License :: OSI Approved :: BSD License", "BSD-3-Clause"], "BSD-3-Clause");
        check(Pypi, &["License :: OSI Approved :: BSD License"], "LicenseRef-BSD");
        check(
            Pypi,
            &["License :: OSI Approved :: GNU General Public License v2 or later (GPLv2+)"],
            "GPL-2.0-or-later",
        );
        check(
            Pypi,
            &["License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)"],
            "LGPL-2.0-or-later",
        );
        check(Pypi, &["License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"], "MPL-2.0");
        check(Pypi, &["License :: OSI Approved :: Python Software Foundation License"], "PSF-2.0");
        check(
            Pypi,
            &["License :: OSI Approved :: Historical Permission Notice and Disclaimer (HPND)"],
            "HPND",
        );
        check(Pypi, &["License :: OSI Approved :: ISC License (ISCL)"], "ISC");
        check(Pypi, &["License :: Public Domain"], "LicenseRef-Public-Domain");
        check(Pypi, &["License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication"], "CC0-1.0");
        check(Pypi, &["License :: OSI Approved"], "");
        check(Pypi, &["License :: Other/Proprietary License"], "");
        check(Pypi, &["Apache 2.0"], "Apache-2.0");
        check(Pypi, &["BSD 3-Clause License"], "BSD-3-Clause");
        check(Pypi, &["MPL-2.0 AND MIT"], "MPL-2.0 AND MIT");
        check(Pypi, &["Dual License"], "");
        check(Pypi, &["BSD-like"], "LicenseRef-BSD");
    }

    #[test]
    fn understands_npm_gem_composer_and_nuget() {
        use PackageKind::{Composer, Gem, Npm, Nuget};
        check(Npm, &["MIT"], "MIT");
        check(Npm, &["(MIT OR Apache-2.0)"], "MIT OR Apache-2.0");
        check(Npm, &["MIT", "GPL-2.0"], "MIT OR GPL-2.0-only");
        check(Npm, &["(BSD-2-Clause OR MIT)", "ISC"], "BSD-2-Clause OR MIT OR ISC");
        check(Npm, &["MIT AND ISC", "Zlib"], "(MIT AND ISC) OR Zlib");
        check(Npm, &["SEE LICENSE IN LICENSE.md"], "");
        check(Npm, &["UNLICENSED"], "");
        check(Npm, &["BSD"], "LicenseRef-BSD");
        check(Npm, &["Apache License, Version 2.0"], "Apache-2.0");
        check(Gem, &["Ruby", "BSD-2-Clause"], "Ruby AND BSD-2-Clause");
        check(Gem, &["Ruby's"], "Ruby");
        check(Composer, &["LGPL-2.1-only", "GPL-3.0-or-later"], "LGPL-2.1-only OR GPL-3.0-or-later");
        check(Nuget, &["https://licenses.nuget.org/MIT"], "MIT");
        check(Nuget, &["https://go.microsoft.com/fwlink/?LinkId=329770"], "LicenseRef-Microsoft-NET-Library");
    }

    #[test]
    fn understands_maven() {
        use PackageKind::Maven;
        for text in [
            "The Apache Software License, Version 2.0",
            "Apache License, Version 2.0",
            "Apache License 2.0",
            "The Apache License, Version 2.0",
            "Apache 2",
            "Apache-2.0",
            "https://www.apache.org/licenses/LICENSE-2.0.txt",
        ] {
            check(Maven, &[text], "Apache-2.0");
        }
        check(Maven, &["Eclipse Public License - v 1.0"], "EPL-1.0");
        check(
            Maven,
            &[
                "Eclipse Public License v. 2.0",
                "GNU General Public License, version 2 with the GNU Classpath Exception",
            ],
            "EPL-2.0 OR (GPL-2.0-only WITH Classpath-exception-2.0)".replace(['(', ')'], "").as_str(),
        );
        check(Maven, &["EPL 2.0", "GPL2 w/ CPE"], "EPL-2.0 OR GPL-2.0-only WITH Classpath-exception-2.0");
        check(
            Maven,
            &["CDDL + GPLv2 with classpath exception"],
            "CDDL-1.1 OR GPL-2.0-only WITH Classpath-exception-2.0",
        );
        check(Maven, &["The MIT License"], "MIT");
        check(Maven, &["Eclipse Distribution License - v 1.0"], "BSD-3-Clause");
        check(Maven, &["GNU Lesser General Public License"], "LGPL-2.0-or-later");
        check(Maven, &["BSD-2-Clause", "Public Domain, per Creative Commons CC0"], "BSD-2-Clause OR CC0-1.0");
    }

    #[test]
    fn sets_each_package_once() {
        let package = |kind, licences: &[&str]| {
            let mut package = Package::new(kind, "a", "1");
            package.licences = licences.iter().map(|text| (*text).to_owned()).collect();
            package
        };
        let mut told = package(PackageKind::Npm, &["MIT"]);
        told.licence = Some("ISC".to_owned());
        let mut packages = [
            package(PackageKind::Npm, &["MIT", "ISC"]),
            package(PackageKind::Gem, &["MIT", "ISC"]),
            package(PackageKind::Gem, &["MIT", "ISC"]),
            package(PackageKind::Npm, &[]),
            package(PackageKind::Npm, &["mystery"]),
            told,
        ];
        normalise_all(&mut packages);
        let found: Vec<_> = packages.iter().map(|package| package.licence.as_deref()).collect();
        assert_eq!(
            found,
            [Some("MIT OR ISC"), Some("MIT AND ISC"), Some("MIT AND ISC"), None, None, Some("ISC")]
        );
        assert_eq!(packages[4].licences, ["mystery"]);
    }
}
