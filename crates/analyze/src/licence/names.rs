//! Names of single licences and exceptions, as packages write them, and what SPDX calls them.
//!
//! A name is looked up by its [`key`], in this order: ids and full names of the SPDX License List, the table
//! below (Fedora's short names before its change to SPDX, Debian's of the machine-readable copyright format 1.0,
//! PyPI's classifiers, what `pom.xml` files of Maven Central say), and the GNU licences' many spellings.
//! A name that fits several licences (`BSD`) is told as such, never guessed.

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use super::gnu;

/// What is in no one's ownership; SPDX has no id for it.
pub(super) const PUBLIC_DOMAIN: &str = "LicenseRef-Public-Domain";

/// One of the BSD licences, without saying which.
pub(super) const SOME_BSD: &str = "LicenseRef-BSD";

/// Longest name that is looked up, in bytes.
const NAME_MAX: usize = 200;

/// Written name, in the form of [`key`], and the SPDX id or expression that it means.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    // Apache.
    ("apache", "Apache-2.0"), ("apache 2", "Apache-2.0"), ("apache2", "Apache-2.0"), ("apache2.0", "Apache-2.0"),
    ("apachev2", "Apache-2.0"), ("apachev2.0", "Apache-2.0"), ("apl 2.0", "Apache-2.0"), ("apache public 2.0", "Apache-2.0"),
    ("apache software", "Apache-2.0"), ("apache software 2", "Apache-2.0"), ("apache software 2.0", "Apache-2.0"),
    ("apache software 2.0 only", "Apache-2.0"), ("asf 2.0", "Apache-2.0"), ("al 2.0", "Apache-2.0"),
    ("apache software 1.1", "Apache-1.1"), ("asl", "Apache-2.0"), ("asl 1.0", "Apache-1.0"), ("asl 1.1", "Apache-1.1"),
    ("asl 2", "Apache-2.0"), ("asl 2.0", "Apache-2.0"), ("aslv2", "Apache-2.0"), ("apache 1", "Apache-1.0"),
    // MIT and its kin.
    ("expat", "MIT"), ("expat mit", "MIT"), ("mit expat", "MIT"), ("mit x11", "MIT"), ("x11 mit", "MIT"),
    ("mit 0", "MIT-0"), ("mit with advertising", "MIT-advertising"), ("isc l", "ISC"), ("iscl", "ISC"),
    ("mit no attribution", "MIT-0"), ("cmu", "MIT-CMU"), ("hpnd", "HPND"),
    ("historical permission notice and disclaimer hpnd", "HPND"),
    // BSD.
    ("bsd", SOME_BSD), ("bsd like", SOME_BSD), ("bsd style", SOME_BSD), ("bsd variant", SOME_BSD),
    ("bsd 2", "BSD-2-Clause"), ("bsd2", "BSD-2-Clause"), ("2 clause bsd", "BSD-2-Clause"), ("bsd 2clause", "BSD-2-Clause"),
    ("2 clause bsdl", "BSD-2-Clause"), ("simplified bsd", "BSD-2-Clause"), ("freebsd", "BSD-2-Clause"), ("bsd simplified", "BSD-2-Clause"),
    ("bsd two clause", "BSD-2-Clause"), ("bsd 3", "BSD-3-Clause"), ("bsd3", "BSD-3-Clause"), ("bsd 3clause", "BSD-3-Clause"),
    ("3 clause bsd", "BSD-3-Clause"), ("3 clause bsdl", "BSD-3-Clause"), ("new bsd", "BSD-3-Clause"), ("bsd new", "BSD-3-Clause"),
    ("modified bsd", "BSD-3-Clause"), ("revised bsd", "BSD-3-Clause"), ("bsd three clause", "BSD-3-Clause"), ("bsd modified", "BSD-3-Clause"),
    ("new bsd 3 clause", "BSD-3-Clause"), ("bsd 3 clause new or revised", "BSD-3-Clause"), ("edl 1.0", "BSD-3-Clause"),
    ("eclipse distribution 1.0", "BSD-3-Clause"), ("edl", "BSD-3-Clause"),
    ("bsd 4", "BSD-4-Clause"), ("4 clause bsd", "BSD-4-Clause"), ("bsd with advertising", "BSD-4-Clause"), ("original bsd", "BSD-4-Clause"),
    ("bsd with attribution", "BSD-3-Clause-Attribution"), ("bsd zero clause", "0BSD"), ("0 clause bsd", "0BSD"), ("bsd 0 clause", "0BSD"),
    ("lbnl bsd", "BSD-3-Clause-LBNL"),
    // Public domain, and licences near to it.
    ("public domain", PUBLIC_DOMAIN), ("publicdomain", PUBLIC_DOMAIN), ("pd", PUBLIC_DOMAIN), ("suse public domain", PUBLIC_DOMAIN),
    ("licenseref fedora public domain", "LicenseRef-Fedora-Public-Domain"), ("cc0", "CC0-1.0"), ("cc0 1", "CC0-1.0"),
    ("cc0 1.0 universal cc0 1.0 public domain dedication", "CC0-1.0"), ("public domain per creative commons cc0", "CC0-1.0"),
    ("cc 0", "CC0-1.0"), ("unlicense", "Unlicense"), ("do what fuck you want to public", "WTFPL"), ("wtf public", "WTFPL"), ("wtfpl 2", "WTFPL"),
    // Artistic and Perl.
    ("artistic", "Artistic-1.0-Perl"), ("artistic 1", "Artistic-1.0-Perl"), ("artistic 2", "Artistic-2.0"),
    ("artistic clarified", "ClArtistic"), ("perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("perl 5", "Artistic-1.0-Perl OR GPL-1.0-or-later"), ("same as perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("same terms as perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    // Mozilla, Eclipse, CDDL and others of their kind.
    ("mpl 1", "MPL-1.0"), ("mpl 2", "MPL-2.0"), ("mplv1.0", "MPL-1.0"), ("mplv1.1", "MPL-1.1"), ("mplv2.0", "MPL-2.0"), ("mplv2", "MPL-2.0"),
    ("mpl2", "MPL-2.0"), ("mpl2.0", "MPL-2.0"), ("mozilla public 2", "MPL-2.0"), ("mozilla public 2.0 mpl 2.0", "MPL-2.0"),
    ("mozilla public 1.1 mpl 1.1", "MPL-1.1"), ("mozilla public 1.0 mpl", "MPL-1.0"), ("netscape", "NPL-1.1"), ("epl 1", "EPL-1.0"),
    ("epl 2", "EPL-2.0"), ("eplv1.0", "EPL-1.0"), ("eplv2.0", "EPL-2.0"), ("eclipse public 1", "EPL-1.0"), ("eclipse public 2", "EPL-2.0"),
    ("epl1.0", "EPL-1.0"), ("epl2.0", "EPL-2.0"), ("eclipse 1.0", "EPL-1.0"), ("eclipse 2.0", "EPL-2.0"),
    ("cddl 1", "CDDL-1.0"), ("cddl", "CDDL-1.0"), ("cddl1.0", "CDDL-1.0"), ("cddlv1.0", "CDDL-1.0"), ("cddl 1.1", "CDDL-1.1"),
    ("common development and distribution", "CDDL-1.0"), ("common development and distribution cddl 1.0", "CDDL-1.0"),
    ("common development and distribution cddl 1.1", "CDDL-1.1"), ("cpl", "CPL-1.0"), ("common public", "CPL-1.0"),
    ("cddl+gpl", "CDDL-1.1 OR GPL-2.0-only WITH Classpath-exception-2.0"),
    ("cddl+ gpl", "CDDL-1.1 OR GPL-2.0-only WITH Classpath-exception-2.0"),
    ("cddl+ gplv2 with classpath exception", "CDDL-1.1 OR GPL-2.0-only WITH Classpath-exception-2.0"),
    ("gpl2 w cpe", "GPL-2.0-only WITH Classpath-exception-2.0"), ("gpl 2 w cpe", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("gplv2 w cpe", "GPL-2.0-only WITH Classpath-exception-2.0"), ("gpl 2.0 with classpath exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("gpl 2.0 with autoconf exception", "GPL-2.0-only WITH Autoconf-exception-2.0"), ("gpl 2.0 with bison exception", "GPL-2.0-only WITH Bison-exception-2.2"),
    ("gpl 2.0 with font exception", "GPL-2.0-only WITH Font-exception-2.0"), ("gpl 2.0 with gcc exception", "GPL-2.0-only WITH GCC-exception-2.0"),
    ("gpl 3.0 with autoconf exception", "GPL-3.0-only WITH Autoconf-exception-3.0"), ("gpl 3.0 with gcc exception", "GPL-3.0-only WITH GCC-exception-3.1"),
    ("eupl1.1", "EUPL-1.1"), ("eupl1.2", "EUPL-1.2"), ("ms pl", "MS-PL"), ("microsoft public", "MS-PL"), ("ms rl", "MS-RL"),
    // Languages and projects.
    ("psf", "PSF-2.0"), ("psf 2", "PSF-2.0"), ("psfl", "PSF-2.0"), ("python software foundation", "PSF-2.0"), ("python software foundation 2", "PSF-2.0"),
    ("python", "Python-2.0.1"), ("ruby", "Ruby"), ("ruby s", "Ruby"), ("php", "PHP-3.01"), ("php 3.01", "PHP-3.01"), ("php3.01", "PHP-3.01"),
    ("vim", "Vim"), ("tcl", "TCL"), ("tcl tk", "TCL"), ("zend", "Zend-2.0"), ("zpl 2.1", "ZPL-2.1"),
    ("zplv1.0", "ZPL-1.1"), ("zplv2.0", "ZPL-2.0"), ("zplv2.1", "ZPL-2.1"), ("boost", "BSL-1.0"), ("boost software", "BSL-1.0"), ("bsl", "BSL-1.0"),
    ("zlib libpng", "Zlib"), ("zlib png", "Zlib"), ("libpng", "Libpng"), ("zlib with acknowledgement", "zlib-acknowledgement"),
    ("libpng 2", "libpng-2.0"), ("openldap", "OLDAP-2.8"), ("openldap 2.8", "OLDAP-2.8"), ("openldap public", "OLDAP-2.8"),
    ("ssleay", "SSLeay-standalone"), ("ofl", "OFL-1.1"), ("ofl 1.1", "OFL-1.1"), ("sil ofl 1.1", "OFL-1.1"), ("sil ofl", "OFL-1.1"),
    ("sil open font", "OFL-1.1"), ("sil open font 1.1", "OFL-1.1"), ("w3c", "W3C"), ("w3c software", "W3C"), ("uiuc ncsa", "NCSA"),
    ("university of illinois ncsa open source", "NCSA"), ("ftl", "FTL"), ("freetype", "FTL"), ("freetype project", "FTL"), ("ijg", "IJG"),
    ("sendmail", "Sendmail"), ("qpl", "QPL-1.0"), ("sissl", "SISSL"), ("sisslv1.1", "SISSL"), ("wxwidgets", "LGPL-2.0-or-later WITH WxWindows-exception-3.1"), ("wxwindows library", "LGPL-2.0-or-later WITH WxWindows-exception-3.1"),
    ("wxwindows", "LGPL-2.0-or-later WITH WxWindows-exception-3.1"), ("ecos 2.0", "GPL-2.0-or-later WITH eCos-exception-2.0"), ("bzip2 1.0.5", "bzip2-1.0.6"),
    ("standardml nj", "SMLNJ"), ("bsd 2 clause netbsd", "BSD-2-Clause"), ("bsd 2 clause freebsd", "BSD-2-Clause-Views"),
    ("beer ware", "Beerware"), ("beerware 42", "Beerware"), ("bzip2", "bzip2-1.0.6"), ("bzip", "bzip2-1.0.6"),
    ("bsd bzip2", "bzip2-1.0.6"), ("lppl", "LPPL-1.3c"), ("lppl 1.3c+", "LPPL-1.3c+"), ("cecill b", "CECILL-B"), ("cecill c", "CECILL-C"),
    ("rpsl", "RPSL-1.0"), ("spl", "SPL-1.0"), ("unicode", "Unicode-DFS-2016"), ("unicode dfs", "Unicode-DFS-2016"), ("hdparm", "hdparm"),
    ("efl 2", "EFL-2.0"), ("naist 2003", "NAIST-2003"), ("bitstream vera", "Bitstream-Vera"), ("ngpl", "NGPL"), ("jasper", "JasPer-2.0"),
    ("bouncy castle", "MIT"), ("json", "JSON"), ("h2", "MPL-2.0 OR EPL-1.0"), ("universal permissive", "UPL-1.0"), ("upl", "UPL-1.0"),
    ("curl", "curl"), ("fsf unlimited", "FSFUL"), ("fsf unlimited with retention", "FSFULLR"), ("all permissive", "FSFAP"), ("fsf all permissive", "FSFAP"),
    ("linux openib", "Linux-OpenIB"), ("eurosym", "Eurosym"), ("libtiff", "libtiff"), ("torquev1.1", "TORQUE-1.1"), ("noweb", "Noweb"),
    ("ncsa", "NCSA"), ("afl 2.1", "AFL-2.1"), ("academic free 3.0", "AFL-3.0"), ("blue oak", "BlueOak-1.0.0"),
    ("eu public 1.2 eupl 1.2", "EUPL-1.2"), ("european union public 1.1 eupl 1.1", "EUPL-1.1"), ("european union public 1.2 eupl 1.2", "EUPL-1.2"),
];

/// Written name of an exception, in the form of [`key`] without the words `exception` and `exceptions`.
#[rustfmt::skip]
const EXCEPTIONS: &[(&str, &str)] = &[
    ("classpath", "Classpath-exception-2.0"), ("cpe", "Classpath-exception-2.0"), ("autoconf", "Autoconf-exception-generic"),
    ("autoconf 2.0", "Autoconf-exception-2.0"), ("autoconf 3.0", "Autoconf-exception-3.0"), ("bison", "Bison-exception-2.2"),
    ("gcc", "GCC-exception-3.1"), ("gcc runtime library", "GCC-exception-3.1"), ("gcc runtime", "GCC-exception-3.1"),
    ("gcc rle", "GCC-exception-3.1"), ("libtool", "Libtool-exception"), ("linux syscall note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"), ("font", "Font-exception-2.0"), ("font embedding", "Font-exception-2.0"),
    ("ocaml linking", "OCaml-LGPL-linking-exception"), ("ocaml", "OCaml-LGPL-linking-exception"),
    ("bootloader", "Bootloader-exception"), ("universal foss 1.0", "Universal-FOSS-exception-1.0"), ("foss", "Universal-FOSS-exception-1.0"),
    ("qt gpl", "Qt-GPL-exception-1.0"), ("qt lgpl", "Qt-LGPL-exception-1.1"), ("swift", "Swift-exception"), ("texinfo", "Texinfo-exception"),
];

/// Addresses of licences, without scheme, `www.` and file name extension.
#[rustfmt::skip]
const ADDRESSES: &[(&str, &str)] = &[
    ("apache.org/licenses/license-2.0", "Apache-2.0"), ("apache.org/licenses/license-1.1", "Apache-1.1"), ("apache.org/licenses", "Apache-2.0"),
    ("eclipse.org/legal/epl-v10", "EPL-1.0"), ("eclipse.org/legal/epl-2.0", "EPL-2.0"), ("eclipse.org/legal/epl-v20", "EPL-2.0"),
    ("eclipse.org/org/documents/edl-v10", "BSD-3-Clause"), ("mozilla.org/mpl/2.0", "MPL-2.0"), ("mozilla.org/mpl/mpl-1.1", "MPL-1.1"),
    ("mozilla.org/en-us/mpl/2.0", "MPL-2.0"), ("creativecommons.org/publicdomain/zero/1.0", "CC0-1.0"), ("unlicense.org", "Unlicense"),
    ("gnu.org/copyleft/gpl", "GPL-1.0-or-later"), ("gnu.org/copyleft/lesser", "LGPL-2.0-or-later"), ("opensource.org/licenses/mit-license", "MIT"),
    ("opensource.org/licenses/bsd-license", "BSD-2-Clause"), ("go.microsoft.com/fwlink/?linkid=329770", "LicenseRef-Microsoft-NET-Library"),
];

/// Where the last part of an address is the name of the licence.
const DIRECTORIES: &[&str] = &[
    "spdx.org/licenses/",
    "licenses.nuget.org/",
    "opensource.org/licenses/",
    "opensource.org/license/",
    "gnu.org/licenses/old-licenses/",
    "gnu.org/licenses/",
    "choosealicense.com/licenses/",
];

/// The form under which names are compared: lower case, words of letters, digits, inner dots and `+`, without
/// those that tell nothing (`the`, `license`, `version`, the `v` of `v2`).
pub(super) fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+');
    for word in name.split(|c| !is_part(c)) {
        let word = word.trim_matches('.').to_ascii_lowercase();
        let word = match word.strip_prefix('v') {
            Some(rest) if rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
            _ => word.as_str(),
        };
        let is_empty_word = matches!(
            word,
            "" | "the"
                | "a"
                | "license"
                | "licence"
                | "licenses"
                | "licences"
                | "licensed"
                | "version"
                | "versions"
                | "ver"
                | "ver."
                | "under"
        );
        if is_empty_word {
            continue;
        }
        if !key.is_empty() && !word.bytes().all(|byte| byte == b'+') {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}

/// The SPDX expression that a name means.
pub(super) fn lookup(name: &str) -> Option<Cow<'static, str>> {
    let name = name.trim();
    if name.contains("://") || name.starts_with("www.") {
        return address(name);
    }
    if name.is_empty() || name.len() > NAME_MAX || !name.is_ascii() || name.contains(['<', '>', '=']) {
        return None;
    }
    if let Some(reference) = reference(name) {
        return Some(reference);
    }
    let key = key(name);
    let variant = || if name.contains(char::is_whitespace) { None } else { variant(&key).map(Cow::Borrowed) };
    one(&key).or_else(variant).or_else(|| {
        // `MPL 1.1 or later`, `Apache-2.0+`.
        let base = ["+", " or later", " or newer", " or any later"]
            .iter()
            .find_map(|mark| key.strip_suffix(mark))?;
        let id = one(base)?;
        let plain = spdx::license_id(&id).is_some_and(|found| !found.is_gnu());
        plain.then(|| Cow::Owned(format!("{id}+")))
    })
}

fn one(key: &str) -> Option<Cow<'static, str>> {
    if let Some(expression) = table().licences.get(key) {
        return Some(Cow::Borrowed(expression));
    }
    if let Some(id) = gnu::id(key) {
        return Some(Cow::Owned(id));
    }
    with_exception(key)
}

/// Debian's `GPL-2+-autoconf-exception`: a GNU licence and an exception in one name.
fn with_exception(key: &str) -> Option<Cow<'static, str>> {
    let named = key.strip_suffix(" exception").or_else(|| key.strip_suffix(" exceptions"))?;
    let (id, name) = named.match_indices(' ').rev().find_map(|(at, _)| {
        let (licence, name) = named.split_at_checked(at)?;
        Some((gnu::id(licence.strip_suffix(" with").unwrap_or(licence))?, name))
    })?;
    Some(match exception(name) {
        Some(exception) => Cow::Owned(format!("{id} WITH {exception}")),
        None => Cow::Owned(id),
    })
}

/// Debian's copyright files tell variants of one licence apart by a further word: the holder's name.
fn variant(key: &str) -> Option<&'static str> {
    let families = [
        ("bsd 2 clause ", "BSD-2-Clause"),
        ("bsd 3 clause ", "BSD-3-Clause"),
        ("bsd 4 clause ", "BSD-4-Clause"),
        ("public domain ", PUBLIC_DOMAIN),
        ("pd ", PUBLIC_DOMAIN),
    ];
    let (_, id) = families.iter().find(|(family, _)| key.starts_with(family))?;
    Some(id)
}

