//! Where an image's scan stands, exactly: for people, pipelines and the other parts of the service.
//!
//! `not_ready` is an answer of this module, never a stored status: the store is locked or gone, or nobody works. It
//! reads only; asking for a scan is `submit`'s.

mod find;

use std::time::Duration;

use model::{
    Facets, FailureReason, JobClass, Phase, ScanProgress, ScanStatus,
    scan::{StatusFacts, status_text},
};
use store::{Image, Micros, Scan, ScanFilter, Scope, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{clock, jobs::Missing, service::Service};

/// Nobody waits longer in one request.
pub const MAX_WAIT: Duration = Duration::from_secs(600);
/// Other processes write to the store too: it is asked so often while somebody waits.
const LOOK: Duration = Duration::from_secs(1);
/// Completed scans that tell how long one takes.
const SAMPLE: u32 = 20;

/// Whose status is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An image by its reference or digest.
    Image {
        /// As a person wrote it.
        image: String,
        /// Of that platform only, as `os/architecture[/variant]`.
        platform: Option<String>,
    },
    /// One scan.
    Scan(Uuid),
}

/// The status of an image, or of one scan of it.
#[derive(Clone, Debug)]
pub struct ImageStatus {
    /// The status.
    pub status: ScanStatus,
    /// The line that people read.
    pub text: String,
    /// Why it failed.
    pub reason: Option<FailureReason>,
    /// What it, or its last attempt, said of its end.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The image's reference.
    pub image: String,
    /// Its platform; empty for the default.
    pub platform: String,
    /// The image record; `None` when the store could not be asked.
    pub image_id: Option<i64>,
    /// Its project.
    pub project_id: Option<i64>,
    /// Digest of the platform's manifest, once known.
    pub digest: Option<String>,
    /// The scan.
    pub scan: Option<Uuid>,
    /// How urgent the scan is.
    pub class: Option<JobClass>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// When.
    pub requested_at: Option<Micros>,
    /// When work on it began.
    pub started_at: Option<Micros>,
    /// When it was over.
    pub finished_at: Option<Micros>,
    /// Grows with every change of the scan.
    pub version: i64,
    /// What is being done; of running scans.
    pub phase: Option<Phase>,
    /// How far; of running scans.
    pub progress: Option<ScanProgress>,
    /// Jobs that come before it; of waiting scans.
    pub position: Option<u32>,
    /// When work on it should begin, by what scans took lately.
    pub starts_at: Option<Micros>,
    /// The attempt that is made or comes next, from 1.
    pub attempt: u32,
    /// Attempts until it is given up.
    pub max_attempts: u32,
    /// When the next attempt begins.
    pub next_at: Option<Micros>,
    /// Advisories that are missing.
    pub missing: Option<Missing>,
    /// Whether something may have gone unseen; of completed scans.
    pub partial: bool,
    /// The report that can be read now, whatever the status of a newer scan.
    pub last_completed: Option<LastCompleted>,
}

/// The newest completed scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCompleted {
    /// The scan.
    pub scan: Uuid,
    /// Its report.
    pub report: i64,
    /// When it was made.
    pub finished_at: Micros,
    /// Open findings by severity. For an image these follow the advisories; for one scan they stand as reported.
    pub facets: Facets,
    /// Whether something may have gone unseen.
    pub partial: bool,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody ever asked for that image here, or it is in a project that the caller does not see.
    #[error("{0} is not known here")]
    ImageNotKnown(String),
    /// There is no such scan, or it is in a project that the caller does not see.
    #[error("there is no scan {0}")]
    ScanNotKnown(Uuid),
    /// What was named is no image.
    #[error("{0:?} is no image reference or digest")]
    Reference(String),
    /// The store, for good.
    #[error("the store could not be asked")]
    Store(#[from] StoreError),
}

impl StatusError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ImageNotKnown(_) => "image_not_known",
            Self::ScanNotKnown(_) => "scan_not_known",
            Self::Reference(_) => "reference-invalid",
            Self::Store(error) => error.code(),
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::ImageNotKnown(_) => "Check the spelling, or ask for a scan of it.",
            Self::ScanNotKnown(_) => "Check the id; scans of deleted images are gone.",
            Self::Reference(_) => "Write [registry/]repository[:tag][@digest], or a digest alone.",
            Self::Store(_) => "Look at the service's log under the request's id.",
        }
    }
}

