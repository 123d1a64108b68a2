//! The one streaming pass over a layer (or a directory): every entry goes into the index, every wanted file
//! goes through the analyzers that want it, nothing is unpacked.

mod reader;

use std::{
    collections::BTreeSet,
    io::{self, Read},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use analyze::{Analyzer, Content, Entry, EntryKind, Observation, Want};
use model::{Limits, Problem, ProblemCode};

pub use self::reader::BlobReader;
use self::reader::LazyReader;
use crate::{
    index::{IndexKind, IndexWriter},
    paths::{clean_path, file_name, lossy},
    record::{Kept, LayerRecord},
    tar::{TarError, TarHeader, TarKind, TarReader},
};

/// Most problems kept of one layer: a hostile archive could make one an entry.
const MAX_PROBLEMS: usize = 100;
/// Entries between two looks at the clock.
const CLOCK_STRIDE: u32 = 1024;

/// What every pass of one scan shares.
pub struct PassContext<'a> {
    /// The analyzers, in the order that [`Kept::analyzer`] counts.
    pub analyzers: &'a [&'a dyn Analyzer],
    /// The limits of the scan.
    pub limits: &'a Limits,
    /// When the scan must be over.
    pub deadline: Instant,
    /// What all layers together may still take.
    pub budget: &'a Budget,
}

/// Memory that all layers of one scan share, in bytes.
#[derive(Debug)]
pub struct Budget {
    index: AtomicU64,
    facts: AtomicU64,
    cancelled: AtomicBool,
}

