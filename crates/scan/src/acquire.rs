//! From a stored layer to a record: open, count, verify, decompress, bound, pass.
//!
//! Verification is of every byte: a record is only handed out when the layer's digest was right, whether or
//! not its archive could be read to the end.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    io::{self, Read},
    rc::Rc,
    time::Instant,
};

use model::{Limits, Problem, ProblemCode};
use oci::{Decompressor, LayerStore, OciError, Stage, VerifyingReader, decompress};

use crate::{
    pass::{Budget, FileFacts, LayerPass, OutOfTime, PassContext, PassError},
    record::LayerRecord,
    tar::TarReader,
};

/// Why a layer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The layer could not be had, or is not what its digest says.
    #[error("failed to read layer {index}")]
    Layer {
        /// 0 = lowest.
        index: usize,
        /// What went wrong.
        #[source]
        source: Box<OciError>,
    },
    /// The layer could not be read from where it is kept.
    #[error("failed to read layer {index}")]
    Io {
        /// 0 = lowest.
        index: usize,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The time for the scan is over.
    #[error(transparent)]
    OutOfTime(OutOfTime),
}

/// Reads one layer into a record. `advance` is told compressed bytes as they come.
pub fn read_layer(
    store: &dyn LayerStore,
    index: usize,
    context: &PassContext<'_>,
    advance: &dyn Fn(u64),
) -> Result<LayerRecord, AcquireError> {
    let mut pass = LayerPass::new(context);
    let run = |reader: &mut TarReader<Bounded<'_>>| -> Result<(), PassError> {
        pass.read_archive(reader)?;
        reader.drain().map_err(PassError::Read)
    };
    let problem = stream(store, index, context, advance, run)?;
    if let Some(problem) = problem {
        pass.problem(problem);
    }
    Ok(pass.finish())
}

/// Reads one layer again to show some of its files, and returns the bytes that were decompressed for it.
/// Errors end the reading; what was shown until then counts.
pub fn read_layer_again(
    store: &dyn LayerStore,
    index: usize,
    context: &PassContext<'_>,
    ordinals: &BTreeSet<u32>,
    visit: &mut dyn FnMut(u32, FileFacts, &mut dyn Read),
) -> u64 {
    let mut pass = LayerPass::new(context);
    let produced = Cell::new(0);
    let run = |reader: &mut TarReader<Bounded<'_>>| -> Result<(), PassError> {
        let result = pass.read_archive_again(reader, ordinals, visit);
        produced.set(reader.get_ref().produced);
        result
    };
    // What comes by this way was verified in the first pass; a store that changes in between is caught by
    // the digest of the whole.
    if let Err(error) = stream(store, index, context, &|_| {}, run) {
        tracing::debug!(layer.index = index, error = %error, "second pass over a layer ended early");
    }
    produced.get()
}

