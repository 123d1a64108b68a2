//! From a report to Trivy's document.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{ImageReference, PackageKind, Place, Report, ScanType, advisory::FixState, purl};

use super::{
    packages::{self, Group},
    severity, severity_number,
    shape::{
        CauseMetadata, Code, CodeLine, Cvss, Document, Identifier, ImageConfig, Layer, License, Metadata,
        MisconfSummary, Misconfiguration, Os, Package, ResultOut, RootFs, Secret, Vulnerability,
    },
};
use crate::{identity, link, moment};

/// Everything around one report that its parts refer to.
struct Context<'a> {
    report: &'a Report,
    artifact_id: String,
}

pub(super) fn document<'a>(report: &'a Report, scanner_version: &str) -> Document<'a> {
    let image = &report.image;
    let digest = image.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let artifact_id = format!("sha256:{}", identity::hash(&["artifact", &image.reference, &digest]));
    let created_at = moment::of(report);
    let id = ["report", &artifact_id, scanner_version, created_at.as_deref().unwrap_or_default()];
    let container = image.digest.is_some() || !report.inventory.layers.is_empty();
    let context = Context { report, artifact_id: artifact_id.clone() };
    Document {
        schema_version: 2,
        report_id: identity::uuid(&id),
        created_at,
        artifact_id,
        artifact_name: &image.reference,
        artifact_type: if container { "container_image" } else { "filesystem" },
        metadata: metadata(report),
        results: context.results(),
    }
}

fn metadata(report: &Report) -> Metadata<'_> {
    let layers = &report.inventory.layers;
    let diff_ids: Vec<String> =
        layers.iter().filter_map(|layer| layer.diff_id.as_ref()).map(ToString::to_string).collect();
    let os = report.inventory.distro.as_ref().map(packages::os);
    let reference = report.image.reference.parse::<ImageReference>().ok();
    let repository = reference.as_ref().map(|r| match r.registry.as_str() {
        model::reference::DEFAULT_REGISTRY => {
            r.repository.strip_prefix("library/").unwrap_or(&r.repository).to_owned()
        }
        registry => format!("{registry}/{}", r.repository),
    });
    let tag = reference.as_ref().filter(|r| r.tag.is_some() || r.digest.is_none());
    let tags = repository.iter().zip(tag).map(|(name, r)| format!("{name}:{}", r.tag_or_latest()));
    let digest = report.image.index_digest.as_ref().or(report.image.digest.as_ref());
    let digests = repository.iter().zip(digest).map(|(name, digest)| format!("{name}@{digest}"));
    let image_config = report.image.platform.as_ref().map(|platform| ImageConfig {
        architecture: &platform.architecture,
        created: report.image.created.as_deref(),
        os: &platform.os,
        rootfs: RootFs { kind: "layers", diff_ids: diff_ids.clone() },
        config: BTreeMap::new(),
        variant: platform.variant.as_deref(),
    });
    Metadata {
        os: os.map(|(family, name)| Os { family, name }),
        diff_ids,
        repo_tags: tags.collect(),
        repo_digests: digests.collect(),
        image_config,
        layers: (0..layers.len()).map(|index| layer(report, u32::try_from(index).ok())).collect(),
    }
}

fn layer(report: &Report, index: Option<u32>) -> Layer<'_> {
    let layer = index.and_then(|index| report.inventory.layers.get(index as usize));
    layer.map_or_else(Layer::default, |layer| Layer {
        digest: Some(layer.digest.to_string()),
        diff_id: layer.diff_id.as_ref().map(ToString::to_string),
        created_by: layer.created_by.as_deref(),
    })
}

/// Paths of images begin with a slash where Trivy names a file as a target.
fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

