//! The shape of the document, once for writing and reading: what is read back is what was written.
//!
//! Fields are only ever added. A field that older documents lack has a default; a field that is not known is
//! passed over.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use model::{
    Digest, PackageKind, ProblemCode, ScanType, Severity, advisory::FixState, report::CoverageState,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};

/// Text of the report, or of the document.
type Text<'a> = Cow<'a, str>;
/// Texts of the report, or of the document.
type Texts<'a> = Cow<'a, [String]>;

/// Most entries of one list of the document: far above what the limits of a scan let through.
pub(super) const MAX_ITEMS: usize = 2_000_000;

#[derive(Serialize, Deserialize)]
pub(super) struct Document<'a> {
    pub(super) schema_version: u32,
    pub(super) scanner: Scanner<'a>,
    pub(super) image: Image<'a>,
    #[serde(skip_deserializing)]
    pub(super) status: &'static str,
    #[serde(default = "vulnerability")]
    pub(super) types: Vec<ScanType>,
    #[serde(default)]
    pub(super) looked_for: Vec<ScanType>,
    #[serde(skip_deserializing)]
    pub(super) summary: Summary,
    pub(super) distro: Option<Distro<'a>>,
    #[serde(deserialize_with = "capped")]
    pub(super) layers: Vec<Layer<'a>>,
    #[serde(deserialize_with = "capped")]
    pub(super) packages: Vec<Package<'a>>,
    #[serde(deserialize_with = "capped")]
    pub(super) findings: Vec<Finding<'a>>,
    #[serde(default, deserialize_with = "capped")]
    pub(super) secrets: Vec<Secret<'a>>,
    #[serde(default, deserialize_with = "capped")]
    pub(super) licence_files: Vec<LicenceFile<'a>>,
    #[serde(default, deserialize_with = "capped")]
    pub(super) files: Vec<File<'a>>,
    #[serde(deserialize_with = "capped")]
    pub(super) database: Vec<Coverage<'a>>,
    #[serde(default, deserialize_with = "capped")]
    pub(super) enrichment: Vec<EnrichmentUsed<'a>>,
    #[serde(deserialize_with = "capped")]
    pub(super) problems: Vec<Problem<'a>>,
}

/// Documents that name no types are of the time when there was only one.
fn vulnerability() -> Vec<ScanType> {
    vec![ScanType::Vulnerability]
}

#[derive(Serialize, Deserialize)]
pub(super) struct Scanner<'a> {
    pub(super) name: Text<'a>,
    pub(super) version: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Image<'a> {
    pub(super) reference: Text<'a>,
    pub(super) digest: Option<Digest>,
    pub(super) index_digest: Option<Digest>,
    pub(super) platform: Option<String>,
    pub(super) created: Option<Text<'a>>,
}

/// Counts, for those who only look at the top. They follow from the rest and are not read back.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    pub(super) packages: usize,
    pub(super) findings: usize,
    pub(super) fixable: usize,
    pub(super) severities: BTreeMap<&'static str, usize>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Distro<'a> {
    pub(super) id: Text<'a>,
    pub(super) version_id: Option<Text<'a>>,
    pub(super) codename: Option<Text<'a>>,
    pub(super) pretty_name: Option<Text<'a>>,
    pub(super) id_like: Texts<'a>,
    pub(super) path: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Layer<'a> {
    #[serde(skip_deserializing)]
    pub(super) index: usize,
    pub(super) digest: Digest,
    pub(super) diff_id: Option<Digest>,
    pub(super) size: u64,
    pub(super) created_by: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Package<'a> {
    #[serde(skip_deserializing)]
    pub(super) index: usize,
    pub(super) kind: PackageKind,
    pub(super) name: Text<'a>,
    pub(super) version: Text<'a>,
    #[serde(skip_deserializing)]
    pub(super) purl: String,
    pub(super) epoch: Option<u32>,
    pub(super) arch: Option<Text<'a>>,
    pub(super) source: Option<Source<'a>>,
    pub(super) os: Option<Text<'a>>,
    pub(super) licences: Texts<'a>,
    pub(super) licence: Option<Text<'a>>,
    pub(super) digest: Option<Text<'a>>,
    #[serde(default)]
    pub(super) requires: Texts<'a>,
    pub(super) module: Option<Text<'a>>,
    pub(super) vendor: Option<Text<'a>>,
    pub(super) path: Text<'a>,
    pub(super) layer: Option<u32>,
    pub(super) owner: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Source<'a> {
    pub(super) name: Text<'a>,
    pub(super) version: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Finding<'a> {
    pub(super) id: Text<'a>,
    pub(super) aliases: Texts<'a>,
    pub(super) package: FindingPackage<'a>,
    pub(super) severity: Severity,
    pub(super) score: Option<f64>,
    pub(super) vector: Option<Text<'a>>,
    /// 0 to 100; follows from the rest.
    #[serde(skip_deserializing)]
    pub(super) risk: u8,
    #[serde(default)]
    pub(super) ratings: Vec<Rating<'a>>,
    #[serde(default)]
    pub(super) kev: Option<KnownExploited<'a>>,
    #[serde(default)]
    pub(super) epss: Option<Epss>,
    pub(super) state: FixState,
    pub(super) fixed_versions: Texts<'a>,
    #[serde(skip_deserializing)]
    pub(super) layer: Option<u32>,
    pub(super) title: Text<'a>,
    #[serde(skip_deserializing)]
    pub(super) reason: String,
    pub(super) evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Rating<'a> {
    pub(super) source: Text<'a>,
    pub(super) shard: Text<'a>,
    pub(super) severity: Severity,
    pub(super) score: Option<f64>,
    pub(super) vector: Option<Text<'a>>,
    /// Follows from the vector.
    #[serde(skip_deserializing)]
    pub(super) cvss: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KnownExploited<'a> {
    pub(super) added: Text<'a>,
    pub(super) due: Option<Text<'a>>,
    pub(super) ransomware: bool,
}

