//! A registry in this process, on a free loopback port (OCI distribution-spec v1.1: pull, push, tag list,
//! delete), with authorization, a log of requests, and faults on demand.

mod fault;
mod handler;
mod state;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

pub use fault::Fault;
use state::State;
pub use state::{Auth, LoggedRequest};

use crate::image::Published;

/// A running registry; it ends when it is dropped.
pub struct TestRegistry {
    state: Arc<State>,
    address: SocketAddr,
    storage: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl TestRegistry {
    /// Starts a registry on the current tokio runtime.
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub async fn start(auth: Auth) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let storage_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, storage) = (listener.local_addr()?, storage_listener.local_addr()?);
        let state = Arc::new(State::new(auth, address, storage));
        let registry = Router::new().fallback(handler::registry).with_state(Arc::clone(&state));
        let bulk = Router::new().fallback(handler::storage).with_state(Arc::clone(&state));
        let serve = |listener, router: Router| {
            tokio::spawn(async move {
                // Serving ends with the task; an error on the way concerns one connection only.
                let _ = axum::serve(listener, router).await;
            })
        };
        let tasks = [serve(listener, registry), serve(storage_listener, bulk)];
        Ok(Self { state, address, storage, tasks })
    }

    /// `127.0.0.1:PORT`, as in image references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where blobs are redirected to by [`Fault::RedirectBlobs`].
    pub fn storage_host(&self) -> String {
        self.storage.to_string()
    }

    /// Stores an image without asking, as if it had been pushed.
    pub fn add(&self, repository: &str, tag: &str, image: &Published) {
        self.state.store(repository, tag, image);
    }

    /// Forgets a blob, so that an image becomes incomplete.
    pub fn remove_blob(&self, repository: &str, digest: &str) {
        self.state.remove_blob(repository, digest);
    }

    /// From now on misbehaves in this way, beside those set before.
    pub fn fail(&self, fault: Fault) {
        self.state.add_fault(fault);
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.state.requests()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state.clear_requests();
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
