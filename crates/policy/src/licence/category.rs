//! The category of every licence that many programs are under: ONE table.
//!
//! The categories and most of their members are the license types of Google's licence classifier
//! (github.com/google/licenseclassifier, `license_type.go`); licences that it does not know stand where those of
//! the same conditions do. A licence that is not in the table is unknown, which is no judgement.

use model::LicenceCategory::{self, Forbidden, Notice, Permissive, Reciprocal, Restricted, Unencumbered};

/// Prefix of SPDX ids, or a whole id, and category. The longest match counts. An entry that ends in `-` matches all
/// versions, any other only itself and its `-only`, `-or-later` and `+` forms.
#[rustfmt::skip]
const TABLE: &[(&str, LicenceCategory)] = &[
    // Not for business, or for everything that a network can reach.
    ("AGPL-", Forbidden), ("CC-BY-NC-", Forbidden), ("BUSL-1.1", Forbidden), ("SSPL-1.0", Forbidden), ("Elastic-2.0", Forbidden),
    ("CPAL-1.0", Forbidden), ("EUPL-", Forbidden), ("WTFPL", Forbidden), ("JSON", Forbidden), ("Aladdin", Forbidden), ("RPSL-1.0", Forbidden),
    ("PolyForm-", Forbidden), ("Hippocratic-2.1", Forbidden), ("SISSL", Forbidden), ("Watcom-1.0", Forbidden), ("RPL-", Forbidden),
    ("NPOSL-3.0", Forbidden), ("Parity-", Forbidden),
    // Own source under the same licence.
    ("GPL-", Restricted), ("LGPL-", Restricted), ("GFDL-", Restricted), ("OSL-", Restricted), ("NPL-", Restricted), ("QPL-", Restricted),
    ("Sleepycat", Restricted), ("CC-BY-SA-", Restricted), ("CC-BY-ND-", Restricted), ("CECILL-1.0", Restricted), ("CECILL-1.1", Restricted),
    ("CECILL-2.0", Restricted), ("CECILL-2.1", Restricted), ("BitTorrent-", Restricted), ("copyleft-next-", Restricted), ("LGPLLR", Restricted),
    ("eCos-2.0", Restricted), ("wxWindows", Restricted), ("NGPL", Restricted), ("ODbL-1.0", Restricted), ("TAPR-OHL-1.0", Restricted),
    ("CERN-OHL-S-2.0", Restricted), ("MS-RL", Restricted), ("OCLC-2.0", Restricted), ("SimPL-2.0", Restricted), ("Nokia", Restricted),
    // Changes to the licensed files.
    ("MPL-", Reciprocal), ("EPL-", Reciprocal), ("CDDL-", Reciprocal), ("CPL-1.0", Reciprocal), ("APSL-", Reciprocal), ("IPL-1.0", Reciprocal),
    ("Ruby", Reciprocal), ("FreeImage", Reciprocal), ("CECILL-C", Reciprocal), ("SPL-1.0", Reciprocal), ("CERN-OHL-W-2.0", Reciprocal),
    ("Interbase-1.0", Reciprocal), ("ErlPL-1.1", Reciprocal), ("gSOAP-1.3b", Reciprocal), ("CUA-OPL-1.0", Reciprocal), ("Motosoto", Reciprocal),
    ("RSCPL", Reciprocal), ("SMPPL", Reciprocal), ("LPL-", Reciprocal), ("Artistic-2.0", Notice),
    // The text must be kept.
    ("AFL-", Notice), ("AMDPLPA", Notice), ("AML", Notice), ("AMPAS", Notice), ("Apache-", Notice), ("Artistic-", Notice), ("BSD-", Notice),
    ("BSL-1.0", Notice), ("BlueOak-1.0.0", Notice), ("Bitstream-Vera", Notice), ("Beerware", Notice), ("CC-BY-1.0", Notice), ("CC-BY-2.0", Notice),
    ("CC-BY-2.5", Notice), ("CC-BY-3.0", Notice), ("CC-BY-4.0", Notice), ("CECILL-B", Notice), ("ClArtistic", Notice), ("CNRI-", Notice), ("curl", Notice),
    ("Cube", Notice), ("ECL-", Notice), ("EFL-", Notice), ("Entessa", Notice), ("FTL", Notice), ("FSFAP", Notice), ("FSFUL", Notice), ("FSFULLR", Notice),
    ("FSFULLRWD", Notice), ("GD", Notice), ("HPND", Notice), ("HPND-", Notice), ("IBM-pibs", Notice), ("ICU", Notice), ("IJG", Notice), ("ISC", Notice), ("ISC-", Notice),
    ("ImageMagick", Notice), ("Info-ZIP", Notice), ("JasPer-2.0", Notice), ("LPPL-", Notice), ("Latex2e", Notice), ("Leptonica", Notice),
    ("Libpng", Notice), ("libpng-2.0", Notice), ("libtiff", Notice), ("Linux-OpenIB", Notice), ("MIT", Notice), ("MIT-", Notice), ("MITNFA", Notice), ("MS-PL", Notice),
    ("MirOS", Notice), ("Minpack", Notice), ("mpich2", Notice), ("MulanPSL-", Notice), ("NAIST-2003", Notice), ("NBPL-1.0", Notice), ("NCSA", Notice),
    ("NTP", Notice), ("NIST-Software", Notice), ("Net-SNMP", Notice), ("Noweb", Notice), ("OFL-", Notice), ("OGTSL", Notice), ("OLDAP-", Notice), ("OML", Notice),
    ("OpenSSL", Notice), ("OpenSSL-standalone", Notice), ("SSLeay-standalone", Notice), ("PHP-", Notice), ("Plexus", Notice), ("PSF-", Notice),
    ("PostgreSQL", Notice), ("Python-", Notice), ("Qhull", Notice), ("RSA-MD", Notice), ("SGI-B-", Notice), ("SMLNJ", Notice), ("SunPro", Notice),
    ("Spencer-", Notice), ("SWL", Notice), ("Sendmail", Notice), ("Sendmail-", Notice), ("TCL", Notice), ("TCP-wrappers", Notice), ("TORQUE-1.1", Notice), ("UPL-1.0", Notice),
    ("Unicode-", Notice), ("Unicode-TOU", Notice), ("Vim", Notice), ("VSL-1.0", Notice), ("W3C", Notice), ("W3C-", Notice), ("X11", Notice), ("X11-", Notice), ("Xerox", Notice),
    ("XFree86-", Notice), ("Xnet", Notice), ("YPL-", Notice), ("Zend-2.0", Notice), ("ZPL-", Notice), ("Zlib", Notice), ("zlib-acknowledgement", Notice), ("bzip2-", Notice),
    ("psutils", Notice), ("snprintf", Notice), ("TTWL", Notice), ("gnuplot", Notice), ("hdparm", Notice), ("Eurosym", Notice), ("XSkat", Notice),
    // Hardly anything.
    ("MIT-0", Permissive), ("BSD-Source-beginning-file", Permissive), ("SAX-PD", Permissive), ("Fair", Permissive), ("mplus", Permissive), ("diffmark", Permissive),
    ("FreeBSD-DOC", Permissive),     // Nothing.
    ("0BSD", Unencumbered), ("CC0-1.0", Unencumbered), ("Unlicense", Unencumbered), ("blessing", Unencumbered), ("PDDL-1.0", Unencumbered),
    ("CC-PDDC", Unencumbered), ("NIST-PD", Unencumbered), ("NIST-PD-fallback", Unencumbered), ("ANTLR-PD", Unencumbered), ("ANTLR-PD-fallback", Unencumbered),
    ("libselinux-1.0", Unencumbered), ("TU-Berlin-1.0", Unencumbered),
];

