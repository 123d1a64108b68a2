//! rpm databases.

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want};

/// rpm databases.
pub struct RpmAnalyzer;

impl Analyzer for RpmAnalyzer {
    fn name(&self) -> &'static str {
        "os/rpm"
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
