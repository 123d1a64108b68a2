//! One object as a file to be read at any place: small parts through a few kept windows, layers as streams.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{
    ObjectAddress,
    client::Buckets,
    transfer::{Transfer, Version, begin},
};
use crate::{
    error::OciError,
    registry::{ChannelReader, run},
};

/// Bytes of one window: a header with what stands around it, and most documents.
const WINDOW: u64 = 32 << 10;
/// Windows that are kept: 2 MiB, the headers and documents of a usual image.
const WINDOWS: usize = 64;
/// Requests for windows of one object, at most: the largest image that is read has 512 layers.
const REQUESTS: u32 = 2048;

/// One version of an object. Cheap parts are kept; whatever else is read is asked for.
pub(crate) struct Object {
    buckets: Arc<Buckets>,
    runtime: Handle,
    version: Version,
    windows: Mutex<VecDeque<(u64, Bytes)>>,
    requests: AtomicU32,
}

impl Object {
    /// Asks for the beginning of an object, and so for its size and version.
    pub(crate) fn open(
        runtime: &Handle,
        buckets: &Arc<Buckets>,
        address: ObjectAddress,
    ) -> Result<Self, OciError> {
        let asking = Arc::clone(buckets);
        let (version, start) =
            run(runtime, "read an object", async move { Ok(begin(&asking, &address, WINDOW).await?) })?;
        Ok(Self {
            buckets: Arc::clone(buckets),
            runtime: runtime.clone(),
            version,
            windows: Mutex::new(VecDeque::from([(0, start)])),
            requests: AtomicU32::new(1),
        })
    }

    /// Its size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.version.size
    }

    /// Reads some bytes at `offset`; none at the end only. Errors carry an [`OciError`].
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.size() || buffer.is_empty() {
            return Ok(0);
        }
        if let Some(n) = self.read_window(buffer, offset) {
            return Ok(n);
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) >= REQUESTS {
            let what = format!("the number of parts of {} that are looked at", self.version.address);
            return Err(OciError::TooLarge { what, limit: format!("{REQUESTS} requests") }.into());
        }
        let window = self.fetch(offset, (buffer.len() as u64).max(WINDOW))?;
        let n = copy(&window, buffer);
        if window.len() as u64 <= WINDOW {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            if windows.len() >= WINDOWS {
                windows.pop_front();
            }
            windows.push_back((offset, window));
        }
        Ok(n)
    }

    fn read_window(&self, buffer: &mut [u8], offset: u64) -> Option<usize> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.iter().find_map(|(start, bytes)| {
            let skip = usize::try_from(offset.checked_sub(*start)?).ok()?;
            let rest = bytes.get(skip..).filter(|rest| !rest.is_empty())?;
            Some(copy(rest, buffer))
        })
    }

    /// Reads `length` bytes, as far as the object goes. The caller bounds the length.
    fn fetch(&self, offset: u64, length: u64) -> Result<Bytes, OciError> {
        let mut transfer = Transfer::new(Arc::clone(&self.buckets), self.version.clone(), offset, length);
        run(&self.runtime, "read an object", async move {
            let mut out = Vec::new();
            while let Some(chunk) = transfer.next().await? {
                out.extend_from_slice(&chunk);
            }
            Ok(out.into())
        })
    }

    /// A stream of `length` bytes from `offset`: one request, more only after a broken connection.
    pub(crate) fn stream(&self, offset: u64, length: u64) -> ChannelReader {
        let mut transfer = Transfer::new(Arc::clone(&self.buckets), self.version.clone(), offset, length);
        ChannelReader::start(&self.runtime, move |sender| async move {
            loop {
                let part = match transfer.next().await {
                    Ok(Some(chunk)) => Ok(chunk),
                    Ok(None) => return,
                    Err(e) => Err(e.into()),
                };
                let failed = part.is_err();
                // Nobody listens any more: then nobody needs the rest.
                if sender.send(part).await.is_err() || failed {
                    return;
                }
            }
        })
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
