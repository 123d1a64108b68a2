//! From the document back to a report. The document may come from anywhere, so nothing of it is believed.

use std::borrow::Cow;

use model::{
    Inventory, Place, Platform, Report, finding::Evidence, package::SourcePackage, report::ImageFacts,
};
use serde::Deserialize;

use super::{
    SCHEMA_VERSION,
    shape::{Document, Epss, File, Finding, Image, Package, Secret},
};

/// Largest document that is read, in bytes. A report of 10,000 packages with 40,000 findings takes 60 MB; what is
/// made of a document takes at most about eight times its bytes.
pub const MAX_BYTES: usize = 256 << 20;

/// Most characters of a text of the document that an error repeats.
const QUOTED: usize = 200;

/// What a document holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The report. All problems are among those of the inventory.
    pub report: Report,
    /// Version of the scanner that made it.
    pub scanner_version: String,
}

/// Why a document is no report.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// More than [`MAX_BYTES`].
    #[error("the report is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// JSON, or not even that, but not what `--format json` writes.
    #[error("this is no JSON report of lazaret (line {line}, column {column}: {reason})")]
    NotAReport {
        /// From 1; 0 where the document as a whole is meant.
        line: usize,
        /// From 1; 0 where the document as a whole is meant.
        column: usize,
        /// What is wrong there, shortened.
        reason: String,
    },
    /// A newer one.
    #[error("the report has schema_version {found}; this version of lazaret reads {SCHEMA_VERSION}")]
    Version {
        /// The version that it names.
        found: u64,
    },
    /// A value that no report has.
    #[error("{what} {number} of the report: {reason}")]
    Value {
        /// The list: `finding`, `secret` ...
        what: &'static str,
        /// Index in it, from 0.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads what [`super::write()`] wrote: writing the result again gives the same bytes. Fields that are not known are
/// passed over; what follows from the rest (summary, purls, reasons) is not read but made anew.
///
/// # Errors
/// When the bytes are not such a document, whole, of a version that is known.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    if bytes.len() > MAX_BYTES {
        return Err(ParseError::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Before the whole: a document of something else, or of the future, is told as that.
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(|error| not_a_report(&error))?;
    let named = head.scanner.as_ref().and_then(|scanner| scanner.name.as_deref());
    let (Some(found), Some("lazaret")) = (head.schema_version, named) else {
        let reason = "it names neither lazaret as its scanner nor a schema_version".to_owned();
        return Err(ParseError::NotAReport { line: 0, column: 0, reason });
    };
    if found != u64::from(SCHEMA_VERSION) {
        return Err(ParseError::Version { found });
    }
    let document = serde_json::from_slice(bytes).map_err(|error| not_a_report(&error))?;
    report(document)
}

#[derive(Deserialize)]
#[serde(expecting = "a report")]
struct Head<'a> {
    schema_version: Option<u64>,
    #[serde(borrow)]
    scanner: Option<HeadScanner<'a>>,
}

#[derive(Deserialize)]
struct HeadScanner<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

fn not_a_report(error: &serde_json::Error) -> ParseError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    ParseError::NotAReport { line, column, reason: text.chars().take(QUOTED).collect() }
}

