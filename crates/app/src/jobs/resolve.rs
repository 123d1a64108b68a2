//! From a reference to a digest, and to what must be done for it.

use model::JobKind;
use store::{Claimed, NewJob};

use super::{
    Ended,
    identity::{IndexPayload, ResolvePayload, index_key, match_job},
    open::{access, open},
    run::blocking,
};
use crate::{clock, service::Service};

/// Looks a reference up.
pub(crate) async fn resolve(service: &Service, job: &Claimed) -> Result<(), Ended> {
    let payload: ResolvePayload = super::run::payload(job)?;
    let registries = access(service, job, &payload.source, payload.project).await?;
    let image = {
        let (service, payload) = (service.clone(), payload.clone());
        blocking(move || open(&service, registries, &payload.source, &payload.platform)).await?
    };
    // An old archive has no manifest of its own; the digest of its configuration stands for all it holds.
    let digest = image.digest.as_ref().unwrap_or(&image.config_digest).to_string();
    let inventory = service.store.find_inventory(&digest, &service.analyzers).await?;
    let weight = image.layers.iter().map(|layer| layer.facts.size).sum();
    let (payload, key, kind) = match inventory {
        Some(inventory) => {
            let (payload, key) = match_job(inventory);
            (payload, key, JobKind::Match)
        }
        None => {
            let source = match (payload.source.strip_prefix("docker://"), &image.digest) {
                // What is read is what was looked up, even if the tag moves in between.
                (Some(reference), Some(digest)) => match reference.parse::<model::ImageReference>() {
                    Ok(reference) => format!("docker://{}", reference.at(digest.clone())),
                    Err(_) => payload.source.clone(),
                },
                _ => payload.source.clone(),
            };
            let index = IndexPayload {
                source,
                platform: payload.platform,
                project: payload.project,
                digest: digest.clone(),
            };
            let text = serde_json::to_string(&index).unwrap_or_default();
            (text, index_key(&digest, &service.analyzers), JobKind::Index)
        }
    };
    let next = NewJob {
        kind,
        key,
        class: job.class,
        repository: &job.repository,
        weight: if kind == JobKind::Index { weight } else { 0 },
        max_attempts: job.max_attempts,
        payload: &payload,
        sealed: job.sealed.as_deref().filter(|_| kind == JobKind::Index),
    };
    service.store.finish_resolve(job, &digest, inventory, &next, clock::now()).await?;
    Ok(())
}