impl<'a> Context<'a> {
    /// Operating system packages, languages, files, secrets, licences: the order in which Trivy has them.
    fn results(&self) -> Vec<ResultOut<'a>> {
        let mut results = self.package_results();
        results.extend(self.file_results());
        results.extend(self.secret_results());
        results.extend(self.licence_results());
        results
    }

    fn package_results(&self) -> Vec<ResultOut<'a>> {
        let inventory = &self.report.inventory;
        let distro = inventory.distro.as_ref();
        let artifact = &self.report.image.reference;
        let groups: Vec<Group> =
            inventory.packages.iter().map(|package| packages::group(package, artifact, distro)).collect();
        let mut results: BTreeMap<&Group, ResultOut<'a>> = BTreeMap::new();
        let ids = self.ids();
        for (package, group) in inventory.packages.iter().zip(&groups) {
            let result = results.entry(group).or_insert_with(|| empty(group));
            result.packages.push(self.package(package, &ids));
        }
        for finding in &self.report.findings {
            let at = finding.package as usize;
            if let (Some(package), Some(group)) = (inventory.packages.get(at), groups.get(at))
                && let Some(result) = results.get_mut(group)
            {
                result.vulnerabilities.push(self.vulnerability(finding, package, &group.target));
            }
        }
        let mut results: Vec<ResultOut<'a>> = results.into_values().collect();
        for result in &mut results {
            result.packages.sort_by(|a, b| (a.name, &a.id, a.file_path).cmp(&(b.name, &b.id, b.file_path)));
            result.vulnerabilities.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        results
    }

    /// Packages by kind and name, for those that need them.
    fn ids(&self) -> HashMap<(PackageKind, &'a str), String> {
        let packages = self.report.inventory.packages.iter();
        packages.map(|p| ((p.kind, p.name.as_str()), identity::name_at_version(p))).collect()
    }

    fn identifier(&self, package: &model::Package) -> Identifier {
        let purl = purl::build(package, self.report.inventory.distro.as_ref());
        let hash = identity::hash(&["package", &purl, &package.path]);
        Identifier { purl, uid: hash.get(..16).unwrap_or_default().to_owned() }
    }

    fn package(
        &self,
        package: &'a model::Package,
        ids: &HashMap<(PackageKind, &'a str), String>,
    ) -> Package<'a> {
        let (epoch, version, release) = packages::split(package.kind, &package.version);
        let source = package.source.as_ref();
        let (src_epoch, src_version, src_release) =
            source.map_or((0, "", ""), |source| packages::split(package.kind, &source.version));
        let needs: BTreeSet<&String> =
            package.requires.iter().filter_map(|name| ids.get(&(package.kind, name.as_str()))).collect();
        Package {
            id: identity::name_at_version(package),
            name: &package.name,
            identifier: self.identifier(package),
            version,
            release,
            epoch,
            arch: package.arch.as_deref(),
            src_name: source.map_or("", |source| &source.name),
            src_version,
            src_release,
            src_epoch,
            licenses: licences(package),
            maintainer: package.vendor.as_deref(),
            modularity_label: package.module.as_deref(),
            depends_on: needs.into_iter().cloned().collect(),
            layer: layer(self.report, package.layer),
            file_path: if package.kind.is_os() { "" } else { &package.path },
            digest: package.digest.as_deref(),
        }
    }

    fn vulnerability(
        &self,
        finding: &'a model::Finding,
        package: &'a model::Package,
        target: &str,
    ) -> Vulnerability<'a> {
        let advisory = finding.evidence.first().map_or("", |evidence| evidence.advisory.as_str());
        let data_source = packages::source(advisory);
        let pkg_id = identity::name_at_version(package);
        let advisories = finding.evidence.iter().map(|evidence| &evidence.advisory);
        let vendor_ids: BTreeSet<&str> = advisories
            .chain(&finding.aliases)
            .map(String::as_str)
            .filter(|id| *id != finding.id && !id.starts_with("CVE-"))
            .collect();
        let source = data_source.map_or("", |source| source.id);
        let fingerprint = format!("{}:{target}:{pkg_id}:{}", self.artifact_id, finding.id);
        let rated = !source.is_empty() && finding.severity != model::Severity::Unknown;
        let cvss = finding.vector.as_deref().filter(|_| !source.is_empty());
        Vulnerability {
            vulnerability_id: &finding.id,
            vendor_ids: vendor_ids.into_iter().collect(),
            pkg_id,
            pkg_name: &package.name,
            pkg_path: if package.kind.is_os() { "" } else { &package.path },
            pkg_identifier: self.identifier(package),
            installed_version: &package.version,
            fixed_version: finding.fixed_versions.join(", "),
            status: status(finding),
            layer: layer(self.report, package.layer),
            severity_source: if rated { source } else { "" },
            primary_url: link::of(&finding.id),
            data_source,
            fingerprint: format!("sha256:{}", identity::sha256(&fingerprint)),
            title: &finding.title,
            severity: severity(finding.severity),
            vendor_severity: rated.then(|| (source, severity_number(finding.severity))).into_iter().collect(),
            cvss: cvss.map(|vector| (source, self::cvss(vector, finding.score_tenths))).into_iter().collect(),
            references: link::all(finding),
        }
    }

    fn file_results(&self) -> Vec<ResultOut<'a>> {
        let mut by_path: BTreeMap<&str, Vec<Misconfiguration<'a>>> = BTreeMap::new();
        for file in &self.report.inventory.files {
            by_path.entry(&file.path).or_default().push(Misconfiguration {
                r#type: "filesystem",
                id: &file.check,
                title: &file.check,
                description: &file.message,
                message: &file.message,
                severity: severity(file.severity),
                status: "FAIL",
                layer: layer(self.report, file.layer),
                cause_metadata: CauseMetadata { provider: "Filesystem", service: "general" },
            });
        }
        let target = |path: &str| {
            if path.is_empty() { self.report.image.reference.clone() } else { absolute(path) }
        };
        let results = by_path.into_iter().map(|(path, checks)| ResultOut {
            target: target(path),
            class: "config",
            r#type: "filesystem".into(),
            misconf_summary: Some(MisconfSummary { successes: 0, failures: checks.len() }),
            misconfigurations: checks,
            ..ResultOut::default()
        });
        results.collect()
    }

    fn secret_results(&self) -> Vec<ResultOut<'a>> {
        let mut by_target: BTreeMap<String, Vec<Secret<'a>>> = BTreeMap::new();
        for secret in &self.report.inventory.secrets {
            let target = match &secret.place {
                Place::File(path) => absolute(path),
                Place::Config(part) => format!("{} ({part})", self.report.image.reference),
            };
            let line = CodeLine {
                number: secret.start_line,
                content: &secret.excerpt,
                is_cause: true,
                annotation: "",
                truncated: false,
                highlighted: &secret.excerpt,
                first_cause: true,
                last_cause: true,
            };
            by_target.entry(target).or_default().push(Secret {
                rule_id: &secret.rule,
                category: &secret.category,
                severity: severity(secret.severity),
                title: &secret.title,
                start_line: secret.start_line,
                end_line: secret.end_line,
                code: Code { lines: vec![line] },
                matched: &secret.excerpt,
                layer: layer(self.report, secret.layer),
            });
        }
        let results = by_target.into_iter().map(|(target, secrets)| ResultOut {
            target,
            class: "secret",
            secrets,
            ..ResultOut::default()
        });
        results.collect()
    }

    /// Where licences were asked for: operating system packages, each language, and files of their own.
    fn licence_results(&self) -> Vec<ResultOut<'a>> {
        let mut results: BTreeMap<(u8, String), ResultOut<'a>> = BTreeMap::new();
        if !self.report.covers(ScanType::License) {
            return Vec::new();
        }
        let mut add = |key: (u8, String), class, licence| {
            let target = key.1.clone();
            let empty = || ResultOut { target, class, ..ResultOut::default() };
            results.entry(key).or_insert_with(empty).licenses.push(licence);
        };
        for package in &self.report.inventory.packages {
            let target = match package.kind.is_os() {
                true => (0, "OS Packages".to_owned()),
                false => (1, identity::kind_label(package.kind).to_owned()),
            };
            let path = if package.kind.is_os() { "" } else { package.path.as_str() };
            for name in licences(package) {
                add(target.clone(), "license", licence(&package.name, path, name, 1.0));
            }
        }
        for file in &self.report.inventory.licence_files {
            let confidence = f64::from(file.confidence) / 100.0;
            let licence = licence("", &file.path, &file.licence, confidence);
            add((2, "Loose File License(s)".to_owned()), "license-file", licence);
        }
        results.into_values().collect()
    }
}

