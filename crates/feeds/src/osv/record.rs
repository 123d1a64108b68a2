//! OSV's JSON (ossf.github.io/osv-schema), read leniently.
//!
//! What decides a match must have the right form, or the record is refused; what only people read may be
//! missing, null or wrong. Ecosystems are plain text: new ones appear all the time.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    #[serde(deserialize_with = "nullable")]
    pub(super) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) aliases: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) upstream: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) related: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) summary: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) details: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) references: Vec<Reference>,
    #[serde(deserialize_with = "lenient")]
    pub(super) published: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) modified: String,
    pub(super) withdrawn: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) severity: Vec<Severity>,
    #[serde(deserialize_with = "nullable")]
    pub(super) affected: Vec<Affected>,
    #[serde(deserialize_with = "lenient")]
    pub(super) database_specific: Specific,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    #[serde(deserialize_with = "lenient")]
    pub(super) url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Severity {
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) score: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Affected {
    pub(super) package: Option<Package>,
    #[serde(deserialize_with = "nullable")]
    pub(super) ranges: Vec<Range>,
    #[serde(deserialize_with = "nullable")]
    pub(super) versions: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) severity: Vec<Severity>,
    #[serde(deserialize_with = "lenient")]
    pub(super) ecosystem_specific: Specific,
    #[serde(deserialize_with = "lenient")]
    pub(super) database_specific: Specific,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Package {
    #[serde(deserialize_with = "nullable")]
    pub(super) ecosystem: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) events: Vec<Event>,
}

/// One key each by the schema; older records put several into one object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) introduced: Option<String>,
    pub(super) fixed: Option<String>,
    pub(super) last_affected: Option<String>,
    pub(super) limit: Option<String>,
}

/// What is read of `database_specific` and `ecosystem_specific`, whose form each source makes up.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Specific {
    /// GitHub, Bitnami: a word.
    #[serde(deserialize_with = "lenient")]
    pub(super) severity: String,
    /// Debian: `unimportant`, `low`, ..., `end-of-life`.
    #[serde(deserialize_with = "lenient")]
    pub(super) urgency: String,
    /// Status of the Ubuntu CVE tracker.
    #[serde(deserialize_with = "lenient")]
    pub(super) uct_status: String,
    /// GitHub: `<= 2.9.10.3` on a range without an end.
    #[serde(deserialize_with = "lenient")]
    pub(super) last_known_affected_version_range: String,
    /// Go: packages and symbols.
    #[serde(deserialize_with = "lenient")]
    pub(super) imports: Vec<Import>,
    /// RustSec.
    #[serde(deserialize_with = "lenient")]
    pub(super) affects: Affects,
    /// SUSE: binary name -> fixed version; of other forms elsewhere.
    #[serde(deserialize_with = "lenient")]
    pub(super) binaries: Vec<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Import {
    #[serde(deserialize_with = "lenient")]
    pub(super) path: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) goos: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) symbols: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Affects {
    #[serde(deserialize_with = "lenient")]
    pub(super) os: Vec<String>,
}

/// `null` is the same as missing.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whatever does not have the expected form is the same as missing.
fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default())
}
