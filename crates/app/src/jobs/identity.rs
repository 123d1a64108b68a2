//! What makes two jobs the same, and what jobs are told to do.

use model::Limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a look-up is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResolvePayload {
    pub(crate) source: String,
    pub(crate) platform: String,
    /// The project that asked: its registries count.
    #[serde(default)]
    pub(crate) project: Option<i64>,
}

/// What the reading of an image is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IndexPayload {
    /// What to open: pinned to the digest where the registry has one.
    pub(crate) source: String,
    pub(crate) platform: String,
    /// The project that asked first: its registries count. Who joined has looked the image up as well.
    #[serde(default)]
    pub(crate) project: Option<i64>,
    /// What the inventory is stored under.
    pub(crate) digest: String,
}

/// What a match is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MatchPayload {
    pub(crate) inventory: i64,
}

/// The first half of a SHA-256 over parts, each with its length.
pub(crate) fn key(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

/// Key of the job that reads an image.
pub(crate) fn index_key(digest: &str, analyzers: &str) -> [u8; 16] {
    key(&[b"index", digest.as_bytes(), analyzers.as_bytes()])
}

/// Key and payload of the job that matches an inventory.
pub(crate) fn match_job(inventory: i64) -> (String, [u8; 16]) {
    let payload = serde_json::to_string(&MatchPayload { inventory }).unwrap_or_default();
    (payload, key(&[b"match", &inventory.to_le_bytes()]))
}

/// Versions of all analyzers with the limits that they work under: an inventory made with others is another one.
pub fn analyzers_key(limits: &Limits) -> String {
    let mut parts: Vec<String> = analyze::ANALYZERS
        .iter()
        .map(|analyzer| format!("{}.{}", analyzer.name(), analyzer.version()))
        .collect();
    parts.push(format!("{limits:?}"));
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    key(&parts).iter().map(|byte| format!("{byte:02x}")).collect()
}
