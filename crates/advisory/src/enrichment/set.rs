//! The enrichment that is at hand, and how it gets into a report.

use std::collections::BTreeMap;

use model::{Enrichment, EnrichmentUsed, Finding, Report, SourceRating, problem::explain};

use super::{EnrichmentFile, Entry, Kind};
use crate::database::Database;

/// Open enrichment files. Any of them may be missing: a report is then made without.
#[derive(Debug, Default)]
pub struct EnrichmentSet {
    files: BTreeMap<Kind, EnrichmentFile>,
    unusable: Vec<String>,
}

impl EnrichmentSet {
    /// Opens what is there. What cannot be used is left out: it must not fail a scan.
    pub fn open(database: &Database) -> Self {
        let mut set = Self::default();
        for kind in Kind::ALL {
            match database.enrichment(kind) {
                Ok(Some(file)) => set.insert(file),
                Ok(None) => {}
                Err(error) => set.unusable.push(explain(&error)),
            }
        }
        set
    }

    /// Why files that are there cannot be used, for the log.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// Adds an open file.
    pub fn insert(&mut self, file: EnrichmentFile) {
        self.files.insert(file.info().kind, file);
    }

    /// The file of that kind.
    pub fn get(&self, kind: Kind) -> Option<&EnrichmentFile> {
        self.files.get(&kind)
    }

    /// What is used of it, by name.
    pub fn used(&self) -> Vec<EnrichmentUsed> {
        let mut used: Vec<EnrichmentUsed> = self
            .files
            .values()
            .map(|file| {
                let info = file.info();
                EnrichmentUsed {
                    name: info.kind.to_string(),
                    source: info.source.clone(),
                    dated: info.dated.clone(),
                    built: info.built.clone(),
                    entries: info.entries,
                    digest: file.digest(),
                }
            })
            .collect();
        used.sort_by(|a, b| a.name.cmp(&b.name));
        used
    }

    /// What NVD, CISA or whoever assigned a CVE says of its severity, the one of choice first.
    pub fn ratings(&self, cve: &str) -> Vec<SourceRating> {
        match self.get(Kind::CveSeverity).and_then(|file| file.get(cve)) {
            Some(Entry::CveSeverity(ratings)) => ratings,
            _ => Vec::new(),
        }
    }

    /// What else is known of a CVE.
    pub fn of(&self, cve: &str) -> Enrichment {
        let kev = match self.get(Kind::Kev).and_then(|file| file.get(cve)) {
            Some(Entry::Kev(kev)) => Some(kev),
            _ => None,
        };
        Enrichment { kev, epss: self.get(Kind::Epss).and_then(|file| file.epss(cve)) }
    }

    /// Writes what is known beside every finding, and what was used into the report. The chosen severity stays what
    /// matching made it.
    pub fn enrich(&self, report: &mut Report) {
        for finding in &mut report.findings {
            self.enrich_finding(finding);
        }
        report.enrichment = self.used();
    }

    /// The same for one finding. Of several CVEs that it is known by, the worst counts.
    pub fn enrich_finding(&self, finding: &mut Finding) {
        if self.files.is_empty() {
            return;
        }
        let names = std::iter::once(&finding.id).chain(&finding.aliases);
        let mut known = Enrichment::default();
        let mut ratings = Vec::new();
        for cve in names.filter(|name| name.starts_with("CVE-")) {
            let found = self.of(cve);
            known.epss = known.epss.max(found.epss);
            known.kev = match (known.kev.take(), found.kev) {
                (Some(a), Some(b)) => Some(if b.ransomware { b } else { a }),
                (a, b) => a.or(b),
            };
            ratings.extend(self.ratings(cve));
        }
        finding.enrichment = known;
        for rating in ratings {
            if !finding.ratings.contains(&rating) {
                finding.ratings.push(rating);
            }
        }
    }
}
