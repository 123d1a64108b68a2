//! Scans of many images: once ("scan all") or by a schedule, at the lowest urgency, so that nobody who waits for a scan
//! waits for these.
//!
//! Images are submitted some at a time while few such jobs wait. What was begun goes on after a restart, and any
//! number of processes may take part: the store lets each image be submitted once. A run that was missed is made up
//! for once, however often it was missed.

mod error;
mod kept;
mod scan_all;
mod timing;

use model::problem::explain;
use store::StoreError;
use tokio::sync::watch;

use self::scan_all::{Stepped, begin_due, step};
pub use self::{
    error::ScheduleError,
    kept::{ScheduleOrder, SchedulePatch},
    scan_all::{ScanAllProgress, Selection},
    timing::{LEAST_INTERVAL, next_time},
};
use crate::{
    clock,
    service::{Service, stopped},
};

/// Schedules that are begun in one look.
const DUE: u32 = 100;

/// Begins what is due and submits what was begun, until `stop` says so.
pub async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    loop {
        let work = async {
            match tick(&service).await {
                Ok(_) | Err(ScheduleError::Store(StoreError::Stopped)) => {}
                Err(error) => tracing::error!(error = %explain(&error), "schedules cannot be followed"),
            }
            tokio::time::sleep(service.config.background.schedules.poll).await;
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = work => {}
        }
    }
}

/// Begins the schedules that are due, and submits as much of what was begun as may wait: how many images.
///
/// # Errors
/// When the store does not answer.
pub async fn tick(service: &Service) -> Result<u64, ScheduleError> {
    let now = clock::now();
    for schedule in service.store.due_schedules(now, DUE).await? {
        // One that cannot be read holds up no other.
        match begin_due(service, &schedule, now).await {
            Err(error @ ScheduleError::Damaged) => {
                tracing::error!(schedule = schedule.id, error = %explain(&error), "a schedule cannot begin");
            }
            begun => begun?,
        }
    }
    let mut submitted = 0;
    let mut open = service.store.running_scan_alls().await?;
    // One step of each in turn, so that a large one does not hold up a small one.
    while !open.is_empty() {
        let mut left = Vec::new();
        for mut run in open {
            match step(service, &run).await {
                Ok(Stepped::Submitted(count, position)) => {
                    submitted += count;
                    run.position = position;
                    left.push(run);
                }
                Ok(Stepped::Full) => return Ok(submitted),
                Ok(Stepped::Over) => {}
                Err(error @ ScheduleError::Damaged) => {
                    tracing::error!(scan_all = run.id, error = %explain(&error), "many images cannot be scanned");
                }
                Err(error) => return Err(error),
            }
        }
        open = left;
    }
    Ok(submitted)
}
