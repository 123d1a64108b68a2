//! The shapes, in the order in which Trivy writes their fields.

use std::collections::BTreeMap;

use serde::Serialize;

/// Go's `omitempty` of whole numbers.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document<'a> {
    pub(super) schema_version: u32,
    #[serde(rename = "ReportID")]
    pub(super) report_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    #[serde(rename = "ArtifactID")]
    pub(super) artifact_id: String,
    pub(super) artifact_name: &'a str,
    pub(super) artifact_type: &'static str,
    pub(super) metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) results: Vec<ResultOut<'a>>,
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    #[serde(rename = "OS", skip_serializing_if = "Option::is_none")]
    pub(super) os: Option<Os<'a>>,
    #[serde(rename = "DiffIDs", skip_serializing_if = "Vec::is_empty")]
    pub(super) diff_ids: Vec<String>,
    #[serde(rename = "RepoTags", skip_serializing_if = "Vec::is_empty")]
    pub(super) repo_tags: Vec<String>,
    #[serde(rename = "RepoDigests", skip_serializing_if = "Vec::is_empty")]
    pub(super) repo_digests: Vec<String>,
    #[serde(rename = "ImageConfig", skip_serializing_if = "Option::is_none")]
    pub(super) image_config: Option<ImageConfig<'a>>,
    #[serde(rename = "Layers", skip_serializing_if = "Vec::is_empty")]
    pub(super) layers: Vec<Layer<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Os<'a> {
    pub(super) family: &'a str,
    pub(super) name: &'a str,
}

/// The parts of the OCI image configuration that a report knows.
#[derive(Serialize)]
pub(super) struct ImageConfig<'a> {
    pub(super) architecture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<&'a str>,
    pub(super) os: &'a str,
    pub(super) rootfs: RootFs,
    pub(super) config: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variant: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct RootFs {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) diff_ids: Vec<String>,
}

/// Where nothing is known of it, an empty object: Go leaves no structures out.
#[derive(Clone, Default, Serialize)]
pub(super) struct Layer<'a> {
    #[serde(rename = "Digest", skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(rename = "DiffID", skip_serializing_if = "Option::is_none")]
    pub(super) diff_id: Option<String>,
    #[serde(rename = "CreatedBy", skip_serializing_if = "Option::is_none")]
    pub(super) created_by: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultOut<'a> {
    pub(super) target: String,
    pub(super) class: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) r#type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) packages: Vec<Package<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) vulnerabilities: Vec<Vulnerability<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) misconf_summary: Option<MisconfSummary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) misconfigurations: Vec<Misconfiguration<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) secrets: Vec<Secret<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<License<'a>>,
}

#[derive(Serialize)]
pub(super) struct Package<'a> {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "Name")]
    pub(super) name: &'a str,
    #[serde(rename = "Identifier")]
    pub(super) identifier: Identifier,
    #[serde(rename = "Version", skip_serializing_if = "str::is_empty")]
    pub(super) version: &'a str,
    #[serde(rename = "Release", skip_serializing_if = "str::is_empty")]
    pub(super) release: &'a str,
    #[serde(rename = "Epoch", skip_serializing_if = "is_zero")]
    pub(super) epoch: u32,
    #[serde(rename = "Arch", skip_serializing_if = "Option::is_none")]
    pub(super) arch: Option<&'a str>,
    #[serde(rename = "SrcName", skip_serializing_if = "str::is_empty")]
    pub(super) src_name: &'a str,
    #[serde(rename = "SrcVersion", skip_serializing_if = "str::is_empty")]
    pub(super) src_version: &'a str,
    #[serde(rename = "SrcRelease", skip_serializing_if = "str::is_empty")]
    pub(super) src_release: &'a str,
    #[serde(rename = "SrcEpoch", skip_serializing_if = "is_zero")]
    pub(super) src_epoch: u32,
    #[serde(rename = "Licenses", skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<&'a str>,
    #[serde(rename = "Maintainer", skip_serializing_if = "Option::is_none")]
    pub(super) maintainer: Option<&'a str>,
    #[serde(rename = "Modularitylabel", skip_serializing_if = "Option::is_none")]
    pub(super) modularity_label: Option<&'a str>,
    #[serde(rename = "DependsOn", skip_serializing_if = "Vec::is_empty")]
    pub(super) depends_on: Vec<String>,
    #[serde(rename = "Layer")]
    pub(super) layer: Layer<'a>,
    #[serde(rename = "FilePath", skip_serializing_if = "str::is_empty")]
    pub(super) file_path: &'a str,
    #[serde(rename = "Digest", skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Identifier {
    #[serde(rename = "PURL")]
    pub(super) purl: String,
    #[serde(rename = "UID")]
    pub(super) uid: String,
}

