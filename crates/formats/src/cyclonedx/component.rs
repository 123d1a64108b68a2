//! One component: a package, the image, its operating system, the tool.

use model::{Package, PackageKind};
use serde::Serialize;

use crate::sbom::property;

/// `component` of the schema, as far as it is written. Empty fields are left out.
#[derive(Default, Serialize)]
pub(super) struct Component {
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub(super) bom_ref: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<PropertyOut>,
}

impl Component {
    pub(super) fn new(kind: &'static str, name: &str) -> Self {
        Self { kind, name: name.to_owned(), ..Self::default() }
    }
}

/// `hash`.
#[derive(Serialize)]
pub(super) struct Hash {
    alg: &'static str,
    content: String,
}

impl Hash {
    /// Of `algorithm:HEX`; `None` for what the schema has no name or no length for.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (algorithm, content) = text.split_once(':')?;
        let (alg, len) = match algorithm {
            "md5" => ("MD5", 32),
            "sha1" => ("SHA-1", 40),
            "sha256" => ("SHA-256", 64),
            "sha384" => ("SHA-384", 96),
            "sha512" => ("SHA-512", 128),
            _ => return None,
        };
        let valid = content.len() == len && content.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self { alg, content: content.to_owned() })
    }
}

/// An element of `licenseChoice`: either one expression, or any number of names.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Licence {
    /// An SPDX expression.
    Expression {
        /// The expression.
        expression: String,
    },
    /// What the package records.
    Named {
        /// The licence.
        license: Name,
    },
}

/// `license` with a name.
#[derive(Serialize)]
pub(super) struct Name {
    name: String,
}

/// `property`.
#[derive(Serialize)]
pub(super) struct PropertyOut {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// The longest version that the schema takes, in characters. The purl has the whole of it.
const MAX_VERSION: usize = 1024;

/// A version, cut to what the schema takes.
pub(super) fn version(text: &str) -> String {
    text.chars().take(MAX_VERSION).collect()
}

pub(super) fn of_package(
    package: &Package,
    purl: &str,
    reference: &str,
    layer_digest: Option<String>,
) -> Component {
    let kind = if property::is_application(package.kind) { "application" } else { "library" };
    let (group, name) = group_and_name(package);
    let hash = package.digest.as_deref().and_then(Hash::parse);
    let properties = property::of_package(package, purl, layer_digest, hash.is_some());
    Component {
        bom_ref: Some(reference.to_owned()),
        kind,
        group: group.map(str::to_owned),
        name: name.to_owned(),
        version: (!package.version.is_empty()).then(|| version(&package.version)),
        description: None,
        hashes: hash.into_iter().collect(),
        licenses: licences(package),
        purl: Some(purl.to_owned()),
        properties: super::written(properties),
    }
}

/// The group of Java artifacts, the scope of Node.js packages and the vendor of PHP packages stand apart, as tools
/// that show components expect.
fn group_and_name(package: &Package) -> (Option<&str>, &str) {
    let split = match package.kind {
        PackageKind::Maven => package.name.split_once(':'),
        PackageKind::Npm if package.name.starts_with('@') => package.name.split_once('/'),
        PackageKind::Composer => package.name.split_once('/'),
        _ => None,
    };
    split.map_or((None, package.name.as_str()), |(group, name)| (Some(group), name))
}

fn licences(package: &Package) -> Vec<Licence> {
    if let Some(expression) = &package.licence {
        return vec![Licence::Expression { expression: expression.clone() }];
    }
    let named = |name: &String| Licence::Named { license: Name { name: name.clone() } };
    package.licences.iter().filter(|name| !name.is_empty()).map(named).collect()
}
