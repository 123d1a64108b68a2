//! A scan of many images: begun, carried on a step at a time, watched, stopped.

use std::time::Duration;

use model::{JobClass, Role, ScanStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    ImageSelection, ImageToScan, Micros, NewScanAll, ScanAll, ScanAllState, ScanAllStep, Schedule, Scope,
    StoreError,
};

use super::{error::ScheduleError, timing::next_time};
use crate::{
    accounts::{AccessError, Caller},
    clock,
    service::Service,
    submit::{Prepared, Requester, ScanOrder, Target},
};

/// Rows that one page holds at most.
const MAX_PAGE: u32 = 500;
/// Most characters of a text that selects.
const MAX_TEXT: usize = 200;
/// Scans that are cancelled between two looks.
const STOP_STEP: u32 = 200;

/// Which images are scanned; all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// With that label: name and value.
    pub label: Option<(String, String)>,
    /// In that environment.
    pub environment: Option<String>,
    /// Of that registry: `HOST` or `HOST:PORT`.
    pub registry: Option<String>,
    /// Whose newest report is older than so many seconds, or that have none.
    pub older_than: Option<u64>,
}

/// How far a scan of many images is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanAllProgress {
    /// What it is.
    pub run: ScanAll,
    /// How many of its scans are in which status.
    pub scans: Vec<(ScanStatus, u64)>,
}

impl ScanAllProgress {
    /// How many of its scans are not over.
    pub fn open(&self) -> u64 {
        self.scans.iter().filter(|(status, _)| !status.is_terminal()).map(|(_, count)| count).sum()
    }

    /// Whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        self.run.state != ScanAllState::Running && self.open() == 0
    }
}

impl Selection {
    pub(crate) fn check(&self) -> Result<(), ScheduleError> {
        let long = |text: &str| text.chars().count() > MAX_TEXT || text.contains('\0') || text.is_empty();
        if self.label.as_ref().is_some_and(|(name, value)| long(name) || (!value.is_empty() && long(value))) {
            return Err(ScheduleError::Selection("label"));
        }
        if self.environment.as_deref().is_some_and(long) {
            return Err(ScheduleError::Selection("environment"));
        }
        if self.registry.as_deref().is_some_and(long) {
            return Err(ScheduleError::Selection("registry"));
        }
        if self.older_than == Some(0) {
            return Err(ScheduleError::Selection("age"));
        }
        Ok(())
    }

    pub(crate) fn to_text(&self) -> Result<String, ScheduleError> {
        self.check()?;
        serde_json::to_string(self).map_err(|_| ScheduleError::Damaged)
    }

    /// What is stored of a schedule or a scan of many images.
    ///
    /// # Errors
    /// [`ScheduleError::Damaged`] when it is none.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        serde_json::from_str(text).map_err(|_| ScheduleError::Damaged)
    }

    /// As the store takes it; ages are counted from `at`.
    fn at(&self, at: Micros) -> ImageSelection {
        let age = |seconds| clock::micros(Duration::from_secs(seconds));
        ImageSelection {
            label: self.label.clone(),
            environment: self.environment.clone(),
            registry: self.registry.clone(),
            scanned_before: self.older_than.map(|seconds| at.saturating_sub(age(seconds))),
        }
    }
}

impl Service {
    /// Begins to scan many images: of one project, or of all in which the caller is an operator.
    ///
    /// # Errors
    /// When the caller may not, or no image is selected.
    pub async fn scan_all(
        &self,
        caller: &Caller,
        project: Option<i64>,
        selection: &Selection,
    ) -> Result<ScanAllProgress, ScheduleError> {
        let scope = match project {
            Some(project) => {
                caller.may(Role::Operator, Some(project))?;
                Scope::Projects(vec![project])
            }
            None => caller.scope_as(Role::Operator),
        };
        if scope.projects().is_some_and(<[i64]>::is_empty) {
            // Says why: they are no operator anywhere.
            caller.may(Role::Operator, None)?;
            return Err(AccessError::Project.into());
        }
        let filter = selection.to_text()?;
        let now = clock::now();
        let (total, last_image) = self.store.count_selected(&scope, &selection.at(now)).await?;
        if total == 0 {
            return Err(ScheduleError::Nothing);
        }
        let projects = match (project, scope.projects()) {
            (None, Some(projects)) => {
                Some(serde_json::to_string(projects).map_err(|_| ScheduleError::Damaged)?)
            }
            _ => None,
        };
        let run = NewScanAll {
            schedule: None,
            project,
            projects: projects.as_deref(),
            filter: &filter,
            started_by: &caller.name,
            request_id: caller.origin.request.as_deref().unwrap_or(""),
            last_image,
            total,
        };
        let detail = json!({ "images": total, "selection": selection });
        let note = caller.note("scan_all.started", "images".to_owned(), project, detail);
        let id = self.store.begin_scan_all(&run, &note.event(), now).await?;
        self.scan_all_progress(caller, id).await
    }

