//! A password, key or token that lies in an image.

use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// Where in an image something stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In a file, by its path relative to the root.
    File(String),
    /// In the image configuration, for example `env API_KEY`, `label maintainer`, `history 3`.
    Config(String),
}

impl Place {
    /// The path or the name of the part of the configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Self::File(text) | Self::Config(text) => text,
        }
    }
}

/// One secret. It never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret {
    /// Where it stands.
    pub place: Place,
    /// The first line of it, from 1; of configuration parts always 1.
    pub start_line: u32,
    /// The last line of it.
    pub end_line: u32,
    /// Id of the rule that found it.
    pub rule: String,
    /// What the rule looks for, one line for people.
    pub title: String,
    /// A word for grouping: `aws`, `private-key`, `generic` ...
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// The text around it with the secret masked, bounded in length.
    pub excerpt: String,
    /// Index of the layer that holds it, 0 = lowest; `None` without layers and for the configuration.
    pub layer: Option<u32>,
    /// True when a later layer removed or replaced the file: whoever has the image can still read it.
    pub deleted: bool,
}