fn empty<'a>(group: &Group) -> ResultOut<'a> {
    ResultOut {
        target: group.target.clone(),
        class: if group.language { "lang-pkgs" } else { "os-pkgs" },
        r#type: group.r#type.clone(),
        ..ResultOut::default()
    }
}

/// Trivy's order: package, version, the worst first.
fn order<'v>(vulnerability: &'v Vulnerability<'_>) -> impl Ord + use<'v> {
    let rank = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"];
    (
        vulnerability.pkg_name.to_owned(),
        vulnerability.pkg_id.clone(),
        rank.iter().position(|word| *word == vulnerability.severity),
        vulnerability.vulnerability_id.to_owned(),
        vulnerability.pkg_path.to_owned(),
    )
}

/// The expression where there is one, else what is recorded.
fn licences(package: &model::Package) -> Vec<&str> {
    match &package.licence {
        Some(expression) => vec![expression],
        None => package.licences.iter().map(String::as_str).collect(),
    }
}

/// How a licence is judged is not part of a report.
fn licence<'a>(pkg_name: &'a str, file_path: &'a str, name: &'a str, confidence: f64) -> License<'a> {
    License {
        severity: "UNKNOWN",
        category: "unknown",
        pkg_name,
        file_path,
        name,
        text: "",
        confidence,
        link: String::new(),
    }
}

const fn status(finding: &model::Finding) -> &'static str {
    if !finding.fixed_versions.is_empty() {
        return "fixed";
    }
    match finding.state {
        FixState::Unstated | FixState::Affected => "affected",
        FixState::Fixed => "fixed",
        FixState::WillNotFix => "will_not_fix",
        FixState::FixDeferred => "fix_deferred",
        FixState::EndOfLife => "end_of_life",
        FixState::UnderInvestigation => "under_investigation",
        FixState::NotAffected => "not_affected",
    }
}

fn cvss(vector: &str, score_tenths: Option<u8>) -> Cvss<'_> {
    let score = score_tenths.map(|tenths| f64::from(tenths) / 10.0);
    if vector.starts_with("CVSS:4") {
        Cvss { v4_vector: Some(vector), v4_score: score, ..Cvss::default() }
    } else if vector.starts_with("CVSS:3") {
        Cvss { v3_vector: Some(vector), v3_score: score, ..Cvss::default() }
    } else {
        Cvss { v2_vector: Some(vector), v2_score: score, ..Cvss::default() }
    }
}
