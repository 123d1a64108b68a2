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

/// Starts one part.
fn start<F>(
    parts: &mut JoinSet<()>,
    (service, stop): (&Service, &watch::Receiver<bool>),
    name: &'static str,
    part: impl Fn(Service, watch::Receiver<bool>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (service, told) = (service.clone(), stop.clone());
    parts.spawn(keep(name, stop.clone(), AGAIN, move || part(service.clone(), told.clone())));
}

/// Runs one part, and again when a fault of ours ended it: the others go on meanwhile.
async fn keep<F>(
    name: &'static str,
    mut stop: watch::Receiver<bool>,
    again: Duration,
    part: impl Fn() -> F + Send,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        // Ended with this one, when that is broken off.
        let mut task = JoinSet::new();
        task.spawn(part());
        let ended = task.join_next().await;
        if *stop.borrow() {
            return;
        }
        match ended {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(part = name, %error, "a part of the service met an internal error");
            }
            _ => tracing::warn!(part = name, "a part of the service ended by itself"),
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(again) => {}
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_by_a_fault_begins_anew_until_it_is_stopped() {
        let begun = Arc::new(AtomicU32::new(0));
        let stop = watch::Sender::new(false);
        let part = {
            let (begun, stop) = (Arc::clone(&begun), stop.clone());
            move || {
                let (begun, stop) = (Arc::clone(&begun), stop.clone());
                async move {
                    match begun.fetch_add(1, Ordering::Relaxed) {
                        0 => panic!("a fault"),
                        1 => {}
                        _ => {
                            stop.send_replace(true);
                        }
                    }
                }
            }
        };
        keep("a test", stop.subscribe(), Duration::from_millis(1), part).await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        // Stopped while it waits to begin anew.
        let calls = Arc::new(AtomicU32::new(0));
        let stop = watch::Sender::new(false);
        let counted = Arc::clone(&calls);
        let kept = tokio::spawn(keep("a test", stop.subscribe(), Duration::from_secs(3600), move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(())
        }));
        while calls.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        kept.await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
