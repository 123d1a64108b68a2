//! Opens what a job names, with the credentials that came with it.

use std::sync::Arc;

use model::Platform;
use oci::{
    Image, OciError, OpenOptions, Opened,
    registry::{CredentialSource, Credentials, Registries, RegistryOptions},
};
use store::Claimed;
use tokio::runtime::Handle;

use super::Ended;
use crate::{service::Service, submit::PullSecret};

/// Opens an image. Blocks: for threads of the engine.
pub(crate) fn open(service: &Service, job: &Claimed, source: &str, platform: &str) -> Result<Image, Ended> {
    let secret = secret(service, job)?;
    let registries = match (&secret, source.strip_prefix("docker://")) {
        (Some(secret), Some(reference)) => {
            let registry = reference.parse::<model::ImageReference>().map(|r| r.registry).unwrap_or_default();
            let credentials = Credentials::basic(&secret.username, &secret.password);
            Registries::new(RegistryOptions {
                client: service.config.client.clone(),
                credentials: CredentialSource::Explicit { registry, credentials },
                plain_http: service.config.plain_http.clone(),
            })
        }
        _ => Arc::clone(&service.registries),
    };
    let mut options = OpenOptions::with_network(Handle::current(), registries);
    options.limits = service.config.limits.clone();
    options.platform = platform.parse::<Platform>().ok();
    let spec = match source.strip_prefix("upload:") {
        // Names are made by the service; a stored one that looks like a path is not followed.
        Some(file) if file.contains('/') || file.starts_with('.') => {
            return Err(Ended::Failed(
                model::FailureReason::Internal,
                "an upload with a strange name".to_owned(),
            ));
        }
        Some(file) => service.uploads().join(file).display().to_string(),
        None => source.to_owned(),
    };
    match oci::open(&spec, &options).map_err(|error| failure(&error))? {
        Opened::Image(image) => Ok(*image),
        Opened::Directory(_) => {
            let text = "it is a root file system, not an image".to_owned();
            Err(Ended::Failed(model::FailureReason::UnsupportedImageType, text))
        }
    }
}

fn secret(service: &Service, job: &Claimed) -> Result<Option<PullSecret>, Ended> {
    let Some(sealed) = &job.sealed else { return Ok(None) };
    let unusable = |why: String| Ended::Failed(model::FailureReason::Internal, why);
    let opened = service.key.open(sealed).map_err(|error| unusable(error.to_string()))?;
    serde_json::from_slice(&opened)
        .map(Some)
        .map_err(|_| unusable("stored credentials are damaged".to_owned()))
}

/// How a job ends when its image cannot be had.
pub(crate) fn failure(error: &OciError) -> Ended {
    let text = model::problem::explain(error);
    let reason = error.failure_reason().parse().unwrap_or(model::FailureReason::Internal);
    if error.is_transient() { Ended::Aborted(reason, text) } else { Ended::Failed(reason, text) }
}
