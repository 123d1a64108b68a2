//! The properties that carry what a standard has no field for, each named `lazaret:...`.
//!
//! One list for both formats and both directions: [`of_package`] writes, [`apply`] reads. What a package URL tells
//! already is not said again.

use model::{Distro, Package, PackageKind, package::SourcePackage};

use super::purl;

/// What all names begin with.
pub(crate) const PREFIX: &str = "lazaret:";

// Of packages.
const KIND: &str = "lazaret:kind";
const NAME: &str = "lazaret:name";
const VERSION: &str = "lazaret:version";
const EPOCH: &str = "lazaret:epoch";
const ARCH: &str = "lazaret:arch";
const SOURCE_NAME: &str = "lazaret:source:name";
const SOURCE_VERSION: &str = "lazaret:source:version";
const OS: &str = "lazaret:os";
const LICENCE: &str = "lazaret:licence";
const DIGEST: &str = "lazaret:digest";
const REQUIRES: &str = "lazaret:requires";
const MODULE: &str = "lazaret:module";
const VENDOR: &str = "lazaret:vendor";
const PATH: &str = "lazaret:path";
const LAYER_INDEX: &str = "lazaret:layer:index";
const LAYER_DIGEST: &str = "lazaret:layer:digest";
const OWNER: &str = "lazaret:owner";

// Of the operating system.
const ID: &str = "lazaret:distro:id";
const CODENAME: &str = "lazaret:distro:codename";
const PRETTY_NAME: &str = "lazaret:distro:pretty_name";
const ID_LIKE: &str = "lazaret:distro:id_like";
const DISTRO_PATH: &str = "lazaret:distro:path";
/// Written where the release is not known, so that nothing is made up for it.
const NO_RELEASE: &str = "lazaret:distro:no_release";

/// A name and a value.
pub(crate) type Property = (&'static str, String);

/// What is to be said of a package beside `purl`. `standard_digest` is true when the document has its digest in a
/// field of its own.
pub(crate) fn of_package(
    package: &Package,
    purl: &str,
    layer_digest: Option<String>,
    standard_digest: bool,
) -> Vec<Property> {
    let told = purl::package(purl).filter(|told| told.kind == package.kind);
    let mut properties = Vec::new();
    let mut say = |name: &'static str, value: String| properties.push((name, value));
    if told.is_none() {
        say(KIND, package.kind.as_str().to_owned());
    }
    let told = told.unwrap_or_else(|| Package::new(package.kind, "", ""));
    if told.name != package.name {
        say(NAME, package.name.clone());
    }
    if told.version != package.version {
        say(VERSION, package.version.clone());
    }
    // An empty value says that there is none, against what the purl would make one think.
    let optional = |value: Option<String>| value.unwrap_or_default();
    if told.epoch != package.epoch {
        say(EPOCH, optional(package.epoch.map(|epoch| epoch.to_string())));
    }
    if told.arch != package.arch {
        say(ARCH, optional(package.arch.clone()));
    }
    match &package.source {
        Some(source) => {
            say(SOURCE_NAME, source.name.clone());
            say(SOURCE_VERSION, source.version.clone());
        }
        None if told.source.is_some() => say(SOURCE_NAME, String::new()),
        None => {}
    }
    for (name, value) in [
        (OS, &package.os),
        (MODULE, &package.module),
        (VENDOR, &package.vendor),
        (OWNER, &package.owner),
        (DIGEST, if standard_digest { &None } else { &package.digest }),
    ] {
        if let Some(value) = value {
            say(name, value.clone());
        }
    }
    if !package.path.is_empty() {
        say(PATH, package.path.clone());
    }
    if let Some(layer) = package.layer {
        say(LAYER_INDEX, layer.to_string());
    }
    if let Some(digest) = layer_digest {
        say(LAYER_DIGEST, digest);
    }
    for licence in &package.licences {
        say(LICENCE, licence.clone());
    }
    for name in &package.requires {
        say(REQUIRES, name.clone());
    }
    properties
}

/// What is to be said of the operating system beside its version.
pub(crate) fn of_distro(distro: &Distro) -> Vec<Property> {
    let mut properties = vec![(ID, distro.id.clone())];
    if distro.version_id.is_none() {
        properties.push((NO_RELEASE, "true".to_owned()));
    }
    for (name, value) in [(CODENAME, &distro.codename), (PRETTY_NAME, &distro.pretty_name)] {
        if let Some(value) = value {
            properties.push((name, value.clone()));
        }
    }
    for id in &distro.id_like {
        properties.push((ID_LIKE, id.clone()));
    }
    if !distro.path.is_empty() {
        properties.push((DISTRO_PATH, distro.path.clone()));
    }
    properties
}

/// The package that a purl and the properties of a document of ours tell of; `None` when neither names a kind.
pub(crate) fn start(purl: Option<&str>, properties: &[(String, String)]) -> Option<Package> {
    if let Some(package) = purl.and_then(purl::package) {
        return Some(package);
    }
    let kind = properties.iter().find(|(name, _)| name == KIND)?;
    Some(Package::new(purl::kind(&kind.1)?, "", ""))
}

/// Takes over what the properties say of a package; names that are not known are passed by.
pub(crate) fn apply(package: &mut Package, properties: &[(String, String)]) {
    let mut licences = Vec::new();
    for (name, value) in properties.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let some = || (!value.is_empty()).then(|| value.clone());
        match name.as_str() {
            NAME => package.name = value.clone(),
            VERSION => package.version = value.clone(),
            EPOCH => package.epoch = value.parse().ok(),
            ARCH => package.arch = some(),
            SOURCE_NAME => {
                package.source = some().map(|name| SourcePackage { name, version: String::new() });
            }
            SOURCE_VERSION => {
                if let Some(source) = &mut package.source {
                    source.version.clone_from(value);
                }
            }
            OS => package.os = some(),
            LICENCE => licences.push(value.clone()),
            DIGEST => package.digest = some(),
            REQUIRES => package.requires.push(value.clone()),
            MODULE => package.module = some(),
            VENDOR => package.vendor = some(),
            PATH => package.path = value.clone(),
            LAYER_INDEX => package.layer = value.parse().ok(),
            OWNER => package.owner = some(),
            _ => {}
        }
    }
    if !licences.is_empty() {
        package.licences = licences;
    }
}

/// Takes over what the properties say of the operating system.
pub(crate) fn apply_distro(distro: &mut Distro, properties: &[(String, String)]) {
    for (name, value) in properties.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        match name.as_str() {
            ID => distro.id.clone_from(value),
            CODENAME => distro.codename = Some(value.clone()),
            PRETTY_NAME => distro.pretty_name = Some(value.clone()),
            ID_LIKE => distro.id_like.push(value.clone()),
            DISTRO_PATH => distro.path = value.clone(),
            NO_RELEASE => distro.version_id = None,
            _ => {}
        }
    }
}

/// True for kinds that are programs rather than parts of one.
pub(crate) const fn is_application(kind: PackageKind) -> bool {
    matches!(kind, PackageKind::Generic | PackageKind::Bitnami)
}