/// Sets up the stream of a layer, runs `run` on its archive and sorts out what went wrong: a problem where
/// the layer's own content is to blame, an error where it could not be had.
fn stream<F>(
    store: &dyn LayerStore,
    index: usize,
    context: &PassContext<'_>,
    advance: &dyn Fn(u64),
    run: F,
) -> Result<Option<Problem>, AcquireError>
where
    F: FnOnce(&mut TarReader<Bounded<'_>>) -> Result<(), PassError>,
{
    let layer_error = |source| AcquireError::Layer { index, source: Box::new(source) };
    let layers = store.layers();
    let missing = || layer_error(OciError::BlobMissing { what: format!("layer {index}") });
    let layer = layers.get(index).ok_or_else(missing)?;
    if let Some(why) = &layer.unsupported {
        return Ok(Some(Problem::new(ProblemCode::LayerUnsupported, why.clone())));
    }
    let what = format!("layer {index} ({})", layer.facts.digest);
    let raw = store.open_layer(index).map_err(layer_error)?;
    let stored = layer.expected.stage == Stage::Stored;
    let tap = Tap { inner: raw, advance, taken: Rc::new(Cell::new(0)) };
    let taken = Rc::clone(&tap.taken);
    let expected = &layer.expected;
    let verify = |reader, on| Verified::new(reader, on, expected, &what);
    let below = Shared(Rc::new(RefCell::new(verify(Box::new(tap) as Box<dyn Read>, stored))));
    let failed = |error: io::Error| match OciError::from_io(error) {
        Ok(source) => layer_error(source),
        Err(source) => AcquireError::Io { index, source },
    };

    let decompressed = match decompress(below.clone(), &what) {
        Ok(decompressed) => decompressed,
        Err(error) => {
            return classify(error, &below, &failed).and_then(|p| finish(&below, &failed).map(|()| p));
        }
    };
    let above = Verified::new(decompressed, !stored, expected, &what);
    let bounded = Bounded {
        inner: above,
        limits: context.limits,
        taken,
        produced: 0,
        deadline: context.deadline,
        budget: context.budget,
    };
    let mut reader = TarReader::new(bounded);
    let problem = match run(&mut reader) {
        Ok(()) => None,
        Err(PassError::OutOfTime(error)) => return Err(AcquireError::OutOfTime(error)),
        Err(PassError::Read(error)) => {
            if error.get_ref().is_some_and(|inner| inner.is::<OutOfTime>()) {
                return Err(AcquireError::OutOfTime(OutOfTime));
            }
            classify(error, &below, &failed)?
        }
    };
    finish(&below, &failed)?;
    Ok(problem)
}

/// An error of the stream: the store's and the digest's are errors, the content's own are problems.
fn classify(
    error: io::Error,
    below: &Shared<'_>,
    failed: &dyn Fn(io::Error) -> AcquireError,
) -> Result<Option<Problem>, AcquireError> {
    if let Some(met) = error.get_ref().and_then(|inner| inner.downcast_ref::<LimitMet>()) {
        return Ok(Some(Problem::new(ProblemCode::LayerLimit, met.0.clone())));
    }
    if let Some(source) = below.0.borrow_mut().failure.take() {
        return Err(failed(source));
    }
    match OciError::from_io(error) {
        Ok(OciError::Unsupported { why, .. }) => Ok(Some(Problem::new(ProblemCode::LayerUnsupported, why))),
        Ok(error) => Err(failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Ok(Some(Problem::new(ProblemCode::LayerTruncated, "the compressed layer ends too early")))
        }
        Err(error) => {
            let why: String = error.to_string().chars().filter(|c| !c.is_control()).take(120).collect();
            Ok(Some(Problem::new(
                ProblemCode::LayerCorrupt,
                format!("the layer could not be decompressed: {why}"),
            )))
        }
    }
}

/// Reads what is left of the stored layer, so that its digest is compared whatever its archive was like.
fn finish(below: &Shared<'_>, failed: &dyn Fn(io::Error) -> AcquireError) -> Result<(), AcquireError> {
    let mut verified = below.0.borrow_mut();
    if let Some(source) = verified.failure.take() {
        return Err(failed(source));
    }
    verified.finish().map_err(failed)
}

/// Counts the stored bytes.
struct Tap<'a> {
    inner: Box<dyn Read + Send>,
    advance: &'a dyn Fn(u64),
    taken: Rc<Cell<u64>>,
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + n as u64);
        (self.advance)(n as u64);
        Ok(n)
    }
}

/// A reader that is compared with a digest, or not (when the digest is of the other stage), and that
/// remembers the first error, which decoders above would otherwise disguise.
struct Verified<R> {
    inner: Inner<R>,
    failure: Option<io::Error>,
}

enum Inner<R> {
    On(Box<VerifyingReader<R>>),
    Off(R),
}

impl<R: Read> Verified<R> {
    fn new(reader: R, on: bool, expected: &oci::Expected, what: &str) -> Self {
        let inner = if on {
            Inner::On(Box::new(VerifyingReader::new(reader, expected.digest.clone(), expected.size, what)))
        } else {
            Inner::Off(reader)
        };
        Self { inner, failure: None }
    }

    fn finish(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::On(reader) => reader.finish().map(drop),
            Inner::Off(_) => Ok(()),
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = match &mut self.inner {
            Inner::On(reader) => reader.read(buffer),
            Inner::Off(reader) => reader.read(buffer),
        };
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted && self.failure.is_none() {
                self.failure = Some(error);
            }
            kind.into()
        })
    }
}

/// One reader, held by the decoder above and by the one who finishes it.
#[derive(Clone)]
struct Shared<'a>(Rc<RefCell<Verified<Box<dyn Read + 'a>>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

/// A limit on the decompressed stream was met.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct LimitMet(String);

/// Bounds the decompressed stream in size, ratio and time.
pub struct Bounded<'a> {
    inner: Verified<Decompressor<Shared<'a>>>,
    limits: &'a Limits,
    taken: Rc<Cell<u64>>,
    produced: u64,
    deadline: Instant,
    budget: &'a Budget,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What lies within the limit is delivered; one byte more tells whether anything lies beyond.
        let left = self.limits.layer_bytes.saturating_sub(self.produced).max(1);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = match self.inner.read(&mut buffer[..most]) {
            Ok(n) => n,
            // The decoder's own message is better than the bare kind.
            Err(bare) => return Err(self.inner.failure.take().unwrap_or(bare)),
        };
        self.produced += n as u64;
        if self.produced > self.limits.layer_bytes {
            let text =
                format!("more than {} bytes decompressed; the rest was not read", self.limits.layer_bytes);
            return Err(io::Error::other(LimitMet(text)));
        }
        let ratio = self.limits.compression_ratio;
        if self.produced > self.limits.ratio_free_bytes && self.produced / ratio.max(1) > self.taken.get() {
            let text = format!("more than {ratio} bytes out of each compressed byte; the rest was not read");
            return Err(io::Error::other(LimitMet(text)));
        }
        if Instant::now() > self.deadline || self.budget.is_cancelled() {
            return Err(io::Error::other(OutOfTime));
        }
        Ok(n)
    }
}
