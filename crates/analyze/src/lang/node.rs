//! Node.js packages.

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want};

/// Node.js packages.
pub struct NodeAnalyzer;

impl Analyzer for NodeAnalyzer {
    fn name(&self) -> &'static str {
        "lang/node"
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
