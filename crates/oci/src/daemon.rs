//! Images of a container engine on this machine: Docker or Podman, over the socket of its API.
//!
//! The engine is asked to export the image (Docker Engine API 1.40, "Export an image"; Podman answers the same
//! requests), which is what `docker save` does; the archive is kept in an unnamed file while it is read, since its
//! parts are needed in another order than they come. No engine is started, and nothing in it is changed.

use std::path::{Path, PathBuf};

use egress::{Client, ClientConfig, EgressError, Request, StatusCode, Url};
use tokio::runtime::Handle;

use crate::{
    error::OciError,
    registry::{ChannelReader, run},
};

/// Version of the API that is asked for: the oldest that engines of 2019 and later still serve.
const API: &str = "http://localhost/v1.40/images/";
/// Most bytes that are read of an answer that says why not.
const WHY_BYTES: usize = 2048;

/// A container engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Docker, or what answers in its place.
    Docker,
    /// Podman.
    Podman,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        }
    }
}

/// Where the engines of this machine listen.
#[derive(Clone, Debug)]
pub struct Daemons {
    /// Docker's address: `unix://PATH` or a path.
    pub docker: String,
    /// Podman's address.
    pub podman: String,
}

impl Daemons {
    /// As the engines' own clients find them: `DOCKER_HOST` and `CONTAINER_HOST`, else the usual sockets.
    pub fn from_environment() -> Self {
        let named = |variable| std::env::var(variable).ok().filter(|text| !text.is_empty());
        let of_user = std::env::var_os("XDG_RUNTIME_DIR")
            .map(|dir| Path::new(&dir).join("podman/podman.sock"))
            .filter(|path| path.exists());
        let podman = of_user.unwrap_or_else(|| PathBuf::from("/run/podman/podman.sock"));
        Self {
            docker: named("DOCKER_HOST").unwrap_or_else(|| "/var/run/docker.sock".to_owned()),
            podman: named("CONTAINER_HOST").unwrap_or_else(|| podman.display().to_string()),
        }
    }

    fn socket(&self, engine: Engine) -> Result<PathBuf, OciError> {
        let address = match engine {
            Engine::Docker => &self.docker,
            Engine::Podman => &self.podman,
        };
        let path = address.strip_prefix("unix://").unwrap_or(address);
        if path.starts_with('/') {
            return Ok(path.into());
        }
        Err(OciError::Daemon {
            engine: engine.name(),
            what: "its address is no socket of this machine".to_owned(),
            cause: None,
        })
    }
}

/// An image in an engine, whose export has begun.
pub(crate) struct Export {
    /// The archive, as it comes.
    pub(crate) reader: ChannelReader,
    /// What it is called in errors.
    pub(crate) path: PathBuf,
}

/// Asks an engine for an image.
pub(crate) fn export(
    engine: Engine,
    image: &str,
    daemons: &Daemons,
    runtime: &Handle,
) -> Result<Export, OciError> {
    let shown = format!("{}:{image}", engine.name().to_lowercase());
    if !is_name(image) {
        let why = "it is no name or id of an image".to_owned();
        return Err(OciError::ImageNotFound { image: shown, why });
    }
    let socket = daemons.socket(engine)?;
    let failed = move |what: &str, cause: EgressError| OciError::Daemon {
        engine: engine.name(),
        what: what.to_owned(),
        cause: Some(cause),
    };
    let client =
        Client::build(&ClientConfig::local_socket(socket)).map_err(|e| failed("it cannot be asked", e))?;
    let url = |action: &str| {
        let url: Result<Url, _> = format!("{API}{image}/{action}").parse();
        url.map_err(|_| OciError::ImageNotFound { image: shown.clone(), why: "it is no name".to_owned() })
    };
    let (inspect, get) = (url("json")?, url("get")?);
    let asking = (client.clone(), shown.clone());
    run(runtime, "ask for an image", async move {
        let (client, image) = asking;
        let request = Request::get(format!("ask {} for {image}", engine.name()), inspect);
        let answer = client.send(request).await.map_err(|e| failed("it does not answer", e))?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                let why = format!("{} on this machine has no such image", engine.name());
                Err(OciError::ImageNotFound { image, why })
            }
            status => {
                let why = String::from_utf8_lossy(&answer.read_start(WHY_BYTES).await).trim().to_owned();
                let what = format!("it answered {status}: {why}");
                Err(OciError::Daemon { engine: engine.name(), what, cause: None })
            }
        }
    })?;
    let what = shown.clone();
    let reader = ChannelReader::start(runtime, |chunks| async move {
        let request = Request::get(format!("export {what} from {}", engine.name()), get);
        let mut answer = match client.send(request).await {
            Ok(answer) if answer.status() == StatusCode::OK => answer,
            Ok(answer) => {
                let what = format!("it answered {} to an export", answer.status());
                let error = OciError::Daemon { engine: engine.name(), what, cause: None };
                let _ = chunks.send(Err(error)).await;
                return;
            }
            Err(error) => {
                let _ = chunks.send(Err(failed("it does not answer", error))).await;
                return;
            }
        };
        loop {
            let chunk = match answer.chunk().await {
                Ok(Some(chunk)) => Ok(chunk),
                Ok(None) => return,
                Err(error) => Err(failed("the export broke off", error)),
            };
            let is_end = chunk.is_err();
            if chunks.send(chunk).await.is_err() || is_end {
                return;
            }
        }
    });
    Ok(Export { reader, path: PathBuf::from(shown) })
}

/// Whether a text may be part of the path of a request: a reference or an id.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    !text.is_empty()
        && text.len() <= 512
        && text.bytes().all(allowed)
        && !text.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_become_requests() {
        for name in ["alpine", "alpine:3.20", "ghcr.io/a/b@sha256:00", "localhost/x:1", "3f5ef9003cef"] {
            assert!(is_name(name), "{name}");
        }
        for text in ["", "a?x=1", "../containers", "a/../b", "a b", "a%2e", "ü"] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn sockets_are_of_this_machine() {
        let daemons = |docker: &str| Daemons { docker: docker.to_owned(), podman: String::new() };
        let socket = |address| daemons(address).socket(Engine::Docker);
        assert_eq!(socket("unix:///run/x.sock").unwrap(), Path::new("/run/x.sock"));
        assert_eq!(socket("/run/x.sock").unwrap(), Path::new("/run/x.sock"));
        for address in ["tcp://1.2.3.4:2375", "ssh://me@there", "", "x.sock"] {
            assert_eq!(socket(address).unwrap_err().code(), "daemon-unavailable", "{address}");
        }
    }
}
