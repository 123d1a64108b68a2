//! Python distributions.

use crate::{Analyzer, Content, Entry, Files, Merged, Observation, Want};

/// Python distributions.
pub struct PythonAnalyzer;

impl Analyzer for PythonAnalyzer {
    fn name(&self) -> &'static str {
        "lang/python"
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
