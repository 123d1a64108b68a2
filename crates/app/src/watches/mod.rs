//! Watches: repositories of a registry whose tags are scanned when they change.
//!
//! A watch looks now and then (`look`), and may be told by its registry (`webhook`). Only tags whose digest is
//! another than at the last look are submitted, at the lowest urgency; what a registry tells is more urgent. Looks are
//! polite: one at a time into each registry, whatever the number of processes; requests one after another; never at
//! the full minute of everybody; less and less often while they fail.

mod error;
mod kept;
mod look;
mod pattern;
pub mod webhook;

use model::{JobClass, problem::explain};
use serde_json::json;
use store::{StoreError, Submitted, Watch};
use tokio::{sync::watch, task::JoinSet};

pub use self::{
    error::WatchError,
    kept::{MadeWatch, WatchOrder, WatchPatch},
    look::Looked,
};
use crate::{
    accounts::{Caller, Origin},
    clock,
    service::{Service, stopped},
    submit::{Requester, ScanOrder, SubmitError, Target},
};

/// Looks at what is due until `stop` says so.
pub async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    if service.is_alone()
        && let Err(error) = service.store.free_watch_turns().await
    {
        tracing::error!(error = %explain(&error), "looks of an earlier process are waited for");
    }
    let config = service.config.background.watches.clone();
    let mut looks: JoinSet<()> = JoinSet::new();
    loop {
        while looks.len() < config.at_once {
            match claim(&service, None).await {
                Ok(Some(turn)) => {
                    let service = service.clone();
                    looks.spawn(async move {
                        let _ = look::look(&service, &turn).await;
                    });
                }
                Ok(None) | Err(StoreError::Stopped) => break,
                Err(error) => {
                    tracing::error!(error = %explain(&error), "watches cannot be followed");
                    break;
                }
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = looks.join_next(), if !looks.is_empty() => {}
            () = tokio::time::sleep(config.poll) => {}
        }
    }
    // What was broken off is looked at again when its turn has ended.
    looks.shutdown().await;
}

/// Looks once: at the watch that is due first, or at that one, due or not. `None` when there is nothing to look at, or
/// somebody looks into its registry.
///
/// # Errors
/// When the store does not answer. What goes wrong with the registry is told by [`Looked::error`].
pub async fn poll_once(service: &Service, only: Option<i64>) -> Result<Option<Looked>, StoreError> {
    let Some(turn) = claim(service, only).await? else { return Ok(None) };
    look::look(service, &turn).await.map(Some)
}

async fn claim(service: &Service, only: Option<i64>) -> Result<Option<store::WatchTurn>, StoreError> {
    let now = clock::now();
    let until = now + clock::micros(service.config.background.watches.lease);
    service.store.claim_watch(only, until, now).await
}

/// Asks for scans of what a watch found, puts the images into its environments, and writes it down.
async fn submit(
    service: &Service,
    watch: &Watch,
    found: Vec<model::ImageReference>,
    class: JobClass,
    origin: &Origin,
) -> Result<Vec<Submitted>, SubmitError> {
    let orders: Vec<ScanOrder> = found
        .into_iter()
        .map(|image| ScanOrder { target: Target::Registry(image), platform: None, secret: None })
        .collect();
    let request = origin.request.clone().unwrap_or_else(|| format!("watch-{}", watch.id));
    let requester = Requester {
        project: watch.project_id,
        name: &watch.owner,
        request_id: &request,
        class,
        source: "watch",
    };
    let submitted = service.submit(&orders, requester).await?;
    let scans: Vec<uuid::Uuid> = submitted.iter().map(|submitted| submitted.scan).collect();
    if !watch.what.environments.is_empty() {
        service.store.add_environments(&scans, &watch.what.environments).await?;
    }
    let who = Caller { origin: origin.clone(), ..Caller::system("watch") };
    for (order, submitted) in orders.iter().zip(&submitted).filter(|(_, submitted)| !submitted.joined) {
        let image = order.target.reference();
        let detail = json!({ "scan": submitted.scan, "class": class.as_str(), "watch": watch.name });
        let note = who.note("scan.initiated", format!("image:{image}"), Some(watch.project_id), detail);
        service.store.record(&note.event(), clock::now()).await?;
    }
    Ok(submitted)
}