impl Budget {
    /// All that the limits grant.
    pub const fn new(limits: &Limits) -> Self {
        Self {
            index: AtomicU64::new(limits.index_bytes),
            facts: AtomicU64::new(limits.fact_bytes),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Lets all layers end as if the time were over.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants the result any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn take(from: &AtomicU64, bytes: u64) -> bool {
        from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// The time for the scan is over.
#[derive(Debug, thiserror::Error)]
#[error("the scan took longer than its limit")]
pub struct OutOfTime;

/// Collects one layer's record.
pub struct LayerPass<'a> {
    context: &'a PassContext<'a>,
    index: IndexWriter,
    record: LayerRecord,
    entries: u64,
    charged: u64,
    /// Where a second reading may stop.
    last_ordinal: Option<u32>,
}

impl<'a> LayerPass<'a> {
    /// Begins a layer.
    pub fn new(context: &'a PassContext<'a>) -> Self {
        Self {
            context,
            index: IndexWriter::default(),
            record: LayerRecord::default(),
            entries: 0,
            charged: 0,
            last_ordinal: None,
        }
    }

    /// Reads a whole archive. Stops early, with a problem, where the archive is damaged or meets a limit;
    /// an error is returned only when the stream below failed or the time is over, since then the layer
    /// says nothing about the image.
    pub fn read_archive<R: Read>(&mut self, reader: &mut TarReader<R>) -> Result<(), PassError> {
        self.walk(reader, |pass, ordinal, path, facts, sparse, reader| {
            pass.file(ordinal, path, facts, sparse, reader);
        })
    }

    /// Reads an archive again, only to show the contents of some of its files.
    pub fn read_archive_again<R: Read>(
        &mut self,
        reader: &mut TarReader<R>,
        ordinals: &BTreeSet<u32>,
        visit: &mut dyn FnMut(u32, FileFacts, &mut dyn Read),
    ) -> Result<(), PassError> {
        self.last_ordinal = ordinals.last().copied();
        self.walk(reader, |_, ordinal, _, facts, sparse, reader| {
            if !sparse && ordinals.contains(&ordinal) {
                visit(ordinal, facts, reader);
            }
        })
    }

    fn walk<R: Read>(
        &mut self,
        reader: &mut TarReader<R>,
        mut on_file: impl FnMut(&mut Self, u32, &[u8], FileFacts, bool, &mut TarReader<R>),
    ) -> Result<(), PassError> {
        let mut header = TarHeader::default();
        let mut path = Vec::with_capacity(256);
        let mut target = Vec::new();
        loop {
            match reader.next_entry(&mut header) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(TarError::Truncated) => {
                    self.problem(Problem::new(ProblemCode::LayerTruncated, "the layer ends within an entry"));
                    return Ok(());
                }
                Err(TarError::Corrupt(why)) => {
                    let text =
                        format!("the layer is no valid archive from entry {} on: {why}", self.entries + 1);
                    self.problem(Problem::new(ProblemCode::LayerCorrupt, text));
                    return Ok(());
                }
                Err(TarError::Read(error)) => return Err(PassError::Read(error)),
            }
            if !self.check_entry()? {
                return Ok(());
            }
            let Some(clean) = self.clean(&header.path, &mut path) else { continue };
            let kind = match header.kind {
                TarKind::File | TarKind::SparseFile => IndexKind::File,
                TarKind::Directory => IndexKind::Directory,
                TarKind::Symlink => IndexKind::Symlink,
                TarKind::Hardlink => IndexKind::Hardlink,
                TarKind::Special => IndexKind::Special,
            };
            target.clear();
            match kind {
                IndexKind::Symlink => target.extend_from_slice(&header.target),
                IndexKind::Hardlink => {
                    clean_path(&header.target, &mut target);
                }
                _ => {}
            }
            if target.len() > self.context.limits.path_bytes {
                self.problem(Problem::new(
                    ProblemCode::PathRefused,
                    "a link target is longer than the limit",
                ));
                continue;
            }
            let Some(ordinal) = self.push(clean, kind, &target) else { return Ok(()) };
            if kind == IndexKind::File {
                let sparse = header.kind == TarKind::SparseFile;
                let facts =
                    FileFacts { size: header.size, mode: header.mode, uid: header.uid, gid: header.gid };
                on_file(self, ordinal, clean, facts, sparse, reader);
            }
            if self.last_ordinal == Some(ordinal) {
                return Ok(());
            }
        }
    }

    /// Adds one entry of a directory; `content` is read when an analyzer wants the file.
    pub fn directory_entry(
        &mut self,
        path: &[u8],
        kind: IndexKind,
        target: &[u8],
        facts: FileFacts,
        content: impl FnOnce() -> io::Result<Box<dyn Read>>,
    ) -> Result<bool, PassError> {
        if !self.check_entry()? {
            return Ok(false);
        }
        let mut buffer = Vec::new();
        let Some(clean) = self.clean(path, &mut buffer) else { return Ok(true) };
        let Some(ordinal) = self.push(clean, kind, target) else { return Ok(false) };
        if kind == IndexKind::File {
            let mut lazy = LazyReader::Closed(Some(content));
            self.file(ordinal, clean, facts, false, &mut lazy);
        }
        Ok(true)
    }

    /// How many entries have an ordinal so far.
    pub const fn entries(&self) -> u32 {
        self.index.entries()
    }

    /// Adds a problem of the layer.
    pub fn problem(&mut self, problem: Problem) {
        push_problem(&mut self.record.problems, problem);
    }

    /// The finished record.
    pub fn finish(mut self) -> LayerRecord {
        self.record.index = self.index.finish();
        self.record
    }

    fn check_entry(&mut self) -> Result<bool, PassError> {
        self.entries += 1;
        if self.entries.is_multiple_of(u64::from(CLOCK_STRIDE)) && Instant::now() > self.context.deadline {
            return Err(PassError::OutOfTime(OutOfTime));
        }
        if self.entries > self.context.limits.layer_entries {
            let limit = self.context.limits.layer_entries;
            self.problem(Problem::new(
                ProblemCode::LayerLimit,
                format!("more than {limit} entries; the rest was not read"),
            ));
            return Ok(false);
        }
        Ok(true)
    }

    /// Cleans a path into `buffer`; `None` for the root itself and for paths beyond the limits.
    fn clean<'b>(&mut self, path: &[u8], buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let limits = self.context.limits;
        if path.len() > limits.path_bytes {
            let start = String::from_utf8_lossy(&path[..60.min(path.len())]).into_owned();
            let text =
                format!("a path of {} bytes is longer than the limit; it begins {start:?}", path.len());
            self.problem(Problem::new(ProblemCode::PathRefused, text));
            return None;
        }
        let outside = clean_path(path, buffer);
        if outside {
            let shown = lossy(buffer).into_owned();
            let text = "a path leads out of the image; it was taken as inside, as runtimes do";
            self.problem(Problem::new(ProblemCode::PathOutsideRoot, text).at_path(shown));
        }
        if buffer.iter().filter(|&&b| b == b'/').count() >= limits.path_depth {
            self.problem(Problem::new(ProblemCode::PathRefused, "a path is deeper than the limit"));
            return None;
        }
        if buffer.contains(&0) {
            self.problem(Problem::new(ProblemCode::PathRefused, "a path holds a NUL byte"));
            return None;
        }
        (!buffer.is_empty()).then_some(buffer.as_slice())
    }

    fn push(&mut self, path: &[u8], kind: IndexKind, target: &[u8]) -> Option<u32> {
        let ordinal = self.index.push(path, kind, target);
        let used = self.index.bytes() as u64;
        if used > self.charged {
            let step = (used - self.charged).max(64 << 10);
            if !Budget::take(&self.context.budget.index, step) {
                let text = "the paths of the image need more memory than the limit; the rest was not read";
                self.problem(Problem::new(ProblemCode::LayerLimit, text));
                return None;
            }
            self.charged += step;
        }
        Some(ordinal)
    }

    fn file(&mut self, ordinal: u32, path: &[u8], facts: FileFacts, sparse: bool, reader: &mut impl Read) {
        let path = lossy(path);
        let entry = facts.entry(&path);
        let observed = observe(self.context, &entry, sparse, reader, |_| true);
        let name = file_name(&path);
        for (analyzer, observation) in observed {
            // Of what goes by content nobody asks again: nothing need be kept of nothing, and what is kept
            // without a name serves every hard link.
            let by_content = self.context.analyzers[usize::from(analyzer)].goes_by_content();
            if by_content && observation == Observation::default() {
                continue;
            }
            let name = if by_content { "" } else { name };
            let bytes = size_of::<Kept>() + name.len() + observation.approximate_bytes();
            if !Budget::take(&self.context.budget.facts, bytes as u64) {
                let text = "the contents of the image need more memory than the limit; the rest was left out";
                self.problem(Problem::new(ProblemCode::LayerLimit, text));
                return;
            }
            self.record.kept.push(Kept { ordinal, analyzer, name: name.to_owned(), observation });
        }
    }
}

/// Why a pass could not tell anything about its layer.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The stream below failed (network, decompression, digest).
    #[error("reading the layer failed")]
    Read(#[source] io::Error),
    /// The time is over.
    #[error(transparent)]
    OutOfTime(OutOfTime),
}

/// What an archive or a directory says of a file beside its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileFacts {
    /// Bytes of content.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
}

