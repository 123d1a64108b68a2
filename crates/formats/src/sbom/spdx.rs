//! SPDX 2.2 and 2.3 as JSON (<https://spdx.github.io/spdx-spec/v2.3/>), of any tool. Only packages are looked at: they
//! are told by their purls.

use std::borrow::Cow;

use model::{Distro, Package};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Kind, Sbom, SbomError, annotation, property, purl,
    reading::{Capped, MAX_COMPONENTS, Reading, add_expression, package_of, source_of},
};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    packages: Capped<&'a RawValue, MAX_COMPONENTS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    version_info: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    primary_package_purpose: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    license_declared: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    license_concluded: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source_info: Option<Cow<'a, str>>,
    #[serde(default)]
    external_refs: Capped<ExternalRef, 1000>,
    #[serde(default)]
    checksums: Capped<Checksum, 100>,
    #[serde(default)]
    annotations: Capped<Annotation, 100>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: String,
    checksum_value: String,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    comment: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Sbom, SbomError> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|error| SbomError::damaged(&error))?;
    let mut reading = Reading::default();
    reading.leave_out(document.packages.left_out);
    for raw in document.packages.items {
        match serde_json::from_str::<Item<'_>>(raw.get()) {
            Ok(item) => read(&item, &mut reading),
            Err(_) => reading.damaged(),
        }
    }
    Ok(reading.finish(Kind::Spdx))
}

fn read(item: &Item<'_>, reading: &mut Reading) {
    let properties: Vec<(String, String)> =
        item.annotations.items.iter().flat_map(|annotation| annotation::read(&annotation.comment)).collect();
    let purl = item.external_refs.items.iter().find(|reference| reference.reference_type.ends_with("purl"));
    let purl = purl.map(|reference| reference.reference_locator.as_str());
    let parts = purl.and_then(purl::parts);
    let purpose = item.primary_package_purpose.as_deref().unwrap_or_default();
    if purpose == "CONTAINER" || parts.as_ref().is_some_and(|parts| matches!(&*parts.kind, "oci" | "docker"))
    {
        image(item, parts.and_then(|parts| parts.version), &properties, reading);
        return;
    }
    if matches!(purpose, "OPERATING-SYSTEM" | "OPERATING_SYSTEM") {
        reading.distro.get_or_insert_with(|| system(item, &properties));
        return;
    }
    let Some(mut package) = package_of(purl, &properties) else {
        // Sources, files and the document's own subject are no installed packages.
        if purl.is_some() || matches!(purpose, "LIBRARY" | "APPLICATION" | "FRAMEWORK") {
            reading.foreign();
        }
        return;
    };
    // Ours name the operating system as a package, or know of none.
    let ours = properties.iter().any(|(name, _)| name.starts_with(property::PREFIX));
    if let Some(purl) = purl.filter(|_| !ours) {
        reading.note_distro(purl);
    }
    if package.kind == model::PackageKind::Golang
        && let (Some(name), Some(subpath)) = (item.name.as_deref(), parts.and_then(|parts| parts.subpath))
        && name == format!("{}/{subpath}", package.name)
    {
        package.name = name.to_owned();
    }
    details(&mut package, item, &properties);
    reading.push(package);
}

fn image(item: &Item<'_>, version: Option<String>, properties: &[(String, String)], reading: &mut Reading) {
    let told = &mut reading.image;
    if told.reference.is_none() {
        told.reference = item.name.as_deref().map(str::to_owned);
        let own = item.version_info.as_deref().and_then(|version| version.parse().ok());
        told.digest = own.or_else(|| version?.parse().ok());
    }
    told.apply(properties);
}

fn system(item: &Item<'_>, properties: &[(String, String)]) -> Distro {
    let name = item.name.as_deref().unwrap_or_default();
    let version = item.version_info.as_deref().filter(|version| !matches!(*version, "" | "NOASSERTION"));
    let mut distro =
        Distro { id: purl::distro_id(name), version_id: version.map(str::to_owned), ..Distro::default() };
    property::apply_distro(&mut distro, properties);
    distro
}

fn details(package: &mut Package, item: &Item<'_>, properties: &[(String, String)]) {
    for name in ["SHA256", "SHA1", "SHA512", "SHA384", "MD5"] {
        let found = item.checksums.items.iter().find(|checksum| checksum.algorithm == name);
        if let (None, Some(found)) = (&package.digest, found) {
            let hex = found.checksum_value.to_ascii_lowercase();
            package.digest = Some(format!("{}:{hex}", name.to_ascii_lowercase()));
        }
    }
    let ours = properties.iter().any(|(name, _)| name.starts_with(property::PREFIX));
    let declared = item.license_declared.as_deref().unwrap_or_default();
    let concluded = item.license_concluded.as_deref().unwrap_or_default();
    if ours {
        // Ours is concluded where it is understood; what is recorded stands in properties.
        if crate::spdx::is_expression(concluded) {
            package.licence = Some(concluded.to_owned());
        }
        return;
    }
    let stated = |text: &str| !matches!(text, "" | "NOASSERTION" | "NONE");
    add_expression(package, if stated(declared) { declared } else { concluded });
    // Trivy's way to name a source.
    let built = item.source_info.as_deref().and_then(|text| text.strip_prefix("built package from: "));
    if let Some((name, version)) = built.and_then(|text| text.rsplit_once(' '))
        && package.kind.is_os()
    {
        package.source = Some(source_of(package, name, version.to_owned()));
    }
}
