//! CycloneDX 1.6 as JSON (ECMA-424, <https://cyclonedx.org/docs/1.6/json/>): what is in an image, and on wish what is
//! wrong with it.
//!
//! The document depends on nothing but the report: its serial number is a hash of its content, and its time is the
//! one that the image claims. [`crate::sbom`] reads it back.

use model::{Problem, ProblemCode, Report, ScanType, purl};
use serde::Serialize;

use crate::{
    Format, identity,
    sbom::{Options, image, property, property::Property, relation, time},
};

mod component;
mod vulnerability;

use self::{
    component::{Component, Hash, PropertyOut},
    vulnerability::Vulnerability,
};

/// The format, with findings where there are any.
pub const FORMAT: Format = Format {
    name: "cyclonedx",
    title: "CycloneDX 1.6 as JSON: a bill of materials",
    media_type: "application/vnd.cyclonedx+json",
    extension: "cdx.json",
    write: |report, scanner_version| write(report, scanner_version, Options::default()),
};

/// Writes a report as indented JSON with a final newline.
pub fn write(report: &Report, scanner_version: &str, options: Options) -> String {
    let mut bom = bom(report, scanner_version, options);
    // Plain strings, numbers and lists always serialize.
    let content = serde_json::to_string(&bom).unwrap_or_default();
    bom.serial_number = Some(format!("urn:uuid:{}", identity::uuid(&[&content])));
    let mut text = serde_json::to_string_pretty(&bom).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compositions: Vec<Composition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    assemblies: Vec<String>,
}

/// The `bom-ref` of the image.
const IMAGE: &str = "image";
/// The `bom-ref` of the operating system.
const SYSTEM: &str = "operating-system";

fn bom(report: &Report, scanner_version: &str, options: Options) -> Bom {
    let inventory = &report.inventory;
    let looked_for = options.vulnerabilities && report.types.contains(&ScanType::Vulnerability);
    let purls: Vec<String> =
        inventory.packages.iter().map(|package| purl::build(package, inventory.distro.as_ref())).collect();
    let refs = references(&purls);

    let mut components: Vec<Component> = inventory.distro.iter().map(system).collect();
    for ((package, purl), reference) in inventory.packages.iter().zip(&purls).zip(&refs) {
        let digest = package
            .layer
            .and_then(|layer| inventory.layers.get(usize::try_from(layer).ok()?))
            .map(|layer| layer.digest.to_string());
        components.push(component::of_package(package, purl, reference, digest));
    }
    Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: None,
        version: 1,
        metadata: Metadata {
            timestamp: report.image.created.as_deref().and_then(time::utc),
            tools: Tools { components: vec![tool(scanner_version)] },
            component: of_image(report),
        },
        components,
        dependencies: dependencies(report, &refs),
        compositions: compositions(&inventory.problems),
        vulnerabilities: looked_for.then(|| vulnerability::all(report, &refs)),
    }
}

/// A `bom-ref` for every package: its purl, with its number behind it where several have the same.
fn references(purls: &[String]) -> Vec<String> {
    let mut counts = std::collections::HashMap::new();
    for purl in purls {
        *counts.entry(purl.as_str()).or_insert(0_usize) += 1;
    }
    let reference = |(at, purl): (usize, &String)| match counts.get(purl.as_str()) {
        Some(1) => purl.clone(),
        // What is written here never has a subpath of its own.
        _ => format!("{purl}#{at}"),
    };
    purls.iter().enumerate().map(reference).collect()
}

fn tool(version: &str) -> Component {
    let mut tool = Component::new("application", "lazaret");
    tool.version = Some(version.to_owned());
    tool
}

fn of_image(report: &Report) -> Component {
    let facts = &report.image;
    let reference = image::reference(facts);
    let name = reference
        .as_ref()
        .map_or_else(|| facts.reference.clone(), |r| format!("{}/{}", r.registry, r.repository));
    let mut out = Component::new("container", &name);
    out.bom_ref = Some(IMAGE.to_owned());
    out.version = facts
        .digest
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| reference.as_ref().and_then(|reference| reference.tag.clone()));
    out.purl = image::purl(facts);
    out.hashes = facts.digest.iter().filter_map(|digest| Hash::parse(&digest.to_string())).collect();
    out.properties = written(image::properties(report));
    out
}

fn system(distro: &model::Distro) -> Component {
    let mut out = Component::new("operating-system", &distro.id);
    out.bom_ref = Some(SYSTEM.to_owned());
    out.version = distro.version_id.as_deref().map(component::version);
    out.description = distro.pretty_name.clone();
    out.properties = written(property::of_distro(distro));
    out
}

fn written(properties: Vec<Property>) -> Vec<PropertyOut> {
    properties.into_iter().map(|(name, value)| PropertyOut { name, value }).collect()
}

/// The image needs its operating system and every package; a package needs what its record says.
fn dependencies(report: &Report, refs: &[String]) -> Vec<Dependency> {
    let packages = &report.inventory.packages;
    let system = report.inventory.distro.as_ref().map(|_| SYSTEM.to_owned());
    let mut all: Vec<String> = system.iter().cloned().chain(refs.iter().cloned()).collect();
    all.sort();
    let mut dependencies = vec![Dependency { of: IMAGE.to_owned(), depends_on: all }];
    dependencies.extend(system.map(|of| Dependency { of, depends_on: Vec::new() }));
    let resolved = relation::resolve(packages);
    for (of, needed) in refs.iter().zip(resolved) {
        let mut depends_on: Vec<String> = needed.iter().filter_map(|at| refs.get(*at).cloned()).collect();
        depends_on.sort();
        dependencies.push(Dependency { of: of.clone(), depends_on });
    }
    dependencies
}

/// Says that there may be more than is listed, where that is known. Nothing is ever called complete: what no package
/// manager records is not seen.
fn compositions(problems: &[Problem]) -> Vec<Composition> {
    let hidden = |code: ProblemCode| code.hides_content();
    if !problems.iter().any(|problem| hidden(problem.code)) {
        return Vec::new();
    }
    vec![Composition { aggregate: "incomplete", assemblies: vec![IMAGE.to_owned()] }]
}