impl ImageStatus {
    /// True when waiting longer makes no sense: nothing more happens, or nothing will without somebody's doing.
    pub fn is_settled(&self) -> bool {
        match self.status {
            ScanStatus::NotScanned => true,
            ScanStatus::DatabaseNotPopulated => {
                !self.missing.as_ref().is_some_and(|missing| missing.fetching)
            }
            status => status.is_terminal(),
        }
    }

    /// The service is up, but cannot do its work.
    pub fn not_ready(image: &str, why: &str) -> Self {
        Self {
            detail: Some(why.to_owned()),
            hint: Some("Try again in a moment; if it stays, look at the service's log.".to_owned()),
            ..Self::empty(ScanStatus::NotReady, image.to_owned())
        }
    }

    fn empty(status: ScanStatus, image: String) -> Self {
        Self {
            status,
            text: status_text(status, &StatusFacts::default()),
            reason: None,
            detail: None,
            hint: None,
            image,
            platform: String::new(),
            image_id: None,
            project_id: None,
            digest: None,
            scan: None,
            class: None,
            requested_by: None,
            requested_at: None,
            started_at: None,
            finished_at: None,
            version: 0,
            phase: None,
            progress: None,
            position: None,
            starts_at: None,
            attempt: 0,
            max_attempts: 0,
            next_at: None,
            missing: None,
            partial: false,
            last_completed: None,
        }
    }

    /// Of a scan alone: without what must be looked up beside it.
    pub fn of_scan(scan: &Scan) -> Self {
        let facts = StatusFacts {
            reason: scan.reason,
            attempt: scan.attempt,
            max_attempts: scan.max_attempts,
            detail: scan.detail.as_deref(),
        };
        let missing = scan.missing.as_deref().and_then(|json| serde_json::from_str::<Missing>(json).ok());
        let hint = match (scan.status, &missing) {
            (ScanStatus::Failed, _) => scan.reason.map(FailureReason::hint),
            (ScanStatus::DatabaseNotPopulated, Some(missing)) if !missing.fetching => {
                Some("Let an administrator fetch the missing advisories; the scan then goes on by itself.")
            }
            (ScanStatus::Cancelled, _) => Some("Ask for the scan again when it is wanted."),
            _ => None,
        };
        let runs = scan.status == ScanStatus::Running;
        Self {
            text: status_text(scan.status, &facts),
            reason: scan.reason,
            detail: scan.detail.clone(),
            hint: hint.map(str::to_owned),
            platform: scan.platform.clone(),
            image_id: Some(scan.image_id),
            project_id: Some(scan.project_id),
            digest: scan.digest.clone(),
            scan: Some(scan.id),
            class: Some(scan.class),
            requested_by: Some(scan.requested_by.clone()),
            requested_at: Some(scan.requested_at),
            started_at: scan.started_at,
            finished_at: scan.finished_at,
            version: scan.version,
            phase: scan.phase,
            progress: runs.then_some(scan.progress),
            position: scan.position,
            attempt: (scan.attempt + 1).min(scan.max_attempts),
            max_attempts: scan.max_attempts,
            next_at: scan.next_at,
            missing,
            partial: scan.partial,
            ..Self::empty(scan.status, scan.reference.clone())
        }
    }
}

impl Service {
    /// Where the scan of an image stands, or one scan. `scope` says what the caller may see.
    ///
    /// # Errors
    /// When there is no such image or scan, or the store is broken; a store that is merely busy is `not_ready`.
    pub async fn status(&self, scope: &Scope, subject: &Subject) -> Result<ImageStatus, StatusError> {
        match self.look(scope, subject).await {
            Err(StatusError::Store(error)) if error.is_transient() => {
                tracing::warn!(error = %model::problem::explain(&error), "a status cannot be told");
                let image = match subject {
                    Subject::Image { image, .. } => image.as_str(),
                    Subject::Scan(_) => "",
                };
                Ok(ImageStatus::not_ready(image, "the store does not answer"))
            }
            told => told,
        }
    }

    /// The same, once the scan is over, or nothing will change by itself, or after `max` (at most [`MAX_WAIT`]).
    pub async fn wait_status(
        &self,
        scope: &Scope,
        subject: &Subject,
        max: Duration,
    ) -> Result<ImageStatus, StatusError> {
        let deadline = Instant::now() + max.min(MAX_WAIT);
        let mut changed = self.follow();
        loop {
            changed.borrow_and_update();
            let status = self.status(scope, subject).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if status.is_settled() || left.is_zero() {
                return Ok(status);
            }
            // A service that ends says nothing more; what is known by then is the answer.
            if let Ok(Err(_)) = tokio::time::timeout(LOOK.min(left), changed.changed()).await {
                return Ok(status);
            }
        }
    }

