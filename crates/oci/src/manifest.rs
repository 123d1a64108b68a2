//! Manifests, indexes and image configurations, parsed from bytes (OCI image-spec v1.1 manifest.md,
//! image-index.md, config.md). No I/O.

use std::collections::BTreeMap;

use model::{digest::Digest, image_config::HistoryLine, platform::Platform};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    error::OciError,
    media::{self, ManifestKind},
};

/// A reference to content: type, digest and size (descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content; empty when not given.
    #[serde(default, deserialize_with = "null_as_default")]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content in bytes.
    pub size: u64,
    /// Where else the content lies.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form notes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In an index: what the manifest is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// In an index: the type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// The name that a layout gives to a manifest (image-layout.md, `org.opencontainers.image.ref.name`).
    pub fn ref_name(&self) -> Option<&str> {
        self.annotations.get("org.opencontainers.image.ref.name").map(String::as_str)
    }

    /// The full image name that containerd and Docker note beside it.
    pub fn image_name(&self) -> Option<&str> {
        self.annotations.get("io.containerd.image.name").map(String::as_str)
    }

    /// True for the manifests with provenance and SBOMs that BuildKit puts into an index.
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|t| t == "attestation-manifest")
            || self.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
    }
}

/// A parsed manifest document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// An index: several manifests.
    Index(Vec<Descriptor>),
    /// One image (or artifact).
    Image {
        /// The configuration.
        config: Descriptor,
        /// The layers, lowest first.
        layers: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    #[serde(default, deserialize_with = "null_as_default")]
    media_type: String,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    artifact_type: Option<String>,
}

/// Parses a manifest or index named `what`. `announced` is the media type by which it was found (a content
/// type or a descriptor's), if any.
///
/// A document that could be read as both an index and an image is refused, and so is one whose media type
/// contradicts its fields: two readers could otherwise see two images behind one digest (CVE-2021-41190).
pub fn parse_manifest(bytes: &[u8], announced: Option<&str>, what: &str) -> Result<Manifest, OciError> {
    let invalid = |why: String| OciError::Invalid { what: what.to_owned(), why };
    let schema1 = || OciError::Unsupported {
        what: what.to_owned(),
        why: "a Docker schema 1 manifest, a format retired in 2019".to_owned(),
    };
    if announced.and_then(media::manifest_kind) == Some(ManifestKind::Schema1) {
        return Err(schema1());
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        schema_version: u32,
    }
    // Schema 1 has other fields: its version is looked at before they are.
    let version: Version = serde_json::from_slice(bytes).map_err(|e| invalid(json_error(&e)))?;
    if version.schema_version == 1 {
        return Err(schema1());
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|e| invalid(json_error(&e)))?;
    if document.schema_version != 2 {
        return Err(invalid(format!("schemaVersion is {} instead of 2", document.schema_version)));
    }
    let declared = match document.media_type.as_str() {
        "" => None,
        media_type => Some(media::manifest_kind(media_type).ok_or_else(|| OciError::NotAnImage {
            what: what.to_owned(),
            why: format!("its media type is {}", shorten(media_type)),
        })?),
    };
    let manifest = match (document.manifests, document.config, document.layers) {
        (Some(manifests), None, None) => Manifest::Index(manifests),
        (None, Some(config), Some(layers)) => Manifest::Image { config, layers },
        (None, None, None) if document.artifact_type.is_some() => {
            return Err(OciError::NotAnImage { what: what.to_owned(), why: "it is an artifact".to_owned() });
        }
        (Some(_), _, _) => return Err(invalid("it is both an index and a manifest".to_owned())),
        _ => return Err(invalid("it is neither an index nor a manifest".to_owned())),
    };
    let kind = match manifest {
        Manifest::Index(_) => ManifestKind::Index,
        Manifest::Image { .. } => ManifestKind::Image,
    };
    for said in [declared, announced.and_then(media::manifest_kind)].into_iter().flatten() {
        if said != kind {
            return Err(invalid("its media type contradicts its fields".to_owned()));
        }
    }
    Ok(manifest)
}

/// What an image says of itself (config.md): the parts that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Creation time as claimed, verbatim.
    pub created: Option<String>,
    /// What it runs on; `None` where it does not say.
    pub platform: Option<Platform>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment as `NAME=value`.
    pub env: Vec<String>,
    /// Start command, fixed part.
    pub entrypoint: Vec<String>,
    /// Start command, default arguments.
    pub cmd: Vec<String>,
    /// User that the command runs as; empty means root.
    pub user: String,
    /// Working directory.
    pub working_dir: String,
    /// Ports such as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Directories that are mounted from outside.
    pub volumes: Vec<String>,
    /// The command that tells whether a container is well, its kind first: Docker's addition to the configuration
    /// (Docker Image Specification v1.2, "Healthcheck").
    pub healthcheck: Vec<String>,
    /// Uncompressed layer digests, lowest first.
    pub diff_ids: Vec<Digest>,
    /// How it was made, oldest first.
    pub history: Vec<History>,
}

/// One line of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct History {
    /// Creation time as claimed, verbatim.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created: String,
    /// The command.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created_by: String,
    /// A remark.
    #[serde(default, deserialize_with = "null_as_default")]
    pub comment: String,
    /// True when no layer came of it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub empty_layer: bool,
}

