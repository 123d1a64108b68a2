//! The listener: plain or by TLS, on any free port when asked to, ending gracefully.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{routes::router, state::AppState};

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many may do so at once.
const HANDSHAKES: usize = 256;
/// How long requests that are under way may take when the service ends.
const GRACE: Duration = Duration::from_secs(20);

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or none of this machine.
    #[error("failed to listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// A certificate or key cannot be read.
    #[error("failed to read {0}")]
    Pem(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// They do not fit together.
    #[error("the certificate and the key cannot be used")]
    Tls(#[from] rustls::Error),
    /// The listener failed.
    #[error("failed to serve")]
    Serve(#[source] io::Error),
}

/// A listener that is bound.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    tls: Option<Acceptor>,
    /// Where it listens: with port 0, which one it got.
    pub address: SocketAddr,
}

/// An acceptor that can be shown in logs.
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// Address of the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Binds an address; port 0 is any free one.
///
/// # Errors
/// When the address cannot be had, or the certificate cannot be used.
pub async fn bind(address: SocketAddr, tls: Option<&TlsFiles>) -> Result<Bound, ServeError> {
    let tls = tls.map(acceptor).transpose()?;
    let listener = TcpListener::bind(address).await.map_err(|error| ServeError::Listen(address, error))?;
    let address = listener.local_addr().map_err(ServeError::Serve)?;
    Ok(Bound { listener, tls, address })
}

fn acceptor(files: &TlsFiles) -> Result<Acceptor, ServeError> {
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |error| ServeError::Pem(path, error)
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed(&files.certificates))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor(TlsAcceptor::from(Arc::new(config))))
}

/// Serves until `stop` becomes true; requests that are under way are ended first, for some seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(state: AppState, bound: Bound, stop: watch::Receiver<bool>) -> Result<(), ServeError> {
    let router: Router = router(state);
    let service = router.into_make_service_with_connect_info::<Peer>();
    let told = |mut stop: watch::Receiver<bool>| async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let Bound { listener, tls, address } = bound;
    let late = async {
        told(stop.clone()).await;
        tokio::time::sleep(GRACE).await;
        tracing::warn!("requests were broken off");
        Ok(())
    };
    let served = async {
        match tls {
            None => axum::serve(listener, service).with_graceful_shutdown(told(stop.clone())).await,
            Some(Acceptor(acceptor)) => {
                let listener = TlsListener::start(listener, acceptor, address);
                axum::serve(listener, service).with_graceful_shutdown(told(stop.clone())).await
            }
        }
    };
    tokio::select! {
        served = served => served,
        late = late => late,
    }
    .map_err(ServeError::Serve)
}

/// Connections on which TLS is agreed; a slow client holds up nobody else.
struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl TlsListener {
    fn start(mut listener: TcpListener, acceptor: TlsAcceptor, address: SocketAddr) -> Self {
        let (send, ready) = mpsc::channel(64);
        let slots = Arc::new(Semaphore::new(HANDSHAKES));
        let accepting = tokio::spawn(async move {
            loop {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
                let (stream, peer) = Listener::accept(&mut listener).await;
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    let agreed = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                    drop(slot);
                    match agreed {
                        Ok(Ok(stream)) => {
                            let _ = send.send((stream, peer)).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                        Err(_) => tracing::debug!(%peer, "TLS took too long"),
                    }
                });
            }
        });
        Self { ready, address, accepting }
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that accepts never ends before this listener does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