    async fn look(&self, scope: &Scope, subject: &Subject) -> Result<ImageStatus, StatusError> {
        match subject {
            Subject::Image { image, platform } => {
                let image = self.find_image(scope, image, platform.as_deref()).await?;
                self.status_of(&image).await
            }
            Subject::Scan(id) => {
                let scan = self.store.scan(*id).await?.filter(|scan| scope.contains(scan.project_id));
                let scan = scan.ok_or(StatusError::ScanNotKnown(*id))?;
                let mut status = self.of_scan(&scan).await?;
                status.last_completed = match scan.report_id {
                    Some(report) => self.completed(report, None).await?,
                    None => match self.store.image(scan.image_id).await? {
                        Some(image) => self.last_completed(&image).await?,
                        None => None,
                    },
                };
                Ok(status)
            }
        }
    }

    /// Where the newest scan of an image record stands.
    pub async fn status_of(&self, image: &Image) -> Result<ImageStatus, StatusError> {
        let scan = match image.scan_id {
            Some(id) => self.store.scan(id).await?,
            None => None,
        };
        let mut status = match &scan {
            Some(scan) => self.of_scan(scan).await?,
            None => ImageStatus {
                hint: Some("Ask for a scan of it.".to_owned()),
                platform: image.platform.clone(),
                image_id: Some(image.id),
                project_id: Some(image.project_id),
                ..ImageStatus::empty(ScanStatus::NotScanned, image.reference.clone())
            },
        };
        status.digest = status.digest.or_else(|| image.digest.clone());
        status.last_completed = self.last_completed(image).await?;
        Ok(status)
    }

    async fn of_scan(&self, scan: &Scan) -> Result<ImageStatus, StoreError> {
        let mut status = ImageStatus::of_scan(scan);
        if status.missing.as_mut().is_some_and(|missing| missing.have_come(&self.advisories.database)) {
            status.hint = None;
        }
        if let Some(position) = scan.position {
            status.starts_at = self.estimate(position).await?;
        }
        Ok(status)
    }

    async fn last_completed(&self, image: &Image) -> Result<Option<LastCompleted>, StoreError> {
        let Some(report) = image.report_id else { return Ok(None) };
        self.completed(report, Some(image.facets)).await
    }

    async fn completed(
        &self,
        report: i64,
        facets: Option<Facets>,
    ) -> Result<Option<LastCompleted>, StoreError> {
        let report = self.store.report(report).await?;
        Ok(report.map(|report| LastCompleted {
            scan: report.scan_id,
            report: report.id,
            finished_at: report.created_at,
            facets: facets.unwrap_or(report.facets),
            partial: report.partial,
        }))
    }

    /// When a scan with so many before it should begin; `None` before any scan was completed.
    async fn estimate(&self, position: u32) -> Result<Option<Micros>, StoreError> {
        let filter =
            ScanFilter { status: Some(ScanStatus::Completed), limit: SAMPLE, ..ScanFilter::default() };
        let recent = self.store.scans(&Scope::All, &filter).await?;
        let took: Vec<i64> = recent
            .iter()
            .filter_map(|scan| Some(scan.finished_at?.saturating_sub(scan.started_at?)))
            .collect();
        let Ok(count @ 1..) = i64::try_from(took.len()) else { return Ok(None) };
        let mean = took.iter().sum::<i64>() / count;
        let slots = i64::try_from(self.config.workers.index).unwrap_or(1).max(1);
        Ok(Some(clock::now().saturating_add(mean.saturating_mul(i64::from(position) / slots))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_where_nothing_follows() {
        for status in ScanStatus::ALL {
            let settled = ImageStatus::empty(*status, String::new()).is_settled();
            let expected = status.is_terminal()
                || matches!(status, ScanStatus::NotScanned | ScanStatus::DatabaseNotPopulated);
            assert_eq!(settled, expected, "{status}");
        }
        let fetching = Missing { shards: vec!["npm".to_owned()], fetching: true, why: String::new() };
        let status = ImageStatus {
            missing: Some(fetching),
            ..ImageStatus::empty(ScanStatus::DatabaseNotPopulated, String::new())
        };
        assert!(!status.is_settled());
    }
}