/// Both between 0 and 1.
#[derive(Serialize, Deserialize)]
pub(super) struct Epss {
    pub(super) score: f64,
    pub(super) percentile: f64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EnrichmentUsed<'a> {
    pub(super) name: Text<'a>,
    pub(super) source: Text<'a>,
    pub(super) dated: Text<'a>,
    pub(super) built: Text<'a>,
    pub(super) entries: u64,
    pub(super) digest: Text<'a>,
}

/// Only the index is read back; the rest spares readers a look-up.
#[derive(Serialize, Deserialize)]
pub(super) struct FindingPackage<'a> {
    pub(super) index: u32,
    #[serde(skip_deserializing)]
    pub(super) name: Text<'a>,
    #[serde(skip_deserializing)]
    pub(super) version: Text<'a>,
    #[serde(skip_deserializing)]
    pub(super) purl: String,
    #[serde(skip_deserializing)]
    pub(super) path: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Evidence<'a> {
    pub(super) advisory: Text<'a>,
    pub(super) shard: Text<'a>,
    pub(super) matched_name: Text<'a>,
    pub(super) matched_version: Text<'a>,
    pub(super) scheme: Text<'a>,
    pub(super) range: Text<'a>,
}

/// Stands in a file or in a part of the image configuration: exactly one of `path` and `config` is there.
#[derive(Serialize, Deserialize)]
pub(super) struct Secret<'a> {
    pub(super) rule: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) category: Text<'a>,
    pub(super) severity: Severity,
    pub(super) path: Option<Text<'a>>,
    pub(super) config: Option<Text<'a>>,
    pub(super) start_line: u32,
    pub(super) end_line: u32,
    pub(super) excerpt: Text<'a>,
    pub(super) layer: Option<u32>,
    pub(super) deleted: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LicenceFile<'a> {
    pub(super) path: Text<'a>,
    pub(super) licence: Text<'a>,
    pub(super) confidence: u8,
    pub(super) layer: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct File<'a> {
    pub(super) path: Text<'a>,
    pub(super) check: Text<'a>,
    pub(super) severity: Severity,
    pub(super) message: Text<'a>,
    /// Octal digits, as people write permissions.
    pub(super) mode: Option<String>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) layer: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Coverage<'a> {
    pub(super) shard: Text<'a>,
    pub(super) state: CoverageState,
    pub(super) packages: usize,
    pub(super) digest: Option<Text<'a>>,
    pub(super) advisories: u64,
    pub(super) built: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Problem<'a> {
    pub(super) code: ProblemCode,
    pub(super) message: Text<'a>,
    pub(super) path: Option<Text<'a>>,
    pub(super) layer: Option<u32>,
}

/// Reads a list of at most [`MAX_ITEMS`] entries.
fn capped<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() == MAX_ITEMS {
                    return Err(A::Error::custom(format_args!("a list has more than {MAX_ITEMS} entries")));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    deserializer.deserialize_seq(Items(PhantomData))
}