#[derive(Deserialize)]
struct ConfigDocument {
    #[serde(default)]
    created: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    os: String,
    #[serde(default, deserialize_with = "null_as_default")]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    config: ConfigSection,
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(default, deserialize_with = "null_as_default")]
    history: Vec<History>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigSection {
    #[serde(default, deserialize_with = "null_as_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_as_default")]
    env: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    cmd: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    user: String,
    #[serde(default, deserialize_with = "null_as_default")]
    working_dir: String,
    #[serde(default, deserialize_with = "null_as_default")]
    exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "null_as_default")]
    volumes: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "null_as_default")]
    healthcheck: Healthcheck,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    #[serde(default, deserialize_with = "null_as_default")]
    test: Vec<String>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_as_default")]
    diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// The parts that checks look at.
    pub fn facts(&self) -> model::ImageConfig {
        let history = self.history.iter().map(|line| HistoryLine {
            created_by: line.created_by.clone(),
            comment: line.comment.clone(),
            empty_layer: line.empty_layer,
        });
        model::ImageConfig {
            user: self.user.clone(),
            env: self.env.clone(),
            labels: self.labels.clone(),
            entrypoint: self.entrypoint.clone(),
            cmd: self.cmd.clone(),
            working_dir: self.working_dir.clone(),
            exposed_ports: self.exposed_ports.clone(),
            volumes: self.volumes.clone(),
            healthcheck: self.healthcheck.clone(),
            history: history.collect(),
        }
    }

    /// The history line behind each of `layers` layers; all `None` where the history does not add up.
    pub fn created_by(&self, layers: usize) -> Vec<Option<String>> {
        let mut lines: Vec<Option<String>> = self
            .history
            .iter()
            .filter(|line| !line.empty_layer)
            .map(|line| Some(line.created_by.clone()).filter(|text| !text.is_empty()))
            .collect();
        if lines.len() != layers {
            lines = vec![None; layers];
        }
        lines
    }
}

/// Parses an image configuration named `what`.
pub fn parse_config(bytes: &[u8], what: &str) -> Result<ImageConfig, OciError> {
    let document: ConfigDocument = serde_json::from_slice(bytes)
        .map_err(|e| OciError::Invalid { what: what.to_owned(), why: json_error(&e) })?;
    let platform = (!document.os.is_empty() && !document.architecture.is_empty()).then(|| Platform {
        os: document.os,
        architecture: document.architecture,
        variant: document.variant.filter(|v| !v.is_empty()),
    });
    let section = document.config;
    Ok(ImageConfig {
        created: document.created,
        platform,
        labels: section.labels,
        env: section.env,
        entrypoint: section.entrypoint,
        cmd: section.cmd,
        user: section.user,
        working_dir: section.working_dir,
        exposed_ports: section.exposed_ports.into_keys().collect(),
        volumes: section.volumes.into_keys().collect(),
        healthcheck: section.healthcheck.test,
        diff_ids: document.rootfs.map(|r| r.diff_ids).unwrap_or_default(),
        history: document.history,
    })
}

/// Go writes missing lists and maps as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The JSON error, bounded: it may quote the document.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    format!("not the JSON expected: {}", shorten(&error.to_string()))
}

/// At most 200 characters of foreign text, without control characters.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn check(json: &str, announced: Option<&str>, code: &str) {
        let json = json.replace("$D", &format!(r#"{{"digest":"{D}","size":3}}"#));
        let got = parse_manifest(json.as_bytes(), announced, "it").map_or_else(|e| e.code(), |_| "ok");
        assert_eq!(got, code, "{json}");
    }

    #[test]
    fn tells_documents_apart() {
        check(r#"{"schemaVersion":2,"config":$D,"layers":[$D]}"#, None, "ok");
        check(r#"{"schemaVersion":2,"manifests":[$D]}"#, Some(media::OCI_INDEX), "ok");
        check(r#"{"schemaVersion":2,"manifests":null,"config":$D,"layers":[]}"#, None, "ok");
        check(r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#, None, "unsupported-image-type");
        check(
            "{}",
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "unsupported-image-type",
        );
        check(r#"{"schemaVersion":2,"manifests":[$D],"config":$D,"layers":[]}"#, None, "manifest-invalid");
        check(r#"{"schemaVersion":2,"manifests":[$D]}"#, Some(media::OCI_MANIFEST), "manifest-invalid");
        check(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":$D,"layers":[]}"#,
            None,
            "manifest-invalid",
        );
        check(r#"{"schemaVersion":2,"mediaType":"text/html"}"#, None, "not-an-image");
        check(r#"{"schemaVersion":2}"#, None, "manifest-invalid");
        check(r#"{"schemaVersion":3,"config":$D,"layers":[]}"#, None, "manifest-invalid");
        check("[]", None, "manifest-invalid");
        check("", None, "manifest-invalid");
        check(
            r#"{"schemaVersion":2,"config":$D,"layers":[{"digest":"sha256:../x","size":1}]}"#,
            None,
            "manifest-invalid",
        );
        check(r#"{"schemaVersion":2,"config":$D,"layers":[],"layers":[$D]}"#, None, "manifest-invalid");
        check(&"[".repeat(100_000), None, "manifest-invalid");
    }

    #[test]
    fn reads_nulls_and_history() {
        let config = parse_config(
            br#"{"os":"linux","architecture":"arm64","variant":"v8","config":{"Env":null,"Labels":null,
                "ExposedPorts":{"80/tcp":{}}},"history":[{"created_by":"A"},{"created_by":"B","empty_layer":true},
                {"created_by":"C","empty_layer":null}]}"#,
            "it",
        )
        .unwrap();
        assert_eq!(config.created_by(2), [Some("A".to_owned()), Some("C".to_owned())]);
        assert_eq!(config.created_by(3), [None, None, None]);
        assert_eq!(config.exposed_ports, ["80/tcp"]);
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(parse_config(b"{}", "it").unwrap(), ImageConfig::default());
    }
}
