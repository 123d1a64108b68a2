//! A root file system in a directory, scanned as if it were an image of one layer.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    ops::ControlFlow,
    time::Instant,
};

use model::Inventory;
use oci::{
    OciError,
    directory::{Directory, Entry, EntryKind},
};

use crate::{
    engine::EngineConfig,
    index::IndexKind,
    merge::{MergeInput, SecondPass, merge},
    pass::{Budget, FileFacts, LayerPass, OutOfTime, PassContext, PassError},
};

/// Why a directory could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It could not be read.
    #[error("failed to scan a directory")]
    Read(#[source] OciError),
    /// The time for the scan is over.
    #[error(transparent)]
    OutOfTime(OutOfTime),
}

/// Walks the directory and merges what was found. The cache is not used: directories have no digest.
pub fn build_inventory(
    directory: &Directory,
    config: &EngineConfig<'_>,
) -> Result<Inventory, DirectoryError> {
    let budget = Budget::new(config.limits);
    let context = PassContext {
        analyzers: config.analyzers,
        limits: config.limits,
        deadline: Instant::now() + config.limits.time,
        budget: &budget,
    };
    let mut pass = LayerPass::new(&context);
    let mut out_of_time = None;
    let problems = directory
        .walk(config.limits, &mut |entry| {
            let (path, kind, facts) = describe(&entry);
            let target = entry.link_target.unwrap_or_default();
            match pass.directory_entry(path, kind, target, facts, || open(&entry)) {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => ControlFlow::Break(()),
                Err(PassError::OutOfTime(error)) => {
                    out_of_time = Some(error);
                    ControlFlow::Break(())
                }
                // Files that cannot be read are problems of their analyzers; nothing else reads here.
                Err(PassError::Read(_)) => ControlFlow::Continue(()),
            }
        })
        .map_err(DirectoryError::Read)?;
    if let Some(error) = out_of_time {
        return Err(DirectoryError::OutOfTime(error));
    }
    for problem in problems {
        pass.problem(problem);
    }
    let records = [pass.finish()];
    let input = MergeInput {
        records: &records,
        layers: Vec::new(),
        analyzers: config.analyzers,
        config: None,
        limits: config.limits,
    };
    Ok(merge(input, &mut Rewalk { directory, context: &context }))
}

struct Rewalk<'a> {
    directory: &'a Directory,
    context: &'a PassContext<'a>,
}

impl SecondPass for Rewalk<'_> {
    fn read_again(
        &mut self,
        _layer: u16,
        ordinals: &BTreeSet<u32>,
        visit: &mut dyn FnMut(u32, FileFacts, &mut dyn Read),
    ) -> u64 {
        let budget = Budget::new(self.context.limits);
        let no_analyzers = PassContext { analyzers: &[], budget: &budget, ..*self.context };
        let mut pass = LayerPass::new(&no_analyzers);
        let mut read = 0;
        let walked = self.directory.walk(self.context.limits, &mut |entry| {
            let (path, kind, facts) = describe(&entry);
            let before = pass.entries();
            let target = entry.link_target.unwrap_or_default();
            let more = pass.directory_entry(path, kind, target, facts, || open(&entry));
            if kind == IndexKind::File
                && pass.entries() > before
                && ordinals.contains(&before)
                && let Ok(mut file) = entry.open()
            {
                read += facts.size;
                visit(before, facts, &mut file);
            }
            let last = ordinals.last().is_none_or(|last| pass.entries() > *last);
            if last || !matches!(more, Ok(true)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Err(error) = walked {
            tracing::debug!(error = %error, "second pass over a directory ended early");
        }
        read
    }
}

fn open(entry: &Entry<'_>) -> io::Result<Box<dyn Read>> {
    entry.open().map(|file| Box::new(file) as Box<dyn Read>)
}

fn describe<'a>(entry: &Entry<'a>) -> (&'a [u8], IndexKind, FileFacts) {
    let kind = match entry.kind {
        EntryKind::File => IndexKind::File,
        EntryKind::Directory => IndexKind::Directory,
        EntryKind::Symlink => IndexKind::Symlink,
        EntryKind::Device | EntryKind::Other => IndexKind::Special,
    };
    let facts =
        FileFacts { size: entry.size, mode: entry.mode, uid: entry.uid.into(), gid: entry.gid.into() };
    (entry.path, kind, facts)
}