#[derive(Serialize)]
pub(super) struct Vulnerability<'a> {
    #[serde(rename = "VulnerabilityID")]
    pub(super) vulnerability_id: &'a str,
    #[serde(rename = "VendorIDs", skip_serializing_if = "Vec::is_empty")]
    pub(super) vendor_ids: Vec<&'a str>,
    #[serde(rename = "PkgID")]
    pub(super) pkg_id: String,
    #[serde(rename = "PkgName")]
    pub(super) pkg_name: &'a str,
    #[serde(rename = "PkgPath", skip_serializing_if = "str::is_empty")]
    pub(super) pkg_path: &'a str,
    #[serde(rename = "PkgIdentifier")]
    pub(super) pkg_identifier: Identifier,
    #[serde(rename = "InstalledVersion")]
    pub(super) installed_version: &'a str,
    #[serde(rename = "FixedVersion", skip_serializing_if = "String::is_empty")]
    pub(super) fixed_version: String,
    #[serde(rename = "Status")]
    pub(super) status: &'static str,
    #[serde(rename = "Layer")]
    pub(super) layer: Layer<'a>,
    #[serde(rename = "SeveritySource", skip_serializing_if = "str::is_empty")]
    pub(super) severity_source: &'static str,
    #[serde(rename = "PrimaryURL", skip_serializing_if = "Option::is_none")]
    pub(super) primary_url: Option<String>,
    #[serde(rename = "DataSource", skip_serializing_if = "Option::is_none")]
    pub(super) data_source: Option<DataSource>,
    #[serde(rename = "Fingerprint")]
    pub(super) fingerprint: String,
    #[serde(rename = "Title", skip_serializing_if = "str::is_empty")]
    pub(super) title: &'a str,
    #[serde(rename = "Severity")]
    pub(super) severity: &'static str,
    #[serde(rename = "VendorSeverity", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) vendor_severity: BTreeMap<&'static str, u8>,
    #[serde(rename = "CVSS", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) cvss: BTreeMap<&'static str, Cvss<'a>>,
    #[serde(rename = "References", skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<String>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct DataSource {
    #[serde(rename = "ID")]
    pub(super) id: &'static str,
    #[serde(rename = "Name")]
    pub(super) name: &'static str,
    #[serde(rename = "URL")]
    pub(super) url: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cvss<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v2_vector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v3_vector: Option<&'a str>,
    #[serde(rename = "V40Vector", skip_serializing_if = "Option::is_none")]
    pub(super) v4_vector: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v2_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) v3_score: Option<f64>,
    #[serde(rename = "V40Score", skip_serializing_if = "Option::is_none")]
    pub(super) v4_score: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MisconfSummary {
    pub(super) successes: usize,
    pub(super) failures: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Misconfiguration<'a> {
    pub(super) r#type: &'static str,
    #[serde(rename = "ID")]
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) message: &'a str,
    pub(super) severity: &'static str,
    pub(super) status: &'static str,
    pub(super) layer: Layer<'a>,
    pub(super) cause_metadata: CauseMetadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CauseMetadata {
    pub(super) provider: &'static str,
    pub(super) service: &'static str,
}

#[derive(Serialize)]
pub(super) struct Secret<'a> {
    #[serde(rename = "RuleID")]
    pub(super) rule_id: &'a str,
    #[serde(rename = "Category")]
    pub(super) category: &'a str,
    #[serde(rename = "Severity")]
    pub(super) severity: &'static str,
    #[serde(rename = "Title")]
    pub(super) title: &'a str,
    #[serde(rename = "StartLine")]
    pub(super) start_line: u32,
    #[serde(rename = "EndLine")]
    pub(super) end_line: u32,
    #[serde(rename = "Code")]
    pub(super) code: Code<'a>,
    #[serde(rename = "Match")]
    pub(super) matched: &'a str,
    #[serde(rename = "Layer")]
    pub(super) layer: Layer<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Code<'a> {
    pub(super) lines: Vec<CodeLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CodeLine<'a> {
    pub(super) number: u32,
    pub(super) content: &'a str,
    pub(super) is_cause: bool,
    pub(super) annotation: &'static str,
    pub(super) truncated: bool,
    pub(super) highlighted: &'a str,
    pub(super) first_cause: bool,
    pub(super) last_cause: bool,
}

/// Written whole, also where it is empty.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct License<'a> {
    pub(super) severity: &'static str,
    pub(super) category: &'static str,
    pub(super) pkg_name: &'a str,
    pub(super) file_path: &'a str,
    pub(super) name: &'a str,
    pub(super) text: &'static str,
    pub(super) confidence: f64,
    pub(super) link: String,
}
