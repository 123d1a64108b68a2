//! From a digest to an inventory.

use std::sync::Arc;

use model::{FailureReason, Inventory, report::ImageFacts};
use oci::{LayerStore as _, registry::Registries};
use scan::{AcquireError, EngineConfig};
use serde::{Deserialize, Serialize};
use store::{Claimed, NewInventory};

use super::{
    Ended,
    identity::{IndexPayload, match_job},
    open::{access, failure, open},
    run::{Meter, blocking, payload},
};
use crate::{clock, service::Service};

/// What is stored of an image: facts and contents, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InventoryDocument {
    /// What was read.
    pub image: ImageFacts,
    /// What it contains.
    pub inventory: Inventory,
}

/// Reads an image.
pub(crate) async fn index(service: &Service, job: &Claimed, meter: &Arc<Meter>) -> Result<(), Ended> {
    let payload: IndexPayload = payload(job)?;
    let kept = service.spool.load_inventory(&payload.digest, &service.analyzers);
    let imported = kept.is_some();
    let document = match kept {
        Some(document) => {
            tracing::info!(image.digest = %payload.digest, "an inventory that the store refused before is imported");
            document
        }
        None => {
            let registries = access(service, job, &payload.source, payload.project).await?;
            let (service, payload, meter) = (service.clone(), payload.clone(), Arc::clone(meter));
            blocking(move || read(&service, registries, &payload, &meter)).await?
        }
    };
    meter.enter(model::Phase::Store);
    let body = serde_json::to_vec(&document)
        .map_err(|error| Ended::Failed(FailureReason::Internal, error.to_string()))?;
    let distro = document.inventory.distro.as_ref().map(model::Distro::label);
    let inventory = NewInventory {
        digest: &payload.digest,
        analyzers: &service.analyzers,
        size: document.inventory.layers.iter().map(|layer| layer.size).sum(),
        packages: document.inventory.packages.len(),
        distro: distro.as_deref(),
        body: &body,
    };
    let stored =
        super::run::persist(|| service.store.finish_index(job, &inventory, match_job, clock::now())).await;
    match stored {
        Ok(_) => {
            if imported {
                service.spool.forget_inventory(&payload.digest, &service.analyzers);
            }
            Ok(())
        }
        Err(error) => {
            let ended = Ended::from(error);
            if let Ended::Aborted(reason, text) = ended {
                let kept = service.spool.keep_inventory(&payload.digest, &service.analyzers, &body);
                return Err(Ended::Failed(reason, super::spool::told(&text, kept)));
            }
            Err(ended)
        }
    }
}

fn read(
    service: &Service,
    registries: Arc<Registries>,
    payload: &IndexPayload,
    meter: &Meter,
) -> Result<InventoryDocument, Ended> {
    let image = open(service, registries, &payload.source, &payload.platform)?;
    let sizes: Vec<u64> = image.layers().iter().map(|layer| layer.facts.size).collect();
    meter.begin(&sizes);
    let config = EngineConfig {
        analyzers: analyze::ANALYZERS,
        limits: &service.config.limits,
        cache: service.cache.as_ref(),
        threads: service.config.workers.threads,
        progress: meter,
    };
    let inventory = scan::build_inventory(&image, &config).map_err(|error| match &error {
        _ if meter.is_stopped() => Ended::Dropped,
        AcquireError::Layer { source, .. } => failure(service, source),
        AcquireError::Io { .. } => {
            Ended::Aborted(FailureReason::ScannerError, model::problem::explain(&error))
        }
        AcquireError::OutOfTime(_) => Ended::Failed(FailureReason::Timeout, error.to_string()),
    })?;
    Ok(InventoryDocument { image: image.facts(), inventory })
}