/// The SPDX id of an exception, from what stands behind `WITH`.
pub(super) fn exception(name: &str) -> Option<Cow<'static, str>> {
    let key = key(name);
    if let Some(id) = table().exceptions.get(key.as_str()) {
        return Some(Cow::Borrowed(id));
    }
    let words: Vec<&str> =
        key.split(' ').filter(|word| !matches!(*word, "gnu" | "exception" | "exceptions")).collect();
    table().exceptions.get(words.join(" ").as_str()).map(|id| Cow::Borrowed(*id))
}

/// `LicenseRef-` ids stand for themselves (SPDX 2.3, section 10.1).
fn reference(name: &str) -> Option<Cow<'static, str>> {
    let id = name.strip_prefix("LicenseRef-")?;
    let is_fit = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    is_fit.then(|| Cow::Owned(name.to_owned()))
}

fn address(text: &str) -> Option<Cow<'static, str>> {
    if text.len() > NAME_MAX || text.contains(char::is_whitespace) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let rest = rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('/');
    let rest =
        [".txt", ".html", ".php", ".htm"].iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
    if let Some((_, id)) = ADDRESSES.iter().find(|(address, _)| *address == rest) {
        return Some(Cow::Borrowed(id));
    }
    let name = DIRECTORIES.iter().find_map(|directory| rest.strip_prefix(directory))?;
    one(&key(name))
}

