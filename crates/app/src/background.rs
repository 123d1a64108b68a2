//! What goes on beside requests and workers: one list of it, started and ended together.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    notify, rematch, schedules,
    service::{Service, stopped},
    upkeep, watches,
};

/// How long the parts may take to end by themselves. Each of them may be ended at any moment: what it was doing is
/// done again.
const GRACE: Duration = Duration::from_secs(5);
/// How soon after the start advisories are refreshed first: what is not changed costs one request, and a service
/// that is started often would never come to it later.
const FIRST: Duration = Duration::from_secs(30);
/// Pause before a part that ended by a fault begins anew.
const AGAIN: Duration = Duration::from_secs(10);

/// Runs all parts until `stop` says so; ends some seconds later at most. Workers are not among them.
pub async fn run_all(service: Service, stop: watch::Receiver<bool>) {
    let mut parts = JoinSet::new();
    let all = (&service, &stop);
    start(&mut parts, all, "rematch", |service, stop| async move {
        rematch::watch(service, stop, |_| {}).await;
    });
    start(&mut parts, all, "advisories", refresh);
    start(&mut parts, all, "notify", notify::run);
    start(&mut parts, all, "schedules", schedules::run);
    start(&mut parts, all, "upkeep", upkeep::run);
    start(&mut parts, all, "watches", watches::run);
    let mut told = stop.clone();
    stopped(&mut told).await;
    let ended = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("some of what goes on in the background was broken off");
    }
    parts.shutdown().await;
}

/// Starts one part, and again when a fault of ours ended it: the others go on meanwhile.
fn start<F>(
    parts: &mut JoinSet<()>,
    (service, stop): (&Service, &watch::Receiver<bool>),
    name: &'static str,
    part: impl Fn(Service, watch::Receiver<bool>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (service, stop) = (service.clone(), stop.clone());
    parts.spawn(async move {
        let mut told = stop.clone();
        loop {
            // Ended with this task, when that is broken off.
            let mut task = JoinSet::new();
            task.spawn(part(service.clone(), stop.clone()));
            let ended = task.join_next().await;
            if *told.borrow() {
                return;
            }
            match ended {
                Some(Err(error)) if error.is_panic() => {
                    tracing::error!(part = name, %error, "a part of the service met an internal error");
                }
                _ => tracing::warn!(part = name, "a part of the service ended by itself"),
            }
            tokio::select! {
                () = stopped(&mut told) => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    });
}

/// Refreshes the advisories, again and again.
async fn refresh(service: Service, mut stop: watch::Receiver<bool>) {
    let every = service.config.advisories.refresh;
    let mut pause = FIRST.min(every);
    loop {
        let work = async {
            tokio::time::sleep(pause).await;
            service.advisories.refresh().await;
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = work => pause = every,
        }
    }
}
