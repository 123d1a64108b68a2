//! os-release(5) and its fallbacks.

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want};

/// os-release(5) and its fallbacks.
pub struct DistroAnalyzer;

impl Analyzer for DistroAnalyzer {
    fn name(&self) -> &'static str {
        "os/distro"
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