fn report(document: Document<'_>) -> Result<Parsed, ParseError> {
    let packages = document.packages.into_iter().map(package).collect::<Vec<_>>();
    let findings = document.findings.into_iter().enumerate();
    let findings = findings.map(|(n, finding)| self::finding(n, finding, packages.len()));
    let findings = findings.collect::<Result<_, _>>()?;
    let secrets = document.secrets.into_iter().enumerate().map(|(n, secret)| self::secret(n, secret));
    let files = document.files.into_iter().enumerate().map(|(n, file)| self::file(n, file));
    let inventory = Inventory {
        distro: document.distro.map(|distro| model::Distro {
            id: distro.id.into_owned(),
            version_id: owned(distro.version_id),
            codename: owned(distro.codename),
            pretty_name: owned(distro.pretty_name),
            id_like: distro.id_like.into_owned(),
            path: distro.path.into_owned(),
        }),
        layers: document
            .layers
            .into_iter()
            .map(|layer| model::Layer {
                digest: layer.digest,
                diff_id: layer.diff_id,
                size: layer.size,
                created_by: owned(layer.created_by),
            })
            .collect(),
        packages,
        looked_for: document.looked_for.into_iter().collect(),
        secrets: secrets.collect::<Result<_, _>>()?,
        licence_files: document
            .licence_files
            .into_iter()
            .map(|file| model::LicenceFile {
                path: file.path.into_owned(),
                licence: file.licence.into_owned(),
                confidence: file.confidence,
                layer: file.layer,
            })
            .collect(),
        files: files.collect::<Result<_, _>>()?,
        problems: document
            .problems
            .into_iter()
            .map(|problem| model::Problem {
                code: problem.code,
                message: problem.message.into_owned(),
                path: owned(problem.path),
                layer: problem.layer,
            })
            .collect(),
    };
    let coverage = document.database.into_iter().map(|coverage| model::report::Coverage {
        shard: coverage.shard.into_owned(),
        packages: coverage.packages,
        state: coverage.state,
        digest: owned(coverage.digest),
        advisories: coverage.advisories,
        built: owned(coverage.built),
    });
    let report = Report {
        image: image(document.image)?,
        types: document.types.into_iter().collect(),
        inventory,
        findings,
        coverage: coverage.collect(),
        enrichment: document
            .enrichment
            .into_iter()
            .map(|used| model::EnrichmentUsed {
                name: used.name.into_owned(),
                source: used.source.into_owned(),
                dated: used.dated.into_owned(),
                built: used.built.into_owned(),
                entries: used.entries,
                digest: used.digest.into_owned(),
            })
            .collect(),
        problems: Vec::new(),
    };
    Ok(Parsed { report, scanner_version: document.scanner.version.into_owned() })
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}

fn image(image: Image<'_>) -> Result<ImageFacts, ParseError> {
    let platform = image.platform.map(|text| platform(&text).ok_or(text)).transpose();
    let platform = platform.map_err(|text| ParseError::Value {
        what: "image",
        number: 0,
        reason: format!(
            "{:?} is no platform of the form os/architecture",
            text.chars().take(QUOTED).collect::<String>()
        ),
    })?;
    Ok(ImageFacts {
        reference: image.reference.into_owned(),
        digest: image.digest,
        index_digest: image.index_digest,
        platform,
        created: owned(image.created),
    })
}

/// As the configuration of the image names it, which nobody checked and nothing is changed of.
fn platform(text: &str) -> Option<Platform> {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    Some(Platform { os: parts.next()?, architecture: parts.next()?, variant: parts.next() })
}

fn package(package: Package<'_>) -> model::Package {
    model::Package {
        kind: package.kind,
        name: package.name.into_owned(),
        version: package.version.into_owned(),
        epoch: package.epoch,
        arch: owned(package.arch),
        source: package.source.map(|source| SourcePackage {
            name: source.name.into_owned(),
            version: source.version.into_owned(),
        }),
        os: owned(package.os),
        licences: package.licences.into_owned(),
        licence: owned(package.licence),
        digest: owned(package.digest),
        requires: package.requires.into_owned(),
        module: owned(package.module),
        vendor: owned(package.vendor),
        path: package.path.into_owned(),
        layer: package.layer,
        owner: owned(package.owner),
    }
}

