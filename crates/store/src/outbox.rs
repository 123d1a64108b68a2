//! What puts messages into the outbox: in the transaction that stores what they tell of, one for each webhook that
//! wants them. Without any webhook that costs one look at an empty table.

mod facts;
mod news;

use std::collections::BTreeSet;

use model::{ChangeReason, Facets, FailureReason, MessageKind, ScanStatus, Severity};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    Micros,
    db::{Tx, maybe, rows},
    delivery,
    error::StoreError,
    findings::severity_of,
    image::facets,
    webhook::kind_bit,
};

pub use self::facts::{FindingsMessage, MAX_FINDINGS, MessageFinding, MessageImage, ScanMessage};
pub(crate) use self::news::note as note_news;

/// A webhook that is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    id: i64,
    project: Option<i64>,
    kinds: i32,
    min_severity: Severity,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Vec<Listener>);

impl Listeners {
    /// Reads who is told, and keeps them from going away before the transaction ends.
    pub(crate) async fn read(tx: &mut Tx) -> Result<Self, StoreError> {
        let sql = tx.sql(
            "select id, project_id, kinds, min_severity from webhook where enabled",
            "select id, project_id, kinds, min_severity from webhook where enabled order by id for key share",
        );
        let all: Vec<(i64, Option<i64>, i32, i16)> = rows!(tx, sql)?;
        let listener = |(id, project, kinds, severity)| Listener {
            id,
            project,
            kinds,
            min_severity: severity_of(severity),
        };
        Ok(Self(all.into_iter().map(listener).collect()))
    }

    /// Whether anybody wants messages of that kind, of any project.
    pub(crate) fn want(&self, kind: MessageKind) -> bool {
        self.0.iter().any(|listener| listener.kinds & kind_bit(kind) != 0)
    }

    fn of(&self, kind: MessageKind, project: i64) -> impl Iterator<Item = &Listener> {
        self.0.iter().filter(move |listener| {
            listener.kinds & kind_bit(kind) != 0 && listener.project.is_none_or(|own| own == project)
        })
    }
}

