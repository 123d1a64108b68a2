//! From a report to the document.

use std::collections::BTreeMap;

use model::{Inventory, Place, Report, Severity, purl};

use super::{
    SCHEMA_VERSION,
    shape::{
        Coverage, Distro, Document, EnrichmentUsed, Epss, Evidence, File, Finding, FindingPackage, Image,
        KnownExploited, Layer, LicenceFile, Package, Problem, Rating, Scanner, Secret, Source, Summary,
    },
};

/// Writes a report as indented JSON with a final newline.
pub fn write(report: &Report, scanner_version: &str) -> String {
    let document = document(report, scanner_version);
    // Plain strings, numbers and lists always serialize.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn document<'a>(report: &'a Report, scanner_version: &'a str) -> Document<'a> {
    let inventory = &report.inventory;
    let image = &report.image;
    Document {
        schema_version: SCHEMA_VERSION,
        scanner: Scanner { name: "lazaret".into(), version: scanner_version.into() },
        image: Image {
            reference: image.reference.as_str().into(),
            digest: image.digest.clone(),
            index_digest: image.index_digest.clone(),
            platform: image.platform.as_ref().map(ToString::to_string),
            created: image.created.as_deref().map(Into::into),
        },
        status: if report.is_partial() { "partial" } else { "complete" },
        types: report.types.iter().copied().collect(),
        looked_for: inventory.looked_for.iter().copied().collect(),
        summary: summary(report),
        distro: inventory.distro.as_ref().map(distro),
        layers: inventory.layers.iter().enumerate().map(layer).collect(),
        packages: inventory.packages.iter().enumerate().map(|(n, p)| package(n, p, inventory)).collect(),
        findings: report.findings.iter().filter_map(|f| finding(f, inventory)).collect(),
        secrets: inventory.secrets.iter().map(secret).collect(),
        licence_files: inventory.licence_files.iter().map(licence_file).collect(),
        files: inventory.files.iter().map(file).collect(),
        database: report.coverage.iter().map(coverage).collect(),
        enrichment: report.enrichment.iter().map(enrichment).collect(),
        problems: report.all_problems().map(problem).collect(),
    }
}

fn summary(report: &Report) -> Summary {
    let mut severities: BTreeMap<&'static str, usize> =
        Severity::DESCENDING.iter().map(|severity| (severity.as_str(), 0)).collect();
    for finding in &report.findings {
        *severities.entry(finding.severity.as_str()).or_default() += 1;
    }
    Summary {
        packages: report.inventory.packages.len(),
        findings: report.findings.len(),
        fixable: report.findings.iter().filter(|finding| !finding.fixed_versions.is_empty()).count(),
        severities,
    }
}

fn distro(distro: &model::Distro) -> Distro<'_> {
    Distro {
        id: distro.id.as_str().into(),
        version_id: distro.version_id.as_deref().map(Into::into),
        codename: distro.codename.as_deref().map(Into::into),
        pretty_name: distro.pretty_name.as_deref().map(Into::into),
        id_like: distro.id_like.as_slice().into(),
        path: distro.path.as_str().into(),
    }
}

fn layer((index, layer): (usize, &model::Layer)) -> Layer<'_> {
    Layer {
        index,
        digest: layer.digest.clone(),
        diff_id: layer.diff_id.clone(),
        size: layer.size,
        created_by: layer.created_by.as_deref().map(Into::into),
    }
}

fn package<'a>(index: usize, package: &'a model::Package, inventory: &Inventory) -> Package<'a> {
    Package {
        index,
        kind: package.kind,
        name: package.name.as_str().into(),
        version: package.version.as_str().into(),
        purl: purl::build(package, inventory.distro.as_ref()),
        epoch: package.epoch,
        arch: package.arch.as_deref().map(Into::into),
        source: package
            .source
            .as_ref()
            .map(|s| Source { name: s.name.as_str().into(), version: s.version.as_str().into() }),
        os: package.os.as_deref().map(Into::into),
        licences: package.licences.as_slice().into(),
        licence: package.licence.as_deref().map(Into::into),
        digest: package.digest.as_deref().map(Into::into),
        requires: package.requires.as_slice().into(),
        module: package.module.as_deref().map(Into::into),
        vendor: package.vendor.as_deref().map(Into::into),
        path: package.path.as_str().into(),
        layer: package.layer,
        owner: package.owner.as_deref().map(Into::into),
    }
}