impl FileFacts {
    /// The entry of a regular file at a path.
    pub const fn entry<'a>(&self, path: &'a str) -> Entry<'a> {
        Entry {
            path,
            kind: EntryKind::File,
            size: self.size,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            link: None,
        }
    }
}

/// Shows one file to every analyzer that wants it and that `allowed` lets.
pub fn observe(
    context: &PassContext<'_>,
    entry: &Entry<'_>,
    sparse: bool,
    reader: &mut dyn Read,
    allowed: impl Fn(u8) -> bool,
) -> Vec<(u8, Observation)> {
    let mut observed = Vec::new();
    let mut wanting: [u8; 32] = [0; 32];
    let mut count = 0;
    for (number, analyzer) in (0u8..).zip(context.analyzers) {
        if !allowed(number) {
            continue;
        }
        let Want::Content { max } = analyzer.wants(entry) else { continue };
        let max = max.min(context.limits.file_bytes);
        if entry.size > max {
            let text = format!("{} bytes, of which {} reads at most {max}", entry.size, analyzer.name());
            observed.push((number, only_problem(ProblemCode::FileTooLarge, text)));
        } else if sparse {
            observed.push((number, only_problem(ProblemCode::FileUnsupported, "a sparse file".into())));
        } else if count < wanting.len() {
            wanting[count] = number;
            count += 1;
        }
    }
    let spill = context.limits.spill_bytes;
    match &wanting[..count] {
        [] => {}
        [only] => {
            let content = Content::new(reader, entry.size, spill);
            observed.push((*only, context.analyzers[usize::from(*only)].observe(entry, content)));
        }
        several => match Content::new(reader, entry.size, spill).into_blob() {
            Ok(blob) => {
                for number in several {
                    let mut cursor = BlobReader::new(&blob);
                    let content = Content::new(&mut cursor, blob.len(), spill);
                    observed.push((*number, context.analyzers[usize::from(*number)].observe(entry, content)));
                }
            }
            Err(_) => {
                for number in several {
                    observed
                        .push((*number, only_problem(ProblemCode::FileCorrupt, "could not be read".into())));
                }
            }
        },
    }
    observed.sort_by_key(|(number, _)| *number);
    observed
}

/// Adds a problem unless it is there already or there are very many.
pub fn push_problem(problems: &mut Vec<Problem>, problem: Problem) {
    if problems.len() < MAX_PROBLEMS && !problems.contains(&problem) {
        problems.push(problem);
    }
}

fn only_problem(code: ProblemCode, text: String) -> Observation {
    Observation { facts: Vec::new(), problems: vec![Problem::new(code, text)] }
}
