//! CycloneDX 1.2 to 1.6 as JSON (<https://cyclonedx.org/docs/1.6/json/>), of any tool. Only components are looked at:
//! packages are told by their purls.

use std::borrow::Cow;

use model::{Distro, Package};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Kind, Sbom, SbomError, property, purl,
    reading::{Capped, MAX_COMPONENTS, MAX_DETAILS, Reading, add_expression, package_of},
};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    components: Capped<&'a RawValue, MAX_COMPONENTS>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    component: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    purl: Option<Cow<'a, str>>,
    #[serde(default)]
    hashes: Capped<Hash, 100>,
    #[serde(default)]
    licenses: Capped<Licence, 1000>,
    #[serde(default)]
    properties: Capped<Property, MAX_DETAILS>,
    #[serde(borrow, default)]
    components: Capped<&'a RawValue, MAX_COMPONENTS>,
    #[serde(default)]
    evidence: Option<Evidence>,
}

#[derive(Deserialize)]
struct Hash {
    alg: String,
    content: String,
}

#[derive(Deserialize)]
struct Licence {
    #[serde(default)]
    license: Option<Name>,
    #[serde(default)]
    expression: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
struct Evidence {
    #[serde(default)]
    occurrences: Capped<Occurrence, 10>,
}

#[derive(Deserialize)]
struct Occurrence {
    #[serde(default)]
    location: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Sbom, SbomError> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|error| SbomError::damaged(&error))?;
    let mut reading = Reading::default();
    if let Some(raw) = document.metadata.and_then(|metadata| metadata.component) {
        match serde_json::from_str::<Component<'_>>(raw.get()) {
            Ok(component) => image(&component, &mut reading),
            Err(_) => reading.damaged(),
        }
    }
    reading.leave_out(document.components.left_out);
    // Components may hold others; those are taken in turn, not within each other.
    let mut pending = document.components.items;
    pending.reverse();
    let mut seen = 0_usize;
    while let Some(raw) = pending.pop() {
        seen += 1;
        if seen > MAX_COMPONENTS {
            reading.leave_out(pending.len() + 1);
            break;
        }
        let Ok(mut component) = serde_json::from_str::<Component<'_>>(raw.get()) else {
            reading.damaged();
            continue;
        };
        reading.leave_out(component.components.left_out);
        let inner = std::mem::take(&mut component.components.items);
        read(component, &mut reading);
        pending.extend(inner.into_iter().rev());
    }
    Ok(reading.finish(Kind::CycloneDx))
}

fn properties(component: &Component<'_>) -> Vec<(String, String)> {
    let items = component.properties.items.iter();
    items.map(|p| (p.name.clone(), p.value.clone().unwrap_or_default())).collect()
}

/// What the document is about.
fn image(component: &Component<'_>, reading: &mut Reading) {
    let told = &mut reading.image;
    told.reference = component.name.as_deref().map(str::to_owned);
    let by_purl = || purl::parts(component.purl.as_deref()?)?.version?.parse().ok();
    let version = component.version.as_deref().and_then(|version| version.parse().ok());
    told.digest = version.or_else(by_purl);
    told.apply(&properties(component));
}

fn read(component: Component<'_>, reading: &mut Reading) {
    let properties = properties(&component);
    match component.kind.as_deref().unwrap_or_default() {
        "operating-system" => {
            reading.distro.get_or_insert_with(|| system(&component, &properties));
            return;
        }
        "container"
        | "file"
        | "data"
        | "device"
        | "device-driver"
        | "firmware"
        | "cryptographic-asset"
        | "machine-learning-model" => return,
        _ => {}
    }
    let purl = component.purl.as_deref();
    let Some(mut package) = package_of(purl, &properties) else {
        // Files that list packages are components without a version.
        if purl.is_some() || component.version.as_deref().is_some_and(|version| !version.is_empty()) {
            reading.foreign();
        }
        return;
    };
    let ours = properties.iter().any(|(name, _)| name.starts_with(property::PREFIX));
    if let Some(purl) = purl {
        // Ours name the operating system as a component, or know of none.
        if !ours {
            reading.note_distro(purl);
        }
        full_name(&mut package, &component, purl);
    }
    details(&mut package, component, ours);
    reading.push(package);
}

/// Purls of Go may split the path of a module; the component has it whole.
fn full_name(package: &mut Package, component: &Component<'_>, text: &str) {
    if package.kind != model::PackageKind::Golang {
        return;
    }
    let name = match (component.group.as_deref().filter(|group| !group.is_empty()), component.name.as_deref())
    {
        (Some(group), Some(name)) => format!("{group}/{name}"),
        (None, Some(name)) => name.to_owned(),
        _ => return,
    };
    let subpath = purl::parts(text).and_then(|parts| parts.subpath);
    if subpath.is_some_and(|subpath| name == format!("{}/{subpath}", package.name)) {
        package.name = name;
    }
}

fn details(package: &mut Package, component: Component<'_>, ours: bool) {
    let hash = |alg: &str| {
        let found = component.hashes.items.iter().find(|hash| hash.alg == alg)?;
        Some(found.content.to_ascii_lowercase())
    };
    for (alg, name) in [
        ("SHA-256", "sha256"),
        ("SHA-1", "sha1"),
        ("SHA-512", "sha512"),
        ("SHA-384", "sha384"),
        ("MD5", "md5"),
    ] {
        if package.digest.is_none() {
            package.digest = hash(alg).map(|hex| format!("{name}:{hex}"));
        }
    }
    let mut recorded = Vec::new();
    let mut ids = Vec::new();
    for licence in component.licenses.items {
        match licence.expression {
            // What is recorded stands in properties.
            Some(expression) if ours => package.licence = Some(expression),
            Some(expression) => add_expression(package, &expression),
            None => {}
        }
        if let Some(Name { id, name }) = licence.license {
            recorded.extend(id.clone().or(name));
            ids.extend(id);
        }
    }
    if package.licences.is_empty() {
        let listed = !ids.is_empty() && ids.len() == recorded.len();
        package.licences = recorded;
        if listed {
            add_expression(package, &ids.join(" AND "));
        }
    }
    if package.path.is_empty() {
        let occurrences = component.evidence.map(|evidence| evidence.occurrences.items);
        let first = occurrences.into_iter().flatten().find_map(|occurrence| occurrence.location);
        package.path = first.unwrap_or_default();
    }
}

fn system(component: &Component<'_>, properties: &[(String, String)]) -> Distro {
    let name = component.name.as_deref().unwrap_or_default();
    let version = component.version.as_deref().filter(|version| !version.is_empty());
    let mut distro =
        Distro { id: purl::distro_id(name), version_id: version.map(str::to_owned), ..Distro::default() };
    for (name, value) in properties {
        match name.as_str() {
            "syft:distro:id" => distro.id.clone_from(value),
            "syft:distro:versionID" => distro.version_id = Some(value.clone()),
            "syft:distro:versionCodename" => distro.codename = Some(value.clone()),
            "syft:distro:prettyName" => distro.pretty_name = Some(value.clone()),
            _ => {}
        }
    }
    property::apply_distro(&mut distro, properties);
    distro
}