#[derive(FromRow)]
struct ScanRecord {
    id: Uuid,
    image_id: i64,
    reference: String,
    platform: String,
    digest: Option<String>,
    project_id: i64,
    project: String,
    status: i16,
    reason: Option<i16>,
    detail: Option<String>,
    partial: bool,
    report_id: Option<i64>,
    critical: Option<i32>,
    high: Option<i32>,
    medium: Option<i32>,
    low: Option<i32>,
    negligible: Option<i32>,
    unknown: Option<i32>,
    fixable: Option<i32>,
    requested_by: String,
    request_id: String,
    requested_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

macro_rules! select_ended {
    ($rest:literal) => {
        concat!(
            "select s.id, s.image_id, i.reference, i.platform, s.digest, s.project_id, p.name as project, s.status,
             s.reason, s.detail, s.partial, s.report_id, r.critical, r.high, r.medium, r.low, r.negligible, r.unknown,
             r.fixable, s.requested_by, s.request_id, s.requested_at, s.started_at, s.finished_at
             from scan s join image i on i.id = s.image_id join project p on p.id = s.project_id
             left join report r on r.id = s.report_id ",
            $rest
        )
    };
}

impl ScanRecord {
    fn into_message(self) -> Result<ScanMessage, StoreError> {
        let count = |count: Option<i32>| count.unwrap_or(0);
        let counts =
            [self.critical, self.high, self.medium, self.low, self.negligible, self.unknown, self.fixable];
        Ok(ScanMessage {
            findings: self.critical.map(|_| facets(counts.map(count))),
            image: MessageImage {
                id: self.image_id,
                reference: self.reference,
                platform: self.platform,
                digest: self.digest,
                project_id: self.project_id,
                project: self.project,
            },
            scan: self.id,
            status: ScanStatus::from_code(self.status).ok_or(StoreError::Value("scan status"))?,
            reason: self.reason.and_then(FailureReason::from_code),
            detail: self.detail,
            partial: self.partial,
            report: self.report_id,
            requested_by: self.requested_by,
            request_id: self.request_id,
            requested_at: self.requested_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
        })
    }
}

/// Messages of all scans that wait for a job, which ended just now.
pub(crate) async fn scans_ended(
    tx: &mut Tx,
    listeners: &Listeners,
    job: i64,
    kind: MessageKind,
    now: Micros,
) -> Result<(), StoreError> {
    if !listeners.want(kind) {
        return Ok(());
    }
    let ended: Vec<ScanRecord> = rows!(tx, select_ended!("where s.job_id = $1 order by s.id"), job)?;
    for record in ended {
        tell_of_scan(tx, listeners, kind, record, now).await?;
    }
    Ok(())
}

/// The message of one scan, which ended just now.
pub(crate) async fn scan_ended(
    tx: &mut Tx,
    scan: Uuid,
    kind: MessageKind,
    now: Micros,
) -> Result<(), StoreError> {
    let listeners = Listeners::read(tx).await?;
    if !listeners.want(kind) {
        return Ok(());
    }
    let ended: Option<ScanRecord> = maybe!(tx, select_ended!("where s.id = $1"), scan)?;
    match ended {
        Some(record) => tell_of_scan(tx, &listeners, kind, record, now).await,
        None => Ok(()),
    }
}

async fn tell_of_scan(
    tx: &mut Tx,
    listeners: &Listeners,
    kind: MessageKind,
    record: ScanRecord,
    now: Micros,
) -> Result<(), StoreError> {
    let project = record.project_id;
    let facts = to_facts(&record.into_message()?)?;
    for listener in listeners.of(kind, project) {
        delivery::append(tx, listener.id, kind, &facts, now).await?;
    }
    Ok(())
}

type FoundTuple = (i64, String, i16, bool, String, String, String, i64, i64);

/// The message of what an image has that it did not have before, when a scan finds another inventory than the last
/// one did. A vulnerability that another version of the same package had there is not new.
pub(crate) async fn scan_found(
    tx: &mut Tx,
    listeners: &Listeners,
    scan: Uuid,
    (before, after): (i64, i64),
    now: Micros,
) -> Result<(), StoreError> {
    if !listeners.want(MessageKind::FindingsNew) {
        return Ok(());
    }
    let Some(record): Option<ScanRecord> = maybe!(tx, select_ended!("where s.id = $1"), scan)? else {
        return Ok(());
    };
    let message = record.into_message()?;
    if listeners.of(MessageKind::FindingsNew, message.image.project_id).next().is_none() {
        return Ok(());
    }
    let sql = "select distinct f.vulnerability_id, c.package_id from inventory_set i
               join set_component s on s.set_id = i.set_id join component c on c.id = s.component_id
               join finding f on f.component_id = c.id
               where i.inventory_id = $1 and f.closed_at is null";
    let known: Vec<(i64, i64)> = rows!(tx, sql, before)?;
    let known: BTreeSet<(i64, i64)> = known.into_iter().collect();
    let sql =
        "select distinct f.id, v.name, f.severity, f.fixable, k.kind, k.name, c.version, f.vulnerability_id,
                   c.package_id
               from inventory_set i join set_component s on s.set_id = i.set_id
               join component c on c.id = s.component_id join package k on k.id = c.package_id
               join finding f on f.component_id = c.id join vulnerability v on v.id = f.vulnerability_id
               where i.inventory_id = $1 and f.closed_at is null order by f.id";
    let found: Vec<FoundTuple> = rows!(tx, sql, after)?;
    let found: Vec<MessageFinding> = found
        .into_iter()
        .filter(|(.., vulnerability, package)| !known.contains(&(*vulnerability, *package)))
        .map(|(id, name, severity, fixable, kind, package, version, ..)| MessageFinding {
            id,
            name,
            severity: severity_of(severity),
            fixable,
            kind,
            package,
            version,
        })
        .collect();
    let sql = "select count(distinct digest) from inventory where id in ($1, $2)";
    let digests: Option<(i64,)> = maybe!(tx, sql, before, after)?;
    let same_image = digests == Some((1,));
    let base = FindingsMessage {
        image: message.image,
        cause: if same_image { ChangeReason::AnalyzerChanged } else { ChangeReason::ImageChanged },
        scan: Some(scan),
        shard: None,
        counts: Facets::default(),
        findings: Vec::new(),
    };
    tell_of_findings(tx, listeners, &base, &found, now).await
}

/// A message for everybody who wants it, each with what is severe enough for them.
async fn tell_of_findings(
    tx: &mut Tx,
    listeners: &Listeners,
    base: &FindingsMessage,
    found: &[MessageFinding],
    now: Micros,
) -> Result<(), StoreError> {
    for listener in listeners.of(MessageKind::FindingsNew, base.image.project_id) {
        if let Some(message) = FindingsMessage::of(base, found, listener.min_severity) {
            let facts = to_facts(&message)?;
            delivery::append(tx, listener.id, MessageKind::FindingsNew, &facts, now).await?;
        }
    }
    Ok(())
}

fn to_facts<T: Serialize>(message: &T) -> Result<String, StoreError> {
    serde_json::to_string(message).map_err(|_| StoreError::Value("message"))
}
