//! SPDX 2.3 as JSON (<https://spdx.github.io/spdx-spec/v2.3/>, ISO/IEC 5962 in its newer edition): what is in an image.
//!
//! The document depends on nothing but the report: its namespace is a hash of its content, and its time is the one
//! that the image claims, or the epoch where there is none, because the standard asks for one. What the standard has
//! no field for is an annotation of the package. [`crate::sbom`] reads it back.

use std::collections::{BTreeMap, BTreeSet};

use model::{Package, Report, purl};
use serde::Serialize;

use crate::{
    Format, identity, link,
    sbom::{Options, annotation, image, property, relation, time},
};

mod licence;

use self::licence::Licences;

/// Stands for what is not known.
const NO_ASSERTION: &str = "NOASSERTION";
/// The time of a document about an image that does not say when it was made.
const EPOCH: &str = "1970-01-01T00:00:00Z";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const SYSTEM: &str = "SPDXRef-OperatingSystem";

/// The format, with findings where there are any.
pub const FORMAT: Format = Format {
    name: "spdx",
    title: "SPDX 2.3 as JSON: a bill of materials",
    media_type: "application/spdx+json",
    extension: "spdx.json",
    write: |report, scanner_version| write(report, scanner_version, Options::default()),
};

/// Writes a report as indented JSON with a final newline.
pub fn write(report: &Report, scanner_version: &str, options: Options) -> String {
    let mut document = document(report, scanner_version, options);
    // Plain strings, numbers and lists always serialize.
    let content = serde_json::to_string(&document).unwrap_or_default();
    document.document_namespace = format!("urn:uuid:{}", identity::uuid(&[&content]));
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Whether a text is a valid expression of licences on the SPDX list or of a document's own.
pub(crate) fn is_expression(text: &str) -> bool {
    licence::references(text).is_some()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<PackageOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<licence::Extracted>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageOut {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    license_concluded: String,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    primary_package_purpose: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    annotation_date: String,
    annotation_type: &'static str,
    annotator: &'static str,
    comment: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    related_spdx_element: String,
    relationship_type: &'static str,
}

/// What a package has before it is known what to say of it.
fn package(id: String, name: &str, purpose: &'static str) -> PackageOut {
    PackageOut {
        id,
        name: name.to_owned(),
        version_info: None,
        supplier: None,
        download_location: NO_ASSERTION,
        files_analyzed: false,
        checksums: Vec::new(),
        license_concluded: NO_ASSERTION.to_owned(),
        license_declared: NO_ASSERTION.to_owned(),
        copyright_text: NO_ASSERTION,
        external_refs: Vec::new(),
        primary_package_purpose: purpose,
        annotations: Vec::new(),
    }
}

fn document(report: &Report, scanner_version: &str, options: Options) -> Document {
    let inventory = &report.inventory;
    let created = report.image.created.as_deref().and_then(time::utc).unwrap_or_else(|| EPOCH.to_owned());
    let annotation = |properties: Vec<property::Property>| -> Vec<Annotation> {
        let comments = annotation::write(&properties).into_iter();
        comments
            .map(|comment| Annotation {
                annotation_date: created.clone(),
                annotation_type: "OTHER",
                annotator: "Tool: lazaret",
                comment,
            })
            .collect()
    };
    let relation = |of: &str, kind, to: &str| Relationship {
        spdx_element_id: of.to_owned(),
        related_spdx_element: to.to_owned(),
        relationship_type: kind,
    };

    let mut relationships = vec![relation(DOCUMENT, "DESCRIBES", IMAGE)];
    let mut packages = vec![image_package(report)];
    if let [image, ..] = &mut packages[..] {
        image.annotations = annotation(image::properties(report));
    }
    if let Some(distro) = &inventory.distro {
        let mut system = package(SYSTEM.to_owned(), &distro.id, "OPERATING-SYSTEM");
        system.version_info.clone_from(&distro.version_id);
        system.annotations = annotation(property::of_distro(distro));
        packages.push(system);
        relationships.push(relation(IMAGE, "CONTAINS", SYSTEM));
    }

    let mut licences = Licences::default();
    let links = if options.vulnerabilities { links(report) } else { BTreeMap::new() };
    let ids: Vec<String> =
        inventory.packages.iter().enumerate().map(|(at, p)| id_of("Package", at, p)).collect();
    for (at, (item, id)) in inventory.packages.iter().zip(&ids).enumerate() {
        let purl = purl::build(item, inventory.distro.as_ref());
        let mut out = installed(item, id, &purl, &mut licences);
        let digest = item
            .layer
            .and_then(|layer| inventory.layers.get(usize::try_from(layer).ok()?))
            .map(|layer| layer.digest.to_string());
        let properties = property::of_package(item, &purl, digest, !out.checksums.is_empty());
        out.annotations = annotation(properties);
        out.external_refs.extend(links.get(&at).into_iter().flatten().map(|link| ExternalRef {
            reference_category: "SECURITY",
            reference_type: "advisory",
            reference_locator: link.clone(),
        }));
        packages.push(out);
        relationships.push(relation(IMAGE, "CONTAINS", id));
    }
    for (id, needed) in ids.iter().zip(relation::resolve(&inventory.packages)) {
        let needed = needed.into_iter().filter_map(|at| ids.get(at));
        relationships.extend(needed.map(|other| relation(id, "DEPENDS_ON", other)));
    }
    add_sources(&inventory.packages, &ids, &mut packages, |of, to| {
        relationships.push(relation(of, "GENERATED_FROM", to));
    });

    let name = if report.image.reference.is_empty() { "image" } else { &report.image.reference };
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: name.to_owned(),
        document_namespace: String::new(),
        creation_info: CreationInfo {
            created,
            creators: vec![format!("Tool: lazaret-{}", line(scanner_version))],
        },
        packages,
        has_extracted_licensing_infos: licences.into_extracted(),
        relationships,
    }
}

fn image_package(report: &Report) -> PackageOut {
    let facts = &report.image;
    let reference = image::reference(facts);
    let name = reference
        .as_ref()
        .map_or_else(|| facts.reference.clone(), |r| format!("{}/{}", r.registry, r.repository));
    let mut out = package(IMAGE.to_owned(), &name, "CONTAINER");
    out.version_info = facts
        .digest
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| reference.as_ref().and_then(|reference| reference.tag.clone()));
    out.checksums = facts.digest.iter().filter_map(|digest| checksum(&digest.to_string())).collect();
    out.external_refs = image::purl(facts).map(purl_ref).into_iter().collect();
    out
}