/// The category of an SPDX id.
pub fn category(id: &str) -> LicenceCategory {
    let whole = ["-only", "-or-later", "+"].iter().find_map(|form| id.strip_suffix(form)).unwrap_or(id);
    let matches = |name: &str| name == id || name == whole || (name.ends_with('-') && id.starts_with(name));
    let found = TABLE.iter().filter(|(name, _)| matches(name)).max_by_key(|(name, _)| name.len());
    found.map_or(LicenceCategory::Unknown, |(_, category)| *category)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_is_of_the_list_and_stands_once() {
        let ids: Vec<&str> = spdx::identifiers::LICENSES.iter().map(|licence| licence.name).collect();
        let mut seen = BTreeSet::new();
        for (name, _) in TABLE {
            assert!(seen.insert(name), "{name} stands there twice");
            let known = if name.ends_with('-') {
                ids.iter().any(|id| id.starts_with(name))
            } else {
                ids.contains(name)
            };
            assert!(known, "{name} is no SPDX id");
        }
    }

    #[test]
    fn the_longest_match_counts() {
        for (id, expected) in [
            ("MIT", Notice),
            ("MIT-0", Permissive),
            ("MIT-CMU", Notice),
            ("GPL-2.0-or-later", Restricted),
            ("GPL-2.0", Restricted),
            ("GPL-2.0-with-classpath-exception", Restricted),
            ("LGPL-2.1-only", Restricted),
            ("AGPL-3.0-only", Forbidden),
            ("CC-BY-4.0", Notice),
            ("CC-BY-SA-4.0", Restricted),
            ("CC-BY-NC-SA-4.0", Forbidden),
            ("MPL-2.0", Reciprocal),
            ("MPL-2.0-no-copyleft-exception", Reciprocal),
            ("Unlicense", Unencumbered),
            ("0BSD", Unencumbered),
            ("JSON", Forbidden),
            ("SISSL", Forbidden),
            ("Glide", LicenceCategory::Unknown),
            ("MITTENS", LicenceCategory::Unknown),
        ] {
            assert_eq!(category(id), expected, "{id}");
        }
    }
}