    /// How far a scan of many images is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or the caller may not see it.
    pub async fn scan_all_progress(
        &self,
        caller: &Caller,
        id: i64,
    ) -> Result<ScanAllProgress, ScheduleError> {
        let run = self.store.scan_all(id).await?.ok_or(StoreError::NotFound("scan of many images"))?;
        let seen = match run.project_id {
            Some(project) => caller.may(Role::Viewer, Some(project)).is_ok(),
            None => is_own(caller, &run) || caller.may(Role::Admin, None).is_ok(),
        };
        if !seen {
            return Err(StoreError::NotFound("scan of many images").into());
        }
        let scans = self.store.progress_of(id).await?;
        Ok(ScanAllProgress { run, scans })
    }

    /// Scans of many images that the caller may see, newest first: those before a number.
    pub async fn scan_alls(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ScanAll>, ScheduleError> {
        let global = caller.may(Role::Admin, None).is_ok();
        let who = (global, caller.name.as_str());
        Ok(self.store.scan_alls(&caller.scope(), who, before, limit.min(MAX_PAGE)).await?)
    }

    /// Stops a scan of many images: nothing more is submitted, and what waits or runs for it alone is cancelled.
    ///
    /// # Errors
    /// [`ScheduleError::Over`] when nothing is left to stop.
    pub async fn stop_scan_all(&self, caller: &Caller, id: i64) -> Result<ScanAllProgress, ScheduleError> {
        let before = self.scan_all_progress(caller, id).await?.run;
        match before.project_id {
            Some(project) => caller.may(Role::Operator, Some(project))?,
            None if is_own(caller, &before) => {}
            None => caller.may(Role::Admin, None)?,
        }
        let detail = json!({ "submitted": before.submitted, "of": before.total });
        let note = caller.note("scan_all.stopped", format!("scan-all:{id}"), before.project_id, detail);
        if !self.store.stop_scan_all(id, &note.event(), clock::now()).await? {
            return Err(ScheduleError::Over);
        }
        loop {
            let open = self.store.open_scans_of(id, STOP_STEP).await?;
            if open.is_empty() {
                break;
            }
            for scan in open {
                match self.store.cancel(scan, &caller.name, clock::now()).await {
                    // Gone with its image meanwhile.
                    Ok(_) | Err(StoreError::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.touch();
        self.scan_all_progress(caller, id).await
    }
}

fn is_own(caller: &Caller, run: &ScanAll) -> bool {
    !caller.must_change && caller.name == run.started_by
}

/// Begins a schedule whose time has come.
pub(crate) async fn begin_due(
    service: &Service,
    schedule: &Schedule,
    now: Micros,
) -> Result<(), ScheduleError> {
    let scope = schedule.project_id.map_or(Scope::All, |project| Scope::Projects(vec![project]));
    let next_at = next_time(schedule.timing, schedule.next_at, now);
    let selection = Selection::parse(&schedule.filter)?;
    let (total, last_image) = service.store.count_selected(&scope, &selection.at(now)).await?;
    let caller = Caller::system("lazaret");
    let run = NewScanAll {
        schedule: Some(schedule.id),
        project: schedule.project_id,
        projects: None,
        filter: &schedule.filter,
        started_by: &caller.name,
        request_id: "",
        last_image,
        total,
    };
    let detail = json!({ "images": total, "due_at": clock::rfc3339(schedule.next_at) });
    let note =
        caller.note("schedule.started", format!("schedule:{}", schedule.name), schedule.project_id, detail);
    match service.store.run_schedule(schedule, next_at, &run, &note.event(), now).await? {
        Some(id) => {
            tracing::info!(schedule = %schedule.name, scan_all = id, images = total, "a schedule begins");
        }
        None => {
            tracing::debug!(schedule = %schedule.name, "another process began it, or the last run is not over");
        }
    }
    Ok(())
}

/// What a step came to.
pub(crate) enum Stepped {
    /// How many were submitted, and the position from which it goes on.
    Submitted(u64, i64),
    /// Enough jobs wait.
    Full,
    /// Nothing is left, or another process goes on with it.
    Over,
}

/// Submits the next images, unless enough jobs wait.
pub(crate) async fn step(service: &Service, run: &ScanAll) -> Result<Stepped, ScheduleError> {
    let config = &service.config.background.schedules;
    if service.store.waiting_of(JobClass::Scheduled, config.waiting).await? >= config.waiting {
        return Ok(Stepped::Full);
    }
    let scope = scope_of(run)?;
    let selection = Selection::parse(&run.filter)?.at(run.created_at);
    let limit = config.chunk.max(1);
    let range = (run.position, run.last_image);
    let images = service.store.selected_images(&scope, &selection, range, limit).await?;
    let done = u32::try_from(images.len()).is_ok_and(|count| count < limit);
    let to = if done { run.last_image } else { images.last().map_or(run.last_image, |image| image.id) };
    let request =
        if run.request_id.is_empty() { format!("scan-all-{}", run.id) } else { run.request_id.clone() };
    let mut prepared = Vec::with_capacity(images.len());
    let mut skipped = 0;
    for image in &images {
        match prepare(service, image) {
            Some(one) => prepared.push((one, image)),
            None => skipped += 1,
        }
    }
    let scans: Vec<_> = prepared
        .iter()
        .map(|((order, prepared), image)| {
            let requester = Requester {
                project: image.project_id,
                name: &run.started_by,
                request_id: &request,
                class: JobClass::Scheduled,
                source: &image.source,
            };
            let mut scan = prepared.new_scan(order, requester, service.config.queue.max_attempts);
            // The record itself, whatever the same would be called today; it gets no other owner by this.
            scan.image.reference = &image.reference;
            scan.image.platform = &image.platform;
            scan.image.owner = None;
            scan
        })
        .collect();
    let step = ScanAllStep { id: run.id, from: run.position, to, scans: &scans, skipped, done };
    let Some(submitted) = service.store.submit_selected(&step, clock::now()).await? else {
        return Ok(Stepped::Over);
    };
    service.touch();
    if done {
        return Ok(Stepped::Over);
    }
    let count = u64::try_from(submitted.len()).unwrap_or(0);
    Ok(Stepped::Submitted(count, to))
}

fn scope_of(run: &ScanAll) -> Result<Scope, ScheduleError> {
    match (run.project_id, &run.projects) {
        (Some(project), _) => Ok(Scope::Projects(vec![project])),
        (None, None) => Ok(Scope::All),
        (None, Some(list)) => {
            serde_json::from_str(list).map(Scope::Projects).map_err(|_| ScheduleError::Damaged)
        }
    }
}

/// The order that scans an image again: what its newest scan opened, or what its reference says. `None` when neither
/// leads to an image.
fn prepare(service: &Service, image: &ImageToScan) -> Option<(ScanOrder, Prepared)> {
    let file = image.opened.as_deref().and_then(|source| source.strip_prefix("upload:"));
    let target = match file {
        Some(file) => Target::Upload { name: image.reference.clone(), file: file.to_owned() },
        None => Target::parse(image.opened.as_deref().unwrap_or(&image.reference)).ok()?,
    };
    let platform = if image.platform.is_empty() { None } else { Some(image.platform.parse().ok()?) };
    let order = ScanOrder { target, platform, secret: None };
    let prepared = Prepared::new(&service.key, &order, image.project_id).ok()?;
    Some((order, prepared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_kept_as_they_are_and_refused_when_they_make_no_sense() {
        let all = Selection {
            label: Some(("team".into(), "a".into())),
            environment: Some("prod".into()),
            registry: Some("r.example:5000".into()),
            older_than: Some(60),
        };
        assert_eq!(Selection::parse(&all.to_text().unwrap()).unwrap(), all);
        assert_eq!(Selection::parse("{}").unwrap(), Selection::default());
        assert_eq!(all.at(100_000_000).scanned_before, Some(40_000_000));
        assert_eq!(Selection { older_than: Some(u64::MAX), ..all }.at(0).scanned_before, Some(-Micros::MAX));
        let bad = [
            Selection { label: Some((String::new(), "a".into())), ..Selection::default() },
            Selection { environment: Some("x".repeat(201)), ..Selection::default() },
            Selection { registry: Some("a\0".into()), ..Selection::default() },
            Selection { older_than: Some(0), ..Selection::default() },
        ];
        for selection in bad {
            assert!(matches!(selection.to_text(), Err(ScheduleError::Selection(_))), "{selection:?}");
        }
        assert!(Selection::parse("{\"other\":1}").is_err());
    }
}