fn finding(number: usize, finding: Finding<'_>, packages: usize) -> Result<model::Finding, ParseError> {
    let wrong = |reason| ParseError::Value { what: "finding", number, reason };
    let package = finding.package.index;
    if package as usize >= packages {
        return Err(wrong(format!("it names package {package}, and there are {packages}")));
    }
    let score = |score: Option<f64>| {
        score.map(|score| tenths(score).ok_or_else(|| score_error(number, score))).transpose()
    };
    let mut ratings = Vec::new();
    for rating in finding.ratings {
        ratings.push(model::SourceRating {
            source: rating.source.into_owned(),
            shard: rating.shard.into_owned(),
            severity: rating.severity,
            score_tenths: score(rating.score)?,
            vector: owned(rating.vector),
        });
    }
    let epss = finding.epss.map(|Epss { score, percentile }| {
        let millionths = |share| {
            millionths(share).ok_or_else(|| wrong(format!("its EPSS value {share} is not between 0 and 1")))
        };
        let (score_millionths, percentile_millionths) = (millionths(score)?, millionths(percentile)?);
        Ok(model::Epss { score_millionths, percentile_millionths })
    });
    let kev = finding.kev.map(|kev| model::KnownExploited {
        added: kev.added.into_owned(),
        due: owned(kev.due),
        ransomware: kev.ransomware,
    });
    Ok(model::Finding {
        ratings,
        enrichment: model::Enrichment { kev, epss: epss.transpose()? },
        id: finding.id.into_owned(),
        aliases: finding.aliases.into_owned(),
        package,
        severity: finding.severity,
        score_tenths: score(finding.score)?,
        vector: owned(finding.vector),
        state: finding.state,
        fixed_versions: finding.fixed_versions.into_owned(),
        title: finding.title.into_owned(),
        evidence: finding
            .evidence
            .into_iter()
            .map(|evidence| Evidence {
                advisory: evidence.advisory.into_owned(),
                shard: evidence.shard.into_owned(),
                matched_name: evidence.matched_name.into_owned(),
                matched_version: evidence.matched_version.into_owned(),
                scheme: evidence.scheme.into_owned(),
                range: evidence.range.into_owned(),
            })
            .collect(),
    })
}

fn score_error(number: usize, score: f64) -> ParseError {
    let reason = format!("its score {score} is not between 0 and 10");
    ParseError::Value { what: "finding", number, reason }
}

/// 9.8 is 98.
fn tenths(score: f64) -> Option<u8> {
    let tenths = (score * 10.0).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..=100.0).contains(&tenths).then_some(tenths as u8)
}

/// 0.25 is 250,000.
fn millionths(share: f64) -> Option<u32> {
    let millionths = (share * f64::from(model::Epss::WHOLE)).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..=f64::from(model::Epss::WHOLE)).contains(&millionths).then_some(millionths as u32)
}

fn secret(number: usize, secret: Secret<'_>) -> Result<model::Secret, ParseError> {
    let place = match (secret.path, secret.config) {
        (Some(path), None) => Place::File(path.into_owned()),
        (None, Some(part)) => Place::Config(part.into_owned()),
        _ => {
            let reason = "it stands neither in a file nor in the configuration, or in both".to_owned();
            return Err(ParseError::Value { what: "secret", number, reason });
        }
    };
    Ok(model::Secret {
        place,
        start_line: secret.start_line,
        end_line: secret.end_line,
        rule: secret.rule.into_owned(),
        title: secret.title.into_owned(),
        category: secret.category.into_owned(),
        severity: secret.severity,
        excerpt: secret.excerpt.into_owned(),
        layer: secret.layer,
        deleted: secret.deleted,
    })
}

fn file(number: usize, file: File<'_>) -> Result<model::FileFinding, ParseError> {
    let octal = |text: String| {
        u32::from_str_radix(&text, 8).map_err(|_| ParseError::Value {
            what: "file",
            number,
            reason: format!("its mode {:?} is not octal", text.chars().take(QUOTED).collect::<String>()),
        })
    };
    Ok(model::FileFinding {
        path: file.path.into_owned(),
        check: file.check.into_owned(),
        severity: file.severity,
        message: file.message.into_owned(),
        mode: file.mode.map(octal).transpose()?,
        uid: file.uid,
        gid: file.gid,
        layer: file.layer,
    })
}