fn finding<'a>(finding: &'a model::Finding, inventory: &'a Inventory) -> Option<Finding<'a>> {
    let package = inventory.packages.get(finding.package as usize)?;
    Some(Finding {
        id: finding.id.as_str().into(),
        aliases: finding.aliases.as_slice().into(),
        package: FindingPackage {
            index: finding.package,
            name: package.name.as_str().into(),
            version: package.version.as_str().into(),
            purl: purl::build(package, inventory.distro.as_ref()),
            path: package.path.as_str().into(),
        },
        severity: finding.severity,
        score: finding.score_tenths.map(|tenths| f64::from(tenths) / 10.0),
        vector: finding.vector.as_deref().map(Into::into),
        risk: model::risk::of(finding),
        ratings: finding.ratings.iter().map(rating).collect(),
        kev: finding.enrichment.kev.as_ref().map(|kev| KnownExploited {
            added: kev.added.as_str().into(),
            due: kev.due.as_deref().map(Into::into),
            ransomware: kev.ransomware,
        }),
        epss: finding.enrichment.epss.map(|epss| Epss { score: epss.score(), percentile: epss.percentile() }),
        state: finding.state,
        fixed_versions: finding.fixed_versions.as_slice().into(),
        layer: package.layer,
        title: finding.title.as_str().into(),
        reason: finding.evidence.first().map(model::finding::Evidence::reason).unwrap_or_default(),
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| Evidence {
                advisory: evidence.advisory.as_str().into(),
                shard: evidence.shard.as_str().into(),
                matched_name: evidence.matched_name.as_str().into(),
                matched_version: evidence.matched_version.as_str().into(),
                scheme: evidence.scheme.as_str().into(),
                range: evidence.range.as_str().into(),
            })
            .collect(),
    })
}

fn rating(rating: &model::SourceRating) -> Rating<'_> {
    Rating {
        source: rating.source.as_str().into(),
        shard: rating.shard.as_str().into(),
        severity: rating.severity,
        score: rating.score_tenths.map(|tenths| f64::from(tenths) / 10.0),
        vector: rating.vector.as_deref().map(Into::into),
        cvss: rating.cvss_version().map(str::to_owned),
    }
}

fn enrichment(used: &model::EnrichmentUsed) -> EnrichmentUsed<'_> {
    EnrichmentUsed {
        name: used.name.as_str().into(),
        source: used.source.as_str().into(),
        dated: used.dated.as_str().into(),
        built: used.built.as_str().into(),
        entries: used.entries,
        digest: used.digest.as_str().into(),
    }
}

fn secret(secret: &model::Secret) -> Secret<'_> {
    let (path, config) = match &secret.place {
        Place::File(path) => (Some(path.as_str().into()), None),
        Place::Config(part) => (None, Some(part.as_str().into())),
    };
    Secret {
        rule: secret.rule.as_str().into(),
        title: secret.title.as_str().into(),
        category: secret.category.as_str().into(),
        severity: secret.severity,
        path,
        config,
        start_line: secret.start_line,
        end_line: secret.end_line,
        excerpt: secret.excerpt.as_str().into(),
        layer: secret.layer,
        deleted: secret.deleted,
    }
}

fn licence_file(file: &model::LicenceFile) -> LicenceFile<'_> {
    LicenceFile {
        path: file.path.as_str().into(),
        licence: file.licence.as_str().into(),
        confidence: file.confidence,
        layer: file.layer,
    }
}

fn file(file: &model::FileFinding) -> File<'_> {
    File {
        path: file.path.as_str().into(),
        check: file.check.as_str().into(),
        severity: file.severity,
        message: file.message.as_str().into(),
        mode: file.mode.map(|mode| format!("{mode:04o}")),
        uid: file.uid,
        gid: file.gid,
        layer: file.layer,
    }
}

fn coverage(coverage: &model::report::Coverage) -> Coverage<'_> {
    Coverage {
        shard: coverage.shard.as_str().into(),
        state: coverage.state,
        packages: coverage.packages,
        digest: coverage.digest.as_deref().map(Into::into),
        advisories: coverage.advisories,
        built: coverage.built.as_deref().map(Into::into),
    }
}

fn problem(problem: &model::Problem) -> Problem<'_> {
    Problem {
        code: problem.code,
        message: problem.message.as_str().into(),
        path: problem.path.as_deref().map(Into::into),
        layer: problem.layer,
    }
}
