//! apk databases.

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want};

/// apk databases.
pub struct ApkAnalyzer;

impl Analyzer for ApkAnalyzer {
    fn name(&self) -> &'static str {
        "os/apk"
    }
    fn version(&self) -> u32 {
        1
    }
    fn wants(&self, _entry: &Entry<'_>) -> Want {
        Want::No
    }
    fn observe(&self, _entry: &Entry<'_>, _content: Content<'_>) -> Observation {
        Observation::default()
    }
    fn finish(&self, _files: &Files<'_>, _merged: &mut Merged) {}
}