fn installed(item: &Package, id: &str, purl: &str, licences: &mut Licences) -> PackageOut {
    let purpose = if property::is_application(item.kind) { "APPLICATION" } else { "LIBRARY" };
    let mut out = package(id.to_owned(), &item.name, purpose);
    out.version_info = (!item.version.is_empty()).then(|| item.version.clone());
    out.supplier = item.vendor.as_deref().and_then(supplier);
    out.checksums = item.digest.as_deref().and_then(checksum).into_iter().collect();
    out.license_concluded = licences.understood(item).unwrap_or_else(|| NO_ASSERTION.to_owned());
    out.license_declared = licences.declared(item).unwrap_or_else(|| NO_ASSERTION.to_owned());
    // A package without a name has a purl without one, which is none.
    if !purl.ends_with('/') {
        out.external_refs.push(purl_ref(purl.to_owned()));
    }
    out
}

fn purl_ref(purl: String) -> ExternalRef {
    ExternalRef { reference_category: "PACKAGE-MANAGER", reference_type: "purl", reference_locator: purl }
}

/// The sources that packages were built from, each once.
fn add_sources<'p>(
    items: &'p [Package],
    ids: &[String],
    packages: &mut Vec<PackageOut>,
    mut relate: impl FnMut(&str, &str),
) {
    let mut known: BTreeMap<(model::PackageKind, &'p str, &'p str), String> = BTreeMap::new();
    for (item, id) in items.iter().zip(ids) {
        let Some(source) = item.source.as_ref().filter(|source| !source.name.is_empty()) else { continue };
        let n = known.len();
        let key = (item.kind, source.name.as_str(), source.version.as_str());
        let source_id = known.entry(key).or_insert_with(|| {
            let named = Package::new(item.kind, source.name.clone(), source.version.clone());
            let mut out = package(id_of("Source", n, &named), &source.name, "SOURCE");
            out.version_info = (!source.version.is_empty()).then(|| source.version.clone());
            let source_id = out.id.clone();
            packages.push(out);
            source_id
        });
        relate(id, source_id);
    }
}

/// For every package with findings, the pages that tell of them.
fn links(report: &Report) -> BTreeMap<usize, BTreeSet<String>> {
    let mut links: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for finding in &report.findings {
        let Ok(at) = usize::try_from(finding.package) else { continue };
        links.entry(at).or_default().extend(link::of(&finding.id));
    }
    links
}

/// Letters, digits, dots and dashes (clause 7.2); the number makes it unique.
fn id_of(what: &str, at: usize, package: &Package) -> String {
    let name: String = package
        .name
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    format!("SPDXRef-{what}-{}-{name}-{at}", package.kind.as_str())
}

fn checksum(text: &str) -> Option<Checksum> {
    let (algorithm, value) = text.split_once(':')?;
    let (algorithm, len) = match algorithm {
        "md5" => ("MD5", 32),
        "sha1" => ("SHA1", 40),
        "sha256" => ("SHA256", 64),
        "sha384" => ("SHA384", 96),
        "sha512" => ("SHA512", 128),
        _ => return None,
    };
    let valid = value.len() == len && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    valid.then(|| Checksum { algorithm, checksum_value: value.to_owned() })
}

/// `Organization: NAME (MAIL)` (clause 7.5) of `NAME <MAIL>`; parentheses within would be taken for the mail.
fn supplier(vendor: &str) -> Option<String> {
    let vendor = line(vendor);
    let (name, mail) = match vendor.split_once('<') {
        Some((name, rest)) => (name, rest.split('>').next()),
        None => (vendor.as_str(), None),
    };
    let plain = |text: &str| text.replace(['(', ')'], " ").trim().to_owned();
    let name = plain(name);
    let mail = mail.map(plain).filter(|mail| !mail.is_empty());
    if name.is_empty() {
        return None;
    }
    Some(
        mail.map_or_else(|| format!("Organization: {name}"), |mail| format!("Organization: {name} ({mail})")),
    )
}

/// A text as one line.
fn line(text: &str) -> String {
    text.split(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppliers_are_organizations() {
        for (vendor, expected) in [
            ("Red Hat, Inc.", Some("Organization: Red Hat, Inc.")),
            ("A. Keeper <keeper@example.org>", Some("Organization: A. Keeper (keeper@example.org)")),
            ("Team (core) <a@b>", Some("Organization: Team  core (a@b)")),
            ("<a@b>", None),
            ("a\nb", Some("Organization: a b")),
            ("x <", Some("Organization: x")),
            (" ", None),
        ] {
            assert_eq!(supplier(vendor).as_deref(), expected, "{vendor}");
        }
    }

    #[test]
    fn ids_hold_what_is_allowed() {
        let package = Package::new(model::PackageKind::Npm, "@bäbel/core_x", "1");
        assert_eq!(id_of("Package", 3, &package), "SPDXRef-Package-npm--b-bel-core-x-3");
    }
}
