//! What `syft -o json` writes (schema 11 to 16 of anchore/syft, `schema/json`): packages with what their package
//! manager records of them.

use std::borrow::Cow;

use model::{Distro, Package, Platform};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Kind, Sbom, SbomError, purl,
    reading::{Capped, MAX_COMPONENTS, Reading, add_expression, module_of, source_of},
};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    artifacts: Capped<&'a RawValue, MAX_COMPONENTS>,
    #[serde(borrow, default)]
    distro: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Artifact<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    purl: Option<Cow<'a, str>>,
    #[serde(default)]
    licenses: Capped<Licence, 1000>,
    #[serde(default)]
    locations: Capped<Location, 100>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// Older schemas have plain texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Licence {
    Plain(String),
    Full {
        #[serde(default)]
        value: String,
    },
}

#[derive(Deserialize)]
struct Location {
    #[serde(default)]
    path: String,
}

/// What records of deb, apk and rpm packages have; other kinds have fields of the same names in other shapes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    source: Option<String>,
    source_version: Option<String>,
    source_rpm: Option<String>,
    origin_package: Option<String>,
    architecture: Option<String>,
    epoch: Option<u32>,
    modularity_label: Option<String>,
    vendor: Option<String>,
    maintainer: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Release {
    id: String,
    #[serde(rename = "versionID")]
    version_id: Option<String>,
    version_codename: Option<String>,
    pretty_name: Option<String>,
    id_like: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    name: Option<String>,
    metadata: Option<SourceMetadata>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SourceMetadata {
    user_input: Option<String>,
    manifest_digest: Option<String>,
    os: Option<String>,
    architecture: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Sbom, SbomError> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|error| SbomError::damaged(&error))?;
    let mut reading = Reading::default();
    if let Some(raw) = document.distro {
        match serde_json::from_str::<Release>(raw.get()) {
            // Syft writes an empty object where it knows none.
            Ok(release) => reading.distro = (!release.id.is_empty()).then(|| distro(release)),
            Err(_) => reading.damaged(),
        }
    }
    // Of directories and files it has other shapes, which say nothing that is needed.
    let source = document.source.and_then(|raw| serde_json::from_str::<Source>(raw.get()).ok());
    let metadata = source.as_ref().and_then(|source| source.metadata.as_ref());
    let told = &mut reading.image;
    told.digest = metadata.and_then(|metadata| metadata.manifest_digest.as_deref()?.parse().ok());
    told.reference = metadata
        .and_then(|metadata| metadata.user_input.clone())
        .or_else(|| source.as_ref().and_then(|source| source.name.clone()));
    told.platform = metadata.and_then(|metadata| {
        let platform = format!("{}/{}", metadata.os.as_deref()?, metadata.architecture.as_deref()?);
        platform.parse::<Platform>().ok()
    });
    reading.leave_out(document.artifacts.left_out);
    for raw in document.artifacts.items {
        match serde_json::from_str::<Artifact<'_>>(raw.get()) {
            Ok(artifact) => read(artifact, &mut reading),
            Err(_) => reading.damaged(),
        }
    }
    Ok(reading.finish(Kind::Syft))
}

fn distro(release: Release) -> Distro {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    Distro {
        id: release.id,
        version_id: some(release.version_id),
        codename: some(release.version_codename),
        pretty_name: some(release.pretty_name),
        id_like: release.id_like.unwrap_or_default(),
        path: String::new(),
    }
}

fn read(artifact: Artifact<'_>, reading: &mut Reading) {
    let Some(purl) = artifact.purl.as_deref().filter(|purl| !purl.is_empty()) else {
        reading.foreign();
        return;
    };
    let Some(mut package) = purl::package(purl) else {
        reading.foreign();
        return;
    };
    reading.note_distro(purl);
    // Names and versions are verbatim beside the purl. Of Java they lack the group.
    match package.kind {
        model::PackageKind::Maven => {}
        _ if artifact.name.is_empty() => {}
        _ => package.name = artifact.name.into_owned(),
    }
    if !artifact.version.is_empty() {
        package.version = artifact.version.into_owned();
    }
    if let Some(raw) = artifact.metadata.filter(|_| package.kind.is_os()) {
        match serde_json::from_str::<Metadata>(raw.get()) {
            Ok(metadata) => apply(&mut package, metadata),
            Err(_) => {
                reading.damaged();
                return;
            }
        }
    }
    for licence in artifact.licenses.items {
        let (Licence::Plain(text) | Licence::Full { value: text }) = licence;
        package.licences.push(text);
    }
    if let [only] = &package.licences[..] {
        let only = only.clone();
        add_expression(&mut package, &only);
    }
    if let Some(location) = artifact.locations.items.into_iter().next() {
        package.path = location.path;
    }
    reading.push(package);
}

fn apply(package: &mut Package, metadata: Metadata) {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(source) = filled(metadata.source_rpm).as_deref().and_then(purl::source_rpm) {
        package.source = Some(source);
    } else if let Some(name) = filled(metadata.source).or_else(|| filled(metadata.origin_package)) {
        package.source = Some(source_of(package, &name, metadata.source_version.unwrap_or_default()));
    }
    package.arch = filled(metadata.architecture).or(package.arch.take());
    if package.kind == model::PackageKind::Rpm {
        package.epoch = metadata.epoch.or(package.epoch);
        // Beside the purl the version has its epoch, also when that is 0.
        if let Some(rest) = package.version.strip_prefix("0:") {
            package.version = rest.to_owned();
        }
    }
    package.module = metadata.modularity_label.as_deref().and_then(module_of);
    package.vendor = filled(metadata.vendor).or_else(|| filled(metadata.maintainer));
}
