//! "Scan this image": open it, read its inventory, get the advisories it needs, match, report.

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use advisory::{
    database::Database,
    matcher::ShardSet,
    need::{Needs, needs},
};
use analyze::{Analyzer, secret::SecretAnalyzer};
use formats::sbom::{self, SbomError};
use model::{Inventory, Limits, Problem, Report, ScanType, report::ImageFacts};
use oci::{LayerStore as _, OciError, OpenOptions, Opened};
use scan::{AcquireError, EngineConfig, LayerCache, Progress, directory::DirectoryError};

/// What to scan and how.
pub struct ScanRequest<'a> {
    /// The image as a user names it.
    pub image: &'a str,
    /// What to look for.
    pub types: &'a BTreeSet<ScanType>,
    /// Rules for secrets in place of the bundled ones.
    pub secrets: Option<&'a SecretAnalyzer>,
    /// How to reach it.
    pub open: &'a OpenOptions,
    /// Bounds of the scan.
    pub limits: &'a Limits,
    /// Where layers are remembered.
    pub cache: Option<&'a LayerCache>,
    /// Layers read at once.
    pub threads: usize,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// Why an image could not be scanned at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The image could not be opened.
    #[error(transparent)]
    Open(#[from] OciError),
    /// A layer could not be read.
    #[error(transparent)]
    Layer(#[from] AcquireError),
    /// A directory could not be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A bill of materials could not be read.
    #[error("failed to read {file}")]
    SbomFile {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A bill of materials is none.
    #[error("failed to understand {file}")]
    Sbom {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: SbomError,
    },
}

impl ScanError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(error) | Self::Directory(DirectoryError::Read(error)) => error.code(),
            Self::Layer(AcquireError::Layer { source, .. }) => source.code(),
            Self::Layer(AcquireError::Io { .. }) => "layer-unreadable",
            Self::Layer(AcquireError::OutOfTime(_)) | Self::Directory(DirectoryError::OutOfTime(_)) => {
                "timeout"
            }
            Self::SbomFile { .. } => "path-unreadable",
            Self::Sbom { .. } => "sbom-unusable",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(error) | Self::Directory(DirectoryError::Read(error)) => error.hint(),
            Self::Layer(AcquireError::Layer { source, .. }) => source.hint(),
            Self::Layer(AcquireError::Io { .. }) => {
                "Try again; if it stays, check the disk or the network behind the image."
            }
            Self::Layer(AcquireError::OutOfTime(_)) | Self::Directory(DirectoryError::OutOfTime(_)) => {
                "The image is very large or comes very slowly; try again, or from nearer to the registry."
            }
            Self::SbomFile { .. } => "Check the path and its permissions; sbom:- reads standard input.",
            Self::Sbom { .. } => "Name a file in CycloneDX JSON, SPDX JSON or Syft JSON.",
        }
    }
}

/// What stands at the top of root file systems, and of hardly any project.
const TOP: [&str; 6] = ["etc", "usr", "var", "dev", "proc", "lib"];

/// Whether a directory is a root file system. Else it is a project, whose lock files say what it will install.
fn is_root(directory: &std::path::Path) -> bool {
    TOP.iter().filter(|name| directory.join(name).is_dir()).count() >= 2
}

/// Scans an image. `provide` is told which shards the image needs before they are opened, may fetch what is
/// missing, and returns what went wrong with that: a scan never fails because advisories could not be had.
pub fn scan_image(
    request: &ScanRequest<'_>,
    database: &Database,
    provide: &mut dyn FnMut(&Needs) -> Vec<Problem>,
) -> Result<Report, ScanError> {
    let (facts, inventory) = match request.image.strip_prefix("sbom:") {
        Some(file) => read_sbom(file, request.image)?,
        None => read_image(request)?,
    };
    if !request.types.contains(&ScanType::Vulnerability) {
        return Ok(scan::report::build_unmatched(facts, inventory));
    }
    let needs = needs(&inventory);
    let problems = provide(&needs);
    let shards = ShardSet::open(database, &needs);
    for why in shards.enrichment().unusable() {
        tracing::warn!(reason = %why, "enrichment is left out");
    }
    Ok(scan::report::build(facts, inventory, &shards, problems))
}

/// Reads what an image contains.
fn read_image(request: &ScanRequest<'_>) -> Result<(ImageFacts, Inventory), ScanError> {
    let opened = oci::open(request.image, request.open)?;
    let mut analyzers: Vec<&dyn Analyzer> = analyze::chosen(request.types);
    if let Some(own) = request.secrets.filter(|_| request.types.contains(&ScanType::Secret)) {
        analyzers.retain(|analyzer| analyzer.scan_type() != ScanType::Secret);
        analyzers.push(own);
    }
    if let Opened::Directory(directory) = &opened
        && !is_root(directory.path())
    {
        analyzers.extend(analyze::lock::LOCKS);
    }
    let config = EngineConfig {
        analyzers: &analyzers,
        limits: request.limits,
        cache: request.cache,
        threads: request.threads,
        progress: request.progress,
    };
    match opened {
        Opened::Image(image) => {
            tracing::info!(image.reference = request.image, layers = image.layers().len(), "image opened");
            Ok((image.facts(), scan::build_inventory(&*image, &config)?))
        }
        Opened::Directory(directory) => {
            let facts = ImageFacts {
                reference: request.image.to_owned(),
                digest: None,
                index_digest: None,
                platform: None,
                created: None,
            };
            Ok((facts, scan::directory::build_inventory(&directory, &config)?))
        }
    }
}

/// Loads a bill of materials in place of an image; `-` is standard input. It says nothing of secrets, licence files
/// or the file system.
fn read_sbom(file: &str, reference: &str) -> Result<(ImageFacts, Inventory), ScanError> {
    let failed = |source| ScanError::SbomFile { file: file.to_owned(), source };
    let reader: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        path => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    reader.take(sbom::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let read = sbom::parse(&bytes).map_err(|source| ScanError::Sbom { file: file.to_owned(), source })?;
    Ok((ImageFacts { reference: reference.to_owned(), ..read.image }, read.inventory))
}
