//! What the registry holds and remembers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};

use crate::{content::Blob, image::Published, registry::fault::Fault};

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    None,
    /// Who knows a user name and password (RFC 7617).
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// Who has a token from the token service of this registry.
    Token {
        /// User name and password that the service asks for; `None` grants tokens to everybody.
        login: Option<(String, String)>,
        /// A refresh token that it takes instead.
        identity_token: Option<String>,
    },
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// True when it came to the port of redirected blobs.
    pub storage: bool,
}

#[derive(Default)]
struct Repository {
    manifests: BTreeMap<String, Blob>,
    tags: BTreeMap<String, String>,
    blobs: BTreeMap<String, Bytes>,
}

#[derive(Default)]
struct Inner {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<u64, BytesMut>,
    tokens: BTreeSet<String>,
    next: u64,
    faults: Vec<Fault>,
    requests: Vec<LoggedRequest>,
}

/// Shared by all connections.
pub(crate) struct State {
    pub(crate) auth: Auth,
    pub(crate) address: SocketAddr,
    pub(crate) storage: SocketAddr,
    inner: Mutex<Inner>,
}

impl State {
    pub(crate) fn new(auth: Auth, address: SocketAddr, storage: SocketAddr) -> Self {
        Self { auth, address, storage, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store(&self, repository: &str, tag: &str, image: &Published) {
        let mut inner = self.inner();
        let repository = inner.repositories.entry(repository.to_owned()).or_default();
        for blob in &image.blobs {
            repository.blobs.insert(blob.digest.to_string(), blob.bytes.clone());
        }
        for manifest in std::iter::once(&image.root).chain(&image.manifests) {
            repository.manifests.insert(manifest.digest.to_string(), manifest.clone());
        }
        repository.tags.insert(tag.to_owned(), image.root.digest.to_string());
    }

    pub(crate) fn remove_blob(&self, repository: &str, digest: &str) {
        if let Some(repository) = self.inner().repositories.get_mut(repository) {
            repository.blobs.remove(digest);
        }
    }

    pub(crate) fn add_fault(&self, fault: Fault) {
        self.inner().faults.push(fault);
    }

    /// The first fault that `matches` and still applies.
    pub(crate) fn fault(&self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut inner = self.inner();
        inner.faults.iter_mut().find_map(|fault| {
            let before = fault.clone();
            (matches(fault) && fault.strike()).then_some(before)
        })
    }

    pub(crate) fn log(&self, request: LoggedRequest) {
        self.inner().requests.push(request);
    }

    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.inner().requests.clone()
    }

    pub(crate) fn clear_requests(&self) {
        self.inner().requests.clear();
    }

    /// Grants a token when the credentials of the request suffice.
    pub(crate) fn grant(&self, authorization: Option<&str>, refresh_token: Option<&str>) -> Option<String> {
        let Auth::Token { login, identity_token } = &self.auth else { return None };
        let by_login = match login {
            None => true,
            Some((user, password)) => authorization == Some(basic(user, password).as_str()),
        };
        let by_token = refresh_token.is_some() && refresh_token == identity_token.as_deref();
        if !by_login && !by_token {
            return None;
        }
        let mut inner = self.inner();
        inner.next += 1;
        let token = format!("token-{}", inner.next);
        inner.tokens.insert(format!("Bearer {token}"));
        Some(token)
    }

    /// True when a request with this header may come in.
    pub(crate) fn admits(&self, authorization: Option<&str>) -> bool {
        match &self.auth {
            Auth::None => true,
            Auth::Basic { user, password } => authorization == Some(basic(user, password).as_str()),
            Auth::Token { .. } => authorization.is_some_and(|value| self.inner().tokens.contains(value)),
        }
    }

    pub(crate) fn manifest(&self, repository: &str, id: &str) -> Option<Blob> {
        let inner = self.inner();
        let repository = inner.repositories.get(repository)?;
        let digest = repository.tags.get(id).map_or(id, String::as_str);
        repository.manifests.get(digest).cloned()
    }

    pub(crate) fn put_manifest(&self, repository: &str, id: &str, manifest: Blob) {
        let mut inner = self.inner();
        let repository = inner.repositories.entry(repository.to_owned()).or_default();
        let digest = manifest.digest.to_string();
        repository.manifests.insert(digest.clone(), manifest);
        if !id.contains(':') {
            repository.tags.insert(id.to_owned(), digest);
        }
    }

    pub(crate) fn delete_manifest(&self, repository: &str, digest: &str) -> bool {
        let mut inner = self.inner();
        let Some(repository) = inner.repositories.get_mut(repository) else { return false };
        repository.tags.retain(|_, target| target != digest);
        repository.manifests.remove(digest).is_some()
    }

    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.inner().repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub(crate) fn put_blob(&self, repository: &str, digest: &str, bytes: Bytes) {
        let mut inner = self.inner();
        let repository = inner.repositories.entry(repository.to_owned()).or_default();
        repository.blobs.insert(digest.to_owned(), bytes);
    }

    pub(crate) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.inner().repositories.get(repository)?.tags.keys().cloned().collect())
    }

    pub(crate) fn begin_upload(&self) -> u64 {
        let mut inner = self.inner();
        inner.next += 1;
        let id = inner.next;
        inner.uploads.insert(id, BytesMut::new());
        id
    }

    /// Adds to an upload; yields its length, or `None` when there is no such upload.
    pub(crate) fn extend_upload(&self, id: u64, bytes: &[u8]) -> Option<usize> {
        let mut inner = self.inner();
        let upload = inner.uploads.get_mut(&id)?;
        upload.extend_from_slice(bytes);
        Some(upload.len())
    }

    pub(crate) fn end_upload(&self, id: u64) -> Option<Bytes> {
        self.inner().uploads.remove(&id).map(BytesMut::freeze)
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
