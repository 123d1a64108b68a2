//! Opens what a job names: with the credentials that came with it, else with those that are stored for its registry.

use std::sync::Arc;

use model::Platform;
use oci::{Image, OciError, OpenOptions, Opened, registry::Registries};
use store::Claimed;
use tokio::runtime::Handle;

use super::Ended;
use crate::{
    registries::{ReachError, reach},
    service::Service,
    submit::{PullSecret, bucket_of},
};

/// How the registry that a job names is reached.
pub(crate) async fn access(
    service: &Service,
    job: &Claimed,
    source: &str,
    project: Option<i64>,
) -> Result<Arc<Registries>, Ended> {
    let Some(reference) = source.strip_prefix("docker://") else {
        return Ok(Arc::clone(&service.registries));
    };
    let own = secret(service, job)?;
    // What is no reference is told as such when it is opened.
    let host = reference.parse::<model::ImageReference>().map(|r| r.registry).unwrap_or_default();
    reach(service, project, &host, own.as_ref()).await.map_err(|error| match error {
        ReachError::Store(error) => error.into(),
        error => Ended::Failed(model::FailureReason::RegistryUnauthorized, model::problem::explain(&error)),
    })
}

/// Opens an image. Blocks: for threads of the engine.
pub(crate) fn open(
    service: &Service,
    registries: Arc<Registries>,
    source: &str,
    platform: &str,
) -> Result<Image, Ended> {
    let mut options = OpenOptions::with_network(Handle::current(), registries);
    // What was accepted when it was asked for need not be any more.
    if let (Some(bucket), Some(buckets)) = (bucket_of(source), &service.buckets)
        && service.config.buckets.accepts(bucket)
    {
        options = options.with_buckets(Arc::clone(buckets));
    }
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
    match oci::open(&spec, &options).map_err(|error| failure(service, &error))? {
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
pub(crate) fn failure(service: &Service, error: &OciError) -> Ended {
    // Where uploads lie is nobody's business who asks for a scan.
    let uploads = format!("{}/", service.uploads().display());
    let text = model::problem::explain(error).replace(&uploads, "");
    let reason = error.failure_reason().parse().unwrap_or(model::FailureReason::Internal);
    if error.is_transient() { Ended::Aborted(reason, text) } else { Ended::Failed(reason, text) }
}
