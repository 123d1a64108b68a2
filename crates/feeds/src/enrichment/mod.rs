//! Enrichment: what is published of CVEs beside advisories. One file a source, each from bytes to entries.
//!
//! A source is told by how its file begins, so that files can be given under any name. Everything streams or is bounded
//! before it is read; what has the wrong form is counted and described, never guessed at.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    path::Path,
};

use advisory::{
    enrichment::{EnrichmentWriter, Kind, WrittenEnrichment},
    shard::WriteError,
};
use egress::Url;

mod epss;
mod kev;
mod severity;

use crate::read::ReadError;

/// Where CISA publishes its catalogue (cisa.gov/known-exploited-vulnerabilities-catalog).
const KEV_URL: &str = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";
/// Where FIRST's scores of today are (first.org/epss/data_stats).
const EPSS_URL: &str = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz";
/// How much of a file is looked at to tell what it is.
const SNIFFED: usize = 4096;

/// Where a kind of enrichment is fetched from; `None` for one that is only built from files.
pub fn enrichment_url(kind: Kind) -> Option<Url> {
    match kind {
        Kind::Kev => Url::parse(KEV_URL).ok(),
        Kind::Epss => Url::parse(EPSS_URL).ok(),
        Kind::CveSeverity => None,
    }
}

/// What a file holds, by how it begins; `None` when it is no enrichment.
pub(crate) fn sniff(start: &[u8]) -> Option<Kind> {
    let start = start.get(..SNIFFED).unwrap_or(start);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if epss::is_epss(start) {
        return Some(Kind::Epss);
    }
    let has = |text: &str| memchr::memmem::find(start, text.as_bytes()).is_some();
    if !start.starts_with(b"{") {
        None
    } else if has("\"catalogVersion\"") {
        Some(Kind::Kev)
    } else {
        severity::is_severity(&has).then_some(Kind::CveSeverity)
    }
}

/// Takes what could not be read: the line it stands in (0 = none), and why.
pub(crate) type Bad<'b> = dyn FnMut(u64, String) + 'b;

/// Gathers enrichment of all kinds while sources are read.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    writers: BTreeMap<Kind, EnrichmentWriter>,
}

impl Gathered {
    /// Reads one file of a kind. Answers how many entries it gave.
    pub(crate) fn read(
        &mut self,
        kind: Kind,
        reader: &mut dyn BufRead,
        bad: &mut Bad<'_>,
    ) -> io::Result<u64> {
        let writer = self.writers.entry(kind).or_insert_with(|| EnrichmentWriter::new(kind));
        match kind {
            Kind::Kev => kev::read(reader, writer, bad),
            Kind::Epss => epss::read(reader, writer, bad),
            Kind::CveSeverity => severity::read(reader, writer, bad),
        }
    }

    /// Writes a file for each kind that has entries.
    pub(crate) fn finish(
        self,
        dir: &Path,
        source: &str,
        built: &str,
    ) -> Result<Vec<WrittenEnrichment>, WriteError> {
        let full = self.writers.into_values().filter(|writer| !writer.is_empty());
        full.map(|writer| writer.finish(dir, source, built)).collect()
    }
}

/// What [`parse_enrichment`] read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedEnrichment {
    /// Entries taken.
    pub entries: u64,
    /// Parts that have the wrong form.
    pub bad: u64,
}

/// Reads the bytes of one unpacked file and forgets what they say: for fuzzers and measurements.
pub fn parse_enrichment(kind: Kind, bytes: &[u8]) -> ParsedEnrichment {
    let mut parsed = ParsedEnrichment::default();
    let mut reader = bytes;
    let entries = Gathered::default().read(kind, &mut reader, &mut |_, _| parsed.bad += 1);
    // Reading from memory cannot fail.
    parsed.entries = entries.unwrap_or_default();
    parsed
}

/// Why a whole document could not be taken.
fn too_large() -> String {
    ReadError::TooLarge.to_string()
}
