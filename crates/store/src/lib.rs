//! The only SQL of Lazaret: what the service remembers, on SQLite or PostgreSQL.
//!
//! Three halves of a different life are kept apart: what images contain (written once), what is wrong with it
//! (components and findings, changed by every update of the advisories, whatever the number of images), and
//! work (scans and jobs, short-lived rows). Every operation is one method of [`Store`] and one transaction; the
//! time is always an argument, in microseconds since 1970.
//!
//! This crate must know no HTTP, run no job and decide no policy.

mod account;
mod content;
mod db;
mod delivery;
mod error;
mod event;
mod findings;
mod idempotency;
mod image;
mod migrate;
mod outbox;
mod pack;
mod project;
mod queue;
mod registry;
mod rematch;
mod report;
mod scan;
mod scan_all;
mod schedule;
mod session;
mod token;
mod trend;
mod trim;
mod watch;
mod webhook;

pub use self::{
    account::{Account, AccountChange, LoginAttempt, NewAccount, StoredPassword},
    content::{Content, NewInventory, StoredInventory},
    db::{OpenOptions, Store},
    delivery::{Attempt, ClaimedDelivery, Delivery, DeliveryState},
    error::StoreError,
    event::{Event, EventFilter, LogPosition, NewEvent, NewUserError, UserError, UserErrorFilter},
    findings::{AffectedImage, ImageFinding, PackageImage, Place, VulnerabilityRow},
    idempotency::NewIdempotency,
    image::{Image, ImageChange, ImageFilter, ImageOrder, Labels, NewImage, Page, Scope},
    outbox::{FindingsMessage, MAX_FINDINGS, MessageFinding, MessageImage, ScanMessage},
    project::{Member, Project},
    queue::{ClaimRequest, Claimed, NewJob, Outcome, Waiting},
    registry::{NewRegistry, Registry, RegistryChange},
    rematch::{ComponentChange, Rematched, ShardState, ShardVersion},
    report::{NewReport, Report},
    scan::{NewScan, Scan, ScanChange, ScanFilter, Submitted},
    scan_all::{ImageSelection, ImageToScan, NewScanAll, ScanAll, ScanAllState, ScanAllStep},
    schedule::{NewSchedule, Schedule, ScheduleChange, Timing},
    session::{NewSession, Session},
    token::{ApiToken, NewToken},
    trend::{DailyCount, day_of},
    watch::{LookOutcome, NewWatch, Watch, WatchChange, WatchPatterns, WatchTurn},
    webhook::{NewWebhook, Webhook, WebhookChange},
};

/// Microseconds since 1970-01-01 UTC.
pub type Micros = i64;