struct Table {
    licences: HashMap<String, &'static str>,
    exceptions: HashMap<String, &'static str>,
}

/// All names, put together when the first one is asked for.
fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut licences = HashMap::with_capacity(2048);
        // Our own names go first: where SPDX calls a licence what everybody calls another, everybody is meant.
        for (name, id) in NAMES {
            licences.entry((*name).to_owned()).or_insert(*id);
        }
        // Old ids (`GPL-2.0`) are left to the spellings of the GNU licences; other old ids stay what they are.
        let others = || {
            let all = spdx::identifiers::LICENSES.iter();
            all.filter(|l| l.flags & spdx::flags::IS_GNU == 0 && l.name != "NOASSERTION" && l.name != "NONE")
        };
        for licence in others() {
            licences.entry(key(licence.name)).or_insert(licence.name);
        }
        for licence in others() {
            licences.entry(key(licence.full_name)).or_insert(licence.name);
        }
        let mut exceptions: HashMap<String, &'static str> =
            EXCEPTIONS.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect();
        for exception in spdx::identifiers::EXCEPTIONS {
            exceptions.entry(key(exception.name)).or_insert(exception.name);
        }
        Table { licences, exceptions }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sound() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, expression) in NAMES {
            assert_eq!(key(name), *name, "not in the form that names are looked up by");
            assert!(seen.insert(*name), "{name} stands there twice");
            spdx::Expression::parse(expression).unwrap();
        }
        for (name, id) in EXCEPTIONS {
            assert_eq!(key(name), *name);
            assert!(seen.insert(*name) || NAMES.iter().any(|(n, _)| n == name), "{name} stands there twice");
            assert!(spdx::exception_id(id).is_some(), "{id}");
        }
        for (address, id) in ADDRESSES {
            assert_eq!(address.to_ascii_lowercase(), *address);
            spdx::Expression::parse(id).unwrap();
        }
    }

    #[test]
    fn every_id_and_full_name_of_the_list_is_known() {
        let mut others = Vec::new();
        for licence in spdx::identifiers::LICENSES {
            let id = spdx::license_id(licence.name).unwrap();
            let found = lookup(licence.name).unwrap_or_default();
            // The list of the crate also holds GFDL ids that SPDX does not have.
            let complete =
                !id.is_gnu() || licence.name.ends_with("-only") || licence.name.ends_with("-or-later");
            if found != licence.name && !found.is_empty() && !id.is_deprecated() && complete {
                others.push(format!("{}: {found}", licence.name));
            }
            if licence.name == "NOASSERTION" || licence.name == "NONE" {
                assert_eq!(found, "");
                continue;
            }
            if licence.full_name.is_ascii() && !licence.full_name.contains("w/") {
                assert!(lookup(licence.full_name).is_some(), "{}", licence.full_name);
            }
        }
        assert_eq!(others, [""; 0]);
        for exception in spdx::identifiers::EXCEPTIONS {
            assert_eq!(super::exception(exception.name).as_deref(), Some(exception.name));
        }
    }

    #[test]
    fn old_ids_become_new_ones() {
        for (old, new) in [
            ("GPL-2.0", "GPL-2.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("AGPL-3.0", "AGPL-3.0-only"),
            ("GFDL-1.3", "GFDL-1.3-only"),
            ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
            ("GPL-3.0-with-GCC-exception", "GPL-3.0-only WITH GCC-exception-3.1"),
            ("Apache-2.0+", "Apache-2.0+"),
            ("MPL 1.1 or later", "MPL-1.1+"),
        ] {
            assert_eq!(lookup(old).as_deref(), Some(new), "{old}");
        }
    }

    #[test]
    fn addresses_lead_to_ids() {
        for (address, id) in [
            ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
            ("http://www.opensource.org/licenses/mit-license.php", "MIT"),
            ("https://opensource.org/licenses/BSD-3-Clause", "BSD-3-Clause"),
            ("https://licenses.nuget.org/MIT", "MIT"),
            ("https://spdx.org/licenses/ISC.html", "ISC"),
            ("http://www.gnu.org/licenses/gpl-3.0.html", "GPL-3.0-only"),
            ("https://example.com/licence", ""),
        ] {
            assert_eq!(lookup(address).unwrap_or_default(), id, "{address}");
        }
    }
}
