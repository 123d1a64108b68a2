//! The bridge from asynchronous transfers to the blocking readers of the engine.

use std::{
    future::Future,
    io::{self, Read},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use bytes::{Buf, Bytes};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};

use crate::error::OciError;

/// Parts of a body that may wait between network and reader.
const CHUNKS: usize = 8;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future that runs elsewhere, on whatever thread it is called.
///
/// On a worker of a runtime the worker's other tasks are handed to another thread first: one of them may
/// be the very transfer that is waited for.
fn wait<F: Future>(future: F) -> F::Output {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| park_until(future)),
        _ => park_until(future),
    }
}

fn park_until<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Runs a future on the runtime and waits for it; `operation` names it, should the runtime go away meanwhile.
pub(crate) fn run<T: Send + 'static>(
    runtime: &Handle,
    operation: &str,
    future: impl Future<Output = Result<T, OciError>> + Send + 'static,
) -> Result<T, OciError> {
    let task: JoinHandle<_> = runtime.spawn(future);
    wait(task).unwrap_or_else(|_| Err(OciError::Interrupted { operation: operation.to_owned() }))
}

/// The reading end of a transfer. Dropping it ends the transfer.
pub(crate) struct ChannelReader {
    chunks: mpsc::Receiver<Result<Bytes, OciError>>,
    current: Bytes,
    task: AbortHandle,
}

/// The writing end.
pub(crate) type ChunkSender = mpsc::Sender<Result<Bytes, OciError>>;

impl ChannelReader {
    /// Starts a transfer on the runtime. It must send an error before it ends early: an end without one
    /// is the end of the body.
    pub(crate) fn start<F>(runtime: &Handle, transfer: impl FnOnce(ChunkSender) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let task = runtime.spawn(transfer(sender)).abort_handle();
        Self { chunks, current: Bytes::new(), task }
    }
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match wait(self.chunks.recv()) {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(e)) => return Err(e.into()),
                None => return Ok(0),
            }
        }
        let n = self.current.len().min(buffer.len());
        if let Some(target) = buffer.get_mut(..n) {
            self.current.copy_to_slice(target);
        }
        Ok(n)
    }
}

impl Drop for ChannelReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
